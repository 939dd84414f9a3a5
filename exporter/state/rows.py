"""The tables of the state file, and how their rows are read.

Nothing in them is trusted: a row that cannot be read (nesting, wrong types, too large) costs only that row.
"""

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from exporter.exposition.book import PackedSnapshot, pack
from exporter.exposition.snapshot import Snapshot
from exporter.state.renaming import Renamed
from exporter.state.snapshot_json import dump, in_pieces, load

VERSION = 2
LARGEST_ROW = 256 * 1024 * 1024
"""Characters of a snapshot; 100,000 series have a tenth of that."""

FORGET_JOBS_AFTER = 32 * 86400  # GitHub forgets after 31 days: what runs no more has nothing left to go on with
MOST_CUT_OFF = 3
"""How many times in a row a job's run may be cut off before the job is suspected of ending the exporter."""
UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError, MemoryError)
"""The exceptions that a row of a wrong shape raises."""

_NOT_THE_FILE = frozenset(
    {
        *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN),
        *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL),
        *(sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_NOLFS),
    }
)
_SCHEMA = """
CREATE TABLE job (key TEXT PRIMARY KEY, saved REAL NOT NULL, running INTEGER NOT NULL, snapshot TEXT NOT NULL);
CREATE TABLE wait (name TEXT PRIMARY KEY, until REAL NOT NULL, mark TEXT NOT NULL);
CREATE TABLE salt (value BLOB NOT NULL);
CREATE TABLE naming (choice TEXT NOT NULL);
"""
_COLUMNS = (
    "key, saved, running, snapshot FROM job",
    "name, until, mark FROM wait",
    "value FROM salt",
    "choice FROM naming",
)
_DELETE = {"job": "DELETE FROM job WHERE rowid = ?", "wait": "DELETE FROM wait WHERE rowid = ?"}
_ADDED_IN_2 = "CREATE TABLE naming (choice TEXT NOT NULL);"


@dataclass(frozen=True, slots=True)
class Wait:
    """No request is sent before `until` (epoch seconds), as long as the credential's fingerprint is `mark`."""

    until: float
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Restored:
    """The content of the file: snapshots by job key, the jobs whose run was cut off, and waits by name.

    - `suspects`: jobs whose runs were cut off more than `MOST_CUT_OFF` times in a row, with the time when the newest
      run began. Such a run may have ended the exporter, by using up the memory.
    - `snapshots` are packed: unpacked ones of all jobs would take several times the memory of a running exporter.
    - `unreadable`: for each row that cannot be read, by table and rowid, its name and the reason.
    """

    snapshots: Mapping[str, PackedSnapshot] = field(default_factory=dict)
    cut_off: frozenset[str] = frozenset()
    suspects: Mapping[str, float] = field(default_factory=dict)
    waits: Mapping[str, Wait] = field(default_factory=dict)
    unreadable: Mapping[tuple[str, int], str] = field(default_factory=dict)

    @property
    def ended(self) -> frozenset[str]:
        """The jobs that have completed an attempt and were not dropped since."""
        return frozenset(key for key, packed in self.snapshots.items() if packed.was_attempted)

    def load(self, job: str) -> Snapshot | None:
        """A job's snapshot, if there is one."""
        packed = self.snapshots.get(job)
        return packed.unpack() if packed else None


def prepare(connection: sqlite3.Connection) -> None:
    """Create the tables, or migrate those of version 1; raises `ValueError` for any other file."""
    connection.text_factory = _text
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 1:
        connection.executescript(f"BEGIN; {_ADDED_IN_2} PRAGMA user_version = {VERSION}; COMMIT;")
        version = VERSION
    if version not in (0, VERSION):
        raise ValueError(f"its version is {version}, this exporter knows {VERSION}")
    if version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise ValueError("it is not ours")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # `StateFile` does it, and notes the new size
    connection.execute("PRAGMA synchronous = FULL")
    if version == 0:
        connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")


def restored(connection: sqlite3.Connection) -> Restored:
    """Everything that can be read from the file."""
    connection.text_factory = _text
    snapshots: dict[str, PackedSnapshot] = {}
    cut_off: set[str] = set()
    suspects: dict[str, float] = {}
    waits: dict[str, Wait] = {}
    unreadable: dict[tuple[str, int], str] = {}
    jobs = connection.execute("SELECT rowid, key, saved, running, length(snapshot) FROM job")
    for row, key, saved, running, size in jobs:
        try:
            if size and (snapshot := read_snapshot(connection, key)):
                snapshots[_word(key)] = pack(snapshot)
            if running:
                cut_off.add(_word(key))
            if running > MOST_CUT_OFF:
                suspects[key] = _instant(saved)
        except UNREADABLE as error:
            unreadable["job", row] = f"{_source(key)}: {_why(error)}"
    for row, name, until, mark in connection.execute("SELECT rowid, name, until, mark FROM wait"):
        try:
            waits[_word(name)] = Wait(_instant(until), _word(mark))
        except UNREADABLE as error:
            unreadable["wait", row] = f"{str(name)[:200]}: {_why(error)}"
    return Restored(snapshots, frozenset(cut_off), suspects, waits, unreadable)


def read_snapshot(connection: sqlite3.Connection, job: Any) -> Snapshot | None:
    """A job's snapshot, if there is one; raises one of `UNREADABLE`."""
    row = connection.execute("SELECT length(snapshot) FROM job WHERE key = ?", (job,)).fetchone()
    if row is None or not row[0]:
        return None
    if row[0] > LARGEST_ROW:
        raise ValueError("it is too large")
    text = connection.execute("SELECT snapshot FROM job WHERE key = ?", (job,)).fetchone()[0]
    return load(json.loads(_word(text)))


