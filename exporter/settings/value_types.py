"""Types of single values: each normalizes a value, or says what to write instead.

The validators raise ValueError, as pydantic asks for. Their messages never repeat the value, which may be a secret,
except that of a listen address: nobody keeps a secret there, and what looks like a token is masked.
"""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from exporter.github.links import wrong_api_url
from exporter.github.network.hosts import is_loopback
from exporter.github.secret_files.tokens import is_github_token, token_in
from exporter.options import date_text, download_host, no_boolean, split_list
from exporter.privacy import UserNames

_SHORTEST_TOKEN = 40  # a shorter text with a token's prefix may be a name, such as ghe_production
_A_SHARE = "must be more than 0 and at most 1: 0.3 is 30 %"


def _no_percentage(value: object) -> object:
    if isinstance(value, str) and value.rstrip().endswith("%"):
        raise ValueError(_A_SHARE)
    return value


def _share(value: float) -> float:
    if not 0 < value <= 1:
        raise ValueError(_A_SHARE)
    return value


Number = Annotated[float, BeforeValidator(no_boolean)]
"""A number, but not true or false."""

Share = Annotated[
    Number,
    Field(allow_inf_nan=False, json_schema_extra={"exclusiveMinimum": 0, "maximum": 1}),
    BeforeValidator(_no_percentage),
    AfterValidator(_share),
]
"""A ratio, more than 0 and at most 1."""


def _url(value: str, schemes: tuple[str, ...]) -> SplitResult:
    wrong = f"must be a URL such as {schemes[0]}://host.example.com"
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(wrong)
    try:
        parts = urlsplit(value)
        host = re.fullmatch(r"[a-z0-9._:-]+", parts.hostname or "")
        complete = parts.scheme in schemes and host is not None and parts.port != 0
    except ValueError:  # not chained: its text may repeat a password
        raise ValueError(wrong) from None
    if not complete:
        raise ValueError(wrong)
    return parts


def _api_url(value: str) -> str:
    right = wrong_api_url(value)
    try:
        url = _plain_root(value)
    except ValueError as error:
        raise ValueError(f"{error}; {right}" if right else str(error)) from None
    if right:
        raise ValueError(right)
    return url


