"""Metrics about ourselves: counters that the exporter moves, and gauges read off the store when they are rendered.

Over a target's jobs counts are summed, success is the least, timestamps the oldest, the next run the soonest and the
endpoint's state the worst.
"""

import itertools
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from operator import itemgetter
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from exporter.catalogue import Collector
from exporter.collecting.plan import Job, Target
from exporter.github.errors import GitHubError, Reason, State
from exporter.github.pacing import Pool
from exporter.serving.render import Chunk, chunk, sample
from exporter.serving.store import Entry, Store

WORST_FIRST: tuple[State, ...] = (
    "forbidden",
    "not_found",
    "retired",
    "invalid",
    "unavailable",
    "rate_limited",
    "ok",
)
STATUSES = ("200", "401", "403", "404", "422", "429", "500", "502", "503", "error")
SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

Rendered = tuple[str, str, str, Chunk]

PREFIX = "github_exporter_"
BUILD = (version("github-enterprise-exporter"), platform.python_version())

BY_TARGET = {
    "collector_success": "1 if the last attempt gave a complete snapshot, 0 if not; absent before the first attempt.",
    "collector_last_success_timestamp_seconds": "When the last complete snapshot was asked for.",
    "collector_last_run_timestamp_seconds": "When the last attempt began.",
    "collector_next_run_timestamp_seconds": "When the next attempt is due.",
    "collector_duration_seconds": "How long the last attempt took.",
    "collector_series": "Series that are served of this collector and target.",
    "collector_series_folded": "Rows without series of their own: summed as `other`, or left out for want of room.",
    "collector_data_timestamp_seconds": "The instant that the served values describe.",
    "endpoint_deprecation_timestamp_seconds": "Since when GitHub calls the endpoint deprecated; absent if it does not.",
    "endpoint_sunset_timestamp_seconds": "When GitHub closes the endpoint; absent if it announced no end.",
}


