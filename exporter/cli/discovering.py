"""Discovery for `check`, `plan --live` and `doctor`: what is asked, and what GitHub answers. Writes nothing."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from exporter.accesses import Credentials, open_client
from exporter.cli.tables import table
from exporter.clock import Clock
from exporter.collectors import COLLECTORS
from exporter.discovery.asking import ask, permissions_of, way_of
from exporter.discovery.discoveries import Discoveries, discoveries_of
from exporter.discovery.memory import Memory, after_failure, after_listing
from exporter.discovery.status import DiscoveryStatus, statuses_of
from exporter.errors import GitHubError
from exporter.github.pacing import Pool
from exporter.options import duration_text
from exporter.serving.page.discovery import discovery_notes, discovery_rows
from exporter.settings import Settings
from exporter.settings.discover import DiscoverEntry


class Discovered(NamedTuple):
    """The settings with the targets that GitHub names now, what was found, and how each entry fared."""

    settings: Settings
    discoveries: Discoveries = Discoveries()
    statuses: Sequence[DiscoveryStatus] = ()

    @property
    def works(self) -> bool:
        """Whether every listing was complete."""
        return all(status.failure is None for status in self.statuses)


def planned(settings: Settings) -> str:
    """What will be discovered, as a table; empty if nothing."""
    if not settings.discover:
        return ""
    head = ("DISCOVERS", "CREDENTIAL", "INCLUDES", "EXCLUDES", "INTERVAL")
    return table([head, *(_row(settings, entry) for entry in settings.discover)])


def discover(settings: Settings, clock: Clock) -> Discovered:
    """Ask GitHub for all listings."""
    return asyncio.run(_discover(settings, clock)) if settings.discover else Discovered(settings)


def shown(discovered: Discovered, now: float) -> Iterator[str]:
    """What was found, and why some of it is not collected."""
    rows = [(row.state, row.way, row.credential, row.found) for row in discovery_rows(discovered.statuses, now)]
    yield table([("RESULT", "DISCOVERS", "CREDENTIAL", "FOUND"), *rows])
    names = [str(target) for target in discovered.discoveries.targets]
    yield f"Discovered: {', '.join(names)}." if names else "Nothing is discovered."
    for status in discovered.statuses:
        if status.failure:
            yield f"Discovery by credential {status.credential} fails: {status.failure.message}"
            yield f"  fix: {status.failure.hint}"
    yield from discovery_notes(discovered.statuses)


async def _discover(settings: Settings, clock: Clock) -> Discovered:
    memories = dict(await asyncio.gather(*(_ask(settings, entry, clock) for entry in settings.discover)))
    result = discoveries_of(settings.discover, memories, settings.listed_targets())
    statuses = statuses_of(settings, memories, result, COLLECTORS)
    return Discovered(settings.model_copy(update={"discovered": result.targets}), result, statuses)


async def _ask(settings: Settings, entry: DiscoverEntry, clock: Clock) -> tuple[str, Memory]:
    name = entry.credential or ""
    credential = Credentials(settings).of_discovery()[name]
    try:
        client = open_client(credential, Pool(name), settings, clock, lambda *_: None)
        try:
            listing = await ask(entry, credential, client, permissions_of(COLLECTORS))
        finally:
            await client.aclose()
    except GitHubError as error:
        return entry.key, after_failure(Memory(), error, entry, clock.wall())
    return entry.key, after_listing(Memory(), listing, entry, clock.wall())


def _row(settings: Settings, entry: DiscoverEntry) -> tuple[str, ...]:
    name = entry.credential or ""
    is_app = settings.credentials[name].app_client_id is not None
    include, exclude = ", ".join(entry.include), ", ".join(entry.exclude)
    return way_of(entry, is_app=is_app), name, include, exclude, duration_text(entry.interval)
