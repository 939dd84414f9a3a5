"""The latest snapshot of each job, ready to be sent, and what scrapes have taken along of it.

A series that came with version 7 of a snapshot may move once a piece of version 7 or later was sent in full and the
birth delay has passed (see `collecting/counters.py`).
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

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
MOST_UNSETTLED = 8


@dataclass(slots=True)
class Entry:
    """One job's latest snapshot and its pieces, as the store holds them.

    `without_twins` are pieces of shared tables less what a newer job of the target shows; they stand in for theirs.
    """

    job: Job
    rest: Rest
    pieces: Mapping[str, Piece]
    without_twins: dict[str, Piece] = field(default_factory=dict)
    published: deque[tuple[int, float]] = field(default_factory=deque)
    served: dict[str, Served] = field(default_factory=dict)

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
        return sum(self.without_twins.get(name, whole).samples for name, whole in self.pieces.items())


@dataclass(frozen=True, slots=True)
class Part:
    """A piece as a scrape takes it: `(job, family)` and the bytes."""

    job: str
    family: str
    piece: Piece


class Store:
    """The latest snapshot of each job, swapped by one assignment."""

    def __init__(self, birth_delay: float) -> None:
        self._entries: dict[str, Entry] = {}
        self._birth_delay = birth_delay
        self._sent: dict[int, tuple[Sequence[Part], float]] = {}
        self._mutex = Lock()  # ticks ask in a worker thread while scrapes are sent
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
        served = entry.served if entry else {}
        twins = entry.without_twins if entry else {}
        self._entries[job.key] = Entry(job, rest, pieces, twins, published, served)
        self._part_twins(job)
        self.generation += 1

    def withdraw(self, job_key: str) -> None:
        """Show nothing of a job any more."""
        self._settle()  # what was sent of this job is nothing to a later one with its key
        entry = self._entries.pop(job_key, None)
        if entry:
            self._part_twins(entry.job)
            self.generation += 1

    def parts(self, families: Iterable[str], collectors: frozenset[str] | None) -> Iterator[tuple[str, list[Part]]]:
        """Family by family, the pieces of all jobs (of the named collectors only, if any are named)."""
        found: dict[str, list[Part]] = {family: [] for family in families}
        for entry in self:
            if collectors is None or entry.job.collector.name in collectors:
                for family, whole in entry.pieces.items():
                    if family in found:
                        found[family].append(Part(entry.job.key, family, entry.without_twins.get(family, whole)))
        return ((family, parts) for family, parts in found.items() if parts)

    def sent(self, parts: Sequence[Part], now: float) -> None:
        """Note that an answer with these parts was sent in full (`now`: monotonic seconds)."""
        # The same answer is sent to every scrape until something changes; its hundreds of parts wait until one asks.
        with self._mutex:
            self._sent[id(parts)] = parts, now
        if len(self._sent) > MOST_UNSETTLED:
            self._settle()

    def _settle(self) -> None:
        with self._mutex:
            for parts, now in self._sent.values():
                for part in parts:
                    entry = self._entries.get(part.job)
                    if entry:
                        before = entry.served.get(part.family, NEVER_SERVED)
                        entry.served[part.family] = Served(max(part.piece.version, before.version), max(now, before.at))
            self._sent.clear()

    def taken_along(self, job: Job, version: int) -> bool:
        """Whether scrapes have taken along all that this version shows of the job's counters.

        A family that scrapes leave out (`name[]`) does not count: it was not sent for an hour while others were.
        """
        self._settle()
        entry = self._entries.get(job.key)
        if entry is None or not entry.pieces:
            return True
        table = job.collector.counting
        served = [entry.served.get(family.name, NEVER_SERVED) for family in (table.counters if table else ())]
        newest = max((one.at for one in served), default=float("-inf"))
        return newest > float("-inf") and all(one.version >= version for one in served if one.at > newest - HOUR)

    def releasable(self, job: Job, now: float) -> tuple[int, ...]:
        """Per counter family of the job, the newest version whose newborn series may move (`now`: monotonic)."""
        self._settle()
        entry = self._entries.get(job.key)
        if entry is None:
            return ()
        self._prune(entry.published, now)
        version, at = entry.published[0]
        shown_long_enough = version if at + self._birth_delay <= now else -1
        table = job.collector.counting
        return tuple(
            min(shown_long_enough, entry.served.get(family.name, NEVER_SERVED).version)
            for family in (table.counters if table else ())
        )

    def _part_twins(self, job: Job) -> None:
        """Let each row of the shared tables stand once among the jobs of a target: where it was read last."""
        for table in job.collector.tables:
            for family in table.gauges if table.shared else ():
                shown: set[Labels] = set()
                entries = [one for one in self if one.job.target == job.target and family.name in one.pieces]
                for entry in sorted(entries, key=lambda one: (-(one.snapshot.last_success or 0), one.job.key)):
                    samples = entry.snapshot.gauges[family.name]
                    alone = tuple((labels, value) for labels, value in samples if labels[: table.keys] not in shown)
                    shown.update(labels[: table.keys] for labels, _value in alone)
                    before = entry.without_twins.pop(family.name, None)
                    if len(alone) < len(samples):
                        version = entry.snapshot.version
                        made = piece(entry.job, table, family.name, column(alone), version, before=before)
                        entry.without_twins[family.name] = made

    def _prune(self, published: deque[tuple[int, float]], now: float) -> None:
        """Keep the newest version that was shown for the birth delay, and those after it."""
        while len(published) > 1 and published[1][1] + self._birth_delay <= now:
            published.popleft()
