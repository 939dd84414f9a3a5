"""Totals go first, and subjects that GitHub answers with 404 cost three requests, end to end: a real process."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import yaml

from exporter.instants import HOUR
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.faults import Fault
from exporter.simulator.messages import Request
from exporter.simulator.world import World
from tests.support.harness import Exporter, SimClock, command, config_for, get, simulated, until

SUMMARY, SUBJECTS = "/orgs/acme/insights/api/summary-stats", "/orgs/acme/insights/api/subject-stats"
OF_USERS = 'collector="user_stats",target="organization/acme"'
SUCCESS = f"github_exporter_collector_success{{{OF_USERS}}}"
NOT_FOUND = f'github_exporter_endpoint_state{{{OF_USERS},state="not_found"}}'
ERRORS = f'github_exporter_collector_errors_total{{{OF_USERS},reason="not_found"}}'
USERS = 600
"""More than an exporter can ask about while the tests look."""


@dataclass
class Stage:
    """An organization whose users make requests all the time, and the exporter that follows the busiest of them."""

    github: SimulatedGitHub
    exporter: Exporter
    clock: SimClock

    def configure(self, collector: str, **options: object) -> None:
        config = yaml.safe_load(self.exporter.config.read_text())
        config["collectors"][collector] |= options
        self.exporter.config.write_text(yaml.safe_dump(config))

    def asked(self, path: str) -> int:
        """How often this very path was asked."""
        return sum(record.path == path for record in self.github.log)

    def users(self) -> list[str]:
        """Whom `user-stats` was asked about, in order."""
        found = (re.fullmatch(r".*/user-stats/(\d+)", record.path) for record in self.github.log)
        return [match[1] for match in found if match]

    def totals_go_on(self, rounds: int = 3) -> None:
        """Wait until total and subjects were asked so many times more; of a list without news only the sums are."""
        for path in (SUMMARY, SUBJECTS):
            before = self.asked(path)
            more = partial(lambda path, before: self.asked(path) >= before + rounds, path, before)
            until(self.active(more), f"{path} is asked")

    def active(self, look: Callable[[], bool]) -> Callable[[], bool]:
        """What was looked for, while somebody makes requests at every look: a total that stands still spares walks."""

        def looked() -> bool:
            self.github.world.add(Event("acme", "user", 1, int(self.clock()), requests=1))
            return look()

        return looked


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    clock = SimClock(time.time())
    clock.run(1.0)
    (tmp_path / "token").write_text("token")
    then = int(clock()) - 8 * HOUR
    world = World.of([Event("acme", "user", user, then, requests=2000 - user) for user in range(1, USERS + 1)])
    github = SimulatedGitHub(world, clock, limit=10_000_000)
    with simulated(github) as (url,), Exporter(tmp_path, config_for(url, "acme", token_file=tmp_path / "token")) as one:
        stage = Stage(github, one, clock)
        stage.configure("user_stats", interval="1h")
        stage.configure("route_stats", enabled=False)
        yield stage


def test_users_that_github_does_not_know_cost_three_requests_and_totals_go_on(stage: Stage) -> None:
    stage.github.faults.add(Fault("/user-stats/", status=404))
    stage.exporter.start()
    until(lambda: len(stage.users()) >= 3, "three users are asked about")
    stage.totals_go_on()
    assert stage.users() == ["1", "2", "3"]
    assert stage.exporter.value(SUCCESS) == 0
    assert stage.exporter.value(NOT_FOUND) == 1
    until(lambda: stage.exporter.value(ERRORS) == 3, "the third is counted, which is just after it is shown")
    page = get(stage.exporter.url)[1]
    assert "user_stats of organization/acme" in page
    assert "GitHub knows none of three in a row" in page

    stage.exporter.kill()
    stage.exporter.start()
    assert stage.exporter.value(NOT_FOUND) == 1, "the first answer after a restart says it, too"
    assert stage.exporter.value(SUCCESS) == 0
    stage.totals_go_on()
    assert stage.users() == ["1", "2", "3"], "nobody is asked about at once after a restart"


def test_an_endpoint_that_is_not_found_has_one_request_an_interval_about_others_until_it_is_there(
    stage: Stage,
) -> None:
    stage.configure("user_stats", interval="3s", top_users=2)
    stage.github.faults.add(Fault("/user-stats/", status=404))
    stage.exporter.start()
    until(lambda: len(stage.users()) >= 3, "three users are asked about")
    begun = stage.clock()
    until(lambda: len(stage.users()) >= 5, "two more are")
    asked, spent = stage.users(), stage.clock() - begun
    assert len(asked) <= 4 + spent / 3
    assert len(set(asked)) == len(asked), "no user twice a day"
    assert stage.exporter.value(NOT_FOUND) == 1
    stage.github.faults.clear()
    until(lambda: stage.exporter.value(SUCCESS) == 1, "the endpoint answers again")
    assert stage.exporter.value(NOT_FOUND) == 0
    until(lambda: len(set(stage.users()) - set(asked)) >= 2, "both places are taken")
    assert not set(stage.users()[len(asked) + 1 :]) & set(asked)


def test_an_organization_without_further_users_is_told_that_none_was_found(stage: Stage) -> None:
    """Nobody is left to take the places: what was found out is told all the same, and after a restart."""
    stage.configure("subject_stats", subject_name_substring="nobody")
    config = yaml.safe_load(stage.exporter.config.read_text())
    config["watch"] = {"users": [{"organization": "acme", "id": user} for user in (7, 8, 9)]}
    stage.exporter.config.write_text(yaml.safe_dump(config))
    stage.github.faults.add(Fault("/user-stats/", status=404))
    stage.exporter.start()
    until(lambda: len(stage.users()) >= 3, "all are asked about")
    until(lambda: stage.exporter.value(ERRORS) == 3, "all are unknown")
    stage.totals_go_on(2)
    stage.exporter.kill()
    stage.exporter.start()
    assert stage.exporter.value(NOT_FOUND) == 1
    stage.totals_go_on(2)
    assert sorted(stage.users()) == ["7", "8", "9"]
    assert stage.exporter.value(SUCCESS) == 0


def test_between_two_totals_there_is_no_round_of_all_drill_down_jobs(stage: Stage) -> None:
    """Thirty users, each a third of a second, all due each second: the total is due then as well, and goes first."""
    stage.configure("user_stats", interval="1s", top_users=30)
    stage.github.faults.add(Fault("/user-stats/", delay=0.3))
    stage.exporter.start()
    until(stage.active(lambda: len(set(stage.users())) == 30), "all have had their first run", 60)
    seen = len(stage.github.log)
    until(stage.active(lambda: stage.asked(SUMMARY) >= 40), "many totals", 60)
    log = list(stage.github.log)[seen:]
    rounds = "".join("u" if "/user-stats/" in one.path else "t" if one.path == SUMMARY else "" for one in log)
    assert max(map(len, rounds.split("t"))) <= 12


def test_doctor_tries_three_users_before_it_says_that_none_is_found(stage: Stage) -> None:
    def doctor() -> str:
        return command("doctor", f"--config.file={stage.exporter.config}").stdout

    def unknown(*users: int) -> Fault:
        def wants(request: Request) -> bool:
            return any(request.path.endswith(f"/user-stats/{user}") for user in users)

        return Fault(wants, status=404)

    stage.github.faults.add(unknown(1, 2))
    assert re.search(r"^works +user_stats per user ", doctor(), re.MULTILINE), "users leave, the endpoint is there"
    assert stage.users() == ["1", "2", "3"]
    stage.github.faults.add(unknown(3))
    told = doctor()
    assert re.search(r"^not_found +user_stats per user ", told, re.MULTILINE)
    assert "GitHub knows none of three in a row" in " ".join(told.split())
    assert len(stage.users()) == 6


def test_known_users_go_on_while_hundreds_have_left(stage: Stage) -> None:
    """Those who left are busier and come first by name: they take no turn of a watched user, and no state either."""
    stage.configure("user_stats", interval="2s", top_users=10)
    config = yaml.safe_load(stage.exporter.config.read_text())
    config["watch"] = {"users": [{"organization": "acme", "id": user} for user in (500, 501)]}
    stage.exporter.config.write_text(yaml.safe_dump(config))
    stage.github.faults.add(Fault(r"/user-stats/[1-4]?\d?\d$", status=404))
    stage.exporter.start()
    until(stage.active(lambda: len(stage.users()) >= 8), "three users who left, and more")

    def go_on() -> None:
        before = stage.users()
        until(
            stage.active(lambda: all(stage.users().count(one) >= before.count(one) + 3 for one in ("500", "501"))),
            "watched users are asked about",
        )

    go_on()
    assert stage.exporter.value(SUCCESS) == 1
    assert stage.exporter.value(NOT_FOUND) == 0
    left = [user for user in stage.users() if int(user) < 500]
    assert len(set(left)) == len(left), "who left is asked about once a day"
    assert len(left) <= 3 + 3 * stage.users().count("500"), "three in a row, then others wait for the interval"
    stage.exporter.kill()
    stage.exporter.start()
    go_on()
    assert stage.exporter.value(SUCCESS) == 1
    stage.github.faults.add(Fault("/user-stats/50[01]", status=404))
    until(stage.active(lambda: stage.exporter.value(NOT_FOUND) == 1), "nobody is known any more")
