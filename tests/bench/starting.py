"""The real daemon over a state of so many series: how long until it answers, and what it costs while nobody asks."""

import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.bench.contender import ROOT, cpu, module
from tests.bench.run import FAMILIES, OURS, Run
from tests.bench.serving import body

EAGER = "eager"
OURSELVES = (sys.executable, "-m", "exporter")
LEADS = [f"\n{family}".encode() for family in FAMILIES]
PATIENCE = 120.0
STARTS = 2
SETTLED = 5.0
"""Seconds after the first scrape until nothing of the start is left to be done."""


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Daemon:
    """A started daemon; `seconds` is how long it took until a scrape had every series."""

    def __init__(self, command: Sequence[str], folder: Path, port: int, series: int) -> None:
        flags = (f"--config.file={folder / 'config.yaml'}", f"--web.listen-address=127.0.0.1:{port}")
        self.port = port
        began = time.perf_counter()
        self.process = subprocess.Popen((*command, *flags), cwd=ROOT)
        while time.perf_counter() - began < PATIENCE:
            assert self.process.poll() is None, "the daemon ended"
            with suppress(OSError):
                packed = body(port, "gzip")
                self.seconds = time.perf_counter() - began
                text = zlib.decompress(packed, 31)
                if sum(text.count(lead) for lead in LEADS) == series:
                    return
            time.sleep(0.002)
        self.kill()
        raise AssertionError("the daemon never answered with every series")

    def stop(self) -> None:
        """End it as a restart does."""
        body(self.port, "identity")  # which waits for the whole daemon
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()


def measure(run: Run, series: int, *, idle: float) -> None:
    """Cells `start`, `start after a kill` (milliseconds) and `idle` (percent of a core over so many seconds).

    A start is that of a restart after a clean stop, which left its last answer.
    """
    folder = run.folder / f"restart-{series}"
    folder.mkdir()
    run.say(f"start with {series:,} series: writing the state")
    subprocess.run(module("restorable", series, folder), cwd=ROOT, check=True)
    port = free_port()
    Daemon(OURSELVES, folder, port, series).stop()
    for number in range(STARTS * run.rounds):
        run.say(f"start with {series:,} series: round {number + 1} of {STARTS * run.rounds}")
        eager = Daemon(module("eager"), folder, port, series)
        run.figures.add("start", EAGER, series, eager.seconds * 1e3)
        eager.stop()
        ours = Daemon(OURSELVES, folder, port, series)
        run.figures.add("start", OURS, series, ours.seconds * 1e3)
        ours.kill()
        killed = Daemon(OURSELVES, folder, port, series)
        run.figures.add("start after a kill", OURS, series, killed.seconds * 1e3)
        killed.stop()
    if idle:
        daemon = Daemon(OURSELVES, folder, port, series)
        time.sleep(SETTLED)
        for _ in range(run.rounds):
            before = cpu(daemon.process.pid)
            time.sleep(idle)
            run.figures.add("idle", OURS, series, (cpu(daemon.process.pid) - before) / idle * 100)
        daemon.stop()
