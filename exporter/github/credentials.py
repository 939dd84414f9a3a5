"""The interface of credentials, and personal access tokens, which are text or in a file that may be rotated."""

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from exporter import worker
from exporter.catalogue import TokenKind
from exporter.errors import CredentialRejected
from exporter.github.exchange import Exchange
from exporter.github.network import Network
from exporter.github.secret_files import SecretFile
from exporter.github.secret_files.tokens import token_in, token_in_file

_KINDS: dict[str, TokenKind] = {
    "ghp_": "classic",
    "gho_": "classic",  # of an OAuth app; it has scopes, too
    "github_pat_": "fine_grained",
    "ghu_": "app",
    "ghs_": "app",
}
FRESH = 60.0
"""Seconds for which a new token may be unknown to some of GitHub's servers; one or two have been observed.

https://github.com/octokit/auth-app.js/issues/65
"""


class Credential(Protocol):
    """One configured credential. It is sent to its own API root only.

    `sends`, `problem` and `fingerprint` read its file and block: call them in the worker.
    """

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
    def network(self) -> Network | None:
        """Proxy and certificate authorities; None for a direct connection that trusts the public authorities."""

    def token_kind(self) -> TokenKind | None:
        """The kind of the token that was sent last, which decides what it may read; None if unknown."""

    async def token(self, exchange: Exchange) -> str:
        """The token to send now, requested from GitHub if necessary; raises `GitHubError` if there is none."""

    async def renew(self, token: str) -> bool:
        """Forget a token that GitHub rejected with 401; returns whether there is another one for a retry."""

    def sends(self, token: str) -> bool:
        """Whether the next request would use this token, as far as is known without a request."""

    def is_fresh(self, token: str, now: float) -> bool:
        """Whether a token is so new (`now` is GitHub's clock) that some of GitHub's servers may not know it yet."""

    def problem(self) -> str:
        """Why its token or key cannot be read now, even if an older one is still in use; empty if it can be read."""

    def fingerprint(self, salt: bytes) -> str:
        """A salted digest of the secret, to notice that it changed; raises `CredentialRejected` if there is none."""


@dataclass(slots=True)
class TokenCredential:
    """A personal access token, as text or in a file, which is read again when it changes."""

    name: str
    api_url: str
    api_version: str
    network: Network | None = None
    token_text: SecretStr | None = None
    token_file: Path | None = None
    _file: SecretFile[SecretStr] | None = field(default=None, init=False, repr=False, compare=False)
    _sent: SecretStr | None = field(default=None, init=False, repr=False, compare=False)
    _rotated: float = field(default=-math.inf, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raise `ValueError` unless there is exactly one token."""
        if (self.token_text is None) == (self.token_file is None):
            raise ValueError(f"credential {self.name}: give either a token or a token_file")
        if self.token_file is not None:
            self._file = SecretFile(self.token_file, "token", self.name, token_in_file)

    def secret(self) -> str:
        """The current token; raises `CredentialRejected` if it is missing or cannot be a token. Reads the file."""
        token = self._file.current() if self._file else self._of_text()
        if isinstance(token, str):
            raise CredentialRejected(f"credential {self.name}: {token}")
        return token.get_secret_value()

    def token_kind(self) -> TokenKind | None:
        """The kind by the token's prefix; older tokens and those of appliances may have none.

        https://docs.github.com/authentication/keeping-your-account-and-data-secure/about-authentication-to-github#githubs-token-formats
        """
        token = self._sent.get_secret_value() if self._sent else ""
        return next((kind for prefix, kind in _KINDS.items() if token.startswith(prefix)), None)

    async def token(self, exchange: Exchange) -> str:
        """The current token, as `secret`; notes when it was replaced."""
        secret = SecretStr(await worker.run(self.secret))
        if self._sent is not None and self._sent != secret:
            self._rotated = exchange.now()
        self._sent = secret
        return secret.get_secret_value()

    async def renew(self, token: str) -> bool:
        """Whether the file now contains another token, because it was rotated."""
        current = await worker.run(self._file.current) if self._file else ""
        return not isinstance(current, str) and current.get_secret_value() != token

    def sends(self, token: str) -> bool:
        """Whether it is the current token."""
        try:
            return self.secret() == token
        except CredentialRejected:
            return False

    def is_fresh(self, token: str, now: float) -> bool:  # noqa: ARG002 - the protocol's; the newest is sent
        """Whether the token replaced another one less than a minute ago; the age of the first token is unknown."""
        return abs(now - self._rotated) < FRESH

    def problem(self) -> str:
        """What is wrong with the text or the file; empty if nothing is."""
        if self._file:
            return self._file.problem()
        token = self._of_text()
        return token if isinstance(token, str) else ""

    def fingerprint(self, salt: bytes) -> str:
        """16 hexadecimal digits of the salted digest of the token."""
        return hashlib.sha256(salt + b"\0" + self.secret().encode()).hexdigest()[:16]

    def _of_text(self) -> SecretStr | str:
        assert self.token_text is not None
        token = token_in(self.token_text.get_secret_value())
        return f"its token {token}" if isinstance(token, str) else token
