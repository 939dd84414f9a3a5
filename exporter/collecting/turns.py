"""A job's turn in the queue of its quota pool: one attempt, unless credential, pool or budget must be left alone."""

from dataclasses import replace
from functools import partial

import structlog

from exporter.collecting.access import MINUTE, Access, Claim, claim, wait_for_budget
from exporter.collecting.changes import postponed
from exporter.collecting.clock import Clock
from exporter.collecting.planning import Planning, answering, is_answered
from exporter.collecting.tick import Ticks
from exporter.collecting.unknown import explain, is_unknown
from exporter.collecting.waits import Unknowns, Waits
from exporter.errors import CredentialRejected, GitHubError, OverBudget
from exporter.exposition.snapshot import Status
from exporter.exposition.store import Store
from exporter.github.pacing import Pool
from exporter.instants import HOUR
from exporter.jobs import Job, Target

log = structlog.get_logger(__name__)

LOOK_AGAIN = 60.0
"""Seconds after which a job that waits for budget looks again: others may have needed less than was kept for them."""


class Turns:
    """Runs jobs, one at a time per quota pool. Instants are epoch seconds by our wall clock."""

    def __init__(self, ticks: Ticks, planning: Planning, waits: Waits, unknowns: Unknowns, clock: Clock) -> None:
        self._ticks, self._planning, self._clock = ticks, planning, clock
        self._waits, self._unknowns = waits, unknowns
        self._warned: set[str] = set()

    async def take(self, job: Job, access: Access) -> float:
        """Run a job if it may; gives when it is due again."""
        async with access.pool.turn(job.collector.rank, job.key):
            now = self._clock.wall()
            if job.key not in self._planning.jobs:  # dropped while it waited
                return now
            others_due = 0.0
            if not is_answered(self._status(job)):
                unknown = self._unknowns.of(job.collector, job.target)
                others_due = unknown.next_run(job.subject, job.settings.interval)
            if others_due > now:  # it waits for the next try of an endpoint whose state is known
                self._planning.tried.add(job.key)
            due = max(access.not_before(now), others_due)
            if due <= now:
                due = now + self._wait_for_budget(job, access.pool)
            if due <= now:
                return await self._run(job, access, now)
            await self._ticks.snapshots.change(job, partial(postponed, due=due))
            return due

    def claim(self, job: Job) -> Claim:
        """What a job needs of its pool's hour."""
        return claim(job, self._status(job).requests)

    async def _run(self, job: Job, access: Access, now: float) -> float:
        """One tick; gives when the job is due again."""
        fingerprint = access.fingerprint(self._ticks.snapshots.state.salt)
        outcome = self._status(job).outcome
        was_hidden = outcome is not None and outcome.state in ("forbidden", "not_found")
        if access.rejected is not None:
            access.paused_until = now + HOUR  # while one job tries the rejected credential, the others wait
        try:
            attempt = await self._ticks.attempt(job, access.github, access.pool)
            # Saved before anyone can see it: a wait that a restart forgot would not be waited for.
            paused_until = await self._paused_until(job, access, attempt.error, fingerprint)
            error = await self._ticks.settle(job, replace(attempt, paused_until=paused_until))
        except Exception as fault:  # noqa: BLE001 - its traceback is logged
            naming = self._ticks.snapshots.naming
            log.error("a job failed unexpectedly: please report this", job=naming.title(job), **naming.traceback(fault))
            access.paused_until = min(access.paused_until, now + MINUTE)
            return now + job.settings.interval
        if job.key not in self._planning.jobs:  # dropped while it ran
            return now
        if isinstance(error, OverBudget):
            return error.until - access.github.skew
        self._planning.tried.add(job.key)
        if error is None and was_hidden and not job.subject:
            # What was not found while GitHub hid the whole target may be there after all.
            await self._unknowns.forget(job.target, self._planning.configuration.collectors)
        return self._status(job).next_run

    async def _paused_until(self, job: Job, access: Access, error: GitHubError | None, fingerprint: str) -> float:
        """Keep what an attempt means for other jobs; gives when this one is tried again if that is known, else 0."""
        if await self._waits.after(access, error, fingerprint):
            self._planning.wake(access)
        if isinstance(error, CredentialRejected):
            return access.paused_until
        return await self._learn_subject(job, error, access.pool) if job.subject else 0.0

    async def _learn_subject(self, job: Job, error: GitHubError | None, pool: Pool) -> float:
        """Keep whether GitHub knows a subject; gives when others are tried if it seems to know nobody."""
        is_asked = error is not None or pool.in_turn > 0  # where nothing can be new, nothing is asked
        if not is_asked or (is_unknown(job.subject, error) and not self._is_known(job.target)):
            return 0.0
        unknown = await self._unknowns.learn(job, error)
        if error is None or not is_unknown(job.subject, error):
            return 0.0
        if unknown.not_found and job.collector.endpoint not in answering(self._store, job.target, but=job):
            explain(error, job.collector.needs)
            return unknown.next_run((), job.settings.interval)
        self._warn_of_unknown(job)
        return 0.0

    def _is_known(self, target: Target) -> bool:
        """Whether GitHub knows the target itself."""
        whole = [entry for entry in self._store if entry.job.target == target and not entry.job.subject]
        return any(is_answered(entry.status) for entry in whole)

    def _warn_of_unknown(self, job: Job) -> None:
        subject = f"{job.target} {'/'.join(job.subject)}"
        if subject not in self._warned:
            self._warned.add(subject)
            log.warning(
                "GitHub does not know whom to follow: dropped, tried again daily; take it out of `watch` if it stays",
                target=str(job.target),
                subject="/".join(self._ticks.snapshots.naming.subject(job)),
            )

    def _wait_for_budget(self, job: Job, pool: Pool) -> float:
        """Seconds until the budget has room for a run."""
        access = self._planning.configuration.access
        claims = [self.claim(other) for other in self._planning.jobs.values() if access(other).pool is pool]
        wait = wait_for_budget(self.claim(job), claims, pool, self._clock.monotonic())
        if wait is None:
            if job.key not in self._warned:
                self._warned.add(job.key)
                log.warning(
                    "a run costs more than the hourly budget: it never runs; raise budget.share or narrow it",
                    job=self._ticks.snapshots.naming.title(job),
                    requests=self.claim(job).cost,
                    budget=pool.hourly,
                )
            return HOUR
        return min(max(wait, 1.0), LOOK_AGAIN) if wait > 0 else 0.0

    @property
    def _store(self) -> Store:
        return self._ticks.snapshots.store

    def _status(self, job: Job) -> Status:
        return self._store.status(job)
