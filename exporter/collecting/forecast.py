"""What jobs will cost before any runs: requests per hour and series. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from exporter.catalogue import PAGE_SIZE, Collector, Sizes
from exporter.github.budget import Budget
from exporter.instants import HOUR
from exporter.jobs import CollectorSettings, Job, Target
from exporter.options import duration_text


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run: requests, the rows of its list, and its series where they are known."""

    calls: int
    rows: int
    series: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A collector's jobs in one quota pool: how many, requests per hour, series."""

    pool: str
    collector: str
    jobs: int
    hourly: float
    series: int


@dataclass(frozen=True, slots=True)
class Load:
    """A quota pool: its lines, its limit per hour (None: none is known to be) and what we allow ourselves of it."""

    pool: str
    lines: Sequence[Line]
    limit: float | None
    budget: int | None

    @property
    def hourly(self) -> float:
        """Requests per hour."""
        return sum(line.hourly for line in self.lines)

    @property
    def fits(self) -> bool:
        """Whether the budget is enough."""
        return self.budget is None or self.hourly <= self.budget


def stated(
    collectors: Iterable[Collector],
    settings: Mapping[str, CollectorSettings],
    target: Target,
    watched: Iterable[tuple[str, ...]],
) -> list[tuple[Job, int]]:
    """The jobs of a target as they may be expected, and how often each: the watched and as many others as may be."""
    watched = list(watched)
    jobs = []
    for order, collector in enumerate(collectors):
        chosen = settings[collector.name]
        if not chosen.enabled or not collector.runs(target.kind, chosen.options):
            continue
        times = 1
        if collector.subject:
            times = sum(len(subject) == len(collector.subject) for subject in watched)
            times += int(getattr(chosen.options, collector.top)) if collector.top else 0
        if times:
            jobs.append((Job(collector, target, chosen, order), times))
    return jobs


def expected(job: Job, sizes: Sizes) -> Cost:
    """What a run costs by stated sizes."""
    return Cost(job.collector.calls.of(sizes), job.collector.calls.rows(sizes))


def line(pool: str, costs: Iterable[tuple[Job, int, Cost]]) -> Line:
    """Sum up one collector's jobs: each with how often there is one like it, and its cost."""
    costs = list(costs)
    return Line(
        pool,
        costs[0][0].collector.name,
        sum(times for _job, times, _cost in costs),
        sum(times * cost.calls * HOUR / job.settings.interval for job, times, cost in costs),
        sum(times * _series(job, cost) for job, times, cost in costs),
    )


def _series(job: Job, cost: Cost) -> int:
    """Series of a job: of what counts one per row and family, beyond `max_series` rows `other`; else one per family."""
    table = job.collector.counting
    if cost.series is not None or table is None:
        return cost.series or sum(len(one.gauges) for one in job.collector.tables)
    most = job.settings.max_series or cost.rows
    counters, gauges = len(table.counters), len(table.gauges)
    rows = min(cost.rows, most)
    return rows * (counters + gauges) + (counters if cost.rows > most else 0)


def loads(lines: Iterable[Line], limits: Mapping[str, float | None], budget: Budget) -> list[Load]:
    """Per pool."""
    by_pool: dict[str, list[Line]] = {}
    for one in lines:
        by_pool.setdefault(one.pool, []).append(one)
    return [
        Load(pool, found, limit, None if limit is None else budget.hourly(limit))
        for pool, found in by_pool.items()
        for limit in (limits[pool],)
    ]


def advice(load: Load, intervals: Mapping[str, float]) -> list[str]:
    """What an operator can do about a pool that does not fit; any one of it is enough."""
    assert load.budget is not None
    assert load.limit is not None
    share = load.hourly / load.limit
    told = []
    if share <= 1:
        told.append(f"raise budget.share to {ceil(share * 100) / 100:g}")
    for one in sorted(load.lines, key=lambda line: -line.hourly):
        left = load.budget - (load.hourly - one.hourly)
        if left > 0:
            interval = duration_text(ceil(intervals[one.collector] * one.hourly / left / 60) * 60)
            told.append(f"lengthen collectors.{one.collector}.interval to {interval}")
    told.append("lower top_actors and top_users, or narrow a list by its …_substring")
    told.append("give organizations credentials of their own: a GitHub App has a quota at each one")
    return told


def rows_of(pages: int, first_page: int) -> int:
    """About how long a list is of which only the first page was read."""
    return first_page if pages == 1 else pages * PAGE_SIZE - PAGE_SIZE // 2
