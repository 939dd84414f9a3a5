"""After a restart the first answer is what the state holds, complete and dated, whatever GitHub does."""

import gzip
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.faults import Fault
from exporter.simulator.world import World
from tests.support.harness import Exporter, SimClock, config_for, get, simulated, until

REQUESTS = 'github_api_insights_requests_total{organization="acme"}'
OF_TOTALS = '{collector="summary_stats",target="organization/acme"}'


def first_answer(port: int) -> str:
    """What a scrape gets as soon as somebody listens."""

    def look() -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
            return connection.getresponse().read()
        except OSError:
            return b""
        finally:
            connection.close()

    return gzip.decompress(until(look, "the first answer", seconds=10, every=0.005)).decode()


def launched(exporter: Exporter) -> "subprocess.Popen[bytes]":
    """Start it without waiting for anything."""
    with exporter.log.open("ab") as log:
        exporter.process = process = subprocess.Popen(
            [
                *(sys.executable, "-m", "exporter", f"--config.file={exporter.config}"),
                *(f"--web.listen-address=127.0.0.1:{exporter.port}", "--log.format=json", "--log.level=debug"),
            ],
            env=exporter.environ,
            cwd=exporter.folder,
            stdout=log,
            stderr=log,
        )
    return process


def test_a_restart_answers_with_what_was_kept_and_goes_on(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("token-of-acme\n")
    clock = SimClock(time.time())
    clock.run(1.0)
    github = SimulatedGitHub(World.of([Event("acme", "user", 1, int(clock()) - 8 * 3600, requests=9)]), clock)
    with simulated(github) as (url,), Exporter(tmp_path, config_for(url, "acme", token_file=token)) as exporter:
        exporter.start()
        until(lambda: exporter.value(REQUESTS) is not None, "it counts")
        github.world.add(Event("acme", "user", 1, int(clock()), requests=7))
        until(lambda: exporter.value(REQUESTS) == 7, "the counter moved")
        until(lambda: get(f"{exporter.url}/-/ready")[0] == 200, "every job has an attempt in the state")
        assert exporter.stop() == 0

        github.faults.add(Fault("/orgs/", kind="hang"))
        leftover = tmp_path / "state" / "last-answer"
        leftover.write_bytes(b"of an older version, with names that may have to be hidden by now")
        launched(exporter)
        first = first_answer(exporter.port)
        assert f"{REQUESTS} 7\n" in first
        assert f"github_exporter_collector_success{OF_TOTALS} 1\n" in first
        assert f"github_exporter_collector_last_success_timestamp_seconds{OF_TOTALS} " in first
        assert "github_exporter_build_info" in first
        assert get(f"{exporter.url}/-/ready") == (200, "ready\n"), "what was restored needs no attempt"
        assert not leftover.exists()
        exporter.kill()

        github.faults.clear()
        launched(exporter)
        assert f"{REQUESTS} 7\n" in first_answer(exporter.port), "nothing is lost with a kill"
        github.world.add(Event("acme", "user", 1, int(clock()), requests=2))
        until(lambda: exporter.value(REQUESTS) == 9, "the counter goes on")
        assert exporter.stop() == 0
        with socket.create_server(("127.0.0.1", exporter.port)):
            assert launched(exporter).wait(20) == 1
        said = exporter.log.read_text()
        assert "cannot start" in said
        assert "Traceback" not in said

        process = launched(exporter)
        assert f"{REQUESTS} 9\n" in first_answer(exporter.port)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, "a stop right after the start is a stop"


def test_a_configuration_may_come_through_a_pipe() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"organizations: [acme]\n")
    os.close(writing)
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "check", f"--config.file=/dev/fd/{reading}"],
        env={"PATH": os.environ["PATH"], "GITHUB_EXPORTER_TOKEN": "ghp_CANARY0123456789"},
        pass_fds=[reading],
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(reading)
    assert done.returncode == 0, done.stderr
    assert "organization/acme" in done.stdout
