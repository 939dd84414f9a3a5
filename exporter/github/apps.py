"""GitHub Apps: a private key signs for the App, GitHub gives a token of an hour for each installation.

https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app
Key, JWT and tokens are in memory only; no frame that raises has one of them in a variable.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from exporter.catalogue import TokenKind
from exporter.github.errors import CredentialRejected, Forbidden, Invalid, NotFound, Unavailable
from exporter.github.exchange import Exchange, Method, Reply
from exporter.github.files import SecretFile
from exporter.github.installations import Minted, found_installation, minted_token
from exporter.github.keys import SigningKey, signed, signing_key

REJECTED_FOR = 3600.0
"""Seconds until a key that GitHub rejected is tried again though its file did not change."""
_SKEWED = 60.0


class AppRejected(CredentialRejected):
    """GitHub does not take what the App signs, or there is no key to sign with."""

    hint = "check the App's client_id, its private_key_file (read again when it changes) and this machine's clock"


class NotInstalled(NotFound):
    """The App has no installation there."""

    hint = "install the GitHub App there, or take the target out"


class Suspended(Forbidden):
    """The installation is there, but switched off."""

    hint = "an owner must unsuspend the installation in the settings under GitHub Apps"


@dataclass(frozen=True, slots=True)
class _Rejected:
    """A key that GitHub did not take. The instants are by what we took for GitHub's clock before and after."""

    identity: bytes
    instants: tuple[float, float]
    why: str

    def applies(self, key: SigningKey, now: float) -> bool:
        # Clients that never asked do not know GitHub's clock, those that did may; each finds its own instant here.
        return self.identity == key.identity and any(abs(now - instant) < REJECTED_FOR for instant in self.instants)


