"""From two shards to three as docs/operations.md says, beside a real Prometheus: what its `increase()` sees of it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from exporter.collectors import COLLECTORS
from exporter.settings.shards import owner
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import SimulatedApp
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from tests.support.app import CLIENT_ID, app_config, installed, new_key
from tests.support.deploy import ROOT
from tests.support.harness import ENVIRON, Prometheus, SimClock, get, simulated, until

PAGE = (ROOT / "docs" / "operations.md").read_text()
SCRAPE = yaml.safe_load(re.findall(r"```yaml\n(scrape_configs:.*?)```", PAGE, re.DOTALL)[1])["scrape_configs"][0]
ON_HOSTS = PAGE.partition("\n### Resharding on hosts")[2].partition("\n### ")[0]
START, WRITE, RELOAD, MOVE, _BACK = re.findall(r"```sh\n(.*?)```", ON_HOSTS, re.DOTALL)
(NUMBER,) = re.findall(r"```yaml\n(.*?)```", ON_HOSTS, re.DOTALL)
(QUERY,) = re.findall(
    r"```promql\n(.*?)```", PAGE.partition("\n### What is counted")[2].partition("\n## ")[0], re.DOTALL
)

HOUR = 3600
ORGANIZATIONS = [f"org{number}" for number in range(8)]
MOVED = [name for name in ORGANIZATIONS if owner(f"app/{name}", 3) == 2]
TOTAL = "github_api_insights_requests_total"
SUBJECT = "github_api_insights_subject_requests_total"
JOINED = "max without (instance) ({})"
Sums = Mapping[tuple[str, ...], float]


@dataclass
class Fleet:
    """What an operator has: a folder with the configuration, three ports, a shell; and GitHub's traffic.

    In commands `/var/lib/` stands for the folder, and each port for one that is free.
    """

    folder: Path
    world: World
    ports: list[int]
    running: ExitStack
    truth: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """Requests after the first read: in total by organization, and by organization and user."""

    def _command(self, text: str) -> str:
        for number, port in enumerate(self.ports):
            text = text.replace(f":1018{number}", f":{port}")
        return text.replace("/var/lib/", f"{self.folder}/")

    def type(self, text: str) -> str:
        done = subprocess.run(
            ["sh", "-euc", self._command(text)],
            env=self._environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def start(self, number: int) -> None:
        text = START.replace("N=0", f"N={number}").replace(":1018$N", f":101{80 + number}")
        *_, command = text.partition("\n")
        text = self._command(f"N={number}\nexec {command}")
        with (self.folder / f"log-{number}").open("wb") as log:
            process = subprocess.Popen(["sh", "-euc", text], env=self._environ, cwd=self.folder, stdout=log, stderr=log)
        self.running.callback(process.wait, 15)
        self.running.callback(process.kill)
        until(lambda: get(f"http://127.0.0.1:{self.ports[number]}/-/healthy")[0] == 200, "it listens")

    @property
    def _environ(self) -> dict[str, str]:
        return {**ENVIRON, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(self.folder)}

    def add(self, requests: int, user: int = 1) -> None:
        """So many requests of each organization, which GitHub shows at once."""
        for name in ORGANIZATIONS:
            self.world.add(Event(name, "user", user, int(time.time()) - HOUR, requests=requests))
            self.truth[name,] += requests
            self.truth[name, str(user)] += requests

    def shown(self) -> Sums:
        """What the old exporters show, but for what Prometheus has yet to scrape."""
        wanted = f"name[]={TOTAL}&name[]={SUBJECT}"
        body = "".join(get(f"http://127.0.0.1:{port}/metrics?{wanted}")[1] for port in self.ports[:2])
        found = re.findall(r"^\w+\{(.*)\} (\S+)$", body, re.MULTILINE)
        return {key_of(dict(re.findall(r'(\w+)="([^"]*)"', labels))): float(value) for labels, value in found}


@contextmanager
def fleet(folder: Path) -> Iterator[Fleet]:
    clock = SimClock(float(int(time.time())))
    world = World.of([Event(name, "user", 1, int(clock()) - HOUR, requests=9) for name in ORGANIZATIONS])
    app = SimulatedApp(CLIENT_ID, new_key(folder / "app.pem"), installed(*ORGANIZATIONS))
    (folder / "app.pem").chmod(0o600)
    with ExitStack() as stack:
        (url,) = stack.enter_context(simulated(SimulatedGitHub(world, clock, limit=1_000_000, apps=[app])))
        config = app_config(url, folder, *ORGANIZATIONS)
        used = ("summary_stats", "subject_stats")
        config["collectors"] = {
            collector.name: {"interval": "1s"} if collector.name in used else {"enabled": False}
            for collector in COLLECTORS
        }
        config["counters"] = {"birth_delay": "3s"}  # longer than Prometheus' interval, as the page says
        (folder / "config.yaml").write_text(yaml.safe_dump(config) + NUMBER)
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        ports = [free.getsockname()[1] for free in sockets]
        for free in sockets:
            free.close()
        yield Fleet(folder, world, ports, stack)


def prometheus_of(shards: Fleet, *, joined: bool) -> Prometheus:
    """Prometheus with the page's scrape configuration, each second; with or without its relabelling."""
    targets = [f"localhost:{port}" for port in shards.ports]
    scrape = {"static_configs": [{"targets": targets}]}
    if joined:
        scrape["metric_relabel_configs"] = SCRAPE["metric_relabel_configs"]
    return Prometheus(shards.folder / "prometheus", targets[0], scrape=scrape)


