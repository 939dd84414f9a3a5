"""The past of spend: of each month the sums up to the end of each day, and then the whole of it for one month more.

GitHub has usage of the last 24 months, but lists exports for 31 days only. A month that no export in its list covers is
exported anew with `create`; else it is a gap. A run that was killed finds the export that it has requested in the list.

https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from exporter.collectors.usage_reports.child import MOST_BYTES_BY_DAY, Selection, check, read_sums
from exporter.collectors.usage_reports.days import DaySums
from exporter.collectors.usage_reports.exports import (
    FIRST_POLL,
    SETTLED_AFTER,
    Choice,
    Export,
    Intent,
    Period,
    choose,
    created_by,
)
from exporter.collectors.usage_reports.requests import (
    File,
    create_export,
    export_of,
    list_exports,
    may_create,
    read_files,
    selection_of,
    types_of,
)
from exporter.collectors.usage_reports.tables import MonthExport, export_figures, spend_rows
from exporter.errors import Forbidden, Invalid, NotFound, Unavailable
from exporter.fetching import Api, Ask
from exporter.instants import DAY, day_of, epoch
from exporter.past import YEAR, Part, Past, PastAnswer, Shown

WAITS = tuple(FIRST_POLL * (1 << poll) for poll in range(7))
"""Seconds before each look at the list after a request: eleven minutes in all."""
USUAL_WAITS = 3
"""Most exports are made within 10 to 60 seconds."""
REACH = 2 * YEAR
"""Seconds: GitHub makes exports of the last 24 months."""
MARGIN = 62 * DAY
"""The month before the first one is read, too, so two months at the end of the reach are not asked for."""
FIRST_MONTH = {"premium_request": "2025-10", "ai_credit": "2026-06"}
"""Before it GitHub has no usage of the type: https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports"""


@dataclass(frozen=True, slots=True)
class ShownMonth(Collection[Shown]):
    """What was shown of a kind of spend in a month: on each of `days`, from its end on, the sums up to then.

    The rows of a day are made when it is reached, because all of them would fill the memory.
    """

    kind: str
    sums: DaySums
    days: Sequence[str]
    until: float
    person: Callable[[str], str]

    def __len__(self) -> int:
        return len(self.days)

    def __contains__(self, shown: object) -> bool:
        return any(shown == one for one in self)

    def __iter__(self) -> Iterator[Shown]:
        for day, figures in self.sums.to_date(self.person):
            if day > self.days[-1]:
                return
            yield self._of_day(
                day, figures
            )  # nothing here refers to the rows of a day while those of the next are made

    def _of_day(self, day: str, figures: Mapping[str, Any]) -> Shown:
        month, end = day[:7], int(epoch(day)) + DAY
        rows = list(spend_rows(self.kind, month, figures["sums"]))
        if not self.kind:
            rows.append(MonthExport(month=month, figures=export_figures(figures, end)))
        return Shown(end, tuple(rows), f"{self.kind} {month}", self.until)


async def list_past(api: Api, ask: Ask) -> tuple[Part, ...]:
    """The months, from the one before the first on, which was shown beside it; one part for each kind of spend.

    A month of another kind than the spend is left out if no export has it and none is requested.
    """
    exports = (await list_exports(api, ask)).exports
    found: list[Part] = []
    begin = _first_of_month(_first_of_month(ask.start) - DAY)
    while begin + DAY <= ask.end:
        following = _first_of_month(begin + 31 * DAY)
        part = Part(begin, min(following, ask.end))
        period = _period(part)
        for kind, report_type in types_of(ask.options):
            choice = _choose(_of_type(report_type, exports), None, period, api.now(), ask.interval)
            is_requested = _may_have(ask.options, report_type, period) and _is_requested(choice, period, api.now())
            if not kind or choice.usable or is_requested:
                requests = 1 + is_requested * (1 + USUAL_WAITS) + _lacks_links(choice)
                found.append(replace(part, subject=(kind,), requests=requests))
        begin = following
    if found:
        found[0] = replace(found[0], requests=found[0].requests + 1)  # and this list
    return tuple(found)


async def fetch_past(api: Api, ask: Ask, part: Part, waits: Sequence[float] = WAITS) -> PastAnswer:
    """What was shown of a kind of spend in a month; `waits` are the seconds before each look for a requested export."""
    (kind,) = part.subject
    report_type = kind or ask.options.report_type
    period = _period(part)
    export = await _find(api, ask, report_type, period, waits)
    if export is None:
        return PastAnswer(missing=f"no {report_type} export covers {period.month}: {_advice(ask.options, kind)}")
    days = [day_of(instant) for instant in range(part.start, int(period.ended), DAY)]
    selection = selection_of(ask.options, [kind], days)
    sums = await read_files(api, ask, export, partial(_sum_up, selection=selection))
    known = [day for day in days if epoch(day) + DAY <= _known_until(export)]
    rejected = sum(month.rejected for month in sums.counts.months.values())
    is_whole = len(known) == len(days)
    if not known:
        return PastAnswer(missing=_too_old(export, period, _advice(ask.options, kind)))
    shown_until = epoch(known[-1]) + DAY + ask.max_age
    if is_whole and period.ended == _first_of_month(part.start + 31 * DAY):
        shown_until = _first_of_month(int(period.ended) + 31 * DAY)
    is_lacking = not is_whole and shown_until < period.ended
    missing = _too_old(export, period, _advice(ask.options, kind)) if is_lacking else ""
    return PastAnswer(ShownMonth(kind, sums, known, shown_until, ask.name_form), rejected=rejected, missing=missing)


async def _sum_up(files: Sequence[File], selection: Selection) -> DaySums:
    sums = DaySums.empty(selection)
    await read_sums(files, selection, sums.take, MOST_BYTES_BY_DAY)
    check(sums.counts)
    return sums


async def _find(api: Api, ask: Ask, report_type: str, period: Period, waits: Sequence[float]) -> Export | None:
    """The export to read; requests a missing one, if that is allowed, and waits for it."""
    intent: Intent | None = None
    for wait in (0.0, *waits):
        await asyncio.sleep(wait)
        exports = _of_type(report_type, (await list_exports(api, ask)).exports)
        now = api.now()
        choice = _choose(exports, intent, period, now, ask.interval)
        if intent:
            requested = created_by(intent, exports)
            is_awaited = requested is None or requested.status not in {"completed", "failed"}
        elif _is_requested(choice, period, now) and _may_have(ask.options, report_type, period):
            intent, is_awaited = Intent(report_type, period.first, period.last, now), True
            try:
                made = await export_of(await create_export(api, ask, intent))
                intent = replace(intent, id=made.id if made else "")
            except Unavailable:
                pass  # GitHub may have created it: then it will be in the list
            except (Forbidden, NotFound, Invalid) as error:
                if choice.usable is None:
                    raise Invalid(f"no export of {period.month} could be requested: {error}", error.hint) from None
                is_awaited = False
        else:
            is_awaited = choice.pending is not None
        if is_awaited:
            continue
        if choice.failed and not choice.usable:
            problem = f"GitHub could not make the {report_type} report of {period.month}"
            raise Invalid(problem, "call the same command again in some hours")
        return choice.usable
    raise Unavailable(f"GitHub has not made the {report_type} report of {period.month} within {sum(waits):.0f} s")


def _of_type(report_type: str, exports: Iterable[Export]) -> list[Export]:
    return [export for export in exports if export.report_type == report_type]


def _choose(exports: Sequence[Export], intent: Intent | None, period: Period, now: float, interval: float) -> Choice:
    """What to do about a month; an export of its first days is better than none."""
    choice = choose(exports, intent, period, now, interval)
    if choice.usable:
        return choice
    return replace(choice, usable=choose(exports, intent, replace(period, running=True), now, interval).usable)


def _is_requested(choice: Choice, period: Period, now: float) -> bool:
    """Whether a new export would have more than there is."""
    usable = choice.usable
    has_all = usable is not None and _known_until(usable) >= period.ended
    is_settled = not choice.missing or now < period.ended + SETTLED_AFTER or not (usable and usable.created)
    return not (has_all and is_settled) and choice.pending is None and choice.failed is None


def _may_have(options: Any, report_type: str, period: Period) -> bool:
    """Whether an export of the month may be requested, and can have rows."""
    return may_create(options, report_type) and period.month >= FIRST_MONTH.get(report_type, "")


def _lacks_links(choice: Choice) -> bool:
    return choice.usable is not None and not choice.usable.links


def _known_until(export: Export) -> float:
    """Until when an export has the usage; GitHub need not say when it was made."""
    return min(epoch(export.end) + DAY, export.created or float("inf"))


def _period(part: Part) -> Period:
    """The whole days of a part, all of them over."""
    month, last = day_of(part.start)[:7], day_of(part.end // DAY * DAY - 1)
    return Period(month, day_of(part.start), last, running=False)


def _first_of_month(instant: int) -> int:
    return int(epoch(f"{day_of(instant)[:7]}-01"))


def _advice(options: Any, kind: str) -> str:
    if kind and kind not in options.also:
        return f"set collectors.usage_reports.create: true, and name {kind} in collectors.usage_reports.also"
    return "set collectors.usage_reports.create: true"


def _too_old(export: Export, period: Period, advice: str) -> str:
    return (
        f"the {export.report_type} export of {period.month} has its days before {day_of(_known_until(export))} only: "
        f"{advice}"
    )


PAST = Past(fetch_past, "month", REACH, shown_after=DAY, margin=MARGIN, list_parts=list_past)
