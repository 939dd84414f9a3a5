"""Decides which exports to read, to wait for and to request. Pure; instants are epoch seconds.

An export is requested once per period and interval. The request is saved before it is sent (`Intent`): if its response
is lost, the export is recognized in the list, and otherwise requested again only an interval later.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from exporter.collectors.reading.days import BOOKED_AFTER, is_day
from exporter.github.downloads import distinct
from exporter.instants import DAY, HOUR, day_of, epoch, epoch_or_none

SETTLED_AFTER = 5 * DAY
"""Seconds from a month's end until all its usage is booked: an export made later is final."""
FIRST_POLL = 5.0
STUCK_AFTER = HOUR
"""Seconds; an export that is processing for longer, and longer than an interval, is given up."""
IN_FLIGHT = 30.0
"""Seconds that a request may take: an export that is not in the list by then was not created."""
CLOCK_TOLERANCE = 120.0
LIST = "usage_report_exports"
MOST_EXPORTS = 5_000
"""Exports of one list: one every ten minutes for the 31 days that GitHub keeps them."""
FIELDS = (
    "id",
    "report_type",
    "start_date",
    "end_date",
    "status",
    "created_at",
    "download_urls",
    "actor",
    "error_message",
)
"""The fields of an export: https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports"""


@dataclass(frozen=True, slots=True)
class Period:
    """One month; the days are inclusive, `YYYY-MM-DD`. The running one ends today."""

    month: str
    first: str
    last: str
    running: bool

    @property
    def ended(self) -> float:
        """The instant at which its last day ends."""
        return epoch(self.last) + DAY

    def has_just_begun(self, now: float) -> bool:
        """Whether it is so new that GitHub may have booked nothing yet."""
        return now < epoch(self.first) + BOOKED_AFTER


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
    """A request for an export; `id` is that of the export, empty until GitHub has answered."""

    report_type: str
    start: str
    end: str
    at: float
    id: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do about one report type and period.

    `usable` is the newest completed export, `pending` a newer one that is processing, `failed` a newer one that failed;
    `missing` says that a new export would be needed.
    """

    usable: Export | None
    pending: Export | None
    failed: Export | None
    missing: bool


def periods(now: float) -> tuple[Period, Period]:
    """The running month, and the one before."""
    today = day_of(now)
    first = f"{today[:7]}-01"
    last_before = day_of(epoch(first) - DAY)
    return (
        Period(today[:7], first, today, running=True),
        Period(last_before[:7], f"{last_before[:7]}-01", last_before, running=False),
    )


def parse_exports(answer: Any) -> tuple[list[Export], int] | None:
    """The exports of a list, and how many could not be read; None if it is no list of exports, or too long."""
    items = answer.get(LIST) if isinstance(answer, dict) else None
    if not isinstance(items, list) or len(items) > MOST_EXPORTS:
        return None
    exports = [parse_export(item) for item in items]
    return [export for export in exports if export], exports.count(None)


def parse_export(item: Any) -> Export | None:
    """An export; None if a field that identifies it is missing, or its links are not strings.

    An export without a date counts as the oldest. A link that is listed twice is one file, whose rows count once.
    """
    if not isinstance(item, dict):
        return None
    values = [item.get(name) for name in ("id", "report_type", "start_date", "end_date", "status")]
    if not all(isinstance(value, str) and value for value in values):
        return None
    identity, report_type, start, end, status = (str(value) for value in values)
    if not (is_day(start) and is_day(end)):
        return None
    links = item.get("download_urls") or []
    if not isinstance(links, list) or not all(isinstance(link, str) for link in links):
        return None
    created = epoch_or_none(item.get("created_at")) or 0.0
    return Export(identity, report_type, start, end, status, created, tuple(distinct(links)))


def covers(export: Export, period: Period) -> bool:
    """Whether an export covers the whole period; of the running month, up to its creation."""
    until = period.first if period.running else period.last
    return export.start <= period.first and export.end >= until


def choose(exports: Iterable[Export], intent: Intent | None, period: Period, now: float, interval: float) -> Choice:
    """What to do about a period, by GitHub's clock; all `exports` are of one type.

    `interval` is how old a fresh export may be, in seconds.
    """
    covering = sorted(
        (_dated(export, now) for export in exports if covers(export, period)),
        key=lambda export: (export.created, export.id),
    )
    usable = next((export for export in reversed(covering) if export.status == "completed"), None)
    newest = covering[-1] if covering else None
    newer = newest if newest is not None and newest is not usable else None
    is_recent = newer is not None and now - newer.created < max(interval, STUCK_AFTER)
    pending = newer if newer and is_recent and newer.status == "processing" else None
    failed = newer if newer and is_recent and newer.status == "failed" else None
    is_final = usable is not None and not period.running and usable.created >= period.ended + SETTLED_AFTER
    is_fresh = is_final or (usable is not None and now - usable.created < interval)
    has_just_failed = failed is not None and now - failed.created < interval
    is_requested = intent is not None and -CLOCK_TOLERANCE <= now - intent.at < max(interval, IN_FLIGHT)
    return Choice(usable, pending, failed, missing=not (is_fresh or pending or has_just_failed or is_requested))


def created_by(intent: Intent, exports: Iterable[Export]) -> Export | None:
    """The export that a request has created: by its id if that is known, else the first equal one created since."""
    for export in exports:
        is_alike = (export.report_type, export.start, export.end) == (intent.report_type, intent.start, intent.end)
        if export.id == intent.id or (not intent.id and is_alike and export.created >= intent.at - CLOCK_TOLERANCE):
            return export
    return None


def poll_after(polls: int, interval: float) -> float:
    """Seconds until a processing export is polled again: twice as long each time, up to the interval."""
    return min(FIRST_POLL * (1 << min(polls, 30)), interval)


def parse_intents(memory: Any) -> dict[str, Intent]:
    """Remembered requests, by type and month."""
    intents = memory.get("intents", {}) if isinstance(memory, Mapping) else {}
    return {name: Intent(*values) for name, values in intents.items()}


def _dated(export: Export, now: float) -> Export:
    """The export; one with a date in the future counts as the oldest, because it would be fresh for ever."""
    return export if export.created <= now + CLOCK_TOLERANCE else replace(export, created=0.0)
