"""Drill-down end to end: whom it follows, that no number is lost when it changes, and what becomes of the unknown."""

import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from exporter.instants import HOUR
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.faults import Fault
from exporter.simulator.world import World
from tests.support.harness import Exporter, SimClock, config_for, simulated, until

ROUTES = (("GET", "/repositories/:repository_id"), ("POST", "/repositories/:repository_id/check-runs"))
BOT, OTHER_BOT = ("installation", 70), ("installation", 71)


@dataclass
class Stage:
    """A scripted organization, and the exporter that looks at it, following one user and one actor by itself."""

    github: SimulatedGitHub
    exporter: Exporter
    clock: SimClock

    def user(self, number: int, requests: int, limited: int = 0) -> None:
        """Requests of a user by two tokens."""
        now = int(self.clock())
        for kind, share in (("classic_pat", requests), ("oauth_app", 1)):
            self.github.world.add(
                Event(
                    *("acme", "user", number, now),
                    requests=share,
                    rate_limited=limited if kind == "classic_pat" else 0,
                    name=f"u{number}",
                    actor=(kind, 1000 + number),
                )
            )

    def bot(self, number: int, *requests: int) -> None:
        """Requests of an app, by route."""
        now = int(self.clock())
        for route, count in zip(ROUTES, requests, strict=True):
            self.github.world.add(
                Event("acme", "installation", number, now, requests=count, name=f"bot {number}", route=route)
            )

    def samples(self, family: str) -> dict[tuple[str, ...], float]:
        """Values by label values, without the organization's."""
        found = {}
        for line in self.exporter.metrics().splitlines():
            if line.startswith(family + "{"):
                labels = re.findall(r'\w+="((?:[^"\\]|\\.)*)"', line)
                found[tuple(labels[1:])] = float(line.rpartition(" ")[2])
        return found

    def users(self) -> set[str]:
        return {user for user, *_ in self.samples("github_api_insights_user_actor_requests_total")}

    def actors(self) -> set[tuple[str, str]]:
        return {(kind, number) for kind, number, *_ in self.samples("github_api_insights_route_requests_total")}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    clock = SimClock(time.time())
    clock.run(1.0)
    (tmp_path / "token").write_text("token")
    github = SimulatedGitHub(World.of([Event("acme", "user", 9, int(clock()) - 8 * HOUR, requests=1)]), clock)
    with simulated(github) as (url,):
        config = config_for(url, "acme", token_file=tmp_path / "token")
        config["collectors"]["user_stats"]["top_users"] = 1
        config["collectors"]["route_stats"]["top_actors"] = 1
        with Exporter(tmp_path, config) as exporter:
            yield Stage(github, exporter, clock)


def test_who_leaves_the_top_and_returns_goes_on_with_all_that_was_missed(stage: Stage) -> None:
    """Users and bots overtake each other, with a kill -9 between: at the end every request since the start counts."""
    stage.user(1, 100)
    stage.bot(70, 500, 50)
    stage.exporter.start()
    until(lambda: stage.users() == {"1"} and stage.actors() == {("installation", "70")}, "the first are followed")
    stage.user(1, 7, limited=2)
    stage.bot(70, 11, 5)
    tokens, routes = "github_api_insights_user_actor_requests_total", "github_api_insights_route_requests_total"
    until(lambda: stage.samples(tokens).get(("1", "classic_pat", "1001")) == 7, "the user's token counts")
    until(lambda: stage.samples(routes).get(("installation", "70", *ROUTES[0])) == 11, "the bot's route counts")
    limited = stage.samples("github_api_insights_user_actor_rate_limited_requests_total")
    assert limited[("1", "classic_pat", "1001")] == 2

    stage.user(2, 500)
    stage.bot(71, 3000, 0)
    until(lambda: stage.users() == {"2"} and stage.actors() == {("installation", "71")}, "others overtook them")
    stage.user(1, 13)
    stage.bot(70, 17, 1)
    stage.exporter.kill()
    stage.exporter.start()
    assert (stage.users(), stage.actors()) == ({"2"}, {("installation", "71")}), "the state tells whom it followed"

    stage.user(1, 5000, limited=1)
    stage.bot(70, 20_000, 0)
    until(lambda: stage.users() == {"1"} and stage.actors() == {("installation", "70")}, "they are back")
    until(
        lambda: stage.samples(tokens) == {("1", "classic_pat", "1001"): 7 + 13 + 5000, ("1", "oauth_app", "1001"): 3},
        "all of the user's requests count, those it was hidden for, too",
    )
    until(
        lambda: (
            stage.samples(routes)
            == {
                ("installation", "70", *ROUTES[0]): 11 + 17 + 20_000,
                ("installation", "70", *ROUTES[1]): 5 + 1,
            }
        ),
        "all of the bot's requests count",
    )
    limited = stage.samples("github_api_insights_user_actor_rate_limited_requests_total")
    assert limited[("1", "classic_pat", "1001")] == 3


