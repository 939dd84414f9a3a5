"""The snapshots of all jobs, packed: between two changes of a snapshot there is no Python object for each series."""

import marshal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import starmap
from typing import Any

from isal import isal_zlib

from exporter.counting.keys import Count, Counting, Key
from exporter.exposition.columns import CHUNK_SIZE, Column
from exporter.exposition.snapshot import Snapshot
from exporter.jobs import Job


@dataclass(frozen=True, slots=True)
class PackedSnapshot:
    """A snapshot in a few blocks of memory, as `pack` returns it. Its gauges are columns, which are compact already."""

    _rest: Snapshot
    _counting: bytes | None

    def unpack(self) -> Snapshot:
        """The snapshot, built at each call: a tenth of a second for 100,000 series."""
        return replace(self._rest, counting=_unpacked_counting(self._counting)) if self._counting else self._rest

    @property
    def was_attempted(self) -> bool:
        """Whether the job has been attempted at least once."""
        return self._rest.outcome is not None

    @property
    def last_success(self) -> float | None:
        """`Snapshot.last_success`."""
        return self._rest.last_success

    def gauges_at(self, now: float, job: Job) -> Mapping[str, Column]:
        """`Snapshot.gauges_at`."""
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
        """A job's snapshot, packed; an empty one if none is kept."""
        return self._snapshots.get(key) or pack(Snapshot())

    def keep(self, key: str, snapshot: Snapshot) -> None:
        """Replace a job's snapshot."""
        self._snapshots[key] = pack(snapshot)

    def forget(self, key: str) -> None:
        """Drop a job's snapshot."""
        self._snapshots.pop(key, None)


def pack(snapshot: Snapshot) -> PackedSnapshot:
    """The snapshot, packed."""
    counting = snapshot.counting
    return PackedSnapshot(replace(snapshot, counting=None), _packed_counting(counting) if counting else None)


def _packed_counting(counting: Counting) -> bytes:
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
    # In chunks, because a call of marshal holds the GIL, and so the scrapes, until it returns.
    chunks = [marshal.dumps(rows[at : at + CHUNK_SIZE]) for at in range(0, len(rows), CHUNK_SIZE)]
    source = (counting.anchor, counting.read_at, counting.since, counting.strict, counting.shape)
    return isal_zlib.compress(marshal.dumps((*source, chunks, counting.other, counting.other_new_since)), level=1)


def _unpacked_counting(packed: bytes) -> Counting:
    anchor, read_at, since, strict, shape, chunks, other, other_new_since = _loaded(isal_zlib.decompress(packed))
    keys = {
        identity: Key(labels, tuple(starmap(Count, counts)), *rest)
        for chunk in chunks
        for identity, labels, counts, *rest in _loaded(chunk)
    }
    return Counting(anchor, read_at, since, strict, keys, other, other_new_since, shape)


def _loaded(dumped: bytes) -> Any:
    return marshal.loads(dumped)  # noqa: S302 - written by `_packed_counting`, and never leaves the process
