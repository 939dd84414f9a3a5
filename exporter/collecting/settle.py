"""The one way in which what is known of a job changes.

    event loop   change(job, function)             one change at a time
    worker           before = book.load(job)
                     after = function(before)      pure: `conclude.py`, `changes.py`
                     state.save(job, after)        before anyone can see it
                     pieces = render(after)
                     book.keep(job, after)
    event loop   store.publish(job, pieces)        one assignment

There is one lock for all jobs: the worker is one thread, and jobs of a target share rows that are shown once.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeAlias

import structlog

from exporter.collecting.changes import dropped
from exporter.collecting.clock import Clock
from exporter.collecting.conclude import Conclusion
from exporter.exposition.book import Book
from exporter.exposition.shared import Renderer
from exporter.exposition.snapshot import Snapshot, Status, status_of
from exporter.exposition.store import Pieces, Store
from exporter.jobs import Job
from exporter.privacy import Naming
from exporter.state.database import State

log = structlog.get_logger(__name__)

Change: TypeAlias = Callable[[Snapshot], Snapshot]
WritableChange: TypeAlias = Callable[[Snapshot, bool], Conclusion]
"""A change that depends on whether the state can be written: it is made again without, if saving fails."""
Save: TypeAlias = Literal["no", "yes", "end of run"]


@dataclass(frozen=True, slots=True)
class Settlement:
    """A change that has been settled, for the event loop to publish.

    `is_saved` is False if saving failed. `pieces` is None if nothing has changed, `status` if the job was dropped.
    `siblings` are pieces of other jobs, by job key, that changed with it.
    """

    conclusion: Conclusion
    is_saved: bool = True
    status: Status | None = None
    pieces: Pieces | None = None
    siblings: Mapping[str, Pieces] = field(default_factory=dict)


@dataclass(slots=True)
class Snapshots:
    """The snapshots of all jobs.

    `naming` is how people are shown in what is rendered from now on. `nap` is called between chunks of work, for
    whoever waits for the processor.
    """

    store: Store
    state: State
    clock: Clock
    naming: Naming = field(default_factory=Naming)
    nap: Callable[[], None] = lambda: None
    book: Book = field(default_factory=Book)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def conclude(self, job: Job, change: WritableChange, save: Save = "no") -> Settlement | None:
        """Change what is known of a job, and publish it. None: the job was dropped meanwhile."""
        async with self._lock:
            if self.store.find(job.key) is None:
                return None
            settlement = await asyncio.to_thread(self.settle, job, change, save)
            self._publish(job, settlement)
            return settlement

    async def change(self, job: Job, change: Change, save: Save = "no") -> bool:
        """The same with a change that does not depend on the state; tells whether it was saved."""
        settlement = await self.conclude(job, partial(_plain, change), save)
        return settlement is not None and settlement.is_saved

    async def restore(
        self, job: Job, load: Callable[[str], Snapshot | None], restored: Callable[[Snapshot | None], Snapshot]
    ) -> None:
        """Show a job that is new in the plan; `load` gives what is kept by its key."""
        kept, fresh = partial(_plain, lambda _: restored(load(job.key))), partial(_plain, lambda _: restored(None))
        async with self._lock:
            try:
                settlement = await asyncio.to_thread(self.settle, job, kept, "no")
            except Exception as error:  # noqa: BLE001 - what is kept may be of any shape; a fault of ours comes again
                settlement = await asyncio.to_thread(self.settle, job, fresh, "no")
                log.error(
                    "what the state holds of a job does not fit it: the job begins anew",
                    job=self.naming.title(job),
                    error=self.naming.error_text(error),
                )
            self._publish(job, settlement)

    async def drop(self, job: Job) -> None:
        """Show nothing of a job any more; what is known of it stays in the state."""
        async with self._lock:
            if self.store.find(job.key) is not None:
                change = partial(_plain, dropped)
                self._publish(job, await asyncio.to_thread(self.settle, job, change, "end of run", is_dropped=True))

    async def save(self, job: Job) -> None:
        """Write once more what is shown of a job."""
        async with self._lock:
            if self.store.find(job.key) is not None:
                await asyncio.to_thread(self.save_all, [job.key])

    def save_all(self, keys: Iterable[str]) -> None:
        """Write what is shown of these jobs. The worker calls it."""
        for key in keys:
            self.state.save(key, self.book.load(key), self.clock.wall(), ended=False)

    def settle(self, job: Job, change: WritableChange, save: Save, *, is_dropped: bool = False) -> Settlement:
        """Make a change: conclude, save, render. The worker calls it, under the lock."""
        now, before = self.clock.wall(), self.book.load(job.key)
        conclusion, is_saved = change(before, True), True
        if save != "no" and conclusion.snapshot is not before:
            is_saved = self.state.save(job.key, conclusion.snapshot, now, ended=save == "end of run")
            if not is_saved:
                conclusion = change(before, False)
        after, renderer = conclusion.snapshot, Renderer(self.store, self.book, self.naming, now, self.nap)
        if is_dropped:
            _, siblings = renderer.render(job, None)
            self.book.forget(job.key)
            return Settlement(conclusion, is_saved, None, {}, siblings)
        if after is before:
            return Settlement(conclusion, is_saved)
        pieces, siblings = renderer.render(job, after)
        self.book.keep(job.key, after)
        return Settlement(conclusion, is_saved, status_of(after, after.gauges_until(now, job)), pieces, siblings)

    def _publish(self, job: Job, settlement: Settlement) -> None:
        if settlement.pieces is None:
            return
        if settlement.status is None:
            self.store.withdraw(job.key, settlement.siblings)
        else:
            now = self.clock.monotonic()
            self.store.publish(job, settlement.status, settlement.pieces, now, settlement.siblings)


def _plain(change: Change, before: Snapshot, _writable: bool) -> Conclusion:
    """What a change gives that does not depend on the state."""
    return Conclusion(change(before))
