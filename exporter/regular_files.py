"""Opens files that others provide: the path may be a FIFO, a socket, a device, a directory or a loop of links.

Opening a FIFO waits for its other end, and opening a device may have effects. So the kind of file is checked first,
files are opened without blocking, and the kind is checked again after that. Imports nothing heavy.
"""

import errno
import os
import select
import stat
from pathlib import Path

PIPE_PATIENCE = 5.0
"""Seconds to wait for each piece from a pipe's writer, such as a shell's `<(...)`."""

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO (named pipe)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_FIXES = {
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.ELOOP: "replace the symbolic links by a file",
    errno.EACCES: "let the exporter's user read it",
    errno.EPERM: "let the exporter's user read it",
    errno.ETIMEDOUT: "name a regular file",
    errno.EINVAL: "name a regular file",
    errno.ENXIO: "name a regular file",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
}


class NotRegular(OSError):
    """The path is not a regular file."""

    def __init__(self, path: Path, kind: str) -> None:
        super().__init__(errno.EINVAL, f"it is {kind}, no regular file", str(path))


def kind_of(mode: int) -> str:
    """The kind of file that an `st_mode` stands for, in words; empty for a regular file."""
    return "" if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "no file")


def open_regular(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600, *, follow: bool = True) -> int:
    """Open a regular file without blocking; raises `NotRegular` and `OSError`. `follow`: whether to follow symlinks."""
    try:
        _expect_regular(path, path.stat() if follow else path.lstat())
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    file = os.open(path, flags | _FLAGS | (0 if follow else os.O_NOFOLLOW), mode)
    try:
        _expect_regular(path, os.fstat(file))
    except BaseException:
        os.close(file)
        raise
    return file


def read_regular(path: Path, most: int) -> bytes:
    """At most `most` bytes of a regular file; raises `NotRegular` and `OSError`."""
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read(most)


def read_file_or_pipe(path: Path, most: int) -> bytes:
    """As `read_regular`, but also from `<(...)` and `/dev/null`; raises `OSError`, also if the writer is too slow."""
    mode = path.stat().st_mode
    if not stat.S_ISFIFO(mode) and not stat.S_ISCHR(mode):
        return read_regular(path, most)
    file = os.open(path, os.O_RDONLY | _FLAGS)
    try:
        return _read_pipe(path, file, most)
    finally:
        os.close(file)


def unreadable(error: OSError) -> str:
    """The end of a sentence that begins with the path: why it cannot be read, and what the operator does about it."""
    fix = _FIXES.get(error.errno or 0, "")
    return "; ".join(text for text in (f"cannot be read: {error.strerror or error}", fix) if text)


def open_mode(path: Path) -> str:
    """The mode of a file that every user can read; "" if they cannot, or if the operator cannot change the mode.

    Kubernetes sets the modes of secrets, which it mounts as links through `..data`. On a volume that is mounted
    read-only no mode can be changed.
    """
    try:
        mode = path.stat().st_mode
        mounted = os.statvfs(path).f_flag & os.ST_RDONLY
        projected = path.is_symlink() and path.readlink().parts[:1] == ("..data",)
    except OSError:
        return ""
    return "" if mounted or projected or not mode & stat.S_IROTH else f"mode {stat.S_IMODE(mode):04o}"


def _expect_regular(path: Path, status: os.stat_result) -> None:
    if kind := kind_of(status.st_mode):
        raise NotRegular(path, kind)


def _read_pipe(path: Path, file: int, most: int) -> bytes:
    ready = select.poll()
    ready.register(file, select.POLLIN)
    content = b""
    while len(content) < most:
        if not ready.poll(PIPE_PATIENCE * 1000):
            raise TimeoutError(errno.ETIMEDOUT, f"nobody wrote into this pipe for {PIPE_PATIENCE:.0f} s", str(path))
        piece = os.read(file, most - len(content))
        if not piece:
            break
        content += piece
    return content
