"""The installation of a GitHub App on one organization or enterprise, and its access tokens.

https://docs.github.com/rest/apps/apps
"""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from exporter.errors import Forbidden, Invalid, NotFound, Unavailable
from exporter.github.apps import AppCredential, NotInstalled, Suspended
from exporter.github.credentials import FRESH
from exporter.github.decoding import decode_json
from exporter.github.exchange import Exchange
from exporter.instants import epoch_or_none

RENEW_BEFORE = 300.0
"""Seconds before its expiry at which a token is renewed; at most a tenth of its lifetime."""

_WORD = re.compile(r"[\x21-\x7e]{1,8192}")


@dataclass(frozen=True, slots=True)
class InstallationEntry:
    """An installation's id, and whether it is suspended."""

    id: int
    suspended: bool


@dataclass(frozen=True, slots=True)
class InstallationToken:
    """An access token; the instants are epoch seconds by GitHub's clock."""

    token: SecretStr
    since: float
    renew_at: float
    expires: float

    def is_old(self, now: float) -> bool:
        """Whether it should be renewed."""
        return now > self.renew_at


@dataclass(slots=True)
class Installation(AppCredential):
    """An App installed on one organization or enterprise: the credential of that owner's quota pool."""

    kind: Literal["organization", "enterprise"]
    owner: str
    _id: int | None = field(default=None, init=False, repr=False, compare=False)
    _minted: InstallationToken | None = field(default=None, init=False, repr=False, compare=False)
    _minting: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """`APP/OWNER`."""
        return f"{self.app.name}/{self.owner}"

    async def token(self, exchange: Exchange) -> str:
        """The installation's access token, renewed before it expires; raises `GitHubError`."""
        async with self._minting:
            if self._minted is None or self._minted.is_old(exchange.now()):
                try:
                    self._minted = await self._mint(exchange)
                except Unavailable:
                    if self._minted is None or exchange.now() >= self._minted.expires:
                        raise
            return self._minted.token.get_secret_value()

    async def renew(self, token: str) -> bool:
        """Forget a rejected token; always true, because GitHub can always create another."""
        if self._minted is not None and self._minted.token.get_secret_value() == token:
            self._minted = None
        return True

    def sends(self, token: str) -> bool:
        """Whether it is the installation's current token."""
        return self._minted is not None and self._minted.token.get_secret_value() == token

    def is_fresh(self, token: str, now: float) -> bool:
        """Whether it was created less than a minute ago."""
        minted = self._minted
        return minted is not None and minted.token.get_secret_value() == token and abs(now - minted.since) < FRESH

    async def _mint(self, exchange: Exchange) -> InstallationToken:
        if self._id is not None:
            try:
                return await self._mint_for(self._id, exchange)
            except NotFound:
                self._id = None  # uninstalled: a new installation has a new id
        self._id = await self._find(exchange)
        return await self._mint_for(self._id, exchange)

    async def _find(self, exchange: Exchange) -> int:
        """Ask GitHub for the installation's id.

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
        entry = installation_in(reply.body)
        if entry is None:
            raise Invalid(f"{reply.path} (credential {self.name}): the answer names no installation")
        if entry.suspended:
            raise self._suspended()
        return entry.id

    async def _mint_for(self, number: int, exchange: Exchange) -> InstallationToken:
        """Ask GitHub for an access token.

        https://docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app
        """
        path, suspended = f"/app/installations/{number}/access_tokens", False
        try:
            token = installation_token_in((await self.app.ask(exchange, "POST", path)).body, exchange.now())
        except Forbidden as error:
            if "suspended" not in str(error).lower():
                raise
            suspended = True
        if suspended:
            raise self._suspended()
        if isinstance(token, str):
            raise Invalid(f"{path} (credential {self.name}): {token}")
        return token

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


def installation_in(body: bytes) -> InstallationEntry | None:
    """The installation in a response body; None if there is none. Never raises."""
    answer = _object(body)
    number = answer.get("id")
    # `isinstance(True, int)` holds in Python.
    if type(number) is not int or not 0 < number < 2**63:
        return None
    return InstallationEntry(number, answer.get("suspended_at") is not None)


def installation_token_in(body: bytes, now: float) -> InstallationToken | str:
    """The token in a response body, or what is wrong with the body, without its content. Never raises."""
    answer = _object(body)
    token, expires = answer.get("token"), epoch_or_none(answer.get("expires_at"))
    if not isinstance(token, str) or not _WORD.fullmatch(token):
        return "the answer holds no token that is one plain word"
    if expires is None:
        return "the answer does not say when the token expires"
    if expires <= now:
        return "the answer's token has expired already"
    return InstallationToken(SecretStr(token), now, expires - min(RENEW_BEFORE, (expires - now) / 10), expires)


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = decode_json(body)
    except Invalid:
        return {}
    return answer if isinstance(answer, dict) else {}
