"""Lines of the exporter's own counters are those that prometheus_client would write."""

import re
from dataclasses import replace

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.exposition import generate_latest

from exporter.collectors import summary_stats, time_stats
from exporter.exposition.snapshot import Snapshot, status_of
from exporter.exposition.store import Store
from exporter.serving.self_counters import SECONDS
from exporter.serving.self_lines import CounterLines, HistogramLines
from exporter.serving.self_store import StoreGauges
from tests.support.jobs import job_of


def lines_of(registry: CollectorRegistry) -> list[str]:
    """Samples, with integers as we write them."""
    lines = generate_latest(registry).decode().splitlines()
    return [line.removesuffix(".0") for line in lines if not line.startswith("#")]


def test_a_counter() -> None:
    disable_created_metrics()
    registry = CollectorRegistry()
    theirs = Counter("runs_total", "Runs.", ("collector", "target"), registry=registry)
    ours = CounterLines("runs_total", "Runs.", ("collector", "target"))
    for labels, by in ((("a", "x"), 1), (("b", 'y"\\'), 2.5), (("a", "x"), 3)):
        theirs.labels(*labels).inc(by)
        ours.inc(*labels, by=by)
    for labels in (("c", "z"), ("a", "x")):  # the second has begun
        theirs.labels(*labels)
        ours.begin(*labels)
    name, kind, text, samples = ours.render()
    assert (name, kind, text) == ("runs_total", "counter", "Runs.")
    assert samples.decode().splitlines() == lines_of(registry)


def test_a_histogram() -> None:
    disable_created_metrics()
    registry = CollectorRegistry()
    theirs = Histogram("seconds", "How long.", ("pool",), buckets=SECONDS, registry=registry)
    ours = HistogramLines("seconds", "How long.", ("pool",), SECONDS)
    for seconds in (0.01, 0.05, 0.051, 2.0, 30.0, 31.0):
        theirs.labels("app").observe(seconds)
        ours.observe("app", value=seconds)
    theirs.labels("idle")
    ours.begin("idle")
    lines = ours.render()[-1].decode()
    assert lines.startswith('seconds_bucket{pool="app",le="0.05"} 2\n')
    assert re.sub(r"{(pool=.*?),(le=.*?)}", r"{\2,\1}", lines).splitlines() == lines_of(registry)


def text_of(gauges: StoreGauges, paused: bool = False) -> dict[str, list[str]]:
    *_others_turns, families = gauges.render(frozenset({SUMMARY.target}) if paused else frozenset())
    return {name: lines.decode().splitlines() for name, _kind, _help, lines in families}


SUMMARY, TIME = job_of(summary_stats.COLLECTOR), job_of(time_stats.COLLECTOR)
NEXT_RUN, PAUSED = "github_exporter_collector_next_run_timestamp_seconds", "github_exporter_collector_paused"


def test_gauges_of_the_store_follow_what_is_published_withdrawn_and_paused() -> None:
    store = Store(60.0)
    gauges, status = StoreGauges(store), status_of(Snapshot())
    assert text_of(gauges) == {}
    for job in (SUMMARY, TIME):
        store.publish(job, replace(status, next_run=1.0), {}, 0.0)
    labels = [f'{{collector="{job.collector.name}",target="{job.target}"}}' for job in (SUMMARY, TIME)]
    assert text_of(gauges)[NEXT_RUN] == [f"{NEXT_RUN}{labels[0]} 1", f"{NEXT_RUN}{labels[1]} 1"]
    store.publish(TIME, replace(status, next_run=2.0), {}, 0.0)
    assert text_of(gauges)[NEXT_RUN] == [f"{NEXT_RUN}{labels[0]} 1", f"{NEXT_RUN}{labels[1]} 2"]
    assert text_of(gauges)[PAUSED] == [f"{PAUSED}{labels[0]} 0", f"{PAUSED}{labels[1]} 0"]
    assert text_of(gauges, paused=True)[PAUSED] == [f"{PAUSED}{labels[0]} 1", f"{PAUSED}{labels[1]} 1"]
    store.withdraw(SUMMARY.key)
    assert text_of(gauges)[NEXT_RUN] == [f"{NEXT_RUN}{labels[1]} 2"]
