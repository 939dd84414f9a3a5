"""Wiring of one running exporter: start, stop, and the only clock."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version

import structlog

from exporter import worker
from exporter.catalogue import Collector
from exporter.collecting.access import Access
from exporter.collecting.active_jobs import Configuration
from exporter.collecting.clock import Clock
from exporter.collecting.schedule import Schedule
from exporter.collecting.settle import Snapshots
from exporter.collecting.tick import Ticks
from exporter.collectors import COLLECTORS
from exporter.counting.windows import Windows
from exporter.errors import GitHubError
from exporter.exposition.answers import Exposition
from exporter.exposition.store import Store
from exporter.github.apps import App
from exporter.github.budget import Budget
from exporter.github.client import GitHub
from exporter.github.credentials import Credential, TokenCredential
from exporter.github.installations import Installation
from exporter.github.network import Network
from exporter.github.pacing import Pool
from exporter.github.sender import AnswerBounds
from exporter.jobs import Target
from exporter.privacy import Naming
from exporter.serving.health import Health, Reload
from exporter.serving.http import Web
from exporter.serving.page.page import status_page
from exporter.serving.page.quotas import Quota, quota_of, shares
from exporter.serving.self_metrics import SelfMetrics
from exporter.serving.server import Listening, listening
from exporter.serving.status_json import status_json
from exporter.settings import DIRECT, Settings, SettingsError, changes, doubts, fixed_changes
from exporter.signals import watched
from exporter.state.database import Restored, State
from exporter.state.renaming import renamed_by

log = structlog.get_logger(__name__)

JOB_DEADLINE = 300.0
READY_DEADLINE = 60.0
VERSION = version("github-enterprise-exporter")


class SystemClock:
    """The machine's clocks."""

    def wall(self) -> float:
        """Epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class Timing:
    """Lengths that are settings of the code: tests and the demo shorten them."""

    windows: Windows = field(default_factory=Windows)
    job_deadline: float = JOB_DEADLINE
    ready_deadline: float = READY_DEADLINE


class Exporter:
    """What one exporter is wired of. Credentials, targets and collectors can change while it runs, the rest cannot."""

    def __init__(
        self,
        settings: Settings,
        collectors: Sequence[Collector] = COLLECTORS,
        clock: Clock | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._settings, self._collectors = settings, collectors
        self._applied, self._rejected_at = settings, 0.0
        self._clock, self._timing = clock or SystemClock(), timing or Timing()
        self._renamed = renamed_by(collectors)
        self._state = State(settings.state.path, settings.privacy.user_names, self._renamed)
        self._store = Store(settings.counters.birth_delay)
        self._pools: dict[str, Pool] = {}
        self._pools_in_use: dict[str, Pool] = {}
        self._accesses: dict[str, Access] = {}
        self._clients: list[GitHub] = []
        self._reload = Reload(self._clock.wall())
        self._own = SelfMetrics(
            self._store,
            self._pools_in_use,
            self._largest_skew,
            lambda: self._state.failed_writes,
            self._health,
            now=self._clock.wall,
        )
        self._snapshots = Snapshots(self._store, self._state, self._clock)
        self._snapshots.pause = worker.pause
        self._ticks = Ticks(
            self._snapshots,
            self._clock,
            self._timing.windows,
            settings.limits.max_series,
            self._timing.job_deadline,
            self._own,
        )
        self._schedule = Schedule(self._ticks, self._clock)
        self._exposition = Exposition(self._store, collectors, self._own.render, self._clock.monotonic)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Listening]:
        """From the first answer to the last; raises `StateLockedError` and `OSError` (address)."""
        async with AsyncExitStack() as stack:
            worker.start()
            restored = await asyncio.to_thread(self._restore)
            stack.callback(self._state.close)
            stack.push_async_callback(asyncio.to_thread, self._save_all)
            stack.push_async_callback(self._close_clients)
            await self._apply(self._settings, restored)
            del restored  # else every key of it would live as long as we run
            bound = await stack.enter_async_context(listening(self._web(), self._settings.web.listen_address))
            self._schedule.start()
            stack.push_async_callback(self._schedule.stop)
            path = self._settings.web.telemetry_path
            log.info("listening", addresses=str(bound), path=path, jobs=len(self._schedule.jobs))
            if any(host in ("0.0.0.0", "::") for host, _port in bound.addresses):  # noqa: S104 - compared, not bound
                log.warning("listening on all interfaces without TLS or users: keep the port inside your network")
            yield bound

    def _restore(self) -> Restored:
        restored = self._state.open(self._clock.wall())
        self._snapshots.naming = self._state.naming
        return restored

    async def reload(self, settings: Settings) -> None:
        """Take over credentials, targets and collectors; what is new begins at once, what is gone is withdrawn."""
        async with self._schedule.lock:
            await self._show_people(settings)
            await self._apply(settings, await asyncio.to_thread(self._state.restored))
        self._reload = Reload(self._clock.wall())
        _log_reload(changes(self._applied, settings), fixed_changes(self._settings, settings))
        self._applied = settings

    async def _show_people(self, settings: Settings) -> None:
        """Show people as `privacy` says now: no answer that begins after this has the old form, nor has the state."""
        naming = Naming(settings.privacy.user_names, self._state.salt)
        if naming == self._snapshots.naming:
            return
        for client in self._clients:
            client.quoted = naming.choice == "login"
        await self._schedule.rename(naming, self._renamed)
        await asyncio.to_thread(self._state.rename, naming.choice)
        self._exposition.forget()

    def refuse_reload(self, problem: str) -> None:
        """Remember that a configuration was refused, and why, until another one is taken over."""
        self._reload = replace(self._reload, problem=problem)

    async def _apply(self, settings: Settings, restored: Restored) -> None:
        """Run what the settings ask for, with a client for each credential that is new or has changed."""
        accesses = {}
        for target, credential in credentials(settings).items():
            pool = settings.pool_of(target)
            access = self._accesses.get(credential.name)
            if access is None or access.credential != credential or access.pool.name != pool:
                client = self._client(credential, self._pool(pool), settings)
                self._clients.append(client)
                access = self._accesses[credential.name] = Access(credential, client, self._pools[pool])
            accesses[target] = access
        # Pools of removed credentials stay in `_pools`, for the hour's spending, but the metrics leave them out.
        self._pools_in_use.clear()
        self._pools_in_use.update({access.pool.name: access.pool for access in accesses.values()})
        configuration = configuration_of(settings, self._collectors, accesses)
        self._own.expect(_runs(configuration))
        await self._schedule.apply(configuration, restored)

    def _pool(self, name: str) -> Pool:
        budget = self._settings.budget
        return self._pools.setdefault(name, Pool(name, Budget(budget.share, budget.reserve)))

    def _client(self, credential: Credential, pool: Pool, settings: Settings) -> GitHub:
        return client_of(credential, pool, settings, self._clock, self._own.requested)

    def _web(self) -> Web:
        web, clock = self._settings.web, self._clock
        ready_at = clock.monotonic() + self._timing.ready_deadline
        return Web(
            exposition=self._exposition,
            store=self._store,
            known_collectors=frozenset(collector.name for collector in self._collectors),
            telemetry_path=web.telemetry_path,
            max_requests=web.max_requests,
            count_rejected=self._reject_scrape,
            ready=lambda: self._schedule.all_tried() or clock.monotonic() >= ready_at,
            clock=clock.monotonic,
            page=self._page,
            status=self._status,
        )

    def _reject_scrape(self) -> None:
        self._own.scrapes_rejected.inc()
        self._rejected_at = self._clock.wall()

    def _save_all(self) -> None:
        """Save what could not be saved so far, when the exporter stops."""
        self._state.watch(self._clock.wall())
        shown = [entry.job.key for entry in self._store if entry.status.outcome]
        self._snapshots.save_all(self._state.unsaved(shown))
        self._state.settle()

    async def _page(self) -> str:
        """The status page. With a thousand targets it takes a second, so a worker thread makes it."""
        now = self._clock.wall()
        return await asyncio.to_thread(
            status_page,
            list(self._store),
            self._quotas(now),
            version=VERSION,
            telemetry_path=self._settings.web.telemetry_path,
            docs=self._settings.web.docs_url,
            now=now,
            health=self._health(),
        )

    async def _status(self) -> str:
        now, health = self._clock.wall(), self._health()
        return await asyncio.to_thread(status_json, list(self._store), version=VERSION, now=now, health=health)

    def _health(self) -> Health:
        now = self._clock.wall()
        accesses = self._schedule.access_by_target
        return Health(
            self._state.health,
            self._reload,
            {target.credential: access.unreadable for target, access in accesses.items()},
            {target: access.rejected is not None for target, access in accesses.items()},
            frozenset(target for target, access in accesses.items() if access.not_before(now) > now),
            {one.credential.name: end for one in accesses.values() if (end := one.github.token_expiry) is not None},
            self._largest_skew(),
            *shares(self._quotas(now), now),
            dict(self._own.gaps),
            self._rejected_at,
        )

    def _quotas(self, now: float) -> list[Quota]:
        monotonic = self._clock.monotonic()
        return [quota_of(one.pool, one.github.skew, now, monotonic) for one in self._schedule.accesses]

    def _largest_skew(self) -> float:
        return max((access.github.skew for access in self._schedule.accesses), key=abs, default=0.0)

    async def _close_clients(self) -> None:
        for client in self._clients:
            await client.aclose()


async def run(settings: Settings, load: Callable[[], Settings], timing: Timing | None = None) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP takes over the settings that `load` reads."""
    signals = watched()
    exporter = Exporter(settings, timing=timing)
    for doubt in doubts(settings):
        log.warning(doubt)

    async def reload() -> None:
        while await signals.hangup.wait():
            signals.hangup.clear()
            try:
                await exporter.reload(await asyncio.to_thread(load))  # a pipe may let it wait
            except (SettingsError, GitHubError) as error:
                log.error("not reloaded, the old configuration stays", error=str(error))
                exporter.refuse_reload(str(error))
            except Exception:  # a fault of ours, which must not make the next SIGHUP unheard
                log.exception("not reloaded, unexpectedly: please report this")
                exporter.refuse_reload("An unexpected fault, which the log tells: please report it.")

    async with exporter.running():
        reloading = asyncio.create_task(reload())
        await signals.stop.wait()
        reloading.cancel()
        log.info("stopping")


