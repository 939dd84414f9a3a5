"""The figures as tables: on the terminal and as `docs/performance.md`, with the plot beside it."""

import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from string import Template

from tests.bench.figures import Figures, Spread
from tests.bench.floors import PROMISES, Promise, unknown
from tests.bench.plot import Chart, svg
from tests.bench.run import COLLECTOR, GAUGEVEC, OBJECTS, OURS, STATIC
from tests.bench.under_load import table_of_loads
from tests.bench.usage import BARE, SUMMED

NAMES = {
    OURS: "**ours**",
    STATIC: "static Go handler",
    GAUGEVEC: "client_golang GaugeVec",
    OBJECTS: "prometheus_client",
    COLLECTOR: "prometheus_client collector",
    BARE: "csv.reader, a loop that does nothing",
    SUMMED: "csv.reader, sums in floats",
}
SERVERS = (OURS, STATIC, GAUGEVEC, OBJECTS, COLLECTOR)
LIBRARIES = ("prometheus_client", "httpx", "uvicorn", "uvloop", "isal", "pydantic")


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def spread(found: Spread, unit: str = "") -> str:
    """The median and its rounds."""
    return f"{number(found.middle)}{unit} [{number(found.least)} … {number(found.most)}]"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, all columns but the first to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def promises(figures: Figures) -> str:
    """The ratios against their floors."""

    def row(promise: Promise, found: Spread) -> tuple[str, ...]:
        sign = "≤ " if promise.at_most else "≥ "
        goal = "" if promise.goal is None else sign + number(promise.goal) + promise.unit
        verdict = "yes" if promise.kept(found) else "**no**"
        return promise.what, spread(found, promise.unit), sign + number(promise.floor) + promise.unit, goal, verdict

    found = [(promise, value) for promise in PROMISES if (value := promise.ratio(figures))]
    return table(("what", "measured", "floor", "goal", "kept"), (row(*one) for one in found))


def by_size(figures: Figures, rows: Sequence[tuple[str, str, Sequence[str]]]) -> str:
    """A row for each (title, whose, kinds of figure), a column for each size; several figures stand side by side."""
    sizes = sorted({size for _, whose, kinds in rows for size in figures.sizes(kinds[0], whose)})
    cells = []
    for title, whose, kinds in rows:
        found = [[figures.get(kind, whose, size) for kind in kinds] for size in sizes]
        if any(one[0] for one in found):
            texts = (" / ".join(number(value.middle) if value else "-" for value in one) for one in found)
            cells.append((title, *texts))
    return table(("", *(f"{size:,}" for size in sizes)), cells) if cells else "Not measured."


def scrapes(figures: Figures) -> str:
    """Both encodings and what they take of the server's processor."""
    parts = []
    for encoding in ("gzip", "identity"):
        rows = [(NAMES[whose], whose, (f"p50 {encoding}", f"p99 {encoding}")) for whose in SERVERS]
        parts += [f"{encoding}, by number of series:", by_size(figures, rows)]
    rows = [(NAMES[whose], whose, ("cpu gzip", "cpu identity")) for whose in SERVERS]
    parts += ["Milliseconds of the server's processor for one scrape, gzip / identity:", by_size(figures, rows)]
    rows = [(NAMES[whose], whose, ("10 scrapers p50", "10 scrapers p99")) for whose in SERVERS]
    return "\n\n".join([*parts, "Ten scrapers at once, gzip:", by_size(figures, rows)])


def refreshes(figures: Figures) -> str:
    """Cycles and renderings."""
    rows = [(f"cycle, {NAMES[whose]}", whose, ("cycle",)) for whose in (OURS, GAUGEVEC, OBJECTS)]
    rows += [
        ("find the values of all series, **ours**", OURS, ("find",)),
        ("render them as text, **ours**", OURS, ("render",)),
        ("render, prometheus_client's generate_latest", OBJECTS, ("render",)),
        ("deflate the text, **ours**", OURS, ("deflate",)),
    ]
    return by_size(figures, rows)


def waits(figures: Figures) -> str:
    """Scrapes at rest and while jobs run, and how long the jobs take, by number of series."""
    return by_size(
        figures,
        [
            ("scrape while nothing else is done, p50 / p99 ms", OURS, ("rest p50", "rest p99")),
            ("scrape while jobs run without end, p50 / p99 ms", OURS, ("work p50", "work p99")),
            ("reading everything once, seconds", OURS, ("read",)),
        ],
    )


