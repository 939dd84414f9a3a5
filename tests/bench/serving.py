"""Scrapes, renderings and whole cycles of all contenders, side by side in each round."""

import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from tests.bench.contender import Contender, command_of, module
from tests.bench.daemon import Daemon, body, daemon, samples_of
from tests.bench.figures import quantile
from tests.bench.load import at_once, scrapes
from tests.bench.run import COLLECTOR, GAUGEVEC, OBJECTS, OURS, STATIC, Run

MEMORY_SECONDS = 20.0
CYCLES = 6
LARGEST = 1_000_000
IDLE_SECONDS = 10.0


@contextmanager
def contenders(run: Run, series: int) -> Iterator[Mapping[str, Contender | Daemon]]:
    """All contenders with so many series; the static one has our own bytes."""
    with ExitStack() as stack:
        servers: dict[str, Contender | Daemon] = {}
        for kind in run.kinds:
            servers[kind] = stack.enter_context(Contender(kind, *command_of(kind, series, run.peer))).started()
        servers[OURS] = ours = stack.enter_context(daemon(run.folder / f"daemon-{series}", series))
        if run.peer:
            bodies = [run.folder / f"{encoding}.{series}" for encoding in ("identity", "gzip")]
            for path in bodies:
                path.write_bytes(body(ours.port, path.stem))
            static = Contender(STATIC, *command_of(STATIC, series, run.peer, bodies))
            servers[STATIC] = stack.enter_context(static).started()
        yield servers


def check_same(servers: Mapping[str, Contender | Daemon], series: int) -> None:
    """All must serve the same series with the same values."""
    ours = samples_of(body(servers[OURS].port, "identity"))
    assert len(ours) == series, f"{len(ours)} series of {series}"
    assert ours == samples_of(zlib.decompress(body(servers[OURS].port, "gzip"), 31))
    for kind in servers.keys() & {OBJECTS, GAUGEVEC}:
        theirs = samples_of(body(servers[kind].port, "identity"))
        assert theirs == ours, f"{kind} differs: {list(theirs ^ ours)[:4]}"


def measure(run: Run, series: int) -> None:
    """Everything that is measured of all contenders at one size."""
    run.say(f"{series:,} series: starting")
    with contenders(run, series) as servers:
        ours = servers[OURS]
        assert isinstance(ours, Daemon)
        if series <= 100_000:
            check_same(servers, series)
        for number in range(run.rounds):
            run.say(f"{series:,} series: round {number + 1} of {run.rounds}")
            for kind, server in servers.items():
                one_scraper(run, kind, server, series)
            cycles(run, servers, series, 2 * number)
            if series == 100_000:
                for kind in (kind for kind in (OURS, GAUGEVEC, STATIC) if kind in servers):
                    many(run, kind, servers[kind], series)
                idle(run, ours, series)
            busy(run, ours, series)
        restarts(run, ours, series)


def one_scraper(run: Run, kind: str, server: Contender | Daemon, series: int) -> None:
    """Milliseconds of scrapes, and of the server's CPU for one."""
    for encoding in ("gzip", "identity"):
        before = server.cpu()
        seconds = scrapes(server.port, encoding, seconds=run.seconds, least=2, most=400)
        run.figures.add(f"cpu {encoding}", kind, series, (server.cpu() - before) / (len(seconds) + 1) * 1e3)
        run.figures.add(f"p50 {encoding}", kind, series, median(seconds) * 1e3)
        run.figures.add(f"p99 {encoding}", kind, series, quantile(seconds, 0.99) * 1e3)


