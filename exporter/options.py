"""The base class of collectors' options, and the types of their values. Pure.

A validator raises ValueError, as pydantic asks for, and never repeats the value: it may be a secret.
"""

import ipaddress
import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?=\d)(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")


def _seconds(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("needs a unit: write 30s, 5m, 6h or 7d, in quotes or not")  # noqa: TRY004 - pydantic's protocol
    parts = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if parts is None:
        raise ValueError("must be a duration such as 5s, 30m, 6h, 7d or 1h30m")
    seconds = float(sum(int(n or 0) * unit for n, unit in zip(parts.groups(), _UNITS.values(), strict=True)))
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
"""Text such as `30m` or `1h30m`, from 1s to 366d; seconds once validated."""


def no_boolean(value: object) -> object:
    """Refuse true and false, which pydantic reads as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")  # noqa: TRY004 - pydantic's protocol
    return value


Integer = Annotated[int, BeforeValidator(no_boolean)]
"""An integer, never true or false."""


def split_list(value: object) -> object:
    """The parts of a text that are separated by commas, as a list; any other value as it is."""
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",")] if value.strip() else []


_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")


def download_host(value: str) -> str:
    """`HOST`, `HOST:PORT` or `*.DOMAIN.TLD`, lower case; an IPv6 address in brackets."""
    text = value.strip().lower()
    text = f"[{text}]" if text.count(":") > 1 and "[" not in text else text
    parts = re.fullmatch(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._*-]+))(?::([0-9]{1,5}))?", text)
    wrong = 'must be "HOST", "HOST:PORT" or "*.DOMAIN.TLD"'
    if parts is None or (parts[3] is not None and not 1 <= int(parts[3]) <= 65535):
        raise ValueError(wrong)
    port = f":{int(parts[3])}" if parts[3] else ""
    if parts[1]:
        try:
            return f"[{ipaddress.IPv6Address(parts[1])}]{port}"
        except ValueError:
            raise ValueError(wrong) from None
    is_domain = parts[2].startswith("*.")
    name = parts[2].removeprefix("*.")
    if not _HOST.fullmatch(name) or (is_domain and (port or "." not in name)):
        raise ValueError(wrong)
    return parts[2] + port


DownloadHosts = Annotated[
    tuple[Annotated[str, AfterValidator(download_host)], ...], BeforeValidator(split_list), Field(min_length=1)
]
"""Hosts that signed files may be read from: each is one host, or `*.DOMAIN.TLD` for all hosts below a domain."""


def date_text(value: object) -> object:
    """A date as text: YAML reads an unquoted 2022-11-28 as a date."""
    return value.isoformat() if hasattr(value, "isoformat") else value


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T|$)", text) is not None


def _day(value: object) -> object:
    if isinstance(value, datetime) and value.tzinfo:
        value = value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"  # YAML read it as an instant
    text = date_text(value)
    if text == "" or (isinstance(text, str) and _is_date(text)):
        return text
    raise ValueError("must be a date such as 2026-11-17, or a date and time, or empty")


QueryDate = Annotated[str, BeforeValidator(_day)]
"""A date, or a date and time, as GitHub takes it in a query; empty for none."""


class CollectorOptions(BaseModel):
    """A collector's own settings, besides those that every collector has; this class itself has none.

    Unknown keys are errors.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


class BoundedOptions(CollectorOptions):
    """The options of a collector that shows a series for each row: how many rows."""

    max_series: Annotated[Integer, Field(ge=1)] = Field(
        default=500,
        description="How many rows of a table and source have series of their own; the rest is summed as `other`.",
    )