def _plain_root(value: str) -> str:
    parts = _url(value.strip(), ("https", "http"))
    if "@" in parts.netloc or "?" in value or "#" in value:
        raise ValueError(
            "must be a plain root such as https://ghes.example.com/api/v3, without user, query or fragment"
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("must begin with https://: over http:// anyone on the way can read the token")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


ApiUrl = Annotated[str, AfterValidator(_api_url)]
"""A root of GitHub's API without a slash at its end; plain http on loopback only."""


def _proxy(value: str) -> str:
    if re.match(r"\s*socks[0-9a-z]*:", value, re.IGNORECASE):
        raise ValueError("SOCKS is not supported: name an HTTP proxy, http://HOST:PORT or https://HOST:PORT")
    parts = _url(value.strip(), ("http", "https"))
    if parts.path not in ("", "/") or "?" in value or "#" in value:
        raise ValueError("must be a plain proxy URL such as http://proxy.example.com:3128")
    return value.strip().rstrip("/")


def _docs_url(value: str) -> str:
    text = value.strip()
    parts = _url(text, ("https", "http"))
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError("must be a plain URL such as https://wiki.example.com/exporter, without user or query")
    return text.rstrip("/")


DocsUrl = Annotated[str, AfterValidator(_docs_url)]
"""The root of a documentation, without a slash at its end."""

ProxyUrl = Annotated[str, AfterValidator(_proxy)]
"""`http://HOST:PORT`, perhaps with user and password."""

DIRECT = "direct"


def _proxy_or_direct(value: str) -> str:
    try:
        return DIRECT if value.strip().lower() == DIRECT else _proxy(value)
    except ValueError as error:
        raise ValueError(f"{error}, or {DIRECT} for no proxy") from None


ProxyOrDirect = Annotated[str, AfterValidator(_proxy_or_direct)]
"""A proxy, or `direct` for none."""


def _no_proxy(value: str) -> str:
    text = value.strip().lower()
    if text == "*":
        return text
    try:
        if "/" in text:
            return str(ipaddress.ip_network(text, strict=False))
        return f"[{ipaddress.IPv6Address(text)}]"
    except ValueError:
        pass
    try:
        # "*.DOMAIN" as in download_hosts, and ".DOMAIN" as in the variables of other programs
        domain = text.startswith((".", "*."))
        host = download_host(text.lstrip("*").lstrip("."))
    except ValueError:
        host = "*"
    if "*" in host or (domain and "[" in host):
        raise ValueError("must be HOST, HOST:PORT, .DOMAIN, an address, a network such as 10.0.0.0/8, or *")
    return f".{host}" if domain else host


NoProxy = Annotated[tuple[Annotated[str, AfterValidator(_no_proxy)], ...], BeforeValidator(split_list)]
"""Hosts that are reached without the proxy, as `exporter/github/network/` reads them."""


def _api_version(value: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError('must be a date such as "2022-11-28"')
    return value


ApiVersion = Annotated[str, BeforeValidator(date_text), AfterValidator(_api_version)]
"""A version of GitHub's REST API."""


def _token(value: SecretStr) -> SecretStr:
    token = token_in(value.get_secret_value())
    if isinstance(token, str):
        raise ValueError(f"must be one word, a token: it {token}")  # noqa: TRY004 - pydantic's protocol
    return token


Token = Annotated[SecretStr, AfterValidator(_token)]
"""A token, of characters that an HTTP header may have."""


def _client_id(value: str) -> str:
    text = value.strip()
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text) or re.fullmatch(r"[0-9a-f]{40}", text):
        raise ValueError("must be the client id in the App's settings, such as Iv23liEXAMPLE: no secret, no key")
    return text


ClientId = Annotated[str, AfterValidator(_client_id)]
"""The client id of a GitHub App; GitHub takes the App's number instead, too."""


def _refuse_token(name: str) -> None:
    if is_github_token(name) and len(name) >= _SHORTEST_TOKEN:
        raise ValueError("is a token, not a name: write it to a file and name that as token_file")


def _credential_name(value: str) -> str:
    _refuse_token(value)
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", value):
        raise ValueError("must be a name of letters, digits, dots, hyphens and underscores")
    return value


CredentialName = Annotated[str, AfterValidator(_credential_name)]


def _given(value: object) -> object:
    if value is None:
        raise ValueError("is empty: write the name, and a name null in quotes")
    return value


def _target_name(value: str) -> str:
    _refuse_token(value.strip())
    if not re.fullmatch(r"[a-z0-9_-]{1,100}", name := value.strip().lower()):
        raise ValueError("must be a name as in GitHub's URLs: letters, digits, hyphens and underscores, at most 100")
    return name


TargetName = Annotated[str, BeforeValidator(_given), AfterValidator(_target_name)]
"""A name of GitHub's, lower case."""


def _path(value: object) -> object:
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise ValueError("must be a path")
    return value


FilePath = Annotated[Path, BeforeValidator(_path)]


def parse_address(text: str) -> tuple[str, int]:
    """`:10171`, `127.0.0.1:0`, `[::1]:0`, `localhost:10171` as (host, port); host "" is all interfaces. ValueError."""
    parts = re.fullmatch(r"(?:\[([^\]]+)\]|([A-Za-z0-9.-]*)):([0-9]{1,5})", text)
    try:
        if parts is not None and parts[1]:
            ipaddress.IPv6Address(parts[1])
    except ValueError:
        parts = None
    if parts is None or int(parts[3]) > 65535:
        raise ValueError(f"{text!r} is not a listen address: write :PORT, HOST:PORT or [IPV6]:PORT, port 0 to 65535")
    return parts[1] or parts[2], int(parts[3])


def _addresses(value: object) -> object:
    """The items of one text with commas; an empty item is left in, to be refused."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _address(value: str) -> str:
    try:
        parse_address(value)
    except ValueError:
        shown = value if len(value) <= 60 else f"{value[:60]}…"
        text = f"{shown!r} is no address to listen on: write :10171, 127.0.0.1:10171 or '[::]:10171'"
        raise ValueError(text) from None
    return value


Addresses = Annotated[
    tuple[Annotated[str, AfterValidator(_address)], ...], BeforeValidator(_addresses), Field(min_length=1)
]
"""At least one `:PORT`, `HOST:PORT` or `[IPV6]:PORT`; several may be given as one text with commas."""


def _web_path(value: str) -> str:
    is_taken = value.startswith("/-/") or value == "/api/v1/status"
    if is_taken or not re.fullmatch(r"/[A-Za-z0-9._~/-]+", value) or value.startswith("//"):
        raise ValueError(
            'must begin with "/", have letters, digits and ._~-/ only, must not be "/" alone, not lie under "/-/" and '
            "not be /api/v1/status"
        )
    return value


WebPath = Annotated[str, AfterValidator(_web_path)]


def _segments(path: str) -> str:
    """A path as a prefix of others: a slash before each segment and none at its end; "" for the root."""
    prefix = f"/{path.strip('/')}".rstrip("/")
    if not re.fullmatch(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*", prefix) or prefix.startswith("/-/"):
        raise ValueError('must have a path such as /github: letters, digits, ".", "_", "~", "-" between single slashes')
    return prefix


def _route_prefix(value: str) -> str | None:
    return _segments(value.strip()) if value.strip() else None


RoutePrefix = Annotated[str, AfterValidator(_route_prefix)]
"""A path without a slash at its end, "" for the root; `/github`, `github` and `/github/` are the same (Prometheus)."""


def _external_url(value: str) -> str | None:
    text = value.strip()
    if not text or text.startswith("/"):  # a path alone is enough for links, as in Prometheus
        return _segments(text) or None
    parts = _url(text, ("https", "http"))
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError("must be a plain URL such as https://example.com/github, without user, query or fragment")
    return f"{parts.scheme}://{parts.netloc}{_segments(parts.path)}"


ExternalUrl = Annotated[str, AfterValidator(_external_url)]
"""A URL, or its path alone, without a slash at its end."""


def _level(value: object) -> object:
    lower = value.lower() if isinstance(value, str) else value
    return "warning" if lower == "warn" else lower


LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_level)]


def _off(value: object) -> object:
    return "off" if value is False else value  # YAML 1.1 reads a bare `off` as false


UserNamesSetting = Annotated[UserNames, BeforeValidator(_off)]
