"""GitHub Apps end to end: one App over many organizations, beside tokens, over restarts, revocations and new keys."""

import re
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import pytest

from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import SimulatedApp, SimulatedInstallation
from exporter.simulator.facts import Event
from exporter.simulator.faults import Fault
from exporter.simulator.records import overlapping
from exporter.simulator.world import World
from tests.support.app import CLIENT_ID, app_config, installed, new_key, traffic, works
from tests.support.harness import Exporter, SimClock, simulated, until

REQUESTS = "github_api_insights_requests_total"


def overlapped(github: SimulatedGitHub) -> bool:
    """Whether two requests of one installation ever ran at a time."""
    return bool(overlapping(record for record in github.log if record.pool.startswith("installation:")))


def most_at_once(github: SimulatedGitHub) -> int:
    """How many requests of installations GitHub was answering at one moment, at most."""
    of_installations = [record for record in github.log if record.pool.startswith("installation:")]
    moments = [(record.started, 1) for record in of_installations]
    moments += [(record.ended, -1) for record in of_installations if record.ended is not None]
    return max(accumulate(change for _moment, change in sorted(moments)))


@pytest.mark.timeout(600)
def test_app_and_tokens_count_exactly_over_kills_revocations_and_a_new_key(tmp_path: Path) -> None:
    clock = SimClock(time.time())
    clock.run(1.0)
    (tmp_path / "token").write_text("token-of-globex")
    world = World.of(traffic(int(clock()), "acme", "globex", "initech"))
    app = SimulatedApp(CLIENT_ID, new_key(tmp_path / "app.pem"), dict(installed("acme", "initech")))
    github = SimulatedGitHub(world, clock, tokens={"token-of-globex": {"globex"}}, apps=[app])
    github.apps.token_seconds = 20  # renewed before the end, again and again
    with simulated(github) as (url,):
        config = app_config(url, tmp_path, "acme", "initech")
        config["credentials"]["pat"] = {"api_url": url, "token_file": str(tmp_path / "token")}
        config["organizations"].append({"name": "globex", "credential": "pat"})
        with Exporter(tmp_path, config) as exporter:
            exporter.start()
            every = ("acme", "globex", "initech")
            # The app is followed at once, the user's token only after the user: what comes before is not counted.
            until(lambda: all(_followed(exporter, name) == 2 for name in every), "app and token are followed")
            added = 0
            steps: list[Callable[[], object]] = [
                lambda: github.revoke_installation_tokens("acme"),
                exporter.kill,
                lambda: github.apps.apps.__setitem__(
                    0, SimulatedApp(CLIENT_ID, new_key(tmp_path / "app.pem"), app.installations)
                ),
                exporter.kill,
                lambda: github.revoke_installation_tokens("initech"),
            ]
            for step in steps:
                for name in every:
                    world.add(Event(name, "user", 1, int(clock()), requests=3, rate_limited=1, name="u1"))
                    world.add(Event(name, "installation", 2, int(clock()), requests=5, name="bot"))
                added += 1
                step()
                if step == exporter.kill:
                    exporter.start()
            families = {
                "github_api_insights_requests_total": 8,
                "github_api_insights_rate_limited_requests_total": 1,
                "github_api_insights_subject_requests_total": 8,
                "github_api_insights_subject_rate_limited_requests_total": 1,
                "github_api_insights_user_actor_requests_total": 3,
                "github_api_insights_user_actor_rate_limited_requests_total": 1,
                "github_api_insights_route_requests_total": 8,
                "github_api_insights_route_rate_limited_requests_total": 1,
            }
            for family, each in families.items():
                for name in every:
                    until(
                        lambda family=family, name=name, each=each: (
                            _sum(exporter.metrics(), family, name) == each * added
                        ),
                        f"{family} of {name} is {each * added}",
                        120,
                    )
            pools = {"app/acme", "app/initech", "pat"}
            until(lambda: _pools(exporter.metrics()) == pools, "each installation is a pool of its own")
            log = exporter.log.read_text()
            assert "ghs_" not in log
            assert "PRIVATE" not in log
    assert not overlapped(github)


