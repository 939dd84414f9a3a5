"""One running exporter: start, reload, stop."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version

import structlog

from exporter import worker
from exporter.accesses import Accesses
from exporter.catalogue import Collector
from exporter.clock import Clock, SystemClock
from exporter.collecting.active_jobs import Configuration
from exporter.collecting.schedule import Schedule
from exporter.collecting.settle import Snapshots
from exporter.collecting.tick import JOB_DEADLINE, Ticks
from exporter.collecting.waits import Waits
from exporter.collectors import COLLECTORS
from exporter.counting.windows import Windows
from exporter.discovery.rounds import Discovery, some
from exporter.exposition.answers import Exposition
from exporter.exposition.store import Store
from exporter.github.budget import Budget
from exporter.github.pacing import Pool
from exporter.privacy import Naming
from exporter.reloads import Reloads
from exporter.serving.connection import ASGIApp
from exporter.serving.guard import Guard
from exporter.serving.health import Health, Reload, Shard
from exporter.serving.http import Web
from exporter.serving.page.page import status_page
from exporter.serving.page.quotas import Quota, quota_of, shares
from exporter.serving.prefix import below
from exporter.serving.self_metrics import SelfMetrics
from exporter.serving.server import Listening, listening
from exporter.serving.status_json import status_json
from exporter.serving.systemd_socket import NONE_PASSED
from exporter.serving.web_config import WebConfigFile
from exporter.settings import Settings, changes, fixed_changes, socket_descriptors, warnings_of
from exporter.settings.web import WebSection
from exporter.settings.web_config import PLAIN
from exporter.signals import watched
from exporter.state.database import Restored, State
from exporter.state.renaming import renamed_by

log = structlog.get_logger(__name__)

READY_DEADLINE = 60.0
VERSION = version("github-enterprise-exporter")


@dataclass(frozen=True, slots=True)
class Timing:
    """Lengths of time that no operator sets: tests and the demo shorten them."""

    windows: Windows = field(default_factory=Windows)
    job_deadline: float = JOB_DEADLINE
    ready_deadline: float = READY_DEADLINE


class Exporter:
    """The parts of one exporter. Credentials, targets and collectors can change while it runs, the rest cannot."""

    def __init__(
        self,
        settings: Settings,
        collectors: Sequence[Collector] = COLLECTORS,
        clock: Clock | None = None,
        timing: Timing | None = None,
        load: Callable[[], Settings] | None = None,
    ) -> None:
        """`load` reads the settings again, for a reload; without it there are no others."""
        self.reloads = Reloads(load or (lambda: settings), self.reload, self.refuse_reload)
        self._settings, self._collectors = settings, collectors
        self._applied, self._rejected_at = settings, 0.0
        self._effective, self._shard, self._targets = settings, _shard(settings), _targets(settings)
        self._clock, self._timing = clock or SystemClock(), timing or Timing()
        self._renamed = renamed_by(collectors)
        self._state = State(settings.state.path, settings.privacy.user_names, self._renamed)
        self._store = Store(settings.counters.birth_delay)
        pools: dict[str, Pool] = {}
        self._reload = Reload(self._clock.wall())
        self._own = SelfMetrics(self._store, pools, self._health, now=self._clock.wall)
        budget = Budget(settings.budget.share, settings.budget.reserve)
        self._accesses = Accesses(budget, self._clock, pools, self._own.counters.record_request)
        self._snapshots = Snapshots(self._store, self._state, self._clock)
        self._ticks = Ticks(
            self._snapshots,
            self._clock,
            self._timing.windows,
            settings.limits.max_series,
            self._timing.job_deadline,
            self._own.counters,
        )
        waits = Waits(self._state, self._clock)
        self._schedule = Schedule(self._ticks, waits, self._clock)
        self._discovery = Discovery(collectors, waits, self._state, self._clock)
        self._exposition = Exposition(self._store, collectors, self._own.render, self._clock.monotonic)
        path = settings.web.config_file
        self._web_file = WebConfigFile(path, self._clock.wall) if path else None
        self._started = Reload(self._clock.wall())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Listening]:
        """Collect and serve until the context ends; raises `StateLockedError`, and `OSError` for the address."""
        async with AsyncExitStack() as stack:
            worker.tune()
            restored = await worker.run(self._restore)
            stack.callback(self._state.close)
            stack.push_async_callback(worker.run, self._save_all)
            stack.push_async_callback(self._accesses.close)
            self._discovery.restore(restored)
            await self._apply(self._settings, restored)
            del restored  # this frame lives as long as the exporter
            web = self._settings.web
            app = self._guarded(below(web.prefix, web.link_prefix, self._web()))
            bound = await stack.enter_async_context(
                listening(app, _addresses(web), web=self._web_file, count_cut=self._own.count_cut)
            )
            self._schedule.start()
            stack.push_async_callback(self._schedule.stop)
            discovering = asyncio.create_task(self._discovery.run(self._use_discovered, self._schedule.wake))
            stack.push_async_callback(_ended, discovering)
            stack.callback(self.reloads.stop)
            path = web.prefix + web.telemetry_path
            log.info("listening", addresses=str(bound), path=path, jobs=len(self._schedule.jobs))
            self._warn_of_open_access(bound)
            yield bound

    def _warn_of_open_access(self, bound: Listening) -> None:
        """Warn once if the server may be more open than the operator expects."""
        web = self._web_file.config if self._web_file else PLAIN
        for warning in web.warnings:
            log.warning(warning)
        on_all = any(host in ("0.0.0.0", "::") for host, _port in bound.addresses)  # noqa: S104 - compared, not bound
        if on_all and not (web.tls or web.users):
            log.warning("listening on all interfaces without TLS or users: keep the port inside your network")

    def _restore(self) -> Restored:
        restored = self._state.open(self._clock.wall())
        self._snapshots.naming = self._state.naming
        return restored

    async def reload(self, settings: Settings) -> None:
        """Use the credentials, targets, collectors and `privacy` of these settings from now on."""
        async with self._schedule.lock:
            before = self._effective
            await self._apply_naming(settings)
            await self._apply(settings, await worker.run(self._state.restored))
        self._reload = Reload(self._clock.wall())
        self._exposition.forget()
        _log_reload(changes(before, self._effective), fixed_changes(self._settings, settings))

    async def _use_discovered(self) -> None:
        """Collect from the targets that GitHub names now; the others go on undisturbed, as with a reload."""
        async with self._schedule.lock:
            before = self._effective
            await self._apply(self._applied, await worker.run(self._state.restored))
        self._exposition.forget()
        changed = changes(before, self._effective)
        if changed:
            log.info("targets discovered", changed=some(changed))

    async def _apply_naming(self, settings: Settings) -> None:
        """Name people as `privacy` says now: after this, neither a new response nor the state has the old form."""
        naming = Naming(settings.privacy.user_names, self._state.salt)
        if naming == self._snapshots.naming:
            return
        self._accesses.quote(naming.choice == "login")
        await self._schedule.rename(naming, self._renamed)
        await worker.run(self._state.rename, naming.choice)
        self._exposition.forget()

    def refuse_reload(self, problem: str) -> None:
        """Show why a configuration was refused, until another one is applied."""
        self._reload = replace(self._reload, problem=problem)
        self._exposition.forget()

    async def _apply(self, settings: Settings, restored: Restored) -> None:
        """Run what the settings ask for, at their targets and at those that were discovered."""
        effective, discoveries = await worker.run(self._discovery.effective, settings)
        accesses = await self._accesses.update(effective)
        await self._discovery.configure(settings, discoveries, self._accesses.discovery)
        self._applied, self._effective = settings, effective
        self._shard, self._targets = _shard(effective), _targets(effective)
        watched = {target: settings.watched_at(target) for target in accesses}
        asking = tuple(self._accesses.discovery.values())
        configuration = Configuration(
            self._collectors, settings.collectors, accesses, watched, discoveries.granted, asking
        )
        self._own.counters.expect(configuration.runs())
        await self._schedule.apply(configuration, restored)

    def _guarded(self, app: ASGIApp) -> ASGIApp:
        """An application behind the login and the limits of the web configuration file, if there is one."""
        if self._web_file is None:
            return app
        own = self._own
        return Guard(app, self._web_file, self._clock.monotonic, own.web_auth_failures.inc, own.web_rate_limited.inc)

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
            ready=lambda: self._all_tried() or clock.monotonic() >= ready_at,
            clock=clock.monotonic,
            reload=self.reloads.reload if web.enable_lifecycle else None,
            page=self._page,
            status=self._status,
        )

    def _all_tried(self) -> bool:
        return self._discovery.all_tried and self._schedule.all_tried()

    def _reject_scrape(self) -> None:
        self._own.scrapes_rejected.inc()
        self._rejected_at = self._clock.wall()

    def _save_all(self) -> None:
        """Save, when the exporter stops, what could not be saved before."""
        self._state.watch(self._clock.wall(), patient=False)
        shown = [entry.job.key for entry in self._store if entry.status.outcome]
        self._snapshots.save_all(self._state.unsaved(shown))
        self._state.checkpoint()

    async def _page(self, only: str) -> str:
        """The status page, of the target `only` if that is not empty. The worker makes it: it takes up to a second."""
        now = self._clock.wall()
        quotas = self._quotas(now)
        return await worker.run(
            status_page,
            list(self._store),
            quotas,
            version=VERSION,
            telemetry_path=self._settings.web.telemetry_path,
            docs=self._settings.web.docs_url,
            now=now,
            health=self._health_of_pools(quotas, now),
            link_prefix=self._settings.web.link_prefix,
            only=only,
        )

    async def _status(self) -> str:
        now = self._clock.wall()
        quotas = self._quotas(now)
        health = self._health_of_pools(quotas, now)
        return await worker.run(status_json, list(self._store), quotas, version=VERSION, now=now, health=health)

    def _health_of_pools(self, quotas: Sequence[Quota], now: float) -> Health:
        """The health with the pools' shares, which no metric needs: of a thousand pools they take many milliseconds."""
        left, spent = shares(quotas, now)
        return replace(self._health(), left=left, spent=spent)

    def _health(self) -> Health:
        now = self._clock.wall()
        accesses, asking = self._schedule.access_by_target, self._accesses.discovery
        return Health(
            state=self._state.health,
            reload=self._reload,
            credentials={target.credential: access.problem for target, access in accesses.items()}
            | {name: access.problem for name, access in asking.items()},
            rejected={target: access.rejected is not None for target, access in accesses.items()},
            paused=frozenset(target for target, access in accesses.items() if access.not_before(now) > now),
            expiries={
                access.credential.name: end
                for access in (*accesses.values(), *asking.values())
                if (end := access.github.token_expiry) is not None
            },
            skew=max((access.github.skew for access in accesses.values()), key=abs, default=0.0),
            gaps=dict(self._own.counters.gaps),
            rejected_at=self._rejected_at,
            web=self._web_file.reload if self._web_file else self._started,
            has_web_config=self._web_file is not None,
            shard=self._shard,
            discovery=self._discovery.statuses,
            targets=self._targets,
        )

    def _quotas(self, now: float) -> list[Quota]:
        monotonic = self._clock.monotonic()
        return [quota_of(access.pool, access.github.skew, now, monotonic) for access in self._schedule.accesses]


