"""Chooses the day of a report that GitHub makes once a day: the newest of three that it has finished.

GitHub answers 204 both for a day that is not finished and for a day without usage, and finishes a day within two days.
So a day that has no report after four days was without usage: the data are dated by it, the figures are older.

https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-usage-metrics
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from exporter import worker
from exporter.collectors.reading.signed_reports import Unreadable
from exporter.errors import GitHubError, HostRefused, LinkExpired, NotFound
from exporter.fetching import Ask, Doubt, Fetched
from exporter.github.apps import NotInstalled
from exporter.instants import DAY, day_of, epoch
from exporter.past import YEAR, Part, PastAnswer, Shown
from exporter.tables import Row, Table

DAYS_BACK = (2, 3, 4)

SHOWN_AFTER = DAYS_BACK[0] * DAY
"""Seconds from the start of a day until its figures are shown."""

NO_REPORT = "GitHub has no report of the day"

LOOK_BACK = YEAR
"""How long GitHub keeps reports of a day, in seconds."""
FIRST_DAY: Mapping[str, str] = {"enterprise": "2025-10-10", "organization": "2025-12-12"}
"""The first day with reports: https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-usage-metrics"""
LONGEST = 31 * DAY
"""The most seconds that a day is shown while GitHub has no newer one: the report of 28 days, and `max_age` after it."""


class LastRun(NamedTuple):
    """The result of the last run: the day of its figures ("" for none), and the newest known day without usage."""

    day: str
    without_use: float

    @classmethod
    def from_ask(cls, ask: Ask) -> "LastRun":
        """The day is in the memory; a newer instant of the data is a day without usage."""
        if not ask.data_time:
            return cls("", 0.0)
        day = day_of(ask.data_time) if ask.memory.value is None else str(ask.memory.value)
        return cls(day, ask.data_time if ask.data_time > midnight(day) else 0.0)


def midnight(day: str) -> float:
    """The instant at which a day begins; 0 for no day."""
    return epoch(day) if day else 0.0


class DayReading(Protocol):
    """What the reports of a day are read into."""

    @property
    def rejected(self) -> int:
        """How many values could not be read."""

    @property
    def has_figures(self) -> bool:
        """Whether GitHub has figures of the day."""


AnyDay = TypeVar("AnyDay", bound=DayReading)
AnyReport = TypeVar("AnyReport")


@dataclass(slots=True)
class FoundDay(Generic[AnyDay]):
    """The day to show ("" and None: GitHub has none of the days), and the findings of the search for it.

    - `without_use`: the newest day known to be without usage.
    - `errors`: those of days that could not be read.
    """

    without_use: float
    day: str = ""
    reading: AnyDay | None = None
    errors: list[GitHubError] = field(default_factory=list)


async def find_day(
    ask: Ask, read: Callable[[str], Awaitable[AnyDay]], has_reports: Callable[[], Awaitable[object]]
) -> FoundDay[AnyDay]:
    """Read single days, newest first, then the day that was shown.

    A 404 is a day that is not ready. If all days are, `has_reports` raises `NotFound` unless GitHub has such reports.
    """
    before = LastRun.from_ask(ask)
    found: FoundDay[AnyDay] = FoundDay(before.without_use)
    today = ask.end // DAY * DAY
    days = [day_of(today - back * DAY) for back in DAYS_BACK]
    is_known = False
    for day in dict.fromkeys([*days, *filter(None, [before.day])]):
        try:
            reading = await read(day)
        except NotFound:
            continue
        except Unreadable as error:
            found.errors.append(error.reason)
            continue
        is_known = True
        if reading.has_figures:
            found.day, found.reading = day, reading
            return found
        if day == days[-1] and not reading.rejected:
            found.without_use = max(found.without_use, midnight(day))
    if not is_known and not found.errors:
        await has_reports()
    return found


def fetched_day(
    ask: Ask, found: FoundDay[AnyDay], rows: tuple[Row, ...], unknown: Mapping[str, int], tables: Sequence[Table]
) -> Fetched:
    """The result of a run that shows the day found; raises the error of a newer day rather than show an older one."""
    before = LastRun.from_ask(ask)
    is_older = found.day < before.day
    if found.errors and (not found.day or is_older):
        raise found.errors[0]
    ask.memory.value = before.day if is_older else found.day
    gone = f"GitHub shows the report of {before.day} no more"
    return Fetched(
        rows,
        (found.reading.rejected if found.reading else 0) + len(found.errors),
        max(midnight(found.day), found.without_use) or None,
        # A host that is not allowed, or a refused link, is reported although an older day could be read.
        fault=next((error for error in found.errors if isinstance(error, HostRefused | LinkExpired)), None),
        unknown=unknown,
        doubts=tuple(Doubt(table, gone) for table in tables) if is_older else (),
    )


def no_report(part: Part) -> PastAnswer:
    """A day of which GitHub has no report: the exporter would have shown the one before, which GitHub still had."""
    return PastAnswer((Shown(part.start + SHOWN_AFTER),), missing=NO_REPORT)


async def report_or_none(reading: Awaitable[AnyReport]) -> AnyReport | None:
    """What a request for a day's report gives; None where GitHub has none. Raises `GitHubError`."""
    try:
        return await reading
    except NotInstalled:
        raise
    except NotFound:
        return None
    except Unreadable as error:
        raise error.reason from None


async def read_past_day(
    part: Part, read: Callable[[str], Awaitable[AnyDay]], rows_of: Callable[[AnyDay], Iterable[Row]]
) -> PastAnswer:
    """The figures of one day of the past. A day without figures, or report, changes nothing: the one before goes on."""
    reading = await report_or_none(read(day_of(part.start)))
    if reading is None:
        return no_report(part)
    rows = await worker.run(lambda: tuple(rows_of(reading))) if reading.has_figures else ()
    return PastAnswer((Shown(part.start + SHOWN_AFTER, rows),), rejected=reading.rejected)
