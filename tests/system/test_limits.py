"""Every way in which GitHub says "wait", end to end: one request, then silence until it may be asked again."""

import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.faults import Fault
from exporter.simulator.world import World
from tests.support.harness import Exporter, SimClock, config_for, simulated, until

SUMMARY = 'collector="summary_stats",target="organization/acme"'
NEXT_RUN = f"github_exporter_collector_next_run_timestamp_seconds{{{SUMMARY}}}"
STATE = f'github_exporter_endpoint_state{{{SUMMARY},state="rate_limited"}}'
PLAIN = b'{"message": "You have exceeded a secondary rate limit."}'

Running = tuple[SimulatedGitHub, Exporter]


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[Running]:
    clock = SimClock(time.time())
    clock.run(1.0)
    (tmp_path / "token").write_text("token")
    github = SimulatedGitHub(World.of([Event("acme", "user", 1, int(clock()) - 3600, requests=9)]), clock)
    with (
        simulated(github) as (url,),
        Exporter(tmp_path, config_for(url, "acme", token_file=tmp_path / "token")) as exporter,
    ):
        yield github, exporter


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        pytest.param(Fault(status=429, headers={"retry-after": "120"}), 120, id="seconds"),
        pytest.param(Fault(status=429, headers={"retry-after": "DATE"}), 90, id="a date"),
        pytest.param(Fault(status=429, headers={"retry-after": "soon"}), 60, id="garbage"),
        pytest.param(Fault(status=429, headers={"retry-after": "-5"}), 60, id="negative"),
        pytest.param(Fault(status=429, headers={"retry-after": "604800"}), 3600, id="a week"),
        pytest.param(Fault(status=429, headers={}), 60, id="no header"),
        pytest.param(
            Fault(status=403, headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": "RESET"}, body=b"{}"),
            200,
            id="the hour is used up",
        ),
        pytest.param(Fault(status=403, body=PLAIN), 60, id="a secondary limit without a header"),
    ],
)
def test_a_limit_causes_one_request_and_then_silence(acme: Running, fault: Fault, wait: float) -> None:
    github, exporter = acme
    now = time.time()
    words = {"DATE": formatdate(now + 90, usegmt=True), "RESET": str(int(now) + 200)}
    headers = {name: words.get(value, value) for name, value in fault.headers.items()}
    github.faults.add(Fault(status=fault.status, headers=headers, body=fault.body))
    exporter.start()
    until(lambda: exporter.value(STATE) == 1, "the limit is told")
    due = exporter.value(NEXT_RUN)
    assert due is not None
    assert due - now == pytest.approx(wait, abs=8)
    ready = time.monotonic() + 2.0  # two intervals and more
    until(lambda: time.monotonic() >= ready, "two intervals")
    assert len(github.log) == 1
    assert (
        exporter.value('github_exporter_collector_success{collector="time_stats",target="organization/acme"}') is None
    )


def test_retry_after_of_a_github_that_is_down_is_kept_and_over_a_restart_too(acme: Running) -> None:
    github, exporter = acme
    github.faults.add(Fault(status=503, headers={"retry-after": "120"}))
    exporter.start()
    down = STATE.replace("rate_limited", "unavailable")
    until(lambda: exporter.value(down) == 1, "it is told")
    due = until(lambda: (exporter.value(NEXT_RUN) or 0) > time.time() + 60 and exporter.value(NEXT_RUN), "it waits")
    assert due - time.time() == pytest.approx(115, abs=10)
    exporter.kill()
    exporter.start()
    ready = time.monotonic() + 2.0  # two intervals and more
    until(lambda: time.monotonic() >= ready, "two intervals")
    assert len(github.log) == 1


def test_an_appliance_without_limits_needs_no_headers(tmp_path: Path) -> None:
    clock = SimClock(time.time())
    clock.run(1.0)
    (tmp_path / "token").write_text("token")
    world = World.of([Event("acme", "user", 1, int(clock()) - 3600, requests=9)])
    github = SimulatedGitHub(world, clock, limit=None, root="/api/v3")
    success = f"github_exporter_collector_success{{{SUMMARY}}}"
    with simulated(github) as (url,):
        config = config_for(f"{url}/api/v3", "acme", token_file=tmp_path / "token")
        with Exporter(tmp_path, config) as exporter:
            exporter.start()
            until(lambda: exporter.value(success) == 1, "it works")
            assert exporter.value('github_exporter_rate_limit_limit{pool="github"}') is None
            assert exporter.value('github_exporter_api_budget_requests{pool="github"}') is None


def test_while_less_than_the_reserve_remains_nothing_is_sent_and_it_is_no_attempt(acme: Running) -> None:
    github, exporter = acme
    reset = str(int(time.time()) + 300)
    headers = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "499", "x-ratelimit-reset": reset}
    github.faults.add(Fault(headers=headers))
    exporter.start()
    success = f"github_exporter_collector_success{{{SUMMARY}}}"
    until(lambda: exporter.value(success) == 1, "the first answer")
    until(lambda: (exporter.value(NEXT_RUN) or 0) == pytest.approx(float(reset), abs=3), "it waits for the reset")
    assert len(github.log) == 1
    assert exporter.value('github_exporter_api_budget_requests{pool="github"}') == 1500
    assert exporter.value(f"github_exporter_collector_runs_total{{{SUMMARY}}}") == 1
    assert exporter.value(success) == 1


def test_a_spent_budget_makes_runs_wait_and_values_stay(tmp_path: Path) -> None:
    """60 requests an hour: they are sent, totals to the end, and never one more."""
    clock = SimClock(time.time())
    clock.run(1.0)
    (tmp_path / "token").write_text("token")
    world = World.of([Event("acme", "user", 1, int(clock()) - 3600, requests=9)])
    github = SimulatedGitHub(world, clock, limit=200)
    with simulated(github) as (url,):
        config = config_for(url, "acme", token_file=tmp_path / "token")
        with Exporter(tmp_path, config) as exporter:
            exporter.start()
            until(lambda: len(github.log) == 60, "the budget is spent")
            runs = f"github_exporter_collector_runs_total{{{SUMMARY}}}"
            before = exporter.value(runs)
            until(lambda: (exporter.value(NEXT_RUN) or 0) > time.time() + 20, "it waits")
            assert len(github.log) == 60
            assert exporter.value(runs) == before
            assert exporter.value(f"github_exporter_collector_success{{{SUMMARY}}}") == 1
            assert exporter.value('github_api_insights_requests_total{organization="acme"}') == 0
            exporter.kill()
            exporter.start()
            assert exporter.value('github_api_insights_requests_total{organization="acme"}') == 0
            pause = time.monotonic() + 3.0
            until(lambda: time.monotonic() > pause, "three intervals")
            assert len(github.log) == 60
