"""The way to one API root: connections, trust and proxy, and foreign exceptions in our words."""

import logging
import ssl
from functools import lru_cache
from pathlib import Path

import httpx

from exporter.github.connections import Connections
from exporter.github.credentials import Credential
from exporter.github.errors import GitHubError, Invalid, Unavailable
from exporter.github.links import path_of, proxy_url
from exporter.github.pacing import one_line

_CONNECTIONS = 10


def open_transport(credential: Credential, root: httpx.URL, proxy: str | None) -> httpx.AsyncBaseTransport:
    """Connect to nothing yet; raises `GitHubError` for a `ca_file` or proxy that cannot be used."""
    trust = _trust(credential.name, credential.ca_file, root)
    through = None if proxy is None else httpx.Proxy(proxy_url(proxy))
    if through is None or root.scheme == "http":  # which is on this host, and a proxy would read the token
        return Connections(trust, _CONNECTIONS)
    return httpx.AsyncHTTPTransport(
        verify=trust,
        proxy=through,
        trust_env=False,
        limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
    )


def open_downloads(proxy: str | None) -> httpx.AsyncHTTPTransport:
    """The way to storage hosts: public authorities only, and a connection for each file.

    A connection that is kept would be taken for another host at the same address.
    """
    return httpx.AsyncHTTPTransport(
        verify=_authorities(None, 0),
        proxy=None if proxy is None else httpx.Proxy(proxy_url(proxy)),
        trust_env=False,
        limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=0),
    )


def _trust(whose: str, ca_file: Path | None, root: httpx.URL) -> ssl.SSLContext:
    """Public authorities and the credential's own; a plain http root trusts nobody, so it costs nothing."""
    if root.scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return _authorities(ca_file, ca_file.stat().st_mtime_ns if ca_file else 0)
    except ssl.SSLError:
        problem = "holds no PEM certificate"
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    raise Unavailable(f"credential {whose}: ca_file {ca_file} {problem}")


@lru_cache(maxsize=8)
def _authorities(ca_file: Path | None, _changed: int) -> ssl.SSLContext:
    """One context for all who trust the same: each takes 20 ms and 0.7 MB, and an App has many installations."""
    context = httpx.create_ssl_context(trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def in_our_words(error: Exception, url: httpx.URL) -> GitHubError:
    """A foreign exception as ours. Only a failed connection's text is known to hold no header and no URL."""
    host = one_line(url.raw_host.decode())
    match error:
        case httpx.ConnectTimeout():
            return Unavailable(f"no connection to {host} in time")
        case httpx.ConnectError() | httpx.ProxyError():
            return Unavailable(f"no connection to {host}: {one_line(str(error))}")
        case httpx.RemoteProtocolError() | httpx.ReadError() | httpx.WriteError():
            return Unavailable(f"{path_of(url)}: the connection broke before the answer was complete")
        case httpx.LocalProtocolError() | httpx.InvalidURL() | ValueError():
            return Invalid(f"{path_of(url)}: the request cannot be sent ({type(error).__name__})")
        case _:
            return Unavailable(f"{path_of(url)}: no answer from {host} ({type(error).__name__})")


def silence() -> None:
    """Keep httpx from logging URLs and httpcore from logging headers, whatever the root logger's level is."""
    for name in ("httpx", "httpcore", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
        logging.getLogger(name).setLevel(logging.WARNING)


silence()
