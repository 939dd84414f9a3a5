"""Usage report exports: which to read, which to wait for, and when to make one. Pure; instants are epoch seconds.

An export is made once per period and refresh. What is asked for is remembered before it is asked for (`Intent`), and
found again in the list if the answer was lost; only a refresh later it is asked for anew.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

HOUR = 3600.0
DAY = 24 * HOUR
SETTLED_AFTER = 5 * DAY
"""How long after a month's end late bookings are waited for."""
FIRST_POLL = 5.0
STUCK_AFTER = HOUR
"""An export that is being made for longer, and for longer than an interval, is not waited for any more."""
IN_FLIGHT = 30.0
"""A request cannot take longer, so what is not in the list by then was not made."""
CLOCKS_DIFFER = 120.0


@dataclass(frozen=True, slots=True)
class Period:
    """One month; the days are inclusive, `YYYY-MM-DD`. The running one ends today."""

    month: str
    first: str
    last: str
    running: bool

    @property
    def ended(self) -> float:
        """The instant of its last day's end."""
        return _instant(self.last) + DAY


@dataclass(frozen=True, slots=True)
class Export:
    """One export as GitHub lists it."""

    id: str
    report_type: str
    start: str
    end: str
    status: str
    created: float
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Intent:
    """An export that was asked for; `id` as soon as GitHub answered."""

    report_type: str
    start: str
    end: str
    at: float
    id: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do about one type and period.

    `use` is to be read, `wait` is being made, `failed` says that the newest one failed, `make` that one is missing.
    """

    use: Export | None
    wait: Export | None
    failed: Export | None
    make: bool


def periods(now: float) -> tuple[Period, Period]:
    """The running month, and the one before."""
    today = datetime.fromtimestamp(now, UTC).date()
    year, month = (today.year, today.month - 1) if today.month > 1 else (today.year - 1, 12)
    before = f"{year:04d}-{month:02d}"
    running = f"{today:%Y-%m}"
    return (
        Period(running, f"{running}-01", today.isoformat(), running=True),
        Period(before, f"{before}-01", f"{before}-{monthrange(year, month)[1]:02d}", running=False),
    )


def exports_in(answer: Any) -> tuple[list[Export], int] | None:
    """The exports of a list, and how many could not be read; None if it is no list of exports."""
    items = answer.get("usage_report_exports") if isinstance(answer, dict) else None
    if not isinstance(items, list):
        return None
    found = [export_in(item) for item in items]
    return [export for export in found if export], sum(export is None for export in found)


def export_in(item: Any) -> Export | None:
    """One export; None if it misses what identifies it. Without a date of its own it is as old as can be."""
    if not isinstance(item, dict):
        return None
    words = [item.get(name) for name in ("id", "report_type", "start_date", "end_date", "status")]
    if not all(isinstance(word, str) and word for word in words):
        return None
    identity, report_type, start, end, status = (str(word) for word in words)
    if not (_is_day(start) and _is_day(end)):
        return None
    links = item.get("download_urls")
    urls = tuple(link for link in links if isinstance(link, str)) if isinstance(links, list) else ()
    return Export(identity, report_type, start, end, status, _moment(item.get("created_at")), urls)


def covers(export: Export, period: Period) -> bool:
    """Whether an export holds a month: all of it, or of the running one what there was when it was made."""
    until = period.first if period.running else period.last
    return export.start <= period.first and export.end >= until


def choose(exports: Iterable[Export], intent: Intent | None, period: Period, now: float, interval: float) -> Choice:
    """What to do about a period, by GitHub's clock; all `exports` are of one type.

    `interval` is how old a fresh export may be.
    """
    covering = sorted(
        (one for one in exports if covers(one, period)),
        key=lambda one: (one.created, one.id),
    )
    use = next((one for one in reversed(covering) if one.status == "completed"), None)
    newest = covering[-1] if covering else None
    newer = newest if newest is not None and newest is not use else None
    wait = newer if newer and newer.status == "processing" and _recent(newer.created, now, interval) else None
    failed = newer if newer and newer.status == "failed" and _recent(newer.created, now, interval) else None
    settled = use is not None and not period.running and use.created >= period.ended + SETTLED_AFTER
    fresh = use is not None and (settled or now - use.created < interval)
    tried = failed is not None and now - failed.created < interval
    asked = intent is not None and now - intent.at < max(interval, IN_FLIGHT)
    return Choice(use, wait, failed, make=not (fresh or wait or tried or asked))


def found_again(intent: Intent, exports: Iterable[Export]) -> Export | None:
    """What was made of an intent whose answer was lost."""
    for export in exports:
        alike = (export.report_type, export.start, export.end) == (intent.report_type, intent.start, intent.end)
        if export.id == intent.id or (not intent.id and alike and export.created >= intent.at - CLOCKS_DIFFER):
            return export
    return None


def poll_after(polls: int, interval: float) -> float:
    """Seconds until an export that is being made is looked at again: ever later, up to the interval."""
    return min(FIRST_POLL * (1 << min(polls, 30)), interval)


def intents_in(memory: Any) -> dict[str, Intent]:
    """What is remembered of intents, by type and month."""
    kept = memory.get("intents", {}) if isinstance(memory, Mapping) else {}
    return {name: Intent(*values) for name, values in kept.items()}


def _recent(created: float, now: float, interval: float) -> bool:
    return now - created < max(interval, STUCK_AFTER)


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _instant(day: str) -> float:
    return float(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def _moment(value: Any) -> float:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    return 0.0 if found is None else (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
