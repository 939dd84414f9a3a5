"""The exporter as it is run, as a contender: the command, a configuration, and a GitHub in another process.

Nothing in it knows of the bench. It reads real pages over sockets, counts, saves, renders and is scraped; `work` and
`rest` are reloads (SIGHUP) to the interval that all jobs need to be done, so that they run without end, and to hours.
"""

import math
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import yaml

from exporter.collectors import COLLECTORS
from tests.bench import series as made
from tests.bench.contender import ROOT, Contender, cpu, module, resident
from tests.bench.run import FAMILIES

PATIENCE = 600.0
LEADS = tuple(f"\n{family}".encode() for family in FAMILIES)


def body(port: int, encoding: str, login: str = "") -> bytes:
    """A scrape's body as it was sent; `login` is USER:PASSWORD."""
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    basic = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"} if login else {}
    connection.request("GET", "/metrics", headers={"Accept-Encoding": encoding, **basic})
    answer = connection.getresponse().read()
    connection.close()
    return answer


def text(port: int, login: str = "") -> bytes:
    """A scrape's text, asked for as Prometheus does: compressed. What is not compressed costs the daemon memory."""
    return zlib.decompress(body(port, "gzip", login), 31)


def samples_of(text: bytes) -> set[tuple[frozenset[str], float]]:
    """GitHub's samples of an answer, whatever the order of their labels and however numbers are written."""
    samples = set()
    for line in text.decode().splitlines():
        if line.startswith(FAMILIES):
            series, _, value = line.rpartition(" ")
            name, _, labels = series.rstrip("}").partition("{")
            first, *_ = parts = labels.rstrip('"').split('",')
            assert first
            samples.add((frozenset([name, *parts]), float(value)))
    return samples


def until(what: str, true: Callable[[], bool]) -> None:
    """Wait for it."""
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends, f"not within {PATIENCE:.0f} s: {what}"
        time.sleep(0.2)


class Daemon:
    """The running command. `folder` keeps its configuration and its state, so that it can be started again."""

    def __init__(self, folder: Path, github: Contender, series: int) -> None:
        self.folder, self.github, self.series = folder, github, series
        self.round, self.interval = 0, "6h"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.process: subprocess.Popen[bytes] | None = None
        self.flags: tuple[str, ...] = ()
        self.login = ""
        (folder / "token").touch(mode=0o600)
        (folder / "token").write_text("ghp_bench")

    def start(self) -> float:
        """Seconds until a scrape had every series, or, the first time, until the command answers."""
        first = not (self.folder / "state").exists()
        self._configure(working=False)
        began = time.perf_counter()
        config, address = self.folder / "config.yaml", f"127.0.0.1:{self.port}"
        flags = (f"--config.file={config}", f"--web.listen-address={address}", *self.flags)
        self.process = subprocess.Popen((sys.executable, "-m", "exporter", *flags), cwd=ROOT)
        ends = began + PATIENCE
        while time.perf_counter() < ends:
            assert self.process.poll() is None, "the daemon ended"
            with suppress(OSError):
                shown, seconds = self._shown(), time.perf_counter() - began
                if first or shown == self.series:
                    return seconds
            time.sleep(0.002)
        raise AssertionError("the daemon never answered with every series")

    def warm_up(self) -> None:
        """All series are there, were scraped, and have counted up to round 1; then nothing is asked any more."""
        self.hold(0)
        self.start()
        began = time.monotonic()
        until("every series", lambda: self._shown() == self.series)
        # At shorter intervals what comes first would be due again before what comes last had its turn.
        self.interval = f"{max(1, math.ceil(time.monotonic() - began))}s"
        self.hold(1)
        self._reload(working=True)
        self.wait_for_round()
        self.rest()

    def hold(self, turn: int) -> None:
        """Let GitHub answer with one round."""
        self.round = turn
        self.github.tell("hold", turn)

    def wait_for_round(self) -> None:
        """Wait until a scrape shows every series as GitHub has it."""
        expected = {
            (
                frozenset([family, *(f'{name}="{label}' for name, label in zip(_names(family), labels, strict=True))]),
                value,
            )
            for family, labels, value in made.samples(self.series, self.round)
        }
        until(f"round {self.round}", lambda: samples_of(text(self.port)) == expected)

    def work(self) -> None:
        """Run every job again and again; each read brings new values."""
        self.github.tell("move")
        self._reload(working=True)

    def rest(self) -> float:
        """Run no job any more; gives how often all lists were read since `work`."""
        self._reload(working=False)
        _seconds, reads = self.github.tell("hold", self.round)
        return reads

    def stop(self) -> None:
        """End it as a restart does."""
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(60) == 0

    def copy_state(self, target: Path) -> None:
        """Copy the state file as it is now, while the daemon runs."""
        with sqlite3.connect(self.folder / "state" / "state.db") as source, sqlite3.connect(target) as copy:
            source.backup(copy)

    def resident(self) -> float:
        """Resident memory now, in MiB."""
        return resident(self.pid)

    def cpu(self) -> float:
        """Seconds of CPU so far."""
        return cpu(self.pid)

    @property
    def pid(self) -> int:
        """The process."""
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _shown(self) -> int:
        shown = text(self.port, self.login)
        return sum(shown.count(lead) for lead in LEADS)

    def _reload(self, *, working: bool) -> None:
        self._configure(working=working)
        before = self._reloaded()
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)
        until("the reload", lambda: self._reloaded() != before)

    def _reloaded(self) -> str:
        name = "github_exporter_config_last_reload_success_timestamp_seconds"
        found = re.search(rf"^{name} (\S+)$", text(self.port).decode(), re.MULTILINE)
        assert found
        return found[1]

    def _configure(self, *, working: bool) -> None:
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self._configuration(working)))

    def _configuration(self, working: bool) -> dict[str, Any]:
        organizations = made.organizations(self.series)
        collectors: dict[str, Any] = {one.name: {"enabled": False} for one in COLLECTORS}
        interval = self.interval if working else "6h"
        # With a filter nothing is compared with the organization's total, which would be a series more.
        of_subjects = {"interval": interval, "max_series": 10_000, "subject_name_substring": "user"}
        collectors["subject_stats"] = of_subjects
        collectors["route_stats"] = {"interval": interval, "max_series": 10_000, "top_actors": 0}
        actors = [
            {"organization": f"org-{actor % organizations}", "type": "installation", "id": made.FIRST_ACTOR + actor}
            for actor in range(made.actors(self.series))
        ]
        root = f"http://127.0.0.1:{self.github.port}"
        return {
            "credentials": {"default": {"api_url": root, "token_file": str(self.folder / "token")}},
            "organizations": [f"org-{one}" for one in range(organizations)],
            "collectors": collectors,
            "watch": {"actors": actors},
            "counters": {"birth_delay": "1s"},
            "limits": {"max_series": 10_000_000},
            "state": {"path": str(self.folder / "state")},
            "log": {"level": "error"},
        }


def _names(family: str) -> tuple[str, ...]:
    return made.SUBJECT_LABELS if family in made.SUBJECT_FAMILIES else made.ROUTE_LABELS


@contextmanager
def daemon(folder: Path, series: int) -> Iterator[Daemon]:
    """A daemon of so many series at rest, with its GitHub."""
    folder.mkdir()
    with Contender("github", *module("github", series)).started() as github:
        ours = Daemon(folder, github, series)
        try:
            ours.warm_up()
            yield ours
        finally:
            ours.kill()
