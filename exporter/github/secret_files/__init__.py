"""Tokens and private keys as people write them into files, which may be rotated at any time."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from exporter.regular_files import read_regular, unreadable

log = structlog.get_logger(__name__)

LARGEST_FILE = 64 * 1024

Secret = TypeVar("Secret")


@dataclass(slots=True)
class SecretFile(Generic[Secret]):
    """A file that is read again whenever it changes.

    While a changed file cannot be used (a rotation under way, a lost permission) the last secret stays in use, and one
    warning says so. `what` names the kind of file. `parse` returns the secret or, as text, what is wrong with the
    content; of a larger file it gets one byte more than `LARGEST_FILE`. It never raises.

    Requests read it on the event loop, the heartbeat in the worker thread.
    """

    path: Path
    what: str
    credential: str
    parse: Callable[[bytes], Secret | str] = field(repr=False)
    _read: Secret | None = field(default=None, init=False, repr=False)
    _version: tuple[int, int, int] | None = field(default=None, init=False, repr=False)
    _trouble: str = field(default="", init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def current(self) -> Secret | str:
        """The secret; a text says why there is none yet."""
        with self._lock:
            trouble = self._refresh()
            if self._read is None:
                return trouble
            if trouble and trouble != self._trouble:
                log.warning(
                    "a file cannot be used: what it held before stays in use",
                    credential=self.credential,
                    problem=trouble,
                )
            self._trouble = trouble
            return self._read

    def problem(self) -> str:
        """What is wrong with the file now; empty if nothing is."""
        secret = self.current()
        return secret if isinstance(secret, str) else self._trouble

    def _refresh(self) -> str:
        """Read the file if it changed; returns what is wrong with it, or the empty text."""
        where = f"{self.what} file {self.path}"
        try:
            status = self.path.stat()
            version = (status.st_mtime_ns, status.st_ino, status.st_size)
            if version == self._version:
                return ""
            raw = read_regular(self.path, LARGEST_FILE + 1)
        except OSError as error:
            return f"{where} {unreadable(error)}"
        except ValueError:  # a NUL in the path
            return f"{where} cannot be read: no valid path"
        secret = self.parse(raw) if raw.strip() else "is empty"
        if isinstance(secret, str):
            return f"{where} {secret}"
        if self._read is not None and self._read != secret:
            event = f"the credential's new {self.what} is in use"
            log.info(event, credential=self.credential)
        # Remember what stat returned before: a file that was replaced between stat and open is read once more.
        self._read, self._version = secret, version
        return ""
