"""The pieces being served, and which of them scrapes have received.

A series that is new in version 7 of a snapshot may rise once a piece of version 7 or later was sent in full and the
birth delay has passed (see `counting/counters.py`).
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from exporter.exposition.render import Piece
from exporter.exposition.snapshot import Status
from exporter.instants import HOUR
from exporter.jobs import Job

Pieces = Mapping[str, Piece]
"""Pieces of one job, by family."""


@dataclass(frozen=True, slots=True)
class Served:
    """The newest version that was sent in full, and when that last happened (monotonic seconds)."""

    version: int
    at: float


NEVER_SERVED = Served(-1, float("-inf"))


class Part(NamedTuple):
    """A piece as a scrape takes it: `(job, family)` and the bytes."""

    job: str
    family: str
    piece: Piece


@dataclass(slots=True)
class Entry:
    """What is served of one job: its pieces, and the status that they belong to.

    `generation` is the store's since the entry is there. `before` tells what whole answers had sent of the job until
    then, `served` what answers with filters sent, by family. `published` are the versions with when they were first
    served (monotonic seconds).
    """

    job: Job
    status: Status
    pieces: Pieces
    generation: int = 0
    before: Served = NEVER_SERVED
    published: deque[tuple[int, float]] = field(default_factory=deque)
    served: dict[str, Served] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """How many samples are being served."""
        return sum([piece.samples for piece in self.pieces.values()])


class Shelf(NamedTuple):
    """All entries, and a number that grows with each change of them."""

    generation: int
    entries: Mapping[str, Entry]


class Store:
    """What is served of all jobs. A change swaps the shelf, by one assignment, on the event loop."""

    def __init__(self, birth_delay: float) -> None:
        self._shelf = Shelf(0, {})
        self._birth_delay = birth_delay
        self._sent = (-1, float("-inf"))

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._shelf.entries.values())

    @property
    def generation(self) -> int:
        """Which state of the store is served. Read it before the pieces: they may then only be newer than it says."""
        return self._shelf.generation

    def find(self, job_key: str) -> Entry | None:
        """A job's entry, if there is one."""
        return self._shelf.entries.get(job_key)

    def status(self, job: Job) -> Status:
        """A job's status; an empty one if it has no entry."""
        entry = self.find(job.key)
        return entry.status if entry else Status()

    def publish(
        self,
        job: Job,
        status: Status,
        pieces: Pieces,
        now: float,
        siblings: Mapping[str, Pieces] = MappingProxyType({}),
    ) -> None:
        """Serve these pieces of a job from now on (`now`: monotonic seconds).

        `siblings` are the pieces of other jobs, by job key, that changed with them.
        """
        entry, generation = self.find(job.key), self._shelf.generation + 1
        published = entry.published if entry else deque()
        published.append((status.version, now))
        self._prune(published, now)
        before, served = (self._in_whole_answers(entry), entry.served) if entry else (NEVER_SERVED, {})
        changed = Entry(job, status, pieces, generation, before, published, served)
        self._shelf = Shelf(generation, {**self._with(siblings), job.key: changed})

    def withdraw(self, job_key: str, siblings: Mapping[str, Pieces] = MappingProxyType({})) -> None:
        """Serve nothing of a job any more; `siblings` is as in `publish`."""
        entries = {key: entry for key, entry in self._with(siblings).items() if key != job_key}
        self._shelf = Shelf(self._shelf.generation + 1, entries)

    def _with(self, siblings: Mapping[str, Pieces]) -> dict[str, Entry]:
        """All entries, some with other pieces."""
        entries = dict(self._shelf.entries)
        for key, pieces in siblings.items():
            entries[key] = replace(entries[key], pieces=pieces)
        return entries

    def parts(self, families: Iterable[str], collectors: frozenset[str] | None) -> Iterator[tuple[str, list[Part]]]:
        """Family by family, the pieces of all jobs (of the named collectors only, if any are named)."""
        parts_by_family: dict[str, list[Part]] = {family: [] for family in families}
        for entry in self:
            if collectors is None or entry.job.collector.name in collectors:
                for family, piece in entry.pieces.items():
                    if family in parts_by_family:
                        parts_by_family[family].append(Part(entry.job.key, family, piece))
        return ((family, parts) for family, parts in parts_by_family.items() if parts)

    def sent(self, generation: int, now: float) -> None:
        """Note that a whole answer of a generation was sent in full (`now`: monotonic seconds)."""
        # Once for all of its parts: there are hundreds, and an answer is sent to every scrape until something changes.
        self._sent = max(generation, self._sent[0]), now

    def sent_parts(self, parts: Sequence[Part], now: float) -> None:
        """Note that an answer with these parts only was sent in full (`now`: monotonic seconds)."""
        for part in parts:
            entry = self.find(part.job)
            if entry:
                before = entry.served.get(part.family, NEVER_SERVED)
                entry.served[part.family] = Served(max(part.piece.version, before.version), now)

    def _in_whole_answers(self, entry: Entry) -> Served:
        generation, at = self._sent
        return Served(entry.status.version, at) if generation >= entry.generation else entry.before

    def _served(self, entry: Entry) -> list[Served]:
        """What scrapes took along of each counter family."""
        table, whole = entry.job.collector.counting, self._in_whole_answers(entry)
        alone = [entry.served.get(family.name, NEVER_SERVED) for family in (table.counters if table else ())]
        return [Served(max(one.version, whole.version), max(one.at, whole.at)) for one in alone]

    def taken_along(self, job: Job, version: int, now: float) -> bool:
        """Whether scrapes have taken along all that this version shows of the job's counters (`now`: monotonic).

        One of several scrapers may have been the only one so far: each has its turn within the birth delay, or within
        half an interval if that is shorter, since series of short intervals could never go otherwise.
        A family that scrapes leave out (`name[]`) does not count: it was not sent for an hour while others were.
        """
        entry = self.find(job.key)
        if entry is None or not entry.pieces:
            return True
        if now - entry.published[-1][1] < min(self._birth_delay, job.settings.interval / 2):
            return False
        served = self._served(entry)
        newest = max((one.at for one in served), default=float("-inf"))
        return newest > float("-inf") and all(one.version >= version for one in served if one.at > newest - HOUR)

    def releasable(self, job: Job, now: float) -> tuple[int, ...]:
        """Per counter family of the job, the newest version whose newborn series may move (`now`: monotonic)."""
        entry = self.find(job.key)
        if entry is None:
            return ()
        self._prune(entry.published, now)
        version, at = entry.published[0]
        shown_long_enough = version if at + self._birth_delay <= now else -1
        return tuple(min(shown_long_enough, one.version) for one in self._served(entry))

    def _prune(self, published: deque[tuple[int, float]], now: float) -> None:
        """Keep the newest version that was shown for the birth delay, and those after it."""
        while len(published) > 1 and published[1][1] + self._birth_delay <= now:
            published.popleft()
