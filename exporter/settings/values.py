"""Types of single values: each turns what was written into one form, or says what must be written instead.

The validators raise ValueError, as pydantic asks for; their texts never repeat the value, which may be a secret.
"""

import ipaddress
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, SecretStr
from pydantic_settings import NoDecode

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?=\d)(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")


def _seconds(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("needs a unit: write 30s, 5m, 6h or 7d, in quotes or not")  # noqa: TRY004 - pydantic's protocol
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a duration such as 5s, 30m, 6h, 7d or 1h30m")
    seconds = float(sum(int(n or 0) * unit for n, unit in zip(found.groups(), _UNITS.values(), strict=True)))
    if not 1 <= seconds <= 366 * 86400:
        raise ValueError("must be at least 1s and at most 366d")
    return seconds


def duration_text(seconds: float) -> str:
    """Seconds as people write them: 5400 is `1h30m`."""
    text, rest = "", int(seconds)
    for letter, unit in _UNITS.items():
        count, rest = divmod(rest, unit)
        text += f"{count}{letter}" if count else ""
    return text or "0s"


Duration = Annotated[float, BeforeValidator(_seconds), PlainSerializer(duration_text, when_used="json")]
"""Text such as `30m` or `1h30m`, from 1s up; seconds once validated."""


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")  # noqa: TRY004 - pydantic's protocol
    return value


Whole = Annotated[int, BeforeValidator(_no_boolean)]
"""A whole number; `true` is none."""

Number = Annotated[float, BeforeValidator(_no_boolean)]
"""A number; `true` is none."""


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


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _api_url(value: str) -> str:
    parts = _url(value.strip(), ("https", "http"))
    if "@" in parts.netloc or "?" in value or "#" in value:
        raise ValueError(
            "must be a plain root such as https://ghes.example.com/api/v3, without user, query or fragment"
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise ValueError("must begin with https://: over http:// anyone on the way can read the token")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


ApiUrl = Annotated[str, AfterValidator(_api_url)]
"""A root of GitHub's API without a slash at its end; plain http on loopback only."""


def _proxy(value: str) -> str:
    parts = _url(value.strip(), ("http", "https"))
    if parts.path not in ("", "/") or "?" in value or "#" in value:
        raise ValueError("must be a plain proxy URL such as http://proxy.example.com:3128")
    return value.strip().rstrip("/")


ProxyUrl = Annotated[str, AfterValidator(_proxy)]
"""`http://HOST:PORT`, perhaps with user and password."""


def _text_of_date(value: object) -> object:
    # YAML reads an unquoted 2022-11-28 as a date.
    return value.isoformat() if hasattr(value, "isoformat") else value


def _api_version(value: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError('must be a date such as "2022-11-28"')
    return value


ApiVersion = Annotated[str, BeforeValidator(_text_of_date), AfterValidator(_api_version)]
"""A version of GitHub's REST API."""


def _visible(value: SecretStr) -> SecretStr:
    secret = value.get_secret_value()
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise ValueError("must be one word of visible characters; is there a line break or a space in it?")
    return value


Token = Annotated[SecretStr, AfterValidator(_visible)]
"""A secret that fits into a header."""


def _credential_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", value):
        raise ValueError("must be a name of letters, digits, dots, hyphens and underscores")
    return value


CredentialName = Annotated[str, AfterValidator(_credential_name)]


def _target_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9_-]{1,100}", name := value.strip().lower()):
        raise ValueError("must be a name as in GitHub's URLs: letters, digits, hyphens and underscores, at most 100")
    return name


TargetName = Annotated[str, AfterValidator(_target_name)]
"""A name of GitHub's, lower case."""


def _path(value: object) -> object:
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise ValueError("must be a path")
    return value


FilePath = Annotated[Path, BeforeValidator(_path)]


def _addresses(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _address(value: str) -> str:
    found = re.fullmatch(r"(?:\[([^\]]+)\]|([A-Za-z0-9.-]*)):([0-9]{1,5})", value)
    valid = found is not None and int(found[3]) <= 65535
    if found is not None and found[1]:
        try:
            ipaddress.IPv6Address(found[1])
        except ValueError:
            valid = False
    if not valid:
        raise ValueError('must be ":PORT", "HOST:PORT" or "[IPV6]:PORT"')
    return value


Addresses = Annotated[
    tuple[Annotated[str, AfterValidator(_address)], ...],
    NoDecode,
    BeforeValidator(_addresses),
    Field(min_length=1),
]
"""At least one `:PORT`, `HOST:PORT` or `[IPV6]:PORT`; several may be given as one text with commas."""


def _web_path(value: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9._~/-]+", value) or value.startswith(("/-/", "//")):
        raise ValueError('must begin with "/", must not be "/" alone and not lie under "/-/"')
    return value


WebPath = Annotated[str, AfterValidator(_web_path)]


def _level(value: object) -> object:
    lower = value.lower() if isinstance(value, str) else value
    return "warning" if lower == "warn" else lower


Level = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_level)]


def _off(value: object) -> object:
    return "off" if value is False else value  # YAML 1.1 reads a bare `off` as false


UserNames = Annotated[Literal["login", "pseudonym", "off"], BeforeValidator(_off)]


def _download_hosts(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")


def _download_host(value: str) -> str:
    text = value.strip().lower()
    text = f"[{text}]" if text.count(":") > 1 and "[" not in text else text
    found = re.fullmatch(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._*-]+))(?::([0-9]{1,5}))?", text)
    wrong = 'must be "HOST", "HOST:PORT" or "*.DOMAIN.TLD"'
    if found is None or (found[3] is not None and not 1 <= int(found[3]) <= 65535):
        raise ValueError(wrong)
    port = f":{int(found[3])}" if found[3] else ""
    if found[1]:
        try:
            return f"[{ipaddress.IPv6Address(found[1])}]{port}"
        except ValueError:
            raise ValueError(wrong) from None
    below = found[2].startswith("*.")
    name = found[2].removeprefix("*.")
    if not _HOST.fullmatch(name) or (below and (port or "." not in name)):
        raise ValueError(wrong)
    return found[2] + port


DownloadHosts = Annotated[
    tuple[Annotated[str, AfterValidator(_download_host)], ...], BeforeValidator(_download_hosts), Field(min_length=1)
]
"""Hosts that signed files may be read from; those below a domain, or hosts that are named literally."""


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T|$)", text) is not None


def _day(value: object) -> object:
    if isinstance(value, datetime) and value.tzinfo:
        value = value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"  # YAML read it as an instant
    text = _text_of_date(value)
    if text == "" or (isinstance(text, str) and _is_date(text)):
        return text
    raise ValueError("must be a date such as 2026-11-17, or a date and time, or empty")


Day = Annotated[str, BeforeValidator(_day)]
"""A date as GitHub takes it in a query; empty for none."""
