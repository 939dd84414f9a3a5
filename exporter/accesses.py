"""Builds the access to each target from the settings: its credential, network and client."""

from exporter import worker
from exporter.catalogue import PAGE_SIZE
from exporter.clock import Clock
from exporter.collecting.access import Access
from exporter.github.app_identity import AppIdentity
from exporter.github.apps import App
from exporter.github.budget import Budget
from exporter.github.client import GitHub
from exporter.github.credentials import Credential, TokenCredential
from exporter.github.installations import Installation
from exporter.github.network import Network
from exporter.github.pacing import Pool
from exporter.github.sender import AnswerBounds, Observe
from exporter.jobs import Target
from exporter.settings import DIRECT, Settings


class Accesses:
    """The accesses of one exporter. A reload makes new ones only for credentials that are new or have changed.

    The pools of removed credentials stay, because their spending counts for an hour. `pools_in_use` gets the others, by
    name.
    """

    def __init__(self, budget: Budget, clock: Clock, pools_in_use: dict[str, Pool], observe: Observe) -> None:
        self._budget, self._clock, self._observe = budget, clock, observe
        self._pools: dict[str, Pool] = {}
        self._pools_in_use = pools_in_use
        self._credentials: dict[str, TokenCredential | App] = {}
        self._by_credential: dict[tuple[str, str], Access] = {}
        self.discovery: dict[str, Access] = {}
        """The accesses that ask GitHub for targets, by credential: that of the token, or of the App itself."""
        self._clients: list[GitHub] = []

    async def update(self, settings: Settings) -> dict[Target, Access]:
        """Use these settings from now on; returns the access for each target. Raises `GitHubError` as `GitHub` does."""
        accesses, self.discovery = await worker.run(self._all, settings)
        self._pools_in_use.clear()
        in_use = (*accesses.values(), *self.discovery.values())
        self._pools_in_use.update({access.pool.name: access.pool for access in in_use})
        return accesses

    def quote(self, messages: bool) -> None:
        """Set whether clients repeat GitHub's messages, which may name a person."""
        for client in self._clients:
            client.quoted = messages

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            await client.aclose()

    def _all(self, settings: Settings) -> tuple[dict[Target, Access], dict[str, Access]]:
        """The access for each target, and those of discovery. It reads files of authorities: call it in the worker."""
        credentials = Credentials(settings, self._credentials)
        by_target = {
            target: self._access(credential, settings.pool_of(target), settings)
            for target, credential in credentials.by_target().items()
        }
        of_discovery = {
            name: self._access(credential, settings.pool_of_discovery(name), settings)
            for name, credential in credentials.of_discovery().items()
        }
        return by_target, of_discovery

    def _access(self, credential: Credential, pool_name: str, settings: Settings) -> Access:
        # An App may be installed on an organization and an enterprise of the same name.
        key = (credential.name, credential.kind if isinstance(credential, Installation) else "")
        access = self._by_credential.get(key)
        if access is None or access.credential != credential or access.pool.name != pool_name:
            pool = self._pools.setdefault(pool_name, Pool(pool_name, self._budget))
            client = open_client(credential, pool, settings, self._clock, self._observe)
            # Until when a pool is blocked is by GitHub's clock, which a new client would not know.
            for other in self._by_credential.values():
                if other.pool is pool and other.credential.api_url == credential.api_url:
                    client.server_clock = other.github.server_clock
            self._clients.append(client)
            access = self._by_credential[key] = Access(credential, client, pool)
        return access


def open_client(credential: Credential, pool: Pool, settings: Settings, clock: Clock, observe: Observe) -> GitHub:
    """The client of a credential; a walk over a list may have as many pages as the largest `max_series` needs."""
    most_rows = max((collector.max_series or 0 for collector in settings.collectors.values()), default=0)
    return GitHub(
        credential,
        pool,
        clock=clock.wall,
        monotonic=clock.monotonic,
        observe=observe,
        bounds=AnswerBounds(pages=max(AnswerBounds().pages, -(-most_rows // PAGE_SIZE))),
        quoted=settings.privacy.user_names == "login",
    )


def network_of(settings: Settings, credential: str) -> Network:
    """The network of a credential: its own proxy or else the common one, and the authorities of both."""
    own = settings.credentials[credential]
    proxy = own.proxy or settings.proxy
    files = tuple(path for path in (settings.ca_file, own.ca_file) if path is not None)
    return Network(None if proxy == DIRECT else proxy, settings.no_proxy, files)


class Credentials:
    """The credentials of some settings: one token or App for all that name it; `known` ones stay if they are equal."""

    def __init__(self, settings: Settings, known: dict[str, TokenCredential | App] | None = None) -> None:
        self._settings = settings
        self._known = {} if known is None else known
        self._by_name: dict[str, TokenCredential | App] = {}

    def by_target(self) -> dict[Target, Credential]:
        """The credential of each target: a token, or an App's installation there.

        An appliance whose credential is an App is left out: it has no installation.
        """
        by_target: dict[Target, Credential] = {}
        for target in self._settings.targets():
            credential = self._named(target.credential)
            if isinstance(credential, TokenCredential):
                by_target[target] = credential
            elif target.kind != "appliance":
                by_target[target] = Installation(credential, target.kind, target.name)
        return by_target

    def of_discovery(self) -> dict[str, Credential]:
        """The credentials that ask GitHub for targets, by name: a token, or an App itself."""
        names = dict.fromkeys(entry.credential or "" for entry in self._settings.discover)
        credentials = {name: self._named(name) for name in names}
        return {
            name: AppIdentity(credential) if isinstance(credential, App) else credential
            for name, credential in credentials.items()
        }

    def _named(self, name: str) -> TokenCredential | App:
        if name not in self._by_name:
            new = _credential(self._settings, name)
            self._by_name[name] = self._known[name] = self._known[name] if self._known.get(name) == new else new
        return self._by_name[name]


def credentials_by_target(settings: Settings) -> dict[Target, Credential]:
    """The credential of each target."""
    return Credentials(settings).by_target()


def _credential(settings: Settings, name: str) -> TokenCredential | App:
    section, network = settings.credentials[name], network_of(settings, name)
    if section.app_client_id and section.private_key_file:
        return App(name, section.api_url, section.api_version, section.app_client_id, section.private_key_file, network)
    return TokenCredential(name, section.api_url, section.api_version, network, section.token, section.token_file)
