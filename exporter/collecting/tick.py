"""One tick of a job: ask GitHub, settle the result (`settle.py`), then count and log what is new.

attempt = await ticks.attempt(job, api, pool)     # a failure is a value
…                                                 # `turns.py` saves what it means for other jobs: a limit, a refusal
error = await ticks.settle(job, attempt)          # saved before it is shown
"""

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import structlog

from exporter import worker
from exporter.clock import Clock
from exporter.collecting.attempt import Attempt, Question, Reading, ask, totals_of
from exporter.collecting.changes import postpone_for_budget, remember
from exporter.collecting.conclude import Conclusion, conclude
from exporter.collecting.settle import Snapshots
from exporter.counting.keys import Rules
from exporter.counting.windows import Windows
from exporter.errors import GitHubError, Invalid, OverBudget, Unavailable
from exporter.exposition.snapshot import Outcome, Snapshot, Status
from exporter.fetching import Api, Memory
from exporter.github.pacing import Pool
from exporter.jobs import Job
from exporter.privacy import hide_subject

log = structlog.get_logger(__name__)

JOB_DEADLINE = 300.0
"""Seconds after which a run fails, unless its collector allows more."""


class Tallies(Protocol):
    """The exporter's own counters of ticks."""

    def record_run(self, job: Job, error: GitHubError | None) -> None:
        """Count an attempt that ended, with the error that it ended with."""

    def record_data(self, job: Job, revisions: int, gap: int, unreadable: int, unknown: int) -> None:
        """Count what it read: counts revised downward, seconds of a gap, unreadable values, unknown ones."""

    def record_saved(self, pool: str, requests: int) -> None:
        """Count the requests that a short walk saved."""