def test_who_is_dropped_while_its_run_waits_or_runs_loses_nothing(stage: Stage) -> None:
    """GitHub takes its time, so a source often leaves the top in the midst of its own run."""
    stage.user(1, 100)
    stage.user(2, 90)
    stage.exporter.start()
    until(lambda: stage.users() == {"1"}, "the first is followed")
    stage.user(1, 10)
    tokens = "github_api_insights_user_actor_requests_total"
    until(lambda: stage.samples(tokens).get(("1", "classic_pat", "1001")) == 10, "it counts")
    stage.github.faults.add(Fault(delay=0.2))
    one, two, counted = 110, 90, 10
    for _ in range(2):
        stage.user(2, 2 * one)
        two += 2 * one
        until(lambda: stage.users() == {"2"}, "the second overtook it", 60)
        stage.user(1, 2 * two)
        one, counted = one + 2 * two, counted + 2 * two
        until(lambda: stage.users() == {"1"}, "the first is back", 60)
        until(
            lambda counted=counted: stage.samples(tokens).get(("1", "classic_pat", "1001")) == counted,
            "all of its requests count",
            60,
        )


def test_reloads_that_change_the_sources_never_show_a_series_twice(stage: Stage) -> None:
    stage.user(1, 100)
    stage.user(2, 90)
    stage.bot(70, 500, 50)
    stage.github.faults.add(Fault(delay=0.1))
    stage.exporter.start()
    until(lambda: stage.users() == {"1"}, "the first is followed", 60)
    config = yaml.safe_load(stage.exporter.config.read_text())
    until_then = time.monotonic() + 12
    turn = 0
    while time.monotonic() < until_then:
        turn += 1
        config["collectors"]["user_stats"] |= {
            "actor_name_substring": "u" if turn % 2 else "",
            "top_users": 1 + turn % 3,
        }
        config["collectors"]["route_stats"]["api_route_substring"] = "repo" if turn % 2 else ""
        stage.exporter.config.write_text(yaml.safe_dump(config))
        assert stage.exporter.process
        stage.exporter.process.send_signal(signal.SIGHUP)
        for _ in range(5):
            series = [line.rpartition(" ")[0] for line in stage.exporter.metrics().splitlines() if line[:1] != "#"]
            assert len(set(series)) == len(series)
    assert "unexpectedly" not in stage.exporter.log.read_text()


def test_the_watched_are_followed_and_names_are_told(stage: Stage) -> None:
    config = yaml.safe_load(stage.exporter.config.read_text())
    config["watch"] = {
        "users": [{"organization": "acme", "id": 2}],
        "actors": [{"organization": "acme", "type": "classic_pat", "id": 1002}],
    }
    stage.exporter.config.write_text(yaml.safe_dump(config))
    stage.user(1, 100)
    stage.user(2, 10)
    stage.bot(70, 500, 50)
    stage.exporter.start()
    until(lambda: stage.users() == {"1", "2"}, "the watched and the busiest user")
    until(lambda: stage.actors() == {("installation", "70"), ("classic_pat", "1002")}, "and actors")
    stage.user(2, 5, limited=1)
    for family, key, value in (
        ("github_api_insights_user_requests_total", ("2",), 6),
        ("github_api_insights_user_rate_limited_requests_total", ("2",), 1),
        ("github_api_insights_actor_requests_total", ("classic_pat", "1002"), 5),
        ("github_api_insights_actor_rate_limited_requests_total", ("classic_pat", "1002"), 1),
        ("github_api_insights_route_requests_total", ("classic_pat", "1002", *ROUTES[0]), 5),
    ):
        until(lambda one=family, key=key, value=value: stage.samples(one).get(key) == value, f"{family} counts")
    assert ("2",) in stage.samples("github_api_insights_user_newest_data_timestamp_seconds")
    assert ("classic_pat", "1002") in stage.samples("github_api_insights_actor_busiest_hour_requests")
    names = {key[:3] for key in stage.samples("github_api_insights_actor_info")}
    assert {("installation", "70", "bot 70"), ("classic_pat", "1002", "u2")} <= names
    until(
        lambda: (
            stage.samples("github_api_insights_reconciliation_difference_requests")
            == {("subjects",): 0, ("intervals",): 0}
        ),
        "GitHub agrees with itself",
    )


