"""What survives a restart: the snapshot of each job and the waits, kept in one SQLite file in `state.path`.

There is one row per job, with its whole snapshot as JSON, and one row per wait (a quota pool's limit, a rejected
credential, what was discovered and until when it is kept). The file never holds a credential or a URL; a rejected
credential is recognized by a salted fingerprint.
People are stored by id, which their requests are counted by, and by name only in the form that `privacy` shows; opening
a file brings it into that form.

A file that cannot be read is set aside and counting starts again; a row that cannot be read costs only that row. If the
folder cannot be locked or written, the cause is logged once, failed writes are counted, and the exporter goes on from
memory; it writes nothing without the lock. Only a second exporter on the same folder is refused.

Changes that others make to the folder are noticed before each write and by `watch` (`state_file.py`): then the whole
state is written again, from the file that is still open, else from memory.
"""

import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import structlog

from exporter.exposition.snapshot import Snapshot
from exporter.privacy import Naming, UserNames
from exporter.state.file_systems import fix, reason
from exporter.state.folder import StateLockedError
from exporter.state.health import StateHealth
from exporter.state.names import STATE_FILE
from exporter.state.renaming import Renamed, nameless
from exporter.state.rows import (
    UNREADABLE,
    Restored,
    Wait,
    all_renamed,
    count_cut_off,
    drop,
    drop_ended_waits,
    erase,
    is_broken,
    is_sound,
    naming_of,
    old_jobs,
    read_snapshot,
    rename_rows,
    restored,
    salt_of,
    write_head,
)
from exporter.state.snapshot_json import dump, in_pieces
from exporter.state.state_file import BUSY_TIMEOUT, StateFile

__all__ = ["Restored", "State", "StateLockedError", "Wait"]

Result = TypeVar("Result")

log = structlog.get_logger(__name__)

RETRY_AFTER = 15.0
"""Seconds after which `watch` tries again to write what cannot be written."""

_BEGIN = """INSERT INTO job VALUES (?1, ?2, 1, '')
ON CONFLICT (key) DO UPDATE SET saved = ?2, running = MAX(running, 1)"""
_NO_CHANGE = "UPDATE naming SET choice = choice", ()
"""A write that changes no row: it only runs the steps that precede every write."""
_FAILURES = (sqlite3.Error, OSError, StateLockedError, *UNREADABLE)


