"""What survives a restart: one SQLite file in `state.path`, written before anyone can see what it holds.

One row per job with its whole snapshot as JSON, one row per wait (a quota pool's limit, a rejected credential). No
credential and no URL is ever in it; a rejected credential is known by a salted fingerprint. People are in it by id, for
that is what is counted by, and by name only as `privacy` shows them; whatever opens the file brings it into that form.

A file that cannot be read is set aside and counting starts clean; a row that cannot be read costs that row. A folder
that cannot be locked or written is logged once with its cause and counted, and the exporter goes on from memory:
nothing is written without the lock. Only a second exporter on the same folder is refused.

What others do to the folder while we run is seen before each write, and by `watch`: the whole state is written anew,
from the file that we still have open, else from memory.
"""

import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import structlog

from exporter.exposition.snapshot import Snapshot
from exporter.privacy import Naming, UserNames
from exporter.regular_files import open_regular
from exporter.state.file_systems import fix, reason
from exporter.state.folder import KEPT_ASIDE, LOCK, NEW_STATE, STATE_FILE, StateFolder, StateLockedError
from exporter.state.health import StateHealth
from exporter.state.renaming import Renamed, nameless
from exporter.state.rows import (
    UNREADABLE,
    VERSION,
    Restored,
    Wait,
    all_renamed,
    drop,
    drop_foreign,
    erase,
    in_pieces,
    is_broken,
    is_sound,
    naming_of,
    prepare,
    read_snapshot,
    rename_rows,
    restored,
    salt_of,
    write_head,
)
from exporter.state.snapshot_json import dump

__all__ = ["KEPT_ASIDE", "Restored", "State", "StateLockedError", "Wait"]

log = structlog.get_logger(__name__)

PATIENCE = 1.0
"""Seconds for a program that looks into the file beside us. The lock on the folder keeps other exporters away."""
LONGEST_LOG = 4 * 1024 * 1024
"""Bytes of writes that are not in the file yet. Only then do we change it: any other change of it is by others."""
RETRY_AFTER = 15.0
"""Seconds after which `watch` tries again to write what cannot be written."""
FORGET_JOBS_AFTER = 32 * 86400  # GitHub forgets after 31 days; what is older can only begin anew

_BEGIN = """INSERT INTO job VALUES (?1, ?2, 1, '')
ON CONFLICT (key) DO UPDATE SET saved = ?2, running = MAX(running, 1)"""
_NOTHING = "UPDATE naming SET choice = choice", ()
"""A write that changes nothing, but for what every write sees to."""
_FAILURES = (sqlite3.Error, OSError, StateLockedError, *UNREADABLE)
_KEEP_AWAY = "keep other programs away from the folder; stop the exporter before you restore a backup"


