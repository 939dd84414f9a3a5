"""The scrape that may, beside clients that are too many: ours and the Go peer with the same password, in turn.

The allowed scraper makes a new connection for each scrape, ten a second. The clients are a process of their own.
"""

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from pathlib import Path
from statistics import median
from typing import Self

import bcrypt

from tests.bench.contender import Contender
from tests.bench.daemon import Daemon, body, daemon, text
from tests.bench.figures import Figures, quantile
from tests.bench.run import OURS, TOOLKIT, Run
from tests.support.crowd import crowd

SERIES = 10_000
PASSWORD = "correct horse"
LOGIN = f"prometheus:{PASSWORD}"
APART = 0.1
SECONDS = 20.0
LOADS: Sequence[tuple[str, str, int]] = (
    ("nobody else", "", 0),
    ("200 scrapers at once, each second", "scrapers", 200),
    ("500 connections that send nothing", "silent", 500),
    ("a scraper that reads 1 kB/s", "slow", 1),
    ("60 scrapers that read 1 kB/s", "slow", 60),
    ("wrong passwords without end, 12 at a time", "passwords", 12),
)
COUNTERS = {
    "scrapers": "github_exporter_scrapes_rejected_total",
    "silent": r'github_exporter_web_connections_cut_total\{reason="header"\}',
    "slow": "github_exporter_scrapes_rejected_total",
    "passwords": "github_exporter_web_auth_failures_total",
}
"""Where ours counts whom it turned away."""
WHOSE = {OURS: "**ours**", TOOLKIT: "client_golang + exporter-toolkit"}


@contextmanager
def contenders(run: Run, web: Path) -> Iterator[Mapping[str, Contender | Daemon]]:
    """Both, with the same number of series behind the same password."""
    with ExitStack() as stack:
        servers: dict[str, Contender | Daemon] = {}
        servers[OURS] = ours = stack.enter_context(daemon(run.folder / "loaded", SERIES))
        ours.stop()
        ours.flags, ours.login = (f"--web.config.file={web}",), LOGIN
        ours.start()
        if run.peer:
            peer = Contender(TOOLKIT, str(run.peer), TOOLKIT, str(SERIES), str(web))
            servers[TOOLKIT] = stack.enter_context(peer).started()
        yield servers


class Watch:
    """The most resident memory of a server, in MiB, from a thread."""

    def __init__(self, resident: Callable[[], float]) -> None:
        self.most, self._resident, self._end = 0.0, resident, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._end.wait(0.2):
            self.most = max(self.most, self._resident())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def measure(run: Run, passwords: float) -> None:
    """Each load on each contender; `passwords` is how many seconds those are tried."""
    web = run.folder / "web.yml"
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
    web.write_text(f"basic_auth_users: {{prometheus: '{hashed}'}}\n")
    with contenders(run, web) as servers:
        for title, kind, number in LOADS:
            for whose, server in servers.items():
                run.say(f"load: {title}, {whose}")
                seconds = passwords if kind == "passwords" else SECONDS * run.seconds
                one_load(run.figures, whose, server, (title, kind, number), seconds)


def one_load(
    figures: Figures, whose: str, server: Contender | Daemon, load: tuple[str, str, int], seconds: float
) -> None:
    """Cells of one load: milliseconds, scrapes that failed of so many, memory, and what ours counted."""
    title, kind, number = load
    scrape(server.port)  # the password is known, as to a server that has been scraped before
    before = counted(server.port, kind) if whose == OURS and kind else 0.0
    with ExitStack() as stack:
        watch = stack.enter_context(Watch(server.resident))
        happened = stack.enter_context(crowd(kind, number, server.port, LOGIN)) if kind else {}
        found = scraped(server.port, seconds)
    taken = [one for one in found if one is not None]
    figures.add(f"load p50 {title}", whose, SERIES, median(taken) * 1e3 if taken else float("nan"))
    figures.add(f"load p99 {title}", whose, SERIES, quantile(taken, 0.99) * 1e3 if taken else float("nan"))
    figures.add(f"load most {title}", whose, SERIES, max(taken) * 1e3 if taken else float("nan"))
    figures.add(f"load failed {title}", whose, SERIES, len(found) - len(taken))
    figures.add(f"load scrapes {title}", whose, SERIES, len(found))
    figures.add(f"load resident {title}", whose, SERIES, watch.most)
    print(f"{whose}, {title}: the clients had {json.dumps(happened)}", file=sys.stderr, flush=True)
    if whose == OURS and kind:
        time.sleep(1.1)  # its own metrics are rendered once a second
        figures.add(f"load counted {title}", whose, SERIES, counted(server.port, kind) - before)


def scrape(port: int) -> float | None:
    """Seconds of a scrape on a new connection; None if it got no samples."""
    began = time.perf_counter()
    try:
        came = body(port, "gzip", LOGIN)
    except (OSError, HTTPException):
        return None
    return time.perf_counter() - began if came.startswith(b"\x1f\x8b") else None


def scraped(port: int, seconds: float) -> list[float | None]:
    """Scrapes for a while."""
    found, ends = [], time.perf_counter() + seconds
    while time.perf_counter() < ends:
        found.append(scrape(port))
        time.sleep(APART)  # ten scrapes a second, as the page says
    return found


def counted(port: int, kind: str) -> float:
    """One of our counters."""
    match = re.search(rf"^{COUNTERS[kind]} (\S+)$", text(port, LOGIN).decode(), re.MULTILINE)
    assert match
    return float(match[1])


def _milliseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def table_of_loads(figures: Figures) -> str:
    """A row for each load and contender."""
    rows = []
    for title, kind, _number in LOADS:
        for whose, name in WHOSE.items():
            if figures.get(f"load p50 {title}", whose, SERIES) is None:
                continue

            def middle(what: str, title: str = title, whose: str = whose) -> float:
                found = figures.get(f"load {what} {title}", whose, SERIES)
                return found.middle if found else float("nan")

            times = " / ".join(_milliseconds(middle(one)) for one in ("p50", "p99", "most"))
            failed = f"{middle('failed'):.0f} of {middle('scrapes'):.0f}"
            turned_away = f"{middle('counted'):,.0f}" if whose == OURS and kind else ""
            rows.append(f"| {title} | {name} | {times} | {failed} | {middle('resident'):.0f} | {turned_away} |")
    if not rows:
        return "Not measured in this run; [reliability.md](reliability.md#under-load) has the figures of another one."
    head = "| load | server | median / p99 / most, ms | failed | MiB | turned away, by its own counter |"
    return "\n".join((head, "| --- | --- | ---: | ---: | ---: | ---: |", *rows))
