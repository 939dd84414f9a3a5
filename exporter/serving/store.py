"""The latest snapshot of each job, ready to be sent, and what scrapes have taken along of it.

A series that came with version 7 of a snapshot may move once a piece of version 7 or later was sent in full and the
birth delay has passed (see `collecting/counters.py`).
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.catalogue import HOUR, Labels
from exporter.collecting.plan import Job
from exporter.serving.columns import column
from exporter.serving.render import Piece, piece
from exporter.serving.snapshot import Rest, Snapshot


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
    """One job's latest snapshot and its pieces, as the store holds them.

    `parts` is what is served, by family: the pieces, but those of shared tables less what a newer job of the target
    shows. `generation` is the store's since it is there. `before` tells what whole answers took along until then,
    `served` what filtered ones did, by family.
    """

    job: Job
    rest: Rest
    pieces: Mapping[str, Piece]
    generation: int = 0
    before: Served = NEVER_SERVED
    published: deque[tuple[int, float]] = field(default_factory=deque)
    served: dict[str, Served] = field(default_factory=dict)
    parts: Mapping[str, Piece] = field(init=False)

    def __post_init__(self) -> None:
        self.parts = self.pieces

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot without its counting."""
        return self.rest.snapshot

    @property
    def shows_gauges(self) -> bool:
        """Whether a gauge is among the pieces."""
        return any(name in self.pieces for name in self.snapshot.gauges)

    @property
    def samples(self) -> int:
        """How many samples are being served."""
        return sum([part.samples for part in self.parts.values()])


class Store:
    """The latest snapshot of each job, swapped by one assignment.

    `generation` is another number before and after each change: what a thread has read in between is of no generation
    that stays.
    """

    def __init__(self, birth_delay: float) -> None:
        self._entries: dict[str, Entry] = {}
        self._birth_delay = birth_delay
        self._sent = (-1, float("-inf"))
        self.generation = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def __getitem__(self, job: Job) -> Snapshot:
        """A job's snapshot without its counting."""
        entry = self._entries.get(job.key)
        return entry.snapshot if entry else Snapshot()

    def whole(self, job_key: str) -> Snapshot:
        """A job's snapshot with its counting."""
        entry = self._entries.get(job_key)
        return entry.rest.whole() if entry else Snapshot()

    def find(self, job_key: str) -> Entry | None:
        """A job's entry, if there is one."""
        return self._entries.get(job_key)

    def pieces(self, job: Job) -> Mapping[str, Piece]:
        """The pieces being served for a job."""
        entry = self._entries.get(job.key)
        return entry.pieces if entry else {}

    def publish(self, job: Job, rest: Rest, pieces: Mapping[str, Piece], now: float) -> None:
        """Show a snapshot from now on (`now`: monotonic seconds)."""
        entry = self._entries.get(job.key)
        published = entry.published if entry else deque()
        published.append((rest.snapshot.version, now))
        self._prune(published, now)
        self.generation += 1
        before, served = (self._in_whole_answers(entry), entry.served) if entry else (NEVER_SERVED, {})
        self._entries[job.key] = Entry(job, rest, pieces, self.generation + 1, before, published, served)
        self._part_twins(job, entry.parts if entry else {})
        self.generation += 1

    def withdraw(self, job_key: str) -> None:
        """Show nothing of a job any more."""
        self.generation += 1
        entry = self._entries.pop(job_key, None)
        if entry:
            self._part_twins(entry.job, {})
        self.generation += 1

    def parts(self, families: Iterable[str], collectors: frozenset[str] | None) -> Iterator[tuple[str, list[Part]]]:
        """Family by family, the pieces of all jobs (of the named collectors only, if any are named)."""
        found: dict[str, list[Part]] = {family: [] for family in families}
        for entry in self:
            if collectors is None or entry.job.collector.name in collectors:
                for family, part in entry.parts.items():
                    if family in found:
                        found[family].append(Part(entry.job.key, family, part))
        return ((family, parts) for family, parts in found.items() if parts)

    def sent(self, generation: int, now: float) -> None:
        """Note that a whole answer of a generation was sent in full (`now`: monotonic seconds)."""
        # Once for all of its parts: there are hundreds, and an answer is sent to every scrape until something changes.
        self._sent = max(generation, self._sent[0]), now

    def sent_parts(self, parts: Sequence[Part], now: float) -> None:
        """Note that an answer with these parts only was sent in full (`now`: monotonic seconds)."""
        for part in parts:
            entry = self._entries.get(part.job)
            if entry:
                before = entry.served.get(part.family, NEVER_SERVED)
                entry.served[part.family] = Served(max(part.piece.version, before.version), now)

    def _in_whole_answers(self, entry: Entry) -> Served:
        generation, at = self._sent
        return Served(entry.snapshot.version, at) if generation >= entry.generation else entry.before

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
        entry = self._entries.get(job.key)
        if entry is None or not entry.pieces:
            return True
        if now - entry.published[-1][1] < min(self._birth_delay, job.settings.interval / 2):
            return False
        served = self._served(entry)
        newest = max((one.at for one in served), default=float("-inf"))
        return newest > float("-inf") and all(one.version >= version for one in served if one.at > newest - HOUR)

    def releasable(self, job: Job, now: float) -> tuple[int, ...]:
        """Per counter family of the job, the newest version whose newborn series may move (`now`: monotonic)."""
        entry = self._entries.get(job.key)
        if entry is None:
            return ()
        self._prune(entry.published, now)
        version, at = entry.published[0]
        shown_long_enough = version if at + self._birth_delay <= now else -1
        return tuple(min(shown_long_enough, one.version) for one in self._served(entry))

    def _part_twins(self, job: Job, before: Mapping[str, Piece]) -> None:
        """Let each row of the shared tables stand once among the jobs of a target: where it was read last.

        `before` is what was served of the job, whose templates may still fit.
        """
        for table in job.collector.tables:
            for family in table.gauges if table.shared else ():
                name = family.name
                shown: set[Labels] = set()
                entries = [one for one in self if name in one.pieces and one.job.target == job.target]
                for entry in sorted(entries, key=lambda one: (-(one.snapshot.last_success or 0), one.job.key)):
                    samples = entry.snapshot.gauges[name]
                    alone = [(labels, value) for labels, value in samples if labels[: table.keys] not in shown]
                    shown.update(labels[: table.keys] for labels, _value in alone)
                    made = entry.pieces[name]
                    if len(alone) < len(samples):
                        was = (before if entry.job.key == job.key else entry.parts).get(name)
                        made = piece(entry.job, table, name, column(alone), entry.snapshot.version, before=was)
                    entry.parts = {**entry.parts, name: made}

    def _prune(self, published: deque[tuple[int, float]], now: float) -> None:
        """Keep the newest version that was shown for the birth delay, and those after it."""
        while len(published) > 1 and published[1][1] + self._birth_delay <= now:
            published.popleft()
