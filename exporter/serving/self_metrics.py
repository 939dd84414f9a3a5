"""Metrics about ourselves: counters that the exporter moves, and gauges read off the store when they are rendered.

Over a target's jobs counts are summed, success is the least, timestamps the oldest, the next run the soonest and the
endpoint's state the worst.
"""

import itertools
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
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
from exporter.errors import GitHubError, OutcomeState, Reason
from exporter.exposition.store import Entry, Store
from exporter.exposition.text import sample
from exporter.github.pacing import Pool
from exporter.jobs import Job, Target
from exporter.serving.health import Gap, Health
from exporter.serving.self_health import of_health, of_paused

WORST_FIRST: tuple[OutcomeState, ...] = (
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

Rendered = tuple[str, str, str, bytes]

PREFIX = "github_exporter_"
LABELS = ("collector", "target")
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
    "collector_data_missing": (
        "1 if the last complete run lacked data: nothing to show, or older figures kept because GitHub's answer is "
        "doubtful; else 0. Page, log and `doctor` say which."
    ),
}
ENDPOINT_STATE = PREFIX + "endpoint_state"
COUNTING_SINCE = "github_api_insights_counting_since_timestamp_seconds"
OF_STORE = {PREFIX + name: text for name, text in BY_TARGET.items()} | {
    ENDPOINT_STATE: "What the endpoint last answered: 1 for the state it is in, 0 for the others.",
    COUNTING_SINCE: "When counting began: the counters hold what became visible since then.",
}
"""Gauges that are read off the store, those of `BY_TARGET` first."""


