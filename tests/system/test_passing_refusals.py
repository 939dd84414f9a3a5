"""What GitHub refuses now and gives a moment later, end to end: real processes, real sockets."""

import time
from pathlib import Path

import pytest

from exporter.instants import HOUR
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import SimulatedApp
from exporter.simulator.facts import Event
from exporter.simulator.faults import Fault
from exporter.simulator.world import World
from tests.support.app import CLIENT_ID, app_config, installed, new_key, traffic, works
from tests.support.harness import Exporter, SimClock, config_for, get, simulated, until

ERRORS = 'github_exporter_collector_errors_total{{collector="{}",target="organization/{}",reason="credential"}}'


def now_running() -> SimClock:
    clock = SimClock(time.time())
    clock.run(1.0)
    return clock


def errors(exporter: Exporter, collector: str = "summary_stats", organization: str = "acme") -> float:
    return exporter.value(ERRORS.format(collector, organization)) or 0.0


def statuses(github: SimulatedGitHub, *, below: str = "/orgs/") -> list[int | None]:
    return [record.status for record in github.log if record.path.startswith(below)]


def test_a_token_that_github_does_not_know_for_two_seconds_stops_nothing_not_even_at_its_renewal(
    tmp_path: Path,
) -> None:
    """https://github.com/octokit/auth-app.js/issues/65"""
    clock = now_running()
    app = SimulatedApp(CLIENT_ID, new_key(tmp_path / "app.pem"), installed("acme", "globex"))
    github = SimulatedGitHub(World.of(traffic(int(clock()), "acme", "globex")), clock, apps=[app])
    github.apps.unknown_seconds = 2
    github.apps.token_seconds = 12
    with simulated(github) as (url,), Exporter(tmp_path, app_config(url, tmp_path, "acme", "globex")) as exporter:
        exporter.start()
        until(lambda: works(exporter, "route_stats", "acme", "globex"), "all works")

        def minted() -> list[float]:
            return [one.at for one in github.log if one.method == "POST" and one.path.endswith("/1000/access_tokens")]

        until(lambda: len(minted()) >= 3, "the token is renewed twice")
        runs = 'github_exporter_collector_runs_total{collector="summary_stats",target="organization/acme"}'
        count = exporter.value(runs) or 0
        until(lambda: (exporter.value(runs) or 0) > count + 1, "it runs on")
        assert min(later - before for before, later in zip(minted(), minted()[1:], strict=False)) > 9, "none is wasted"
        for collector in ("summary_stats", "time_stats", "subject_stats"):
            assert errors(exporter, collector) == errors(exporter, collector, "globex") == 0
        assert "collector failed" not in exporter.log.read_text()
        assert "ghs_" not in exporter.log.read_text()
        refused = exporter.value('github_exporter_api_requests_total{pool="app/acme",status="401"}')
        assert refused, "what was refused is counted"


@pytest.mark.timeout(600)
def test_one_refusal_of_a_credential_costs_a_minute_and_a_second_one_all_but_a_try_an_hour(tmp_path: Path) -> None:
    """`acme` is refused once, `globex` for ever; both for the first time in the same minute."""
    clock = now_running()
    now = int(clock())
    (tmp_path / "token").write_text("token")
    hubs = {
        name: SimulatedGitHub(World.of([Event(name, "user", 1, now - HOUR, requests=9)]), clock)
        for name in ("acme", "globex")
    }
    hubs["globex"].faults.add(Fault(status=401))
    with simulated(*hubs.values()) as (acme_url, globex_url):
        config = config_for(acme_url, "acme", token_file=tmp_path / "token")
        config["credentials"]["other"] = {"api_url": globex_url, "token_file": str(tmp_path / "token")}
        config["organizations"].append({"name": "globex", "credential": "other"})
        with Exporter(tmp_path, config) as exporter:
            exporter.start()
            until(lambda: works(exporter, "subject_stats", "acme"), "it works")
            hubs["acme"].faults.add(Fault(status=401, times=1))
            until(lambda: _refused(exporter, "acme") == _refused(exporter, "globex") == 1, "both are refused")
            page = get(exporter.url)[1]
            assert "GitHub rejects the credential" in page
            refused_at, asked = time.monotonic(), {name: len(github.log) for name, github in hubs.items()}
            exporter.kill()  # the waits are state
            exporter.start()
            until(lambda: time.monotonic() > refused_at + 40, "most of the minute", 60)
            assert {name: len(github.log) for name, github in hubs.items()} == asked, "nothing is asked meanwhile"
            until(lambda: statuses(hubs["acme"])[-1] == 200, "the credential works again")
            until(lambda: works(exporter, "subject_stats", "acme"), "and all that it reads")
            until(lambda: len(hubs["globex"].log) > asked["globex"], "the other is tried again")
            exporter.kill()
            exporter.start()
            quiet = time.monotonic() + 5
            until(lambda: time.monotonic() > quiet, "five intervals")
            assert len(hubs["globex"].log) == asked["globex"] + 1 == 2
            next_run = (
                'github_exporter_collector_next_run_timestamp_seconds{collector="%s",target="organization/globex"}'
            )
            for collector in ("summary_stats", "time_stats"):
                due = exporter.value(next_run % collector)
                assert due is not None
                assert due - time.time() > 3400, "in an hour"
            log = exporter.log.read_text()
            assert log.count("GitHub refused a credential: it is tried again in a minute") == 2
            assert log.count("GitHub rejects a credential") == 1
            hubs["globex"].faults.clear()
            (tmp_path / "token").write_text("another")
            until(lambda: works(exporter, "subject_stats", "globex"), "another token is tried at once")


def _refused(exporter: Exporter, organization: str) -> float:
    names = ("summary_stats", "time_stats", "subject_stats", "user_stats", "route_stats")
    return sum(errors(exporter, name, organization) for name in names)
