"""Asks GitHub for targets when that is due, and keeps what it names: saved first, then used.

A listing that was cut off, by a kill for example, is asked for again; one that ended is not before it is due.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from exporter import worker
from exporter.catalogue import Collector
from exporter.clock import Clock
from exporter.collecting.access import Access
from exporter.collecting.waits import Waits
from exporter.discovery import saved
from exporter.discovery.asking import ask, permissions_of
from exporter.discovery.discoveries import Discoveries, discoveries_of
from exporter.discovery.memory import Memory, after_failure, after_listing, corrected
from exporter.discovery.status import DiscoveryStatus, statuses_of
from exporter.errors import GitHubError, Invalid, OverBudget
from exporter.github.listings import Listing
from exporter.instants import DAY
from exporter.settings import Settings
from exporter.settings.discover import DiscoverEntry
from exporter.state.database import Restored, State, Wait

log = structlog.get_logger(__name__)

BEAT = 0.5
"""Seconds between two looks at what is due."""
KEPT = 366 * DAY
"""Seconds for which the state keeps a memory that is not renewed."""
MOST_NAMED = 20
"""Names in a line of the log."""
PRIORITY = 0
"""In the queue of a token's pool a listing is as important as totals."""


class Discovery:
    """The targets that GitHub names, for the settings that `configure` got last."""

    def __init__(self, collectors: Sequence[Collector], waits: Waits, state: State, clock: Clock) -> None:
        self._collectors, self._waits, self._state, self._clock = collectors, waits, state, clock
        self._permissions = permissions_of(collectors)
        self._memories: dict[str, Memory] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tried: set[str] = set()
        self._settings = Settings()
        self._accesses: Mapping[str, Access] = {}
        self.discoveries = Discoveries()
        self.statuses: Sequence[DiscoveryStatus] = ()
        """The status of each entry."""

    def restore(self, restored: Restored) -> None:
        """Take what was saved."""
        self._memories = saved.load_all((name, wait.mark) for name, wait in restored.waits.items())
        self._tried = set(self._memories)

    def effective(self, settings: Settings) -> tuple[Settings, Discoveries]:
        """These settings with the targets that have been found for them, and what was found. The worker calls it."""
        result = discoveries_of(settings.discover, self._memories, settings.listed_targets())
        return settings.model_copy(update={"discovered": result.targets}), result

    async def configure(self, settings: Settings, result: Discoveries, accesses: Mapping[str, Access]) -> None:
        """Ask by these settings from now on, with these accesses, by credential; `result` is what is collected."""
        self._settings, self._accesses = settings, accesses
        await self._show(result)

    @property
    def all_tried(self) -> bool:
        """Whether what was found by each entry is collected, after one listing or from the state."""
        return all(entry.key in self._tried for entry in self._settings.discover)

    async def _show(self, result: Discoveries) -> None:
        self.discoveries = result
        self.statuses = await worker.run(statuses_of, self._settings, self._memories, result, self._collectors)

    async def run(self, changed: Callable[[], Awaitable[None]], works: Callable[[Access], None]) -> None:
        """Ask whenever an entry is due, until it is cancelled.

        `changed` is awaited after each change of the targets, or of what an App may read there: it calls `configure`.
        `works` is called when a rejected credential works again.
        """
        try:
            while True:
                for entry in self._due():
                    self._running[entry.key] = asyncio.create_task(self._ask(entry, changed, works))
                await asyncio.sleep(BEAT)
        finally:
            tasks = list(self._running.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _due(self) -> list[DiscoverEntry]:
        now, due = self._clock.wall(), []
        for entry in self._settings.discover:
            memory, access = corrected(self._memory(entry), entry, now), self._accesses.get(entry.credential or "")
            if access is None or entry.key in self._running:
                continue
            was_rejected = memory.failure is not None and memory.failure.reason == "credential"
            if memory.due <= now or (was_rejected and access.rejected is None):  # its file has changed
                due.append(entry)
        return due

    async def _ask(
        self, entry: DiscoverEntry, changed: Callable[[], Awaitable[None]], works: Callable[[Access], None]
    ) -> None:
        """Ask for one listing, and use it."""
        access = self._accesses[entry.credential or ""]
        try:
            async with access.pool.turn(PRIORITY, f"{saved.PREFIX}{entry.key}"):
                after = await self._attempt(entry, access, works)
            await self._keep(entry, after)
            _, result = await worker.run(self.effective, self._settings)
            if (result.targets, result.granted) == (self.discoveries.targets, self.discoveries.granted):
                await self._show(result)
            else:
                await changed()
        except Exception:  # a fault of ours, which must not keep the next listing from being asked for
            log.exception("discovery failed unexpectedly: please report this", credential=entry.key)
            error = Invalid("an unexpected fault; the log has the details")
            self._memories[entry.key] = after_failure(self._memory(entry), error, entry, self._clock.wall())
        finally:
            del self._running[entry.key]
            self._tried.add(entry.key)

    async def _attempt(self, entry: DiscoverEntry, access: Access, works: Callable[[Access], None]) -> Memory:
        """What is known after one listing, or why there was none."""
        before, now = self._memory(entry), self._clock.wall()
        if (pause := access.not_before(now)) > now:
            return _postponed(before, pause)
        fingerprint = await worker.run(access.fingerprint, self._state.salt)
        result = await _listing(entry, access, self._permissions)
        error = result if isinstance(result, GitHubError) else None
        if await self._waits.record(access, error, fingerprint):
            works(access)
        now = self._clock.wall()
        if isinstance(result, Listing):
            return await worker.run(after_listing, before, result, entry, now)
        if isinstance(result, OverBudget):
            return _postponed(before, result.until - access.github.skew)
        return after_failure(before, result, entry, now, access.not_before(now))

    async def _keep(self, entry: DiscoverEntry, after: Memory) -> None:
        before = self._memory(entry)
        wait = Wait(self._clock.wall() + KEPT, await worker.run(saved.dump, after))
        await worker.run(self._state.wait, f"{saved.PREFIX}{entry.key}", wait)
        self._memories[entry.key] = after
        _log_change(entry, before, after)

    def _memory(self, entry: DiscoverEntry) -> Memory:
        return self._memories.get(entry.key, Memory())


async def _listing(entry: DiscoverEntry, access: Access, permissions: frozenset[str]) -> Listing | GitHubError:
    try:
        return await ask(entry, access.credential, access.github, permissions)
    except GitHubError as error:
        return error


def _postponed(memory: Memory, due: float) -> Memory:
    return replace(memory, due=due)


def _log_change(entry: DiscoverEntry, before: Memory, after: Memory) -> None:
    """Log accounts that came or went, and that listings begin to fail, fail for another reason or work again."""
    failed, fails = before.failure, after.failure
    if fails and (failed is None or (failed.reason, failed.hint) != (fails.reason, fails.hint)):
        log.warning("discovery failed", entry=entry.key, reason=fails.reason, error=fails.message, hint=fails.hint)
    elif failed and not fails:
        log.info("discovery works again", entry=entry.key)
    if after.partial and not before.partial:
        log.warning("discovery is incomplete", entry=entry.key, note=after.partial)
    if gone := [name for name in before.known if name not in after.known]:
        log.warning("accounts have vanished: no listing has named them for a day", entry=entry.key, names=some(gone))
    absent = [name for name, known in after.known.items() if known.absent == 0.0]
    if absent := [name for name in absent if before.known[name].absent is None]:
        log.warning("the listing lacks accounts that earlier ones had", entry=entry.key, names=some(absent))


def some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
