"""What a tick does after counting: `python -m tests.bench.rendering STATE`, with the snapshots of a daemon's state.

STATE is a copy of the daemon's state file. `set` moves every counter and date of every job, publishes all, joins an
answer in gzip, and says how many seconds all of that took, and how many of them rendering alone.
"""

import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from exporter.collectors import COLLECTORS
from exporter.counting.keys import Count, Key
from exporter.exposition.answers import Exposition, Filters
from exporter.exposition.columns import Column, numbers
from exporter.exposition.render import columns_of, render
from exporter.exposition.snapshot import Snapshot, status_of
from exporter.exposition.store import Store
from exporter.jobs import CollectorSettings, Job, Target
from exporter.state.snapshot_json import load

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


class Rendering:
    """A store with all jobs, and the snapshots to publish next."""

    def __init__(self, path: Path) -> None:
        self.store = Store(60.0)
        self.exposition = Exposition(self.store, COLLECTORS, lambda: (), time.monotonic)
        self.snapshots = list(jobs_of(path))
        self.publish()

    def publish(self) -> tuple[float, float]:
        """Seconds to render, publish and join; and to render."""
        began, now = time.perf_counter(), time.time()
        pieces = []
        for job, snapshot in self.snapshots:
            entry = self.store.find(job.key)
            before = entry.pieces if entry else MappingProxyType({})
            pieces.append(render(job, columns_of(job, snapshot, now, before), snapshot.version, before))
        rendered = time.perf_counter() - began
        for (job, snapshot), piece in zip(self.snapshots, pieces, strict=True):
            self.store.publish(job, status_of(snapshot), piece, time.monotonic())
        assert self.exposition.answer("text", gzip=True, filters=Filters()).body
        return time.perf_counter() - began, rendered

    def move(self) -> None:
        """Give every series its next value."""
        self.snapshots = [(job, moved(snapshot)) for job, snapshot in self.snapshots]


async def main(path: Path) -> None:
    """Obey until standard input ends."""
    rendering = Rendering(path)
    print("port", 0, flush=True)
    for _line in sys.stdin:
        rendering.move()
        print("done", 0, *rendering.publish(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
