"""GitHub's clock: which `Date` headers count, and what a wrong one may do."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.github.server_clock import JUMP, ServerClock, is_of_github
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.faults import Fault
from exporter.simulator.world import World
from tests.support.harness import INSIGHTS, Exporter, SimClock, config_for, get, simulated, until

HOUR, DAY = 3600, 86_400
NOW = 1_795_262_400.0  # 2026-11-21T12:00:00Z
REQUESTS = 'github_api_insights_requests_total{organization="acme"}'
SUBJECT = (
    'github_api_insights_subject_requests_total{organization="acme",subject_type="user",subject_id="1",'
    'subject_name="ada"}'
)
GAP = 'github_exporter_gap_seconds_total{collector="summary_stats"}'


# The rule.


def heard(*dates: float | None, clock: ServerClock | None = None) -> ServerClock:
    clock = clock or ServerClock()
    for date in dates:
        clock = clock.heard(date, NOW, NOW)
    return clock


@pytest.mark.parametrize(
    ("offsets", "believed"),
    [
        pytest.param([30.0], 30.5, id="a small difference counts at once"),
        pytest.param([41 * DAY], 0.0, id="a jump does not"),
        pytest.param([41 * DAY, 41 * DAY + 1], 41 * DAY + 1.5, id="but when a second answer agrees"),
        pytest.param([0.0, 41 * DAY, 0.0, 41 * DAY], 0.5, id="answers that agree must follow one another"),
        pytest.param([0.0, 41 * DAY, -41 * DAY, 0.0], 0.5, id="two that differ do not agree"),
        pytest.param([-41 * DAY, -41 * DAY, 0.0, 0.0], 0.5, id="the way back is the same"),
        pytest.param([0.0, 3600.0, 3610.0], 3610.5, id="a clock that runs on between two answers"),
    ],
)
def test_a_jump_counts_when_a_second_answer_agrees(offsets: list[float], believed: float) -> None:
    assert heard(*(NOW + offset for offset in offsets)).offset == believed


@pytest.mark.parametrize("date", [None, 0.0, 1.0, -62_135_596_800.0, 253_402_300_799.0, NOW * 1000, float("inf")])
def test_unbelievable_years_say_nothing(date: float | None) -> None:
    clock = heard(date, date, date)
    assert (clock.offset, clock.known, clock.doubtful) == (0.0, False, False)


@given(st.lists(st.floats(allow_nan=False) | st.none(), max_size=6))
def test_no_date_throws_or_leaves_the_calendar(dates: list[float | None]) -> None:
    formatdate(NOW + heard(*dates).offset)


def test_when_our_own_clock_is_set_githubs_stays() -> None:
    clock = heard(NOW + 10, NOW + 500).moved(-300.0)
    assert (clock.offset, clock.claimed) == (-289.5, 200.5)


@pytest.mark.parametrize(
    ("status", "headers", "counts"),
    [
        (200, {"x-github-request-id": "1"}, True),
        (404, {"x-github-request-id": "1"}, True),
        (401, {"x-ratelimit-limit": "60"}, True),
        (200, {"server": "squid"}, False),
        (407, {"server": "squid"}, False),
        (502, {"x-github-request-id": "1"}, False),
        (301, {"x-github-request-id": "1"}, False),
    ],
)
def test_only_an_answer_of_githubs_own_tells_its_clock(status: int, headers: dict[str, str], counts: bool) -> None:
    assert is_of_github(status, headers) is counts
    assert JUMP == 60.0


# The real process.


def world(now: float) -> World:
    return World.of([Event("acme", "user", 1, int(now) - 4 * HOUR, requests=9, name="ada")])


def dated(seconds_ahead: float) -> dict[str, str]:
    return {"date": formatdate(time.time() + seconds_ahead, usegmt=True)}


class Scene:
    """An exporter of one organization whose counters show what was added."""

    def __init__(self, github: SimulatedGitHub, exporter: Exporter) -> None:
        self.github, self.exporter, self.added = github, exporter, 0

    def count(self, requests: int, ago: int = 0) -> None:
        """More requests become visible, and every counter rises by them."""
        self.github.world.add(Event("acme", "user", 1, int(time.time()) - ago, requests=requests, name="ada"))
        self.added += requests
        for series in (REQUESTS, SUBJECT):
            until(lambda series=series: self.exporter.value(series) == self.added, f"{series} is {self.added}")

    def runs(self, collector: str) -> float:
        target = f'{{collector="{collector}",target="organization/acme"}}'
        return self.exporter.value(f"github_exporter_collector_runs_total{target}") or 0.0

    def anchors(self) -> dict[str, int]:
        """What state holds, by collector."""
        with sqlite3.connect(self.exporter.folder / "state" / "state.db") as state:
            rows = state.execute("SELECT key, snapshot FROM job").fetchall()
        found = {key.split()[0]: json.loads(text).get("counting") for key, text in rows}
        return {name: counting["anchor"] for name, counting in found.items() if counting}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    clock = SimClock(time.time())
    clock.run(1.0)
    github = SimulatedGitHub(world(clock()), clock)
    (tmp_path / "token").write_text("token-of-acme\n")
    with simulated(github) as (url,):
        config: dict[str, Any] = config_for(url, "acme", token_file=tmp_path / "token")
        for collector in INSIGHTS:
            if collector.name not in ("summary_stats", "subject_stats"):
                config["collectors"][collector.name] = {"enabled": False}
        with Exporter(tmp_path, config) as exporter:
            scene = Scene(github, exporter.start())
            until(lambda: exporter.value(SUBJECT) == 0, "the first complete reads")
            yield scene


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            lambda: Fault("/summary-stats", status=502, headers=dated(41 * DAY), times=1), id="a 502, 41 days ahead"
        ),
        pytest.param(
            lambda: Fault("/subject-stats", status=502, headers=dated(41 * DAY), times=1), id="a 502 in a walk"
        ),
        pytest.param(lambda: Fault("-stats", headers=dated(41 * DAY), times=1), id="a 200, 41 days ahead"),
        pytest.param(lambda: Fault("-stats", headers=dated(-41 * DAY), times=1), id="a 200, 41 days behind"),
        pytest.param(
            lambda: Fault(headers={"date": "Fri, 31 Dec 9999 23:59:59 GMT"}, times=6), id="200s of the year 9999"
        ),
        pytest.param(lambda: Fault(headers={"date": "Mon, 01 Jan 0001 00:00:00 GMT"}, times=6), id="of the year 1"),
    ],
)
def test_a_wrong_date_stops_no_counter(scene: Scene, fault: Callable[[], Fault]) -> None:
    scene.count(5)
    before, runs = scene.anchors(), {name: scene.runs(name) for name in ("summary_stats", "subject_stats")}
    scene.github.faults.add(fault())
    until(lambda: all(scene.runs(name) >= count + 3 for name, count in runs.items()), "runs with wrong dates and after")
    scene.count(7)
    assert scene.anchors() == before
    assert scene.exporter.value(GAP) == 0
    assert abs(scene.exporter.value("github_exporter_clock_skew_seconds") or 0.0) < 3
    assert "Traceback" not in scene.exporter.log.read_text()


def test_state_of_a_wrong_clock_is_mended_at_start(scene: Scene) -> None:
    """As it was saved by an exporter that believed a Date 41 days ahead: the window begins in ten days."""
    scene.count(5, ago=3 * HOUR)
    assert scene.exporter.stop() == 0
    ahead = int(time.time()) // HOUR * HOUR + 243 * HOUR
    with sqlite3.connect(scene.exporter.folder / "state" / "state.db") as state:
        for key, text in state.execute("SELECT key, snapshot FROM job").fetchall():
            snapshot = json.loads(text)
            counting = snapshot["counting"]
            counting["anchor"] = ahead
            counting["read_at"] -= 2 * HOUR  # the newest read was before
            state.execute("UPDATE job SET snapshot = ? WHERE key = ?", (json.dumps(snapshot), key))
    state.close()
    scene.exporter.start()
    until(lambda: all(one < time.time() for one in scene.anchors().values()), "the windows begin before now")
    said = "its window began later than GitHub's time"
    until(lambda: scene.exporter.log.read_text().count(said) == 2, "the log says so of both, just after it is saved")
    gap = until(lambda: scene.exporter.value(GAP), "the gap is counted")
    assert 0 < gap <= HOUR
    assert "summary_stats has a gap of " in get(scene.exporter.url)[1], "as GithubCountsLost says it"
    scene.count(7)


def test_our_own_clock_may_be_wrong_by_weeks(tmp_path: Path) -> None:
    """GitHub's is taken from the first answers, before anything is counted."""
    clock = SimClock(time.time() - 40 * DAY)
    clock.run(1.0)
    github = SimulatedGitHub(world(clock()), clock)
    (tmp_path / "token").write_text("token-of-acme\n")
    with (
        simulated(github) as (url,),
        Exporter(tmp_path, config_for(url, "acme", token_file=tmp_path / "token")) as exporter,
    ):
        exporter.start()
        until(lambda: exporter.value(SUBJECT) == 0, "the first complete reads")
        skew = until(lambda: exporter.value("github_exporter_clock_skew_seconds"), "the skew is known")
        assert abs(skew + 40 * DAY) < 3
        github.world.add(Event("acme", "user", 1, int(clock()), requests=5, name="ada"))
        until(lambda: exporter.value(REQUESTS) == 5, "the counter moves")
        assert exporter.value(GAP) == 0
        (free,) = {record.path for record in github.log if not record.counted}
        assert free == "/rate_limit"
        assert sum(not record.counted for record in github.log) == 1
