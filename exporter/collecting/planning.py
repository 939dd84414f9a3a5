"""Which jobs run now: those that the configuration asks for, and the subjects that their sources lead to."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from exporter.catalogue import Collector
from exporter.collecting.access import Access
from exporter.collecting.changes import Start, restored
from exporter.collecting.clock import Clock
from exporter.collecting.plan import Follow, first_run, plan, seen
from exporter.collecting.settle import Snapshots
from exporter.collecting.timers import Timers
from exporter.collecting.waits import Unknowns
from exporter.exposition.book import Book
from exporter.exposition.snapshot import Snapshot, Status
from exporter.exposition.store import Store
from exporter.fetching import Subject
from exporter.instants import utc_time
from exporter.jobs import CollectorSettings, Job, Target
from exporter.state.database import Restored

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the settings ask for; `watched` are the subjects to follow by target."""

    collectors: Sequence[Collector] = ()
    settings: Mapping[str, CollectorSettings] = field(default_factory=dict)
    accesses: Mapping[Target, Access] = field(default_factory=dict)
    watched: Mapping[Target, Sequence[Subject]] = field(default_factory=dict)

    def access(self, job: Job) -> Access:
        """Who asks for a job."""
        return self.accesses[job.target]


class Planning:
    """The jobs that run now, and their timers."""

    def __init__(self, snapshots: Snapshots, unknowns: Unknowns, clock: Clock, timers: Timers) -> None:
        self._snapshots, self._unknowns, self._clock, self._timers = snapshots, unknowns, clock, timers
        self.configuration = Configuration()
        self.jobs: dict[str, Job] = {}
        self.tried: set[str] = set()
        """Jobs that have ended an attempt, or were restored."""
        self.lock = asyncio.Lock()
        """Held from what is read of the state until it is planned with, once jobs run."""

    @property
    def accesses(self) -> list[Access]:
        """Every credential at work, once."""
        return list({id(access): access for access in self.configuration.accesses.values()}.values())

    async def apply(self, configuration: Configuration, in_state: Restored) -> None:
        """Run what is configured from now on, before the start or at any time after it; `lock` is held.

        New jobs show what the state has kept of them and begin when they are due; those whose settings changed are
        planned anew; those that are gone show nothing any more. A drill-down goes on with the subjects that it followed
        before a restart.
        """
        self.configuration = configuration
        await self._drop([job for job in self.jobs.values() if job.target not in configuration.accesses])
        active = in_state.ended | in_state.cut_off
        for target in configuration.accesses:
            while new := await self._change(target, active):
                for job in new:
                    await self._add(job, in_state.load, self._start(job, in_state))

    async def follow(self, target: Target) -> None:
        """Let a target's drill-down follow what was seen."""
        async with self.lock:
            while target in self.configuration.accesses and (new := await self._change(target, self.jobs)):
                for job in new:
                    await self._add(job, self._snapshots.state.snapshot, self._start(job, Restored()))

    def wake(self, access: Access) -> None:
        """Let all jobs of a credential run now."""
        for job in self.jobs.values():
            if self.configuration.access(job) is access and self._timers.has(job.key):
                self._timers.run_at(job, self._clock.wall())

    async def _change(self, target: Target, active: Collection[str]) -> list[Job]:
        """Plan a target anew: drop what is gone, take over other settings; the new jobs are returned."""
        configuration, store = self.configuration, self._snapshots.store
        sources = [
            (entry.job.collector, entry.job.key)
            for entry in store
            if entry.job.target == target and entry.job.collector.subject_of
        ]
        subjects = await asyncio.to_thread(subjects_seen, self._snapshots.book, sources)
        unknown = self._unknowns.at(target, answering(store, target), configuration.collectors)
        follow = Follow(configuration.watched.get(target, ()), subjects, active, unknown)
        jobs = {job.key: job for job in plan(configuration.collectors, configuration.settings, target, follow)}
        await self._drop([job for key, job in self.jobs.items() if job.target == target and key not in jobs])
        for key in jobs.keys() & self.jobs.keys():
            is_changed, self.jobs[key] = self.jobs[key] != jobs[key], jobs[key]
            if is_changed:
                status = store.status(jobs[key])
                self._timers.run_at(jobs[key], first_run(jobs[key], status, cut_off=False, now=self._clock.wall()))
        return [job for key, job in jobs.items() if key not in self.jobs]

    def _start(self, job: Job, in_state: Restored) -> Start:
        new_token = self.configuration.access(job).rejected is None
        return Start(job.key in in_state.cut_off, new_token, in_state.suspects.get(job.key))

    async def _add(self, job: Job, load: Callable[[str], Snapshot | None], start: Start) -> None:
        await self._snapshots.restore(job, load, partial(restored, job, start=start, now=self._clock.wall()))
        status = self._snapshots.store.status(job)
        if start.suspect_since is not None:
            log.warning(
                "a run was cut off several times in a row, by a kill or for want of memory: it waits for its interval",
                job=self._snapshots.naming.title(job),
                due=utc_time(status.next_run),
            )
        if status.outcome is not None:
            self.tried.add(job.key)
        self.jobs[job.key] = job
        self._timers.run_at(job, status.next_run)

    async def _drop(self, jobs: Collection[Job]) -> None:
        for job in jobs:  # all at once: whoever looks at the jobs while we wait sees none that is gone
            del self.jobs[job.key]
            self.tried.discard(job.key)
            self._timers.cancel(job.key)
        for job in jobs:
            await self._snapshots.drop(job)


def subjects_seen(book: Book, sources: Iterable[tuple[Collector, str]]) -> dict[Subject, int]:
    """Which subjects sources lead to, with their requests. The worker calls it: each source is unpacked."""
    subjects: dict[Subject, int] = {}
    for collector, key in sources:
        for subject, requests in seen(collector, book.load(key).counting).items():
            subjects[subject] = subjects.get(subject, 0) + requests
    return subjects


def answering(store: Store, target: Target, but: Job | None = None) -> set[str]:
    """The endpoints at a target that answered of a subject at its last attempt: they are there."""
    return {
        entry.job.collector.endpoint
        for entry in store
        if entry.job.target == target and entry.job.subject and entry.job != but and is_answered(entry.status)
    }


def is_answered(status: Status) -> bool:
    """Whether the last attempt succeeded. A subject that GitHub knows need not wait for unknown ones."""
    return status.outcome is not None and status.outcome.reason is None
