"""What the services of deploy/compose do in turn, as processes: the demo's past, its blocks, a Prometheus over both."""

import json
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.instants import DAY, HOUR
from exporter.settings import parse
from tests.support.deploy import DEPLOY
from tests.support.harness import ENVIRON, Prometheus, get, until

COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]
SCRAPE = yaml.safe_load((DEPLOY / "compose" / "prometheus.yaml").read_text())["scrape_configs"][0]
INSIDE = "/var/lib/github-enterprise-exporter"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prometheus' folder after the two services that end."""
    folder = tmp_path_factory.mktemp("compose")
    command = [word.replace(INSIDE, str(folder)) for word in COMPOSE["history"]["command"]]
    assert parse(command, {})[0] == "demo"
    for _ in range(2):  # the second time nothing is to be done
        subprocess.run([sys.executable, "-m", "exporter", *command], env=ENVIRON, check=True, timeout=400)
    prometheus = folder / "prometheus" / "data"
    prometheus.mkdir(parents=True)
    (script,) = COMPOSE["blocks"]["command"]
    script = script.replace("$$", "$").replace("/history/history", f"{folder}/history")
    script = script.replace(" /prometheus", f" {prometheus}").replace("chown -R nobody:nobody", "ls")
    subprocess.run(["sh", "-euc", script], check=True, timeout=300)
    assert list((folder / "history").rglob("*.om")) == []
    return prometheus


def test_the_demo_begins_with_sixty_days(data: Path) -> None:
    flags = [flag for flag in COMPOSE["prometheus"]["command"] if "retention" in flag or "lookback" in flag]
    with (data.parent / "demo.log").open("w+") as log:
        demo = subprocess.Popen(
            [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0"], stdout=log, env=ENVIRON
        )
        try:
            path = Path(log.name)
            until(lambda: "/metrics" in path.read_text(), "the demo serves", 60)
            port = path.read_text().partition("http://localhost:")[2].partition("/")[0]
            (target,) = SCRAPE["static_configs"][0]["targets"]
            of_demo = {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": target}}
            scrape = {"job_name": SCRAPE["job_name"], "static_configs": [of_demo]}
            with Prometheus(data.parent, f"127.0.0.1:{port}", scrape=scrape, flags=flags) as prometheus:
                until(lambda: prometheus.query("github_copilot_organization_daily_active_users"), "a scrape", 60)
                until(lambda: prometheus.query("github_api_insights_requests_total"), "a scrape", 60)
                expect_days(prometheus)
        finally:
            demo.kill()
            demo.wait(10)


def expect_days(prometheus: Prometheus) -> None:
    """The past and the present are the same series."""
    now = int(time.time())

    def values(promql: str, days: int, step: int) -> list[list[Any]]:
        asked = {"query": promql, "start": now - days * DAY, "end": now, "step": step}
        answer = json.loads(get(f"{prometheus.url}/api/v1/query_range?{urllib.parse.urlencode(asked)}")[1])
        (series,) = answer["data"]["result"]
        found: list[list[Any]] = series["values"]
        return found

    assert len(values('github_copilot_organization_daily_active_users{organization="acme"}', 59, DAY)) == 60
    assert len(values('sum(github_billing_usage_enterprise_gross_amount_usd{enterprise="acme-corp"})', 58, DAY)) > 50
    requests = 'increase(github_api_insights_requests_total{organization="acme"}[2h])'
    hourly = values(requests, 13, HOUR)
    assert len(hourly) == 13 * 24 + 1, "no hour without a graph, over the seam too"
    assert sum(float(value) > 0 for _, value in hourly) > 300
