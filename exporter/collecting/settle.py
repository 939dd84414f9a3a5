"""How a job's snapshot changes: every change is made, saved, rendered and published in this way.

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

from exporter import worker
from exporter.clock import Clock
from exporter.collecting.changes import drop
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
"""A change that depends on whether the state can be written. If saving fails it is made again, with False."""
Save: TypeAlias = Literal["no", "yes", "end of run"]


@dataclass(frozen=True, slots=True)
class Settlement:
    """A change that is made, saved and rendered, for the event loop to publish.

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

    `naming` is how people are named in what is rendered from now on.
    """

    store: Store
    state: State
    clock: Clock
    naming: Naming = field(default_factory=Naming)
    book: Book = field(default_factory=Book)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def conclude(self, job: Job, change: WritableChange, save: Save = "no") -> Settlement | None:
        """Change a job's snapshot, and publish it. None if the job was dropped meanwhile."""
        async with self._lock:
            if self.store.find(job.key) is None:
                return None
            settlement = await worker.run(self.settle, job, change, save)
            self._publish(job, settlement)
            return settlement

    async def change(self, job: Job, change: Change, save: Save = "no") -> bool:
        """Change a job's snapshot without regard to the state, and publish it; returns whether it was saved."""
        settlement = await self.conclude(job, partial(_as_conclusion, change), save)
        return settlement is not None and settlement.is_saved

    async def restore(
        self, job: Job, load: Callable[[str], Snapshot | None], restore: Callable[[Snapshot | None], Snapshot]
    ) -> None:
        """Publish a job that begins to run; `load` reads the snapshot that the state has for its key."""
        saved = partial(_as_conclusion, lambda _: restore(load(job.key)))
        empty = partial(_as_conclusion, lambda _: restore(None))
        async with self._lock:
            try:
                settlement = await worker.run(self.settle, job, saved, "no")
            except Exception as error:  # noqa: BLE001 - a saved snapshot may have any shape; a fault of ours comes again
                settlement = await worker.run(self.settle, job, empty, "no")
                log.error(
                    "what the state holds of a job does not fit it: the job begins anew",
                    job=self.naming.title(job),
                    error=self.naming.error_text(error),
                )
            self._publish(job, settlement)

    async def drop(self, job: Job) -> None:
        """Withdraw everything that is shown of a job; the state keeps its snapshot."""
        async with self._lock:
            if self.store.find(job.key) is not None:
                change = partial(_as_conclusion, drop)
                self._publish(job, await worker.run(self.settle, job, change, "end of run", is_dropped=True))

    async def save(self, job: Job) -> None:
        """Save a job's snapshot once more, after saving it has failed."""
        async with self._lock:
            if self.store.find(job.key) is not None:
                await worker.run(self.save_all, [job.key])

    def save_all(self, keys: Iterable[str]) -> None:
        """Save the snapshots of these jobs. The worker calls it."""
        for key in keys:
            self.state.save(key, self.book.load(key), self.clock.wall(), ended=False)

    def settle(self, job: Job, change: WritableChange, save: Save, *, is_dropped: bool = False) -> Settlement:
        """Make a change, save and render it. The worker calls it, under the lock."""
        now, before = self.clock.wall(), self.book.load(job.key)
        conclusion, is_saved = change(before, True), True
        if save != "no" and conclusion.snapshot is not before:
            is_saved = self.state.save(job.key, conclusion.snapshot, now, ended=save == "end of run")
            if not is_saved:
                conclusion = change(before, False)
        after, renderer = conclusion.snapshot, Renderer(self.store, self.book, self.naming, now)
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


def _as_conclusion(change: Change, before: Snapshot, _writable: bool) -> Conclusion:
    """The conclusion of a change that does not depend on whether the state can be written."""
    return Conclusion(change(before))
