"""When jobs run: APScheduler for the clock, one turn at a time per quota pool, and a heartbeat for all that is no job.

The heartbeat lets newborn series go, withdraws gauges that became too old, looks for a new token where one was
rejected, and mends the plan after the wall clock jumped back (APScheduler would sleep through the whole jump).
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

from exporter.catalogue import HOUR
from exporter.collecting.counters import returned
from exporter.collecting.plan import Job
from exporter.collecting.tick import Clock, Ticks
from exporter.github.client import GitHub
from exporter.github.credentials import TokenCredential
from exporter.github.errors import CredentialRejected, GitHubError, RateLimited, Unavailable
from exporter.github.pacing import Pool
from exporter.serving.snapshot import Snapshot
from exporter.state import Restored, State, Wait

log = structlog.get_logger(__name__)

DAY = 24 * HOUR
HEARTBEAT = 1.0
CLOCK_JUMP = 2.0
LAST = 1_000


@dataclass(slots=True)
class Access:
    """One credential at work: its client, its pool, and until when it is left alone after a 401.

    `rejected` is the fingerprint of the token that was refused ("" if there was none to read); another one is tried
    at once.
    """

    credential: TokenCredential
    github: GitHub
    pool: Pool
    paused_until: float = 0.0
    rejected: str | None = None


class Schedule:
    """The running jobs. All instants are epoch seconds by our wall clock."""

    def __init__(self, ticks: Ticks, state: State, clock: Clock, accesses: Mapping[str, Access]) -> None:
        self._ticks, self._state, self._clock, self._accesses = ticks, state, clock, accesses
        self._jobs: dict[str, Job] = {}
        self._tried: set[str] = set()
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        self._heart: asyncio.Task[None] | None = None
        self._running: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begin to run what is planned."""
        self._scheduler.start()
        self._heart = asyncio.create_task(self._beat())

    def plan(self, jobs: Iterable[Job], restored: Restored) -> None:
        """Run these jobs from now on, before the start or at any time after it.

        New ones show what state held of them and begin when they are due; those whose settings changed are planned
        anew; those that are gone show nothing any more.
        """
        wanted = {job.key: job for job in jobs}
        for key in self._jobs.keys() - wanted.keys():
            self._drop(key)
        self._restore_waits(restored, self._clock.wall())
        for key, job in wanted.items():
            if key not in self._jobs:
                self._show(job, restored)
            elif self._jobs[key] != job:
                self._run_at(job, first_run(job, self._ticks.store[job], cut_off=False, now=self._clock.wall()))
            else:
                continue
            self._jobs[key] = job

    def _show(self, job: Job, restored: Restored) -> None:
        snapshot = restored.snapshots.get(job.key)
        if snapshot is not None:
            self._tried.add(job.key)
        due_at_once = job.key in restored.cut_off
        if snapshot and snapshot.outcome and snapshot.outcome.reason == "credential":
            due_at_once = self._accesses[job.target.credential].rejected is None  # another token than the rejected one
        due = first_run(job, snapshot, cut_off=due_at_once, now=self._clock.wall())
        self._ticks.restore(job, replace(as_returned(snapshot or Snapshot()), next_run=due))
        self._run_at(job, due)

    def _drop(self, key: str) -> None:
        del self._jobs[key]
        self._tried.discard(key)
        with suppress(JobLookupError):
            self._scheduler.remove_job(key)
        self._ticks.store.withdraw(key)

    async def stop(self) -> None:
        """Stop at once: a run that is cut off is due again after the restart."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        tasks = [*self._running.values(), *([self._heart] if self._heart else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def all_tried(self) -> bool:
        """Whether every job has ended an attempt, or was restored."""
        return self._jobs.keys() <= self._tried

    def _run_at(self, job: Job, due: float) -> None:
        # Jobs that are due together come to their pool's queue in order, so that even the first is a total.
        instant = datetime.fromtimestamp(max(due, self._clock.wall()) + job.order / 1000, UTC)
        self._scheduler.add_job(self._begin, DateTrigger(instant), args=(job,), id=job.key, replace_existing=True)

    async def _begin(self, job: Job) -> None:
        """What APScheduler calls. It does not wait for the run: a run ends, or is cut off, on its own terms."""
        if job.key not in self._running:
            self._running[job.key] = asyncio.create_task(self._run(job))

    async def _run(self, job: Job) -> None:
        try:
            due = await self._take_turn(job, self._accesses[job.target.credential])
        finally:
            del self._running[job.key]
        planned = self._jobs.get(job.key)
        if planned:
            self._run_at(planned, due)
        else:
            self._ticks.store.withdraw(job.key)

    async def _take_turn(self, job: Job, access: Access) -> float:
        """One attempt, unless credential or pool must be left alone; gives when the job is due again."""
        # First runs go in order, totals first; then first come, first served, so that nothing starves.
        async with access.pool.turn(LAST if job.key in self._tried else job.order):
            now = self._clock.wall()
            due = self._not_before(access, now)
            if due <= now:
                return await self._attempt(job, access, now)
            await self._ticks.postpone(job, due)
            return due

    async def _attempt(self, job: Job, access: Access, now: float) -> float:
        fingerprint = _fingerprint(access, self._state.salt)
        if access.rejected is not None:
            access.paused_until = now + HOUR  # while one job tries the rejected credential, the others wait
        try:
            error = await self._ticks.run(job, access.github)
        except Exception:
            log.exception("a job failed unexpectedly: please report this", job=job.key)
            return now + job.settings.interval
        self._tried.add(job.key)
        await self._remember(access, error, fingerprint)
        return self._ticks.store[job].next_run

    async def _remember(self, access: Access, error: GitHubError | None, fingerprint: str) -> None:
        """Keep what an answer means for the other jobs of the credential or the pool, also over a restart."""
        if isinstance(error, CredentialRejected):
            access.paused_until, access.rejected = self._clock.wall() + HOUR, fingerprint
            await self._wait(f"credential {access.credential.name}", Wait(access.paused_until, fingerprint))
        elif access.rejected is not None and not isinstance(error, Unavailable):
            access.paused_until, access.rejected = 0.0, None
            await self._wait(f"credential {access.credential.name}", Wait(0.0))
            self._wake(access)
        if isinstance(error, RateLimited):
            await self._wait(f"pool {access.pool.name}", Wait(error.until - access.github.skew))

    async def _wait(self, name: str, wait: Wait) -> None:
        await asyncio.to_thread(self._state.wait, name, wait)

    def _not_before(self, access: Access, now: float) -> float:
        """Until when the credential or its pool must be left alone."""
        blocked = access.pool.blocked_until - access.github.skew if access.pool.blocked_until else 0.0
        return max(access.paused_until, blocked if blocked - now <= DAY else 0.0)

    def _restore_waits(self, restored: Restored, now: float) -> None:
        for access in self._accesses.values():
            pool = restored.waits.get(f"pool {access.pool.name}")
            if pool and pool.until <= now + HOUR:
                access.pool.blocked_until = pool.until
            paused = restored.waits.get(f"credential {access.credential.name}")
            if paused and paused.mark and paused.mark == _fingerprint(access, self._state.salt):
                access.paused_until, access.rejected = min(paused.until, now + HOUR), paused.mark

    async def _beat(self) -> None:
        wall, monotonic = self._clock.wall(), self._clock.monotonic()
        while True:
            await asyncio.sleep(HEARTBEAT)
            jump = (self._clock.wall() - wall) - (self._clock.monotonic() - monotonic)
            wall, monotonic = self._clock.wall(), self._clock.monotonic()
            try:
                await self._after_clock_jump(jump)
                self._look_for_new_tokens()
                await self._tend(wall)
            except Exception:
                log.exception("the heartbeat failed unexpectedly: please report this")

    async def _after_clock_jump(self, jump: float) -> None:
        if abs(jump) < CLOCK_JUMP:
            return
        log.warning("the wall clock jumped", seconds=round(jump, 1))
        if jump > 0:
            self._scheduler.wakeup()  # what is due by the new time runs now
            return
        for access in self._accesses.values():
            access.github.skew -= jump  # GitHub's clock did not jump
            access.paused_until += jump if access.paused_until else 0.0
        for entry in list(self._ticks.store):
            due = entry.snapshot.next_run + jump
            await self._ticks.postpone(entry.job, due)
            if self._scheduler.get_job(entry.job.key):
                self._run_at(entry.job, due)

    def _look_for_new_tokens(self) -> None:
        for access in self._accesses.values():
            if access.rejected is not None and access.rejected != _fingerprint(access, self._state.salt):
                log.info("the credential has changed: trying it", credential=access.credential.name)
                access.paused_until, access.rejected = 0.0, None
                self._wake(access)

    def _wake(self, access: Access) -> None:
        """Let all jobs of a credential run now."""
        for job in self._jobs.values():
            if self._accesses[job.target.credential] is access and self._scheduler.get_job(job.key):
                self._run_at(job, self._clock.wall())

    async def _tend(self, now: float) -> None:
        for entry in self._ticks.store:
            if entry.waiting:
                await self._ticks.release(entry.job)
            if entry.shows_gauges and not entry.snapshot.gauges_at(now, entry.job.max_age):
                await self._ticks.withdraw_old_gauges(entry.job)


def first_run(job: Job, snapshot: Snapshot | None, *, cut_off: bool, now: float) -> float:
    """When a job first runs after a start: at once if it never ended or was cut off, else when it was due."""
    if snapshot is None or snapshot.outcome is None or cut_off:
        return now
    latest = now + max(job.settings.interval, DAY)  # no wait is longer; a clock that was ahead must not freeze a job
    due = min(snapshot.next_run, latest)
    if snapshot.outcome.reason is None:
        due = min(due, snapshot.outcome.at + job.settings.interval)  # the interval may have been shortened
    return max(now, due)


def as_returned(snapshot: Snapshot) -> Snapshot:
    """A restored snapshot: its series come back, so they are held as any that do."""
    if snapshot.counting is None:
        return snapshot
    return replace(snapshot, counting=returned(snapshot.counting, snapshot.version))


def _fingerprint(access: Access, salt: bytes) -> str:
    """Tells one token from another; "" if there is none to be read."""
    try:
        return access.credential.fingerprint(salt)
    except GitHubError:
        return ""
