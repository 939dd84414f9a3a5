"""One attempt of a job: the right window, the reads of a fold when one is due, nothing if nothing can be new.

Nothing but GitHub is asked here, and nothing is counted.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from exporter.collectors.reading.values import label_text
from exporter.counting.folds import settled_rows
from exporter.counting.keys import CountedRow, Counting, Identity, Numbers, Read
from exporter.counting.windows import Windows, anchor_after_gap, first_anchor, fold_due
from exporter.errors import GitHubError, HostRefused, NotFound, Unavailable
from exporter.fetching import Api, Ask, Fetched, Memory
from exporter.github.dates import OPEN, Closing
from exporter.jobs import Job
from exporter.privacy import Naming, rename_people
from exporter.tables import Row, Table

CLOCK_JUMP = 60.0
"""When an answer tells that GitHub's clock differs from what was assumed by this much, the question was wrong."""
MOST_TRIES = 3


@dataclass(frozen=True, slots=True)
class Totals:
    """What the whole target's own source has counted: its anchor, the end of its newest read, base + open."""

    anchor: int
    read_at: int
    sums: Numbers


@dataclass(frozen=True, slots=True)
class Reading:
    """What an attempt read, not counted yet. Without `read` there was no window to ask for.

    `settled` are the counts of a fold that are added to the bases, `begin` is the anchor after it. `new_anchor` is set
    after a gap. `sums` are the totals that were known before anything was asked; `unchanged` tells that they had not
    changed since the newest read, so nothing was asked. `end` is GitHub's instant of the read (epoch seconds).
    """

    fetched: Fetched
    end: int
    read: Read | None = None
    settled: Mapping[Identity, CountedRow] | None = None
    begin: int = 0
    new_anchor: int | None = None
    sums: Numbers | None = None
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run: what it read or how it failed, when it began (our wall clock), its duration, GitHub's skew (seconds).

    `requests` is what it cost, `closing` what GitHub said of the endpoint's end, `memory` what the collector remembers.
    `paused_until` is when a credential that was refused, or an endpoint that knows no subject, is tried again; else 0.
    `writable` tells whether the state could be written when it began.
    """

    result: Reading | GitHubError
    began: float
    duration: float
    skew: float
    requests: int = 0
    closing: Closing = OPEN
    memory: Any = None
    paused_until: float = 0.0
    writable: bool = True

    @property
    def error(self) -> GitHubError | None:
        """Why it failed, as a whole or in part."""
        return self.result if isinstance(self.result, GitHubError) else self.result.fetched.fault


@dataclass(frozen=True, slots=True)
class Question:
    """An attempt's question: the job, what it has counted, and what it may rely on.

    `noted` are the target's totals as they were known before the newest read, `totals` as they are now. `data_time` is
    the instant that the values exported now describe.
    """

    job: Job
    counting: Counting | None
    windows: Windows
    writable: bool = True
    naming: Naming = field(default_factory=Naming)
    noted: Numbers | None = None
    totals: Totals | None = None
    data_time: float | None = None
    memory: Memory = field(default_factory=Memory)

    def nothing_new(self) -> bool:
        """Whether the totals prove that GitHub shows nothing in our window that it did not show at our newest read.

        They must have been read since, and their window must hold all of ours.
        """
        ours, theirs = self.counting, self.totals
        return (
            ours is not None
            and theirs is not None
            and self.noted == theirs.sums
            and theirs.read_at > ours.read_at
            and theirs.anchor <= ours.anchor
        )


def totals_of(counting: Counting | None) -> Totals | None:
    """The totals of a source that counts without labels."""
    if counting is None or () not in counting.keys:
        return None
    sums = tuple(count.current for count in counting.keys[()].counts)
    return Totals(counting.anchor, counting.read_at, sums)


async def ask(question: Question, api: Api) -> Reading:
    """Ask GitHub; again if its answers show that we had its clock wrong."""
    for tries_left in reversed(range(MOST_TRIES)):
        assumed = api.skew
        try:
            reading = await _ask(question, api)
        except GitHubError:
            if not tries_left or abs(api.skew - assumed) < CLOCK_JUMP:
                raise
        else:
            # What was asked of a clock that was behind is true, only older; a clock that was ahead is never good.
            if abs(api.skew - assumed) < CLOCK_JUMP or (not tries_left and api.skew > assumed):
                return replace(reading, sums=question.totals.sums if question.totals else None)
    raise Unavailable(f"GitHub's clock (Date) went back by more than {CLOCK_JUMP:.0f} s at each of {MOST_TRIES} tries")


async def _sure_of_the_clock(counting: Counting, windows: Windows, api: Api) -> None:
    """Ask for the time where what is kept lies ahead of it: our clock, or the one that was kept, is wrong.

    Raises `GitHubError` if GitHub does not tell; nothing may be given up on our word alone.
    """

    def is_ahead() -> bool:
        return max(counting.read_at, counting.anchor - windows.step) > api.now() + CLOCK_JUMP

    if is_ahead():
        try:
            await api.get("/rate_limit")  # this costs no quota
        except NotFound:
            pass  # an appliance without rate limits tells the time all the same
        except GitHubError:
            if is_ahead():
                raise


async def _ask(question: Question, api: Api) -> Reading:
    job, counting, windows = question.job, question.counting, question.windows
    if counting:
        await _sure_of_the_clock(counting, windows, api)
    now = int(api.now())
    table = job.collector.counting
    if table is None:
        return Reading(await _fetch(question, api, now, now), now)
    new_anchor = anchor_after_gap(windows, counting.anchor, counting.read_at, now) if counting else None
    anchor = new_anchor or (counting.anchor if counting else first_anchor(windows, now))
    if anchor >= now:
        return Reading(Fetched(()), now, new_anchor=new_anchor)
    due = fold_due(windows, anchor, now)
    if new_anchor is None and due is None and question.totals and question.nothing_new():
        return Reading(Fetched(()), question.totals.read_at, unchanged=True)
    if due and counting and counting.strict and question.writable:
        first, _ = await _read(question, table, api, due.begin, due.end, partial=True)
        whole, _ = await _read(question, table, api, due.anchor, due.end, partial=True)
        again, _ = await _read(question, table, api, due.begin, due.end, partial=True)
        fresh, fetched = await _read(question, table, api, due.begin, int(api.now()))
        settled = settled_rows(first, whole, again, fresh)
        if settled is not None:
            return Reading(fetched, fresh.end, fresh, settled, due.begin, new_anchor)
    read, fetched = await _read(question, table, api, anchor, int(api.now()))
    return Reading(fetched, read.end, read, new_anchor=new_anchor)


async def _fetch(question: Question, api: Api, start: int, end: int, *, partial: bool = False) -> Fetched:
    job = question.job
    asked = Ask(
        job.target.name,
        job.subject,
        job.settings.options,
        start,
        end,
        partial,
        question.data_time,
        question.memory,
        question.naming.name,
        job.settings.interval,
        job.max_age,
    )
    try:
        fetched = await job.collector.fetch(api, asked)
    except HostRefused as error:
        error.set_collector(job.collector.name)
        raise
    if isinstance(fetched.fault, HostRefused):
        fetched.fault.set_collector(job.collector.name)
    return await asyncio.to_thread(rename_people, fetched, question.naming.name)


async def _read(
    question: Question, table: Table, api: Api, start: int, end: int, *, partial: bool = False
) -> tuple[Read, Fetched]:
    fetched = await _fetch(question, api, start, end, partial=partial)
    seen = await asyncio.to_thread(
        _counted, table, fetched.rows
    )  # of thousands of rows it takes as long as many scrapes
    return Read(start, end, seen, strict=not fetched.rejected), fetched


def _counted(table: Table, rows: Iterable[Row]) -> dict[Identity, CountedRow]:
    """What was counted of each row of the table."""
    result = {}
    for row in rows:
        if isinstance(row, table.row):
            numbers = tuple(getattr(row, family.field) for family in table.counters)
            last = getattr(row, table.last_seen) if table.last_seen else None
            labels = labels_of(table, row)
            result[labels[: table.keys]] = CountedRow(labels, numbers, last or 0.0)
    return result


def labels_of(table: Table, row: Row) -> tuple[str, ...]:
    """A row's own label values; never those of `other`."""
    labels = tuple(label_text(getattr(row, label)) for label in table.labels)
    is_other = bool(labels) and all(word in (None, one) for word, one in zip(table.other or (), labels, strict=False))
    return (*labels[:-1], labels[-1] + "~") if is_other and table.other else labels


def identity_of(table: Table, row: Row) -> Identity:
    """What of them identifies the row."""
    return labels_of(table, row)[: table.keys]
