"""Scrapes, renderings and whole cycles of all contenders, side by side in each round."""

import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from statistics import median

from tests.bench import usage
from tests.bench.contender import Contender, command_of
from tests.bench.figures import quantile
from tests.bench.load import at_once, scrapes
from tests.bench.run import COLLECTOR, FAMILIES, GAUGEVEC, OBJECTS, OURS, SCRAPERS, STATIC, Run

MEMORY_SECONDS = 20.0
CYCLES = 6
LARGEST = 1_000_000


def body(port: int, encoding: str) -> bytes:
    """An answer as it is."""
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request("GET", "/metrics", headers={"Accept-Encoding": encoding})
    answer = connection.getresponse().read()
    connection.close()
    return answer


def samples_of(text: bytes) -> set[tuple[frozenset[str], float]]:
    """GitHub's samples of an answer, whatever the order of their labels and however numbers are written."""
    found = set()
    for line in text.decode().splitlines():
        if line.startswith(FAMILIES):
            series, _, value = line.rpartition(" ")
            name, _, labels = series.rstrip("}").partition("{")
            found.add((frozenset([name, *labels.split('",')[:-1], labels.split('",')[-1].rstrip('"')]), float(value)))
    return found


@contextmanager
def contenders(run: Run, series: int) -> Iterator[Mapping[str, Contender]]:
    """All contenders with so many series; the static one has the product's own bytes."""
    with ExitStack() as stack:
        found = {kind: stack.enter_context(Contender(kind, *command_of(kind, series, run.peer))) for kind in run.kinds}
        for contender in found.values():
            contender.started()
        found[OURS].tell("prepare")
        if run.peer:
            bodies = [run.folder / f"{encoding}.{series}" for encoding in ("identity", "gzip")]
            for path in bodies:
                path.write_bytes(body(found[OURS].port, path.stem))
            found[STATIC] = stack.enter_context(Contender(STATIC, *command_of(STATIC, series, run.peer, bodies)))
            found[STATIC].started()
        yield found


def check_same(found: Mapping[str, Contender], series: int) -> None:
    """All must serve the same series with the same values."""
    for kind, contender in found.items():
        if kind not in (STATIC, COLLECTOR):
            contender.tell("set", 2)
    ours = samples_of(body(found[OURS].port, "identity"))
    assert len(ours) == series, f"{len(ours)} series of {series}"
    assert ours == samples_of(zlib.decompress(body(found[OURS].port, "gzip"), 31))
    for kind in found.keys() & {OBJECTS, GAUGEVEC}:
        theirs = samples_of(body(found[kind].port, "identity"))
        assert theirs == ours, f"{kind} differs: {list(theirs ^ ours)[:4]}"


def measure(run: Run, series: int) -> None:
    """Everything that is measured of all contenders at one size."""
    run.say(f"{series:,} series: starting")
    with contenders(run, series) as found:
        if series <= 100_000:
            check_same(found, series)
        for number in range(run.rounds):
            run.say(f"{series:,} series: round {number + 1} of {run.rounds}")
            for kind, contender in found.items():
                one_scraper(run, kind, contender, series)
            cycles(run, found, series, 2 * number)
            renderings(run, found, series, 2 * number)
            run.figures.add("jobs", OURS, series, found[OURS].tell("tick", 2 * number + 2)[0] * 1e3)
            if series == 100_000:
                for kind in (kind for kind in (OURS, GAUGEVEC, STATIC) if kind in found):
                    many(run, kind, found[kind], series)
                during_refresh(run, found[OURS], series)
                usage.scraped_meanwhile(run, found[OURS], series)


def one_scraper(run: Run, kind: str, contender: Contender, series: int) -> None:
    """Milliseconds of scrapes, and of the server's CPU for one."""
    for encoding in ("gzip", "identity"):
        before = contender.cpu()
        found = scrapes(contender.port, encoding, seconds=run.seconds, least=2, most=400)
        run.figures.add(f"cpu {encoding}", kind, series, (contender.cpu() - before) / (len(found) + 1) * 1e3)
        run.figures.add(f"p50 {encoding}", kind, series, median(found) * 1e3)
        run.figures.add(f"p99 {encoding}", kind, series, quantile(found, 0.99) * 1e3)