def test_whom_github_does_not_know_is_dropped_and_said_once(stage: Stage) -> None:
    config = yaml.safe_load(stage.exporter.config.read_text())
    config["watch"] = {"actors": [{"organization": "acme", "type": "classic_pat", "id": 404}]}
    stage.exporter.config.write_text(yaml.safe_dump(config))
    stage.github.faults.add(Fault(r"/classic_pat/404", status=404))
    stage.bot(70, 500, 50)
    stage.exporter.start()
    until(lambda: "GitHub does not know whom to follow" in stage.exporter.log.read_text(), "it is said")
    until(lambda: stage.actors() == {("installation", "70")}, "the others are followed")
    success = 'github_exporter_collector_success{collector="route_stats",target="organization/acme"}'
    until(lambda: stage.exporter.value(success) == 1, "it fails the collector no longer")
    runs = 'github_exporter_collector_runs_total{collector="route_stats",target="organization/acme"}'
    before = stage.exporter.value(runs) or 0
    until(lambda: (stage.exporter.value(runs) or 0) >= before + 2, "two more runs")
    asked = [record for record in stage.github.log if "/classic_pat/404" in record.path]
    assert len(asked) == 3, "once by each collector"
    assert stage.exporter.log.read_text().count("GitHub does not know whom to follow") == 1


def test_while_the_total_stands_still_the_drill_down_asks_nothing_and_stays_fresh(stage: Stage) -> None:
    config = yaml.safe_load(stage.exporter.config.read_text())
    for name in ("user_stats", "route_stats"):
        config["collectors"][name]["interval"] = "3s"  # the total is read in between
    stage.exporter.config.write_text(yaml.safe_dump(config))
    stage.user(1, 100)
    stage.bot(70, 500, 50)
    stage.exporter.start()
    until(lambda: stage.users() == {"1"} and stage.actors() == {("installation", "70")}, "they are followed")

    def drilled() -> int:
        return sum("user-stats" in record.path or "route-stats" in record.path for record in stage.github.log)

    runs = 'github_exporter_collector_runs_total{collector="route_stats",target="organization/acme"}'
    success = (
        'github_exporter_collector_last_success_timestamp_seconds{collector="route_stats",target="organization/acme"}'
    )
    settled = stage.exporter.value(runs) or 0
    until(lambda: (stage.exporter.value(runs) or 0) >= settled + 2, "two more runs")
    asked, before, fresh = drilled(), stage.exporter.value(runs) or 0, stage.exporter.value(success) or 0
    until(lambda: (stage.exporter.value(runs) or 0) >= before + 3, "three more runs")
    assert drilled() == asked
    assert (stage.exporter.value(success) or 0) > fresh
    stage.bot(70, 0, 3)
    until(
        lambda: stage.samples("github_api_insights_route_requests_total").get(("installation", "70", *ROUTES[1])) == 3,
        "what is new counts",
    )


def test_people_are_named_as_privacy_wants_it_everywhere_and_at_once(stage: Stage) -> None:
    stage.user(1, 100)
    stage.bot(70, 500, 50)
    stage.exporter.start()
    until(lambda: stage.users() == {"1"}, "the user is followed")
    assert '"u1"' in stage.exporter.metrics()
    for choice in ("pseudonym", "off"):
        stage.exporter.stop()
        config = yaml.safe_load(stage.exporter.config.read_text())
        stage.exporter.config.write_text(yaml.safe_dump({**config, "privacy": {"user_names": choice}}))
        stage.exporter.start()
        name = "user-[0-9a-f]{12}" if choice == "pseudonym" else ""
        shown = f'subject_type="user",subject_id="id-[0-9a-f]{{16}}",subject_name="{name}"'
        first = stage.exporter.metrics()
        until(lambda shown=shown: re.search(shown, stage.exporter.metrics()), choice)
        until(lambda: 'actor_name="app 1001"' in stage.exporter.metrics(), "the user's tokens and apps are read again")
        for text in (first, stage.exporter.metrics()):
            assert '"u1"' not in text
            assert 'subject_id="1"' not in text
        until(lambda: '"bot 70"' in stage.exporter.metrics(), "apps keep their names")
        stage.exporter.stop()
        kept = b"".join(file.read_bytes() for file in (stage.exporter.folder / "state").iterdir())
        assert b'"u1"' not in kept
        stage.exporter.start()
