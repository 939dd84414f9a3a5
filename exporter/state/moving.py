"""The state of targets as JSON Lines, which `state export` writes and `state import` reads.

    {"format": "github-enterprise-exporter state", "version": 1, "people": "login"}
    {"job": "summary_stats organization/acme", "saved": 1795000000.5, "snapshot": {…}}
    {"jobs": 1}

The last line tells that the file is whole. `people` is the fingerprint of how people are named in it: a folder that
names them otherwise takes the snapshots without names of people. Waits stay where they are: they belong to a
credential, not to a target.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
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


class JobRow(NamedTuple):
    """A row to save: the job's key, when it was saved, when last read (epoch seconds), and its snapshot as JSON."""

    key: str
    saved: float
    read_at: float
    snapshot: str


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
    connection: sqlite3.Connection, targets: Iterable[str] = ()
) -> Iterator[tuple[str, float, Snapshot | None]]:
    """Key, time of saving and snapshot (None: unreadable) of the jobs of these targets, or of all, ordered by key."""
    chosen = frozenset(targets)
    rows = connection.execute("SELECT key, saved FROM job WHERE snapshot <> '' ORDER BY key").fetchall()
    for key, saved in rows:
        if not isinstance(key, str) or (chosen and target_of(key) not in chosen):
            continue
        yield key, float(saved), _snapshot_of(connection, key)


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


def import_lines(
    connection: sqlite3.Connection, lines: Iterable[bytes], renamed: Renamed, *, in_use: bool
) -> dict[str, TargetSummary]:
    """Save the jobs of an export, or raise `NotImported` and save none; returns a summary of each target.

    A job is refused if the folder has a newer read of it. While the folder is `in_use` by a running exporter, which
    would overwrite the job, it is refused if the folder has it at all. All lines are read before the transaction
    begins: a slow pipe must not keep a running exporter from writing.
    """
    naming = naming_of(connection)
    rows, summaries = _read(lines, renamed, naming)
    connection.execute("BEGIN IMMEDIATE")
    try:
        _save(connection, rows, naming, in_use=in_use)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return summaries


def _save(connection: sqlite3.Connection, rows: Sequence[JobRow], naming: str, *, in_use: bool) -> None:
    if naming_of(connection) != naming:
        raise NotImported("`privacy` of the running exporter has changed meanwhile: import again")
    problems = [problem for row in rows if (problem := _refusal(connection, row, in_use=in_use))]
    if problems:
        more = [f"and {len(problems) - MOST_PROBLEMS} more"] if len(problems) > MOST_PROBLEMS else []
        raise NotImported(*problems[:MOST_PROBLEMS], *more)
    connection.executemany(_SAVE, ((row.key, row.saved, row.snapshot) for row in rows))


def _read(lines: Iterable[bytes], renamed: Renamed, naming: str) -> tuple[list[JobRow], dict[str, TargetSummary]]:
    """The rows to save, with people named as `naming` says, and a summary of each target."""
    numbered = enumerate(lines, start=1)
    has_other_names = _people(numbered) != naming
    rows: list[JobRow] = []
    summaries: dict[str, TargetSummary] = {}
    end = None
    for number, line in numbered:
        data = _parsed(line, number)
        if end is not None:
            raise NotImported(f"line {number}: nothing may follow the line with the number of jobs")
        if "jobs" in data:
            end = data["jobs"]
            continue
        key, saved, snapshot = _job(data, number)
        snapshot = renamed(key, snapshot) if has_other_names else snapshot
        rows.append(JobRow(key, saved, read_time(snapshot), "".join(in_pieces(dump(snapshot)))))
        summaries.setdefault(target_of(key), TargetSummary()).add(snapshot)
    if end != len(rows):
        raise NotImported(f"the export is not whole: after {len(rows)} jobs its end is missing, or has another number")
    return rows, summaries


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


def _job(data: Mapping[str, Any], number: int) -> tuple[str, float, Snapshot]:
    """A job's key, when it was saved, and its snapshot."""
    try:
        key, saved, snapshot = data["job"], float(data["saved"]), load(data["snapshot"])
    except UNREADABLE:
        raise NotImported(f"line {number}: it is no job, so the export is damaged: make it again") from None
    kind, _, name = target_of(str(key)).partition("/")
    if not (isinstance(key, str) and len(key) <= LONGEST_KEY and kind and name and 0 <= saved < float("inf")):
        raise NotImported(f"line {number}: it names no target")
    return key, saved, snapshot


def _refusal(connection: sqlite3.Connection, row: JobRow, *, in_use: bool) -> str:
    """Why a job is refused; empty if it is not."""
    existing = _snapshot_of(connection, row.key)
    title = " ".join(row.key.split(" ")[:2])
    if existing is None:
        return ""
    if in_use:
        return f"{title}: the running exporter has state of it, and would write over yours: stop it, import, start it"
    if read_time(existing) > row.read_at:
        times = utc_time(read_time(existing)), utc_time(row.read_at)
        return f"{title}: what is there was read at {times[0]}, yours at {times[1]}: it is older"
    return ""


def _snapshot_of(connection: sqlite3.Connection, key: str) -> Snapshot | None:
    with suppress(*UNREADABLE):
        return read_snapshot(connection, key)
    return None


def _line(data: Mapping[str, Any]) -> str:
    return f"{json.dumps(data)}\n"
