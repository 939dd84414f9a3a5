"""Files with tokens and private keys, which people write and may rotate at any time."""

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

    While a changed file cannot be used (a rotation in progress, a lost permission) the last secret stays in use, and
    one warning is logged. `what` names the kind of file. `parse` never raises: it returns the secret or, as text, what
    is wrong with the content; of a file that is too large it gets `LARGEST_FILE` bytes and one more.

    It blocks: call it in the worker, where no two reads run at once.
    """

    path: Path
    what: str
    credential: str
    parse: Callable[[bytes], Secret | str] = field(repr=False)
    _read: Secret | None = field(default=None, init=False, repr=False)
    _version: tuple[int, int, int] | None = field(default=None, init=False, repr=False)
    _trouble: str = field(default="", init=False, repr=False)

    def current(self) -> Secret | str:
        """The secret; if there is none yet, a text that says why."""
        trouble = self._refresh()
        if self._read is None:
            return trouble
        if trouble and trouble != self._trouble:
            log.warning(
                "a file cannot be used: its last content stays in use",
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
        """Read the file if it changed; returns what is wrong with it, empty if nothing is."""
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
        # `version` is from before the file was opened: a file that was replaced meanwhile is read again.
        self._read, self._version = secret, version
        return ""
