"""Texts for counts, times and sentences on the status page."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from exporter.instants import DAY, HOUR, epoch_or_none, utc_time

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")
_UNITS = ((DAY, "day"), (HOUR, "hour"), (60.0, "minute"))


class Moment(NamedTuple):
    """An instant, as text relative to now and as ISO 8601 (UTC); `exact` is empty if there is no instant."""

    text: str
    exact: str = ""


def moment(instant: float | None, now: float, never: str = "never") -> Moment:
    """An instant (epoch seconds) relative to `now`: `5 minutes ago`, `in 3 hours`; `never` if there is none."""
    if instant is None:
        return Moment(never)
    try:
        exact = utc_time(instant)
    except (ValueError, OverflowError, OSError):  # GitHub may send any number, also one outside of the calendar
        return Moment(never)
    seconds = abs(now - instant)
    if seconds < 1:
        return Moment("now", exact)
    return Moment(f"{length(seconds)} ago" if instant < now else f"in {length(seconds)}", exact)


def in_words(text: str, now: float) -> list[Moment]:
    """The pieces of a text: its instants (`2026-11-21T09:00:00Z`) relative to `now`, and the words between them."""
    pieces = [piece for piece in _INSTANT.split(text) if piece]
    return [Moment(piece) if (instant := _instant(piece)) is None else moment(instant, now, piece) for piece in pieces]


def _instant(text: str) -> float | None:
    return epoch_or_none(text) if _INSTANT.fullmatch(text) else None


def length(seconds: float) -> str:
    """A length of time in whole units, of the largest of which there are two: `5 seconds`, `90 minutes`, `3 days`."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= 2 * size), (1.0, "second"))
    return many(round(seconds / size), unit)


def span(seconds: float) -> str:
    """`45 min`, `3 h`, `5.5 days`."""
    hours = seconds / HOUR
    if hours < 1:
        return f"{seconds / 60:.0f} min"
    return f"{hours:.3g} h" if hours < 48 else f"{hours / 24:.3g} days"


def many(count: int, word: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def some(names: Sequence[str], most: int = 3) -> str:
    """The first `most` names, and the number of the others."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def capital(text: str) -> str:
    """The text with a capital."""
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    return f"{capital(text)}."