async def run(settings: Settings, load: Callable[[], Settings], timing: Timing | None = None) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP applies the settings that `load` reads."""
    signals = watched()
    # Until it listens, it may read files on the event loop: nobody waits for an answer.
    exporter = Exporter(settings, timing=timing, load=load)
    for warning in warnings_of(settings):
        log.warning(warning)

    async def reload() -> None:
        while await signals.hangup.wait():
            signals.hangup.clear()
            await exporter.reloads.reload()

    async with exporter.running():
        reloading = asyncio.create_task(reload())
        await signals.stop.wait()
        reloading.cancel()
        log.info("stopping")


def _addresses(web: WebSection) -> Sequence[str | int]:
    """Where to listen; the descriptors of the sockets that systemd opened, if it did."""
    if not web.systemd_socket:
        return web.listen_address
    descriptors = socket_descriptors()
    if not descriptors:
        raise OSError(NONE_PASSED)
    return descriptors


def _shard(settings: Settings) -> Shard:
    """This exporter's part of the targets."""
    number, total = settings.shard.index or 0, settings.shard.total
    configured = Counter[str](target.kind for target in settings.all_targets())
    return Shard(number, total, len(settings.targets()), configured)


def _targets(settings: Settings) -> Mapping[tuple[str, str], int]:
    """How many targets this exporter reads, by kind and by whether they are listed or discovered."""
    listed = frozenset(map(str, settings.listed_targets()))
    return Counter((target.kind, "listed" if str(target) in listed else "discovered") for target in settings.targets())


async def _ended(task: "asyncio.Task[None]") -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _log_reload(changed: Sequence[str], waiting: Sequence[str]) -> None:
    log.info("reloaded", changed="; ".join(changed) or "nothing")
    if waiting:
        log.warning("these settings change with a restart only", changed="; ".join(waiting))
