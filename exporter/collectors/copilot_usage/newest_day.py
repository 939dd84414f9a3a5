"""Chooses the day whose figures are shown: the newest of three that GitHub has finished, else the newest with usage.

The engagement by feature is in the report of 28 days only, which is read for it too.

GitHub answers 204 both for a day that is not finished and for a day without usage. It finishes a day within two days.
So a day that has no report after four days was without usage: the data are dated by it, the figures are older.

https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-usage-metrics
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from exporter import worker
from exporter.collectors.copilot_usage.record_rows import rows_of, section_rows, section_table_rows
from exporter.collectors.copilot_usage.sections import BY_MEMBER, ENGAGEMENT, SECTIONS, TOTALS
from exporter.collectors.reading.daily_reports import (
    DAYS_BACK,
    SHOWN_AFTER,
    LastRun,
    midnight,
    no_report,
    report_or_none,
)
from exporter.collectors.reading.report_files import File
from exporter.collectors.reading.reports import Contradiction, DayFigures, Report
from exporter.collectors.reading.signed_reports import Source, Unreadable, read_report
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.errors import GitHubError, HostRefused, Invalid, LinkExpired, NotFound
from exporter.fetching import Api, Ask, Doubt, Fetched
from exporter.instants import DAY, day_of
from exporter.past import Part, PastAnswer, Shown
from exporter.tables import Table

MOST_BYTES = 256 * 1024 * 1024


@dataclass(slots=True)
class _Search:
    """The report to show, and the findings of the search for it.

    - `without_use`: the newest day known to be without usage.
    - `errors`: those of newer days.
    - `rejected` and `unknown`: counts of values that belong to no day.
    - `has_reports`: whether GitHub has these reports at all, so that a 404 means one day.
    - `month`: the report of 28 days, if it was read.
    """

    report: Report
    without_use: float
    errors: list[GitHubError] = field(default_factory=list)
    rejected: int = 0
    unknown: UnknownFields = field(default_factory=UnknownFields)
    has_reports: bool = False
    month: Report | None = None

    def take(self, report: Report) -> None:
        """Use another report."""
        self.report = report
        self.rejected += report.unplaced
        self.unknown.join(report.unknown)


async def fetch_newest_day(api: Api, ask: Ask, path: str, tables: Sequence[Table]) -> Fetched:
    """The figures of the day to show; `path` is the path of the reports, without the period."""
    before = LastRun.from_ask(ask)
    search = await _search(api, ask, path, before)
    report = search.report
    is_older = report.day < before.day
    if search.errors and (not report.day or is_older):
        raise search.errors[0]  # an error must not bring back an older day
    ask.memory.value = before.day if is_older else report.day
    engagement, unread = await _engagement(api, ask, path, search)
    for figures in (report.figures, engagement):
        search.unknown.join(figures.unknown)
    rows = await worker.run(tuple, rows_of(report)) if report.day else ()
    gone = f"GitHub shows the report of {before.day} no more"
    doubted = [(table, gone) for table in tables if is_older and not table.endpoints]
    doubted += [(table, unread) for table in tables if unread and table.endpoints]
    return Fetched(
        (*rows, *section_table_rows(engagement)),
        report.figures.rejected + engagement.rejected + search.rejected + len(search.errors),
        max(midnight(report.day), search.without_use) or None,
        # A host that is not allowed, or a refused link, is reported although an older day could be read.
        fault=next((error for error in search.errors if isinstance(error, HostRefused | LinkExpired)), None),
        unknown=search.unknown,
        doubts=tuple(Doubt(table, why) for table, why in doubted),
    )


async def fetch_past_day(api: Api, ask: Ask, part: Part, path: str) -> PastAnswer:
    """The figures of one day of the past; the engagement by feature has none, because its report is of 28 days."""
    report = await report_or_none(read(api, ask, f"{path}-1-day", day_of(part.start)))
    if report is None:
        return no_report(part)
    rows = await worker.run(tuple, rows_of(report)) if report.day else ()
    rejected = report.figures.rejected + report.unplaced
    return PastAnswer((Shown(part.start + SHOWN_AFTER, rows),), rejected=rejected)


async def _search(api: Api, ask: Ask, path: str, before: LastRun) -> _Search:
    """Read single days, newest first, then the report of 28 days."""
    search = _Search(empty_report(ask), before.without_use)
    today = ask.end // DAY * DAY
    for back in DAYS_BACK:
        begin = today - back * DAY
        try:
            report = await read(api, ask, f"{path}-1-day", day_of(begin))
        except NotFound:
            continue  # not ready; the report of 28 days shows whether there are reports at all
        except Unreadable as error:
            search.errors.append(error.reason)
            continue
        search.has_reports = True
        search.take(report)
        if report.day:
            return search
        if back == DAYS_BACK[-1] and not report.unplaced:
            search.without_use = float(begin)
    oldest = day_of(today - DAYS_BACK[-1] * DAY)
    search.take(await latest(api, ask, path, before.day if before.day < oldest else "", search))
    return search


async def _engagement(api: Api, ask: Ask, path: str, search: _Search) -> tuple[DayFigures, str]:
    """The engagement by feature over 28 days, and why it could not be read; the day is shown without it."""
    if BY_MEMBER[ENGAGEMENT].breakdown not in ask.options.breakdowns:
        return DayFigures(), ""
    if search.month is not None:
        return search.month.span, ""
    try:
        report = await read(api, ask, f"{path}-28-day/latest", members=(ENGAGEMENT,))
    except NotFound:
        return DayFigures(), ""
    except Contradiction as error:
        search.errors.append(error)
    except Unreadable as error:
        search.errors.append(error.reason)
    else:
        return report.span, ""
    return DayFigures(), "GitHub's report of 28 days, which has the engagement by feature, cannot be read"


async def latest(api: Api, ask: Ask, path: str, before: str, search: _Search) -> Report:
    """The newest day of the last 28, or `before`, the day that was shown, if that is newer."""
    try:
        report = await read(api, ask, f"{path}-28-day/latest")
    except Unreadable as error:
        raise error.reason from None
    except NotFound:
        if search.errors:
            raise search.errors[0] from None
        if not search.has_reports:
            raise
        report = empty_report(ask)
    search.month = report
    if report.day > day_of(ask.end + DAY):
        raise Invalid(f"{path}-28-day/latest: the report has a day in the future ({report.day})")
    if report.day < before:
        try:
            again = await read(api, ask, f"{path}-1-day", before)
        except Unreadable as error:
            raise error.reason from None
        except NotFound:
            return report
        return again if again.day else report
    return report


async def read(api: Api, ask: Ask, path: str, day: str | None = None, members: Collection[str] | None = None) -> Report:
    """A report; its day is empty if GitHub has none yet. Raises `Unreadable`, `Contradiction`.

    `members` are those to read, if they are not all that the options select.
    """
    source = Source(path, {"day": day} if day else None, ask.options.download_hosts, MOST_BYTES)
    return await read_report(api, source, lambda: empty_report(ask, day, members), File)


def empty_report(ask: Ask, day: str | None = None, members: Collection[str] | None = None) -> Report:
    """A report without figures yet: of a day, or of the newest day in its files."""
    if members is None:
        members = {section.member for section in SECTIONS if section.breakdown in ask.options.breakdowns}
    known = BY_MEMBER.keys() | {"day_totals"}
    return Report(section_rows, members, known, only=day, own=TOTALS, spanning=(ENGAGEMENT,))
