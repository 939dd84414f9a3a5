"""One tick of a job: ask GitHub, then settle what it replied, then count and log what is new.

attempt = await ticks.attempt(job, api, pool)     # failures are values
…                                                 # the schedule keeps what it means for others: a limit, a refusal
error = await ticks.settle(job, attempt)          # saved before anyone can see it
"""

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import structlog

from exporter.collecting.attempt import Attempt, Question, Reading, ask, totals_of
from exporter.collecting.changes import remembering, stopped_by_budget
from exporter.collecting.clock import Clock
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


class Tallies(Protocol):
    """Our own counters that ticks move."""

    def ran(self, job: Job, error: GitHubError | None) -> None:
        """An attempt ended."""

    def noticed(self, job: Job, revisions: int, gap: int, unreadable: int, unknown: int) -> None:
        """Counts revised downward, seconds lost in a gap, values that could not be read, and with unknown ones."""


@dataclass(slots=True)
class Ticks:
    """Runs jobs against GitHub. `deadline` is in seconds."""

    snapshots: Snapshots
    clock: Clock
    windows: Windows
    max_series: int
    deadline: float
    tallies: Tallies

    async def attempt(self, job: Job, api: Api, pool: Pool) -> Attempt:
        """Ask GitHub. A failure is a value."""
        started = self.clock.monotonic()
        question = await asyncio.to_thread(self._question, job)
        result = await self._ask(question, api)
        duration = self.clock.monotonic() - started
        attempt = Attempt(
            result,
            # By the wall clock as it is now: it may have been set while the job ran, and the next run depends on it.
            began=self.clock.wall() - duration,
            duration=duration,
            skew=api.skew,
            requests=pool.in_turn,
            closing=pool.closing,
            memory=question.memory.value,
            writable=question.writable,
        )
        hide_subject(attempt.error, job, self.snapshots.naming.subject(job))
        return attempt

    async def settle(self, job: Job, attempt: Attempt) -> GitHubError | None:
        """Count, save and show the attempt; gives its failure."""
        if isinstance(attempt.result, OverBudget):
            due = attempt.result.until - attempt.skew
            await self.snapshots.change(job, partial(stopped_by_budget, due=due, attempt=attempt))
            return attempt.result
        before, fields = self.snapshots.store.status(job), self._unknown_fields(job)
        settlement = await self.snapshots.conclude(job, partial(self._concluded, job, attempt), "end of run")
        if settlement is None:
            return None
        self._report(job, before, settlement.conclusion, fields)
        return settlement.conclusion.error

    def _question(self, job: Job) -> Question:
        writable = self.snapshots.state.begin(job.key, self.clock.wall())
        snapshot = self.snapshots.book.load(job.key)
        totals = self.snapshots.book.load(f"{job.collector.totals} {job.target}")

        async def save(memory: object) -> bool:
            return await self.snapshots.change(job, partial(remembering, memory=memory), "yes")

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
        )

    async def _ask(self, question: Question, api: Api) -> Reading | GitHubError:
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
        """A fault of ours: it must not touch other collectors, nor stop this one for ever."""
        naming = self.snapshots.naming
        log.error(
            "a collector failed unexpectedly: please report this", job=naming.title(job), **naming.traceback(error)
        )
        return Invalid(f"unexpected {type(error).__name__}; the log has the details")

    def _concluded(self, job: Job, attempt: Attempt, before: Snapshot, writable: bool) -> Conclusion:
        """What the worker makes of an attempt."""
        scraped = self.snapshots.store.is_scraped(job, before.version, self.clock.monotonic())
        writable = writable and attempt.writable
        rules = Rules(self._most_series(job), self.windows.retention, writable, scraped, before.names_changed)
        try:
            return conclude(job, before, attempt, rules)
        except Exception as error:  # noqa: BLE001 - it becomes the outcome, its traceback is logged
            return conclude(job, before, replace(attempt, result=self._unexpected(job, error)), rules)

    def _most_series(self, job: Job) -> int:
        """How many rows may have series: as many as the collector may show and as there is room for over all jobs."""
        others = sum(entry.status.series for entry in self.snapshots.store if entry.job.key != job.key)
        widest = max(len(table.families) for table in job.collector.tables)
        room = max(1, (self.max_series - others) // widest)
        return min(room, job.settings.max_series or room)

    def _unknown_fields(self, job: Job) -> set[str]:
        """The unknown fields that are known of already, by all jobs of the collector at the target."""
        who = job.collector.name, job.target
        alike = [entry.status for entry in self.snapshots.store if (entry.job.collector.name, entry.job.target) == who]
        return {name for status in alike for name in status.unknown}

    def _report(self, job: Job, before: Status, conclusion: Conclusion, known_fields: set[str]) -> None:
        """Count and log what an attempt noticed."""
        title, after = self.snapshots.naming.title(job), conclusion.snapshot
        if conclusion.clock_was_ahead:
            log.warning(
                "its window began after GitHub's clock, a wrong Date header or clock made it: counting begins anew",
                job=title,
                gap_seconds=conclusion.gap,
            )
        self.tallies.noticed(job, conclusion.revisions, conclusion.gap, conclusion.unreadable, conclusion.unknown)
        self.tallies.ran(job, conclusion.error)
        if new := set(after.unknown) - known_fields:
            fields = ", ".join(sorted(new))
            log.info("GitHub sends fields that this version does not know", job=title, fields=fields)
        _log_change(title, before.outcome, conclusion.error)
        _log_note(title, before.note, after.note)


def _log_change(job: str, before: Outcome | None, error: GitHubError | None) -> None:
    """One line when a job begins to fail, fails otherwise or recovers; not one per attempt."""
    reason, hint = (before.reason, before.hint) if before else (None, "")
    if error is None and reason is not None:
        log.info("collector works again", job=job)
    elif error is not None and (error.reason, error.hint) != (reason, hint):
        log.warning("collector failed", job=job, reason=error.reason, error=str(error), hint=error.hint)


def _log_note(job: str, before: str, note: str) -> None:
    """One line when data begin to be missing, others are missing, or none is any more."""
    if note and note != before:
        log.warning("collector succeeded, but data are missing", job=job, note=note)
    elif before and not note:
        log.info("no data are missing any more", job=job)
