"""A state file of an older version opens, shows all that it held at once, and is counted on.

`tests/fixtures/state-cfbbf86` was written by the exporter of commit cfbbf86 that asked the simulated GitHub of that
commit about the requests of `events.json` (instants are seconds after `began`), scraped all the time and stopped by
SIGTERM. `metrics.txt` is what it served last, less the metrics about itself. Five users, two apps, a rename, and three
places, so that some subjects count under `other`.
"""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from tests.support.harness import Exporter, SimClock, config_for, simulated, until

FIXTURE = Path(__file__).parent.parent / "fixtures" / "state-cfbbf86"
SCRIPT: dict[str, Any] = json.loads((FIXTURE / "events.json").read_text())
SERVED = (FIXTURE / "metrics.txt").read_text().splitlines()
TOTAL = 'github_api_insights_requests_total{organization="acme"}'
OWN = ("github_exporter_", "process_", "python_", "#")


@pytest.fixture
def clock() -> SimClock:
    """GitHub's clock, some seconds after the exporter of the fixture stopped."""
    clock = SimClock(SCRIPT["ended"] + 5)
    clock.run(1.0)
    return clock


@pytest.fixture
def exporter_at(tmp_path: Path, clock: SimClock) -> Any:
    """Today's exporter on the fixture's state, at the same time of day."""

    def at(url: str) -> Exporter:
        config = config_for(url, "acme", token_file=tmp_path / "token", limits={"max_series": 10_000})
        config["collectors"]["subject_stats"]["max_series"] = 3
        config["collectors"]["copilot_seats"] = {"interval": "1s"}
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
        shift = {"LD_PRELOAD": str(library), "FAKETIME": f"{clock() - time.time():+.0f}"}
        return Exporter(tmp_path, config, FAKETIME_DONT_FAKE_MONOTONIC="1", **shift)

    (tmp_path / "token").write_text("token")
    (tmp_path / "state").mkdir()
    shutil.copy(FIXTURE / "state.db", tmp_path / "state")
    return at


def world() -> World:
    """The requests that the fixture's exporter counted."""
    began = SCRIPT["began"]
    made = World.of(
        Event("acme", kind, number, began + after, requests=requests, rate_limited=limited, **_tuples(more))
        for kind, number, after, requests, limited, more in SCRIPT["events"]
    )
    made.rename("acme", ("user", 3), "renamed", SCRIPT["ended"] - 20)
    return made


def _tuples(more: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in more.items()}


def samples(exporter: Exporter) -> dict[str, float]:
    """All series but those about the exporter itself."""
    lines = (line for line in exporter.metrics().splitlines() if not line.startswith(OWN))
    return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)}


def served() -> dict[str, float]:
    return {series: float(value) for series, _, value in (line.rpartition(" ") for line in SERVED)}


def test_all_series_of_an_old_state_are_served_at_once_while_github_is_silent(exporter_at: Any) -> None:
    with exporter_at("http://127.0.0.1:9") as exporter:
        exporter.start()
        assert samples(exporter) == served()
        assert exporter.value("github_exporter_state_writes_failed_total") == 0
        assert "set aside" not in exporter.log.read_text()


def test_an_old_state_is_counted_on_and_nothing_is_lost(exporter_at: Any, clock: SimClock) -> None:
    github = SimulatedGitHub(world(), clock)
    with simulated(github) as (url,), exporter_at(url) as exporter:
        exporter.start()
        before = served()
        for round_ in range(1, 3):
            now = int(clock())
            for number in (1, 2, 3, 4, 5, 6):
                name = "renamed" if number == 3 else f"u{number}"
                user = Event("acme", "user", number, now, name=name, actor=("classic_pat", 1000 + number))
                github.world.add(replace(user, requests=7 * number, rate_limited=1))
            expected = before[TOTAL] + round_ * 7 * (1 + 2 + 3 + 4 + 5 + 6)
            until(lambda total=expected: exporter.value(TOTAL) == total, "all is counted")
        until(lambda: _rise(samples(exporter), before, "subject_requests_total") == 2 * 7 * 21, "subjects are released")
        after = samples(exporter)
        counters = {series for series in before if "_total{" in series}
        assert counters <= after.keys()
        assert {series: (before[series], after[series]) for series in counters if after[series] < before[series]} == {}
        assert _rise(after, before, "subject_rate_limited_requests_total") == 2 * 6
        assert "counters go on from now" not in exporter.log.read_text()
        assert (exporter.value('github_exporter_gap_seconds_total{collector="subject_stats"}') or 0) == 0


def _rise(after: dict[str, float], before: dict[str, float], family: str) -> float:
    """What the series of a family have risen by in sum."""
    prefix = f"github_api_insights_{family}{{"
    return sum(value - before.get(name, 0.0) for name, value in after.items() if name.startswith(prefix))
