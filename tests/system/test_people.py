"""What is seen of people from outside, under each `privacy`: answers, page, log and state of the real process."""

import json
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.collectors import COLLECTORS
from exporter.instants import HOUR
from exporter.privacy import IDS, NAMES
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.faults import Fault
from exporter.simulator.world import World
from tests.support.harness import Exporter, SimClock, command, config_for, get, simulated, until

LOGIN, USER, TOKEN = "octo-ada", 47110001, 47110002
OTHER_LOGIN, OTHER_USER = "mona-lisa", 47110004
APP, BOT = 47110003, 47110070
PEOPLE = (LOGIN, str(USER), str(TOKEN), OTHER_LOGIN, str(OTHER_USER))
SUBJECTS = "github_api_insights_subject_requests_total"
USERS = "github_api_insights_user_requests_total"
SHOWN = re.compile(r"(\w+){(.*)} (\S+)")


@dataclass
class Scene:
    """Two people, one of whom is watched with a token and an app, and a bot."""

    github: SimulatedGitHub
    exporter: Exporter
    clock: SimClock

    def add(self, requests: int) -> None:
        now = int(self.clock())
        for user, login, actor in (
            (USER, LOGIN, ("classic_pat", TOKEN)),
            (USER, LOGIN, ("oauth_app", APP)),
            (OTHER_USER, OTHER_LOGIN, None),
        ):
            self.github.world.add(Event("acme", "user", user, now, requests=requests, name=login, actor=actor))
        self.github.world.add(Event("acme", "installation", BOT, now, requests=requests, name="build bot"))

    def choose(self, choice: str) -> None:
        config = yaml.safe_load(self.exporter.config.read_text())
        self.exporter.config.write_text(yaml.safe_dump({**config, "privacy": {"user_names": choice}}))

    def reload(self, choice: str) -> None:
        """Over once the log says so."""
        self.choose(choice)
        before = self.exporter.log.read_text().count('"reloaded')
        assert self.exporter.process
        self.exporter.process.send_signal(signal.SIGHUP)
        until(lambda: self.exporter.log.read_text().count('"reloaded') > before, "it is reloaded")

    def restart(self, choice: str) -> None:
        assert self.exporter.stop() == 0
        self.choose(choice)
        self.exporter.start()

    def samples(self, family: str) -> list[tuple[dict[str, str], float]]:
        """Labels and values of a family."""
        lines = (SHOWN.fullmatch(line) for line in self.exporter.metrics().splitlines())
        return [
            (dict(re.findall(r'(\w+)="([^"]*)"', line[2])), float(line[3]))
            for line in lines
            if line and line[1] == family
        ]

    def names(self) -> set[tuple[str, str]]:
        return {(labels["subject_type"], labels["subject_name"]) for labels, _ in self.samples(SUBJECTS)}

    def told(self) -> str:
        """Everything that it answers."""
        openmetrics = self.exporter.metrics(Accept="application/openmetrics-text; version=1.0.0")
        paths = ("/", "/api/v1/status", "/metrics?collect[]=subject_stats", "/metrics?name[]=" + SUBJECTS)
        return "\n".join([self.exporter.metrics(), openmetrics, *(get(self.exporter.url + path)[1] for path in paths)])


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    clock = SimClock(time.time())
    clock.run(1.0)
    (tmp_path / "token").write_text("token")
    github = SimulatedGitHub(World.of([Event("acme", "user", 9, int(clock()) - 8 * HOUR, requests=1)]), clock)
    with simulated(github) as (url,):
        config = config_for(
            url,
            "acme",
            token_file=tmp_path / "token",
            watch={
                "users": [{"organization": "acme", "id": USER}],
                "actors": [{"organization": "acme", "type": "classic_pat", "id": TOKEN}],
            },
        )
        with Exporter(tmp_path, config) as exporter:
            found = Scene(github, exporter, clock)
            found.add(100)
            yield found


def slow(scene: Scene) -> None:
    """Only what is asked anew for another reason is asked again."""
    config: dict[str, Any] = yaml.safe_load(scene.exporter.config.read_text())
    for one in config["collectors"].values():
        if one.get("enabled", True):
            one["interval"] = "1h"
    scene.exporter.config.write_text(yaml.safe_dump(config))


def complete(scene: Scene) -> bool:
    """Whether all that names a person has been read."""
    body = scene.exporter.metrics()
    families = (
        USERS + "{",
        "github_api_insights_user_actor_requests_total{",
        "github_api_insights_user_newest_data_timestamp_seconds{",
        "github_api_insights_actor_requests_total{",
        "github_api_insights_actor_newest_data_timestamp_seconds{",
        'github_api_insights_route_requests_total{organization="acme",actor_type="classic_pat"',
        'github_api_insights_actor_info{organization="acme",actor_type="classic_pat"',
    )
    return all(family in body for family in families)


@pytest.mark.parametrize("choice", ["pseudonym", "off"])
def test_neither_a_login_nor_an_id_of_a_person_is_seen_anywhere_and_apps_are(scene: Scene, choice: str) -> None:
    scene.choose(choice)
    scene.exporter.start()
    until(lambda: complete(scene), "all is read")
    for path in (f"user-stats/{USER}", f"classic_pat/{TOKEN}"):
        scene.github.faults.add(Fault(path, status=500))
    scene.add(1)  # what stands still is not asked for
    failed = 'github_exporter_endpoint_state{collector="%s",target="organization/acme",state="unavailable"}'
    until(lambda: all(scene.exporter.value(failed % one) for one in ("user_stats", "route_stats")), "both fail")
    body, log = scene.told(), scene.exporter.log.read_text()
    for person in PEOPLE:
        assert person not in body
        assert person not in log
    assert "/user-stats/id-" in log
    assert '"build bot"' in body
    assert f'subject_id="{BOT}"' in body
    assert f'actor_id="{APP}",actor_name="app {APP}"' in body

    pseudonyms = {labels["user_id"] for labels, _ in scene.samples(USERS)}
    subjects = {labels["subject_id"] for labels, _ in scene.samples(SUBJECTS) if labels["subject_type"] == "user"}
    assert len(pseudonyms) == 1
    assert pseudonyms < subjects, "one person has one pseudonym"
    assert len(subjects) == 3, "nobody is merged with anybody"

    scene.exporter.stop()
    kept = b"".join(file.read_bytes() for file in (scene.exporter.folder / "state").iterdir())
    for login in (LOGIN, OTHER_LOGIN):
        assert login.encode() not in kept


