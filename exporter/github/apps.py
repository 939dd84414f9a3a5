"""A GitHub App and its private key, which signs the requests for its installations' tokens.

https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app
Key, JWT and tokens are in memory only; no frame that raises has one of them in a variable.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from exporter import worker
from exporter.catalogue import TokenKind
from exporter.errors import CredentialRejected, Forbidden, NotFound
from exporter.fetching import Reply
from exporter.github.exchange import Exchange, Method
from exporter.github.network import Network
from exporter.github.secret_files import SecretFile
from exporter.github.secret_files.keys import SigningKey, signed, signing_key
from exporter.instants import HOUR

FIRST_REJECTION = 55.0
"""Seconds until a key that GitHub refused once is tried again: less than the minute for which its jobs are paused."""
LATER_REJECTION = HOUR
"""Seconds until a key that GitHub refused twice is tried again, unless its file changes before."""
SKEWED = 60.0
"""Seconds; if our clock was wrong by more, the JWT may have been refused for its date."""


class AppRejected(CredentialRejected):
    """GitHub refuses the App's signature, or there is no key to sign with."""

    hint = "check the App's client_id, its private_key_file (read again when it changes) and this machine's clock"


class NotInstalled(NotFound):
    """The App is not installed on the organization or enterprise."""

    hint = "install the GitHub App there, or take the target out"


class Suspended(Forbidden):
    """The installation exists, but is suspended."""

    hint = "an owner must unsuspend the installation in the settings under GitHub Apps"


@dataclass(frozen=True, slots=True)
class _RejectedKey:
    """A key that GitHub refused. The instants are GitHub's clock, as estimated before the refusal and after it."""

    identity: bytes
    instants: tuple[float, float]
    why: str
    wait: float

    def applies(self, key: SigningKey, now: float) -> bool:
        # Clients estimate GitHub's clock differently before and after their first response: compare with both instants.
        return self.identity == key.identity and any(abs(now - instant) < self.wait for instant in self.instants)


@dataclass(slots=True)
class App:
    """One GitHub App and its key. Its installations share whether GitHub accepts the key.

    Until GitHub has accepted a key, one request at a time is signed with it. A rejected key is tried once more after a
    minute, then not before its file holds another key or an hour has passed, whichever installation asks.
    """

    name: str
    api_url: str
    api_version: str
    client_id: str
    private_key_file: Path
    network: Network | None = None
    _file: SecretFile[SigningKey] = field(init=False, repr=False, compare=False)
    _first_request: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False, compare=False)
    _accepted_identity: bytes = field(default=b"", init=False, repr=False, compare=False)
    _rejected: "_RejectedKey | None" = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Do not read the file yet."""
        self._file = SecretFile(self.private_key_file, "private key", self.name, signing_key)

    def fingerprint(self, salt: bytes) -> str:
        """16 hexadecimal digits of client id and key; raises `CredentialRejected` if there is no key."""
        return hashlib.sha256(b"\0".join([salt, self.client_id.encode(), self._key().identity])).hexdigest()[:16]

    def problem(self) -> str:
        """What is wrong with the key's file."""
        return self._file.problem()

    async def sign(self, now: float) -> tuple[str, bytes]:
        """A JWT for a request of the App itself, and which key signed it; raises `AppRejected`."""
        key = await worker.run(self._key)
        if self._rejected and self._rejected.applies(key, now):
            raise AppRejected(self._rejected.why)
        return await worker.run(self._jwt, key, now), key.identity

    async def refuse(self, identity: bytes, now: float, message: str) -> None:
        """Note that GitHub has refused what this key signed."""
        key = await worker.run(self._key)
        if key.identity == identity:
            self._rejection(key, (now, now), message)

    async def ask(self, exchange: Exchange, method: Method, path: str) -> Reply:
        """The reply to a request of the App itself; raises `GitHubError`."""
        key = await worker.run(self._key)
        if self._accepted_identity != key.identity:
            async with self._first_request:
                key = await worker.run(self._key)
                if self._accepted_identity != key.identity:
                    return await self._ask(exchange, method, path, key)
        return await self._ask(exchange, method, path, key)

    async def _ask(self, exchange: Exchange, method: Method, path: str, key: SigningKey) -> Reply:
        started = exchange.now()
        if self._rejected and self._rejected.applies(key, started):
            raise AppRejected(self._rejected.why)
        for may_sign_again in (True, False):
            signed_at = exchange.now()
            try:
                reply = await exchange(method, path, await worker.run(self._jwt, key, signed_at))
            except CredentialRejected as error:
                why = str(error)
                # The response has corrected our estimate of GitHub's clock: sign again if the JWT had a wrong date.
                if may_sign_again and abs(exchange.now() - signed_at) >= SKEWED:
                    continue
            except NotFound as error:
                if "integration not found" not in str(error).lower():
                    self._accepted(key)
                    raise
                why = str(error)  # GitHub's answer to an unknown client id
            else:
                self._accepted(key)
                return reply
            break
        raise self._rejection(key, (started, exchange.now()), why)

    def _accepted(self, key: SigningKey) -> None:
        self._accepted_identity, self._rejected = key.identity, None

    def _rejection(self, key: SigningKey, instants: tuple[float, float], message: str) -> AppRejected:
        why = (
            f"credential {self.name}: GitHub refuses the signature of client_id {self.client_id} and private key file "
            f"{self.private_key_file}; {message}"
        )
        again = self._rejected is not None and self._rejected.identity == key.identity
        self._accepted_identity = b""
        self._rejected = _RejectedKey(key.identity, instants, why, LATER_REJECTION if again else FIRST_REJECTION)
        return AppRejected(why)

    def _key(self) -> SigningKey:
        key = self._file.current()
        if isinstance(key, str):
            raise AppRejected(f"credential {self.name}: {key}")
        return key

    def _jwt(self, key: SigningKey, now: float) -> str:
        """A JWT for ten minutes, the most that GitHub allows, dated a minute back because clocks differ."""
        claims: dict[str, str | int] = {"iss": self.client_id, "iat": int(now) - 60, "exp": int(now) + 540}
        return signed(key, claims)


@dataclass(slots=True)
class AppCredential:
    """What the credentials of an App have from it: the App itself, and each of its installations."""

    app: App

    @property
    def api_url(self) -> str:
        """The API root of the App."""
        return self.app.api_url

    @property
    def api_version(self) -> str:
        """The API version of the App."""
        return self.app.api_version

    @property
    def network(self) -> Network | None:
        """The proxy and certificate authorities of the App."""
        return self.app.network

    def token_kind(self) -> TokenKind:
        """Always `app`."""
        return "app"

    def problem(self) -> str:
        """What is wrong with the App's key file; empty if nothing is."""
        return self.app.problem()

    def fingerprint(self, salt: bytes) -> str:
        """The fingerprint of the App's key."""
        return self.app.fingerprint(salt)
