"""What is kept of targets, as JSON Lines that take it from one state folder to another: `state export | state import`.

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
from typing import Any, NamedTuple

from exporter.exposition.snapshot import Snapshot
from exporter.instants import utc_time
from exporter.state.renaming import Renamed
from exporter.state.rows import UNREADABLE, naming_of, read_snapshot
from exporter.state.snapshot_json import dump, in_pieces, load

FORMAT = "github-enterprise-exporter state"
VERSION = 1
LONGEST_KEY = 1_000
MOST_PROBLEMS = 20
"""How many lines that cannot be taken are told."""

_SAVE = "INSERT OR REPLACE INTO job (key, saved, running, snapshot) VALUES (?, ?, 0, ?)"


class NotImported(Exception):
    """Nothing was imported; `problems` says why."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class SavedJob(NamedTuple):
    """A job's row: its key, when it was saved (epoch seconds), and its snapshot; None if that cannot be read."""

    key: str
    saved: float
    snapshot: Snapshot | None

    @property
    def target(self) -> str:
        """The target's kind and name, `organization/acme`; "" if the key has none."""
        return target_of(self.key)


@dataclass(slots=True)
class KeptTarget:
    """What is kept of a target: jobs, keys of counters, when it was read last, and since when it counts (0: never)."""

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


def saved_jobs(connection: sqlite3.Connection, targets: Iterable[str] = ()) -> Iterator[SavedJob]:
    """The jobs that have a snapshot, of these targets or of all, in the order of their keys."""
    chosen = frozenset(targets)
    rows = connection.execute("SELECT key, saved FROM job WHERE snapshot <> '' ORDER BY key").fetchall()
    for key, saved in rows:
        if not isinstance(key, str) or (chosen and target_of(key) not in chosen):
            continue
        yield SavedJob(key, float(saved), _snapshot_of(connection, key))


def kept_targets(connection: sqlite3.Connection) -> dict[str, KeptTarget]:
    """What is kept of each target."""
    kept: dict[str, KeptTarget] = {}
    for job in saved_jobs(connection):
        kept.setdefault(job.target, KeptTarget()).add(job.snapshot)
    return dict(sorted(kept.items()))


def exported(connection: sqlite3.Connection, targets: Iterable[str]) -> Iterator[str]:
    """The lines of these targets, each in pieces; a row that cannot be read raises `ValueError`."""
    yield _line({"format": FORMAT, "version": VERSION, "people": naming_of(connection)})
    jobs = 0
    for job in saved_jobs(connection, targets):
        if job.snapshot is None:
            raise ValueError(f"what is kept of {' '.join(job.key.split(' ')[:2])} cannot be read")
        jobs += 1
        yield from in_pieces({"job": job.key, "saved": job.saved, "snapshot": dump(job.snapshot)})
        yield "\n"
    yield _line({"jobs": jobs})


def import_lines(
    connection: sqlite3.Connection, lines: Iterable[bytes], renamed: Renamed, *, in_use: bool
) -> dict[str, KeptTarget]:
    """Save what exported lines hold, all of it or, with `NotImported`, nothing; returns what came of each target.

    A job is refused if what is there was read later. While the folder is `in_use` by a running exporter, which would
    write over it, a job is refused if anything is there.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        kept = _import(connection, lines, renamed, in_use)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return kept


def _import(
    connection: sqlite3.Connection, lines: Iterable[bytes], renamed: Renamed, in_use: bool
) -> dict[str, KeptTarget]:
    numbered = enumerate(lines, start=1)
    has_other_names = _people(numbered) != naming_of(connection)
    kept: dict[str, KeptTarget] = {}
    problems: list[str] = []
    jobs, end = 0, None
    for number, line in numbered:
        data = _parsed(line, number)
        if end is not None:
            raise NotImported(f"line {number}: nothing may follow the line with the number of jobs")
        if "jobs" in data:
            end = data["jobs"]
            continue
        job = _job(data, number)
        jobs += 1
        assert job.snapshot is not None
        snapshot = renamed(job.key, job.snapshot) if has_other_names else job.snapshot
        if problem := _refusal(connection, job, in_use=in_use):
            problems.append(problem)
            continue
        connection.execute(_SAVE, (job.key, job.saved, "".join(in_pieces(dump(snapshot)))))
        kept.setdefault(job.target, KeptTarget()).add(snapshot)
    if end != jobs:
        raise NotImported(f"the export is not whole: after {jobs} jobs its end is missing, or tells another number")
    if problems:
        more = [f"and {len(problems) - MOST_PROBLEMS} more"] if len(problems) > MOST_PROBLEMS else []
        raise NotImported(*problems[:MOST_PROBLEMS], *more)
    return kept


def _people(numbered: Iterator[tuple[int, bytes]]) -> str:
    """How people are named in an export, by its first line."""
    number, line = next(numbered, (1, b""))
    head = _parsed(line, number)
    if head.get("format") != FORMAT:
        raise NotImported("line 1: this is no export: make one by `state export TARGET ... > FILE`")
    if head.get("version") != VERSION:
        raise NotImported(f"line 1: its version is {head.get('version')!r:.20}, this exporter knows {VERSION}")
    return str(head.get("people"))


def _parsed(line: bytes, number: int) -> Mapping[str, Any]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise NotImported(f"line {number}: it is no JSON object, so the export is damaged: make it again")
    return data


def _job(data: Mapping[str, Any], number: int) -> SavedJob:
    try:
        key, saved = data["job"], float(data["saved"])
        job = SavedJob(str(key), saved, load(data["snapshot"]))
    except UNREADABLE:
        raise NotImported(f"line {number}: it is no job, so the export is damaged: make it again") from None
    kind, _, name = job.target.partition("/")
    if not (isinstance(key, str) and len(key) <= LONGEST_KEY and kind and name and 0 <= saved < float("inf")):
        raise NotImported(f"line {number}: it names no target")
    return job


def _refusal(connection: sqlite3.Connection, job: SavedJob, *, in_use: bool) -> str:
    """Why a job is not taken, "" if it is."""
    assert job.snapshot is not None
    there = _snapshot_of(connection, job.key)
    title = " ".join(job.key.split(" ")[:2])
    if there is None:
        return ""
    if in_use:
        return f"{title}: the running exporter has state of it, and would write over yours: stop it, import, start it"
    ours, theirs = read_time(there), read_time(job.snapshot)
    if ours > theirs:
        return f"{title}: what is there was read at {utc_time(ours)}, yours at {utc_time(theirs)}: it is older"
    return ""


def _snapshot_of(connection: sqlite3.Connection, key: str) -> Snapshot | None:
    with suppress(*UNREADABLE):
        return read_snapshot(connection, key)
    return None


def _line(data: Mapping[str, Any]) -> str:
    return f"{json.dumps(data)}\n"
