"""No login, name or address of anybody with Copilot is seen anywhere, under each `privacy`: from all its endpoints."""

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.collectors import COLLECTORS
from exporter.instants import DAY, day_of, utc_time
from exporter.simulator.messages import Receive, Send
from exporter.simulator.serve import serving
from tests.support.harness import Exporter, command, get, until
from tests.support.threads import in_thread

LOGIN, NAME, MAIL, AVATAR = "canary-login", "Canary Name", "canary@example.com", "canary-avatar"
PERSON = 987_654_321
CANARIES = (LOGIN, NAME, MAIL, AVATAR, str(PERSON))


def somebody() -> dict[str, Any]:
    """A user as GitHub sends one, with everything that tells who it is."""
    return {"id": PERSON, "login": LOGIN, "name": NAME, "email": MAIL, "avatar_url": f"https://x/{AVATAR}"}


@dataclass
class GitHub:
    """An ASGI application: every report and list of Copilot names the canary; `broken` paths answer with its name."""

    day: str = field(default_factory=lambda: day_of(time.time() - 2 * DAY))
    broken: str = ""
    asked: set[str] = field(default_factory=set)

    async def __call__(self, scope: Any, _receive: Receive, send: Send) -> None:
        path = scope["path"]
        origin = f"http://{dict(scope['headers'])[b'host'].decode()}"
        self.asked.add(path)
        status, body = self.answer(path, origin)
        if self.broken and self.broken in path:
            status, body = 403, {"message": f"{LOGIN} ({NAME}, {MAIL}) may not read this"}
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    def answer(self, path: str, origin: str) -> tuple[int, Any]:
        if path.endswith("/seats"):
            return 200, {"total_seats": 1, "seats": [self.seat()]}
        if path.endswith("/copilot/billing"):
            return 200, {"seat_breakdown": {"total": 1, "by": LOGIN}, "owner": somebody()}
        report = re.search(r"/reports/([\w-]+?)-(1-day|28-day/latest)$", path)
        if report:
            return 200, {"download_links": [f"{origin}/files/{report[1]}?sig={LOGIN}"], "report_day": self.day}
        if path.startswith("/files/"):
            return 200, self.file(path.removeprefix("/files/"))
        return 404, {}

    def seat(self) -> dict[str, Any]:
        return {
            "created_at": "2026-03-01T09:00:00Z",
            "assignee": somebody(),
            "last_activity_at": utc_time(time.time() - DAY),
            "last_activity_editor": "vscode/1.1",
            "assigning_team": {"id": 5, "slug": "platform", "members": [somebody()]},
            "given_by": somebody(),
        }

    def file(self, report: str) -> Any:
        record = {"day": self.day, "organization_id": "7", "enterprise_id": "4", "email": MAIL, "user": somebody()}
        person = {**record, "user_id": PERSON, "user_login": LOGIN, "name": NAME}
        if report == "users":
            return [
                {**person, "loc_added_sum": 3, "totals_by_cli": {"session_count": 1, "host": NAME}, "by": {LOGIN: 1}}
            ]
        if report == "user-teams":
            return [{**person, "team_id": 5, "slug": "platform"}]
        if report == "repos":
            pulls = {"total_created": 3, "by": {LOGIN: 1}}
            return [{**record, "repo_id": 9, "repo_owner_name": "acme", "repo_name": "api", "pull_requests": pulls}]
        return {**record, "daily_active_users": 1, "top_users": {LOGIN: 1}, "totals_by_ide": [{"ide": "vscode"}]}