class SelfMetrics:
    """The registry, its counters, and its rendering."""

    def __init__(
        self, store: Store, pools: Mapping[str, Pool], skew: Callable[[], float], failed_writes: Callable[[], int]
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # prometheus-client has not typed it
        self._store, self._pools, self._skew, self._failed_writes = store, pools, skew, failed_writes
        self._moved = 0
        registry = CollectorRegistry()
        by_target = ("collector", "target")
        self._runs = Counter(PREFIX + "collector_runs", "Attempts that ended.", by_target, registry=registry)
        self._errors = Counter(
            PREFIX + "collector_errors",
            "Attempts that gave no complete snapshot, by reason.",
            (*by_target, "reason"),
            registry=registry,
        )
        self._revisions = Counter(
            PREFIX + "downward_revisions",
            "Counts that GitHub revised downward; the published counter is held.",
            ("collector",),
            registry=registry,
        )
        self._gaps = Counter(
            PREFIX + "gap_seconds",
            "Seconds that no window covered because GitHub's 31 days had passed; nothing of them was counted.",
            ("collector",),
            registry=registry,
        )
        self._unknown = Counter(
            PREFIX + "unknown_values",
            "Rows or values of GitHub's answers that could not be read.",
            ("collector",),
            registry=registry,
        )
        self._requests = Counter(
            PREFIX + "api_requests", "Requests sent to GitHub, by status.", ("pool", "status"), registry=registry
        )
        self._seconds = Histogram(
            PREFIX + "api_request_duration_seconds",
            "How long GitHub took to answer.",
            ("pool",),
            buckets=SECONDS,
            registry=registry,
        )
        of_process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=of_process)
        self.scrapes_rejected = Counter(
            PREFIX + "scrapes_rejected",
            "Scrapes refused: --web.max-requests were in flight.",
            registry=of_process,
        )
        self._groups = (
            _Group(registry.collect, lambda: self._moved),
            _Group(self._of_store, lambda: store.generation),
            _Group(lambda: itertools.chain(of_process.collect(), self._of_pools()), itertools.count().__next__),
        )

    def expect(self, runs: Iterable[tuple[Collector, Target]]) -> None:
        """Let the counters of these collectors at these targets, and of the pools, begin at 0."""
        for pool in self._pools:
            self._seconds.labels(pool)
            for status in STATUSES:
                self._requests.labels(pool, status)
        for collector, target in runs:
            self._expect(collector, str(target))
        self._moved += 1

    def _expect(self, collector: Collector, target: str) -> None:
        name = collector.name
        self._runs.labels(name, target)
        self._unknown.labels(name)
        for reason in get_args(Reason):
            self._errors.labels(name, target, reason)
        if collector.counting:
            self._revisions.labels(name)
            self._gaps.labels(name)

    def ran(self, job: Job, error: GitHubError | None) -> None:
        """An attempt ended."""
        name, target = job.collector.name, str(job.target)
        self._runs.labels(name, target).inc()
        if error:
            self._errors.labels(name, target, error.reason).inc()
        self._moved += 1

    def noticed(self, job: Job, revisions: int, gap: int, unknown: int) -> None:
        """Counts revised downward, seconds lost in a hole, values that could not be read."""
        if job.collector.counting:
            self._revisions.labels(job.collector.name).inc(revisions)
            self._gaps.labels(job.collector.name).inc(gap)
        self._unknown.labels(job.collector.name).inc(unknown)
        self._moved += 1

    def requested(self, pool: str, status: str, seconds: float) -> None:
        """A request was answered, or failed (`error`)."""
        self._requests.labels(pool, status).inc()
        self._seconds.labels(pool).observe(seconds)
        self._moved += 1

    def families(self) -> list[tuple[str, str, str]]:
        """Every family that there can be, as (name, type, help); a counter's name has its `_total`."""
        metrics = [metric for group in self._groups for metric in group.collect()]
        return sorted((_full_name(metric), metric.type, metric.documentation) for metric in metrics)

    def render(self) -> list[Rendered]:
        """Every family that has samples, as (name, type, help, lines)."""
        return sorted((one for group in self._groups for one in group.rendered()), key=itemgetter(0))

    def _of_store(self) -> Iterator[Metric]:
        by_target: dict[tuple[str, str], list[Entry]] = {}
        for entry in self._store:
            by_target.setdefault((entry.job.collector.name, str(entry.job.target)), []).append(entry)
        yield from _by_target(by_target)
        yield from _endpoint_states(by_target)
        yield _counting_since(by_target)

    def _of_pools(self) -> Iterator[Metric]:
        build = GaugeMetricFamily(PREFIX + "build_info", "Which build runs.", labels=("version", "pythonversion"))
        build.add_metric(BUILD, 1)
        yield build
        yield GaugeMetricFamily(
            PREFIX + "clock_skew_seconds", "GitHub's clock less ours, as its Date headers tell.", value=self._skew()
        )
        failed = Metric(PREFIX + "state_writes_failed", "Writes of the state folder that failed.", "counter")
        failed.add_sample(PREFIX + "state_writes_failed_total", {}, self._failed_writes())
        yield failed
        for attribute, name, text in (
            ("limit", "rate_limit_limit", "Requests per hour that GitHub allows the quota pool."),
            ("remaining", "rate_limit_remaining", "Requests left until the reset, as the newest answer told."),
            ("reset", "rate_limit_reset_timestamp_seconds", "When the pool's quota is whole again."),
            ("hourly", "api_budget_requests", "Requests per hour that we allow ourselves of the pool's limit."),
        ):
            family = GaugeMetricFamily(PREFIX + name, text, labels=("pool",))
            for pool in self._pools.values():
                if (value := getattr(pool, attribute)) is not None:
                    family.add_metric((pool.name,), value)
            yield family


def _full_name(metric: Metric) -> str:
    return metric.name + "_total" if metric.type == "counter" else metric.name


