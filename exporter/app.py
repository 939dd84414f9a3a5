"""Wiring of one running exporter: start, stop, and the only clock."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version

import structlog

from exporter.catalogue import Collector
from exporter.collecting.plan import CollectorSettings, Job, plan
from exporter.collecting.schedule import Access, Schedule
from exporter.collecting.tick import Clock, Ticks
from exporter.collecting.windows import Windows
from exporter.collectors import COLLECTORS
from exporter.github.client import GitHub, Limits
from exporter.github.credentials import TokenCredential
from exporter.github.pacing import Pool
from exporter.serving.http import Exposition, Web
from exporter.serving.page import status_page
from exporter.serving.self_metrics import SelfMetrics
from exporter.serving.server import Listening, listening
from exporter.serving.store import Store
from exporter.settings import Settings
from exporter.state import State

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


@asynccontextmanager
async def running(
    settings: Settings,
    collectors: Sequence[Collector] = COLLECTORS,
    clock: Clock | None = None,
    timing: Timing | None = None,
) -> AsyncIterator[Listening]:
    """One exporter, from its first answer to its last; raises `StateLockedError` and `OSError` (address)."""
    clock, timing = clock or SystemClock(), timing or Timing()
    async with AsyncExitStack() as stack:
        state = State(settings.state.path)
        restored = await asyncio.to_thread(state.open, clock.wall())
        stack.callback(state.close)
        store = Store(settings.counters.birth_delay)
        credentials = token_credentials(settings)
        pools = {name: Pool(name) for name in sorted({settings.pool_of(credential) for credential in credentials})}
        own = SelfMetrics(store, pools.values(), lambda: _largest_skew(accesses), lambda: state.failed_writes)
        accesses = {}
        for name, credential in credentials.items():
            pool = pools[settings.pool_of(name)]
            accesses[name] = Access(credential, _client(credential, pool, settings, clock, own), pool)
        for access in accesses.values():
            stack.push_async_callback(access.github.aclose)
        jobs = jobs_of(settings, collectors)
        for name in {target.credential for target in settings.targets()} - accesses.keys():
            log.warning("GitHub Apps cannot sign in yet: nothing is asked with this credential", credential=name)
        own.expect(jobs)
        ticks = Ticks(store, state, clock, timing.windows, settings.limits.max_series, timing.job_deadline, own)
        schedule = Schedule(ticks, state, clock, accesses)
        started = clock.monotonic()
        web = Web(
            exposition=Exposition(store, collectors, own.render, clock.monotonic),
            store=store,
            known_collectors=frozenset(collector.name for collector in collectors),
            telemetry_path=settings.web.telemetry_path,
            max_requests=settings.web.max_requests,
            rejected=own.scrapes_rejected,
            ready=lambda: schedule.all_tried() or clock.monotonic() - started >= timing.ready_deadline,
            clock=clock.monotonic,
            page=lambda: status_page(
                store, version=VERSION, telemetry_path=settings.web.telemetry_path, now=clock.wall()
            ),
        )
        schedule.restore(jobs, restored)
        bound = await stack.enter_async_context(listening(web, settings.web.listen_address))
        schedule.start()
        stack.push_async_callback(schedule.stop)
        log.info(
            "listening",
            addresses=" ".join(f"{host}:{port}" for host, port in bound.addresses),
            path=settings.web.telemetry_path,
            jobs=len(jobs),
        )
        if any(host in ("0.0.0.0", "::") for host, _port in bound.addresses):  # noqa: S104 - compared, not bound
            log.warning("listening on all interfaces without TLS or users: keep the port inside your network")
        yield bound


async def run(settings: Settings, timing: Timing | None = None) -> None:
    """Run until SIGTERM or SIGINT."""
    stop = stop_signal()
    async with running(settings, timing=timing):
        await stop.wait()
        log.info("stopping")


def stop_signal() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(
        signal.SIGHUP, log.info, "SIGHUP: nothing is reloaded yet; token files are read as they change"
    )
    return stop


def jobs_of(settings: Settings, collectors: Sequence[Collector] = COLLECTORS) -> list[Job]:
    """What the configuration asks for, as far as there is a token to ask with."""
    chosen = {
        name: CollectorSettings(section.enabled, section.interval, section.max_age, section.options)
        for name, section in settings.collectors.items()
    }
    credentials = token_credentials(settings)
    return plan(collectors, chosen, [target for target in settings.targets() if target.credential in credentials])


def token_credentials(settings: Settings) -> dict[str, TokenCredential]:
    """The credentials that targets use and that hold a token; GitHub Apps cannot sign in yet."""
    used = {target.credential for target in settings.targets()}
    return {
        name: TokenCredential(name, one.api_url, one.api_version, one.ca_file, one.token, one.token_file)
        for name, one in settings.credentials.items()
        if name in used and (one.token or one.token_file)
    }


def _client(credential: TokenCredential, pool: Pool, settings: Settings, clock: Clock, own: SelfMetrics) -> GitHub:
    busiest = max((getattr(section.options, "max_series", 0) for section in settings.collectors.values()), default=0)
    limits = Limits(pages=max(Limits().pages, -(-busiest // 100)))
    return GitHub(
        credential,
        pool,
        clock=clock.wall,
        monotonic=clock.monotonic,
        observe=own.requested,
        limits=limits,
        proxy=settings.proxy,
    )


def _largest_skew(accesses: Mapping[str, Access]) -> float:
    return max((access.github.skew for access in accesses.values()), key=abs, default=0.0)
