"""Which file system a path is on, and how an operator fixes the errors that it raises."""

import errno
import re
import sqlite3
from pathlib import Path

from exporter.state.names import STATE_FILE

_MOUNTS = Path("/proc/self/mountinfo")
_LARGEST_TABLE = 4 * 1024 * 1024
_ESCAPE = re.compile(r"\\([0-7]{3})")

_FREE_SPACE = "free space on the volume, or make it larger"
_PERMIT = "let the exporter's user write there"
_MOUNT_WRITABLE = "mount the volume for writing"
_CHOOSE = "choose another folder in state.path"
_MOVE_AWAY = f"stop the exporter, move {STATE_FILE} away, start it"
_FAULT = "the disk or the share has a fault: the kernel's log says more"
_FIXES = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EFBIG: "raise the limit on file sizes (ulimit -f)",
    errno.EACCES: _PERMIT,
    errno.EPERM: _PERMIT,
    errno.EROFS: _MOUNT_WRITABLE,
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "raise the machine's limit on open files (fs.file-max)",
    errno.EEXIST: _CHOOSE,
    errno.EISDIR: _CHOOSE,
    errno.ENOTDIR: _CHOOSE,
    errno.ELOOP: "state.path and what is in it must not be symbolic links",
    errno.ENAMETOOLONG: _CHOOSE,
    errno.EIO: _FAULT,
    errno.ESTALE: "mount the share again",
}
_SQLITE_FIXES = {
    sqlite3.SQLITE_FULL: _FREE_SPACE,
    sqlite3.SQLITE_IOERR: f"check the space on the volume; else {_FAULT}",
    sqlite3.SQLITE_READONLY: f"{_PERMIT}, and {_MOUNT_WRITABLE}",
    sqlite3.SQLITE_CANTOPEN: _PERMIT,
    sqlite3.SQLITE_PERM: _PERMIT,
    sqlite3.SQLITE_BUSY: "end the other program that has the file open",
    sqlite3.SQLITE_PROTOCOL: "end the other program that has the file open",
    sqlite3.SQLITE_CORRUPT: _MOVE_AWAY,
    sqlite3.SQLITE_NOTADB: _MOVE_AWAY,
}


class LocksRefused(OSError):
    """A file system that cannot lock files."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(error.errno, f"its file system, {file_system(folder)}, refuses file locks: {reason(error)}")


class NotMoved(OSError):
    """One of our names is not a regular file, and cannot be moved away."""

    def __init__(self, name: str, kind: str, error: OSError) -> None:
        super().__init__(error.errno, f"{name} is {kind}, and cannot be moved away: {reason(error)}")


def reason(error: BaseException) -> str:
    """The system's message for an error: `No space left on device`."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def fix(error: BaseException) -> str:
    """What the operator does so that state can be written; empty if the error's message says it."""
    if isinstance(error, LocksRefused):
        return (
            "put state.path on a local disk or a block volume, or mount the share with its lock service "
            "(NFS: without nolock, rpc.statd running); until then a restart begins anew"
        )
    if isinstance(error, sqlite3.Error):
        return _SQLITE_FIXES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")
    return _FIXES.get(error.errno or 0, "") if isinstance(error, OSError) else ""


def file_system(path: Path) -> str:
    """The file system of a path and its mount point: `nfs4 (mounted at /mnt/share)`."""
    try:
        with _MOUNTS.open("rb") as file:
            table = file.read(_LARGEST_TABLE).decode(errors="surrogateescape")
        return mount_of(table, str(path.resolve()))
    except (OSError, RuntimeError):  # not Linux, or a loop of symbolic links
        return "an unknown file system"


def mount_of(table: str, path: str) -> str:
    """The file system and mount point of an absolute path; `table` is the kernel's `mountinfo`.

    https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
    """
    mount, kind = "", ""
    for line in table.splitlines():
        front, dash, back = line.partition(" - ")
        fields, words = front.split(" "), back.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = _ESCAPE.sub(lambda escape: chr(int(escape[1], 8)), fields[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(mount):  # a later mount at the same point hides the earlier one
            mount, kind = point, words[0]
    return f"{kind} (mounted at {mount})" if mount else "an unknown file system"