class _Group:
    """Families that are rendered anew only after `version` gave another number: there may be thousands of samples."""

    def __init__(self, collect: Callable[[], Iterable[Metric]], version: Callable[[], int]) -> None:
        self.collect, self._version = collect, version
        self._rendered: tuple[int, list[Rendered]] = (-1, [])

    def rendered(self) -> list[Rendered]:
        """Every family that has samples."""
        now = self._version()
        if self._rendered[0] != now:
            self._rendered = now, list(_rendered(self.collect()))
        return self._rendered[1]


def _rendered(metrics: Iterable[Metric]) -> Iterator[Rendered]:
    for metric in metrics:
        lines = (sample(s.name, tuple(s.labels), tuple(s.labels.values()), s.value) for s in metric.samples)
        if text := "".join(lines):
            yield _full_name(metric), metric.type, metric.documentation, chunk(text.encode())


def _by_target(by_target: Mapping[tuple[str, str], list[Entry]]) -> Iterator[Metric]:
    families = {
        name: GaugeMetricFamily(PREFIX + name, text, labels=("collector", "target")) for name, text in BY_TARGET.items()
    }
    for labels, entries in by_target.items():
        snapshots = [entry.snapshot for entry in entries]
        outcomes = [snapshot.outcome for snapshot in snapshots if snapshot.outcome]
        successes = [snapshot.last_success for snapshot in snapshots if snapshot.last_success is not None]
        data_times = [snapshot.data_time for snapshot in snapshots if snapshot.data_time is not None]
        values: dict[str, float | None] = {
            "collector_success": min((float(outcome.reason is None) for outcome in outcomes), default=None),
            "collector_last_success_timestamp_seconds": min(successes, default=None),
            "collector_last_run_timestamp_seconds": min((outcome.at for outcome in outcomes), default=None),
            "collector_next_run_timestamp_seconds": min(snapshot.next_run for snapshot in snapshots),
            "collector_duration_seconds": sum(outcome.duration for outcome in outcomes) if outcomes else None,
            "collector_series": sum(entry.samples for entry in entries),
            "collector_series_folded": sum(entry.rest.folded for entry in entries),
            "collector_data_timestamp_seconds": min(data_times, default=None),
            "endpoint_deprecation_timestamp_seconds": _soonest(one.closing.deprecation for one in snapshots),
            "endpoint_sunset_timestamp_seconds": _soonest(one.closing.sunset for one in snapshots),
        }
        for name, value in values.items():
            if value is not None:
                families[name].add_metric(labels, value)
    yield from families.values()


def _soonest(instants: Iterable[float | None]) -> float | None:
    return min((instant for instant in instants if instant is not None), default=None)


def _endpoint_states(by_target: Mapping[tuple[str, str], list[Entry]]) -> Iterator[Metric]:
    family = GaugeMetricFamily(
        PREFIX + "endpoint_state",
        "What the endpoint last answered: 1 for the state it is in, 0 for the others.",
        labels=("collector", "target", "state"),
    )
    for labels, entries in by_target.items():
        states = {entry.snapshot.outcome.state for entry in entries if entry.snapshot.outcome}
        if states:
            worst = next(state for state in WORST_FIRST if state in states)
            for state in reversed(WORST_FIRST):
                family.add_metric((*labels, state), float(state == worst))
    yield family


def _counting_since(by_target: Mapping[tuple[str, str], list[Entry]]) -> Metric:
    family = GaugeMetricFamily(
        "github_api_insights_counting_since_timestamp_seconds",
        "When counting began: the counters hold what became visible since then.",
        labels=("organization", "collector"),
    )
    for (collector, _target), entries in by_target.items():
        since = [entry.rest.since for entry in entries if entry.rest.since is not None]
        if since and entries[0].job.target.kind == "organization":
            family.add_metric((entries[0].job.target.name, collector), min(since))
    return family
