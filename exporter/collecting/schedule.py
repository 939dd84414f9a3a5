"""When jobs run: APScheduler for the clock, one turn at a time per quota pool, and a heartbeat for all that is no job.

Which jobs there are follows from what was seen: after each run that leads to subjects their target is planned anew.

The heartbeat lets newborn series go, withdraws gauges that became too old, looks for a new token where one was
rejected, and mends the plan after the wall clock jumped back (APScheduler would sleep through the whole jump).
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

from exporter.catalogue import HOUR, Collector, Subject
from exporter.collecting.access import DAY, Access, Claim, claim, wait_for_budget
from exporter.collecting.counters import returned
from exporter.collecting.plan import CollectorSettings, Follow, Job, Target, plan, seen
from exporter.collecting.tick import Clock, Ticks
from exporter.collecting.waits import Waits
from exporter.github.apps import NotInstalled
from exporter.github.errors import GitHubError, NotFound, OverBudget
from exporter.github.pacing import Pool
from exporter.serving.snapshot import Rest, Snapshot
from exporter.state import Restored, State

log = structlog.get_logger(__name__)

HEARTBEAT = 1.0
CLOCK_JUMP = 2.0
LAST = 1_000
LOOK_AGAIN = 60.0
"""What waits for budget asks again after this long: others may have needed less than was kept for them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the configuration asks for; `watched` are the subjects to follow by target."""

    collectors: Sequence[Collector] = ()
    settings: Mapping[str, CollectorSettings] = field(default_factory=dict)
    accesses: Mapping[Target, Access] = field(default_factory=dict)
    watched: Mapping[Target, Sequence[Subject]] = field(default_factory=dict)


class Schedule:
    """The running jobs. All instants are epoch seconds by our wall clock."""

    def __init__(self, ticks: Ticks, state: State, clock: Clock) -> None:
        self._ticks, self._state, self._clock = ticks, state, clock
        self._wanted = Wanted()
        self._jobs: dict[str, Job] = {}
        self._tried: set[str] = set()
        self._gone: dict[str, tuple[Target, float]] = {}
        self._said: set[str] = set()
        self._forget_at = 0.0
        self.planning = asyncio.Lock()
        """Held from what is read of state until it is planned with, once jobs run."""
        self._waits = Waits(state, clock)
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        self._heart: asyncio.Task[None] | None = None
        self._running: dict[str, asyncio.Task[None]] = {}

    @property
    def jobs(self) -> list[Job]:
        """All jobs that run now."""
        return list(self._jobs.values())

    @property
    def accesses(self) -> list[Access]:
        """Every credential at work, once."""
        return list({id(access): access for access in self._wanted.accesses.values()}.values())

    def start(self) -> None:
        """Begin to run what is planned."""
        self._scheduler.start()
        self._heart = asyncio.create_task(self._beat())

    def plan(self, wanted: Wanted, restored: Restored) -> None:
        """Run what is wanted from now on, before the start or at any time after it.

        New jobs show what state held of them and begin when they are due; those whose settings changed are planned
        anew; those that are gone show nothing any more. What a drill-down followed before a restart it goes on with.
        """
        self._wanted = wanted
        self._gone.clear()
        self._waits.restore(self.accesses, restored)
        for key in [key for key, job in self._jobs.items() if job.target not in wanted.accesses]:
            self._drop(key)
        active = {key for key, rest in restored.snapshots.items() if rest.snapshot.outcome} | restored.cut_off
        for target in wanted.accesses:
            while new := self._change(target, active, led_to(self._sources(target))):
                for job in new:
                    self._show(job, restored.whole(job.key), cut_off=job.key in restored.cut_off)
        if self._heart is None:
            self._waits.restore_spending(self.accesses, restored)
            for job in [self._jobs[key] for key in restored.cut_off & self._jobs.keys()]:
                cost = self._claim(job).cost  # nobody knows how far it came
                self._access(job).pool.spending.add(job.key, self._clock.monotonic(), cost)

    def _sources(self, target: Target) -> list[tuple[Collector, Rest]]:
        """The target's sources that lead to subjects."""
        entries = [entry for entry in self._ticks.store if entry.job.target == target]
        return [(entry.job.collector, entry.rest) for entry in entries if entry.job.collector.leads]

    def _change(self, target: Target, now: Collection[str], found: Mapping[Subject, int]) -> list[Job]:
        """Plan a target anew: drop what is gone, take over other settings; the new jobs are returned."""
        wanted, wall = self._wanted, self._clock.wall()
        self._gone = {key: gone for key, gone in self._gone.items() if gone[1] > wall}
        follow = Follow(wanted.watched.get(target, ()), found, now, self._gone.keys())
        jobs = {job.key: job for job in plan(wanted.collectors, wanted.settings, target, follow)}
        for key in [key for key, job in self._jobs.items() if job.target == target and key not in jobs]:
            self._drop(key)
        for key in jobs.keys() & self._jobs.keys():
            changed, self._jobs[key] = self._jobs[key] != jobs[key], jobs[key]
            if changed:
                self._run_at(jobs[key], first_run(jobs[key], self._ticks.store[jobs[key]], cut_off=False, now=wall))
        return [job for key, job in jobs.items() if key not in self._jobs]

    def _show(self, job: Job, snapshot: Snapshot | None, *, cut_off: bool = False) -> None:
        if snapshot is not None and snapshot.outcome is not None:
            self._tried.add(job.key)
        if snapshot and snapshot.outcome and snapshot.outcome.reason == "credential":
            cut_off = self._access(job).rejected is None  # another token than the rejected one
        due = first_run(job, snapshot, cut_off=cut_off, now=self._clock.wall())
        self._jobs[job.key] = job
        self._ticks.restore(job, replace(as_returned(snapshot or Snapshot()), next_run=due))
        self._run_at(job, due)

    def _drop(self, key: str) -> None:
        del self._jobs[key]
        self._tried.discard(key)
        with suppress(JobLookupError):
            self._scheduler.remove_job(key)
        snapshot = self._ticks.store.whole(key)
        if snapshot.outcome or snapshot.counting:
            # Without an outcome it is known as one that was hidden, and reads its whole window at once when it is back.
            hidden = replace(snapshot, outcome=None, next_run=0.0)
            self._state.save(key, hidden, self._clock.wall(), ended=True)
        self._ticks.forget(key)

    async def _follow(self, target: Target) -> None:
        """Let a target's drill-down follow what was seen."""
        async with self.planning:
            while True:
                found = await asyncio.to_thread(led_to, self._sources(target))
                if target not in self._wanted.accesses or not (new := self._change(target, self._jobs, found)):
                    return
                snapshots = await asyncio.to_thread(self._state.snapshots, [job.key for job in new])
                for job in new:
                    if job.key not in self._jobs and target in self._wanted.accesses:  # a reload may have been quicker
                        self._show(job, snapshots.get(job.key))

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

    def _access(self, job: Job) -> Access:
        return self._wanted.accesses[job.target]

    def _run_at(self, job: Job, due: float) -> None:
        # Jobs that are due together come to their pool's queue in order, so that even the first is a total.
        instant = datetime.fromtimestamp(max(due, self._clock.wall()) + job.order / 1000, UTC)
        self._scheduler.add_job(self._begin, DateTrigger(instant), args=(job.key,), id=job.key, replace_existing=True)

    async def _begin(self, key: str) -> None:
        """What APScheduler calls. It does not wait for the run: a run ends, or is cut off, on its own terms."""
        if key not in self._running and (job := self._jobs.get(key)):
            self._running[key] = asyncio.create_task(self._run(job))

    async def _run(self, job: Job) -> None:
        try:
            due = await self._take_turn(job, self._access(job)) if job.target in self._wanted.accesses else 0.0
        finally:
            del self._running[job.key]
        if job.key not in self._jobs:
            self._ticks.forget(job.key)
            return
        self._run_at(self._jobs[job.key], due)
        if job.collector.leads or job.key in self._gone:
            await self._follow(job.target)

    async def _take_turn(self, job: Job, access: Access) -> float:
        """One attempt, unless credential, pool or budget must be left alone; gives when the job is due again."""
        # First runs go in order, totals first; then first come, first served, so that nothing starves.
        async with access.pool.turn(LAST if job.key in self._tried else job.order, job.key):
            now = self._clock.wall()
            if job.key not in self._jobs:  # dropped while it waited
                return now
            due = access.not_before(now)
            if due <= now:
                due = now + self._wait_for_budget(job, access.pool)
            if due <= now:
                return await self._attempt(job, access, now)
            await self._ticks.postpone(job, due)
            return due

    async def _attempt(self, job: Job, access: Access, now: float) -> float:
        fingerprint = access.fingerprint(self._state.salt)
        failed_before = self._ticks.store[job].failures > 0
        if access.rejected is not None:
            access.paused_until = now + HOUR  # while one job tries the rejected credential, the others wait

        async def heed(error: GitHubError | None) -> None:
            if await self._waits.after(access, error, fingerprint):
                self._wake(access)

        try:
            error = await self._ticks.run(job, access.github, access.pool, heed)
        except Exception:
            log.exception("a job failed unexpectedly: please report this", job=job.key)
            return now + job.settings.interval
        if job.key not in self._jobs:  # dropped while it ran
            return now
        if isinstance(error, OverBudget):
            return error.until - access.github.skew
        self._tried.add(job.key)
        if isinstance(error, NotFound) and not isinstance(error, NotInstalled) and job.subject:
            self._lose(job, now)
        elif error is None and failed_before and not job.subject:
            # What was not found while the whole target failed may be there after all.
            self._gone = {key: gone for key, gone in self._gone.items() if gone[0] != job.target}
        return self._ticks.store[job].next_run

    def _lose(self, job: Job, now: float) -> None:
        """Follow a subject no longer that GitHub does not know, if it knows the target; try it again after a day."""
        whole = [entry for entry in self._ticks.store if entry.job.target == job.target and not entry.job.subject]
        if not any(entry.snapshot.outcome and entry.snapshot.outcome.reason is None for entry in whole):
            return
        self._gone[job.key] = (job.target, now + DAY)
        who = f"{job.target} {'/'.join(job.subject)}"
        if who not in self._said:
            self._said.add(who)
            log.warning(
                "GitHub does not know whom to follow: dropped, tried again daily; take it out of `watch` if it stays",
                target=str(job.target),
                subject="/".join(job.subject),
            )

    def _wait_for_budget(self, job: Job, pool: Pool) -> float:
        """Seconds until the budget has room for a run."""
        claims = [self._claim(other) for other in self._jobs.values() if self._access(other).pool is pool]
        wait = wait_for_budget(self._claim(job), claims, pool, self._clock.monotonic())
        if wait is None:
            if job.key not in self._said:
                self._said.add(job.key)
                log.warning(
                    "a run costs more than the hourly budget: it never runs; raise budget.share or narrow it",
                    job=job.key,
                    requests=self._claim(job).cost,
                    budget=pool.hourly,
                )
            return HOUR
        return min(max(wait, 1.0), LOOK_AGAIN) if wait > 0 else 0.0

    def _claim(self, job: Job) -> Claim:
        return claim(job, self._ticks.store[job].requests)

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
        for access in self.accesses:
            access.github.skew -= jump  # GitHub's clock did not jump
            access.paused_until += jump if access.paused_until else 0.0
        for entry in list(self._ticks.store):
            due = entry.snapshot.next_run + jump
            await self._ticks.postpone(entry.job, due)
            if self._scheduler.get_job(entry.job.key):
                self._run_at(entry.job, due)

    def _look_for_new_tokens(self) -> None:
        for access in self.accesses:
            if access.rejected is not None and access.rejected != access.fingerprint(self._state.salt):
                log.info("the credential has changed: trying it", credential=access.credential.name)
                access.paused_until, access.rejected = 0.0, None
                self._wake(access)

    def _wake(self, access: Access) -> None:
        """Let all jobs of a credential run now."""
        for job in self._jobs.values():
            if self._access(job) is access and self._scheduler.get_job(job.key):
                self._run_at(job, self._clock.wall())

    async def _tend(self, now: float) -> None:
        if now >= self._forget_at:
            self._forget_at = now + DAY
            await asyncio.to_thread(self._state.forget, now)
        for entry in self._ticks.store:
            if entry.rest.waiting:
                await self._ticks.release(entry.job)
            if entry.shows_gauges and not entry.snapshot.gauges_at(now, entry.job.max_age):
                await self._ticks.withdraw_old_gauges(entry.job)


def led_to(sources: Iterable[tuple[Collector, Rest]]) -> dict[Subject, int]:
    """Which subjects sources lead to, with their requests. It takes a while: each source is made whole."""
    found: dict[Subject, int] = {}
    for collector, rest in sources:
        for subject, requests in seen(collector, rest.whole().counting).items():
            found[subject] = found.get(subject, 0) + requests
    return found


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
