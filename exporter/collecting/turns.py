"""A job's turn in the queue of its quota pool: one attempt, unless credential, pool or budget does not allow it."""

from dataclasses import replace
from functools import partial

import structlog

from exporter import worker
from exporter.clock import Clock
from exporter.collecting.access import MINUTE, Access, Claim, claim, wait_for_budget
from exporter.collecting.active_jobs import ActiveJobs, answering, is_answered
from exporter.collecting.changes import postpone
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

CHECK_BUDGET_AFTER = 60.0
"""Seconds. A job that waits for budget tries at least this often: others may need less than is reserved for them."""


class Turns:
    """Runs jobs, one at a time per quota pool. Instants are epoch seconds by our wall clock."""

    def __init__(self, ticks: Ticks, active: ActiveJobs, waits: Waits, unknowns: Unknowns, clock: Clock) -> None:
        self._ticks, self._active, self._clock = ticks, active, clock
        self._waits, self._unknowns = waits, unknowns
        self._warned: set[str] = set()
        self._waiting: set[str] = set()  # the jobs that are due and wait for budget

    async def take(self, job: Job, access: Access) -> float:
        """Run a job if it may run; returns when it is due again."""
        async with access.pool.turn(job.collector.rank, job.key):
            now = self._clock.wall()
            self._waiting.discard(job.key)
            if job.key not in self._active.by_key:  # dropped while it waited
                return now
            subject_due = 0.0
            if not is_answered(self._status(job)):
                unknown = self._unknowns.get(job.collector, job.target)
                subject_due = unknown.next_run(job.subject, job.settings.interval)
            if subject_due > now:  # another subject has shown how the endpoint answers
                self._active.tried.add(job.key)
            due = max(access.not_before(now), subject_due)
            if due <= now:
                due = now + self._wait_for_budget(job, access.pool)
            if due <= now:
                return await self._run(job, access, now)
            await self._ticks.snapshots.change(job, partial(postpone, due=due))
            return due

    def claim(self, job: Job) -> Claim:
        """What a job needs of its pool's hour."""
        status = self._status(job)
        saved = status.walks.saved if status.walks else 0
        return claim(job, status.requests, saved, is_waiting=job.key in self._waiting)

    async def _run(self, job: Job, access: Access, now: float) -> float:
        """One tick; returns when the job is due again."""
        fingerprint = await worker.run(access.fingerprint, self._ticks.snapshots.state.salt)
        outcome = self._status(job).outcome
        was_hidden = outcome is not None and outcome.state in ("forbidden", "not_found")
        if access.rejected is not None:
            access.paused_until = now + HOUR  # while one job tries the rejected credential, the others wait
        try:
            attempt = await self._ticks.attempt(job, access.github, access.pool)
            # A wait is saved before its cause is shown, so that a restart cannot forget it.
            paused_until = await self._paused_until(job, access, attempt.error, fingerprint)
            error = await self._ticks.settle(job, replace(attempt, paused_until=paused_until))
        except Exception as fault:  # noqa: BLE001 - its traceback is logged
            naming = self._ticks.snapshots.naming
            log.error("a job failed unexpectedly: please report this", job=naming.title(job), **naming.traceback(fault))
            access.paused_until = min(access.paused_until, now + MINUTE)
            return now + job.settings.interval
        if job.key not in self._active.by_key:  # dropped while it ran
            return now
        if isinstance(error, OverBudget):
            return error.until - access.github.skew
        self._active.tried.add(job.key)
        if error is None and was_hidden and not job.subject:
            # A 404 for a subject proved nothing while GitHub hid the whole target.
            await self._unknowns.forget(job.target, self._active.configuration.collectors)
        return self._status(job).next_run

    async def _paused_until(self, job: Job, access: Access, error: GitHubError | None, fingerprint: str) -> float:
        """Save what an attempt means for other jobs; returns when this one is tried again, 0 for the usual time."""
        if await self._waits.record(access, error, fingerprint):
            self._active.wake(access)
        if isinstance(error, CredentialRejected):
            return access.paused_until
        return await self._learn_subject(job, error, access.pool) if job.subject else 0.0

    async def _learn_subject(self, job: Job, error: GitHubError | None, pool: Pool) -> float:
        """Save whether GitHub knows a subject; returns when to try another if GitHub seems to know none, else 0."""
        is_asked = error is not None or pool.in_turn > 0  # no request is sent where nothing can be new
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
        return any(is_answered(entry.status) for entry in self._store.of_target(target) if not entry.job.subject)

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
        claims = [self.claim(other) for other in self._active.of_pool(pool)]
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
        if wait <= 0:
            return 0.0
        self._waiting.add(job.key)
        return min(max(wait, 1.0), CHECK_BUDGET_AFTER)

    @property
    def _store(self) -> Store:
        return self._ticks.snapshots.store

    def _status(self, job: Job) -> Status:
        return self._store.status(job)
