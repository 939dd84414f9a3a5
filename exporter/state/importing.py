"""What `state import` does with the lines that `state export` wrote (`moving.py`): all of them are saved, or none.

Nothing in a file is trusted. Its size, the length of a line and the number of values in it have a limit, so that a
file that is none of ours fails before it fills the memory.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from exporter.counting.keys import Counting
from exporter.exposition.snapshot import Snapshot
from exporter.instants import utc_time
from exporter.state.moving import FORMAT, VERSION, TargetSummary, read_time, snapshot_of, target_of
from exporter.state.renaming import Renamed
from exporter.state.rows import UNREADABLE, naming_of
from exporter.state.snapshot_json import dump, in_pieces, load

LARGEST_EXPORT = 256 * 1024 * 1024
"""Bytes; 100,000 series have a tenth of that."""
LONGEST_LINE = 64 * 1024 * 1024
MOST_VALUES = 6_000_000
"""JSON values in a line, each of which takes up to 200 bytes of memory; a counted key has 24 of them."""
LONGEST_KEY = 1_000
MOST_PROBLEMS = 20
"""How many lines that cannot be taken are told."""

_LIMIT = 2**63
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


def lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of an export, within its limits."""
    left, number = LARGEST_EXPORT, 0
    while line := stream.readline(LONGEST_LINE + 1):
        left, number = left - len(line), number + 1
        if len(line) > LONGEST_LINE:
            raise NotImported(f"line {number}: it has more than {LONGEST_LINE:,} bytes, so this is no export")
        if left < 0:
            raise NotImported(f"the export has more than {LARGEST_EXPORT:,} bytes: export fewer targets at once")
        yield line


def import_lines(
    connection: sqlite3.Connection,
    lines: Iterable[bytes],
    renamed: Renamed,
    *,
    in_use: bool,
    refused: Mapping[str, str] | None = None,
) -> dict[str, TargetSummary]:
    """Save the jobs of an export, or raise `NotImported` and save none; returns a summary of each target.

    `refused` has the reason for each target that does not belong here. A job is refused if the folder has a newer
    read of it. While the folder is `in_use` by a running exporter, which
    would overwrite the job, it is refused if the folder has it at all. All lines are read before the transaction
    begins: a slow pipe must not keep a running exporter from writing.
    """
    naming = naming_of(connection)
    rows, summaries = _read(lines, renamed, naming)
    if foreign := [f"{target}: {reason}" for target, reason in (refused or {}).items() if target in summaries]:
        raise NotImported(*_shortened(foreign))
    connection.execute("BEGIN IMMEDIATE")
    try:
        _save(connection, rows, naming, in_use=in_use)
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return summaries


def _save(connection: sqlite3.Connection, rows: Sequence[JobRow], naming: str, *, in_use: bool) -> None:
    if naming_of(connection) != naming:
        raise NotImported("`privacy` of the running exporter has changed meanwhile: import again")
    problems = [problem for row in rows if (problem := _refusal(connection, row, in_use=in_use))]
    if problems:
        raise NotImported(*_shortened(problems))
    connection.executemany(_SAVE, ((row.key, row.saved, row.snapshot) for row in rows))


def _shortened(problems: Sequence[str]) -> Sequence[str]:
    more = len(problems) - MOST_PROBLEMS
    return [*problems[:MOST_PROBLEMS], f"and {more} more"] if more > 0 else problems


def _read(lines: Iterable[bytes], renamed: Renamed, naming: str) -> tuple[list[JobRow], dict[str, TargetSummary]]:
    """The rows to save, with people named as `naming` says, and a summary of each target."""
    numbered = enumerate(lines, start=1)
    has_other_names = _people(numbered) != naming
    rows: dict[str, JobRow] = {}
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
        if key in rows:
            raise NotImported(f"line {number}: {_title(key)} is there twice, so the export is damaged: make it again")
        snapshot = renamed(key, snapshot) if has_other_names else snapshot
        rows[key] = JobRow(key, saved, read_time(snapshot), "".join(in_pieces(dump(snapshot))))
        summaries.setdefault(target_of(key), TargetSummary()).add(snapshot)
    if end != len(rows):
        raise NotImported(f"the export is not whole: after {len(rows)} jobs its end is missing, or has another number")
    return list(rows.values()), summaries


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
    if sum(map(line.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise NotImported(f"line {number}: it has more than {MOST_VALUES:,} values, so this is no export")
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
    if snapshot.counting and not _may_be_counted(snapshot.counting):
        raise NotImported(f"line {number}: its counts are none, so the export is damaged: make it again")
    kind, _, name = target_of(str(key)).partition("/")
    if not (isinstance(key, str) and len(key) <= LONGEST_KEY and kind and name and 0 <= saved < float("inf")):
        raise NotImported(f"line {number}: it names no target")
    return key, saved, snapshot


def _may_be_counted(counting: Counting) -> bool:
    """Whether every number is one that a counter can have: none shown is below 0, and none has more than 63 bits."""
    counts = [count for key in counting.keys.values() for count in key.counts]
    shown = [*counting.other, *(number for count in counts for number in (count.published, count.own))]
    return all(0 <= number < _LIMIT for number in shown) and all(
        abs(number) < _LIMIT for count in counts for number in count
    )


def _refusal(connection: sqlite3.Connection, row: JobRow, *, in_use: bool) -> str:
    """Why a job is refused; empty if it is not."""
    existing = snapshot_of(connection, row.key)
    title = _title(row.key)
    if existing is None:
        return ""
    if in_use:
        return f"{title}: the running exporter has state of it, and would write over yours: stop it, import, start it"
    if read_time(existing) > row.read_at:
        times = utc_time(read_time(existing)), utc_time(row.read_at)
        return f"{title}: what is there was read at {times[0]}, yours at {times[1]}: it is older"
    return ""


def _title(key: str) -> str:
    """The collector and the target of a job's key; what follows may be a person."""
    return " ".join(key.split(" ")[:2])
