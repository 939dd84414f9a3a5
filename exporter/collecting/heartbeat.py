"""What happens once a second besides jobs: release new series, withdraw old gauges, notice new tokens and clock jumps.

APScheduler alone would sleep through a backward jump of the wall clock.
"""

import asyncio
from functools import partial

import structlog

from exporter import worker
from exporter.clock import Clock
from exporter.collecting import changes
from exporter.collecting.access import check_credentials
from exporter.collecting.active_jobs import ActiveJobs
from exporter.collecting.conclude import Conclusion
from exporter.collecting.settle import Snapshots
from exporter.collecting.timers import Timers
from exporter.collecting.waits import Unknowns
from exporter.exposition.snapshot import Snapshot
from exporter.instants import DAY, HOUR
from exporter.jobs import Job

log = structlog.get_logger(__name__)

HEARTBEAT = 1.0
"""Seconds between two beats."""
CLOCK_JUMP = 2.0
"""The wall clock was set if, between two beats, it moves by this many seconds more or less than the other clock."""


class Heartbeat:
    """Beats once a second beside the jobs. Instants are epoch seconds by our wall clock."""

    def __init__(
        self, snapshots: Snapshots, active: ActiveJobs, unknowns: Unknowns, timers: Timers, clock: Clock
    ) -> None:
        self._snapshots, self._active, self._unknowns = snapshots, active, unknowns
        self._timers, self._clock = timers, clock
        self._forget_at = clock.monotonic() + HOUR

    async def beat(self) -> None:
        """Beat until it is cancelled."""
        wall, monotonic = self._clock.wall(), self._clock.monotonic()
        while True:
            await asyncio.sleep(HEARTBEAT)
            jump = (self._clock.wall() - wall) - (self._clock.monotonic() - monotonic)
            wall, monotonic = self._clock.wall(), self._clock.monotonic()
            try:
                await self._after_clock_jump(jump)
                await self._check_credentials()
                await self._forget(wall, monotonic)
                await self._refresh(wall)
            except Exception as fault:  # noqa: BLE001 - its traceback is logged
                trace = self._snapshots.naming.traceback(fault)
                log.error("the heartbeat failed unexpectedly: please report this", **trace)

    async def _after_clock_jump(self, jump: float) -> None:
        if abs(jump) < CLOCK_JUMP:
            return
        log.warning("the wall clock jumped", seconds=round(jump, 1))
        if jump > 0:
            self._timers.check_due()
            return
        for access in self._active.accesses:
            access.github.clock_was_set()
            access.paused_until += jump if access.paused_until else 0.0
        self._unknowns.shift(jump)
        for entry in self._snapshots.store:
            due = entry.status.next_run + jump
            await self._snapshots.change(entry.job, partial(changes.set_clock_back, due=due, now=self._clock.wall()))
            if self._timers.has(entry.job.key):
                self._timers.run_at(entry.job, due)

    async def _check_credentials(self) -> None:
        accesses = self._active.accesses
        checks = await worker.run(check_credentials, accesses, self._snapshots.state.salt)
        for access, check in zip(accesses, checks, strict=True):
            access.problem = check.problem
            access.github.forget_expiry(check.replaced)
            # The check does not apply to a token that was rejected after it began.
            if access.rejected is not None and check.fingerprint not in (None, access.rejected):
                log.info("the credential has changed: trying it", credential=access.credential.name)
                access.paused_until, access.rejected = 0.0, None
                self._active.wake(access)

    async def _forget(self, now: float, monotonic: float) -> None:
        """Once a day, drop what the state has of jobs that run no more. If our clock is ahead, GitHub's counts."""
        if monotonic < self._forget_at:
            return
        self._forget_at = monotonic + DAY
        ahead = max((-access.github.skew for access in self._active.accesses), default=0.0)
        await worker.run(self._snapshots.state.forget, now - max(0.0, ahead), list(self._active.by_key))

    async def _refresh(self, now: float) -> None:
        await self._save_unsaved(now)
        for entry in self._snapshots.store:
            if entry.status.waiting:
                await self._release(entry.job)
            if now > entry.status.until:
                await self._snapshots.change(entry.job, changes.refresh)

    async def _save_unsaved(self, now: float) -> None:
        """Save the snapshots that could not be saved when they changed, if the state can be written."""
        await worker.run(self._snapshots.state.watch, now)
        store = self._snapshots.store
        for key in self._snapshots.state.unsaved(entry.job.key for entry in store if not entry.status.is_empty):
            if entry := store.find(key):
                await self._snapshots.save(entry.job)

    async def _release(self, job: Job) -> None:
        """Let series rise that were scraped and have been shown for the birth delay."""
        upto = self._snapshots.store.releasable(job, self._clock.monotonic())

        def change(before: Snapshot, writable: bool) -> Conclusion:
            return Conclusion(changes.release(before, upto, unpublished=writable))

        if any(version >= 0 for version in upto):
            await self._snapshots.conclude(job, change, "yes")
