"""What proves to GitHub who asks, and a token, given as text or in a file that may be rotated while we run."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from exporter.catalogue import TokenKind
from exporter.github.errors import CredentialRejected
from exporter.github.exchange import Exchange
from exporter.github.files import LARGEST_FILE, SecretFile

_KINDS: dict[str, TokenKind] = {
    "ghp_": "classic",
    "gho_": "classic",  # of an OAuth app; it has scopes, too
    "github_pat_": "fine_grained",
    "ghu_": "app",
    "ghs_": "app",
}
_TOKEN = re.compile(rb"[\x21-\x7e]+")


class Credential(Protocol):
    """One configured credential and the only API root that ever sees it."""

    @property
    def name(self) -> str:
        """As in the configuration; `APP/OWNER` for one installation of a GitHub App."""

    @property
    def api_url(self) -> str:
        """The API root without a trailing slash: `https://api.github.com`, `https://ghes.example.com/api/v3`."""

    @property
    def api_version(self) -> str:
        """The value of `X-GitHub-Api-Version`."""

    @property
    def ca_file(self) -> Path | None:
        """Certificate authorities that are trusted besides the public ones."""

    def token_kind(self) -> TokenKind | None:
        """What GitHub takes it for; None if that cannot be told."""

    async def token(self, exchange: Exchange) -> str:
        """The bearer to send now, which may be asked of GitHub; raises `GitHubError` where there is none."""

    def renew(self, token: str) -> bool:
        """Forget a token that GitHub answered with 401; true if another one is worth one more try now."""

    def fingerprint(self, salt: bytes) -> str:
        """Tell "the same secret as before" without holding it; raises `CredentialRejected` if there is none."""


@dataclass(slots=True)
class TokenCredential:
    """A personal access token, as text or in a file, which is read again whenever it changes; one of both."""

    name: str
    api_url: str
    api_version: str
    ca_file: Path | None = None
    token_text: SecretStr | None = None
    token_file: Path | None = None
    _file: SecretFile[SecretStr] | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a credential without a token, or with two."""
        if (self.token_text is None) == (self.token_file is None):
            raise ValueError(f"credential {self.name}: give either a token or a token_file")
        if self.token_file is not None:
            self._file = SecretFile(self.token_file, "token", self.name, _parsed)

    def secret(self) -> str:
        """The token as of now; raises `CredentialRejected` if it is missing or cannot be a token."""
        found = self._file.current() if self._file else self._of_text()
        if isinstance(found, str):
            raise CredentialRejected(f"credential {self.name}: {found}")
        return found.get_secret_value()

    def token_kind(self) -> TokenKind | None:
        """By the token's first letters; older ones and those of an appliance may have none.

        https://docs.github.com/authentication/keeping-your-account-and-data-secure/about-authentication-to-github#githubs-token-formats
        """
        try:
            token = self.secret()
        except CredentialRejected:
            return None
        return next((kind for prefix, kind in _KINDS.items() if token.startswith(prefix)), None)

    async def token(self, exchange: Exchange) -> str:  # noqa: ARG002  # the protocol's; a token needs no asking
        """As `secret`."""
        return self.secret()

    def renew(self, token: str) -> bool:
        """Whether the file meanwhile holds another token: a rotation in flight."""
        found = self._file.current() if self._file else ""
        return not isinstance(found, str) and found.get_secret_value() != token

    def fingerprint(self, salt: bytes) -> str:
        """16 hexadecimal digits of the salted token."""
        return hashlib.sha256(salt + b"\0" + self.secret().encode()).hexdigest()[:16]

    def _of_text(self) -> SecretStr | str:
        assert self.token_text is not None
        token = _parsed(self.token_text.get_secret_value().encode())
        return "the token is empty or not one plain word" if isinstance(token, str) else token


def _parsed(raw: bytes) -> SecretStr | str:
    """The token without white space around it; what no header could carry is none."""
    token = raw.strip()
    usable = len(raw) <= LARGEST_FILE and _TOKEN.fullmatch(token)
    return SecretStr(token.decode("ascii")) if usable else "holds more than one plain word"
