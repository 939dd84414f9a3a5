"""What jobs will cost, before any of them runs: requests per hour and series. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from exporter.catalogue import PAGE_SIZE, Collector, Sizes
from exporter.counting.short_walks import LARGEST_SHARE
from exporter.counting.windows import Windows
from exporter.github.budget import Budget
from exporter.instants import DAY, HOUR
from exporter.jobs import CollectorSettings, Job, Target
from exporter.options import duration_text

SHARE_OF_NEWS = 0.1
"""The share of a list's rows that is assumed to change between two runs, where short walks are counted on."""
WALKS_OF_A_FOLD = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one run that reads its list whole: requests, the rows of the list, and its series.

    Series of None are estimated from the rows.
    """

    requests: int
    rows: int
    series: int | None = None


@dataclass(frozen=True, slots=True)
class CollectorLoad:
    """The load of a collector's jobs on one quota pool: how many jobs, requests per hour, series.

    `hourly` are the requests if each run reads its list whole, `daily` those of them that do not depend on the
    interval; `short` are the requests per hour if short walks succeed. `largest` is what one run may send.
    """

    pool: str
    collector: str
    jobs: int
    hourly: float
    daily: float
    short: float
    largest: int
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
        """Requests per hour, if each run reads its list whole."""
        return sum(load.hourly for load in self.collectors)

    @property
    def short(self) -> float:
        """Requests per hour, if short walks succeed."""
        return sum(load.short for load in self.collectors)

    @property
    def fits(self) -> bool:
        """Whether the budget is enough."""
        return self.budget is None or max(self.hourly, self.largest) <= self.budget

    @property
    def largest(self) -> int:
        """What one run may send."""
        return max((load.largest for load in self.collectors), default=0)


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
    daily = hourly = short = 0.0
    for job, count, cost in costs:
        per_run, per_day = _requests(job, cost)
        daily += count * per_day * HOUR / DAY
        hourly += count * per_run * HOUR / job.settings.interval
        per_run, per_day = _requests_of_short_walks(job, cost) or (per_run, per_day)
        short += count * (per_run * HOUR / job.settings.interval + per_day * HOUR / DAY)
    return CollectorLoad(
        pool,
        costs[0][0].collector.name,
        sum(count for _job, count, _cost in costs),
        daily + hourly,
        daily,
        short,
        max(cost.requests for _job, _count, cost in costs),
        sum(count * _series(job, cost) for job, count, cost in costs),
    )


def _requests(job: Job, cost: Cost) -> tuple[float, float]:
    """The requests of a run, and those per day besides, of a list that is read once a day."""
    calls = job.collector.calls
    if calls.is_daily and job.settings.interval < DAY:
        return calls.single, cost.requests - calls.single
    return cost.requests, 0.0


def _requests_of_short_walks(job: Job, cost: Cost) -> tuple[float, float] | None:
    """The same if short walks succeed: the list is read whole once a day, and for folds. None if there are none."""
    collector, pages = job.collector, ceil(cost.rows / PAGE_SIZE)
    is_filtered = any(getattr(job.settings.options, name) for name in collector.filters)
    is_list = collector.counting is not None and bool(collector.calls.listed)
    if not is_list or is_filtered or pages < LARGEST_SHARE or job.settings.interval >= DAY:
        return None
    usual = 1 + ceil(pages * SHARE_OF_NEWS)
    folds = (WALKS_OF_A_FOLD - 1) * pages / (Windows().longest / DAY)
    return usual, cost.requests - usual + folds


def expected_series(job: Job) -> int:
    """The series of a job if GitHub's lists have the sizes that `plan` assumes."""
    return _series(job, expected_cost(job, Sizes()))


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
    share = max(load.hourly, load.largest) / load.limit
    remedies = []
    if share <= 1:
        remedies.append(f"raise budget.share to {ceil(share * 100) / 100:g}")
    for part in sorted(load.collectors, key=lambda part: -part.hourly):
        left, by_interval = load.budget - (load.hourly - part.hourly) - part.daily, part.hourly - part.daily
        if left > 0 and load.hourly > load.budget >= load.largest:
            interval = duration_text(ceil(intervals[part.collector] * by_interval / left / 60) * 60)
            remedies.append(f"lengthen collectors.{part.collector}.interval to {interval}")
    remedies.append("lower top_actors and top_users, or narrow a list by its …_substring")
    remedies.append("give organizations credentials of their own: a GitHub App has a quota at each one")
    return remedies


def rows_of(pages: int, first_page: int) -> int:
    """About how many rows a list has, by its number of pages and the rows of its first page."""
    return first_page if pages == 1 else pages * PAGE_SIZE - PAGE_SIZE // 2
