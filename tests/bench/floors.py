"""The promises: ratios of one run, and the floor under each that `make bench-check` holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench.figures import Cell, Figures, Spread
from tests.bench.run import GAUGEVEC, OBJECTS, OURS, STATIC
from tests.bench.usage import BARE

SERIES, MANY, ROWS = 100_000, 1_000_000, 5_000_000


@dataclass(frozen=True, slots=True)
class Promise:
    """One ratio: what it is of, and what it must not fall below, or not exceed; `goal` is what we would like."""

    what: str
    ratio: Callable[[Figures], Spread | None]
    floor: float
    goal: float | None
    at_most: bool = False
    unit: str = "x"

    def kept(self, found: Spread) -> bool:
        """Whether the median of the rounds is on the right side."""
        return found.middle <= self.floor if self.at_most else found.middle >= self.floor


def times(over: Cell, under: Cell) -> Callable[[Figures], Spread | None]:
    """The ratio of two cells, round by round."""
    return lambda figures: figures.ratio(over, under)


def _theirs(what: str, whose: str, series: int = SERIES) -> Callable[[Figures], Spread | None]:
    return times((what, whose, series), (what, OURS, series))


def _ours(what: str, whose: str, series: int = SERIES) -> Callable[[Figures], Spread | None]:
    return times((what, OURS, series), (what, whose, series))


def _per_series(figures: Figures) -> Spread | None:
    found = figures.ratio(("cycle", OURS, MANY), ("cycle", OURS, SERIES))
    scale = SERIES / MANY
    return found and Spread(found.middle * scale, found.least * scale, found.most * scale)


PROMISES: Sequence[Promise] = (
    Promise("gzip scrape p50, 100k series: client_golang GaugeVec / ours", _theirs("p50 gzip", GAUGEVEC), 500, None),
    Promise("gzip scrape p50, 100k: prometheus_client / ours", _theirs("p50 gzip", OBJECTS), 1000, None),
    Promise("identity scrape p50, 100k: GaugeVec / ours", _theirs("p50 identity", GAUGEVEC), 40, None),
    Promise("gzip scrape p50, 100k: ours / static Go handler", _ours("p50 gzip", STATIC), 3, None, at_most=True),
    Promise(
        "identity scrape p50, 100k: ours / static Go handler", _ours("p50 identity", STATIC), 3, None, at_most=True
    ),
    Promise("whole cycle, 100k: GaugeVec / ours", _theirs("cycle", GAUGEVEC), 12, None),
    Promise("render, 100k: generate_latest / ours", _theirs("render", OBJECTS), 70, None),
    Promise(
        "gzip scrapes while jobs run without end, 100k: GaugeVec's p50 at rest / our p99",
        times(("p50 gzip", GAUGEVEC, SERIES), ("work p99", OURS, SERIES)),
        8,
        20,
    ),
    Promise(
        "most resident memory while reading and serving, 100k: ours / GaugeVec",
        _ours("resident", GAUGEVEC),
        0.7,
        0.5,
        at_most=True,
    ),
    Promise(
        "idle daemon, 100k series: CPU",
        lambda figures: figures.get("idle", OURS, SERIES),
        0.5,
        None,
        at_most=True,
        unit=" % of a core",
    ),
    Promise(
        "usage report, 5M rows: bare csv.reader / ours", times(("rows", BARE, ROWS), ("rows", OURS, ROWS)), 0.2, None
    ),
    Promise(
        "usage report, 5M rows: memory of all processes",
        lambda figures: figures.get("rows memory", OURS, ROWS),
        64,
        None,
        at_most=True,
        unit=" MiB",
    ),
    Promise(
        "demo: from the command to a complete answer",
        lambda figures: figures.get("demo", OURS, 1),
        5,
        None,
        at_most=True,
        unit=" s",
    ),
    Promise("cycle cost per series: 1M / 100k", _per_series, 2, None, at_most=True),
)


def broken(figures: Figures) -> list[str]:
    """What is on the wrong side of its floor."""
    return [
        f"{promise.what}: {found.middle:.3g}{promise.unit}, floor {'≤ ' if promise.at_most else ''}{promise.floor:g}"
        for promise in PROMISES
        if (found := promise.ratio(figures)) is not None and not promise.kept(found)
    ]


def unknown(figures: Figures) -> list[str]:
    """What was not measured in this run."""
    return [promise.what for promise in PROMISES if promise.ratio(figures) is None]
