"""What an attempt asks GitHub for: the right window, and a fold's reads when one is due."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from exporter.catalogue import Api, Ask, Fetched, Row, Table
from exporter.collecting.counters import Counting, Identity, Read, Seen
from exporter.collecting.folds import settle
from exporter.collecting.plan import Job
from exporter.collecting.reading import label_text
from exporter.collecting.windows import Windows, first_anchor, fold_due, hole
from exporter.github.errors import GitHubError

CLOCK_JUMP = 60.0
"""When an answer tells that GitHub's clock differs from what was assumed by this much, the question was wrong."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What an attempt brought, not counted yet. Without `read` there was no window to ask for."""

    fetched: Fetched
    end: int
    read: Read | None = None
    settled: Mapping[Identity, Seen] | None = None
    begin: int = 0
    cut: int | None = None


async def ask(job: Job, counting: Counting | None, api: Api, windows: Windows, *, writable: bool) -> Brought:
    """Ask GitHub; once more if its answer shows that we had its clock wrong."""
    for last_try in (False, True):
        assumed = api.skew
        try:
            brought = await _ask(job, counting, api, windows, writable=writable)
        except GitHubError:
            if last_try or abs(api.skew - assumed) < CLOCK_JUMP:
                raise
        else:
            if last_try or abs(api.skew - assumed) < CLOCK_JUMP:
                return brought
    raise AssertionError("the second try returns or raises")


async def _ask(job: Job, counting: Counting | None, api: Api, windows: Windows, *, writable: bool) -> Brought:
    if counting and api.now() < counting.read_at - CLOCK_JUMP:
        # GitHub's clock would have gone back. Some proxy's Date may have fooled us; this costs no quota.
        with suppress(GitHubError):
            await api.get("/rate_limit")
    now = int(api.now())
    table = job.collector.counting
    if table is None:
        return Brought(await _fetch(job, api, now, now), now)
    cut = hole(windows, counting.anchor, counting.read_at, now) if counting else None
    anchor = cut or (counting.anchor if counting else first_anchor(windows, now))
    if anchor >= now:
        return Brought(Fetched(()), now, cut=cut)
    due = fold_due(windows, anchor, now)
    if due and counting and counting.strict and writable:
        first, _ = await _read(job, table, api, due.begin, due.end)
        whole, _ = await _read(job, table, api, due.anchor, due.end)
        again, _ = await _read(job, table, api, due.begin, due.end)
        fresh, fetched = await _read(job, table, api, due.begin, int(api.now()))
        settled = settle(first, whole, again, fresh)
        if settled is not None:
            return Brought(fetched, fresh.end, fresh, settled, due.begin, cut)
    read, fetched = await _read(job, table, api, anchor, int(api.now()))
    return Brought(fetched, read.end, read, cut=cut)


async def _fetch(job: Job, api: Api, start: int, end: int) -> Fetched:
    return await job.collector.fetch(api, Ask(job.target.name, job.subject, job.settings.options, start, end))


async def _read(job: Job, table: Table, api: Api, start: int, end: int) -> tuple[Read, Fetched]:
    fetched = await _fetch(job, api, start, end)
    rows = {}
    for row in fetched.rows:
        if isinstance(row, table.row):
            numbers = tuple(getattr(row, family.field) for family in table.counters)
            last = getattr(row, table.last_seen) if table.last_seen else None
            rows[identity_of(table, row)] = Seen(labels_of(table, row), numbers, last or 0.0)
    return Read(start, end, rows, strict=not fetched.rejected), fetched


def labels_of(table: Table, row: Row) -> tuple[str, ...]:
    """A row's own label values."""
    return tuple(label_text(getattr(row, label)) for label in table.labels)


def identity_of(table: Table, row: Row) -> Identity:
    """What of them identifies the row."""
    return tuple(label_text(getattr(row, label)) for label in table.identity)