@dataclass(slots=True)
class Ticks:
    """Runs jobs. A run that takes longer than `deadline` seconds, or its collector's, fails."""

    snapshots: Snapshots
    clock: Clock
    windows: Windows
    max_series: int
    deadline: float
    tallies: Tallies

    async def attempt(self, job: Job, api: Api, pool: Pool) -> Attempt:
        """Ask GitHub. A failure is not raised: it is the result."""
        started = self.clock.monotonic()
        question = await worker.run(self._question, job)
        result = await self._ask_in_time(question, api)
        duration = self.clock.monotonic() - started
        attempt = Attempt(
            result,
            # By the wall clock as it is now: it may have been set while the job ran, and the next run depends on it.
            began=self.clock.wall() - duration,
            duration=duration,
            skew=api.skew,
            pool=pool.name,
            requests=pool.in_turn,
            hourly=pool.hourly,
            closing=pool.closing,
            memory=question.memory.value,
            writable=question.writable,
        )
        hide_subject(attempt.error, job, self.snapshots.naming.subject(job))
        return attempt

    async def settle(self, job: Job, attempt: Attempt) -> GitHubError | None:
        """Count, save and publish the attempt; returns its failure."""
        if isinstance(attempt.result, OverBudget):
            due = attempt.result.until - attempt.skew
            await self.snapshots.change(job, partial(postpone_for_budget, due=due, attempt=attempt))
            return attempt.result
        before, fields = self.snapshots.store.status(job), self._unknown_fields(job)
        settlement = await self.snapshots.conclude(job, partial(self._conclude, job, attempt), "end of run")
        if settlement is None:
            return None
        self._report(job, attempt, before, settlement.conclusion, fields)
        return settlement.conclusion.error

    def _question(self, job: Job) -> Question:
        writable = self.snapshots.state.begin(job.key, self.clock.wall())
        snapshot = self.snapshots.book.load(job.key)
        totals = self.snapshots.book.load(f"{job.collector.totals} {job.target}")

        async def save(memory: object) -> bool:
            return await self.snapshots.change(job, partial(remember, memory=memory), "yes")

        return Question(
            job,
            snapshot.counting,
            self.windows,
            writable,
            self.snapshots.naming,
            snapshot.sums,
            totals_of(totals.counting),
            snapshot.data_time,
            Memory(snapshot.memory, save),
            snapshot.walks,
        )

    async def _ask_in_time(self, question: Question, api: Api) -> Reading | GitHubError:
        deadline = max(self.deadline, question.job.collector.deadline)
        try:
            async with asyncio.timeout(deadline):
                return await ask(question, api)
        except GitHubError as error:
            return error
        except TimeoutError:
            return Unavailable(f"no complete answer within {deadline:.0f} s")
        except Exception as error:  # noqa: BLE001 - it becomes the outcome, its traceback is logged
            return self._unexpected(question.job, error)

    def _unexpected(self, job: Job, error: Exception) -> Invalid:
        """Log a fault of ours. As a failure it neither touches other collectors nor stops this one for ever."""
        naming = self.snapshots.naming
        log.error(
            "a collector failed unexpectedly: please report this", job=naming.title(job), **naming.traceback(error)
        )
        return Invalid(f"unexpected {type(error).__name__}; the log has the details")

    def _conclude(self, job: Job, attempt: Attempt, before: Snapshot, writable: bool) -> Conclusion:
        """Conclude an attempt. The worker calls it."""
        scraped = self.snapshots.store.is_scraped(job, before.version, self.clock.monotonic())
        writable = writable and attempt.writable
        rules = Rules(self._most_series(job), self.windows.retention, writable, scraped, before.names_changed)
        try:
            return conclude(job, before, attempt, rules)
        except Exception as error:  # noqa: BLE001 - it becomes the outcome, its traceback is logged
            return conclude(job, before, replace(attempt, result=self._unexpected(job, error)), rules)

    def _most_series(self, job: Job) -> int:
        """How many rows may have series: at most `max_series` of the collector, and of all jobs together."""
        others = self.snapshots.store.series - self.snapshots.store.status(job).series
        widest = max(len(table.families) for table in job.collector.tables)
        room = max(1, (self.max_series - others) // widest)
        return min(room, job.settings.max_series or room)

    def _unknown_fields(self, job: Job) -> set[str]:
        """The unknown fields that were logged already, for any job of the collector at the target."""
        return {
            name
            for entry in self.snapshots.store.of_target(job.target)
            if entry.job.collector.name == job.collector.name
            for name in entry.status.unknown
        }

    def _report(
        self, job: Job, attempt: Attempt, before: Status, conclusion: Conclusion, known_fields: set[str]
    ) -> None:
        """Count and log what an attempt has shown."""
        title, after = self.snapshots.naming.title(job), conclusion.snapshot
        if conclusion.clock_was_ahead:
            log.warning(
                "its window began later than GitHub's time, by a wrong clock or Date header: counters go on from now",
                job=title,
                gap_seconds=conclusion.gap,
            )
        self.tallies.record_data(job, conclusion.revisions, conclusion.gap, conclusion.unreadable, conclusion.unknown)
        self.tallies.record_saved(attempt.pool, conclusion.saved)
        self.tallies.record_run(job, conclusion.error)
        if new := set(after.unknown) - known_fields:
            fields = ", ".join(sorted(new))
            log.info("GitHub sends fields that this version does not know", job=title, fields=fields)
        _log_change(title, before.outcome, conclusion.error)
        _log_note(title, before.note, after.note)


def _log_change(job: str, before: Outcome | None, error: GitHubError | None) -> None:
    """Log that a job begins to fail, fails for another reason or recovers; nothing while that stays as it is."""
    reason, hint = (before.reason, before.hint) if before else (None, "")
    if error is None and reason is not None:
        log.info("collector works again", job=job)
    elif error is not None and (error.reason, error.hint) != (reason, hint):
        log.warning("collector failed", job=job, reason=error.reason, error=str(error), hint=error.hint)


def _log_note(job: str, before: str, note: str) -> None:
    """Log that data begin to be missing, that other data are missing, or that none are any more."""
    if note and note != before:
        log.warning("collector succeeded, but data are missing", job=job, note=note)
    elif before and not note:
        log.info("no data are missing any more", job=job)
