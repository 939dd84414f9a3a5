"""prometheus_client as a contender: `python -m tests.bench.clients KIND SERIES`, commands as of `peer/main.go`.

`objects` is what most exporters do: Gauges with labels().set() at each refresh, and `start_http_server`. `collector` is
a custom collector that yields fresh families at each scrape. "render" is `generate_latest` alone.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count

from prometheus_client import CollectorRegistry, Gauge, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from tests.bench import series as made

PAUSE = 0.05
LABELS = dict.fromkeys(made.SUBJECT_FAMILIES, made.SUBJECT_LABELS) | dict.fromkeys(
    made.ROUTE_FAMILIES, made.ROUTE_LABELS
)


class Objects:
    """A Gauge for each family; a counter could not be set."""

    def __init__(self, series: int) -> None:
        self.series, self.registry = series, CollectorRegistry()
        self.gauges = {name: Gauge(name, name, labels, registry=self.registry) for name, labels in LABELS.items()}
        self.set(1)

    def set(self, turn: int) -> None:
        """Give every series its value of a round."""
        for family, labels, value in made.samples(self.series, turn):
            self.gauges[family].labels(*labels).set(value)


class Fresh(Collector):
    """Families made anew at each scrape."""

    def __init__(self, series: int) -> None:
        self.series, self.turn, self.registry = series, 1, CollectorRegistry()
        self.registry.register(self)

    def set(self, turn: int) -> None:
        """The values of this round from now on."""
        self.turn = turn

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering it collects nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families."""
        families: dict[str, Metric] = {}
        for family, labels, value in made.samples(self.series, self.turn):
            metric = families.get(family)
            if metric is None:
                kind = CounterMetricFamily if family.endswith("_total") else GaugeMetricFamily
                metric = families[family] = kind(family, family, labels=LABELS[family])
            metric.add_metric(labels, value)  # type: ignore[attr-defined]  # both kinds have it, their base has not
        yield from families.values()


def refresh(set_all: Callable[[int], None], rest: threading.Event) -> None:
    """Set all values again and again."""
    for turn in count(1000):
        set_all(turn)
        if rest.wait(PAUSE):
            return


def main(kind: str, series: int) -> None:
    """Serve until standard input ends."""
    contender = Objects(series) if kind == "objects" else Fresh(series)
    server, _thread = start_http_server(0, "127.0.0.1", registry=contender.registry)
    print("port", server.server_address[1], flush=True)
    rest = threading.Event()
    busy: threading.Thread | None = None
    for line in sys.stdin:
        words, told = line.split(), ""
        began = time.perf_counter()
        if words[0] == "set":
            contender.set(int(words[1]))
        elif words[0] == "render":
            contender.set(int(words[1]))
            begun = time.perf_counter()
            generate_latest(contender.registry)
            told = str(time.perf_counter() - begun)
        elif words[0] == "refresh":
            rest.clear()
            busy = threading.Thread(target=refresh, args=(contender.set, rest), daemon=True)
            busy.start()
        elif words[0] == "rest":
            rest.set()
            assert busy is not None
            busy.join()
        print("done", time.perf_counter() - began, told, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