class State:
    """The state of one exporter. Writes return False if they fail. All methods block: call them from a thread."""

    def __init__(self, folder: Path, choice: UserNames = "login", renamed: Renamed = nameless) -> None:
        """`choice` is how people are shown; snapshots saved under another choice are `renamed` (job key, snapshot)."""
        self.folder, self._choice, self._renamed = folder, choice, renamed
        self.failed_writes = 0
        self.problem = ""
        """Why state cannot be written now, and what to do about it."""
        self.failed_at = 0.0
        """When a write last failed, epoch seconds."""
        self.changes_by_others = 0
        self.incident = ""
        """What happened to the saved state, or what others did to its folder, and what to do about it."""
        self.salt = secrets.token_bytes(16)
        self._file = StateFile(folder)
        self._now = self._tried_at = 0.0
        self._saved: set[str] = set()
        self._running: set[str] = set()
        self._waits: dict[str, Wait] = {}
        self._mutex = threading.Lock()
        self._closed = False

    @property
    def health(self) -> StateHealth:
        """The health for the status page and the metrics; known from the start, and without access to the disk."""
        return StateHealth(
            problem=self.problem,
            incident=self.incident,
            failed_writes=self.failed_writes,
            failed_at=self.failed_at,
            changes_by_others=self.changes_by_others,
        )

    @property
    def naming(self) -> Naming:
        """How people are shown, keyed with the folder's own secret."""
        return Naming(self._choice, self.salt)

    def open(self, now: float) -> Restored:
        """Lock the folder and read everything; raises `StateLockedError`, and nothing else."""
        self._now = now
        try:
            self._file.lock(now)
            result = self._set_aside_if_broken(self._read)
        except (sqlite3.Error, OSError, *UNREADABLE) as error:
            self._file.close()
            self._note_failure(error)
            result = self._read_only(at_start=True)
        self._saved = set(result.snapshots)
        self._waits = dict(result.waits)
        return result

    def restored(self) -> Restored:
        """What the file holds now, also while it cannot be written."""
        with self._mutex, suppress(sqlite3.Error):
            if self._file.connection is None:
                return self._read_only()
            return restored(self._file.connection)
        return Restored()

    def rename(self, choice: UserNames) -> None:
        """Store people as `choice` shows them from now on; while nothing can be written, from the next write on."""
        self._choice = choice
        self._write(*_NO_CHANGE)

    def snapshot(self, job: str) -> Snapshot | None:
        """The saved snapshot of a job; None if there is none, or if it cannot be read."""
        with self._mutex, suppress(sqlite3.Error, *UNREADABLE):
            if self._file.connection is None:
                return self._read_only().load(job)
            return read_snapshot(self._file.connection, job)
        return None

    def unsaved(self, jobs: Iterable[str]) -> list[str]:
        """Those of the jobs whose newest snapshot is not in the file, if the file can be written."""
        return [] if self.problem else [job for job in jobs if job not in self._saved]

    def begin(self, job: str, now: float) -> bool:
        """Note that a run of the job has begun: if it is cut off, the job is due at once after a restart."""
        self._now = now
        self._running.add(job)
        return self._write(_BEGIN, (job, now))

    def save(self, job: str, snapshot: Snapshot, now: float, *, ended: bool) -> bool:
        """Save a job's snapshot; `ended` tells that its run ended, not only that a series may move."""
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
        """Save a wait."""
        self._waits[name] = wait
        return self._write("INSERT OR REPLACE INTO wait VALUES (?, ?, ?)", (name, wait.until, wait.mark))

    def forget(self, now: float, running: Iterable[str]) -> None:
        """Drop the jobs that are not `running` and were not saved for longer than GitHub keeps their data."""
        self._write(*old_jobs(now, running))

    def watch(self, now: float, *, patient: bool = True) -> None:
        """Check whether others have changed the folder; if so, write the state again.

        While it cannot be written, that is tried from time to time; now, if not `patient`.
        """
        self._now = now
        if self.problem and patient and abs(now - self._tried_at) < RETRY_AFTER:
            return
        self._tried_at = now
        if self.problem or self._file.displaced or self._is_changed():
            self._write(*_NO_CHANGE)

    def checkpoint(self) -> None:
        """Move everything into the one file, which does not change afterwards until something is written.

        A run that an ordinary stop cuts off does not count as one that ended the exporter.
        """
        self.watch(self._now)
        with self._mutex, suppress(sqlite3.Error, OSError):
            if self._file.connection is not None:
                self._file.connection.execute("UPDATE job SET running = 1 WHERE running > 1")
                self._file.checkpoint()

    def close(self) -> None:
        """Close the file and unlock the folder."""
        with self._mutex:
            self._closed = True
            self._file.close()
            self._file.release()

    def _is_changed(self) -> bool:
        with self._mutex:
            return self._file.is_changed()

    def _set_aside_if_broken(self, attempt: Callable[[], Result]) -> Result:
        """The result of an attempt to read the file; a broken file is set aside, and the attempt repeated."""
        try:
            return attempt()
        except (sqlite3.Error, *UNREADABLE) as error:
            self._file.close()
            if not is_broken(error):
                raise
            self.incident = self._file.set_aside(error, self._now)
        return attempt()

    def _connect(self) -> sqlite3.Connection:
        return self._file.connect(0.0 if self.problem else BUSY_TIMEOUT)

    def _read(self) -> Restored:
        connection = self._connect()
        if not is_sound(connection):
            raise ValueError("it is damaged")
        self.salt = salt_of(connection) or self.salt  # at the start only: pseudonyms must not change while we run
        drop_ended_waits(connection, self._now)
        count_cut_off(connection)
        result = restored(connection)
        if result.unreadable:
            self._drop_rows(connection, result)
        if self._take_over(connection):
            result = restored(connection)
        self._file.note_opened()
        return result

    def _take_over(self, connection: sqlite3.Connection) -> bool:
        """In one transaction, write what memory has besides the snapshots, and rename people to the current choice.

        Returns whether snapshots were saved under another choice, or with another salt, and so were rewritten.
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
            self._file.note_shrunk()
        return is_other

    def _drop_rows(self, connection: sqlite3.Connection, result: Restored) -> None:
        """Drop rows that cannot be read, after a copy of the file was set aside."""
        aside = self._file.copy_aside(self._now)
        drop(connection, result.unreadable)
        log.error(
            "rows of the state cannot be read: they begin anew, all others go on; a copy of the file is set aside",
            moved_to=str(aside),
            rows=len(result.unreadable),
            first=next(iter(result.unreadable.values())),
        )

    def _read_only(self, *, at_start: bool = False) -> Restored:
        """What can be read from a folder that cannot be written."""

        def read(connection: sqlite3.Connection) -> Restored:
            if at_start:  # pseudonyms must not change while we run
                self.salt = salt_of(connection) or self.salt
            result = restored(connection)
            is_named = naming_of(connection) == self.naming.fingerprint
            return result if is_named else all_renamed(result, self._renamed)

        return self._file.read_only(read) or Restored()

    def _write(self, statement: str, values: tuple[Any, ...]) -> bool:
        with self._mutex:
            if self._closed:
                return False
            try:
                self._ready().execute(statement, values)
                self._file.note_written()
            except _FAILURES as error:
                self._give_up(error)
                return False
            if self.problem:
                log.info("state can be written again", path=str(self._file.path))
            self.problem = ""
            return True

    def _ready(self) -> sqlite3.Connection:
        """The connection, after the folder is locked and the file is known to be the one that we wrote."""
        file = self._file
        changes = file.changes()
        if changes and not file.displaced:
            self.changes_by_others += 1
            self.incident = file.report(changes)
        file.hold(changes, self._now)
        displaced = file.displaced
        if file.connection is not None and displaced:
            file.replace(self._now)
        connection = file.connection
        if connection is None:
            connection = self._set_aside_if_broken(self._connect)
            self._take_over(connection)
            self._saved.clear()
            file.displaced = ""
        elif naming_of(connection) != self.naming.fingerprint:
            self._take_over(connection)
        if displaced:
            log.info("the state was written anew as a whole", because=displaced, path=str(file.path))
        return connection

    def _give_up(self, error: Exception) -> None:
        """After a failed write: close the file, unless it is still needed to replace a displaced or damaged one."""
        file = self._file
        if not file.displaced and is_broken(error) and file.connection is not None:
            file.connection.rollback()
            file.displaced = f"{STATE_FILE} is damaged: {error}"
        elif not file.displaced:
            file.close()
        self._note_failure(error)

    def _note_failure(self, error: Exception) -> None:
        self.failed_writes += 1
        self.failed_at = self._now
        cause = reason(error).removeprefix(f"{self.folder}: ")
        problem = "; ".join(text for text in (f"{self.folder}: {cause}", fix(error)) if text)
        if not self.problem:
            log.error("state cannot be written; metrics go on, but a restart may lose counts", problem=problem)
        self.problem = problem
