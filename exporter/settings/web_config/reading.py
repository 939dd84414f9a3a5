"""Reads the web configuration file; reports every problem at once, each with its file, key and line."""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from exporter.github.network.authorities import LARGEST_BUNDLE, trust
from exporter.github.secret_files.encodings import kind_of_pem
from exporter.regular_files import open_mode, read_regular, unreadable
from exporter.settings.checks import path_for_people
from exporter.settings.problems import ProblemReport, SettingsError, Where, hint
from exporter.settings.validation_errors import explained
from exporter.settings.web_config.certificates import UnusableFile, chain_in, key_in
from exporter.settings.web_config.context import UnsupportedTls, context_of
from exporter.settings.web_config.model import TlsServerConfig, WebFile
from exporter.settings.web_config.words import CLIENT_AUTH, HEADERS
from exporter.settings.yaml_file import folder_of, mapping_in

_TLS, _HEADERS, _USERS = "tls_server_config", ("http_server_config", "headers"), "basic_auth_users"
_PARTS = ("cert", "key", "client_ca")


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The content of a web configuration file.

    `tls` is None for plain HTTP. A client's certificate must have one of `allowed_sans`, if there are any. `users` maps
    names to bcrypt hashes; without users no login is required. One request is allowed per `interval` (seconds; 0: no
    limit), or `burst` of them at once.
    """

    tls: ssl.SSLContext | None = None
    allowed_sans: frozenset[str] = frozenset()
    headers: tuple[tuple[bytes, bytes], ...] = ()
    users: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    interval: float = 0.0
    burst: int = 0
    warnings: tuple[str, ...] = ()


PLAIN = WebConfig()


@dataclass(frozen=True, slots=True)
class WebConfigResult:
    """The configuration, or why it cannot be used; and every file that it depends on, its own first."""

    config: WebConfig | None
    error: SettingsError | None
    files: tuple[Path, ...]


def read(path: Path) -> WebConfigResult:
    """Read a web configuration file and the certificates that it names.

    It must be a regular file: a pipe would be empty at the second read, and an empty file means plain HTTP, no login.
    """
    report = ProblemReport()
    values = mapping_in(path, report, _read_as_text, read_regular)
    if values is None:
        return WebConfigResult(None, report.error(), (path,))
    _anchor(values, folder_of(path), report)
    files = (path, *(Path(text) for part in _PARTS if (text := _text(_section(values, _TLS), f"{part}_file"))))
    valid = _validated(values, report)
    parts = _parts_of_tls(values, report)
    _check_headers(values, report)
    context = None
    if valid is not None and not report.problems and parts:
        context = _context(valid.tls_server_config, parts, report)
    if report.problems or valid is None:
        return WebConfigResult(None, report.error(), files)
    return WebConfigResult(_config(path, valid, context), None, files)


class Outline(NamedTuple):
    """What a local client needs to know of a file: whether there is TLS, and which users may log in."""

    has_tls: bool
    users: tuple[str, ...]


def outline(path: Path) -> Outline | None:
    """The outline of a file, even if the file has errors; None if it cannot be read."""
    values = mapping_in(path, ProblemReport(), _read_as_text, read_regular)
    if values is None:
        return None
    return Outline(bool(_section(values, _TLS)), tuple(map(str, _section(values, _USERS))))


def _config(path: Path, valid: WebFile, context: ssl.SSLContext | None) -> WebConfig:
    tls = valid.tls_server_config
    return WebConfig(
        context,
        frozenset(tls.client_allowed_sans or ()),
        tuple((name.encode(), value.strip().encode()) for name, value in valid.http_server_config.headers.items()),
        {name.encode(): value.encode() for name, value in valid.basic_auth_users.items()},
        valid.rate_limit.interval,
        valid.rate_limit.burst,
        tuple(_warnings(path, tls)) if context else (),
    )


def _warnings(path: Path, tls: TlsServerConfig) -> Iterator[str]:
    place = tls.key_file or path
    if mode := open_mode(place):
        yield f"every user of this machine can read the private key in {place} ({mode}): chmod 600 {place}"
    yield from _warnings_of_client_auth(tls)


def _warnings_of_client_auth(tls: TlsServerConfig) -> list[str]:
    verifies = CLIENT_AUTH[tls.client_auth_type] != ssl.CERT_NONE
    if verifies and tls.client_ca is None and tls.client_ca_file is None:
        whom = "whoever has a client certificate of one of the machine's public authorities is let in"
        return [f"{tls.client_auth_type} without client_ca_file: {whom}"]
    if tls.client_auth_type == "RequestClientCert":
        return ["RequestClientCert has no effect: a certificate that nobody verifies is not asked for"]
    return []


def _validated(values: Mapping[str, Any], report: ProblemReport) -> WebFile | None:
    given = {key: value for key, value in values.items() if value is not None}
    try:
        return WebFile.model_validate(given)
    except ValidationError as error:
        for where, text in explained(error, WebFile, ()):
            report.wrong(_without_secret(where), text)
    return None


def _without_secret(where: Where) -> Where:
    """The place, up to a key with a colon or a dollar sign: that may be a password or a hash in the wrong place."""
    return tuple(takewhile(lambda part: not any(sign in str(part) for sign in ":$"), where))


def _parts_of_tls(values: Mapping[str, Any], report: ProblemReport) -> dict[str, str]:
    """Certificate, key and authorities as PEM; empty without TLS. Parts with a problem are reported and left out."""
    section = _section(values, _TLS)
    if not section:
        return {}
    parts = {}
    for part in _PARTS:
        key, raw = _content(section, part, report)
        if raw is None:
            continue
        try:
            parts[part] = chain_in(raw) if part == "cert" else key_in(raw) if part == "key" else _authorities(raw)
        except UnusableFile as error:
            report.wrong((_TLS, key), f"{_named(section, key, report)} {error}")
    for part, what in (("cert", "certificate"), ("key", "private key")):
        if not section.get(part) and not section.get(f"{part}_file"):
            text = f"is missing or empty: name the file with the server's {what}, or write it here as {part}: |"
            report.wrong((_TLS, f"{part}_file"), text)
    _check_policy(section, report)
    return parts


def _content(section: Mapping[str, Any], part: str, report: ProblemReport) -> tuple[str, bytes | None]:
    """The configuration key of a part, and its content; None if there is none, or it cannot be read."""
    inline, file = _text(section, part), _text(section, f"{part}_file")
    if inline and file:
        report.wrong((_TLS, f"{part}_file"), f"give {part} or {part}_file, not both")
        return part, None
    if not file:
        return part, inline.encode() if inline else None
    key = f"{part}_file"
    if kind := kind_of_pem(file):
        report.wrong((_TLS, key), f"is {kind}, not a path: write it as {part}: |")
        return key, None
    try:
        return key, read_regular(Path(file), LARGEST_BUNDLE + 1)
    except OSError as error:
        report.wrong((_TLS, key), f"{path_for_people(file, report)} {unreadable(error)}")
    except ValueError:  # a NUL in the path
        report.wrong((_TLS, key), "must be a path")
    return key, None


def _authorities(raw: bytes) -> str:
    if problem := trust(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), raw):
        raise UnusableFile("client_ca", problem)
    return chain_in(raw)


def _check_policy(section: Mapping[str, Any], report: ProblemReport) -> None:
    policy = section.get("client_auth_type") or "NoClientCert"
    authorities = next((key for key in ("client_ca_file", "client_ca") if section.get(key)), None)
    if authorities and policy == "NoClientCert":
        text = "is given, but no client is asked for a certificate: add client_auth_type: RequireAndVerifyClientCert"
        report.wrong((_TLS, authorities), text)
    is_known = isinstance(policy, str) and policy in CLIENT_AUTH
    if section.get("client_allowed_sans") and is_known and policy != "RequireAndVerifyClientCert":
        text = "needs client_auth_type: RequireAndVerifyClientCert; else clients without a certificate would pass"
        report.wrong((_TLS, "client_allowed_sans"), text)


def _check_headers(values: Mapping[str, Any], report: ProblemReport) -> None:
    section = _section(values, _HEADERS[0]).get(_HEADERS[1])
    for name, value in section.items() if isinstance(section, dict) else ():
        if name not in HEADERS:
            report.wrong(
                _without_secret((*_HEADERS, str(name))),
                "this header cannot be set" + hint(name, HEADERS, list_all=True),
            )
        elif HEADERS[name] and value not in HEADERS[name]:
            report.wrong((*_HEADERS, name), f"must be {' or '.join(HEADERS[name])}")
        elif isinstance(value, str) and not (value.isascii() and value.isprintable()):
            report.wrong((*_HEADERS, name), "must be one line of ASCII characters")


def _context(tls: TlsServerConfig, parts: Mapping[str, str], report: ProblemReport) -> ssl.SSLContext | None:
    try:
        return context_of(tls, parts["cert"], parts["key"], parts.get("client_ca"))
    except UnsupportedTls as error:
        report.wrong((_TLS, error.key), str(error))
    except UnusableFile as error:
        key = error.part if getattr(tls, error.part) else f"{error.part}_file"
        section = {key: str(getattr(tls, key))}
        report.wrong((_TLS, key), f"{_named(section, key, report)} {error}")
    return None


def _named(section: Mapping[str, Any], key: str, report: ProblemReport) -> str:
    """The subject of a message about a key: the file that it names, or "it" for content in the configuration itself."""
    return path_for_people(str(section[key]), report) if key.endswith("_file") else "it"


def _anchor(values: Mapping[str, Any], folder: Path, report: ProblemReport) -> None:
    """Make relative paths absolute: they start at the file's folder. The report keeps them as written."""
    section = _section(values, _TLS)
    for part in _PARTS:
        key = f"{part}_file"
        path = _text(section, key)
        if path and not kind_of_pem(path) and not Path(path).is_absolute():
            section[key] = str(folder / path)
            report.relative[section[key]] = path


def _section(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    section = values.get(key)
    return section if isinstance(section, dict) else {}


def _text(section: Mapping[str, Any], key: str) -> str:
    value = section.get(key)
    return value if isinstance(value, str) else ""


def _read_as_text(node: yaml.Node, where: tuple[str, ...] = ()) -> None:
    """Keep users and headers as text where YAML has other types: a user `on`, a header `X-XSS-Protection: 0`."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if where in ((_USERS,), _HEADERS):
            for scalar in (key, value):
                if isinstance(scalar, yaml.ScalarNode):
                    scalar.tag = "tag:yaml.org,2002:str"
        elif len(where) < len(_HEADERS):
            _read_as_text(value, (*where, str(key.value)))
