"""What a scrape costs against prometheus_client's, side by side in one run: `make bench`.

Both sides hold the same series. Ours are published through the Store and scraped over HTTP, as the daemon does it;
theirs is `generate_latest` without any server. Figures are medians; read the ratios, not the milliseconds.
"""

import asyncio
import http.client
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import uvloop
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from exporter.collecting.counters import Count, Counting, Key
from exporter.collectors.subject_stats import COLLECTOR, SUBJECTS
from exporter.serving.http import Exposition, Web
from exporter.serving.render import render
from exporter.serving.server import listening
from exporter.serving.snapshot import Snapshot
from exporter.serving.store import Store
from tests.test_golden import job_of

SIZES = (1_000, 10_000, 100_000)
JOB = job_of(COLLECTOR)


def counting(series: int, value: int) -> Counting:
    """As many series as asked for, two per subject."""
    counts = (Count(0, value, value, value, value),) * 2
    keys = {
        ("user", str(number)): Key(("user", str(number), f"user-{number}"), counts, 0.0, True, (None, None))
        for number in range(series // 2)
    }
    return Counting(0, 1, 0, True, keys, (0, 0))


def theirs(series: int) -> CollectorRegistry:
    """The same series as prometheus_client's own objects."""
    registry = CollectorRegistry()
    names = ("organization", *SUBJECTS.labels)
    for family in SUBJECTS.counters:
        gauge = Gauge(family.name.removesuffix("_total"), family.help, names, registry=registry)
        for number in range(series // 2):
            gauge.labels("acme", "user", str(number), f"user-{number}").set(7)
    return registry


@contextmanager
def served(store: Store) -> Iterator[int]:
    """The product's HTTP server over the store; gives the port."""
    loop = uvloop.new_event_loop()
    stop = asyncio.Event()
    ports: list[int] = []
    ready = threading.Event()

    async def serve() -> None:
        exposition = Exposition(store, [COLLECTOR], tuple, time.monotonic)
        rejected = Counter("x", "X.", registry=CollectorRegistry())
        web = Web(exposition, store, frozenset(), "/metrics", 40, rejected, lambda: True, str, time.monotonic)
        async with listening(web, ["127.0.0.1:0"]) as bound:
            ports.append(bound.addresses[0][1])
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait(10)
    yield ports[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)


def median(work: Callable[[], object], rounds: int) -> float:
    """Median seconds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def measure(series: int) -> tuple[float, float, float, float]:
    """Seconds: all values new and rendered, a plain scrape, a gzip scrape, prometheus_client's rendering."""
    store = Store(60.0)
    snapshots = [Snapshot(counting=counting(series, value)) for value in (1_000, 2_000)]

    def publish() -> None:
        version = store[JOB].version + 1
        snapshot = replace(snapshots[version % 2], version=version)
        store.publish(JOB, snapshot, render(JOB, snapshot, 0.0, store.pieces(JOB)), 0.0, waiting=False)

    rendered = median(publish, 5)
    with served(store) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)

        def scrape(encoding: str) -> None:
            connection.request("GET", "/metrics", headers={"Accept-Encoding": encoding})
            connection.getresponse().read()

        plain, packed = (median(lambda coding=coding: scrape(coding), 30) for coding in ("identity", "gzip"))
        connection.close()
    registry = theirs(series)
    return rendered, plain, packed, median(lambda: generate_latest(registry), 3)


def main() -> None:
    """Print the table."""
    print("milliseconds (median)                                          ratios")
    print("  series   render   scrape     gzip   client        client/render   client/scrape   client/gzip scrape")
    for series in SIZES:
        rendered, plain, packed, client = measure(series)
        took = "".join(f"{seconds * 1e3:9.2f}" for seconds in (rendered, plain, packed, client))
        print(f"{series:8}{took}{client / rendered:21.1f}{client / plain:16.0f}{client / packed:21.0f}")


if __name__ == "__main__":
    main()