class SelfMetrics:
    """The registry, its counters, and its rendering."""

    def __init__(
        self,
        store: Store,
        pools: Mapping[str, Pool],
        skew: Callable[[], float],
        failed_writes: Callable[[], int],
        health: Callable[[], Health] = Health,
        *,
        now: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`now` gives epoch seconds, `health` how the exporter is."""
        disable_created_metrics()
        self._pools, self._skew, self._failed_writes, self._health = pools, skew, failed_writes, health
        self._moved, self._now = 0, now
        self.gaps: dict[str, Gap] = {}
        registry = CollectorRegistry()
        self._runs = Counter(PREFIX + "collector_runs", "Attempts that ended.", LABELS, registry=registry)
        self._errors = Counter(
            PREFIX + "collector_errors",
            "Attempts that gave no complete snapshot, by reason.",
            (*LABELS, "reason"),
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
            "Rows or values of GitHub's answers that could not be read, and values of fields unknown to this version.",
            ("collector",),
            registry=registry,
        )
        self._unreadable = Counter(
            PREFIX + "unreadable_values",
            "Rows or values of GitHub's answers that could not be read: the figures lack them.",
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
            "Scrapes cut: of more than --web.max-requests at a time the slowest ends.",
            registry=of_process,
        )

        def paused() -> Iterator[Metric]:
            return of_paused(store, health())

        self._collect = (registry.collect, of_process.collect, self._of_pools, paused)
        self._groups = (
            _Group(lambda: _rendered(registry.collect()), lambda: self._moved),
            _Group(lambda: _of_store(store), lambda: store.generation),
            _Group(lambda: _rendered(of_process.collect()), itertools.count().__next__),
            _Group(lambda: _rendered(self._of_pools()), itertools.count().__next__),
            _Group(lambda: _rendered(paused()), lambda: hash((store.generation, frozenset(health().paused)))),
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
        self._unreadable.labels(name)
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

    def noticed(self, job: Job, revisions: int, gap: int, unreadable: int, unknown: int) -> None:
        """Counts revised downward, seconds lost in a gap, values that could not be read, and with unknown ones."""
        if job.collector.counting:
            self._revisions.labels(job.collector.name).inc(revisions)
            self._gaps.labels(job.collector.name).inc(gap)
            if gap:
                self.gaps[job.collector.name] = Gap(gap, self._now())
        self._unreadable.labels(job.collector.name).inc(unreadable)
        self._unknown.labels(job.collector.name).inc(unknown)
        self._moved += 1

    def requested(self, pool: str, status: str, seconds: float) -> None:
        """A request was answered, or failed (`error`)."""
        self._requests.labels(pool, status).inc()
        self._seconds.labels(pool).observe(seconds)
        self._moved += 1

    def families(self) -> list[tuple[str, str, str]]:
        """Every family that there can be, as (name, type, help); a counter's name has its `_total`."""
        metrics = [metric for collect in self._collect for metric in collect()]
        found = [(_full_name(metric), metric.type, metric.documentation) for metric in metrics]
        return sorted([*found, *((name, "gauge", text) for name, text in OF_STORE.items())])

    def render(self) -> list[Rendered]:
        """Every family that has samples, as (name, type, help, lines)."""
        return sorted((one for group in self._groups for one in group.rendered()), key=itemgetter(0))

    def _of_pools(self) -> Iterator[Metric]:
        build = GaugeMetricFamily(PREFIX + "build_info", "Which build runs.", labels=("version", "pythonversion"))
        build.add_metric(BUILD, 1)
        yield build
        yield GaugeMetricFamily(
            PREFIX + "clock_skew_seconds", "GitHub's clock less ours, as its Date headers tell.", value=self._skew()
        )
        failed = Metric(
            PREFIX + "state_writes_failed",
            "Writes of the state folder that failed, and times that others changed the folder while the exporter ran.",
            "counter",
        )
        failed.add_sample(PREFIX + "state_writes_failed_total", {}, self._failed_writes())
        yield failed
        expiry = GaugeMetricFamily(
            PREFIX + "credential_expiry_timestamp_seconds",
            "When the credential's token expires, by the header github-authentication-token-expiration of GitHub's "
            "answers; absent where they have none, and for GitHub Apps, whose tokens are renewed every hour.",
            labels=("credential",),
        )
        health = self._health()
        for credential, instant in health.expiries.items():
            expiry.add_metric((credential,), instant)
        yield expiry
        yield from of_health(health)
        for attribute, name, text in (
            ("limit", "rate_limit_limit", "Requests per hour that GitHub allows the quota pool."),
            ("remaining", "rate_limit_remaining", "Requests left until the reset, as the newest answer told."),
            ("reset", "rate_limit_reset_timestamp_seconds", "When the pool's rate limit resets."),
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

    def __init__(self, render: Callable[[], Iterable[Rendered]], version: Callable[[], int]) -> None:
        self._render, self._version = render, version
        self._last: tuple[int, list[Rendered]] = (-1, [])

    def rendered(self) -> list[Rendered]:
        """Every family that has samples."""
        now = self._version()
        if self._last[0] != now:
            self._last = now, list(self._render())
        return self._last[1]


def _rendered(metrics: Iterable[Metric]) -> Iterator[Rendered]:
    for metric in metrics:
        lines = (sample(s.name, tuple(s.labels), tuple(s.labels.values()), s.value) for s in metric.samples)
        if text := "".join(lines):
            yield _full_name(metric), metric.type, metric.documentation, text.encode()


def _of_store(store: Store) -> Iterator[Rendered]:
    """The families of `OF_STORE`, as lines at once: that is a third of the time, and any scrape may wait for it."""
    by_target: dict[tuple[str, Target], list[Entry]] = {}
    for entry in store:
        by_target.setdefault((entry.job.collector.name, entry.job.target), []).append(entry)
    lines: dict[str, list[str]] = {name: [] for name in OF_STORE}
    for (collector, target), entries in by_target.items():
        who = collector, str(target)
        for name, value in zip(OF_STORE, _values(entries), strict=False):
            if value is not None:
                lines[name].append(sample(name, LABELS, who, value))
        states = {entry.status.outcome.state for entry in entries if entry.status.outcome}
        if states:
            lines[ENDPOINT_STATE].append(_states(*who, next(state for state in WORST_FIRST if state in states)))
        since = _least([entry.status.since for entry in entries])
        if since is not None and target.kind == "organization":
            lines[COUNTING_SINCE].append(
                sample(COUNTING_SINCE, ("organization", "collector"), (target.name, collector), since)
            )
    for name, text in OF_STORE.items():
        if lines[name]:
            yield name, "gauge", text, "".join(lines[name]).encode()


@lru_cache(maxsize=2_000)
def _states(collector: str, target: str, current: OutcomeState) -> str:
    return "".join(
        sample(ENDPOINT_STATE, (*LABELS, "state"), (collector, target, state), state == current)
        for state in reversed(WORST_FIRST)
    )


def _values(entries: Sequence[Entry]) -> tuple[float | None, ...]:
    """What the entries of a target say, in the order of `BY_TARGET`."""
    snapshots = [entry.status for entry in entries]
    outcomes = [snapshot.outcome for snapshot in snapshots if snapshot.outcome]
    return (
        _least([float(outcome.reason is None) for outcome in outcomes]),
        _least([snapshot.last_success for snapshot in snapshots]),
        _least([outcome.at for outcome in outcomes]),
        _least([snapshot.next_run for snapshot in snapshots]),
        sum([outcome.duration for outcome in outcomes]) if outcomes else None,
        sum([entry.samples for entry in entries]),
        sum([entry.status.folded for entry in entries]),
        _least([snapshot.data_time for snapshot in snapshots]),
        _least([snapshot.closing.deprecation for snapshot in snapshots]),
        _least([snapshot.closing.sunset for snapshot in snapshots]),
        max((float(bool(one.note)) for one in snapshots if one.note or one.last_success is not None), default=None),
    )


def _least(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return min(known) if known else None