def process(figures: Figures) -> str:
    """Memory, idle processor and restarts."""
    title = "resident, MiB, most seen while values change"
    rows = [(f"{title}, {NAMES[one]}", one, ("resident",)) for one in SERVERS]
    rows += [
        (f"{title}, {NAMES[OURS]}, after a scrape that is not compressed", OURS, ("resident identity",)),
        ("processor while idle, % of a core, **ours**", OURS, ("idle",)),
        ("restart to the first complete answer, ms, **ours**", OURS, ("start",)),
    ]
    return by_size(figures, rows)


def usage(figures: Figures) -> str:
    """Usage reports by number of rows."""
    rows = [
        ("seconds, **ours**, exact sums, child and pipe included", OURS, ("rows",)),
        (f"seconds, {NAMES[BARE]}", BARE, ("rows",)),
        (f"seconds, {NAMES[SUMMED]}", SUMMED, ("rows",)),
        ("memory, MiB, **ours**, all processes", OURS, ("rows memory",)),
    ]
    return by_size(figures, rows)


def charts(figures: Figures) -> list[Chart]:
    """How cost grows."""

    def points(what: str, whose: str) -> list[tuple[float, float]]:
        sizes = figures.sizes(what, whose)
        return [(float(size), spread.middle) for size in sizes if (spread := figures.get(what, whose, size))]

    def lines(what: str, *whose: str) -> dict[str, list[tuple[float, float]]]:
        return {name: line for name in whose if len(line := points(what, name)) > 1}

    all_charts = [
        Chart("One gzip scrape", "series", "milliseconds", lines("p50 gzip", OURS, GAUGEVEC, OBJECTS)),
        Chart("All values new, one gzip scrape", "series", "milliseconds", lines("cycle", OURS, GAUGEVEC, OBJECTS)),
        Chart("Reading everything once", "series", "seconds", lines("read", OURS)),
        Chart("Summing up a usage report", "rows", "seconds", lines("rows", OURS, BARE)),
    ]
    return [chart for chart in all_charts if chart.lines]


def machine(date: str) -> str:
    """Where and with what."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    found = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    cores = cpuinfo.count("processor\t:")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    go = subprocess.run(
        "go version; dpkg-query -W -f 'client_golang ${Version}' golang-github-prometheus-client-golang-dev",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.replace("\n", ", ")
    kernel = f"{platform.system()} {platform.release().partition('-')[0]}"
    return (
        f"{date}: {found[1] if found else platform.machine()}, {cores} cores, {memory:.0f} GiB, {kernel}; "
        f"CPython {platform.python_version()}, {versions}; {go or 'no Go'}."
    )


GROWTH = (
    ("a cycle, a series", "cycle"),
    ("a gzip scrape, a series", "p50 gzip"),
    ("reading, a series", "read"),
    ("a usage report, a row", "rows"),
)


def growth(figures: Figures) -> str:
    """The cost of one at the largest size over that at the smallest."""
    cells = []
    for title, what in GROWTH:
        sizes = figures.sizes(what, OURS)
        if len(sizes) > 1:
            first, last = sizes[0], sizes[-1]
            found = figures.ratio((what, OURS, last), (what, OURS, first))
            assert found
            cells.append((f"{title}: {last:,} / {first:,}", f"{number(found.middle * first / last)}x"))
    return table(("the cost of one", "1x is linear"), cells)


def document(figures: Figures, date: str, minutes: float) -> str:
    """The page."""
    template = Template(Path(__file__).with_name("performance.template.md").read_text(encoding="utf-8"))
    absent = unknown(figures)
    return template.substitute(
        machine=machine(date),
        promises=promises(figures),
        missing="".join(f"Not measured in this run: {what}.\n" for what in absent) + "\n".join(figures.notes),
        scrapes=scrapes(figures),
        refreshes=refreshes(figures),
        waits=waits(figures),
        process=process(figures),
        load=table_of_loads(figures),
        usage=usage(figures),
        growth=growth(figures),
        minutes=f"{max(1, minutes):.0f}",
    )


def write(figures: Figures, folder: Path, date: str, minutes: float) -> None:
    """Write the page and the plot."""
    (folder / "performance.md").write_text(document(figures, date, minutes), encoding="utf-8")
    (folder / "performance.svg").write_text(svg(charts(figures)), encoding="utf-8")