@dataclass
class Scene:
    """An exporter that reads all of Copilot."""

    github: GitHub
    exporter: Exporter

    def choose(self, choice: str) -> None:
        config = yaml.safe_load(self.exporter.config.read_text())
        self.exporter.config.write_text(yaml.safe_dump({**config, "privacy": {"user_names": choice}}))

    def rows(self, family: str) -> dict[str, float]:
        """The series of a family by login."""
        found = re.findall(rf'^{family}\{{.*user_login="([^"]*)"\}} (\S+)$', self.exporter.metrics(), re.MULTILINE)
        return {name: float(value) for name, value in found}

    def everything(self) -> str:
        """All that is answered, logged, printed and, once it has stopped, kept."""
        pages = [get(self.exporter.url + path)[1] for path in ("/metrics", "/", "/api/v1/status")]
        pages.append(self.exporter.metrics(Accept="application/openmetrics-text; version=1.0.0"))
        for words in (("doctor",), ("plan", "--live")):
            done = command(*words, f"--config.file={self.exporter.config}")
            pages += [done.stdout, done.stderr]
        assert self.exporter.stop() == 0
        return "\n".join([*pages, self.exporter.log.read_text(), self.kept()])

    def kept(self) -> str:
        """The files of the state, and what their tables hold."""
        folder = self.exporter.folder / "state"
        with closing(sqlite3.connect(folder / "state.db")) as state:
            tables = [name for (name,) in state.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            rows = [str(state.execute(f"SELECT * FROM {name}").fetchall()) for name in tables]
        return "\n".join([*rows, *(file.read_bytes().decode("latin-1") for file in folder.iterdir())])


COPILOT = ("copilot_usage", "copilot_people", "copilot_repositories", "copilot_seats")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    github = GitHub()
    (tmp_path / "token").write_text("token")
    with in_thread(serving(github)) as (url,):
        quick: dict[str, Any] = {"interval": "1s", "enabled": True}
        own = {name: {**quick, "download_hosts": ["127.0.0.1"]} for name in COPILOT[:3]}
        config = {
            "credentials": {"token": {"api_url": url, "token_file": str(tmp_path / "token")}},
            "organizations": [{"name": "acme", "credential": "token"}],
            "enterprises": [{"name": "acme-corp", "credential": "token"}],
            "collectors": {
                **{one.name: {"enabled": False} for one in COLLECTORS},
                **own,
                "copilot_people": {**own["copilot_people"], "people": True},
                "copilot_seats": quick,
            },
            "budget": {"share": 1.0, "reserve": 0},
        }
        with Exporter(tmp_path, config) as exporter:
            yield Scene(github, exporter)


def complete(scene: Scene) -> bool:
    body = scene.exporter.metrics()
    wanted = ("_seats_by_team{", "_team_loc_added{", "_user_loc_added{", "_daily_active_users{", "_created{")
    scopes = ("organization", "enterprise")
    return all(re.search(rf"^github_copilot_{one}\w*{end}", body, re.MULTILINE) for one in scopes for end in wanted)


@pytest.mark.parametrize("choice", ["pseudonym", "off"])
def test_nobody_is_named_in_metrics_page_log_state_or_by_a_command(scene: Scene, choice: str) -> None:
    scene.choose(choice)
    scene.exporter.start()
    until(lambda: complete(scene), "all is read")
    (name,) = scene.rows("github_copilot_organization_user_loc_added")
    assert name == "" if choice == "off" else re.fullmatch(r"user-[0-9a-f]{12}", name)
    for broken in ("/files/", "/copilot/billing", "-1-day"):  # what is forbidden is asked for once an hour only
        scene.github.broken = broken
        scene.github.asked.clear()
        until(lambda broken=broken: any(broken in path for path in scene.github.asked), "it is asked for")
        failed = re.compile(r'state="(forbidden|unavailable)"} 1$', re.MULTILINE)
        until(lambda failed=failed: failed.search(scene.exporter.metrics()), "it fails")
    scene.github.broken = ""
    everything = scene.everything()
    assert "platform" in everything
    for canary in CANARIES:
        assert canary not in everything


def test_with_login_only_that_label_names_anybody_and_another_choice_takes_it_away(scene: Scene) -> None:
    scene.choose("login")
    scene.exporter.start()
    until(lambda: complete(scene), "all is read")
    body = scene.exporter.metrics()
    named = [line for line in body.splitlines() if any(canary in line for canary in CANARIES)]
    assert named
    assert all(f'user_login="{LOGIN}"' in line and "_user_" in line.partition("{")[0] for line in named)
    assert not any(canary in line for line in named for canary in CANARIES[1:])
    assert scene.exporter.stop() == 0
    scene.choose("off")
    scene.exporter.log.unlink()
    scene.exporter.start()
    assert LOGIN not in scene.exporter.metrics()
    until(lambda: complete(scene), "it is read again")
    assert list(scene.rows("github_copilot_organization_user_loc_added")) == [""]
    everything = scene.everything()
    for canary in CANARIES:
        assert canary not in everything
