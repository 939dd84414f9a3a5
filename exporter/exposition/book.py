"""The snapshots of all jobs, packed: between two changes no Python object is kept for each of their series."""

import marshal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import starmap
from typing import Any

from isal import isal_zlib

from exporter.counting.keys import Count, Counting, Key
from exporter.exposition.columns import CHUNK, Column
from exporter.exposition.snapshot import Snapshot
from exporter.jobs import Job


@dataclass(frozen=True, slots=True)
class PackedSnapshot:
    """A snapshot in a few blocks of memory; `pack` makes it. Gauges are columns, which are small as they are."""

    _rest: Snapshot
    _counting: bytes | None

    def unpack(self) -> Snapshot:
        """The snapshot, made anew at each call; of 100,000 series it takes a tenth of a second."""
        return replace(self._rest, counting=_unpacked(self._counting)) if self._counting else self._rest

    @property
    def is_ended(self) -> bool:
        """Whether an attempt of the job has ended."""
        return self._rest.outcome is not None

    @property
    def last_success(self) -> float | None:
        """As the snapshot says."""
        return self._rest.last_success

    def gauges_at(self, now: float, job: Job) -> Mapping[str, Column]:
        """As the snapshot says."""
        return self._rest.gauges_at(now, job)


class Book:
    """The snapshots by job key. It is read and written by the worker only."""

    def __init__(self) -> None:
        self._snapshots: dict[str, PackedSnapshot] = {}

    def load(self, key: str) -> Snapshot:
        """A job's snapshot; an empty one if none is kept."""
        packed = self._snapshots.get(key)
        return packed.unpack() if packed else Snapshot()

    def packed(self, key: str) -> PackedSnapshot:
        """The same, packed."""
        return self._snapshots.get(key) or pack(Snapshot())

    def keep(self, key: str, snapshot: Snapshot) -> None:
        """Keep a job's snapshot in the place of the one before."""
        self._snapshots[key] = pack(snapshot)

    def forget(self, key: str) -> None:
        """Keep nothing of a job."""
        self._snapshots.pop(key, None)


def pack(snapshot: Snapshot) -> PackedSnapshot:
    """The snapshot, packed."""
    counting = snapshot.counting
    return PackedSnapshot(replace(snapshot, counting=None), _packed(counting) if counting else None)


def _packed(counting: Counting) -> bytes:
    rows = [
        (
            identity,
            key.labels,
            tuple(map(tuple, key.counts)),
            key.last_active,
            key.has_series,
            key.new_since,
            key.reads_ahead,
        )
        for identity, key in counting.keys.items()
    ]
    # In chunks, for marshal holds the interpreter, and so the scrapes, until it ends.
    chunks = [marshal.dumps(rows[at : at + CHUNK]) for at in range(0, len(rows), CHUNK)]
    source = (counting.anchor, counting.read_at, counting.since, counting.strict, counting.shape)
    return isal_zlib.compress(marshal.dumps((*source, chunks, counting.other, counting.other_new_since)), level=1)


def _unpacked(packed: bytes) -> Counting:
    anchor, read_at, since, strict, shape, chunks, other, other_new_since = _loaded(isal_zlib.decompress(packed))
    keys = {
        identity: Key(labels, tuple(starmap(Count, counts)), *rest)
        for chunk in chunks
        for identity, labels, counts, *rest in _loaded(chunk)
    }
    return Counting(anchor, read_at, since, strict, keys, other, other_new_since, shape)


def _loaded(dumped: bytes) -> Any:
    return marshal.loads(dumped)  # noqa: S302 - made by `_packed`, and never leaves the process
