"""The running jobs: when each is due, which are in their turn now, and the heartbeat beside them."""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial

from exporter import worker
from exporter.clock import Clock
from exporter.collecting.access import Access, check_credentials
from exporter.collecting.active_jobs import ActiveJobs, Configuration
from exporter.collecting.changes import apply_naming
from exporter.collecting.due import first_run
from exporter.collecting.heartbeat import Heartbeat
from exporter.collecting.tick import Ticks
from exporter.collecting.timers import Timers
from exporter.collecting.turns import Turns
from exporter.collecting.waits import Unknowns, Waits
from exporter.jobs import Job, Target
from exporter.privacy import Naming
from exporter.state.database import Restored
from exporter.state.renaming import Renamed


class Schedule:
    """Runs the jobs that are configured, from `start` to `stop`."""

    def __init__(self, ticks: Ticks, waits: Waits, clock: Clock) -> None:
        self._snapshots, self._waits, self._clock = ticks.snapshots, waits, clock
        self._unknowns = Unknowns(self._snapshots.state, clock)
        self._timers = Timers(clock, self._begin)
        self._active = ActiveJobs(self._snapshots, self._unknowns, clock, self._timers)
        self._turns = Turns(ticks, self._active, self._waits, self._unknowns, clock)
        self._heartbeat = Heartbeat(self._snapshots, self._active, self._unknowns, self._timers, clock)
        self._beating: asyncio.Task[None] | None = None
        self._running: dict[str, asyncio.Task[None]] = {}

    @property
    def lock(self) -> asyncio.Lock:
        """Once jobs run, hold it from reading the state until `apply` or `rename` has ended."""
        return self._active.lock

    @property
    def jobs(self) -> list[Job]:
        """All jobs that run now."""
        return list(self._active.by_key.values())

    @property
    def accesses(self) -> list[Access]:
        """Every access in use, once."""
        return self._active.accesses

    @property
    def access_by_target(self) -> Mapping[Target, Access]:
        """The access that the requests for each target use."""
        return self._active.configuration.accesses

    def wake(self, access: Access) -> None:
        """Let all jobs of a credential run now."""
        self._active.wake(access)

    def start(self) -> None:
        """Begin to run jobs when they are due."""
        self._timers.start()
        self._beating = asyncio.create_task(self._heartbeat.beat())

    async def apply(self, configuration: Configuration, restored: Restored) -> None:
        """Run what is configured from now on. Called before `start`, or later while `lock` is held."""
        accesses = configuration.all_accesses
        checks = await worker.run(check_credentials, accesses, self._snapshots.state.salt)
        for access, check in zip(accesses, checks, strict=True):
            access.problem = check.problem
        in_use = {id(access) for access in self._active.configuration.all_accesses}
        await self._waits.restore([access for access in accesses if id(access) not in in_use], restored)
        if self._beating is None:
            await self._unknowns.restore(restored)
        await self._active.apply(configuration, restored)
        if self._beating is None:
            self._waits.restore_spending(accesses, restored)
            for job in [self._active.by_key[key] for key in restored.cut_off & self._active.by_key.keys()]:
                cost = self._turns.claim(job).cost  # nobody knows how many requests it had sent: count all
                access = configuration.access(job)
                access.pool.spending.add(job.key, self._clock.monotonic(), cost)

    async def rename(self, naming: Naming, renamed: Renamed) -> None:
        """Name people as `naming` says from now on; `lock` is held. Jobs that show people run again at once.

        Runs are cut off, as by a stop: their replies have names in the old form.
        """
        self._timers.pause()
        try:
            await _cancel(self._running.values())
            self._snapshots.naming = naming
            for job in self.jobs:
                await self._snapshots.change(job, partial(apply_naming, job, renamed=renamed), "yes")
        finally:
            self._timers.resume()
        for job in self.jobs:
            status = self._snapshots.store.status(job)
            self._timers.run_at(job, first_run(job, status, cut_off=False, now=self._clock.wall()))

    async def stop(self) -> None:
        """Stop at once: a run that is cut off is due again after the restart."""
        await self._timers.stop()
        await _cancel([*self._running.values(), *([self._beating] if self._beating else [])])

    def all_tried(self) -> bool:
        """Whether every job has ended an attempt, or was restored."""
        return self._active.by_key.keys() <= self._active.tried

    async def _begin(self, key: str) -> None:
        """Start a job's run and return: the run outlives the timer that calls this."""
        if key not in self._running and (job := self._active.by_key.get(key)):
            self._running[key] = asyncio.create_task(self._run(job))

    async def _run(self, job: Job) -> None:
        unknown = self._unknowns.get(job.collector, job.target)
        access = self.access_by_target.get(job.target)
        try:
            due = await self._turns.take(job, access) if access else 0.0
        finally:
            del self._running[job.key]
        if job.key not in self._active.by_key:
            return
        self._timers.run_at(self._active.by_key[job.key], due)
        if job.collector.subject_of or unknown != self._unknowns.get(job.collector, job.target):
            await self._active.update_subjects(job.target)


async def _cancel(tasks: Iterable["asyncio.Task[None]"]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
