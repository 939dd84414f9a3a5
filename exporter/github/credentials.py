"""What proves to GitHub who asks: a token, given as text or in a file that may be rotated while we run."""

import hashlib
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import structlog
from pydantic import SecretStr

from exporter.github.errors import CredentialRejected

log = structlog.get_logger(__name__)

_LARGEST_FILE = 64 * 1024
_TOKEN = re.compile(rb"[\x21-\x7e]+")


class Credential(Protocol):
    """One configured credential and the only API root that ever sees it."""

    @property
    def name(self) -> str:
        """As in the configuration."""

    @property
    def api_url(self) -> str:
        """The API root without a trailing slash: `https://api.github.com`, `https://ghes.example.com/api/v3`."""

    @property
    def api_version(self) -> str:
        """The value of `X-GitHub-Api-Version`."""

    @property
    def ca_file(self) -> Path | None:
        """Certificate authorities that are trusted besides the public ones."""

    def secret(self) -> str:
        """The token as of now; raises `CredentialRejected` where there is none that could be sent."""

    def fingerprint(self, salt: bytes) -> str:
        """Tell "the same token as before" without holding the token; raises as `secret` does."""


@dataclass(slots=True)
class TokenCredential:
    """A personal access token, as text or in a file; one of both.

    The file is read again whenever it changes. While a changed file cannot be used (a rotation under way, a lost
    permission) the last token that could be read stays in use, and one warning says so.
    """

    name: str
    api_url: str
    api_version: str
    ca_file: Path | None = None
    token: SecretStr | None = None
    token_file: Path | None = None
    _read: SecretStr | None = field(default=None, init=False, repr=False, compare=False)
    _seen: tuple[int, int, int] | None = field(default=None, init=False, repr=False, compare=False)
    _trouble: str = field(default="", init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a credential without a token, or with two."""
        if (self.token is None) == (self.token_file is None):
            raise ValueError(f"credential {self.name}: give either a token or a token_file")

    def secret(self) -> str:
        """The token as of now; raises `CredentialRejected` if it is missing or cannot be a token."""
        if self.token is not None:
            token = _usable(self.token.get_secret_value().encode())
            if token is None:
                raise CredentialRejected(f"credential {self.name}: the token is empty or not one plain word")
            return token
        trouble = self._refresh()
        if self._read is None:
            raise CredentialRejected(f"credential {self.name}: {trouble}")
        if trouble and trouble != self._trouble:
            log.warning("the token file cannot be used: the last token stays", credential=self.name, problem=trouble)
        self._trouble = trouble
        return self._read.get_secret_value()

    def fingerprint(self, salt: bytes) -> str:
        """16 hexadecimal digits of the salted token."""
        return hashlib.sha256(salt + b"\0" + self.secret().encode()).hexdigest()[:16]

    def _refresh(self) -> str:
        """Read the file if it changed; what is wrong with it, or the empty text."""
        assert self.token_file is not None
        where = f"token file {self.token_file}"
        try:
            status = self.token_file.stat()
            if not stat.S_ISREG(status.st_mode):
                return f"{where} is no regular file"
            seen = (status.st_mtime_ns, status.st_ino, status.st_size)
            if seen == self._seen:
                return ""
            with self.token_file.open("rb") as file:
                raw = file.read(_LARGEST_FILE + 1)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            return f"{where} cannot be read: {getattr(error, 'strerror', None) or 'no valid path'}"
        token = _usable(raw)
        if token is None:
            return f"{where} " + ("holds more than one plain word" if raw.strip() else "is empty")
        # A file that is replaced between stat and open is read once more: what was seen is what stat told.
        self._read, self._seen = SecretStr(token), seen
        return ""


def _usable(raw: bytes) -> str | None:
    """The token without white space around it; None for what no header could carry."""
    token = raw.strip()
    return token.decode("ascii") if len(raw) <= _LARGEST_FILE and _TOKEN.fullmatch(token) else None
