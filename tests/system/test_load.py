"""The exporter as a process, with a password, beside clients that are too many: the scrape that may takes no second."""

import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import pytest

from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from tests.support.crowd import crowd
from tests.support.harness import Exporter, SimClock, config_for, simulated, until
from tests.support.web import PASSWORD, ask

SECONDS = 3.0
SUBJECTS = 4000
RIGHT = f"prometheus:{PASSWORD}"
REJECTED, FAILURES = "github_exporter_scrapes_rejected_total", "github_exporter_web_auth_failures_total"
CUT = 'github_exporter_web_connections_cut_total\\{reason="room"\\}'


@dataclass
class Served:
    """A running exporter."""

    exporter: Exporter

    def scrape(self) -> str:
        """What the allowed scraper gets, on a new connection."""
        reply = ask(self.exporter.port, "/metrics", login=RIGHT)
        assert reply is not None
        assert reply.status == 200
        return reply.body.decode()

    def value(self, name: str) -> float:
        """One of the exporter's own counters, once it is up to date: it is rendered once a second."""
        time.sleep(1.1)  # no series tells when it was rendered, so nothing can be polled
        found = re.search(rf"^{name} (\S+)$", self.scrape(), re.MULTILINE)
        assert found
        return float(found[1])

    def slowest(self) -> float:
        """Seconds of the slowest of the scrapes that are made one after another for a while."""
        slowest, ends = 0.0, time.monotonic() + SECONDS
        while (began := time.monotonic()) < ends:
            self.scrape()
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.05)  # scrapes without a pause would be a load of their own
        return slowest


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("load")
    (folder / "token").write_text("word\n")
    users = {"prometheus": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()}  # as htpasswd makes them
    (folder / "web.yml").write_text("basic_auth_users: {{prometheus: {prometheus}}}\n".format(**users))
    now = time.time()
    events = [Event("acme", "user", number, int(now) - 8 * 3600, requests=5) for number in range(SUBJECTS)]
    github = SimulatedGitHub(World.of(events), SimClock(now))
    with simulated(github) as (url,):
        config = config_for(
            url, "acme", token_file=folder / "token", interval="1h", budget={"share": 1.0, "reserve": 0}
        )
        config["collectors"]["subject_stats"]["max_series"] = SUBJECTS
        with Exporter(folder, config) as exporter:
            exporter.start(f"--web.config.file={folder / 'web.yml'}")
            made = Served(exporter)
            until(
                lambda: made.scrape().count("\ngithub_api_insights_subject_requests_total{") >= SUBJECTS, "all is read"
            )
            yield made
            assert exporter.stop() == 0


@pytest.mark.alone
def test_beside_200_scrapers_at_once(served: Served) -> None:
    """All of them are answered; those that were cut, on a slow machine, are counted, and no others."""
    before = served.value(REJECTED)
    with crowd("scrapers", 200, served.exporter.port, RIGHT) as happened:
        assert served.slowest() < 1
    assert set(happened) <= {"200", "cut"}
    assert happened["200"] > 200
    assert served.value(REJECTED) - before == happened.get("cut", 0)


@pytest.mark.parametrize("connections", [500, 700], ids=["as many as fit", "more than fit"])
def test_beside_connections_that_send_nothing(served: Served, connections: int) -> None:
    before = served.value(CUT)
    with crowd("silent", connections, served.exporter.port, RIGHT) as happened:
        assert served.slowest() < 1
        cut = served.value(CUT) - before
    assert set(happened) <= {"cut"}
    assert cut <= happened.get("cut", 0)
    assert (cut > 150) == (connections > 512)


def test_a_burst_of_connections_waits_until_the_process_has_time(served: Served) -> None:
    """Otherwise the kernel drops the scraper's too, and it needs a second more."""
    process = served.exporter.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        with ExitStack() as stack:
            for _ in range(450):
                stack.enter_context(socket.create_connection(("127.0.0.1", served.exporter.port), timeout=0.9))
    finally:
        process.send_signal(signal.SIGCONT)
    assert served.scrape()


@pytest.mark.parametrize("readers", [1, 60], ids=["one", "more than may scrape at once"])
def test_beside_scrapers_that_read_a_kilobyte_a_second(served: Served, readers: int) -> None:
    before = served.value(REJECTED)
    with crowd("slow", readers, served.exporter.port, RIGHT):
        assert served.slowest() < 1
    assert (served.value(REJECTED) > before) == (readers > 40)


def test_beside_wrong_passwords_without_end(served: Served) -> None:
    before = served.value(FAILURES)
    with crowd("passwords", 12, served.exporter.port, RIGHT) as happened:
        assert served.slowest() < 1
    assert set(happened) <= {"401", "429"}
    assert happened["429"] > 0
    assert 0 <= served.value(FAILURES) - before - sum(happened.values()) <= 12, "those under way at the end"