def cycles(run: Run, found: Mapping[str, Contender], series: int, turn: int) -> None:
    """Milliseconds until all values are new and one gzip scrape has them; the contenders take turns."""
    seconds: dict[str, list[float]] = {kind: [] for kind in (OURS, OBJECTS, GAUGEVEC) if kind in found}
    for one in range(CYCLES if series < LARGEST else 2):
        for kind, taken in seconds.items():
            if kind != OBJECTS or one < 2:
                began = time.perf_counter()
                found[kind].tell("set", turn + 2 + one % 2)
                scrapes(found[kind].port, "gzip", seconds=0, least=1, most=1, warm=False)
                taken.append(time.perf_counter() - began)
    for kind, taken in seconds.items():
        run.figures.add("cycle", kind, series, median(taken) * 1e3)


def renderings(run: Run, found: Mapping[str, Contender], series: int, turn: int) -> None:
    """Milliseconds of `generate_latest`, of our rendering, of ours without what deflates, and to find its values."""
    _, theirs = found[OBJECTS].tell("render", turn + 2)
    run.figures.add("render", OBJECTS, series, theirs * 1e3)
    told = [found[OURS].tell("render", turn)[1:] for _ in range(3)]  # the odd turn is the one that is shown
    run.figures.add("columns", OURS, series, median(columns for columns, _, _ in told) * 1e3)
    run.figures.add("render and deflate", OURS, series, median(whole for _, whole, _ in told) * 1e3)
    run.figures.add("render", OURS, series, median(whole - deflate for _, whole, deflate in told) * 1e3)


def many(run: Run, kind: str, contender: Contender, series: int) -> None:
    """Milliseconds of gzip scrapes of several scrapers at once."""
    for scrapers in SCRAPERS:
        if kind == OURS or scrapers == 10:
            found = at_once(contender.port, "gzip", scrapers, seconds=2 * run.seconds)
            run.figures.add(f"{scrapers} scrapers p50", kind, series, median(found) * 1e3)
            run.figures.add(f"{scrapers} scrapers p99", kind, series, quantile(found, 0.99) * 1e3)


def during_refresh(run: Run, ours: Contender, series: int) -> None:
    """Milliseconds of gzip scrapes 5 ms apart: alone, while snapshots are published without end, while jobs run.

    The first two take turns of a second: the processors of a virtual machine are slow for some seconds now and then.
    """
    found: dict[str, list[float]] = {"idle": [], "refresh": [], "work": []}
    for what in ("idle", "refresh") * 4 + ("work",) * 4:
        if what != "idle":
            ours.tell(what)
        found[what] += scrapes(ours.port, "gzip", seconds=run.seconds, least=12, most=500, apart=0.005)
        if what != "idle":
            ours.tell("rest")
    for what, taken in found.items():
        run.figures.add(f"{what} p50", OURS, series, median(taken) * 1e3)
        run.figures.add(f"{what} p99", OURS, series, quantile(taken, 0.99) * 1e3)


def memory(run: Run, series: int) -> None:
    """The most resident memory, in MiB, of fresh processes while values change without end and somebody scrapes."""
    for kind in (kind for kind in run.kinds if kind != COLLECTOR):
        run.say(f"{series:,} series: memory of {kind}")
        with Contender(kind, *command_of(kind, series, run.peer)).started() as contender:
            contender.tell("work" if kind == OURS else "refresh")
            most, ends = 0.0, time.monotonic() + MEMORY_SECONDS
            while time.monotonic() < ends:
                scrapes(contender.port, "gzip", seconds=0, least=1, most=1, warm=False)
                most = max(most, contender.resident())
                time.sleep(0.02)
            run.figures.add("resident", kind, series, most)
