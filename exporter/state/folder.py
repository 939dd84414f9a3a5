"""The folder of the state: who holds it, what may lie in it, and whether it is still what was opened.

Others can put anything there, or take it away while we run. What lies there under one of our names and is no regular
file is moved away before anything is opened: a symbolic link would lead elsewhere, a FIFO would be waited for.
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

log = structlog.get_logger(__name__)

STATE_FILE = "state.db"
KEPT_ASIDE = 3
LOCK = "lock"
NEW_STATE = f"{STATE_FILE}.new"
DATABASE = (STATE_FILE, f"{STATE_FILE}-wal", f"{STATE_FILE}-shm")
_SUFFIXES = ("", "-wal", "-shm", "-journal")
_FILES = tuple(f"{name}{suffix}" for name in (STATE_FILE, NEW_STATE) for suffix in _SUFFIXES)
LEFTOVERS = ("last-answer", "last-answer.new")
"""Files of older versions. They hold samples, with names of people that `privacy` may hide by now: they are removed."""
_TRIES = 5

FileIdentity = tuple[int, ...]


class StateLockedError(Exception):
    """Another exporter uses the same folder."""


class StateFolder:
    """The folder, as one process holds it. All methods raise `OSError`; `lock` also `StateLockedError`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: list[int] = []
        self._opened: dict[str, FileIdentity] = {}

    def lock(self, now: float) -> None:
        """Hold the folder, or hold it anew where it or its lock file was replaced."""
        if self._held and not self._change("", self._opened[""]):
            os.close(self._held.pop())  # the lock on the folder itself stays: nobody gets in between
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
        """Give the folder free."""
        for file in self._held:
            os.close(file)
        self._held.clear()
        self._opened.clear()

    @property
    def held(self) -> bool:
        """Whether this process holds it."""
        return bool(self._held)

    def check_locks(self) -> None:
        """See whether SQLite can lock; raises `LocksRefused`.

        It takes a refusal for a lock of another program, and waits 10 s for the end of that.
        """
        lock_file = self._held[-1]
        try:
            fcntl.lockf(lock_file, fcntl.LOCK_SH | fcntl.LOCK_NB, 1)
            fcntl.lockf(lock_file, fcntl.LOCK_UN, 1)
        except (BlockingIOError, PermissionError):
            pass  # where flock is made of the same locks, ours is in the way: that is how they work
        except OSError as error:
            raise LocksRefused(self.path, error) from None

    def move_foreign(self, now: float) -> None:
        """Move away what lies under our names and is no regular file."""
        for name in _FILES:
            self._move_if_foreign(name, now)

    def note_database(self) -> None:
        """Remember the files of the database as they are now, after we have changed the file itself."""
        self._note(DATABASE)

    def note_new(self) -> None:
        """Remember those that were not there before: a write brings the log, and leaves the file as it is."""
        self._note([name for name in DATABASE if name not in self._opened])

    def log_size(self) -> int | None:
        """Bytes of the log of writes; None where the file system has none, and each write changes the file itself."""
        with suppress(FileNotFoundError):
            return (self.path / f"{STATE_FILE}-wal").lstat().st_size
        return None

    def forget_database(self) -> None:
        """Expect nothing of them: no connection is open."""
        for name in DATABASE:
            self._opened.pop(name, None)

    def is_unchanged(self, name: str) -> bool:
        """Whether it is known, and still the same file."""
        return name in self._opened and not self._change(name, self._opened[name])

    def changes(self) -> dict[str, str]:
        """What others have done since to what we hold: `{"state.db": "was deleted"}`; "" is the folder itself.

        The folder is looked at last: it may go while we look at what is in it.
        """
        opened = sorted(self._opened.items(), reverse=True)
        return {name: change for name, was in opened if (change := self._change(name, was))}

    def set_aside(self, name: str, now: float, label: str = "") -> Path:
        """Move something away, under another name or that of `label`; gives where to. At most three are kept of each.

        The name is given by the time, so the last ones by name are the newest.
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
        """Remove a database and what belongs to it, or only the latter."""
        for suffix in _SUFFIXES[only_beside:]:
            (self.path / f"{name}{suffix}").unlink(missing_ok=True)

    def foreign(self) -> str:
        """The first of our names under which something lies that is no regular file, and what that is."""
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
        """Lock the folder itself, where that can be done: it holds if somebody removes the lock file."""
        with suppress(OSError):
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._held.append(folder)
            self._flock(folder)

    def _lock_file(self, now: float) -> None:
        for _ in range(_TRIES):
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
            os.close(self._held.pop())  # another one has taken its place meanwhile
        raise OSError("another program replaces the file `lock` again and again")

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
                "what lies in the state folder is no file of the exporter: set aside; look who puts it there",
                path=str(self.path / name),
                kind=kind,
                moved_to=str(aside),
            )

    def _note(self, names: Iterable[str]) -> None:
        for name in names:
            with suppress(FileNotFoundError):
                now, was = self._identity(name), self._opened.get(name)
                # Neither another file nor a database that shrank is our work: SQLite gives no page back by itself.
                if was is None or (was[:2] == now[:2] and was[2:3] <= now[2:3]):
                    self._opened[name] = now

    def _identity(self, name: str) -> FileIdentity:
        """Which file it is; of the database, which only we write, also its size and its last change."""
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
