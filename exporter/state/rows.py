"""The tables of the state, and what can be read of them.

Nothing in them is trusted: a row that cannot be read (nesting, wrong types, too large) costs that row, and no other.
"""

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from exporter.exposition.book import PackedSnapshot, pack
from exporter.exposition.snapshot import Snapshot
from exporter.state.renaming import Renamed
from exporter.state.snapshot_json import dump, load

VERSION = 2
ROWS_AT_ONCE = 200
LARGEST_ROW = 256 * 1024 * 1024
"""Characters of a snapshot; 100,000 series have a tenth of that."""

MOST_CUT_OFF = 3
"""Times in a row that a run is cut off before it is suspected of having ended the exporter."""
UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError, MemoryError)
"""What a row of a wrong shape raises."""

_SURROUNDINGS = frozenset(
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
_SINCE_1 = "CREATE TABLE naming (choice TEXT NOT NULL);"


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is asked before `until` (epoch seconds), as long as `mark` still fits."""

    until: float
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was found: snapshots by job key, the jobs whose run was cut off, and waits by name.

    `suspects` are jobs whose runs were cut off `MOST_CUT_OFF` times in a row, with when the newest run began: it may
    have been what ended the exporter, for want of memory. The snapshots are packed: unpacked ones of all jobs would
    take several times the memory of a running exporter.
    `unreadable` says of rows that cannot be read, by table and rowid, what they are and why.
    """

    snapshots: Mapping[str, PackedSnapshot] = field(default_factory=dict)
    cut_off: frozenset[str] = frozenset()
    suspects: Mapping[str, float] = field(default_factory=dict)
    waits: Mapping[str, Wait] = field(default_factory=dict)
    unreadable: Mapping[tuple[str, int], str] = field(default_factory=dict)

    @property
    def ended(self) -> frozenset[str]:
        """The jobs of which an attempt has ended, and that were not dropped since."""
        return frozenset(key for key, packed in self.snapshots.items() if packed.is_ended)

    def load(self, job: str) -> Snapshot | None:
        """A job's snapshot, if there is one."""
        packed = self.snapshots.get(job)
        return packed.unpack() if packed else None


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, or take over those of the first version; raises `ValueError` for a file that is not ours."""
    connection.text_factory = _text
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 1:
        connection.executescript(f"BEGIN; {_SINCE_1} PRAGMA user_version = {VERSION}; COMMIT;")
        version = VERSION
    if version not in (0, VERSION):
        raise ValueError(f"its version is {version}, this exporter knows {VERSION}")
    if version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise ValueError("it is not ours")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # `State` does it, and then knows the file as it is
    connection.execute("PRAGMA synchronous = FULL")
    if version == 0:
        connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")


def restored(connection: sqlite3.Connection) -> Restored:
    """All that can be read."""
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


def drop(connection: sqlite3.Connection, unreadable: Iterable[tuple[str, int]]) -> None:
    """Delete rows by table and rowid, all at once: each commit waits for the disk."""
    connection.execute("BEGIN IMMEDIATE")
    for table, row in unreadable:
        connection.execute(_DELETE[table], (row,))
    connection.execute("COMMIT")


def drop_foreign(connection: sqlite3.Connection) -> None:
    """Drop triggers and views, which are none of ours: a trigger can refuse every write."""
    foreign = "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'view')"
    for kind, name in connection.execute(foreign).fetchall():
        quoted = name.replace('"', '""')
        connection.execute(f'DROP {kind} "{quoted}"')


def is_sound(connection: sqlite3.Connection) -> bool:
    """Whether SQLite finds no damage, and all tables are there; raises `sqlite3.Error` if it cannot look."""
    try:
        for columns in _COLUMNS:
            connection.execute(f"SELECT {columns} LIMIT 0")
        return bool(connection.execute("PRAGMA quick_check").fetchone()[0] == "ok")
    except sqlite3.Error as error:
        if is_broken(error):
            return False
        raise


def is_broken(error: BaseException) -> bool:
    """Whether a file, not its surroundings, is at fault."""
    if isinstance(error, OSError | MemoryError):
        return False
    code = getattr(error, "sqlite_errorcode", None)
    return not isinstance(error, sqlite3.OperationalError) if code is None else code & 0xFF not in _SURROUNDINGS


def salt_of(connection: sqlite3.Connection) -> bytes | None:
    """The salt that is kept, if one is."""
    row = connection.execute("SELECT value FROM salt").fetchone()
    return row[0] if row and isinstance(row[0], bytes) and row[0] else None


def naming_of(connection: sqlite3.Connection) -> str:
    """The mark of how people are named in the rows. Before it was kept, there were logins only."""
    row = connection.execute("SELECT choice FROM naming").fetchone()
    return str(row[0]) if row else "login"


def write_head(connection: sqlite3.Connection, salt: bytes, naming: str, waits: Mapping[str, Wait]) -> None:
    """Write the salt, the mark of how people are named, and waits."""
    connection.execute("DELETE FROM salt")
    connection.execute("INSERT INTO salt VALUES (?)", (salt,))
    connection.execute("DELETE FROM naming")
    connection.execute("INSERT INTO naming VALUES (?)", (naming,))
    rows = [(name, wait.until, wait.mark) for name, wait in waits.items()]
    connection.executemany("INSERT OR REPLACE INTO wait VALUES (?, ?, ?)", rows)


def rename_rows(connection: sqlite3.Connection, renamed: Renamed) -> None:
    """Write all snapshots anew without names of people; a row that cannot be read may name somebody, so it goes."""
    for row, key in connection.execute("SELECT rowid, key FROM job WHERE snapshot <> ''").fetchall():
        try:
            snapshot = read_snapshot(connection, key)
            text = "".join(in_pieces(dump(renamed(key, snapshot)))) if snapshot else ""
            connection.execute("UPDATE job SET snapshot = ? WHERE rowid = ?", (text, row))
        except UNREADABLE:
            connection.execute("DELETE FROM job WHERE rowid = ?", (row,))


def erase(connection: sqlite3.Connection) -> None:
    """Leave nothing of what was overwritten in pages that are free, nor in the log."""
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def all_renamed(result: Restored, renamed: Renamed) -> Restored:
    """The same without names of people."""
    snapshots: dict[str, PackedSnapshot] = {}
    for key, packed in result.snapshots.items():
        with suppress(*UNREADABLE):
            snapshots[key] = pack(renamed(key, packed.unpack()))
    return replace(result, snapshots=snapshots)


def in_pieces(data: Any) -> Iterator[str]:
    """JSON. The encoder holds the interpreter, and so the scrapes, until it ends: it is given some rows at a time."""
    encoded = json.JSONEncoder(separators=(",", ":")).encode
    if isinstance(data, dict) and data:
        for at, (key, value) in enumerate(data.items()):
            yield "," if at else "{"
            yield encoded({key: 0})[1:-2]
            yield from in_pieces(value)
        yield "}"
    elif isinstance(data, list) and len(data) > ROWS_AT_ONCE:
        for at in range(0, len(data), ROWS_AT_ONCE):
            yield "," if at else "["
            yield encoded(data[at : at + ROWS_AT_ONCE])[1:-1]
        yield "]"
    else:
        yield encoded(data)


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _source(job: object) -> str:
    """A job's collector and target: what follows in its key may be a person."""
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
    """The cause in a few words; nothing of the row is repeated."""
    return "nested too deeply" if isinstance(error, RecursionError) else f"of another shape ({type(error).__name__})"