def _log_reload(changed: Sequence[str], waiting: Sequence[str]) -> None:
    log.info("reloaded", changed="; ".join(changed) or "nothing")
    if waiting:
        log.warning("these settings change with a restart only", changed="; ".join(waiting))


def client_of(
    credential: Credential, pool: Pool, settings: Settings, clock: Clock, observe: Callable[[str, str, float], None]
) -> GitHub:
    """The client of a credential; a walk over a list may have as many pages as the largest `max_series` needs."""
    busiest = max((one.max_series or 0 for one in settings.collectors.values()), default=0)
    return GitHub(
        credential,
        pool,
        clock=clock.wall,
        monotonic=clock.monotonic,
        observe=observe,
        bounds=AnswerBounds(pages=max(AnswerBounds().pages, -(-busiest // 100))),
        quoted=settings.privacy.user_names == "login",
    )


def network_of(settings: Settings, name: str) -> Network:
    """The way out of a credential: its own proxy or the one for all, and both authorities."""
    own = settings.credentials[name]
    proxy = own.proxy or settings.proxy
    files = tuple(path for path in (settings.ca_file, own.ca_file) if path is not None)
    return Network(None if proxy == DIRECT else proxy, settings.no_proxy, files)


def configuration_of(
    settings: Settings, collectors: Sequence[Collector], accesses: Mapping[Target, Access]
) -> Configuration:
    """The configuration of the schedule; without `accesses` it selects jobs, but cannot run them."""
    watched = {target: settings.watched_at(target) for target in accesses}
    return Configuration(collectors, settings.collectors, accesses, watched)


def _runs(configuration: Configuration) -> Iterator[tuple[Collector, Target]]:
    """Which collectors run at which targets."""
    for collector in configuration.collectors:
        chosen = configuration.settings[collector.name]
        for target in configuration.accesses:
            if chosen.enabled and collector.runs(target.kind, chosen.options):
                yield collector, target


def credentials(settings: Settings) -> dict[Target, Credential]:
    """Who asks at each target: a token for all that name it, or an App's installation there."""
    by_name: dict[str, TokenCredential | App] = {}
    by_target: dict[Target, Credential] = {}
    for target in settings.targets():
        name, section = target.credential, settings.credentials[target.credential]
        if name not in by_name and section.app_client_id and section.private_key_file:
            network = network_of(settings, name)
            by_name[name] = App(
                name, section.api_url, section.api_version, section.app_client_id, section.private_key_file, network
            )
        elif name not in by_name:
            network = network_of(settings, name)
            by_name[name] = TokenCredential(
                name, section.api_url, section.api_version, network, section.token, section.token_file
            )
        credential = by_name[name]
        if isinstance(credential, TokenCredential):
            by_target[target] = credential
        elif target.kind != "appliance":
            by_target[target] = Installation(credential, target.kind, target.name)
    return by_target
