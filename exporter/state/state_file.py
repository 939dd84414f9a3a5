"""The SQLite file of the state, in a folder that other programs may change while the exporter runs.

Before each write the file and the folder are compared with what was opened. After a change by others the file is
replaced with a copy of the one that is still open. If that one is damaged, no file is left, and the caller writes it
from memory.
"""

import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

import structlog

from exporter.regular_files import kind_of, open_regular
from exporter.state.folder import StateFolder
from exporter.state.names import LOCK, NEW_STATE, STATE_FILE
from exporter.state.rows import UNREADABLE, VERSION, drop_foreign, is_sound, prepare

Content = TypeVar("Content")

log = structlog.get_logger(__name__)

BUSY_TIMEOUT = 1.0
"""Seconds to wait for another program that reads the file. The lock on the folder keeps other exporters away."""
LONGEST_LOG = 4 * 1024 * 1024
"""Bytes of SQLite's log of writes. The file itself changes only when the log is moved into it, which we do alone."""

_FAILURES = (sqlite3.Error, OSError, *UNREADABLE)
_KEEP_AWAY = "keep other programs away from the folder; stop the exporter before you restore a backup"


class StateFile:
    """The file of one process. Its methods raise `sqlite3.Error`, `OSError` and `StateLockedError`."""

    def __init__(self, folder: Path) -> None:
        """Open nothing yet."""
        self.path = folder / STATE_FILE
        self.connection: sqlite3.Connection | None = None
        self.displaced = ""
        """What others did to the file, until it is written again."""
        self._folder = StateFolder(folder)

    def lock(self, now: float) -> None:
        """Lock the folder for this process."""
        self._folder.lock(now)

    def release(self) -> None:
        """Unlock the folder."""
        self._folder.release()

    def connect(self, timeout: float = BUSY_TIMEOUT) -> sqlite3.Connection:
        """Open the file, or create it; `timeout` is how many seconds to wait for other programs."""
        file = open_regular(self.path, os.O_RDWR | os.O_CREAT, follow=False)
        with suppress(OSError):  # a network share may not support modes
            os.fchmod(file, 0o600)
        os.close(file)
        connection = sqlite3.connect(self.path, timeout=timeout, isolation_level=None, check_same_thread=False)
        try:
            prepare(connection)
        except BaseException:
            connection.close()
            raise
        self.connection = connection
        return connection

    def close(self) -> None:
        """Close the file."""
        if self.connection is not None:
            with suppress(sqlite3.Error):
                self.connection.close()
            self.connection = None
        self._folder.forget_database()

    def read_only(self, read: Callable[[sqlite3.Connection], Content]) -> Content | None:
        """What `read` gets from a file that cannot be locked or written; None if it cannot be read. Never raises."""
        with suppress(OSError):
            if self._folder.foreign():
                return None
        if self._folder.held:
            with (
                suppress(sqlite3.Error, OSError, *UNREADABLE),
                closing(_connect_on_a_full_disk(self.path)) as connection,
            ):
                return read(connection)
        with suppress(sqlite3.Error, OSError, *UNREADABLE), closing(connect_to_read(self.path)) as connection:
            return read(connection)
        return None

    def is_changed(self) -> bool:
        """Whether others have changed the file or its folder. Never raises."""
        try:
            return bool(self._folder.changes())
        except OSError:  # the next write reports the error
            return True

    def changes(self) -> dict[str, str]:
        """What others have done to the folder, as `StateFolder.changes` words it."""
        return self._folder.changes()

    def report(self, changes: Mapping[str, str]) -> str:
        """Log the changes of others and remember them as `displaced`; returns them as a sentence for the operator."""
        shown = {"": changes[""]} if "" in changes else changes
        what = ", ".join(f"{name or 'the folder'} {change}" for name, change in shown.items())
        incident = f"{self.path.parent}: {what} while the exporter ran; {_KEEP_AWAY}"
        log.error("the state folder was changed by others: state is written anew", problem=incident)
        if shown.keys() != {LOCK}:
            self.displaced = what
        return incident

    def hold(self, changes: Mapping[str, str], now: float) -> None:
        """Lock the folder again if the changes of others have removed the lock, else check the lock."""
        if not self._folder.held or "" in changes or LOCK in changes:
            self._folder.lock(now)
        else:
            self._folder.check_locks()

    def replace(self, now: float) -> None:
        """Replace the changed file with a copy of the open one, and close the open one.

        If the open file is damaged there is no copy, and no file is left.
        """
        self._folder.move_foreign(now)
        is_copied = self._is_readable() and self._copy()
        if os.path.lexists(self.path) and not (is_copied and self._folder.is_unchanged(STATE_FILE)):
            aside = self._folder.set_aside(STATE_FILE, now)
            log.error("the file that others put in the place of the state was set aside", moved_to=str(aside))
        if is_copied:
            (self.path.parent / NEW_STATE).replace(self.path)
        self.close()  # SQLite removes its log by name, so close before there is a new one
        self._folder.remove(STATE_FILE, only_beside=True)
        self.displaced = ""

    def set_aside(self, error: Exception, now: float) -> str:
        """Rename a file that cannot be read; returns what happened, as a sentence for the operator."""
        aside = self._folder.set_aside(STATE_FILE, now)
        log.error("state cannot be read: set aside, counting starts anew", moved_to=str(aside), error=str(error))
        self._folder.remove(STATE_FILE, only_beside=True)
        return (
            f"The state could not be read ({error}) and was set aside as {aside}: counting began anew. To go on with "
            f"an older state stop the exporter, put an undamaged copy at {self.path} and start it"
        )

    def copy_aside(self, now: float) -> Path:
        """Keep a copy of the open file as it is; returns the path of the copy."""
        self._copy()
        return self._folder.set_aside(NEW_STATE, now, STATE_FILE)

    def note_written(self) -> None:
        """After a write: note new files, and move SQLite's log into the file if the log is long."""
        assert self.connection is not None
        self._folder.note_new()
        size = self._folder.log_size()
        if size is None or size > LONGEST_LOG:
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._folder.note_database()

    def note_opened(self) -> None:
        """After the file was opened: note what it is, so that changes by others are noticed."""
        self._folder.note_database()

    def note_shrunk(self) -> None:
        """After a VACUUM: note the smaller file, which would otherwise be taken for a change by others."""
        self._folder.forget_database()
        self._folder.note_database()

    def checkpoint(self) -> None:
        """Move SQLite's whole log into the file, which does not change afterwards until something is written."""
        if self.connection is not None:
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._folder.note_database()

    def _is_readable(self) -> bool:
        try:
            return self.connection is not None and is_sound(self.connection)
        except sqlite3.Error:
            return False

    def _copy(self) -> bool:
        """Copy the open file beside itself; whether the copy is sound. Raises if the copy cannot be written."""
        assert self.connection is not None
        self._folder.remove(NEW_STATE)
        path = self.path.parent / NEW_STATE
        os.close(open_regular(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, follow=False))
        with closing(sqlite3.connect(path, isolation_level=None)) as copy:
            self.connection.backup(copy)
            drop_foreign(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # otherwise part of the copy would be in a second file
            return is_sound(copy)


def connect_to_read(path: Path, patience: float = 0.0) -> sqlite3.Connection:
    """Open a state file to read it, even while another process writes to it.

    Raises `sqlite3.Error` and `OSError`, and `ValueError` for a file of another kind or version.

    Without SQLite's log and its index, as in a folder that cannot be written, the file is read as it lies there.
    `patience` is how many seconds to wait where readers wait for writers; without any, a write is no reason to wait.
    """
    if kind := kind_of(path.stat().st_mode):  # opening a FIFO would wait
        raise ValueError(f"{path}: it is {kind}, no state file")
    try:
        return _connected(path, "mode=ro", patience)
    except sqlite3.Error as error:
        if patience and error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise
    return _connected(path, "mode=ro&immutable=1", patience)


def _connect_on_a_full_disk(path: Path) -> sqlite3.Connection:
    """Open a state file that nobody else may open, with all that SQLite's log has.

    Only with this lock SQLite keeps the index of the log in memory. It has no room on a full disk, and without an index
    `connect_to_read` reads the file as it was before the log.
    """
    return _connected(path, "mode=rw", 0.0, "PRAGMA locking_mode = EXCLUSIVE")


def _connected(path: Path, mode: str, patience: float, first: str = "") -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{mode}"
    connection = sqlite3.connect(uri, timeout=patience, isolation_level=None, uri=True)
    try:
        connection.execute(first)
        _check_version(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute("SELECT count(*) FROM sqlite_master")
    if version != VERSION:
        raise ValueError(f"{path}: its version is {version}, this exporter knows {VERSION}")
