"""The keys of the exporter-toolkit's web configuration file, as frozen models."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from exporter.options import Integer
from exporter.settings.problems import hint
from exporter.settings.section import Section
from exporter.settings.value_types import FilePath
from exporter.settings.web_config.words import (
    CIPHERS,
    CIPHERS_OF_TLS13,
    CLIENT_AUTH,
    CURVES,
    REQUIRE_ANY,
    VERSIONS,
)

_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_PART_OF_DURATION = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _one_of(known: tuple[str, ...], what: str) -> AfterValidator:
    """Accept only known words. The message repeats an unknown one only if it cannot be a secret."""

    def check(value: str) -> str:
        if value in known:
            return value
        shown = f"{value} is" if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,59}", value) else "this is"
        raise ValueError(f"{shown} no {what}{hint(value, known, list_all=True)}")

    return AfterValidator(check)


def _client_auth(value: str) -> str:
    if value in REQUIRE_ANY:
        raise ValueError(
            f"{value} would accept any certificate unchecked, which Python's TLS cannot do and which keeps nobody out: "
            "write RequireAndVerifyClientCert, and client_ca_file with whom you trust"
        )
    return value


def _bcrypt(value: str) -> str:
    if not _BCRYPT.fullmatch(value):
        raise ValueError(
            "is no bcrypt hash, which begins with $2a$, $2b$ or $2y$ and has 60 characters: "
            "`htpasswd -nBC 10 NAME` prints NAME:HASH"
        )
    return value


def _user(value: str) -> str:
    if not value or ":" in value:
        raise ValueError("a user needs a name without a colon")
    if not value.isprintable():
        raise ValueError("a user needs a name of characters that can be typed")
    return value


def _interval(value: object) -> object:
    """Seconds from a duration in Go's notation."""
    text = str(value).strip().removeprefix("+")
    if isinstance(value, bool) or not isinstance(value, str | int) or not text:
        raise ValueError("must be a duration such as 500ms, 1s or 1m30s")
    if text == "0":
        return 0.0
    parts = _PART_OF_DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise ValueError("must be a duration with a unit, such as 500ms, 1s or 1m30s; 0 is no limit")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _without_empty(values: object) -> object:
    """The values without keys that are null or empty texts, which count as missing, as in Go."""
    if not isinstance(values, dict):
        return {} if values is None else values
    return {key: value for key, value in values.items() if value is not None and value != ""}


ClientAuth = Annotated[str, AfterValidator(_client_auth), _one_of((*CLIENT_AUTH, *REQUIRE_ANY[:1]), "client_auth_type")]
Version = Annotated[str, _one_of(tuple(VERSIONS), "TLS version")]
Cipher = Annotated[str, _one_of((*CIPHERS, *CIPHERS_OF_TLS13), "cipher suite")]
Curve = Annotated[str, _one_of(tuple(CURVES), "curve")]


class TlsServerConfig(Section):
    """How connections are encrypted, and which clients may connect."""

    cert: str | None = Field(None, repr=False)
    cert_file: FilePath | None = None
    key: str | None = Field(None, repr=False)
    key_file: FilePath | None = None
    client_ca: str | None = Field(None, repr=False)
    client_ca_file: FilePath | None = None
    client_auth_type: ClientAuth = "NoClientCert"
    client_allowed_sans: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"
    cipher_suites: tuple[Cipher, ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[Curve, ...] = ()


class HttpServerConfig(Section):
    """Settings of HTTP; `http2` has no effect, because the server has HTTP/1.1 only."""

    http2: bool = True
    headers: Mapping[str, str] = {}


class RateLimitSection(Section):
    """A token bucket for all requests: one token per `interval` (seconds; 0: no limit), at most `burst` of them."""

    interval: Annotated[float, BeforeValidator(_interval)] = 0.0
    burst: Annotated[Integer, Field(ge=0)] = 0


Tls = Annotated[TlsServerConfig, BeforeValidator(_without_empty)]
Http = Annotated[HttpServerConfig, BeforeValidator(_without_empty)]
RateLimit = Annotated[RateLimitSection, BeforeValidator(_without_empty)]
Users = Annotated[
    Mapping[Annotated[str, AfterValidator(_user)], Annotated[str, AfterValidator(_bcrypt)]],
    BeforeValidator(lambda values: {} if values is None else values),
]


class WebFile(Section):
    """The whole web configuration file."""

    tls_server_config: Tls = TlsServerConfig()
    http_server_config: Http = HttpServerConfig()
    basic_auth_users: Users = Field({}, repr=False)
    rate_limit: RateLimit = RateLimitSection()
