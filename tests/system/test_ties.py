"""Rows that have no order: 205 subjects, of which many are deleted users named `ghost`, before the real process."""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from exporter.instants import DAY, HOUR
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event, Switches
from exporter.simulator.world import World
from tests.support.harness import INSIGHTS, Exporter, SimClock, config_for, simulated, until

NUMBERS = range(1, 206)
PATIENCE = 60.0
SUBJECTS = "github_api_insights_subject_requests_total"
WHOLE = 'github_api_insights_requests_total{organization="acme"}'
SUCCESS = 'github_exporter_collector_success{collector="subject_stats",target="organization/acme"}'
INVALID = 'github_exporter_endpoint_state{collector="subject_stats",target="organization/acme",state="invalid"}'


def name(number: int) -> str:
    """Numbers 90 to 120 are `ghost`; the others stand before and behind them, so that pages of 100 end among ghosts."""
    return "ghost" if 90 <= number <= 120 else f"{'a' if number < 90 else 'z'}{number}"


@dataclass
class Stage:
    """An organization whose ties have another order in each answer, the exporter, and what must have been counted."""

    github: SimulatedGitHub
    exporter: Exporter
    clock: SimClock
    truth: dict[int, int]

    def requests(self, *numbers: int, counted: bool = True) -> None:
        """As many requests of each subject as its number says, visible at once."""
        now = int(self.clock())
        self.github.world.add(*(Event("acme", "user", one, now, requests=one, name=name(one)) for one in numbers))
        for one in numbers:
            self.truth[one] = self.truth.get(one, 0) + (one if counted else 0)

    def counters(self) -> Mapping[int, int]:
        """What `/metrics` shows by subject, which is never more than the truth."""
        found = re.findall(rf'^{SUBJECTS}{{.*subject_id="(\d+)".*}} (\d+)$', self.exporter.metrics(), re.MULTILINE)
        counted = {int(number): int(value) for number, value in found}
        assert all(value <= self.truth[number] for number, value in counted.items())
        return counted

    def exact(self) -> bool:
        return self.counters() == self.truth

    def windows(self) -> set[str]:
        """Where the windows of the subjects began that GitHub was asked for."""
        return {record.query["min_timestamp"] for record in self.github.log if record.path.endswith("subject-stats")}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    clock = SimClock(time.time() // HOUR * HOUR + 600)  # no hour ends during the test: windows begin on whole hours
    clock.run(1.0)
    (tmp_path / "token").write_text("token")
    github = SimulatedGitHub(World.of([], Switches(shuffled_ties=True)), clock)
    with simulated(github) as (url,):
        config = config_for(url, "acme", token_file=tmp_path / "token")
        for collector in INSIGHTS:
            config["collectors"][collector.name]["enabled"] = collector.name in ("summary_stats", "subject_stats")
        with Exporter(tmp_path, config) as exporter:
            stage = Stage(github, exporter, clock, {})
            stage.requests(*NUMBERS, counted=False)
            yield stage


@pytest.mark.timeout(600)
def test_subjects_of_one_name_on_several_pages_are_counted_to_the_last_request(stage: Stage) -> None:
    """Also over a fold, of whose reads each must be exact."""
    stage.exporter.start()
    until(lambda: stage.exporter.value(SUCCESS) == 1, "a read is complete", PATIENCE)
    stage.requests(*NUMBERS)
    until(stage.exact, "all requests of all subjects are counted", PATIENCE)
    before = stage.windows()
    stage.clock.jump(10 * DAY + HOUR)
    stage.requests(*NUMBERS)
    until(stage.exact, "and those of ten days later", PATIENCE)
    assert len(stage.windows() - before) == 1, "the window was folded"
    stage.requests(*NUMBERS)
    until(stage.exact, "and those behind the fold", PATIENCE)
    assert stage.exporter.value(WHOLE) == sum(stage.truth.values())
    assert stage.exporter.value('github_exporter_downward_revisions_total{collector="subject_stats"}') == 0


@pytest.mark.timeout(600)
def test_sums_that_never_agree_fail_the_read_and_keep_the_counters(stage: Stage) -> None:
    stage.exporter.start()
    until(lambda: stage.exporter.value(SUCCESS) == 1, "a read is complete", PATIENCE)
    stage.requests(*NUMBERS)
    until(stage.exact, "all requests are counted", PATIENCE)
    counted, world = stage.counters(), stage.github.world
    world.switches = replace(world.switches, summary_surplus=1)
    until(lambda: stage.exporter.value(SUCCESS) == 0, "three walks do not agree", PATIENCE)
    assert stage.exporter.value(INVALID) == 1
    said = f"three walks do not agree with summary-stats: 205 rows have {2 * sum(NUMBERS)} requests"
    assert said in stage.exporter.log.read_text()
    assert stage.counters() == counted
    world.switches = replace(world.switches, summary_surplus=0)
    stage.requests(*NUMBERS)
    until(stage.exact, "they agree again", PATIENCE)
