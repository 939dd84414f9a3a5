"""What a tick does after counting: `python -m tests.bench.rendering STATE`, with the snapshots of a daemon's state.

STATE is a copy of the daemon's state file. `set` moves every counter and date of every job, publishes all, joins an
answer in gzip, and says how many seconds all of that took, and how many of them to find the values, to render them as
text, and to deflate the text.
"""

import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from exporter.collectors import COLLECTORS
from exporter.counting.keys import Count, Key
from exporter.exposition.answers import Exposition, Filters
from exporter.exposition.chunks import deflate
from exporter.exposition.columns import Column, numbers
from exporter.exposition.render import Piece, columns_of, render
from exporter.exposition.snapshot import Snapshot, status_of
from exporter.exposition.store import Store
from exporter.jobs import CollectorSettings, Job, Target
from exporter.state.snapshot_json import load

NONE: MappingProxyType[str, Piece] = MappingProxyType({})
BY_NAME = {collector.name: collector for collector in COLLECTORS}


def job_of(key: str) -> Job:
    """The job that a key names: `route_stats organization/org-1 installation 900001`, perhaps with filters behind."""
    name, target, *rest = key.split()
    filters = dict(word.split("=", 1) for word in rest if "=" in word)
    subject = tuple(word for word in rest if "=" not in word)
    collector = BY_NAME[name]
    settings = CollectorSettings(True, 6 * 3600.0, 12 * 3600.0, collector.options.model_validate(filters))
    return Job(collector, Target("organization", target.partition("/")[2], "bench"), settings, 0, subject)


def jobs_of(path: Path) -> Iterator[tuple[Job, Snapshot]]:
    """What the state holds."""
    with sqlite3.connect(path) as connection:
        for key, snapshot in connection.execute("SELECT key, snapshot FROM job WHERE snapshot <> ''"):
            yield job_of(key), load(json.loads(snapshot))


def moved(snapshot: Snapshot) -> Snapshot:
    """The snapshot with every number one greater."""
    counting = snapshot.counting
    assert counting is not None
    keys = {identity: replace(key, counts=tuple(map(_counted, key.counts))) for identity, key in counting.keys.items()}
    assert all(isinstance(key, Key) for key in keys.values())
    gauges = {family: _dated(samples) for family, samples in snapshot.gauges.items()}
    moved_counting = replace(counting, keys=keys)
    return replace(snapshot, counting=moved_counting, gauges=gauges, version=snapshot.version + 1)


def _counted(count: Count) -> Count:
    return count._replace(current=count.current + 1, published=count.published + 1, own=count.own + 1)


def _dated(samples: Column) -> Column:
    return replace(samples, values=numbers([value + 1 for value in samples.values]))


def seconds_to_deflate(texts: Iterable[bytes]) -> float:
    """How long it takes to deflate the same again: rendering does it as it goes."""
    texts = list(texts)
    began = time.perf_counter()
    for text in texts:
        deflate(text)
    return time.perf_counter() - began


class Rendering:
    """A store with all jobs, and the snapshots to publish next."""

    def __init__(self, path: Path) -> None:
        self.store = Store(60.0)
        self.exposition = Exposition(self.store, COLLECTORS, lambda: (), time.monotonic)
        self.snapshots = list(jobs_of(path))

    async def publish(self) -> tuple[float, float, float, float]:
        """Seconds to render, publish and join; and, of them, to find the values, to render, and to deflate."""
        began, now = time.perf_counter(), time.time()
        before = [entry.pieces if (entry := self.store.find(job.key)) else NONE for job, _ in self.snapshots]
        jobs = list(zip(self.snapshots, before, strict=True))
        columns = [columns_of(job, snapshot, now, old) for (job, snapshot), old in jobs]
        columns_at = time.perf_counter()
        pieces = [
            render(job, column, snapshot.version, old)
            for ((job, snapshot), old), column in zip(jobs, columns, strict=True)
        ]
        rendered = time.perf_counter()
        for (job, snapshot), piece in zip(self.snapshots, pieces, strict=True):
            self.store.publish(job, status_of(snapshot), piece, time.monotonic())
        assert (await self.exposition.answer("text", gzip=True, filters=Filters())).body
        whole = time.perf_counter() - began
        deflated = seconds_to_deflate(chunk.lines for piece in pieces for one in piece.values() for chunk in one.chunks)
        return whole, columns_at - began, rendered - columns_at - deflated, deflated

    def move(self) -> None:
        """Give every series its next value."""
        self.snapshots = [(job, moved(snapshot)) for job, snapshot in self.snapshots]


async def main(path: Path) -> None:
    """Obey until standard input ends."""
    rendering = Rendering(path)
    await rendering.publish()
    print("port", 0, flush=True)
    for _line in sys.stdin:
        rendering.move()
        print("done", 0, *await rendering.publish(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
