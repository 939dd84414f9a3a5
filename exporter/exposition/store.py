"""The pieces that are served, and which of them have been scraped.

A new series in version 7 of a snapshot may rise once a piece of version 7 or later was scraped and the birth delay has
passed (see `counting/counters.py`). Scraped means that the client received the answer in full.
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
class Scraped:
    """The newest version that was scraped, and when the last scrape was (monotonic seconds)."""

    version: int
    at: float


NEVER = Scraped(-1, float("-inf"))


class Part(NamedTuple):
    """A piece of an answer, with its job's key and its family."""

    job: str
    family: str
    piece: Piece


@dataclass(slots=True)
class Entry:
    """What is served of one job: its pieces, and the status of the snapshot that they show.

    `generation` is the store's at the time the entry was published. `scraped_before` is what unfiltered answers had
    delivered of the job until then, `scraped` what filtered answers delivered, by family. `published` has the versions
    and when each was published (monotonic seconds).
    """

    job: Job
    status: Status
    pieces: Pieces
    generation: int = 0
    scraped_before: Scraped = NEVER
    published: deque[tuple[int, float]] = field(default_factory=deque)
    scraped: dict[str, Scraped] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """How many samples are being served."""
        return sum([piece.samples for piece in self.pieces.values()])


class Contents(NamedTuple):
    """All entries, by job key, and a number that rises with each change of them."""

    generation: int
    entries: Mapping[str, Entry]


class Store:
    """What is served of all jobs. A change replaces the contents, by one assignment, on the event loop."""

    def __init__(self, birth_delay: float) -> None:
        self._contents = Contents(0, {})
        self._birth_delay = birth_delay
        self._sent = (-1, float("-inf"))

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._contents.entries.values())

    @property
    def generation(self) -> int:
        """The number of the contents. Read it before the pieces: these can then be newer than it says, never older."""
        return self._contents.generation

    def find(self, job_key: str) -> Entry | None:
        """A job's entry, if there is one."""
        return self._contents.entries.get(job_key)

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

        `siblings` are the changed pieces of other jobs with which it shares rows, by job key.
        """
        entry, generation = self.find(job.key), self._contents.generation + 1
        published = entry.published if entry else deque()
        published.append((status.version, now))
        self._prune(published, now)
        before, filtered = (self._scraped_unfiltered(entry), entry.scraped) if entry else (NEVER, {})
        changed = Entry(job, status, pieces, generation, before, published, filtered)
        self._contents = Contents(generation, {**self._with(siblings), job.key: changed})

    def withdraw(self, job_key: str, siblings: Mapping[str, Pieces] = MappingProxyType({})) -> None:
        """Serve nothing of a job any more; `siblings` is as in `publish`."""
        entries = {key: entry for key, entry in self._with(siblings).items() if key != job_key}
        self._contents = Contents(self._contents.generation + 1, entries)

    def _with(self, siblings: Mapping[str, Pieces]) -> dict[str, Entry]:
        """All entries, with these pieces of the siblings."""
        entries = dict(self._contents.entries)
        for key, pieces in siblings.items():
            entries[key] = replace(entries[key], pieces=pieces)
        return entries

    def parts(self, families: Iterable[str], collectors: frozenset[str] | None) -> Iterator[tuple[str, list[Part]]]:
        """Family by family, the pieces of all jobs, or of those of some collectors; no family without pieces."""
        parts_by_family: dict[str, list[Part]] = {family: [] for family in families}
        for entry in self:
            if collectors is None or entry.job.collector.name in collectors:
                for family, piece in entry.pieces.items():
                    if family in parts_by_family:
                        parts_by_family[family].append(Part(entry.job.key, family, piece))
        return ((family, parts) for family, parts in parts_by_family.items() if parts)

    def sent(self, generation: int, now: float) -> None:
        """Note that an unfiltered answer of a generation was delivered (`now`: monotonic seconds)."""
        # Noted once for the answer and not for each of its hundreds of parts, as filtered answers are.
        self._sent = max(generation, self._sent[0]), now

    def sent_parts(self, parts: Sequence[Part], now: float) -> None:
        """Note that a filtered answer with these parts was delivered (`now`: monotonic seconds)."""
        for part in parts:
            entry = self.find(part.job)
            if entry:
                before = entry.scraped.get(part.family, NEVER)
                entry.scraped[part.family] = Scraped(max(part.piece.version, before.version), now)

    def _scraped_unfiltered(self, entry: Entry) -> Scraped:
        """What unfiltered answers delivered of a job."""
        generation, at = self._sent
        return Scraped(entry.status.version, at) if generation >= entry.generation else entry.scraped_before

    def _scraped_families(self, entry: Entry) -> list[Scraped]:
        """What any answer delivered of each counter family of a job."""
        table, unfiltered = entry.job.collector.counting, self._scraped_unfiltered(entry)
        filtered = [entry.scraped.get(family.name, NEVER) for family in (table.counters if table else ())]
        return [
            Scraped(max(scraped.version, unfiltered.version), max(scraped.at, unfiltered.at)) for scraped in filtered
        ]

    def is_scraped(self, job: Job, version: int, now: float) -> bool:
        """Whether all counters of a job have been scraped in this version or a later one (`now`: monotonic seconds).

        If there are several Prometheus servers, only one may have scraped so far: the others get the birth delay, or
        half an interval if that is shorter, because series of short intervals could never be removed otherwise.
        A family that scrapes leave out (`name[]`) does not count: one that was not scraped for an hour while others
        were.
        """
        entry = self.find(job.key)
        if entry is None or not entry.pieces:
            return True
        if now - entry.published[-1][1] < min(self._birth_delay, job.settings.interval / 2):
            return False
        families = self._scraped_families(entry)
        newest = max((family.at for family in families), default=float("-inf"))
        return newest > float("-inf") and all(
            family.version >= version for family in families if family.at > newest - HOUR
        )

    def releasable(self, job: Job, now: float) -> tuple[int, ...]:
        """By counter family of the job, the newest version whose new series may rise (`now`: monotonic seconds)."""
        entry = self.find(job.key)
        if entry is None:
            return ()
        self._prune(entry.published, now)
        version, at = entry.published[0]
        shown_long_enough = version if at + self._birth_delay <= now else -1
        return tuple(min(shown_long_enough, family.version) for family in self._scraped_families(entry))

    def _prune(self, published: deque[tuple[int, float]], now: float) -> None:
        """Drop the versions before the newest one that has been shown for the birth delay."""
        while len(published) > 1 and published[1][1] + self._birth_delay <= now:
            published.popleft()
