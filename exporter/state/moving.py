"""The state of targets as JSON Lines, which `state export` writes and `state import` reads (`importing.py`).

    {"format": "github-enterprise-exporter state", "version": 1, "people": "login"}
    {"job": "summary_stats organization/acme", "saved": 1795000000.5, "snapshot": {…}}
    {"jobs": 1}

The last line tells that the file is whole. `people` is the fingerprint of how people are named in it: a folder that
names them otherwise takes the snapshots without names of people. Waits stay where they are: they belong to a
credential, not to a target.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from exporter.exposition.snapshot import Snapshot
from exporter.state.rows import UNREADABLE, naming_of, read_snapshot
from exporter.state.snapshot_json import dump, in_pieces

FORMAT = "github-enterprise-exporter state"
VERSION = 1


@dataclass(slots=True)
class TargetSummary:
    """What the state holds of a target: jobs, counted keys, its newest read, and since when it counts (0: never)."""

    jobs: int = 0
    keys: int = 0
    read_at: float = 0.0
    since: float = 0.0
    unreadable: int = 0

    def add(self, snapshot: Snapshot | None) -> None:
        """Add one job."""
        self.jobs += 1
        if snapshot is None:
            self.unreadable += 1
            return
        self.read_at = max(self.read_at, read_time(snapshot))
        if counting := snapshot.counting:
            self.keys += len(counting.keys)
            self.since = min(self.since, counting.since) if self.since else counting.since


def target_of(key: str) -> str:
    """The target in a job's key, `COLLECTOR KIND/NAME …`."""
    _collector, _, rest = key.partition(" ")
    return rest.partition(" ")[0]


def read_time(snapshot: Snapshot) -> float:
    """When a snapshot's newest data were read, epoch seconds; 0 if nothing was ever read."""
    counted = snapshot.counting.read_at if snapshot.counting else 0
    return max(counted, snapshot.last_success or 0.0)


def saved_jobs(
    connection: sqlite3.Connection, targets: Iterable[str] | None = None
) -> Iterator[tuple[str, float, Snapshot | None]]:
    """Key, time of saving and snapshot (None: unreadable) of the jobs of these targets, or of all, ordered by key."""
    chosen = None if targets is None else frozenset(targets)
    rows = connection.execute("SELECT key, saved FROM job WHERE snapshot <> '' ORDER BY key").fetchall()
    for key, saved in rows:
        if not isinstance(key, str) or (chosen is not None and target_of(key) not in chosen):
            continue
        yield key, float(saved), snapshot_of(connection, key)


def target_summaries(connection: sqlite3.Connection) -> dict[str, TargetSummary]:
    """What the state holds of each target."""
    summaries: dict[str, TargetSummary] = {}
    for key, _saved, snapshot in saved_jobs(connection):
        summaries.setdefault(target_of(key), TargetSummary()).add(snapshot)
    return dict(sorted(summaries.items()))


def export_lines(connection: sqlite3.Connection, targets: Iterable[str]) -> Iterator[str]:
    """The lines of these targets, each in pieces; a row that cannot be read raises `ValueError`."""
    yield _line({"format": FORMAT, "version": VERSION, "people": naming_of(connection)})
    jobs = 0
    for key, saved, snapshot in saved_jobs(connection, targets):
        if snapshot is None:
            raise ValueError(f"the state of {' '.join(key.split(' ')[:2])} cannot be read")
        jobs += 1
        yield from in_pieces({"job": key, "saved": saved, "snapshot": dump(snapshot)})
        yield "\n"
    yield _line({"jobs": jobs})


def snapshot_of(connection: sqlite3.Connection, key: str) -> Snapshot | None:
    """A job's snapshot; None if there is none, or if it cannot be read."""
    with suppress(*UNREADABLE):
        return read_snapshot(connection, key)
    return None


def _line(data: Mapping[str, Any]) -> str:
    return f"{json.dumps(data)}\n"