class State:
    """The file. Its methods block: call them from a worker thread. Writes tell by False that they failed."""

    def __init__(self, folder: Path, choice: UserNames = "login", renamed: Renamed = nameless) -> None:
        """`choice` is how people are shown; what was kept under another one is `renamed` (job key, snapshot)."""
        self.folder, self._choice, self._renamed = folder, choice, renamed
        self.failed_writes = 0
        self.problem = ""
        """Why state cannot be written now, and what to do about it."""
        self.failed_at = 0.0
        """When a write last failed, epoch seconds."""
        self.incident = ""
        """What happened to the state that was kept, or what others did to its folder, and what to do about it."""
        self.salt = secrets.token_bytes(16)
        self._path = folder / STATE_FILE
        self._place = StateFolder(folder)
        self._displaced = ""
        """What others did to the database, until it is written anew."""
        self._now = self._tried_at = 0.0
        self._saved: set[str] = set()
        self._running: set[str] = set()
        self._waits: dict[str, Wait] = {}
        self._connection: sqlite3.Connection | None = None
        self._mutex = threading.Lock()
        self._closed = False

    @property
    def health(self) -> StateHealth:
        """For the status page and the metrics: from the start on, and without looking at the disk."""
        return StateHealth(self.problem, self.incident, self.failed_writes, self.failed_at)

    @property
    def naming(self) -> Naming:
        """How people are shown, keyed with the folder's own secret."""
        return Naming(self._choice, self.salt)

    def open(self, now: float) -> Restored:
        """Lock the folder and read all; raises `StateLockedError`, and nothing else."""
        self._now = now
        try:
            self._place.lock(now)
            result = self._read_or_set_aside()
        except (sqlite3.Error, OSError, *UNREADABLE) as error:
            self._close()
            self._failed(error)
            result = self._read_only()
        self._saved = set(result.snapshots)
        self._waits = dict(result.waits)
        return result

    def restored(self) -> Restored:
        """What is kept now."""
        with self._mutex, suppress(sqlite3.Error):
            if self._connection is not None:
                return restored(self._connection)
        return Restored()

    def rename(self, choice: UserNames) -> None:
        """Keep people as `choice` shows them from now on; while nothing can be written, from the next write on."""
        self._choice = choice
        self._write(*_NOTHING)

    def snapshot(self, job: str) -> Snapshot | None:
        """What is kept of a job; None if that is nothing, or cannot be read."""
        with self._mutex, suppress(sqlite3.Error, *UNREADABLE):
            if self._connection is not None:
                return read_snapshot(self._connection, job)
        return None

    def unsaved(self, jobs: Iterable[str]) -> list[str]:
        """Those of the jobs whose newest snapshot is not in the file, which can be written."""
        return [] if self.problem else [job for job in jobs if job not in self._saved]

    def begin(self, job: str, now: float) -> bool:
        """Note that a run of the job has begun: if it is cut off it is due at once after a restart."""
        self._now = now
        self._running.add(job)
        return self._write(_BEGIN, (job, now))

    def save(self, job: str, snapshot: Snapshot, now: float, *, ended: bool) -> bool:
        """Keep a job's snapshot; `ended` tells that its run ended, not only that a series may move."""
        self._now = now
        if ended:
            self._running.discard(job)
        text = "".join(in_pieces(dump(snapshot)))
        is_written = self._write(
            "INSERT INTO job VALUES (?1, ?2, 0, ?3) ON CONFLICT (key) DO UPDATE"
            " SET saved = ?2, snapshot = ?3, running = CASE WHEN ?4 THEN 0 ELSE running END",
            (job, now, text, ended),
        )
        (self._saved.add if is_written else self._saved.discard)(job)
        return is_written

    def wait(self, name: str, wait: Wait) -> bool:
        """Keep a wait."""
        self._waits[name] = wait
        return self._write("INSERT OR REPLACE INTO wait VALUES (?, ?, ?)", (name, wait.until, wait.mark))

    def forget(self, now: float) -> None:
        """Drop the jobs that nobody saved for longer than GitHub remembers."""
        self._now = now
        self._write("DELETE FROM job WHERE saved < ?", (now - FORGET_JOBS_AFTER,))

    def watch(self, now: float) -> None:
        """See whether others have changed the folder, and write the state anew if so."""
        self._now = now
        if self.problem and abs(now - self._tried_at) < RETRY_AFTER:
            return
        self._tried_at = now
        if self.problem or self._displaced or self._is_changed():
            self._write(*_NOTHING)

    def settle(self) -> None:
        """Bring all into the one file, which does not change any more then unless something is written.

        Runs that an ordinary stop cuts off are suspected of nothing.
        """
        self.watch(self._now)
        with self._mutex, suppress(sqlite3.Error, OSError):
            if self._connection is not None:
                self._connection.execute("UPDATE job SET running = 1 WHERE running > 1")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._place.note_database()

    def close(self) -> None:
        """Close the file and give the folder free."""
        with self._mutex:
            self._closed = True
            self._close()
            self._place.release()

    def _is_changed(self) -> bool:
        with self._mutex:
            try:
                return bool(self._place.changes())
            except OSError:  # the write will say why
                return True

    def _read_or_set_aside(self) -> Restored:
        try:
            return self._read()
        except (sqlite3.Error, *UNREADABLE) as error:
            self._close()
            if not is_broken(error):
                raise
            self._set_aside(error)
            return self._read()

    def _connect(self) -> sqlite3.Connection:
        file = open_regular(self._path, os.O_RDWR | os.O_CREAT, follow=False)
        with suppress(OSError):  # a share may know no modes
            os.fchmod(file, 0o600)
        os.close(file)
        patience = 0.0 if self.problem else PATIENCE
        connection = sqlite3.connect(self._path, timeout=patience, isolation_level=None, check_same_thread=False)
        try:
            prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _read(self) -> Restored:
        connection = self._connection = self._connect()
        if not is_sound(connection):
            raise ValueError("it is damaged")
        self.salt = salt_of(connection) or self.salt  # at the start only: pseudonyms must not change while we run
        connection.execute("DELETE FROM job WHERE saved < ?", (self._now - FORGET_JOBS_AFTER,))
        connection.execute("DELETE FROM wait WHERE until < ?", (self._now,))
        # `running` is 1 in the exporter that began the run, and one more after each start that found it cut off.
        connection.execute("UPDATE job SET running = running + 1 WHERE running")
        result = restored(connection)
        if result.unreadable:
            self._drop_rows(connection, result)
        if self._take_over(connection):
            result = restored(connection)
        self._place.note_database()
        return result

    def _take_over(self, connection: sqlite3.Connection) -> bool:
        """Make all but the snapshots what memory has, and name people as now: all of it or none.

        Tells whether snapshots were kept under another choice, or with another salt: they were written anew.
        """
        is_other = naming_of(connection) != self.naming.fingerprint
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            if is_other:
                rename_rows(connection, self._renamed)
            write_head(connection, self.salt, self.naming.fingerprint, dict(self._waits))
            connection.executemany(_BEGIN, [(job, self._now) for job in list(self._running)])
        if is_other:
            erase(connection)
            self._place.forget_database()  # it is smaller now
            self._place.note_database()
        return is_other

    def _drop_rows(self, connection: sqlite3.Connection, result: Restored) -> None:
        """Drop rows that cannot be read, and keep a copy of the file as it was."""
        self._copy(connection)
        aside = self._place.set_aside(NEW_STATE, self._now, STATE_FILE)
        drop(connection, result.unreadable)
        log.error(
            "rows of the state cannot be read: they begin anew, all others go on; a copy of the file is set aside",
            moved_to=str(aside),
            rows=len(result.unreadable),
            first=next(iter(result.unreadable.values())),
        )

    def _read_only(self) -> Restored:
        """What can be had from a folder that cannot be written."""
        with suppress(OSError):
            if self._place.foreign():
                return Restored()
        for mode in ("mode=ro", "mode=ro&immutable=1"):
            with suppress(sqlite3.Error, *UNREADABLE):
                connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?{mode}", timeout=0.0, uri=True)
                with closing(connection):
                    if connection.execute("PRAGMA user_version").fetchone()[0] == VERSION:
                        self.salt = salt_of(connection) or self.salt
                        result = restored(connection)
                        return (
                            result
                            if naming_of(connection) == self.naming.fingerprint
                            else all_renamed(result, self._renamed)
                        )
        return Restored()

    def _write(self, statement: str, values: tuple[Any, ...]) -> bool:
        with self._mutex:
            if self._closed:
                return False
            try:
                connection = self._ready()
                connection.execute(statement, values)
                self._place.note_new()
                size = self._place.log_size()
                if size is None or size > LONGEST_LOG:
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                    self._place.note_database()
            except _FAILURES as error:
                if not self._displaced and is_broken(error) and self._connection is not None:
                    self._connection.rollback()
                    self._displaced = f"{STATE_FILE} is damaged: {error}"  # written anew with the next write
                elif not self._displaced:
                    self._close()
                self._failed(error)
                return False
            if self.problem:
                log.info("state can be written again", path=str(self._path))
            self.problem = ""
            return True

    def _ready(self) -> sqlite3.Connection:
        """The connection, once the folder is held and the file is the one that we wrote."""
        changes = self._place.changes()
        if changes and not self._displaced:
            self._notice(changes)
        if not self._place.held or "" in changes or LOCK in changes:
            self._place.lock(self._now)
        else:
            self._place.check_locks()
        displaced = self._displaced
        if self._connection is not None and displaced:
            self._replace_file(self._connection)
        if self._connection is None:
            self._connection = self._connect_anew()
            self._take_over(self._connection)
            self._saved.clear()
            self._displaced = ""
        elif naming_of(self._connection) != self.naming.fingerprint:
            self._take_over(self._connection)
        if displaced:
            log.info("the state was written anew as a whole", because=displaced, path=str(self._path))
        return self._connection

    def _connect_anew(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except (sqlite3.Error, *UNREADABLE) as error:
            if not is_broken(error):
                raise
            self._set_aside(error)
            return self._connect()

    def _notice(self, changes: Mapping[str, str]) -> None:
        """Count and say what others did to the folder."""
        shown = {"": changes[""]} if "" in changes else changes
        what = ", ".join(f"{name or 'the folder'} {change}" for name, change in shown.items())
        self.failed_writes += 1
        self.failed_at = self._now
        self.incident = f"{self.folder}: {what} while the exporter ran; {_KEEP_AWAY}"
        log.error("the state folder was changed by others: state is written anew", problem=self.incident)
        if shown.keys() != {LOCK}:
            self._displaced = what

    def _replace_file(self, old: sqlite3.Connection) -> None:
        """Put a copy of what `old` still reads in the place of the file, or nothing if that is damaged; close `old`."""
        self._place.move_foreign(self._now)
        is_copied = self._copied(old)
        if os.path.lexists(self._path) and not (is_copied and self._place.is_unchanged(STATE_FILE)):
            aside = self._place.set_aside(STATE_FILE, self._now)
            log.error("what lay in the place of the state was set aside", moved_to=str(aside))
        if is_copied:
            (self.folder / NEW_STATE).replace(self._path)
        self._close()  # it removes `state.db-wal` by its name: before there is a new one
        self._place.remove(STATE_FILE, only_beside=True)
        self._displaced = ""

    def _copied(self, old: sqlite3.Connection) -> bool:
        """Copy what the old connection still reads; raises `sqlite3.Error` if the copy cannot be written."""
        try:
            if not is_sound(old):
                return False
        except sqlite3.Error:
            return False
        return self._copy(old)

    def _copy(self, source: sqlite3.Connection) -> bool:
        """Copy the database beside itself; whether the copy is sound."""
        self._place.remove(NEW_STATE)
        path = self.folder / NEW_STATE
        os.close(open_regular(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, follow=False))
        with closing(sqlite3.connect(path, isolation_level=None)) as copy:
            source.backup(copy)
            drop_foreign(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # else a part of it would lie in another file
            return is_sound(copy)

    def _failed(self, error: Exception) -> None:
        self.failed_writes += 1
        self.failed_at = self._now
        cause = reason(error).removeprefix(f"{self.folder}: ")
        problem = "; ".join(text for text in (f"{self.folder}: {cause}", fix(error)) if text)
        if not self.problem:
            log.error("state cannot be written; metrics go on, but a restart may lose counts", problem=problem)
        self.problem = problem

    def _set_aside(self, error: Exception) -> None:
        """Move the file away; raises `OSError`."""
        aside = self._place.set_aside(STATE_FILE, self._now)
        log.error("state cannot be read: set aside, counting starts anew", moved_to=str(aside), error=str(error))
        self.incident = (
            f"The state could not be read ({error}) and was set aside as {aside}: counting began anew. To go on with "
            f"an older state stop the exporter, put a copy that is whole at {self._path} and start it"
        )
        self._place.remove(STATE_FILE, only_beside=True)

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
        self._place.forget_database()
