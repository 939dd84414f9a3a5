"""The state folder: the lock on it, the files that may be in it, and whether others have changed them.

Other programs can create or delete anything there while the exporter runs. Whatever has one of our names and is not a
regular file is moved away before anything is opened: a symbolic link would lead elsewhere, and opening a FIFO blocks.
"""

import fcntl
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import structlog

from exporter.regular_files import kind_of, open_regular
from exporter.state.file_systems import LocksRefused, NotMoved
from exporter.state.names import DATABASE, LEFTOVERS, LOCK, LOG, NEW_STATE, STATE_FILE, SUFFIXES

log = structlog.get_logger(__name__)

KEPT_ASIDE = 3
"""How many files of one name are kept under other names."""

_FILES = tuple(f"{name}{suffix}" for name in (STATE_FILE, NEW_STATE) for suffix in SUFFIXES)
_LOCK_ATTEMPTS = 5

FileIdentity = tuple[int, ...]
"""Device and inode; of the database also size and time of the last change."""


class StateLockedError(Exception):
    """Another exporter uses the same folder."""


class StateFolder:
    """The folder, locked by one process. All methods raise `OSError`; `lock` also `StateLockedError`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: list[int] = []
        self._opened: dict[str, FileIdentity] = {}

    def lock(self, now: float) -> None:
        """Lock the folder; lock it again if it or its lock file was replaced."""
        if self._held and not self._change("", self._opened[""]):
            os.close(self._held.pop())  # the lock on the folder itself stays: no other exporter gets it
        else:
            self.release()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            if not self._held:
                self._lock_folder()
            self._lock_file(now)
            self.check_locks()
            self.move_foreign(now)
            self._remove_leftovers()
        except BaseException:
            self.release()
            raise
        self._note(("", LOCK))

    def release(self) -> None:
        """Unlock the folder."""
        for file in self._held:
            os.close(file)
        self._held.clear()
        self._opened.clear()

    @property
    def held(self) -> bool:
        """Whether this process has locked the folder."""
        return bool(self._held)

    def check_locks(self) -> None:
        """Check whether SQLite can lock files here; raises `LocksRefused`.

        SQLite would take a refusal for another program's lock, and wait 10 s for its release.
        """
        lock_file = self._held[-1]
        try:
            fcntl.lockf(lock_file, fcntl.LOCK_SH | fcntl.LOCK_NB, 1)
            fcntl.lockf(lock_file, fcntl.LOCK_UN, 1)
        except (BlockingIOError, PermissionError):
            pass  # where flock uses the same kind of lock, ours is in the way: locks work
        except OSError as error:
            raise LocksRefused(self.path, error) from None

    def move_foreign(self, now: float) -> None:
        """Move away whatever has one of our names and is not a regular file."""
        for name in _FILES:
            self._move_if_foreign(name, now)

    def note_database(self) -> None:
        """Remember the database files as they are now, after we changed the file itself."""
        self._note(DATABASE)

    def note_new(self) -> None:
        """Remember new database files: a write creates the log, and does not change the file."""
        self._note([name for name in DATABASE if name not in self._opened])

    def log_size(self) -> int | None:
        """Bytes of SQLite's log; None on a file system where SQLite uses none, so that each write changes the file."""
        with suppress(FileNotFoundError):
            return (self.path / LOG).lstat().st_size
        return None

    def forget_database(self) -> None:
        """Forget the database files: none is open, so others may change them."""
        for name in DATABASE:
            self._opened.pop(name, None)

    def is_unchanged(self, name: str) -> bool:
        """Whether a file is remembered, and is still the same."""
        return name in self._opened and not self._change(name, self._opened[name])

    def changes(self) -> dict[str, str]:
        """What others did to the remembered files: `{"state.db": "was deleted"}`; "" is the folder itself.

        The folder is checked last, because it may be deleted while its files are checked.
        """
        opened = sorted(self._opened.items(), reverse=True)
        return {name: change for name, was in opened if (change := self._change(name, was))}

    def set_aside(self, name: str, now: float, label: str = "") -> Path:
        """Rename something to `NAME.aside-TIME`, with `label` in place of its name if given; returns the new path.

        The newest `KEPT_ASIDE` of a name are kept: those whose names sort last, because the time is in them.
        """
        label, number = label or name, int(now)
        while os.path.lexists(aside := self.path / f"{label}.aside-{number}"):
            number += 1
        (self.path / name).rename(aside)
        for old in sorted(self.path.glob(f"{label}.aside-*"))[:-KEPT_ASIDE]:
            with suppress(OSError):  # a folder that is not empty stays
                old.rmdir() if stat.S_ISDIR(old.lstat().st_mode) else old.unlink()
        return aside

    def remove(self, name: str, *, only_beside: bool = False) -> None:
        """Remove a database and the files that SQLite puts beside it, or only the latter."""
        for suffix in SUFFIXES[only_beside:]:
            (self.path / f"{name}{suffix}").unlink(missing_ok=True)

    def foreign(self) -> str:
        """The first of our names that is not a regular file, and what it is; empty if there is none."""
        for name in _FILES:
            with suppress(FileNotFoundError):
                if kind := kind_of((self.path / name).lstat().st_mode):
                    return f"{name} is {kind}"
        return ""

    def _remove_leftovers(self) -> None:
        for name in LEFTOVERS:
            with suppress(OSError):
                (self.path / name).unlink()

    def _lock_folder(self) -> None:
        """Lock the folder itself, where the system can: this lock survives the removal of the lock file."""
        with suppress(OSError):
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._held.append(folder)
            self._flock(folder)

    def _lock_file(self, now: float) -> None:
        for _ in range(_LOCK_ATTEMPTS):
            self._move_if_foreign(LOCK, now)
            file = open_regular(self.path / LOCK, os.O_RDWR | os.O_CREAT, follow=False)
            self._held.append(file)
            try:
                self._flock(file)
            except OSError as error:
                raise LocksRefused(self.path, error) from None
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), (self.path / LOCK).lstat()):
                    return
            os.close(self._held.pop())  # the file was replaced meanwhile
        raise OSError(f"another program replaces the file `{LOCK}` again and again")

    def _flock(self, file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateLockedError(f"{self.path}: another exporter uses this state folder") from None

    def _move_if_foreign(self, name: str, now: float) -> None:
        try:
            kind = kind_of((self.path / name).lstat().st_mode)
        except FileNotFoundError:
            return
        if kind:
            try:
                aside = self.set_aside(name, now)
            except OSError as error:
                raise NotMoved(name, kind, error) from None
            log.error(
                "a file of the exporter's is not a regular file: set aside; find out which program puts it there",
                path=str(self.path / name),
                kind=kind,
                moved_to=str(aside),
            )

    def _note(self, names: Iterable[str]) -> None:
        for name in names:
            with suppress(FileNotFoundError):
                now, was = self._identity(name), self._opened.get(name)
                # We did not write another file, or a smaller database: SQLite frees no page by itself.
                if was is None or (was[:2] == now[:2] and was[2:3] <= now[2:3]):
                    self._opened[name] = now

    def _identity(self, name: str) -> FileIdentity:
        """The identity of a file; only the database's holds size and time, because only we write it."""
        status = (self.path / name).lstat() if name else self.path.stat()
        last = (status.st_size, status.st_mtime_ns) if name == STATE_FILE else ()
        return (status.st_dev, status.st_ino, *last)

    def _change(self, name: str, was: FileIdentity) -> str:
        try:
            now = self._identity(name)
        except (FileNotFoundError, NotADirectoryError):
            return "was deleted"
        if now[:2] != was[:2]:
            return "was replaced"
        return "was changed by another program" if now != was else ""
