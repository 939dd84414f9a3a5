"""Usage reports: what rows cost."""

from functools import cache
from pathlib import Path

from tests.bench import usage_report
from tests.bench.run import OURS, Run

BARE = "csv.reader"
SUMMED = "csv.reader, sums"
ROUNDS = 3


@cache
def report(folder: Path, rows: int) -> tuple[Path, list[int]]:
    """A report and its totals, written when it is first asked for."""
    path = folder / f"usage-{rows}.csv"
    return path, usage_report.write(path, rows)


def rows_cost(run: Run, sizes: tuple[int, ...]) -> None:
    """Cells `rows` in seconds: all of ours against a loop over the csv module, bare or with sums of floats.

    `rows memory` is what ours takes at most, in MiB: the child, and by how much we grow.
    """
    for rows in sizes:
        run.say(f"a usage report of {rows:,} rows")
        path, totals = report(run.folder, rows)
        for _ in range(min(run.rounds, ROUNDS)):
            seconds, child, grown, _groups = usage_report.ours(path, totals)
            run.figures.add("rows", OURS, rows, seconds)
            run.figures.add("rows memory", OURS, rows, (child + grown) / 1024)
            run.figures.add("rows", BARE, rows, usage_report.bare(path))
            run.figures.add("rows", SUMMED, rows, usage_report.summed_as_floats(path))
