"""Sums over a usage report: `python -m tests.bench.usage_report [ROWS…]`.

Ours is all of it, child process and pipe included, against a bare loop over the standard library's csv module in the
same run: what nobody who reads CSV in Python can be faster than. The bare loop reads the file itself. Both are run in
turn, and the best of each counts, for a machine that does other things makes either of them slow.

The report is a detailed one, in the form that was observed: all values in quotes, 156 bytes a row. Six of seven rows
are minutes of Actions, small whole numbers; the others are storage, with all digits of a binary float.
"""

import asyncio
import csv
import gc
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator
from fractions import Fraction
from pathlib import Path

import uvloop

from exporter.collectors.usage_reports.child import Selection, sum_report
from exporter.collectors.usage_reports.sums import GROUPS, Month

SIZES = (50_000, 500_000, 5_000_000)
HEADER = (
    "date,product,sku,quantity,unit_type,applied_cost_per_quantity,gross_amount,discount_amount,net_amount,username,"
    "organization,repository,workflow_path,cost_center_name"
)
PRICES = {"actions_linux": 6, "actions_windows": 10, "actions_macos": 62}
SELECTION = Selection(("2026-11",), GROUPS)

SCALE = 25  # decimals of the exact totals


def lines(rows: int, totals: list[int]) -> Iterator[str]:
    """The report, the same every time; what it says is added to `totals`, in units of 10^-25."""
    chance = random.Random(1)
    for number in range(rows):
        day, org = 1 + number * 28 // rows, chance.randrange(40)
        if chance.random() < 6 / 7:
            sku, minutes = chance.choice(list(PRICES)), 1 + int(chance.expovariate(1 / 12))
            price, unit, who, path = f"0.{PRICES[sku]:03}", "minutes", f"user-{chance.randrange(3000)}", "ci.yml"
            quantity, gross = str(minutes), f"{minutes * PRICES[sku] / 1000:.10g}"
            discount, net = (gross, "0") if chance.random() < 0.5 else ("0", gross)
        else:
            sku, price, unit, who, path = "actions_storage", "0.000336", "GigabyteHours", "", ""
            hours = chance.random() * 1000 + 1
            quantity, gross, discount = repr(hours), repr(hours * 0.000336 + 0.001), "0"
            net = gross
        for place, text in enumerate((quantity, gross, discount, net)):
            whole, _, decimals = text.partition(".")
            totals[place] += int(whole + decimals.ljust(SCALE, "0"))
        values = (
            *(f"2026-11-{day:02}", "actions", sku, quantity, unit, price, gross, discount, net, who, f"org-{org}"),
            *(
                f"repo-{chance.randrange(2000)}",
                path and f".github/workflows/{path}",
                f"CC-{org}-{chance.randrange(5)}",
            ),
        )
        yield '"' + '","'.join(values) + '"\n'


def write(path: Path, rows: int) -> list[int]:
    """Write the report; gives its totals."""
    totals = [0] * 4
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        file.write(",".join(f'"{name}"' for name in HEADER.split(",")) + "\n")
        file.writelines(lines(rows, totals))
    return totals


def bare(path: Path) -> float:
    """Seconds of a loop over the file that does nothing."""
    began = time.perf_counter()
    with path.open(encoding="utf-8-sig", newline="") as file:
        for _row in csv.reader(file):
            pass
    return time.perf_counter() - began


def summed_as_floats(path: Path) -> float:
    """Seconds of a loop that sums up as one would without care: by the same names, in floats."""
    sums: dict[tuple[str, ...], list[float]] = {}
    began = time.perf_counter()
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        for row in reader:
            found = sums.setdefault((row[10], row[1], row[2], row[4], row[13]), [0.0] * 4)
            for place, amount in enumerate((row[3], row[6], row[7], row[8])):
                found[place] += float(amount)
    return time.perf_counter() - began


async def pieces(path: Path) -> AsyncGenerator[bytes, None]:
    """The file as a download brings it."""
    with path.open("rb") as file:
        while piece := file.read(64 * 1024):
            yield piece


def children() -> list[int]:
    """The processes that this one started."""
    return [int(process) for thread in Path("/proc/self/task").iterdir() for process in _children_of(thread)]


def _children_of(thread: Path) -> list[str]:
    try:
        return (thread / "children").read_text().split()
    except OSError:  # the thread is gone
        return []


def kib(process: int, field: str) -> int:
    """A field of /proc/PID/status; 0 of a process that is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith(field + ":")), 0)


async def watched(path: Path) -> tuple[Month, int, int]:
    """The sums, the child's peak and by how much we ourselves grew, in KiB."""
    me, before = os.getpid(), kib(os.getpid(), "VmRSS")
    job = asyncio.create_task(sum_report([lambda: pieces(path)], SELECTION))
    child = grown = 0
    while not job.done():
        child = max([child, *(kib(process, "VmHWM") for process in children())])
        grown = max(grown, kib(me, "VmRSS") - before)
        await asyncio.wait([job], timeout=0.1)
    grown = max(grown, kib(me, "VmRSS") - before)
    return (await job).months["2026-11"], child, grown


def ours(path: Path, totals: list[int]) -> tuple[float, int, int, int]:
    """Seconds, the child's peak and our growth in KiB, and how many groups; fails if a figure is not exact."""
    began = time.perf_counter()
    month, child, grown = uvloop.run(watched(path))
    took = time.perf_counter() - began
    amounts = month.groups[""].values()
    found = [sum((Fraction(amount[place]) for amount in amounts), Fraction(0)) * 10**SCALE for place in range(4)]
    assert found == totals, "not the same totals"
    assert month.rejected == 0
    assert child, "the child was not seen"
    return took, child, grown, len(amounts)


def main() -> None:
    """Print the table."""
    print("     rows       MB   groups     ours s     bare s   bare/ours   child MiB   our growth MiB   exact")
    for rows in [int(text) for text in sys.argv[1:]] or SIZES:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "report.csv")
            totals = write(path, rows)
            gc.collect()
            runs = [(ours(path, totals), bare(path)) for _ in range(3 if rows < 10**6 else 1)]
            size = path.stat().st_size
        took, plain = min(run[0][0] for run in runs), min(run[1] for run in runs)
        child, grown = max(run[0][1] for run in runs) / 1024, max(run[0][2] for run in runs) / 1024
        figures = f"{took:11.2f}{plain:11.2f}{plain / took:12.2f}{child:12.1f}{grown:17.1f}"
        print(f"{rows:9}{size / 1e6:9.1f}{runs[0][0][3]:9}{figures}     yes")


if __name__ == "__main__":
    main()
