"""Instants and numbers in headers; instants are epoch seconds. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple

from exporter.instants import DAY

_STRUCTURED = re.compile(r"@([0-9]{1,12})[ \t]*(?:;.*)?")
_ZONED = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[ T](?P<time>\d\d:\d\d:\d\d(?:\.\d{1,6})?) ?(?P<zone>UTC|GMT|Z|[+-]\d\d:?\d\d|)", re.ASCII
)
_TIME_OF_RESPONSE = 60.0
EXPIRES_SOON = 14 * DAY
"""How long before a token's end the status page warns, in seconds; the alert GithubCredentialExpiring uses it, too."""
_END_OF_CALENDAR = 253_402_300_800.0  # the year 10000: RFC 3339 has four digits for a year


@lru_cache(maxsize=64)  # responses of one second have the same date
def http_date(text: str) -> float | None:
    """Epoch seconds of an HTTP date; None for any other text."""
    try:
        instant = parsedate_to_datetime(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError, AttributeError):
        return None


def whole_number(text: str) -> float | None:
    """The whole number in a header; None if it is not one. Only the first 12 digits are used: no instant has more."""
    text = text.strip()
    return float(text[:12]) if text.isascii() and text.isdigit() else None


def token_expiry(headers: Mapping[str, str], now: float) -> float | None:
    """When the token of a request expires, by GitHub's header; None if the header does not say it. Never raises.

    The zone is UTC or that of the user: `2026-12-31 23:59:59 UTC`, `2026-12-31 23:59:59 +0200`. For fine-grained tokens
    GitHub has sent the time of the response, which is ignored; `now` is GitHub's clock.
    https://github.blog/changelog/2021-07-26-expiration-options-for-personal-access-tokens/
    https://github.com/google/go-github/issues/2649 https://github.com/google/go-github/issues/3708
    """
    parts = _ZONED.fullmatch(headers.get("github-authentication-token-expiration", "").strip())
    if parts is None:
        return None
    zone = parts["zone"]
    try:
        text = f"{parts['day']}T{parts['time']}{zone if zone[:1] in ('+', '-') else '+0000'}"
        expiry = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return expiry if 0 <= expiry < _END_OF_CALENDAR and abs(expiry - now) > _TIME_OF_RESPONSE else None


class Closing(NamedTuple):
    """When an endpoint was or will be deprecated, and when it ends; None where GitHub gives no date.

    https://www.rfc-editor.org/rfc/rfc9745 (Deprecation), https://www.rfc-editor.org/rfc/rfc8594 (Sunset)
    """

    deprecation: float | None = None
    sunset: float | None = None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> "Closing":
        """Both dates from the headers of a response, in either form. Never raises; an impossible date is ignored."""
        return cls(_announced(headers.get("deprecation")), _announced(headers.get("sunset")))


OPEN = Closing()
"""An endpoint without an announced end."""


def _announced(text: str | None) -> float | None:
    if text is None:
        return None
    number = _STRUCTURED.fullmatch(text.strip())
    instant = float(number[1]) if number else http_date(text)
    return instant if instant is not None and 0 <= instant < _END_OF_CALENDAR else None
