"""Files with secrets, which may be rotated while we run."""

import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)

LARGEST_FILE = 64 * 1024

Secret = TypeVar("Secret")


@dataclass(slots=True)
class SecretFile(Generic[Secret]):
    """A file that is read again whenever it changes.

    While a changed file cannot be used (a rotation under way, a lost permission) the last secret that could be read
    stays in use, and one warning says so. `what` names the kind of file; `parse` gives the secret or, as text, what is
    wrong with the content; it is given one byte more than `LARGEST_FILE` of a larger file, and never raises.
    """

    path: Path
    what: str
    credential: str
    parse: Callable[[bytes], Secret | str] = field(repr=False)
    _read: Secret | None = field(default=None, init=False, repr=False)
    _seen: tuple[int, int, int] | None = field(default=None, init=False, repr=False)
    _trouble: str = field(default="", init=False, repr=False)

    def current(self) -> Secret | str:
        """The secret as of now; text says why there is none yet."""
        trouble = self._refresh()
        if self._read is None:
            return trouble
        if trouble and trouble != self._trouble:
            log.warning(
                "a file cannot be used: what it held before stays in use", credential=self.credential, problem=trouble
            )
        self._trouble = trouble
        return self._read

    def _refresh(self) -> str:
        """Read the file if it changed; what is wrong with it, or the empty text."""
        where = f"{self.what} file {self.path}"
        try:
            status = self.path.stat()
            if not stat.S_ISREG(status.st_mode):
                return f"{where} is no regular file"
            seen = (status.st_mtime_ns, status.st_ino, status.st_size)
            if seen == self._seen:
                return ""
            with self.path.open("rb") as file:
                raw = file.read(LARGEST_FILE + 1)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            return f"{where} cannot be read: {getattr(error, 'strerror', None) or 'no valid path'}"
        secret = self.parse(raw) if raw.strip() else "is empty"
        if isinstance(secret, str):
            return f"{where} {secret}"
        # A file that is replaced between stat and open is read once more: what was seen is what stat told.
        self._read, self._seen = secret, seen
        return ""
