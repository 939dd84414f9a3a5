"""Once a second, whatever is no job: new series are released, old gauges withdrawn, new tokens and clock jumps noticed.

APScheduler would sleep through a jump of the wall clock backward.
"""

import asyncio
from functools import partial

import structlog

from exporter.collecting.changes import aged, clock_set_back, released
from exporter.collecting.clock import Clock
from exporter.collecting.conclude import Conclusion
from exporter.collecting.planning import Planning
from exporter.collecting.settle import Snapshots
from exporter.collecting.timers import Timers
from exporter.collecting.waits import Unknowns
from exporter.exposition.snapshot import Snapshot
from exporter.instants import DAY
from exporter.jobs import Job

log = structlog.get_logger(__name__)

HEARTBEAT = 1.0
CLOCK_JUMP = 2.0


class Heartbeat:
    """Instants are epoch seconds by our wall clock."""

    def __init__(
        self, snapshots: Snapshots, planning: Planning, unknowns: Unknowns, timers: Timers, clock: Clock
    ) -> None:
        self._snapshots, self._planning, self._unknowns = snapshots, planning, unknowns
        self._timers, self._clock = timers, clock
        self._forget_at = 0.0

    async def beat(self) -> None:
        """Beat until it is cancelled."""
        wall, monotonic = self._clock.wall(), self._clock.monotonic()
        while True:
            await asyncio.sleep(HEARTBEAT)
            jump = (self._clock.wall() - wall) - (self._clock.monotonic() - monotonic)
            wall, monotonic = self._clock.wall(), self._clock.monotonic()
            try:
                await self._after_clock_jump(jump)
                self._look_for_new_tokens()
                await self._tend(wall)
            except Exception as fault:  # noqa: BLE001 - its traceback is logged
                trace = self._snapshots.naming.traceback(fault)
                log.error("the heartbeat failed unexpectedly: please report this", **trace)

    async def _after_clock_jump(self, jump: float) -> None:
        if abs(jump) < CLOCK_JUMP:
            return
        log.warning("the wall clock jumped", seconds=round(jump, 1))
        if jump > 0:
            self._timers.look()
            return
        for access in self._planning.accesses:
            access.github.clock_was_set()
            access.paused_until += jump if access.paused_until else 0.0
        self._unknowns.shift(jump)
        self._forget_at += jump
        for entry in self._snapshots.store:
            due = entry.status.next_run + jump
            await self._snapshots.change(entry.job, partial(clock_set_back, due=due, now=self._clock.wall()))
            if self._timers.has(entry.job.key):
                self._timers.run_at(entry.job, due)

    def _look_for_new_tokens(self) -> None:
        for access in self._planning.accesses:
            access.look()
            access.github.forget_old_expiry()
            if access.rejected is not None and access.rejected != access.fingerprint(self._snapshots.state.salt):
                log.info("the credential has changed: trying it", credential=access.credential.name)
                access.paused_until, access.rejected = 0.0, None
                self._planning.wake(access)

    async def _tend(self, now: float) -> None:
        if now >= self._forget_at:
            self._forget_at = now + DAY
            await asyncio.to_thread(self._snapshots.state.forget, now)
        await self._keep_state(now)
        for entry in self._snapshots.store:
            if entry.status.waiting:
                await release(self._snapshots, entry.job, self._clock.monotonic())
            if now > entry.status.until:
                await self._snapshots.change(entry.job, aged)

    async def _keep_state(self, now: float) -> None:
        """Write what is shown and not in the state, if the state can be written."""
        await asyncio.to_thread(self._snapshots.state.watch, now)
        jobs = {entry.job.key: entry.job for entry in self._snapshots.store if not entry.status.is_empty}
        for key in self._snapshots.state.unsaved(jobs):
            await self._snapshots.save(jobs[key])


async def release(snapshots: Snapshots, job: Job, now: float) -> None:
    """Let series rise that were scraped and shown long enough (`now`: monotonic seconds)."""
    upto = snapshots.store.releasable(job, now)

    def change(before: Snapshot, writable: bool) -> Conclusion:
        return Conclusion(released(before, upto, unpublished=writable))

    if any(version >= 0 for version in upto):
        await snapshots.conclude(job, change, "yes")
