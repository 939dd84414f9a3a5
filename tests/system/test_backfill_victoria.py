"""VictoriaMetrics takes a backfill's files as they are, as docs/backfill.md says."""

import json
import shlex
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.instants import HOUR
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from tests.support.backfill import backfill_of, only
from tests.support.harness import get, until

PAGE = (Path(__file__).parents[2] / "docs" / "backfill.md").read_text()


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[str]:
    """A VictoriaMetrics on a free port; yields its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    flags = (f"-storageDataPath={folder}", f"-httpListenAddr={address}", "-retentionPeriod=12")
    with (folder.parent / "victoria.log").open("wb") as log:
        process = subprocess.Popen(["victoria-metrics", *flags], stdout=log, stderr=log)
    try:
        until(lambda: process.poll() is not None or get(f"http://{address}/health")[0] == 200, "VictoriaMetrics is up")
        assert process.poll() is None, (folder.parent / "victoria.log").read_text()[-2000:]
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait(10)


def test_the_command_of_the_page_brings_the_past_into_victoria_metrics(tmp_path: Path) -> None:
    now = int(time.time())
    world = World.of(())
    made = {now - back * HOUR: back for back in range(200, 20, -1)}
    for at, requests in made.items():
        world.add(Event("acme", "installation", 1, at, requests=requests, visible_at=at + 5 * HOUR, name="bot"))
    github = SimulatedGitHub(world, lambda: now, limit=1_000_000)
    with backfill_of(github, tmp_path, only("summary_stats"), enterprises=[]) as backfill:
        backfill.days = 20
        done = backfill.run(now, "--step=5m", "--label=job=github")
        assert done.returncode == 0, done.stdout + done.stderr
    (command,) = [line for line in PAGE.splitlines() if "/api/v1/import/prometheus; done" in line]
    with victoria_metrics(tmp_path / "victoria") as url:
        given = command.replace("http://localhost:8428", url).replace(
            "history/", f"{shlex.quote(str(tmp_path))}/history/"
        )
        subprocess.run(["sh", "-euc", given], check=True, timeout=60)
        query = {
            "query": 'github_api_insights_requests_total{job="github",organization="acme"}',
            "start": now - 9 * 24 * HOUR,
            "end": now - 10 * HOUR,
            "step": 3600,
        }

        def points() -> list[list[float]]:
            answer = json.loads(get(f"{url}/api/v1/query_range?{urllib.parse.urlencode(query)}")[1])
            return [value for series in answer["data"]["result"] for value in series["values"]]

        until(lambda: bool(points()), "what was sent can be queried")
        rising = {int(at): float(value) for at, value in points()}
        for at, value in rising.items():
            hour = at // 300 * 300 // HOUR * HOUR
            assert value == sum(requests for when, requests in made.items() if when < hour), at
        assert rising[max(rising)] == sum(made.values())
