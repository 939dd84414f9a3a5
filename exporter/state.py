"""What survives a restart: one SQLite file in `state.path`, written before anyone can see what it holds.

One row per job with its whole snapshot as JSON, one row per wait (a quota pool's limit, a rejected credential). No
credential and no URL is ever in it; a rejected credential is known by a salted fingerprint.

A file that cannot be read is set aside and counting starts clean; a folder that cannot be written is said once and
counted, and the exporter goes on from memory. Only a second exporter on the same folder is refused.
"""

import fcntl
import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from exporter.first_answer import STATE_FILE
from exporter.serving.snapshot import Rest, Snapshot, at_rest, dump, load, unnamed

log = structlog.get_logger(__name__)

VERSION = 2
KEPT_ASIDE = 3
ROWS_AT_ONCE = 200
FORGET_JOBS_AFTER = 32 * 86400  # GitHub forgets after 31 days; what is older can only begin anew

_SCHEMA = """
CREATE TABLE job (key TEXT PRIMARY KEY, saved REAL NOT NULL, running INTEGER NOT NULL, snapshot TEXT NOT NULL);
CREATE TABLE wait (name TEXT PRIMARY KEY, until REAL NOT NULL, mark TEXT NOT NULL);
CREATE TABLE salt (value BLOB NOT NULL);
CREATE TABLE naming (choice TEXT NOT NULL);
"""
_SINCE_1 = "CREATE TABLE naming (choice TEXT NOT NULL);"


class StateLockedError(Exception):
    """Another exporter uses the same folder."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is asked before `until` (epoch seconds), as long as `mark` still fits."""

    until: float
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was found: snapshots by job key, the jobs whose run was cut off, and waits by name.

    The snapshots are at rest: whole ones of all jobs at once would take several times the memory of a running exporter.
    """

    snapshots: Mapping[str, Rest] = field(default_factory=dict)
    cut_off: frozenset[str] = frozenset()
    waits: Mapping[str, Wait] = field(default_factory=dict)

    def whole(self, job: str) -> Snapshot | None:
        """A job's snapshot, if there is one."""
        rest = self.snapshots.get(job)
        return rest.whole() if rest else None


