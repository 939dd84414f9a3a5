"""What jobs will cost, before any of them runs: requests per hour and series. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from exporter.catalogue import PAGE_SIZE, Collector, Sizes
from exporter.github.budget import Budget
from exporter.jobs import CollectorSettings, Job, Target
from exporter.options import duration_text


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one run: requests, the rows of its list, and its series (None: to be estimated from the rows)."""

    requests: int
    rows: int
    series: int | None = None


@dataclass(frozen=True, slots=True)
class CollectorLoad:
    """The load of a collector's jobs on one quota pool: how many jobs, requests per hour, series."""

    pool: str
    collector: str
    jobs: int
    hourly: float
    series: int


@dataclass(frozen=True, slots=True)
class PoolLoad:
    """The load of a quota pool, its limit per hour (None: there is none, or it is unknown), and our budget of it."""

    pool: str
    collectors: Sequence[CollectorLoad]
    limit: float | None
    budget: int | None

    @property
    def hourly(self) -> float:
        """Requests per hour."""
        return sum(load.hourly for load in self.collectors)

    @property
    def fits(self) -> bool:
        """Whether the budget is enough."""
        return self.budget is None or self.hourly <= self.budget


def expected_jobs(
    collectors: Iterable[Collector],
    settings: Mapping[str, CollectorSettings],
    target: Target,
    watched: Iterable[tuple[str, ...]],
) -> list[tuple[Job, int]]:
    """The jobs to expect at a target, each with its number: for a drill-down, the watched and the busiest subjects."""
    watched = list(watched)
    jobs = []
    for order, collector in enumerate(collectors):
        section = settings[collector.name]
        if not section.enabled or not collector.runs(target.kind, section.options):
            continue
        count = 1
        if collector.subject:
            count = sum(len(subject) == len(collector.subject) for subject in watched)
            count += int(getattr(section.options, collector.top)) if collector.top else 0
        if count:
            jobs.append((Job(collector, target, section, order), count))
    return jobs


def expected_cost(job: Job, sizes: Sizes) -> Cost:
    """What a run costs if GitHub's lists have these sizes."""
    calls = job.collector.calls
    return Cost(calls.requests(sizes, job.settings.options), calls.rows(sizes))


def collector_load(pool: str, costs: Iterable[tuple[Job, int, Cost]]) -> CollectorLoad:
    """The load of one collector; `costs` has one example of each kind of job, their number, and the cost of a run."""
    costs = list(costs)
    return CollectorLoad(
        pool,
        costs[0][0].collector.name,
        sum(count for _job, count, _cost in costs),
        sum(count * job.collector.calls.hourly(cost.requests, job.settings.interval) for job, count, cost in costs),
        sum(count * _series(job, cost) for job, count, cost in costs),
    )


def _series(job: Job, cost: Cost) -> int:
    """The series of a job.

    If it counts: one per row and family, and `other` for rows beyond `max_series`; else one per family.
    """
    table = job.collector.counting
    if cost.series is not None or table is None:
        return cost.series or sum(len(table.gauges) for table in job.collector.tables)
    most = job.settings.max_series or cost.rows
    counters, gauges = len(table.counters), len(table.gauges)
    rows = min(cost.rows, most)
    return rows * (counters + gauges) + (counters if cost.rows > most else 0)


def pool_loads(loads: Iterable[CollectorLoad], limits: Mapping[str, float | None], budget: Budget) -> list[PoolLoad]:
    """The load of each pool; `limits` are GitHub's, per hour."""
    by_pool: dict[str, list[CollectorLoad]] = {}
    for load in loads:
        by_pool.setdefault(load.pool, []).append(load)
    return [
        PoolLoad(pool, collectors, limit, None if limit is None else budget.hourly(limit))
        for pool, collectors in by_pool.items()
        for limit in (limits[pool],)
    ]


def advice(load: PoolLoad, intervals: Mapping[str, float]) -> list[str]:
    """What an operator can do about a pool that does not fit; any one of it is enough."""
    assert load.budget is not None
    assert load.limit is not None
    share = load.hourly / load.limit
    remedies = []
    if share <= 1:
        remedies.append(f"raise budget.share to {ceil(share * 100) / 100:g}")
    for part in sorted(load.collectors, key=lambda part: -part.hourly):
        left = load.budget - (load.hourly - part.hourly)
        if left > 0:
            interval = duration_text(ceil(intervals[part.collector] * part.hourly / left / 60) * 60)
            remedies.append(f"lengthen collectors.{part.collector}.interval to {interval}")
    remedies.append("lower top_actors and top_users, or narrow a list by its …_substring")
    remedies.append("give organizations credentials of their own: a GitHub App has a quota at each one")
    return remedies


def rows_of(pages: int, first_page: int) -> int:
    """About how many rows a list has, by its number of pages and the rows of its first page."""
    return first_page if pages == 1 else pages * PAGE_SIZE - PAGE_SIZE // 2
