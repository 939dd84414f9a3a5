"""The jobs that run now: those that the configuration asks for, and the subjects that their sources lead to."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from exporter import worker
from exporter.catalogue import Collector
from exporter.clock import Clock
from exporter.collecting.access import Access
from exporter.collecting.changes import Start, restore
from exporter.collecting.due import first_run
from exporter.collecting.selection import Candidates, requests_by_subject, select_jobs
from exporter.collecting.settle import Snapshots
from exporter.collecting.timers import Timers
from exporter.collecting.waits import Unknowns
from exporter.exposition.book import Book
from exporter.exposition.snapshot import Snapshot, Status
from exporter.exposition.store import Store
from exporter.fetching import Subject
from exporter.github.pacing import Pool
from exporter.instants import utc_time
from exporter.jobs import CollectorSettings, Job, Target
from exporter.state.database import Restored

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the settings ask for; `watched` are the subjects to follow, by target.

    `granted` are the permissions of an App's installation at a target, where its listing has shown them. `discovery`
    are the accesses that ask for such listings.
    """

    collectors: Sequence[Collector] = ()
    settings: Mapping[str, CollectorSettings] = field(default_factory=dict)
    accesses: Mapping[Target, Access] = field(default_factory=dict)
    watched: Mapping[Target, Sequence[Subject]] = field(default_factory=dict)
    granted: Mapping[Target, Mapping[str, str]] = field(default_factory=dict)
    discovery: Sequence[Access] = ()

    @property
    def all_accesses(self) -> list[Access]:
        """Every access in use, once."""
        accesses = (*self.accesses.values(), *self.discovery)
        return list({id(access): access for access in accesses}.values())

    def access(self, job: Job) -> Access:
        """The access that a job's requests use."""
        return self.accesses[job.target]

    def runs(self) -> Iterator[tuple[Collector, Target]]:
        """Which collectors run at which targets."""
        for collector in self.collectors:
            section = self.settings[collector.name]
            for target in self.accesses:
                is_lacking = collector.permission.is_lacking(self.granted.get(target))
                if section.enabled and collector.runs(target.kind, section.options) and not is_lacking:
                    yield collector, target


