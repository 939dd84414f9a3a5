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
from exporter.jobs import Job, Target

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


class Store:
    """What is served of all jobs. It is changed on the event loop, and read by other threads, too.

    `generation` rises with each change. Read it before the pieces: these can then be newer than it says, never older.
    `series` is how many series all jobs have. Both, and the entries of a target, cost no look at the other jobs: there
    are tens of thousands where an App has a thousand organizations.
    """

    def __init__(self, birth_delay: float) -> None:
        self.generation = self.series = 0
        self._entries: dict[str, Entry] = {}
        self._by_target: dict[Target, dict[str, Entry]] = {}
        self._birth_delay = birth_delay
        self._sent = (-1, float("-inf"))

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries.values()))  # a copy, at once: it may change while somebody iterates

    def of_target(self, target: Target) -> Sequence[Entry]:
        """The entries of one target's jobs."""
        return tuple(self._by_target.get(target, {}).values())

    def find(self, job_key: str) -> Entry | None:
        """A job's entry, if there is one."""
        return self._entries.get(job_key)

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
        entry, generation = self.find(job.key), self.generation + 1
        published = entry.published if entry else deque()
        published.append((status.version, now))
        self._prune(published, now)
        before, filtered = (self._scraped_unfiltered(entry), entry.scraped) if entry else (NEVER, {})
        changed = Entry(job, status, pieces, generation, before, published, filtered)
        self._replace({**self._with(siblings), job.key: changed})

    def withdraw(self, job_key: str, siblings: Mapping[str, Pieces] = MappingProxyType({})) -> None:
        """Serve nothing of a job any more; `siblings` is as in `publish`."""
        self._replace(self._with(siblings))
        if entry := self._entries.pop(job_key, None):
            self._leave(entry)

    def _with(self, siblings: Mapping[str, Pieces]) -> dict[str, Entry]:
        """The entries of these siblings, with these pieces."""
        return {key: replace(self._entries[key], pieces=pieces) for key, pieces in siblings.items()}

    def _replace(self, changed: Mapping[str, Entry]) -> None:
        for key, entry in changed.items():
            before = self._entries.get(key)
            if before and before.job.target != entry.job.target:  # it has another credential
                self._leave(before)
            elif before:
                self.series -= before.status.series
            self._by_target.setdefault(entry.job.target, {})[key] = entry
            self.series += entry.status.series
        self._entries.update(changed)  # by one call: no other thread sees some of them only
        self.generation += 1

    def _leave(self, entry: Entry) -> None:
        """Take an entry out of the target's and out of the sums."""
        of_target = self._by_target[entry.job.target]
        del of_target[entry.job.key]
        if not of_target:
            del self._by_target[entry.job.target]
        self.series -= entry.status.series

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


def add_entries(
    by_family: Mapping[str, list[Entry]], entries: Iterable[Entry], collectors: frozenset[str] | None
) -> None:
    """Add these entries, or those of some collectors, to each family of `by_family` that they have a piece of."""
    # No object is made for a piece: there may be a hundred thousand, and garbage collections would find them all.
    for entry in entries:
        if collectors is None or entry.job.collector.name in collectors:
            for family in entry.pieces:
                if family in by_family:
                    by_family[family].append(entry)


def parts_of(by_family: Mapping[str, Iterable[Entry]]) -> list[Part]:
    """The pieces that entries have of their families."""
    return [
        Part(entry.job.key, family, entry.pieces[family]) for family, entries in by_family.items() for entry in entries
    ]