class State:
    """The file. Its methods block: call them from a worker thread. Writes tell by False that they failed."""

    def __init__(self, folder: Path, naming: str = "login") -> None:
        """`naming` is how people are named now; names that were kept under another choice are dropped."""
        self.folder, self._naming = folder, naming
        self.failed_writes = 0
        self.salt = secrets.token_bytes(16)
        self._path = folder / STATE_FILE
        self._lock_file: int | None = None
        self._connection: sqlite3.Connection | None = None
        self._mutex = threading.Lock()
        self._writable = True
        self._closed = False

    def open(self, now: float) -> Restored:
        """Lock the folder and read all; raises `StateLockedError`, and nothing else."""
        self._lock()
        try:
            return self._read(now)
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            self._close()
            if isinstance(error, sqlite3.OperationalError) and "no such" not in str(error):
                self._failed(error)
                return self._read_only()
            self._set_aside(now, error)
        with suppress(sqlite3.Error, OSError):
            return self._read(now)
        return Restored()

    def restored(self) -> Restored:
        """What is kept now."""
        with self._mutex, suppress(sqlite3.Error):
            if self._connection is not None:
                return _restored(self._connection)
        return Restored()

    def snapshots(self, jobs: Iterable[str]) -> dict[str, Snapshot]:
        """What is kept of these jobs."""
        found: dict[str, Snapshot] = {}
        with self._mutex, suppress(sqlite3.Error, ValueError, TypeError, KeyError, IndexError, AttributeError):
            if self._connection is not None:
                for key in jobs:
                    row = self._connection.execute("SELECT snapshot FROM job WHERE key = ?", (key,)).fetchone()
                    if row and row[0]:
                        found[key] = load(json.loads(row[0]))
        return found

    def begin(self, job: str, now: float) -> bool:
        """Note that a run of the job has begun: if it is cut off it is due at once after a restart."""
        return self._write(
            "INSERT INTO job VALUES (?, ?, 1, '') ON CONFLICT (key) DO UPDATE SET running = 1", (job, now)
        )

    def save(self, job: str, snapshot: Snapshot, now: float, *, ended: bool) -> bool:
        """Keep a job's snapshot; `ended` tells that its run ended, not only that a series may move."""
        text = "".join(in_pieces(dump(snapshot)))
        return self._write(
            "INSERT INTO job VALUES (?1, ?2, 0, ?3) ON CONFLICT (key) DO UPDATE"
            " SET saved = ?2, snapshot = ?3, running = CASE WHEN ?4 THEN 0 ELSE running END",
            (job, now, text, ended),
        )

    def wait(self, name: str, wait: Wait) -> bool:
        """Keep a wait."""
        return self._write("INSERT OR REPLACE INTO wait VALUES (?, ?, ?)", (name, wait.until, wait.mark))

    def forget(self, now: float) -> None:
        """Drop the jobs that nobody saved for longer than GitHub remembers."""
        self._write("DELETE FROM job WHERE saved < ?", (now - FORGET_JOBS_AFTER,))

    def settle(self) -> None:
        """Bring all into the one file, which does not change any more then unless something is written."""
        with self._mutex, suppress(sqlite3.Error):
            if self._connection is not None:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file and give the folder free."""
        with self._mutex:
            self._closed = True
            self._close()
            if self._lock_file is not None:
                os.close(self._lock_file)
                self._lock_file = None

    def _lock(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock_file = os.open(
                self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except OSError as error:
            self._failed(error)
            return
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock_file)
            self._lock_file = None
            raise StateLockedError(f"{self.folder}: another exporter uses this state folder") from None

    def _connect(self) -> sqlite3.Connection:
        if self._path.is_symlink():
            raise ValueError("state.db is a symbolic link")
        with suppress(OSError):
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._path.chmod(0o600)
        connection = sqlite3.connect(self._path, timeout=5.0, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _read(self, now: float) -> Restored:
        self._connection = self._connect()
        if self._connection.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise ValueError("it is damaged")
        self._connection.execute("DELETE FROM job WHERE saved < ?", (now - FORGET_JOBS_AFTER,))
        self._connection.execute("DELETE FROM wait WHERE until < ?", (now,))
        salt = self._connection.execute("SELECT value FROM salt").fetchone()
        if salt is None:
            self._connection.execute("INSERT INTO salt VALUES (?)", (self.salt,))
        else:
            self.salt = bytes(salt[0])
        restored = _restored(self._connection)
        if self._naming_changed(self._connection):
            restored = _unnamed(restored)
            for key, rest in restored.snapshots.items():
                text = "".join(in_pieces(dump(rest.whole())))
                self._connection.execute("UPDATE job SET snapshot = ? WHERE key = ?", (text, key))
            self._connection.execute("VACUUM")  # or the names would stay in pages that are free
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return restored

    def _naming_changed(self, connection: sqlite3.Connection) -> bool:
        before = connection.execute("SELECT choice FROM naming").fetchone()
        connection.execute("DELETE FROM naming")
        connection.execute("INSERT INTO naming VALUES (?)", (self._naming,))
        return before is not None and before[0] != self._naming

    def _read_only(self) -> Restored:
        """What can be had from a folder that cannot be written."""
        for mode in ("mode=ro", "mode=ro&immutable=1"):
            with suppress(sqlite3.Error, ValueError, TypeError, KeyError, IndexError, AttributeError):
                connection = sqlite3.connect(f"{self._path.as_uri()}?{mode}", uri=True)
                try:
                    if connection.execute("PRAGMA user_version").fetchone()[0] == VERSION:
                        found = _restored(connection)
                        before = connection.execute("SELECT choice FROM naming").fetchone()
                        if before is not None and before[0] == self._naming:
                            return found
                        return _unnamed(found)
                finally:
                    connection.close()
        return Restored()

    def _write(self, statement: str, values: tuple[Any, ...]) -> bool:
        with self._mutex:
            if self._closed:
                return False
            try:
                if self._connection is None:
                    self._connection = self._connect()
                self._connection.execute(statement, values)
            except (sqlite3.Error, OSError, ValueError) as error:
                self._close()
                self._failed(error)
                return False
            if not self._writable:
                log.info("state can be written again", path=str(self._path))
            self._writable = True
            return True

    def _failed(self, error: Exception) -> None:
        self.failed_writes += 1
        if self._writable:
            log.error(
                "state cannot be written; metrics go on, but a restart may lose counts: check space and permissions",
                path=str(self._path),
                error=str(error),
            )
        self._writable = False

    def _set_aside(self, now: float, error: Exception) -> None:
        aside = self._path.with_name(f"state.db.aside-{int(now)}")
        log.error("state cannot be read: set aside, counting starts anew", moved_to=str(aside), error=str(error))
        with suppress(OSError):
            self._path.replace(aside)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(f"state.db{suffix}").unlink(missing_ok=True)
        for old in sorted(self.folder.glob("state.db.aside-*"))[:-KEPT_ASIDE]:
            old.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


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


def _prepare(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 1:
        connection.executescript(f"BEGIN; {_SINCE_1} PRAGMA user_version = {VERSION}; COMMIT;")
        version = VERSION
    if version not in (0, VERSION):
        raise ValueError(f"its version is {version}, this exporter knows {VERSION}")
    if version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise ValueError("it is not ours")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    if version == 0:
        connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")


def _restored(connection: sqlite3.Connection) -> Restored:
    snapshots = connection.execute("SELECT key, snapshot FROM job WHERE snapshot <> ''")
    cut_off = connection.execute("SELECT key FROM job WHERE running")
    waits = connection.execute("SELECT name, until, mark FROM wait")
    return Restored(
        snapshots={key: at_rest(load(json.loads(text))) for key, text in snapshots},
        cut_off=frozenset(key for (key,) in cut_off),
        waits={name: Wait(until, mark) for name, until, mark in waits},
    )


def _unnamed(restored: Restored) -> Restored:
    """The same without any name."""
    snapshots = {key: at_rest(unnamed(rest.whole())) for key, rest in restored.snapshots.items()}
    return replace(restored, snapshots=snapshots)
