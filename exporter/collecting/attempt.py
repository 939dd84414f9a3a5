"""One attempt of a job: read the window, and what a fold needs when one is due; nothing if nothing can be new.

This module only sends requests; `conclude.py` counts the results.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from exporter import worker
from exporter.catalogue import PAGE_SIZE
from exporter.collectors.reading.values import labels_of
from exporter.counting.folds import settled_rows
from exporter.counting.keys import CountedRow, Counting, Identity, Numbers, Read
from exporter.counting.short_walks import WalkHistory, known_list, may_walk_short
from exporter.counting.windows import CLOCK_TOLERANCE, Windows, anchor_after_gap, first_anchor, fold_due
from exporter.errors import GitHubError, HostRefused, NotFound, Unavailable
from exporter.fetching import Api, Ask, Fetched, Memory
from exporter.github.dates import OPEN, Closing
from exporter.jobs import Job
from exporter.privacy import Naming, rename_people
from exporter.settings.names import collector_variable
from exporter.tables import Table

MOST_TRIES = 3


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of a target, as its own source has counted them: anchor, end of the newest read, base + open."""

    anchor: int
    read_at: int
    sums: Numbers


@dataclass(frozen=True, slots=True)
class Reading:
    """What an attempt read, not counted yet. `read` is None if there was no window to read.

    `settled` are the counts that a fold adds to the bases, `begin` is the anchor after it. `new_anchor` is set after a
    gap. `sums` are the totals as they were known before the first request; `unchanged` tells that they had not changed
    since the newest read, so no request was sent. `end` is when the read ended (epoch seconds, GitHub's clock).
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

    `requests` is how many it sent, of the quota of `pool`, whose budget allows `hourly` per hour (None: unlimited).
    `closing` is when the endpoint ends, `memory` what the collector remembers. `paused_until` is when a credential that
    was refused, or an endpoint that knows no subject, is tried again; else 0. `writable` tells whether the state could
    be written when it began.
    """

    result: Reading | GitHubError
    began: float
    duration: float
    skew: float
    pool: str = ""
    requests: int = 0
    hourly: int | None = None
    closing: Closing = OPEN
    memory: Any = None
    paused_until: float = 0.0
    writable: bool = True

    @property
    def error(self) -> GitHubError | None:
        """Why it failed, entirely or in part."""
        return self.result if isinstance(self.result, GitHubError) else self.result.fetched.fault


@dataclass(frozen=True, slots=True)
class Question:
    """What an attempt depends on: the job, what it has counted, and what is known of the target.

    `earlier_sums` are the target's totals as they were known before the newest read, `totals` as they are now.
    `data_time` is the instant that the values exported now describe. `walks` is what is known of the walks over the
    job's list.
    """

    job: Job
    counting: Counting | None
    windows: Windows
    writable: bool = True
    naming: Naming = field(default_factory=Naming)
    earlier_sums: Numbers | None = None
    totals: Totals | None = None
    data_time: float | None = None
    memory: Memory = field(default_factory=Memory)
    walks: WalkHistory | None = None

    def nothing_new(self) -> bool:
        """Whether the totals prove that GitHub has nothing new in our window since our newest read.

        They must have been read since then, and their window must contain ours.
        """
        ours, theirs = self.counting, self.totals
        return (
            ours is not None
            and theirs is not None
            and self.earlier_sums == theirs.sums
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
    """Read what the job needs; again if the responses show that GitHub's clock was not what we assumed."""
    for tries_left in reversed(range(MOST_TRIES)):
        assumed = api.skew
        try:
            reading = await _ask(question, api)
        except GitHubError:
            if not tries_left or abs(api.skew - assumed) < CLOCK_TOLERANCE:
                raise
        else:
            # If the assumed clock was behind, the read is true, only older. If it was ahead, the window was wrong.
            if abs(api.skew - assumed) < CLOCK_TOLERANCE or (not tries_left and api.skew > assumed):
                return replace(reading, sums=question.totals.sums if question.totals else None)
    raise Unavailable(f"GitHub's clock (Date) went back by more than {CLOCK_TOLERANCE} s at each of {MOST_TRIES} tries")


async def _confirm_clock(counting: Counting, windows: Windows, api: Api) -> None:
    """Ask GitHub for the time if the counted window ends in the future or has a gap: the clock is wrong, or was then.

    Raises `GitHubError` if GitHub does not answer: no count is given up because of our clock alone. One answer is not
    enough, because the clock follows a `Date` that differs only when a second one agrees.
    """

    def is_odd() -> bool:
        now = int(api.now())
        has_gap = anchor_after_gap(windows, counting.anchor, counting.read_at, now) is not None
        return has_gap or counting.read_at > now + CLOCK_TOLERANCE

    for _ in range(2):
        if not is_odd():
            return
        try:
            await api.get("/rate_limit")  # costs no quota
        except NotFound:
            pass  # the response of an appliance without rate limits has a Date, too
        except GitHubError:
            if is_odd():
                raise


async def _ask(question: Question, api: Api) -> Reading:
    job, counting, windows = question.job, question.counting, question.windows
    if counting:
        await _confirm_clock(counting, windows, api)
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
        tail, _ = await _read(question, table, api, due.begin, due.end, partial=True)
        full, _ = await _read(question, table, api, due.anchor, due.end, partial=True)
        tail_again, _ = await _read(question, table, api, due.begin, due.end, partial=True)
        newest, fetched = await _read(question, table, api, due.begin, int(api.now()))
        settled = settled_rows(tail, full, tail_again, newest)
        if settled is not None:
            return Reading(fetched, newest.end, newest, settled, due.begin, new_anchor)
    read, fetched = await _read(question, table, api, anchor, int(api.now()))
    return Reading(fetched, read.end, read, new_anchor=new_anchor)


async def _fetch(question: Question, api: Api, start: int, end: int, *, partial: bool = False) -> Fetched:
    job, counting = question.job, question.counting
    known = None
    if counting and may_walk_short(question.walks, counting, start, end, question.windows.whole_walk):
        known = await worker.run(known_list, counting, PAGE_SIZE)
    request = Ask(
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
        known,
    )
    try:
        fetched = await job.collector.fetch(api, request)
    except HostRefused as error:
        _complete(error, job)
        raise
    if isinstance(fetched.fault, HostRefused):
        _complete(fetched.fault, job)
    return await worker.run(rename_people, fetched, question.naming.name)


def _complete(error: HostRefused, job: Job) -> None:
    name = job.collector.name
    error.set_collector(name, collector_variable(name, "download_hosts"))


async def _read(
    question: Question, table: Table, api: Api, start: int, end: int, *, partial: bool = False
) -> tuple[Read, Fetched]:
    fetched = await _fetch(question, api, start, end, partial=partial)
    # Thousands of rows take as long as many scrapes.
    rows = await worker.run(_counted_rows, table, fetched)
    return Read(start, end, rows, strict=not fetched.rejected), fetched


def _counted_rows(table: Table, fetched: Fetched) -> dict[Identity, CountedRow]:
    """The rows of the table, by identity; of equal identities the last one. Unseen rows are as they were known."""
    result = dict(fetched.walk.unseen or {}) if fetched.walk else {}
    for row in fetched.rows:
        if isinstance(row, table.row):
            numbers = tuple(getattr(row, family.field) for family in table.counters)
            last = getattr(row, table.last_seen) if table.last_seen else None
            labels = labels_of(table, row)
            result[labels[: table.keys]] = CountedRow(labels, numbers, last or 0.0)
    return result
