"""Asks GitHub for the listing of one entry of `discover`."""

import asyncio
from collections.abc import Collection, Iterable

from exporter.catalogue import Collector
from exporter.errors import Unavailable
from exporter.github.app_identity import AppIdentity
from exporter.github.client import GitHub
from exporter.github.credentials import Credential
from exporter.github.listings import Listing, list_administered, list_enterprise, list_installations
from exporter.settings.discover import DiscoverEntry

DEADLINE = 300.0
"""Seconds after which a listing fails."""


def permissions_of(collectors: Iterable[Collector]) -> frozenset[str]:
    """The permissions of an App's installation that collectors need."""
    return frozenset(name for collector in collectors for name in collector.permission.granted)


async def ask(entry: DiscoverEntry, credential: Credential, github: GitHub, permissions: Collection[str]) -> Listing:
    """The complete listing; raises `GitHubError`."""
    try:
        async with asyncio.timeout(DEADLINE):
            if isinstance(credential, AppIdentity):
                return await list_installations(github, permissions)
            if entry.enterprise:
                return await list_enterprise(github, entry.enterprise)
            return await list_administered(github)
    except TimeoutError:
        pass
    raise Unavailable(f"no complete listing within {DEADLINE:.0f} s")


def way_of(entry: DiscoverEntry, *, is_app: bool) -> str:
    """What is asked for, in words."""
    if is_app:
        return "where the GitHub App is installed"
    if entry.enterprise:
        return f"organizations of enterprise {entry.enterprise}"
    return "organizations that the token's user administers"
