"""Wiring of one running exporter: start, stop, and the only clock."""

import asyncio
import gc
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version

import structlog

from exporter.catalogue import Collector
from exporter.collecting.access import Access
from exporter.collecting.plan import CollectorSettings, Target
from exporter.collecting.privacy import named_as
from exporter.collecting.schedule import Schedule, Wanted
from exporter.collecting.tick import Clock, Ticks
from exporter.collecting.windows import Windows
from exporter.collectors import COLLECTORS
from exporter.first_answer import LastAnswer, Opened, discard, leave
from exporter.github.apps import App, Installation
from exporter.github.budget import Budget
from exporter.github.client import GitHub, Limits
from exporter.github.credentials import Credential, TokenCredential
from exporter.github.errors import GitHubError
from exporter.github.pacing import Pool
from exporter.serving.http import Exposition, Web
from exporter.serving.naps import step_back
from exporter.serving.page import status_page
from exporter.serving.page_quotas import quota_of
from exporter.serving.self_metrics import SelfMetrics
from exporter.serving.server import Listening, listening
from exporter.serving.store import Store
from exporter.settings import Settings, SettingsError
from exporter.signals import stop_signal
from exporter.state import Restored, State

log = structlog.get_logger(__name__)

JOB_DEADLINE = 300.0
READY_DEADLINE = 60.0
LEFT_FOR = 86400.0
"""Seconds that an answer may be served after a stop."""
SWITCH_SECONDS = 0.0005
GARBAGE_OBJECTS = 50_000
"""More than a job of 2,000 rows makes, none of which is garbage. A connection leaves 30, so that it stays at 5 MB."""
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
        digest: str = "",
    ) -> None:
        self._settings, self._collectors, self._digest = settings, collectors, digest
        self._clock, self._timing = clock or SystemClock(), timing or Timing()
        self._state = State(settings.state.path, settings.privacy.user_names)
        self._store = Store(settings.counters.birth_delay)
        self._pools: dict[str, Pool] = {}
        self._accesses: dict[str, Access] = {}
        self._clients: list[GitHub] = []
        self._own = SelfMetrics(self._store, self._pools, self._largest_skew, lambda: self._state.failed_writes)
        self._ticks = Ticks(
            self._store,
            self._state,
            self._clock,
            self._timing.windows,
            settings.limits.max_series,
            self._timing.job_deadline,
            self._own,
            lambda name: named_as(settings.privacy.user_names, name, self._state.salt),
        )
        self._schedule = Schedule(self._ticks, self._state, self._clock)
        self._exposition = Exposition(self._store, collectors, self._own.render, self._clock.monotonic)

    @asynccontextmanager
    async def running(self, opened: Opened | None = None) -> AsyncIterator[Listening]:
        """From the first answer to the last; raises `StateLockedError` and `OSError` (address).

        What is `opened` already is handed over when the state is restored.
        """
        async with AsyncExitStack() as stack:
            # One thread for all that computes or writes: a second one would only take turns with it, and with scrapes.
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1, "work", step_back))
            restored = await asyncio.to_thread(self._restore)
            stack.callback(self._state.close)
            stack.push_async_callback(asyncio.to_thread, self._leave_answer)
            stack.push_async_callback(self._close_clients)
            self._plan(self._settings, restored)
            del restored  # else every key of it would live as long as we run
            if opened:
                bound = opened.listening
                opened.opening.hand_over(self._web())
            else:
                bound = await stack.enter_async_context(listening(self._web(), self._settings.web.listen_address))
            self._ticks.arrived = bound.arrived
            self._schedule.start()
            stack.push_async_callback(self._schedule.stop)
            # A scrape waits for a worker thread to let go of the interpreter a few times; 5 ms each would be seen.
            sys.setswitchinterval(SWITCH_SECONDS)
            gc.collect()
            gc.freeze()  # what was imported is never garbage, and is not to be looked through again
            gc.set_threshold(GARBAGE_OBJECTS, 10, 10)
            shown = " ".join(f"{host}:{port}" for host, port in bound.addresses)
            log.info(
                "listening", addresses=shown, path=self._settings.web.telemetry_path, jobs=len(self._schedule.jobs)
            )
            if any(host in ("0.0.0.0", "::") for host, _port in bound.addresses):  # noqa: S104 - compared, not bound
                log.warning("listening on all interfaces without TLS or users: keep the port inside your network")
            yield bound

    def _restore(self) -> Restored:
        restored = self._state.open(self._clock.wall())
        discard(self._settings.state.path)  # what is kept may change from now on
        return restored

    async def reload(self, settings: Settings) -> None:
        """Take over credentials, targets and collectors; what is new begins at once, what is gone is withdrawn."""
        async with self._schedule.planning:
            self._plan(settings, await asyncio.to_thread(self._state.restored))
        self._digest = ""  # what is shown is made of something else now
        log.info("reloaded; web, log, state, counters, budget, limits and privacy change with a restart only")

    def _plan(self, settings: Settings, restored: Restored) -> None:
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
        wanted = wanted_of(settings, self._collectors, accesses)
        self._own.expect(_runs(wanted))
        self._schedule.plan(wanted, restored)

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
            rejected=self._own.scrapes_rejected,
            ready=lambda: self._schedule.all_tried() or clock.monotonic() >= ready_at,
            clock=clock.monotonic,
            page=self._page,
        )

    def _leave_answer(self) -> None:
        """Keep the last answer for the next start."""
        web = self._settings.web
        if self._digest:
            gone = [entry.snapshot.gauges_end(entry.job.max_age) for entry in self._store if entry.shows_gauges]
            until = min([self._clock.wall() + LEFT_FOR, *gone])
            answer = LastAnswer(tuple(web.listen_address), web.telemetry_path, until, self._exposition.last())
            self._state.settle()
            leave(self._settings.state.path, self._digest, answer)

    def _page(self) -> str:
        now, monotonic = self._clock.wall(), self._clock.monotonic()
        return status_page(
            self._store,
            [quota_of(one.pool, one.github.skew, now, monotonic) for one in self._schedule.accesses],
            version=VERSION,
            telemetry_path=self._settings.web.telemetry_path,
            now=now,
            failed_writes=self._state.failed_writes,
        )

    def _largest_skew(self) -> float:
        return max((access.github.skew for access in self._accesses.values()), key=abs, default=0.0)

    async def _close_clients(self) -> None:
        for client in self._clients:
            await client.aclose()


