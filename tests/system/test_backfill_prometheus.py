"""What a real Prometheus answers over a backfill's files, and over the seam with what it scrapes."""

import json
import re
import subprocess
import time
import urllib.parse
from pathlib import Path
from typing import Any

from exporter.collectors.reading.daily_reports import FIRST_DAY
from exporter.instants import DAY, HOUR, epoch
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.copilot import record
from exporter.simulator.estate import Enterprise, Estate
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from tests.support.backfill import Backfill, backfill_of, only
from tests.support.harness import Exporter, Prometheus, get, until

KEPT = ("--storage.tsdb.retention.time=400d",)
SUBJECTS = "github_api_insights_subject_requests_total"


def into_prometheus(backfill: Backfill, data: Path) -> None:
    """Make blocks of all files, as the command says at its end; promtool has nothing to complain about."""
    for path in sorted(backfill.output.glob("*.om")):
        made = subprocess.run(
            ["promtool", "tsdb", "create-blocks-from", "--max-block-duration=162h", "openmetrics", path, data],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (made.returncode, made.stderr) == (0, ""), made.stderr


def query_range(prometheus: Prometheus, promql: str, start: float, end: float, step: int) -> list[dict[str, Any]]:
    """The series of a range query."""
    query = urllib.parse.urlencode({"query": promql, "start": start, "end": end, "step": step})
    status, body = get(f"{prometheus.url}/api/v1/query_range?{query}")
    assert status == 200, body
    result: list[dict[str, Any]] = json.loads(body)["data"]["result"]
    return result


def test_a_year_of_days_in_prometheus(tmp_path: Path) -> None:
    now = int(time.time())
    estate = Estate((Enterprise("acme-corp", ("acme",)),), since=now - 365 * DAY, seed=7)
    github = SimulatedGitHub(World.of(()), time.time, estate=estate, limit=1_000_000)
    options = {"download_hosts": ["127.0.0.1"], "breakdowns": ["ide"]}
    with backfill_of(github, tmp_path, only("copilot_usage", copilot_usage=options), enterprises=[]) as backfill:
        first = max(now - 363 * DAY, int(epoch(FIRST_DAY["organization"])) + 2 * DAY)
        backfill.days = (now - first) // DAY
        # Promtool reads samples of each five minutes for minutes; two hours and a longer look back ask the same.
        done = backfill.run(now, "--step=2h")
        assert done.returncode == 0, done.stdout + done.stderr
        into_prometheus(backfill, tmp_path / "prometheus" / "data")
    with Prometheus(tmp_path / "prometheus", "127.0.0.1:9", flags=(*KEPT, "--query.lookback-delta=2h")) as prometheus:
        noon = first // DAY * DAY + 3 * DAY + 12 * HOUR
        (series,) = query_range(prometheus, "github_copilot_organization_daily_active_users", noon, now, DAY)
        shown = {int(at): float(value) for at, value in series["values"]}
        assert len(shown) == (now - noon) // DAY + 1
        for at, value in shown.items():
            assert value == record(estate, "acme", at // DAY * DAY - 2 * DAY)["daily_active_users"]


def test_counters_over_the_seam_count_nothing_twice(tmp_path: Path) -> None:
    """The past ends six hours before the exporter's first read; what became visible later is the exporter's."""
    now = int(time.time())
    world = World.of(())
    for back in range(200, 7, -1):
        at = now - back * HOUR
        world.add(Event("acme", "installation", 1, at, requests=back, visible_at=at + 5 * HOUR, name="bot"))
        world.add(Event("acme", "user", 2, at, requests=2, visible_at=at + 5 * HOUR, name="ada"))
    late = now - 3 * HOUR  # GitHub shows it after the exporter's first read
    world.add(Event("acme", "installation", 1, late, requests=1_000, visible_at=now + 20, name="bot"))
    github = SimulatedGitHub(world, time.time, limit=1_000_000)
    collectors = {
        name: {**options, "interval": "1s"} for name, options in only("summary_stats", "subject_stats").items()
    }
    with backfill_of(github, tmp_path, collectors, enterprises=[], counters={"birth_delay": "1s"}) as backfill:
        backfill.days = 20
        config = {**backfill.config, "state": {"path": str(tmp_path / "state")}}
        with Exporter(tmp_path, config).start() as exporter:
            prometheus = Prometheus(tmp_path / "prometheus", f"127.0.0.1:{exporter.port}", flags=KEPT)
            with prometheus:
                until(lambda: 1_000 in prometheus.increases(SUBJECTS, "subject_id").values(), "the late ones count")
                began = int(re.findall(r"counting_since_timestamp_seconds\{.*\} (\d+)", exporter.metrics())[0])
                world.add(Event("acme", "user", 2, int(time.time()), requests=70, name="ada"))
                until(lambda: 70 in prometheus.increases(SUBJECTS, "subject_id").values(), "a new one counts")
                instance = {"job": "exporter", "instance": f"127.0.0.1:{exporter.port}"}
                done = backfill.run(now, "--step=5m", *(f"--label={name}={value}" for name, value in instance.items()))
                assert done.returncode == 0, done.stdout + done.stderr
        into_prometheus(backfill, tmp_path / "prometheus" / "data")
        seam = (began - 6 * HOUR) // HOUR * HOUR
        past = [at for back in range(200, 7, -1) if (at := now - back * HOUR) < seam]
        with prometheus:
            expected = {("1",): sum((now - at) // HOUR for at in past) + 1_000, ("2",): 2 * len(past) + 70}
            assert prometheus.increases(f"{SUBJECTS}[30d]", "subject_id") == expected
            total = prometheus.increases("github_api_insights_requests_total[30d]", "organization")
            assert total == {("acme",): sum(expected.values())}
            (one,) = prometheus.query("count(count by (organization) (github_api_insights_requests_total))")
            assert one["value"][1] == "1", "past and present are one series"
            assert len(prometheus.query("github_api_insights_requests_total")) == 1