@pytest.mark.parametrize("change", [Scene.reload, Scene.restart])
def test_another_privacy_holds_from_the_first_answer_on_and_counting_goes_on(scene: Scene, change: Any) -> None:
    """By a reload or a restart, with intervals of an hour: names are asked anew at once, apps' names never go."""
    slow(scene)
    scene.exporter.start()
    until(lambda: complete(scene) and ("user", LOGIN) in scene.names(), "all is read")
    scene.add(7)  # is seen by the read that asks for names
    ids: list[set[str]] = []
    for turn, choice in enumerate(("pseudonym", "off", "login", "pseudonym", "login"), 1):
        change(scene, choice)
        first = scene.told()
        assert '"build bot"' in first
        if choice == "login":
            assert not re.search(r'"(user|id)-[0-9a-f]{12,}"', first)
            until(lambda: ("user", LOGIN) in scene.names(), "logins are there again")
        else:
            for person in PEOPLE:
                assert person not in first
            assert (choice == "pseudonym") or '"user-' not in first
            ids.append({labels["user_id"] for labels, _ in scene.samples(USERS)})
        if choice == "pseudonym":
            until(lambda: any(name.startswith("user-") for _, name in scene.names()), "pseudonyms are there at once")
        until(
            lambda turn=turn: (
                sum(value for one, value in scene.samples(SUBJECTS) if one["subject_type"] == "user") == 21 * turn
            ),
            "every request counts",
        )
        scene.add(7)
    assert ids[0] == ids[1] == ids[2], "an id has the same pseudonym after any change"
    assert len(ids[0]) == 1


def test_a_message_that_was_kept_of_a_failure_names_nobody_after_a_change(scene: Scene) -> None:
    scene.github.faults.add(
        Fault(r"user-stats", status=403, body=json.dumps({"message": f"{LOGIN} is not allowed"}).encode())
    )
    scene.exporter.start()
    until(lambda: LOGIN in get(scene.exporter.url)[1], "the page quotes GitHub")
    scene.reload("pseudonym")
    assert LOGIN not in get(scene.exporter.url)[1]
    scene.reload("login")
    until(lambda: LOGIN in get(scene.exporter.url)[1], "the page quotes GitHub again")
    scene.restart("off")
    assert LOGIN not in get(scene.exporter.url)[1]


def test_whom_github_does_not_know_is_named_by_the_pseudonym_in_the_log(scene: Scene) -> None:
    scene.choose("pseudonym")
    scene.github.faults.add(Fault(f"/{USER}", status=404))
    scene.exporter.start()
    until(lambda: "GitHub does not know whom to follow" in scene.exporter.log.read_text(), "it is said")
    log = scene.exporter.log.read_text()
    assert str(USER) not in log
    assert re.search(r'"subject": "id-[0-9a-f]{16}"', log)


def test_what_the_log_says_of_kept_jobs_names_nobody(scene: Scene) -> None:
    """Of rows that cannot be read, and of runs that were cut off again and again."""
    scene.choose("pseudonym")
    scene.exporter.start()
    until(lambda: complete(scene), "all is read")
    assert scene.exporter.stop() == 0
    with closing(sqlite3.connect(scene.exporter.folder / "state" / "state.db")) as state, state:
        state.execute("UPDATE job SET snapshot = '{' WHERE key LIKE ?", (f"user_stats % {USER}",))
        state.execute("UPDATE job SET running = 9 WHERE key LIKE ?", (f"summary_stats % {USER}",))
    scene.exporter.start()
    log = scene.exporter.log.read_text()
    assert '"first": "user_stats organization/acme: ' in log
    assert re.search(r'"job": "summary_stats organization/acme id-[0-9a-f]{16}", "due"', log)
    assert all(person not in log for person in PEOPLE)


def test_doctor_names_nobody_either(scene: Scene) -> None:
    scene.github.faults.add(Fault(r"/user-stats/", status=500))
    for choice, shown in (("login", f"/user-stats/{USER}"), ("off", "/user-stats/{user_id}")):
        scene.choose(choice)
        done = command("doctor", f"--config.file={scene.exporter.config}")
        assert shown in done.stdout
        assert all(person not in done.stdout + done.stderr for person in PEOPLE) == (choice == "off")


def test_every_label_that_could_tell_a_person_is_known_as_such() -> None:
    """A new label that sounds like a person must be decided on: in `NAMES`, in `IDS`, or here."""
    of_things = {"agent_id", "budget_id", "cost_center_id", "integration_id", "oauth_application_id", "server_id"}
    nobody = {*of_things, "authored_by", "host_name"}
    labels = {label for one in COLLECTORS for table in one.tables for label in one.labels(table)}
    doubtful = {label for label in labels if re.search(r"user|login|member|person|_id$|_name$|email|author", label)}
    assert doubtful - NAMES.keys() - IDS.keys() <= nobody
    assert doubtful >= NAMES.keys() | IDS.keys()
