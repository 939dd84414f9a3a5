"""The exporter's own metrics: its counters, gauges of the store and of its health, and those of the process."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics_core import Metric

from exporter.exposition.answers import OwnFamily
from exporter.exposition.store import Store
from exporter.exposition.text import sample
from exporter.github.pacing import Pool
from exporter.serving import self_health, self_store
from exporter.serving.connection import CutReason
from exporter.serving.health import Health
from exporter.serving.self_counters import SelfCounters
from exporter.serving.self_discovery import of_targets
from exporter.serving.self_store import StoreGauges


class SelfMetrics:
    """All families, rendered for a scrape. `counters` are moved by the rest of the exporter."""

    def __init__(
        self,
        store: Store,
        pools: Mapping[str, Pool],
        health: Callable[[], Health] = Health,
        *,
        now: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`now` gives epoch seconds."""
        disable_created_metrics()
        self._pools, self._health = pools, health
        self.counters = SelfCounters(pools, now)
        self._process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._process)
        self.scrapes_rejected = Counter(
            "github_exporter_scrapes_rejected_total",
            "Scrapes that were cut off: the oldest, if it takes longer than 0.1 s and others wait, because "
            "--web.max-requests run.",
            registry=self._process,
        )
        self.web_auth_failures = Counter(
            "github_exporter_web_auth_failures_total",
            "Requests refused by the login: without a user, with a wrong one or a wrong password, or too many at once.",
            registry=self._process,
        )
        self.web_rate_limited = Counter(
            "github_exporter_web_rate_limited_requests_total",
            "Requests refused by rate_limit of the web configuration.",
            registry=self._process,
        )
        self._connections_cut = Counter(
            "github_exporter_web_connections_cut_total",
            "Connections that a limit ended: no whole request within ten seconds (header), an answer not taken within "
            "a minute (answer), the least useful of more than 512 (room).",
            ["reason"],
            registry=self._process,
        )
        for reason in get_args(CutReason):
            self._connections_cut.labels(reason)
        self._counters = _Group(self.counters.render)
        self._gauges = StoreGauges(store)

    def count_cut(self, reason: CutReason) -> None:
        """Count a connection that was cut."""
        self._connections_cut.labels(reason).inc()

    def families(self) -> list[tuple[str, str, str]]:
        """Every family that there can be, as (name, type, help); a counter's name has its `_total`."""
        metrics = itertools.chain(*self._of_this_moment(self._health()))
        families = [(_full_name(metric), metric.type, metric.documentation) for metric in metrics]
        families += [(lines.name, lines.kind, lines.help) for lines in self.counters.families]
        return sorted([*families, *((name, "gauge", text) for name, text in self_store.HELP.items())])

    def render(self) -> Iterator[Sequence[OwnFamily]]:
        """Every family that has samples, in parts each of which takes some milliseconds at most to render."""
        health = self._health()
        yield self._counters.render(self.counters.version)
        yield from self._gauges.render(frozenset(health.paused))
        for metrics in self._of_this_moment(health):
            yield list(_rendered(metrics))

    def _of_this_moment(self, health: Health) -> Iterator[Iterator[Metric]]:
        """Families that may be different at each scrape."""
        yield iter(self._process.collect())  # reads /proc, which is memory: it does not block
        yield self_health.of_health(health)
        yield of_targets(health)
        yield self_health.of_pools(self._pools)


def _full_name(metric: Metric) -> str:
    return metric.name + "_total" if metric.type == "counter" else metric.name


class _Group:
    """Families that are rendered again only when their version is another one: they may have many samples."""

    def __init__(self, render: Callable[[], Iterable[OwnFamily]]) -> None:
        self._render = render
        self._last: tuple[int, list[OwnFamily]] = (-1, [])

    def render(self, version: int) -> list[OwnFamily]:
        """The families that have samples."""
        if self._last[0] != version:
            self._last = version, list(self._render())
        return self._last[1]


def _rendered(metrics: Iterable[Metric]) -> Iterator[OwnFamily]:
    for metric in metrics:
        lines = (sample(s.name, tuple(s.labels), tuple(s.labels.values()), s.value) for s in metric.samples)
        if text := "".join(lines):
            yield _full_name(metric), metric.type, metric.documentation, text.encode()