def newest(prometheus: Prometheus) -> Sums:
    """The newest value of each counter."""
    found = (series for metric in (TOTAL, SUBJECT) for series in prometheus.query(JOINED.format(metric)))
    return {key_of(series["metric"]): float(series["value"][1]) for series in found}


def key_of(labels: Mapping[str, str]) -> tuple[str, ...]:
    """An organization, perhaps with a user."""
    return tuple(labels[name] for name in ("organization", "subject_id") if name in labels)


def increases(prometheus: Prometheus, expression: str) -> Sums:
    """By how much the series of an expression rose from their first sample on, together."""
    found: Counter[tuple[str, ...]] = Counter()
    for metric, labels in ((TOTAL, ["organization"]), (SUBJECT, ["organization", "subject_id"])):
        for series, rise in prometheus.increases(expression.format(metric), *labels, "instance").items():
            found[series[:-1]] += rise
    return found


def without(requests: int, truth: Mapping[tuple[str, ...], int]) -> Sums:
    """The truth, less so many requests of user 1 of each organization that moved."""
    lost = {series for name in MOVED for series in ((name,), (name, "1"))}
    return {series: number - requests * (series in lost) for series, number in truth.items()}


@pytest.mark.parametrize("joined", [True, False], ids=["counters without instance", "counters with instance"])
def test_with_moved_state_nothing_is_lost(joined: bool, tmp_path: Path) -> None:
    assert 0 < len(MOVED) < len(ORGANIZATIONS)
    with fleet(tmp_path) as shards, prometheus_of(shards, joined=joined) as prometheus:
        shards.start(0)
        shards.start(1)
        until(lambda: len(newest(prometheus)) == 2 * len(ORGANIZATIONS), "all has been read once")
        shards.add(5)
        until(lambda: newest(prometheus) == shards.truth, "it is counted")
        assert prometheus.process
        prometheus.process.send_signal(signal.SIGSTOP)
        shards.add(3)
        until(lambda: shards.shown().items() >= shards.truth.items(), "the old ones publish what no scrape sees")
        listed = shards.type(WRITE)
        assert {
            name for name in ORGANIZATIONS if re.search(rf"^organization/{name} .* 2$", listed, re.MULTILINE)
        } == set(MOVED)
        shards.type(RELOAD)
        prometheus.process.send_signal(signal.SIGCONT)
        assert {series[0] for series in shards.shown()} == set(ORGANIZATIONS) - set(MOVED)
        shards.type(MOVE)
        shards.add(2, user=2)
        shards.start(2)
        until(lambda: newest(prometheus) == shards.truth, "the new one counts on, and what came meanwhile")
        shards.add(4)
        until(lambda: newest(prometheus) == shards.truth, "and goes on")
        joined_by_query = f"{JOINED}[5m:1s]"
        until(lambda: increases(prometheus, joined_by_query) == shards.truth, "a query over both instances sees all")
        expected = shards.truth if joined else without(3, shards.truth)
        assert increases(prometheus, "{}[5m]") == expected, "each series by itself"
        seen = {one["metric"]["organization"]: float(one["value"][1]) for one in prometheus.query(quick(QUERY))}
        assert seen == pytest.approx({name: shards.truth[name,] for name in ORGANIZATIONS}, rel=0.12), "extrapolated"
        if joined:
            assert {one["metric"].get("instance") for one in prometheus.query(TOTAL)} == {None}
            assert prometheus.falls(TOTAL) == []


def quick(query: str) -> str:
    """The page's query for scrapes of a second."""
    assert "[6h:15s]" in query
    return query.replace("[6h:15s]", "[5m:1s]")


def test_without_moved_state_what_came_between_the_last_read_and_the_first_is_lost_and_nothing_else(
    tmp_path: Path,
) -> None:
    with fleet(tmp_path) as shards, prometheus_of(shards, joined=True) as prometheus:
        shards.start(0)
        shards.start(1)
        until(lambda: len(newest(prometheus)) == 2 * len(ORGANIZATIONS), "all has been read once")
        shards.add(5)
        until(lambda: newest(prometheus) == shards.truth, "it is counted")
        shards.type(WRITE)
        shards.type(RELOAD)
        shards.add(3)
        shards.start(2)
        until(lambda: newest(prometheus) == {**shards.truth, **begun_anew()}, "what moves begins at 0")
        shards.add(4)
        until(lambda: newest(prometheus).items() >= dict.fromkeys(begun_anew(), 4.0).items(), "and is counted again")
        until(lambda: increases(prometheus, "{}[5m]") == without(3, shards.truth), "nothing else is lost")
        shards.type("sed -i 's/total: 3/total: 2/' config.yaml")
        shards.type(RELOAD)
        until(lambda: shards.shown() == shards.truth, "the old ones count on, and again what the new one has counted")


def begun_anew() -> Sums:
    return {series: 0.0 for name in MOVED for series in ((name,), (name, "1"))}