def old_jobs(now: float, running: Iterable[str]) -> tuple[str, tuple[float, str]]:
    """The statement that drops the jobs that were not saved for `FORGET_JOBS_AFTER` seconds, and its parameters.

    Those that are `running` stay: their counters go on however long the exporter was stopped, and whatever our clock
    says now, or said when they were saved.
    """
    statement = "DELETE FROM job WHERE saved < ? AND key NOT IN (SELECT value FROM json_each(?))"
    return statement, (now - FORGET_JOBS_AFTER, json.dumps(list(running)))


def drop_ended_waits(connection: sqlite3.Connection, now: float) -> None:
    """Drop waits that have ended."""
    connection.execute("DELETE FROM wait WHERE until < ?", (now,))


def count_cut_off(connection: sqlite3.Connection) -> None:
    """At a start, count once more each run that was cut off; `running` is 1 in the exporter that began the run."""
    connection.execute("UPDATE job SET running = running + 1 WHERE running")


def drop(connection: sqlite3.Connection, unreadable: Iterable[tuple[str, int]]) -> None:
    """Delete rows by table and rowid, all at once: each commit waits for the disk."""
    connection.execute("BEGIN IMMEDIATE")
    for table, row in unreadable:
        connection.execute(_DELETE[table], (row,))
    connection.execute("COMMIT")


def drop_foreign(connection: sqlite3.Connection) -> None:
    """Drop triggers and views: they are not ours, and a trigger can refuse every write."""
    foreign = "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'view')"
    for kind, name in connection.execute(foreign).fetchall():
        quoted = name.replace('"', '""')
        connection.execute(f'DROP {kind} "{quoted}"')


def is_sound(connection: sqlite3.Connection) -> bool:
    """Whether SQLite finds no damage and all tables exist; raises `sqlite3.Error` if it cannot check."""
    try:
        for columns in _COLUMNS:
            connection.execute(f"SELECT {columns} LIMIT 0")
        return bool(connection.execute("PRAGMA quick_check").fetchone()[0] == "ok")
    except sqlite3.Error as error:
        if is_broken(error):
            return False
        raise


def is_broken(error: BaseException) -> bool:
    """Whether the file itself is at fault, not the disk, a lock or the memory."""
    if isinstance(error, OSError | MemoryError):
        return False
    code = getattr(error, "sqlite_errorcode", None)
    return not isinstance(error, sqlite3.OperationalError) if code is None else code & 0xFF not in _NOT_THE_FILE


def salt_of(connection: sqlite3.Connection) -> bytes | None:
    """The saved salt; None if there is none."""
    row = connection.execute("SELECT value FROM salt").fetchone()
    return row[0] if row and isinstance(row[0], bytes) and row[0] else None


def naming_of(connection: sqlite3.Connection) -> str:
    """The fingerprint of how people are named in the rows. Version 1 saved none, and logins only."""
    row = connection.execute("SELECT choice FROM naming").fetchone()
    return str(row[0]) if row else "login"


def write_head(connection: sqlite3.Connection, salt: bytes, naming: str, waits: Mapping[str, Wait]) -> None:
    """Write the salt, the fingerprint of how people are named, and waits."""
    connection.execute("DELETE FROM salt")
    connection.execute("INSERT INTO salt VALUES (?)", (salt,))
    connection.execute("DELETE FROM naming")
    connection.execute("INSERT INTO naming VALUES (?)", (naming,))
    rows = [(name, wait.until, wait.mark) for name, wait in waits.items()]
    connection.executemany("INSERT OR REPLACE INTO wait VALUES (?, ?, ?)", rows)


def rename_rows(connection: sqlite3.Connection, renamed: Renamed) -> None:
    """Rewrite all snapshots without names of people; a row that cannot be read may name somebody, so it is deleted."""
    for row, key in connection.execute("SELECT rowid, key FROM job WHERE snapshot <> ''").fetchall():
        try:
            snapshot = read_snapshot(connection, key)
            text = "".join(in_pieces(dump(renamed(key, snapshot)))) if snapshot else ""
            connection.execute("UPDATE job SET snapshot = ? WHERE rowid = ?", (text, row))
        except UNREADABLE:
            connection.execute("DELETE FROM job WHERE rowid = ?", (row,))


def erase(connection: sqlite3.Connection) -> None:
    """Erase overwritten data from free pages and from the log."""
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def all_renamed(result: Restored, renamed: Renamed) -> Restored:
    """The content of the file without names of people."""
    snapshots: dict[str, PackedSnapshot] = {}
    for key, packed in result.snapshots.items():
        with suppress(*UNREADABLE):
            snapshots[key] = pack(renamed(key, packed.unpack()))
    return replace(result, snapshots=snapshots)


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _source(job: object) -> str:
    """The collector and target in a job's key; the rest of the key may be a person."""
    return " ".join(str(job)[:200].split(" ")[:2])


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("it is no text")
    return value


def _instant(value: object) -> float:
    if isinstance(value, float | int) and math.isfinite(value):
        return float(value)
    raise TypeError("it has no instant")


def _why(error: BaseException) -> str:
    """The cause in a few words, without any content of the row."""
    return "nested too deeply" if isinstance(error, RecursionError) else f"of another shape ({type(error).__name__})"