def cycles(run: Run, servers: Mapping[str, Contender | Daemon], series: int, turn: int) -> None:
    """Milliseconds until all values are new and one gzip scrape has them, and of rendering alone.

    Ours is what a tick does once it has counted: render and publish every job, join the answer, and send it.
    """
    ours = servers[OURS]
    assert isinstance(ours, Daemon)
    state = run.folder / f"state-{series}.db"
    ours.copy_state(state)
    with Contender("rendering", *module("rendering", state)).started() as rendering:
        sent = run.figures.cells["p50 gzip", OURS, series][-1]
        figures: dict[str, list[float]] = {"cycle": [], "find": [], "render": [], "deflate": []}
        for _ in range(CYCLES if series < LARGEST else 2):
            cycle, *parts = rendering.tell("set")[1:]
            figures["cycle"].append(cycle * 1e3 + sent)
            for part, taken in zip(("find", "render", "deflate"), parts, strict=True):
                figures[part].append(taken * 1e3)
    for what, values in figures.items():
        run.figures.add(what, OURS, series, median(values))
    for kind in (GAUGEVEC, OBJECTS):
        server = servers.get(kind)
        if not isinstance(server, Contender):
            continue
        seconds = []
        for one in range(2 if kind == OBJECTS or series >= LARGEST else CYCLES):
            began = time.perf_counter()
            server.tell("set", turn + 2 + one % 2)
            scrapes(server.port, "gzip", seconds=0, least=1, most=1, warm=False)
            seconds.append(time.perf_counter() - began)
        run.figures.add("cycle", kind, series, median(seconds) * 1e3)
        if kind == OBJECTS:
            run.figures.add("render", kind, series, server.tell("render", turn + 2)[1] * 1e3)


def many(run: Run, kind: str, server: Contender | Daemon, series: int) -> None:
    """Milliseconds of gzip scrapes of ten scrapers at once."""
    seconds = at_once(server.port, "gzip", 10, seconds=2 * run.seconds)
    run.figures.add("10 scrapers p50", kind, series, median(seconds) * 1e3)
    run.figures.add("10 scrapers p99", kind, series, quantile(seconds, 0.99) * 1e3)


def idle(run: Run, ours: Daemon, series: int) -> None:
    """Cell `idle`: per cent of a core while nobody scrapes and no job is due."""
    before = ours.cpu()
    time.sleep(IDLE_SECONDS)
    run.figures.add("idle", OURS, series, (ours.cpu() - before) / IDLE_SECONDS * 100)


def busy(run: Run, ours: Daemon, series: int) -> None:
    """Milliseconds of gzip scrapes 5 ms apart, at rest and while jobs run without end; seconds to read everything."""
    for what in ("rest", "work"):
        began = time.perf_counter()
        if what == "work":
            ours.work()
        seconds = scrapes(ours.port, "gzip", seconds=6 * run.seconds, least=12, most=3000, apart=0.005)
        run.figures.add(f"{what} p50", OURS, series, median(seconds) * 1e3)
        run.figures.add(f"{what} p99", OURS, series, quantile(seconds, 0.99) * 1e3)
    reads = ours.rest()
    run.figures.add("read", OURS, series, (time.perf_counter() - began) / reads)


def restarts(run: Run, ours: Daemon, series: int) -> None:
    """Cell `start`: milliseconds from a start to the first complete answer, out of the state."""
    for _ in range(run.rounds):
        ours.stop()
        run.figures.add("start", OURS, series, ours.start() * 1e3)


def memory(run: Run, series: int) -> None:
    """The most resident memory, in MiB, while values change without end and somebody scrapes; ours reads meanwhile."""
    for kind in (kind for kind in run.kinds if kind != COLLECTOR):
        run.say(f"{series:,} series: memory of {kind}")
        with Contender(kind, *command_of(kind, series, run.peer)).started() as server:
            server.tell("refresh")
            run.figures.add("resident", kind, series, _most_resident(server))
    run.say(f"{series:,} series: memory of {OURS}")
    with daemon(run.folder / "memory", series) as ours:
        ours.work()
        _most_resident(ours)
        run.figures.add("resident", OURS, series, _high_water(ours))
        body(ours.port, "identity")
        run.figures.add("resident identity", OURS, series, _high_water(ours))


def _high_water(ours: Daemon) -> float:
    """The kernel's own mark of the most resident memory, in MiB: no peak of the start or of a tick is missed."""
    status = Path(f"/proc/{ours.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _most_resident(server: Contender | Daemon) -> float:
    most, ends = 0.0, time.monotonic() + MEMORY_SECONDS
    while time.monotonic() < ends:
        scrapes(server.port, "gzip", seconds=0, least=1, most=1, warm=False)
        most = max(most, server.resident())
        time.sleep(0.02)
    return most
