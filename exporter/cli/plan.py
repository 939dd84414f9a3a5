"""`plan`: the requests and series of a configuration, by assumed sizes or, with `--live`, by GitHub's answers."""

import asyncio
from collections.abc import Iterable, Sequence
from textwrap import indent

from exporter import output
from exporter.accesses import credentials_by_target
from exporter.catalogue import Sizes
from exporter.cli.discovering import Discovered, discover, shown
from exporter.cli.survey import SurveyEntry, survey
from exporter.cli.tables import table
from exporter.clock import SystemClock
from exporter.collecting.forecast import (
    CollectorLoad,
    Cost,
    PoolLoad,
    advice,
    collector_load,
    expected_cost,
    expected_jobs,
    pool_loads,
)
from exporter.collectors import COLLECTORS
from exporter.errors import GitHubError
from exporter.github.budget import Budget
from exporter.jobs import Job
from exporter.settings import Settings
from exporter.settings.model import ShardSection
from exporter.settings.shards import owner

LIMIT_OF_APP = 15_000.0
LIMIT_OF_TOKEN = 5_000.0
"""GitHub's usual limits per hour, of an App on an organization of Enterprise Cloud, and of a user."""

DOES_NOT_FIT = 2


def main(settings: Settings) -> int:
    """Print the cost; exit code 2 if it does not fit into a budget, 1 if a job failed."""
    shards, settings = settings.shard.total, settings.model_copy(update={"shard": ShardSection()})
    budget = Budget(settings.budget.share, settings.budget.reserve)
    failures: list[SurveyEntry] = []
    discovered, clock = Discovered(settings), SystemClock()
    if settings.plan.live:
        discovered = discover(settings, clock)
        settings = discovered.settings
        if settings.discover:
            print("\n".join([*shown(discovered, clock.wall()), ""]))
        result = asyncio.run(survey(settings, COLLECTORS, clock, granted=discovered.discoveries.granted))
        failures = [finding for finding in result.findings if isinstance(finding.result, GitHubError)]
        limits = {name: pool.limit for name, pool in result.pools.items()}
        pools = pool_loads(_live(result.findings), limits, budget)
        print("By what GitHub shows now:\n")
    else:
        pools = pool_loads(_assumed(settings), _usual_limits(settings), budget)
        print(
            f"By stated sizes: {settings.plan.subjects:,} apps and users per organization, and GitHub's usual limits."
        )
        print("`plan --live` asks GitHub instead.\n")
        if settings.discover:
            print("What will be discovered is not in it; `plan --live` asks for that, too.\n")
    _print_pools(pools, settings)
    if shards > 1:
        print(f"\n{_shards(pools, shards)}\n")
    _complain(failures)
    series = max(_series(loads) for loads in _by_shard(pools, shards))
    where = " in the largest shard" if shards > 1 else ""
    print(f"{series:,} series from GitHub{where} of at most {settings.limits.max_series:,} (limits.max_series).")
    if not all(load.fits for load in pools) or series > settings.limits.max_series:
        return DOES_NOT_FIT
    return 1 if failures or not discovered.works else 0


def _print_pools(pools: Sequence[PoolLoad], settings: Settings) -> None:
    """The cost of each collector, then each pool against its budget, with advice where it does not fit."""
    if pools:
        head = ("POOL", "COLLECTOR", "JOBS", "REQUESTS/HOUR", "OF LIMIT", "SERIES")
        print(table([head, *(_row(load, row) for load in pools for row in load.collectors)]), end="\n\n")
    intervals = {name: collector.interval for name, collector in settings.collectors.items()}
    for load in pools:
        print(_sentence(load))
        if not load.fits:
            print("  It does not fit: what comes last waits, for hours or for ever. Do one of these:")
            print("\n".join(f"  - {text}" for text in advice(load, intervals)))


def _shards(pools: Sequence[PoolLoad], shards: int) -> str:
    """What each of several exporters will do."""
    head = ("SHARD", "QUOTA POOLS", "REQUESTS/HOUR", "SERIES")
    rows = [
        (str(shard), f"{len(loads):,}", f"{sum(load.hourly for load in loads):,.0f}", f"{_series(loads):,}")
        for shard, loads in enumerate(_by_shard(pools, shards))
    ]
    return table([head, *rows])


def _by_shard(pools: Sequence[PoolLoad], shards: int) -> list[list[PoolLoad]]:
    return [[load for load in pools if owner(load.pool, shards) == shard] for shard in range(shards)]


def _series(loads: Iterable[PoolLoad]) -> int:
    return sum(row.series for load in loads for row in load.collectors)


def _complain(failures: Iterable[SurveyEntry]) -> None:
    for finding in failures:
        output.complain(f"not asked: {finding.job.collector.name} {finding.job.target}: {finding.result}")
        if isinstance(finding.result, GitHubError):
            output.complain(indent(f"fix: {finding.result.hint}", "  "))


def _live(findings: Iterable[SurveyEntry]) -> list[CollectorLoad]:
    """What the jobs cost that GitHub answered, a line per pool and collector."""
    costs: dict[tuple[str, str], list[tuple[Job, int, Cost]]] = {}
    for finding in findings:
        if not isinstance(finding.result, GitHubError):
            costs.setdefault((finding.pool, finding.job.collector.name), []).append((finding.job, 1, finding.result))
    return [collector_load(pool, group) for (pool, _collector), group in costs.items()]


def _assumed(settings: Settings) -> list[CollectorLoad]:
    """What the jobs cost if the lists have the sizes that the command line assumes, a line per pool and collector."""
    sizes = Sizes(subjects=settings.plan.subjects)
    costs: dict[tuple[str, str], list[tuple[Job, int, Cost]]] = {}
    for target in credentials_by_target(settings):
        for job, count in expected_jobs(COLLECTORS, settings.collectors, target, settings.watched_at(target)):
            key = (settings.pool_of(target), job.collector.name)
            costs.setdefault(key, []).append((job, count, expected_cost(job, sizes)))
    return [collector_load(pool, group) for (pool, _collector), group in costs.items()]


def _usual_limits(settings: Settings) -> dict[str, float | None]:
    limits: dict[str, float | None] = {}
    for target in settings.targets():
        app = settings.credentials[target.credential].app_client_id
        limit = None if target.kind == "appliance" else LIMIT_OF_APP if app else LIMIT_OF_TOKEN
        limits[settings.pool_of(target)] = limit
    return limits


def _row(load: PoolLoad, row: CollectorLoad) -> tuple[str, ...]:
    share = f"{row.hourly / load.limit:.1%}" if load.limit else ""
    return load.pool, row.collector, f"{row.jobs:,}", f"{row.hourly:,.0f}", share, f"{row.series:,}"


def _sentence(load: PoolLoad) -> str:
    if load.limit is None or load.budget is None:
        return f"pool {load.pool}: {load.hourly:,.0f} requests per hour; GitHub names no limit."
    sentence = (
        f"pool {load.pool}: {load.hourly:,.0f} of {load.budget:,} requests per hour, "
        f"the budget of a limit of {load.limit:,.0f}."
    )
    if load.short < 0.9 * load.hourly:
        sentence += f"\n  {load.short:,.0f} if a tenth of each long list changes between two runs, the newest rows."
    return sentence
