"""What an attempt asks GitHub for: the right window, a fold's reads when one is due, nothing if nothing can be new."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from exporter.catalogue import Api, Ask, Fetched, Memory, Row, Table
from exporter.collecting.counters import Counting, Identity, Numbers, Read, Seen
from exporter.collecting.folds import settle
from exporter.collecting.plan import Job
from exporter.collecting.privacy import Naming, named
from exporter.collecting.reading import label_text
from exporter.collecting.windows import Windows, first_anchor, fold_due, hole
from exporter.github.errors import GitHubError

CLOCK_JUMP = 60.0
"""When an answer tells that GitHub's clock differs from what was assumed by this much, the question was wrong."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What the whole target's own source has counted: its anchor, the end of its newest read, base + open."""

    anchor: int
    read_at: int
    sums: Numbers


@dataclass(frozen=True, slots=True)
class Brought:
    """What an attempt brought, not counted yet. Without `read` there was no window to ask for.

    `sums` are the totals that were known before anything was asked; `still` tells that they had not changed since the
    newest read, so nothing was asked.
    """

    fetched: Fetched
    end: int
    read: Read | None = None
    settled: Mapping[Identity, Seen] | None = None
    begin: int = 0
    cut: int | None = None
    sums: Numbers | None = None
    still: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """An attempt's question: the job, what it has counted, and what it may rely on.

    `noted` are the target's totals as they were known before the newest read, `totals` as they are now. `shown` is the
    instant that the values shown now describe.
    """

    job: Job
    counting: Counting | None
    windows: Windows
    writable: bool = True
    naming: Naming = str
    noted: Numbers | None = None
    totals: Totals | None = None
    shown: float | None = None
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


async def ask(question: Question, api: Api) -> Brought:
    """Ask GitHub; once more if its answer shows that we had its clock wrong."""
    for last_try in (False, True):
        assumed = api.skew
        try:
            brought = await _ask(question, api)
        except GitHubError:
            if last_try or abs(api.skew - assumed) < CLOCK_JUMP:
                raise
        else:
            if last_try or abs(api.skew - assumed) < CLOCK_JUMP:
                return replace(brought, sums=question.totals.sums if question.totals else None)
    raise AssertionError("the second try returns or raises")


async def _ask(question: Question, api: Api) -> Brought:
    job, counting, windows = question.job, question.counting, question.windows
    if counting and api.now() < counting.read_at - CLOCK_JUMP:
        # GitHub's clock would have gone back. Some proxy's Date may have fooled us; this costs no quota.
        with suppress(GitHubError):
            await api.get("/rate_limit")
    now = int(api.now())
    table = job.collector.counting
    if table is None:
        return Brought(await _fetch(question, api, now, now), now)
    cut = hole(windows, counting.anchor, counting.read_at, now) if counting else None
    anchor = cut or (counting.anchor if counting else first_anchor(windows, now))
    if anchor >= now:
        return Brought(Fetched(()), now, cut=cut)
    due = fold_due(windows, anchor, now)
    if cut is None and due is None and question.totals and question.nothing_new():
        return Brought(Fetched(()), question.totals.read_at, still=True)
    if due and counting and counting.strict and question.writable:
        first, _ = await _read(question, table, api, due.begin, due.end, partial=True)
        whole, _ = await _read(question, table, api, due.anchor, due.end, partial=True)
        again, _ = await _read(question, table, api, due.begin, due.end, partial=True)
        fresh, fetched = await _read(question, table, api, due.begin, int(api.now()))
        settled = settle(first, whole, again, fresh)
        if settled is not None:
            return Brought(fetched, fresh.end, fresh, settled, due.begin, cut)
    read, fetched = await _read(question, table, api, anchor, int(api.now()))
    return Brought(fetched, read.end, read, cut=cut)


async def _fetch(question: Question, api: Api, start: int, end: int, *, partial: bool = False) -> Fetched:
    job = question.job
    asked = Ask(
        job.target.name,
        job.subject,
        job.settings.options,
        start,
        end,
        partial,
        question.shown,
        question.memory,
        question.naming,
        job.settings.interval,
    )
    return await asyncio.to_thread(named, await job.collector.fetch(api, asked), question.naming)


async def _read(
    question: Question, table: Table, api: Api, start: int, end: int, *, partial: bool = False
) -> tuple[Read, Fetched]:
    fetched = await _fetch(question, api, start, end, partial=partial)
    seen = await asyncio.to_thread(_seen, table, fetched.rows)  # of thousands of rows it takes as long as many scrapes
    return Read(start, end, seen, strict=not fetched.rejected), fetched


def _seen(table: Table, rows: Iterable[Row]) -> dict[Identity, Seen]:
    """What was counted of each row of the table."""
    found = {}
    for row in rows:
        if isinstance(row, table.row):
            numbers = tuple(getattr(row, family.field) for family in table.counters)
            last = getattr(row, table.last_seen) if table.last_seen else None
            labels = labels_of(table, row)
            found[labels[: table.keys]] = Seen(labels, numbers, last or 0.0)
    return found


def labels_of(table: Table, row: Row) -> tuple[str, ...]:
    """A row's own label values; never those of `other`."""
    labels = tuple(label_text(getattr(row, label)) for label in table.labels)
    is_other = bool(labels) and all(word in (None, one) for word, one in zip(table.other or (), labels, strict=False))
    return (*labels[:-1], labels[-1] + "~") if is_other and table.other else labels


def identity_of(table: Table, row: Row) -> Identity:
    """What of them identifies the row."""
    return labels_of(table, row)[: table.keys]
