"""Usage reports: what rows cost, and what a scrape feels of a big one."""

import threading
from functools import cache
from pathlib import Path
from statistics import median

from tests import bench_usage
from tests.bench.contender import Contender
from tests.bench.figures import quantile
from tests.bench.load import scrapes
from tests.bench.run import OURS, Run

BARE = "csv.reader"
SUMMED = "csv.reader, sums"
BIG = 5_000_000
ROUNDS = 3


@cache
def report(folder: Path, rows: int) -> tuple[Path, list[int]]:
    """A report and its totals, written when it is first asked for."""
    path = folder / f"usage-{rows}.csv"
    return path, bench_usage.write(path, rows)


def rows_cost(run: Run, sizes: tuple[int, ...]) -> None:
    """Cells `rows` in seconds: all of ours against a loop over the csv module, bare or with sums of floats.

    `rows memory` is what ours takes at most, in MiB: the child, and by how much we grow.
    """
    for rows in sizes:
        run.say(f"a usage report of {rows:,} rows")
        path, totals = report(run.folder, rows)
        for _ in range(min(run.rounds, ROUNDS)):
            seconds, child, grown, _groups = bench_usage.ours(path, totals)
            run.figures.add("rows", OURS, rows, seconds)
            run.figures.add("rows memory", OURS, rows, (child + grown) / 1024)
            run.figures.add("rows", BARE, rows, bench_usage.bare(path))
            run.figures.add("rows", SUMMED, rows, bench_usage.summed_as_floats(path))


def scraped_meanwhile(run: Run, ours: Contender, series: int) -> None:
    """Cells `report p50` and `report p99`: milliseconds of gzip scrapes 5 ms apart while a report is summed up.

    `report idle p99` is of the seconds before and after it.
    """
    path, _totals = report(run.folder, BIG)
    idle = _apart(ours, 2 * run.seconds)
    ours.send("csv", path)
    told = threading.Thread(target=ours.told)
    told.start()
    found: list[float] = []
    while told.is_alive():
        found += _apart(ours, 0.2)
    idle += _apart(ours, 2 * run.seconds)
    run.figures.add("report p50", OURS, series, median(found) * 1e3)
    run.figures.add("report p99", OURS, series, quantile(found, 0.99) * 1e3)
    run.figures.add("report idle p99", OURS, series, quantile(idle, 0.99) * 1e3)


def _apart(ours: Contender, seconds: float) -> list[float]:
    return scrapes(ours.port, "gzip", seconds=seconds, least=1, most=1000, apart=0.005)
