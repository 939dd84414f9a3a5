"""Instants in headers and messages, as epoch seconds; and when GitHub says that an endpoint ends."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple

_STRUCTURED = re.compile(r"@([0-9]{1,12})[ \t]*(?:;.*)?")
_END_OF_CALENDAR = 253_402_300_800.0  # the year 10000, which no text form of an instant has


@lru_cache(maxsize=64)  # one second's answers say the same
def http_date(text: str) -> float | None:
    """Epoch seconds of an HTTP date; None if it is none."""
    try:
        instant = parsedate_to_datetime(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError, AttributeError):
        return None


def clock_time(instant: float) -> str:
    """Epoch seconds as people read them in a message: `2026-11-21T09:00:00Z`."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Closing(NamedTuple):
    """When an endpoint became deprecated, or will, and when it ends; None where GitHub does not say.

    https://www.rfc-editor.org/rfc/rfc9745 (Deprecation), https://www.rfc-editor.org/rfc/rfc8594 (Sunset)
    """

    deprecation: float | None = None
    sunset: float | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> "Closing":
        """What the headers of an answer tell; the older form of an HTTP date is read, too. Never raises.

        An instant that no calendar has is none.
        """
        return cls(_instant(headers.get("deprecation")), _instant(headers.get("sunset")))


OPEN = Closing()
"""An endpoint of which no end is announced."""


def _instant(text: str | None) -> float | None:
    if text is None:
        return None
    number = _STRUCTURED.fullmatch(text.strip())
    instant = float(number[1]) if number else http_date(text)
    return instant if instant is not None and 0 <= instant < _END_OF_CALENDAR else None