@dataclass(slots=True)
class App:
    """One GitHub App and its key. Its installations share what GitHub said about the key.

    Until GitHub took a key, one request at a time is made with it; a rejected one is not tried again before its file
    holds another key or an hour passed, whichever installation asks.
    """

    name: str
    api_url: str
    api_version: str
    client_id: str
    private_key_file: Path
    ca_file: Path | None = None
    _file: SecretFile[SigningKey] = field(init=False, repr=False, compare=False)
    _first: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False, compare=False)
    _taken: bytes = field(default=b"", init=False, repr=False, compare=False)
    _rejected: "_Rejected | None" = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read nothing yet."""
        self._file = SecretFile(self.private_key_file, "private key", self.name, signing_key)

    def fingerprint(self, salt: bytes) -> str:
        """16 hexadecimal digits of client id and key; raises `CredentialRejected` if there is no key."""
        return hashlib.sha256(b"\0".join([salt, self.client_id.encode(), self._key().identity])).hexdigest()[:16]

    async def ask(self, exchange: Exchange, method: Method, path: str) -> Reply:
        """One answer to the App itself; raises `GitHubError`."""
        if self._taken != self._key().identity:
            async with self._first:
                if self._taken != self._key().identity:
                    return await self._ask(exchange, method, path)
        return await self._ask(exchange, method, path)

    async def _ask(self, exchange: Exchange, method: Method, path: str) -> Reply:
        key = self._key()
        begun = exchange.now()
        if self._rejected and self._rejected.applies(key, begun):
            raise AppRejected(self._rejected.why)
        for may_remake in (True, False):
            made = exchange.now()
            try:
                reply = await exchange(method, path, self._jwt(key, made))
            except CredentialRejected as error:
                why = str(error)
                # The answer told GitHub's clock: a JWT that was made by another clock may have been at fault.
                if may_remake and abs(exchange.now() - made) >= _SKEWED:
                    continue
            except NotFound as error:
                if "integration not found" not in str(error).lower():
                    self._accepted(key)
                    raise
                why = str(error)  # what GitHub answers to a client id that it does not know
            else:
                self._accepted(key)
                return reply
            break
        raise self._rejection(key, (begun, exchange.now()), why)

    def _accepted(self, key: SigningKey) -> None:
        self._taken, self._rejected = key.identity, None

    def _rejection(self, key: SigningKey, instants: tuple[float, float], said: str) -> AppRejected:
        why = (
            f"credential {self.name}: GitHub does not take what client_id {self.client_id} and private key file "
            f"{self.private_key_file} sign; {said}"
        )
        self._taken, self._rejected = b"", _Rejected(key.identity, instants, why)
        return AppRejected(why)

    def _key(self) -> SigningKey:
        key = self._file.current()
        if isinstance(key, str):
            raise AppRejected(f"credential {self.name}: {key}")
        return key

    def _jwt(self, key: SigningKey, now: float) -> str:
        """What GitHub asks for: at most ten minutes, and a minute of slack for clocks that differ."""
        claims: dict[str, str | int] = {"iss": self.client_id, "iat": int(now) - 60, "exp": int(now) + 540}
        return signed(key, claims)


@dataclass(slots=True)
class Installation:
    """An App at one organization or enterprise: the credential of that owner's quota pool."""

    app: App
    kind: Literal["organization", "enterprise"]
    owner: str
    _id: int | None = field(default=None, init=False, repr=False, compare=False)
    _minted: Minted | None = field(default=None, init=False, repr=False, compare=False)
    _minting: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """`APP/OWNER`."""
        return f"{self.app.name}/{self.owner}"

    @property
    def api_url(self) -> str:
        """The App's."""
        return self.app.api_url

    @property
    def api_version(self) -> str:
        """The App's."""
        return self.app.api_version

    @property
    def ca_file(self) -> Path | None:
        """The App's."""
        return self.app.ca_file

    def token_kind(self) -> TokenKind:
        """An App's installation."""
        return "app"

    async def token(self, exchange: Exchange) -> str:
        """The installation's token, made anew five minutes before it ends; raises `GitHubError`."""
        async with self._minting:
            if self._minted is None or self._minted.is_old(exchange.now()):
                try:
                    self._minted = await self._mint(exchange)
                except Unavailable:
                    if self._minted is None or exchange.now() >= self._minted.expires:
                        raise
            return self._minted.token.get_secret_value()

    def renew(self, token: str) -> bool:
        """Forget a token that GitHub rejected; another can always be made."""
        if self._minted is not None and self._minted.token.get_secret_value() == token:
            self._minted = None
        return True

    def fingerprint(self, salt: bytes) -> str:
        """The App's."""
        return self.app.fingerprint(salt)

    async def _mint(self, exchange: Exchange) -> Minted:
        if self._id is not None:
            try:
                return await self._mint_for(self._id, exchange)
            except NotFound:
                self._id = None  # uninstalled; if it was installed again, it has a new number
        self._id = await self._find(exchange)
        return await self._mint_for(self._id, exchange)

    async def _find(self, exchange: Exchange) -> int:
        """Ask for the installation's number.

        https://docs.github.com/rest/apps/apps#get-an-organization-installation-for-the-authenticated-app
        """
        folder = "orgs" if self.kind == "organization" else "enterprises"
        try:
            reply = await self.app.ask(exchange, "GET", f"/{folder}/{quote(self.owner, safe='')}/installation")
        except NotFound:
            reply = None
        if reply is None:
            raise NotInstalled(
                f"credential {self.app.name}: the GitHub App is not installed on {self.kind} {self.owner}: "
                f"install it at {self._settings_page()} or take the target out"
            )
        found = found_installation(reply.body)
        if found is None:
            raise Invalid(f"{reply.path} (credential {self.name}): the answer names no installation")
        if found.suspended:
            raise self._suspended()
        return found.id

    async def _mint_for(self, number: int, exchange: Exchange) -> Minted:
        """Ask for a token.

        https://docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app
        """
        path, suspended = f"/app/installations/{number}/access_tokens", False
        try:
            minted = minted_token((await self.app.ask(exchange, "POST", path)).body, exchange.now())
        except Forbidden as error:
            if "suspended" not in str(error).lower():
                raise
            suspended = True
        if suspended:
            raise self._suspended()
        if isinstance(minted, str):
            raise Invalid(f"{path} (credential {self.name}): {minted}")
        return minted

    def _suspended(self) -> Suspended:
        return Suspended(
            f"credential {self.app.name}: the GitHub App is suspended on {self.kind} {self.owner}: "
            f"unsuspend it at {self._settings_page()} or take the target out"
        )

    def _settings_page(self) -> str:
        api, owner = urlsplit(self.api_url), quote(self.owner, safe="")
        web = f"{api.scheme}://{api.netloc if api.path.strip('/') else api.netloc.removeprefix('api.')}"
        if self.kind == "organization":
            return f"{web}/organizations/{owner}/settings/installations"
        return f"{web}/enterprises/{owner} (Settings, GitHub Apps)"