async def run(
    settings: Settings,
    load: Callable[[], Settings],
    timing: Timing | None = None,
    digest: str = "",
    opened: Opened | None = None,
) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP loads the settings anew. `first_answer.py` tells of `digest` and `opened`."""
    stop = opened.stop if opened else stop_signal()
    exporter = Exporter(settings, timing=timing, digest=digest)
    hangup = asyncio.Event()

    async def reload() -> None:
        while await hangup.wait():
            hangup.clear()
            try:
                await exporter.reload(load())
            except (SettingsError, GitHubError) as error:
                log.error("not reloaded, the old configuration stays", error=str(error))
            except Exception:  # a fault of ours, which must not make the next SIGHUP unheard
                log.exception("not reloaded, unexpectedly: please report this")

    async with exporter.running(opened):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
        reloading = asyncio.create_task(reload())
        await stop.wait()
        reloading.cancel()
        log.info("stopping")


def client_of(
    credential: Credential, pool: Pool, settings: Settings, clock: Clock, observe: Callable[[str, str, float], None]
) -> GitHub:
    """The client of a credential; a walk over a list may have as many pages as the largest `max_series` needs."""
    busiest = max((getattr(one.options, "max_series", 0) for one in settings.collectors.values()), default=0)
    return GitHub(
        credential,
        pool,
        clock=clock.wall,
        monotonic=clock.monotonic,
        observe=observe,
        limits=Limits(pages=max(Limits().pages, -(-busiest // 100))),
        proxy=settings.proxy,
        quoted=settings.privacy.user_names == "login",
    )


def wanted_of(settings: Settings, collectors: Sequence[Collector], accesses: Mapping[Target, Access]) -> Wanted:
    """What the configuration asks for, in the words of the plan."""
    chosen = {
        name: CollectorSettings(section.enabled, section.interval, section.max_age, section.options)
        for name, section in settings.collectors.items()
    }
    watched = {target: settings.watched_at(target) for target in accesses}
    return Wanted(collectors, chosen, accesses, watched)


def _runs(wanted: Wanted) -> Iterator[tuple[Collector, Target]]:
    """Which collectors run at which targets."""
    for collector in wanted.collectors:
        chosen = wanted.settings[collector.name]
        for target in wanted.accesses:
            if chosen.enabled and collector.runs(target.kind, chosen.options):
                yield collector, target


def credentials(settings: Settings) -> dict[Target, Credential]:
    """Who asks at each target: a token for all that name it, or an App's installation there."""
    made: dict[str, TokenCredential | App] = {}
    found: dict[Target, Credential] = {}
    for target in settings.targets():
        name, one = target.credential, settings.credentials[target.credential]
        if name not in made and one.app_client_id and one.private_key_file:
            made[name] = App(name, one.api_url, one.api_version, one.app_client_id, one.private_key_file, one.ca_file)
        elif name not in made:
            made[name] = TokenCredential(name, one.api_url, one.api_version, one.ca_file, one.token, one.token_file)
        maker = made[name]
        if isinstance(maker, TokenCredential):
            found[target] = maker
        elif target.kind != "appliance":
            found[target] = Installation(maker, target.kind, target.name)
    return found
