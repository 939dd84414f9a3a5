"""One tick of one job: window → fetch → count → Snapshot.

`conclude` is pure; `Ticks` joins it with GitHub, the state and the store, and holds the one try/except.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import structlog

from exporter.catalogue import Api, Labels, Memory, Row, Table
from exporter.collecting import counters
from exporter.collecting.asking import Brought, Question, ask, identity_of, labels_of, totals_of
from exporter.collecting.counters import Counting, Rules
from exporter.collecting.folds import cut, fold
from exporter.collecting.plan import Job, next_run
from exporter.collecting.privacy import Naming
from exporter.collecting.windows import Windows
from exporter.github.dates import OPEN, Closing
from exporter.github.errors import GitHubError, Invalid, OverBudget, Unavailable
from exporter.github.pacing import Pool
from exporter.serving.columns import Column, column
from exporter.serving.naps import Naps
from exporter.serving.render import Piece, columns_of, render
from exporter.serving.snapshot import Outcome, Rest, Snapshot, at_rest
from exporter.serving.store import Store
from exporter.state import State

log = structlog.get_logger(__name__)

Result = TypeVar("Result")


class Clock(Protocol):
    """The two clocks of `app.py`."""

    def wall(self) -> float:
        """Epoch seconds."""

    def monotonic(self) -> float:
        """Seconds that never jump."""


class Tallies(Protocol):
    """Counters of our own that ticks move."""

    def ran(self, job: Job, error: GitHubError | None) -> None:
        """An attempt ended."""

    def noticed(self, job: Job, revisions: int, gap: int, unknown: int) -> None:
        """Counts revised downward, seconds lost in a hole, values that could not be read."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run: what it brought or how it failed, when it began (our wall clock), how long it took, GitHub's skew.

    `requests` is what it cost, `closing` what GitHub told of the endpoint's end, `memory` what
    the collector remembers.
    """

    result: Brought | GitHubError
    began: float
    duration: float
    skew: float
    requests: int = 0
    closing: Closing = OPEN
    memory: Any = None


@dataclass(frozen=True, slots=True)
class Concluded:
    """The snapshot after an attempt, and what there is to tell."""

    snapshot: Snapshot
    error: GitHubError | None
    revisions: int = 0
    gap: int = 0
    unknown: int = 0


def conclude(job: Job, before: Snapshot, attempt: Attempt, rules: Rules) -> Concluded:
    """The snapshot after an attempt; a failed one keeps all values."""
    result = attempt.result
    if isinstance(result, Brought):
        try:
            counted = count(job, before, result, rules, attempt.began)
        except Invalid as error:
            result = error
        else:
            fault = result.fetched.fault
            ended = _ended(job, before, counted.snapshot, attempt, fault)
            if result.fetched.again is not None:
                ended = replace(ended, next_run=min(ended.next_run, attempt.began + result.fetched.again))
            if fault:
                ended = replace(ended, last_success=before.last_success)
            return replace(counted, snapshot=ended, error=fault)
    return Concluded(_ended(job, before, before, attempt, result), result)


def count(job: Job, before: Snapshot, brought: Brought, rules: Rules, now: float) -> Concluded:
    """Take in what was brought; `Invalid` if it contradicts itself."""
    counting, table = before.counting, job.collector.counting
    revisions = gap = 0
    if brought.still and counting:
        counting = replace(counting, read_at=brought.end)
        return Concluded(replace(before, counting=counting, last_success=now, data_time=float(brought.end)), None)
    if brought.settled is not None and not rules.writable:
        return Concluded(before, None)  # a fold must be saved; the longer window is asked for again
    if counting and brought.cut is not None:
        gap = max(0, brought.cut - counting.read_at)
        counting = cut(counting, brought.cut)
    if table and brought.read is None:
        return Concluded(replace(before, counting=counting), None, gap=gap)
    if table and brought.read:
        if counting and brought.settled is not None:
            counting = fold(counting, brought.settled, brought.begin)
        version = before.version + 1
        counting, revisions = counters.absorb(counting, brought.read, len(table.counters), version, rules)
    gauges, left_out = _gauges(job, brought.fetched.rows, counting, rules.places)
    data_time = brought.fetched.data_time
    after = replace(
        before,
        counting=counting,
        gauges=gauges,
        left_out=left_out,
        last_success=now,
        brought=now,
        data_time=float(brought.end) if table and data_time is None else data_time,
        sums=brought.sums,
    )
    return Concluded(after, None, revisions, gap, brought.fetched.rejected)


def _ended(job: Job, before: Snapshot, after: Snapshot, attempt: Attempt, error: GitHubError | None) -> Snapshot:
    failures = before.failures + 1 if error else 0
    due = next_run(job.settings.interval, error, failures, attempt.began, attempt.skew)
    outcome = Outcome(attempt.began, attempt.duration)
    if error:
        outcome = replace(outcome, state=error.state, reason=error.reason, message=str(error))
    # A failed or skipped run tells nothing of what a whole one costs, only that it costs that much.
    whole = error is None and attempt.requests
    requests = attempt.requests if whole else max(before.requests, attempt.requests)
    # What says nothing of an end is not asked to deny it: only an answer that gave data takes an announced end back.
    closing = attempt.closing if error is None or attempt.closing != OPEN else before.closing
    return replace(
        after,
        version=before.version + 1,
        outcome=outcome,
        failures=failures,
        next_run=due,
        requests=requests,
        closing=closing,
        memory=attempt.memory,
    )


def _gauges(job: Job, rows: Iterable[Row], counting: Counting | None, places: int) -> tuple[Mapping[str, Column], int]:
    """Gauge samples by family: of a counting table for the keys shown, of others for as many rows as have a place."""
    gauges: dict[str, Column] = {}
    known: dict[bytes, bytes] = {}
    left_out = 0
    for table in job.collector.tables:
        by_labels: dict[tuple[str, ...], Row] = {}
        for row in rows:
            if isinstance(row, table.row) and _has_place(table, row, counting):
                labels = labels_of(table, row)
                if labels in by_labels:
                    raise Invalid("two rows of the answer would be one series")
                by_labels[labels] = row
        kept, rest = _ranked(table, by_labels, places)
        left_out += 0 if table.shared else sum(map(len, rest.values()))
        for family in table.gauges:
            values = ((labels, family.of(row)) for labels, row in kept)
            samples = [(labels, float(value)) for labels, value in values if value is not None]
            for other, rows_of_it in rest.items():
                summed = [value for row in rows_of_it if (value := family.of(row)) is not None]
                if summed and table.sums:
                    samples.append((other, math.fsum(summed)))
            gauges[family.name] = column(samples, known)
    return gauges, left_out


def _ranked(
    table: Table, by_labels: Mapping[Labels, Row], places: int
) -> tuple[Sequence[tuple[Labels, Row]], Mapping[Labels, Sequence[Row]]]:
    """The rows that have a place, and the others by the labels under which they are summed.

    Labels that `other` does not name stay, so each of their values has as many places. The first family ranks.
    """
    if len(by_labels) <= places:
        return list(by_labels.items()), {}
    apart: dict[Labels, list[tuple[Labels, Row]]] = {}
    for labels, row in by_labels.items():
        other = tuple(one if word is None else word for one, word in zip(labels, table.other or (), strict=False))
        apart.setdefault(other, []).append((labels, row))
    kept: list[tuple[Labels, Row]] = []
    rest: dict[Labels, Sequence[Row]] = {}
    for other, rows in apart.items():
        if len(rows) > places and table.families[0].field:
            rows.sort(key=lambda item: (-(table.families[0].of(item[1]) or 0.0), item[0]))
        kept += rows[:places]
        if len(rows) > places:
            rest[other] = [row for _, row in rows[places:]]
    return kept, rest


def _has_place(table: Table, row: Row, counting: Counting | None) -> bool:
    """Gauges stand beside the counters of their key; what is told of it elsewhere (a name), too."""
    if counting is None or not (table.counters or table.shared):
        return True
    key = counting.keys.get(identity_of(table, row))
    return key.shown if key else table.shared


Heed = Callable[[GitHubError | None], Awaitable[None]]


async def _unheeded(_error: GitHubError | None) -> None:
    pass


@dataclass(slots=True)
class Ticks:
    """Runs jobs against GitHub and lets newborn series go. What it makes is saved before anyone can see it.

    `arrived` tells whether a client has sent something lately: then the worker thread makes way.
    """

    store: Store
    state: State
    clock: Clock
    windows: Windows
    max_series: int
    deadline: float
    tallies: Tallies
    naming: Naming = str
    arrived: Callable[[], bool] = lambda: False
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def run(self, job: Job, api: Api, pool: Pool, heed: Heed = _unheeded) -> GitHubError | None:
        """One attempt. Its failure is a value; the snapshot is published with the outcome and the next run.

        `heed` is told the failure before anybody can see it: a wait that a restart forgot would not be waited for.
        What stops for want of budget was none: it is asked anew as soon as there is budget for twice as much.
        """
        started = self.clock.monotonic()
        writable = await asyncio.to_thread(self.state.begin, job.key, self.clock.wall())
        memory = self._memory(job)
        result = await self._attempt(job, api, memory, writable=writable)
        duration = self.clock.monotonic() - started
        await heed(result if isinstance(result, GitHubError) else result.fetched.fault)
        if isinstance(result, OverBudget):
            await self.postpone(job, result.until - api.skew, costs=2 * pool.in_turn, memory=memory)
            return result
        # By the wall clock as it is now: it may have been set while the job ran, and the next run depends on it.
        began = self.clock.wall() - duration
        attempt = Attempt(result, began, duration, api.skew, pool.in_turn, pool.closing, memory.value)

        def work(before: Snapshot) -> tuple[Snapshot, Concluded]:
            taken = self.store.taken_along(job, before.version, self.clock.monotonic())
            rules = Rules(self._places(job), self.windows.retention, writable, taken)
            try:
                concluded = conclude(job, before, attempt, rules)
            except Exception as error:  # noqa: BLE001 - it becomes the outcome, its traceback is logged
                failed = replace(attempt, result=_unexpected(job, error))
                concluded = conclude(job, before, failed, rules)
            if not self.state.save(job.key, concluded.snapshot, self.clock.wall(), ended=True) and writable:
                concluded = conclude(job, before, attempt, replace(rules, writable=False))
            return concluded.snapshot, concluded

        before = self.store[job]
        concluded = await self._publish(job, work)
        if concluded is None:
            return None
        self.tallies.noticed(job, concluded.revisions, concluded.gap, concluded.unknown)
        self.tallies.ran(job, concluded.error)
        _log_change(job, before.outcome, concluded.error)
        return concluded.error

    async def release(self, job: Job) -> None:
        """Let series move that were scraped and shown long enough."""
        upto = self.store.releasable(job, self.clock.monotonic())

        def work(before: Snapshot) -> tuple[Snapshot, None]:
            if before.counting is None:
                return before, None
            after = _with_counting(before, counters.release(before.counting, upto))
            if after is not before and not self.state.save(job.key, after, self.clock.wall(), ended=False):
                after = _with_counting(before, counters.release(before.counting, upto, newborns=False))
            return after, None

        if any(version >= 0 for version in upto):
            await self._publish(job, work)

    def restore(self, job: Job, snapshot: Snapshot) -> None:
        """Show what the state held."""
        pieces = render(job, columns_of(job, snapshot, self.clock.wall()), snapshot.version)
        self.store.publish(job, at_rest(snapshot), pieces, self.clock.monotonic())

    def forget(self, job_key: str) -> None:
        """Show nothing of a job any more."""
        self.store.withdraw(job_key)
        lock = self._locks.get(job_key)
        if lock and not lock.locked():
            del self._locks[job_key]

    async def postpone(self, job: Job, due: float, costs: int = 0, memory: Memory | None = None) -> None:
        """Show that the next run is due then, and keep what it is known to cost at least."""

        def work(before: Snapshot) -> tuple[Snapshot, None]:
            requests = max(before.requests, costs)
            kept = memory.value if memory else before.memory
            return replace(before, version=before.version + 1, next_run=due, requests=requests, memory=kept), None

        await self._publish(job, work)

    async def withdraw_old_gauges(self, job: Job) -> None:
        """Render anew: the gauges' `max_age` has passed."""
        await self._publish(job, lambda before: (replace(before, version=before.version + 1), None))

    async def _attempt(self, job: Job, api: Api, memory: Memory, *, writable: bool) -> Brought | GitHubError:
        deadline = max(self.deadline, job.collector.deadline)
        try:
            async with asyncio.timeout(deadline):
                question = await asyncio.to_thread(self._question, job, memory, writable=writable)
                return await ask(question, api)
        except GitHubError as error:
            return error
        except TimeoutError:
            return Unavailable(f"no complete answer within {deadline:.0f} s")
        except Exception as error:  # noqa: BLE001 - it becomes the outcome, its traceback is logged
            return _unexpected(job, error)

    def _memory(self, job: Job) -> Memory:
        """What the collector remembers; what it remembers from now on is saved at once."""

        async def save(value: Any) -> bool:
            snapshot = replace(self.store.whole(job.key), memory=value)
            return await asyncio.to_thread(self.state.save, job.key, snapshot, self.clock.wall(), ended=False)

        return Memory(self.store[job].memory, save)

    def _question(self, job: Job, memory: Memory, *, writable: bool) -> Question:
        snapshot = self.store.whole(job.key)
        totals = self.store.whole(f"{job.collector.still} {job.target}")
        return Question(
            job,
            snapshot.counting,
            self.windows,
            writable,
            self.naming,
            snapshot.sums,
            totals_of(totals.counting),
            snapshot.data_time,
            memory,
        )

    async def _publish(self, job: Job, work: Callable[[Snapshot], tuple[Snapshot, Result]]) -> Result | None:
        """Change a job's snapshot in a worker thread and show it; one change of a job at a time.

        None: the job was dropped meanwhile. What was kept of it stays, and it is not shown again by this.
        """
        async with self._locks.setdefault(job.key, asyncio.Lock()):
            entry = self.store.find(job.key)
            if entry is None:
                return None
            kept = entry

            def make() -> tuple[Rest | None, Mapping[str, Piece], Result]:
                nap = Naps(self.arrived)
                before = self.store.whole(job.key)
                nap()
                after, result = work(before)
                if after is before:
                    return None, {}, result
                nap()
                shown = columns_of(job, after, self.clock.wall(), kept.pieces)
                nap()
                rest = at_rest(after)
                return rest, render(job, shown, after.version, kept.pieces, nap), result

            after, made, result = await asyncio.to_thread(make)
            if self.store.find(job.key) is not entry:
                return None
            if after is not None:
                self.store.publish(job, after, made, self.clock.monotonic())
            return result

    def _places(self, job: Job) -> int:
        """How many rows may have series: as many as the collector may show and as there is room for over all jobs."""
        taken = sum(entry.rest.series for entry in self.store if entry.job.key != job.key)
        widest = max(len(table.families) for table in job.collector.tables)
        room = max(1, (self.max_series - taken) // widest)
        return min(room, getattr(job.settings.options, "max_series", room))


def _unexpected(job: Job, error: Exception) -> Invalid:
    """A fault of ours: it must not touch other collectors, nor stop this one for ever."""
    log.error("a collector failed unexpectedly: please report this", job=job.key, exc_info=error)
    return Invalid(f"unexpected {type(error).__name__}; the log has the details")


def _with_counting(snapshot: Snapshot, counting: Counting) -> Snapshot:
    if counting is snapshot.counting:
        return snapshot
    return replace(snapshot, version=snapshot.version + 1, counting=counting)


def _log_change(job: Job, before: Outcome | None, error: GitHubError | None) -> None:
    """One line when a job begins to fail, fails otherwise or recovers; not one per attempt."""
    was = before.reason if before else None
    if error is None and was is not None:
        log.info("collector works again", job=job.key)
    elif error is not None and error.reason != was:
        log.warning("collector failed", job=job.key, reason=error.reason, error=str(error), hint=error.hint)