def _pools(body: str) -> set[str]:
    return set(re.findall(r'^github_exporter_rate_limit_limit\{pool="(.*?)"\}', body, re.MULTILINE))


def _followed(exporter: Exporter, organization: str) -> int:
    """How many actors have a series of a route."""
    actors = rf'^github_api_insights_route_requests_total\{{organization="{organization}",.*actor_id="(\d+)"'
    return len(set(re.findall(actors, exporter.metrics(), re.MULTILINE)))


def _sum(body: str, family: str, organization: str) -> float:
    lines = (line for line in body.splitlines() if line.startswith(f'{family}{{organization="{organization}"'))
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_a_key_that_github_rejects_causes_one_request_and_a_new_one_is_tried(tmp_path: Path) -> None:
    clock = SimClock(time.time())
    clock.run(1.0)
    organizations = [f"org{number}" for number in range(5)]
    public = new_key(tmp_path / "app.pem")
    right = (tmp_path / "app.pem").read_bytes()
    new_key(tmp_path / "app.pem")
    github = SimulatedGitHub(
        World.of(traffic(int(clock()), *organizations)),
        clock,
        apps=[SimulatedApp(CLIENT_ID, public, installed(*organizations))],
    )
    with simulated(github) as (url,), Exporter(tmp_path, app_config(url, tmp_path, *organizations)) as exporter:
        exporter.start()
        state = 'github_exporter_endpoint_state{{collector="summary_stats",target="organization/{}",state="forbidden"}}'
        until(lambda: all(exporter.value(state.format(name)) == 1 for name in organizations), "it is told of all")
        pause = time.monotonic() + 2.5
        until(lambda: time.monotonic() > pause, "two intervals")
        assert len(github.log) == 1
        (tmp_path / "app.pem").write_bytes(right)
        until(lambda: works(exporter, "summary_stats", *organizations), "the new key is tried")


def test_one_organization_without_the_app_does_not_disturb_the_others(tmp_path: Path) -> None:
    clock = SimClock(time.time())
    clock.run(1.0)
    public = new_key(tmp_path / "app.pem")
    app = SimulatedApp(
        CLIENT_ID,
        public,
        {
            **installed("acme"),
            "globex": SimulatedInstallation(7, {}),
            "initech": SimulatedInstallation(8, suspended=True),
        },
    )
    names = ("acme", "globex", "initech", "hooli")
    github = SimulatedGitHub(World.of(traffic(int(clock()), *names)), clock, apps=[app])
    with simulated(github) as (url,), Exporter(tmp_path, app_config(url, tmp_path, *names)) as exporter:
        exporter.start()
        until(lambda: works(exporter, "route_stats", "acme"), "the one that has it works")
        state = 'github_exporter_endpoint_state{{collector="summary_stats",target="organization/{}",state="{}"}}'
        for name, expected in (("globex", "forbidden"), ("initech", "forbidden"), ("hooli", "not_found")):
            until(lambda name=name, expected=expected: exporter.value(state.format(name, expected)) == 1, name)
        page = exporter.log.read_text()
        assert "is not installed on organization hooli" in page
        assert "is suspended on organization initech" in page


def test_forty_organizations_are_read_side_by_side_each_in_its_own_queue(tmp_path: Path) -> None:
    clock = SimClock(time.time())
    clock.run(1.0)
    names = [f"org{number}" for number in range(40)]
    app = SimulatedApp(CLIENT_ID, new_key(tmp_path / "app.pem"), installed(*names))
    github = SimulatedGitHub(World.of(traffic(int(clock()), *names)), clock, apps=[app], limit=1000)
    github.faults.add(Fault(delay=1.0))
    with simulated(github) as (url,):
        config = app_config(url, tmp_path, *names)
        for collector in config["collectors"].values():
            collector["interval"] = "30m"
        with Exporter(tmp_path, config) as exporter:
            exporter.start()
            until(lambda: works(exporter, "route_stats", *names), "all are drilled into", 120, every=0.25)
            budgets = re.findall(
                r'^github_exporter_api_budget_requests\{pool="app/org\d+"\} 300$', exporter.metrics(), re.MULTILINE
            )
            assert len(budgets) == len(names)
    assert not overlapped(github)
    assert most_at_once(github) > 30
