"""When jobs are due: APScheduler calls back at an instant of the wall clock."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

from exporter.clock import Clock
from exporter.jobs import Job


class Timers:
    """One timer per job; `begin` is called with the job's key."""

    def __init__(self, clock: Clock, begin: Callable[[str], Awaitable[None]]) -> None:
        self._clock, self._begin = clock, begin
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )

    def start(self) -> None:
        """Begin to call back."""
        self._scheduler.start()

    def run_at(self, job: Job, due: float) -> None:
        """Let a job begin at `due` (epoch seconds), in place of any earlier instant."""
        # Jobs that are due together enter their pool's queue by rank: the first in an empty queue runs at once.
        place = (100 * job.collector.rank + job.order) / 10_000
        instant = datetime.fromtimestamp(max(due, self._clock.wall()) + place, UTC)
        self._scheduler.add_job(self._begin, DateTrigger(instant), args=(job.key,), id=job.key, replace_existing=True)

    def cancel(self, key: str) -> None:
        """Remove a job's timer, if it has one."""
        with suppress(JobLookupError):
            self._scheduler.remove_job(key)

    def has(self, key: str) -> bool:
        """Whether a job has a timer: it has none while it runs."""
        return self._scheduler.get_job(key) is not None

    def check_due(self) -> None:
        """Call back for what is due by the new time, after the wall clock went forward."""
        self._scheduler.wakeup()

    def pause(self) -> None:
        """Hold all timers until `resume`."""
        self._scheduler.pause()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._scheduler.resume()

    async def stop(self) -> None:
        """End all timers."""
        if self._scheduler.running:
            self._scheduler.pause()
            await asyncio.sleep(0)  # let what is due begin: APScheduler logs a call that it cancels as an error
            self._scheduler.shutdown(wait=False)
