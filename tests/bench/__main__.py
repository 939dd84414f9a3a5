"""`python -m tests.bench`: the product beside its peers, in one run; writes docs/performance.md and its plot.

`--quick` measures little and writes nothing; `--check` writes nothing either, and fails when a floor is not held.
`--only=load` prints the table of clients that are too many; `--passwords=600` tries wrong passwords for ten minutes.
`--only=fleet`, which is not in the default, is one exporter with many organizations, for a quarter of an hour.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import demo, fleet, floors, report, serving, under_load, usage, walks
from tests.bench.contender import ROOT, built
from tests.bench.figures import Figures
from tests.bench.run import Run

SIZES = (1_000, 10_000, 100_000, 1_000_000)
QUICK = (1_000, 10_000)
ROWS = (50_000, 500_000, 5_000_000)


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--sizes", help="numbers of series, with commas between them")
    parser.add_argument("--rounds", type=int, help="how often everything is measured")
    parser.add_argument("--quick", action="store_true", help="small sizes, two rounds")
    parser.add_argument("--check", action="store_true", help="exit 1 if a ratio is under its floor")
    parser.add_argument("--only", default="serving,load,rows,demo,walks", help="what to measure, with commas between")
    parser.add_argument("--passwords", type=float, default=30.0, help="seconds of wrong passwords")
    parser.add_argument("--output", type=Path, help="folder of performance.md and performance.svg")
    return parser.parse_args(argv)


def say(text: str) -> None:
    """Progress, apart from the figures."""
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)


def measured(
    sizes: Sequence[int], rounds: int, only: Sequence[str], folder: Path, *, seconds: float, passwords: float
) -> Figures:
    """Everything that was asked for."""
    figures = Figures()
    peer = built(folder, say)
    if peer is None:
        figures.notes.append("There was no Go: the Go contenders were left out.\n")
    run = Run(figures, say, folder, peer, rounds, seconds)
    few = Run(figures, say, folder, peer, min(rounds, 2), seconds)
    if "serving" in only:
        for series in sizes:
            serving.measure(few if series >= serving.LARGEST else run, series)
            if series == floors.SERIES:
                serving.memory(run, series)
    if "load" in only:
        under_load.measure(run, passwords)
    if "rows" in only:
        usage.rows_cost(run, ROWS if rounds > 2 else ROWS[:2])
    if "demo" in only:
        demo.starts(run)
    return figures


def main(argv: Sequence[str]) -> int:
    """Measure, print, write and judge."""
    given = arguments(argv)
    sizes = [int(text) for text in given.sizes.split(",")] if given.sizes else QUICK if given.quick else SIZES
    rounds = given.rounds or (2 if given.quick else 5)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        figures = measured(
            sizes,
            rounds,
            given.only.split(","),
            Path(folder),
            seconds=0.5 if given.quick else 1.0,
            passwords=given.passwords,
        )
    minutes, date = (time.monotonic() - began) / 60, f"{datetime.now(UTC):%Y-%m-%d}"
    output = given.output or (None if given.quick or given.check else ROOT / "docs")
    print(report.promises(figures))
    if "load" in given.only.split(","):
        print(under_load.table_of_loads(figures))
    if "walks" in given.only.split(","):
        print(walks.table(walks.SUBJECTS[:1] if given.quick else walks.SUBJECTS))
    if "fleet" in given.only.split(","):
        print(fleet.measured())
    if output:
        report.write(figures, output, date, minutes)
    for what in floors.unknown(figures):
        print(f"not measured: {what}")
    if not given.check:
        return 0
    under = floors.broken(figures)
    print("\n".join(("under the floor:", *under)) if under else "all floors are held")
    return 1 if under else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