class ActiveJobs:
    """The jobs that run now, and their timers."""

    def __init__(self, snapshots: Snapshots, unknowns: Unknowns, clock: Clock, timers: Timers) -> None:
        self._snapshots, self._unknowns, self._clock, self._timers = snapshots, unknowns, clock, timers
        self.configuration = Configuration()
        self.by_key: dict[str, Job] = {}
        self._by_target: dict[Target, dict[str, Job]] = {}
        self._targets: dict[str, list[Target]] = {}  # by pool
        self.tried: set[str] = set()
        """The keys of jobs that have ended an attempt, or were restored."""
        self.lock = asyncio.Lock()
        """Once jobs run, hold it from reading the state until the jobs have been changed accordingly."""

    @property
    def accesses(self) -> list[Access]:
        """Every access in use, once."""
        return self.configuration.all_accesses

    async def apply(self, configuration: Configuration, restored: Restored) -> None:
        """Run the configured jobs from now on, before the start or at any time after it; `lock` is held.

        New jobs show their saved snapshots and begin when they are due. Jobs whose settings changed get a new due time;
        removed jobs are withdrawn. A drill-down continues with the subjects that it followed before a restart.
        """
        self.configuration, self._targets = configuration, {}
        for target, access in configuration.accesses.items():
            self._targets.setdefault(access.pool.name, []).append(target)
        await self._drop([job for job in self.by_key.values() if job.target not in configuration.accesses])
        running = restored.ended | restored.cut_off
        for target in configuration.accesses:
            while new := await self._update(target, running):
                for job in new:
                    await self._add(job, restored.load, self._start(job, restored))

    async def update_subjects(self, target: Target) -> None:
        """Let a target's drill-down follow the subjects that are now known and busiest."""
        async with self.lock:
            while target in self.configuration.accesses and (new := await self._update(target, self.by_key)):
                for job in new:
                    await self._add(job, self._snapshots.state.snapshot, self._start(job, Restored()))

    def of_pool(self, pool: Pool) -> Iterator[Job]:
        """The jobs whose requests count in a quota pool."""
        for target in self._targets.get(pool.name, ()):
            yield from self._by_target.get(target, {}).values()

    def wake(self, access: Access) -> None:
        """Let all jobs of a credential run now."""
        for job in self.of_pool(access.pool):
            if self.configuration.access(job) is access and self._timers.has(job.key):
                self._timers.run_at(job, self._clock.wall())

    async def _update(self, target: Target, running: Collection[str]) -> list[Job]:
        """Select a target's jobs again: drop removed ones, apply changed settings; returns the new jobs."""
        configuration, store = self.configuration, self._snapshots.store
        sources = [
            (entry.job.collector, entry.job.key) for entry in store.of_target(target) if entry.job.collector.subject_of
        ]
        requests = await worker.run(sum_requests, self._snapshots.book, sources)
        unknown = self._unknowns.by_endpoint(target, answering(store, target), configuration.collectors)
        watched, granted = configuration.watched.get(target, ()), configuration.granted.get(target)
        candidates = Candidates(watched, requests, running, unknown, granted)
        selected = select_jobs(configuration.collectors, configuration.settings, target, candidates)
        jobs = {job.key: job for job in selected}
        await self._drop([job for key, job in self._by_target.get(target, {}).items() if key not in jobs])
        for key in jobs.keys() & self.by_key.keys():
            is_changed = self.by_key[key] != jobs[key]
            self._keep(jobs[key])
            if is_changed:
                status = store.status(jobs[key])
                self._timers.run_at(jobs[key], first_run(jobs[key], status, cut_off=False, now=self._clock.wall()))
        return [job for key, job in jobs.items() if key not in self.by_key]

    def _start(self, job: Job, restored: Restored) -> Start:
        new_token = self.configuration.access(job).rejected is None
        return Start(job.key in restored.cut_off, new_token, restored.suspects.get(job.key))

    async def _add(self, job: Job, load: Callable[[str], Snapshot | None], start: Start) -> None:
        await self._snapshots.restore(job, load, partial(restore, job, start=start, now=self._clock.wall()))
        status = self._snapshots.store.status(job)
        if start.suspect_since is not None:
            log.warning(
                "a run was cut off several times in a row, by a kill or for want of memory: it waits for its interval",
                job=self._snapshots.naming.title(job),
                due=utc_time(status.next_run),
            )
        if status.outcome is not None:
            self.tried.add(job.key)
        self._keep(job)
        self._timers.run_at(job, status.next_run)

    def _keep(self, job: Job) -> None:
        self.by_key[job.key] = self._by_target.setdefault(job.target, {})[job.key] = job

    async def _drop(self, jobs: Collection[Job]) -> None:
        for job in jobs:  # all before the first await, so that no other task sees a job that is gone
            del self.by_key[job.key]
            del self._by_target[job.target][job.key]
            if not self._by_target[job.target]:
                del self._by_target[job.target]
            self.tried.discard(job.key)
            self._timers.cancel(job.key)
        for job in jobs:
            await self._snapshots.drop(job)


def sum_requests(book: Book, sources: Iterable[tuple[Collector, str]]) -> dict[Subject, int]:
    """The subjects that sources lead to, with their requests. The worker calls it: each source is unpacked."""
    sums: dict[Subject, int] = {}
    for collector, key in sources:
        for subject, requests in requests_by_subject(collector, book.load(key).counting).items():
            sums[subject] = sums.get(subject, 0) + requests
    return sums


def answering(store: Store, target: Target, but: Job | None = None) -> set[str]:
    """The endpoints whose last attempt succeeded for some subject of the target, so that they exist there."""
    return {
        entry.job.collector.endpoint
        for entry in store.of_target(target)
        if entry.job.subject and entry.job != but and is_answered(entry.status)
    }


def is_answered(status: Status) -> bool:
    """Whether the last attempt succeeded. A subject that GitHub knows need not wait for unknown ones."""
    return status.outcome is not None and status.outcome.reason is None
