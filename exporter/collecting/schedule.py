"""The running jobs: when each is due, which are in their turn now, and the heartbeat beside them."""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial

from exporter.collecting.access import Access
from exporter.collecting.changes import people_renamed
from exporter.collecting.clock import Clock
from exporter.collecting.heartbeat import Heartbeat
from exporter.collecting.plan import first_run
from exporter.collecting.planning import Configuration, Planning
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

    def __init__(self, ticks: Ticks, clock: Clock) -> None:
        self._snapshots, self._clock = ticks.snapshots, clock
        state = self._snapshots.state
        self._waits, self._unknowns = Waits(state, clock), Unknowns(state, clock)
        self._timers = Timers(clock, self._begin)
        self._planning = Planning(self._snapshots, self._unknowns, clock, self._timers)
        self._turns = Turns(ticks, self._planning, self._waits, self._unknowns, clock)
        self._heartbeat = Heartbeat(self._snapshots, self._planning, self._unknowns, self._timers, clock)
        self._beating: asyncio.Task[None] | None = None
        self._running: dict[str, asyncio.Task[None]] = {}

    @property
    def planning_lock(self) -> asyncio.Lock:
        """Hold it from reading the state until `plan` has ended, once jobs run."""
        return self._planning.lock

    @property
    def jobs(self) -> list[Job]:
        """All jobs that run now."""
        return list(self._planning.jobs.values())

    @property
    def accesses(self) -> list[Access]:
        """Every credential at work, once."""
        return self._planning.accesses

    @property
    def access_by_target(self) -> Mapping[Target, Access]:
        """Who asks at each target."""
        return self._planning.configuration.accesses

    def start(self) -> None:
        """Begin to run what is planned."""
        self._timers.start()
        self._beating = asyncio.create_task(self._heartbeat.beat())

    async def plan(self, configuration: Configuration, kept: Restored) -> None:
        """Run what is configured from now on, before the start or at any time after it; then `planning` is held."""
        accesses = list({id(access): access for access in configuration.accesses.values()}.values())
        for access in accesses:
            access.look()
        self._waits.restore(accesses, kept)
        if self._beating is None:
            self._unknowns.restore(kept)
        await self._planning.apply(configuration, kept)
        if self._beating is None:
            self._waits.restore_spending(accesses, kept)
            for job in [self._planning.jobs[key] for key in kept.cut_off & self._planning.jobs.keys()]:
                cost = self._turns.claim(job).cost  # nobody knows how far it came
                access = configuration.access(job)
                access.pool.spending.add(job.key, self._clock.monotonic(), cost)

    async def rename(self, naming: Naming, renamed: Renamed) -> None:
        """Show people so from now on; `planning` is held. Whoever is named is asked for anew at once.

        Runs are cut off, as a stop does it: their replies have names of the old form.
        """
        self._timers.pause()
        try:
            await _cancelled(self._running.values())
            self._snapshots.naming = naming
            for job in self.jobs:
                await self._snapshots.change(job, partial(people_renamed, job, renamed=renamed), "yes")
        finally:
            self._timers.resume()
        for job in self.jobs:
            status = self._snapshots.store.status(job)
            self._timers.run_at(job, first_run(job, status, cut_off=False, now=self._clock.wall()))

    async def stop(self) -> None:
        """Stop at once: a run that is cut off is due again after the restart."""
        await self._timers.stop()
        await _cancelled([*self._running.values(), *([self._beating] if self._beating else [])])

    def all_tried(self) -> bool:
        """Whether every job has ended an attempt, or was restored."""
        return self._planning.jobs.keys() <= self._planning.tried

    async def _begin(self, key: str) -> None:
        """What a timer calls. It does not wait for the run: a run ends, or is cut off, on its own terms."""
        if key not in self._running and (job := self._planning.jobs.get(key)):
            self._running[key] = asyncio.create_task(self._run(job))

    async def _run(self, job: Job) -> None:
        unknown = self._unknowns.of(job.collector, job.target)
        access = self.access_by_target.get(job.target)
        try:
            due = await self._turns.take(job, access) if access else 0.0
        finally:
            del self._running[job.key]
        if job.key not in self._planning.jobs:
            return
        self._timers.run_at(self._planning.jobs[job.key], due)
        if job.collector.subject_of or unknown != self._unknowns.of(job.collector, job.target):
            await self._planning.follow(job.target)


async def _cancelled(tasks: Iterable["asyncio.Task[None]"]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
