"""Warnings: settings that are valid but probably a mistake."""

import re
from collections.abc import Iterator, Mapping

from exporter.regular_files import open_mode
from exporter.settings.environment import proxy_variables
from exporter.settings.model import Settings

_PROXY = re.compile(r"(?:(?P<scheme>\w+)://)?(?P<user>.*@)?(?P<host>[\w.-]+|\[[0-9A-Fa-f:.]+\])(?P<port>:\d+)?/?")


def warnings_of(settings: Settings) -> Iterator[str]:
    """All warnings, a sentence each."""
    yield from unread_proxy(settings)
    yield from open_secrets(settings)


def unread_proxy(settings: Settings, environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """A warning about a proxy variable that other programs read and this one does not.

    `environ=None` is the process' environment.
    """
    variables = proxy_variables(environ)
    used = settings.used_credentials()
    if not variables or settings.proxy or all(settings.credentials[name].proxy for name in used):
        return
    name, value = next(iter(variables.items()))
    url = _PROXY.fullmatch(value.strip())
    if url and (url["scheme"] or "").lower().startswith("socks"):
        yield f"{name} is not read: GitHub is asked directly. It names a SOCKS proxy; HTTP proxies alone are supported"
        return
    user = "USER:PASSWORD@" if url and url["user"] else ""
    host = f"{url['host']}{url['port'] or ''}" if url else "HOST:PORT"
    scheme = "https" if url and (url["scheme"] or "").lower() == "https" else "http"
    yield (
        f"{name} is set and is not read: GitHub is asked directly. To use it write into the file (--config.file) "
        f"proxy: {scheme}://{user}{host}; to ask directly, and not to read this again, unset it or give the credential "
        "proxy: direct"
    )


def open_secrets(settings: Settings) -> Iterator[str]:
    """Warnings about secrets in files that every user of the machine can read."""
    for name in settings.used_credentials():
        credential = settings.credentials[name]
        for key, path in (("token_file", credential.token_file), ("private_key_file", credential.private_key_file)):
            if path is not None and (mode := open_mode(path)):
                yield f"credentials.{name}.{key}: every user of this machine can read {path} ({mode}): chmod 600 {path}"
