"""GHES and Copilot end to end: the exporter as a process, the simulated GitHub over HTTP, credentials of every kind."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.cli.doctor import TOKEN_KINDS
from exporter.collectors import COLLECTORS
from exporter.instants import DAY, day_of
from exporter.simulator.access import TokenFacts
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import SimulatedApp, SimulatedInstallation
from exporter.simulator.estate import Appliance, Copilot, Enterprise, Estate, midnight
from exporter.simulator.faults import Fault
from exporter.simulator.signed import FOLDER
from exporter.simulator.world import World
from tests.support.app import CLIENT_ID, new_key
from tests.support.harness import INSIGHTS, Exporter, SimClock, command, get, served, until

NOW = 1_795_262_400.0  # 2026-11-21T12:00:00Z, a Saturday
EU = Appliance("ghes-eu", "ea6088f3", "ghes.eu.example.com", "3.19.2", users=500)
US = Appliance("ghes-us", "0b9f2a51", "ghes.us.example.com", "3.14.9", users=300, old=True)
D2, D3, D4 = (day_of(NOW - back * DAY) for back in (2, 3, 4))
WRITTEN = {"owner": "ghp_CANARYowner", "fine": "github_pat_CANARYfine", "admin": "ghp_CANARYadmin"}
COPILOT = {"organization_copilot_metrics": "read", "organization_copilot_seat_management": "read"}
TOKENS = {
    WRITTEN["owner"]: TokenFacts(
        {"acme", "globex"}, {"acme-corp"}, kind="classic", scopes=("read:enterprise", "read:org"), user="owner"
    ),
    WRITTEN["fine"]: TokenFacts({"globex"}, kind="fine_grained", permissions=COPILOT),
    WRITTEN["admin"]: TokenFacts(frozenset(), site_admin=True),
}
NOTICED = ("unknown", "unreadable")
OFF = {collector.name: {"enabled": False} for collector in INSIGHTS}


class Scene:
    """A GitHub with an estate, and the configuration of an exporter that reads it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = SimClock(NOW)
        self.copilot = Copilot()
        self.estate = Estate(
            (Enterprise("acme-corp", ("acme", "globex"), (EU, US)),), since=NOW - 35 * DAY, copilot=self.copilot
        )
        public = new_key(folder / "app.pem")
        for name, token in WRITTEN.items():
            (folder / name).write_text(token)
        app = SimulatedApp(
            CLIENT_ID, public, {"acme": SimulatedInstallation(1, COPILOT)}, {"acme-corp": SimulatedInstallation(2, {})}
        )
        self.github = SimulatedGitHub(World.of(), self.clock, tokens=TOKENS, apps=[app], estate=self.estate)
        self.url = ""

    def config(self, **collectors: Any) -> dict[str, Any]:
        def token(name: str) -> str:
            return str(self.folder / name)

        app = {"app_client_id": CLIENT_ID, "private_key_file": token("app.pem")}
        hosts = {"download_hosts": ["127.0.0.1"], "interval": "1s"}
        return {
            "credentials": {
                "app": {"api_url": self.url, **app},
                "fine": {"api_url": self.url, "token_file": token("fine")},
                "owner": {"api_url": self.url, "token_file": token("owner")},
                **{
                    name: {"api_url": f"{self.url}/{name}/api/v3", "token_file": token("admin")}
                    for name in ("ghes-eu", "ghes-us")
                },
            },
            "organizations": [{"name": "acme", "credential": "app"}, {"name": "globex", "credential": "fine"}],
            "enterprises": [{"name": "acme-corp", "credential": "owner"}],
            "appliances": [{"name": name, "credential": name} for name in ("ghes-eu", "ghes-us")],
            "collectors": {
                **OFF,
                **{name: {"interval": "1s"} for name in ("server_statistics", "appliance_stats", "copilot_seats")},
                "copilot_usage": hosts,
                "copilot_people": hosts,
                **collectors,
            },
            "budget": {"share": 1.0, "reserve": 0},
        }


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with served(Scene(tmp_path)) as scene:
        yield scene


def state(exporter: Exporter, collector: str, target: str) -> str:
    """The state that the endpoint is in."""
    found = re.findall(
        rf'^github_exporter_endpoint_state\{{collector="{collector}",target="{target}",state="(\w+)"\}} 1$',
        exporter.metrics(),
        re.MULTILINE,
    )
    return "".join(found)


def day_shown(exporter: Exporter, organization: str) -> str:
    at = exporter.value(f'github_copilot_organization_report_day_timestamp_seconds{{organization="{organization}"}}')
    return day_of(at) if at else ""


def test_everything_is_read_with_every_kind_of_credential_and_no_secret_goes_astray(scene: Scene) -> None:
    scene.copilot.files["acme"] = 3
    scene.copilot.dead_links["acme"] = 1
    with Exporter(scene.folder, scene.config()) as exporter:
        exporter.start()
        wanted = {
            ("copilot_usage", "organization/acme"),
            ("copilot_usage", "organization/globex"),
            ("copilot_usage", "enterprise/acme-corp"),
            ("copilot_people", "organization/acme"),
            ("copilot_people", "organization/globex"),
            ("copilot_people", "enterprise/acme-corp"),
            ("copilot_seats", "organization/acme"),
            ("copilot_seats", "organization/globex"),
            ("copilot_seats", "enterprise/acme-corp"),
            ("server_statistics", "enterprise/acme-corp"),
            ("appliance_stats", "appliance/ghes-eu"),
            ("appliance_stats", "appliance/ghes-us"),
        }
        until(lambda: all(state(exporter, *one) == "ok" for one in wanted), "all endpoints are ok")
        body = exporter.metrics()
        page = get(f"{exporter.url}/")[1]
        assert day_shown(exporter, "acme") == D2
        # Appliances of different versions: what the old one does not tell is absent.
        users = {server: float(value) for server, value in _samples(body, "github_server_statistics_total_users")}
        assert users.keys() == {"ea6088f3", "0b9f2a51"}
        assert {server for server, _ in _samples(body, "github_server_statistics_number_of_repos_using_actions")} == {
            "ea6088f3"
        }
        assert 'github_appliance_security_total_repos{appliance="ghes-eu"} ' in body
        assert 'github_appliance_security_total_repos{appliance="ghes-us"} ' not in body
        assert 'github_appliance_total_repos{appliance="ghes-us"} 2010\n' in body
        assert "github_exporter_rate_limit_limit{pool=" in body
        assert 'github_exporter_rate_limit_limit{pool="ghes-eu"}' not in body
        assert exporter.stop() == 0
    downloads = [record for record in scene.github.log if record.path.startswith(FOLDER)]
    assert downloads
    assert {record.status for record in downloads} == {200, 403}  # the dead link was asked for anew
    assert scene.github.files.tokens_sent == 0
    # Until GitHub's clock is known the day is told by ours, which is as late as the day on which this test is run.
    asked = {record.query["day"] for record in scene.github.log if record.path.endswith("-1-day")}
    assert D2 in asked
    assert min(asked) == D2
    kept = b"".join(path.read_bytes() for path in (scene.folder / "state").iterdir())
    seen = exporter.log.read_text() + body + page + kept.decode("latin-1")
    for secret in ("CANARY", "sig=", FOLDER):
        assert secret not in seen


def test_a_late_day_is_waited_for_and_a_revision_replaces_what_was_shown(scene: Scene) -> None:
    scene.copilot.late["acme", D2] = NOW + DAY
    scene.copilot.missing |= {("globex", D2), ("globex", D3), ("globex", D4)}
    with Exporter(scene.folder, scene.config()) as exporter:
        exporter.start()
        until(lambda: day_shown(exporter, "acme") == D3, "the day before the late one")
        # None of the three: the newest of the 28 days.
        until(lambda: day_shown(exporter, "globex") == day_of(NOW - 5 * DAY), "the newest day of 28")
        until(lambda: state(exporter, "copilot_usage", "organization/acme") == "ok", "a late day is no fault")
        del scene.copilot.late["acme", D2]
        until(lambda: day_shown(exporter, "acme") == D2, "the late day")
        users = 'github_copilot_organization_daily_active_users{organization="acme"}'
        before = exporter.value(users)
        assert before
        scene.copilot.revised["acme", D2] = NOW
        until(lambda: exporter.value(users) == before + 1, "the revision")


def test_days_without_use_are_no_late_data_and_what_is_shown_stays_over_restarts(scene: Scene) -> None:
    scene.copilot.missing |= {("globex", D2), ("globex", D3), ("globex", D4)}
    target = 'collector="copilot_usage",target="organization/globex"'
    data = f"github_exporter_collector_data_timestamp_seconds{{{target}}}"
    d5 = day_of(NOW - 5 * DAY)
    with Exporter(scene.folder, scene.config()) as exporter:
        exporter.start()
        until(lambda: exporter.value(data) == midnight(NOW) - 4 * DAY, "the fourth day is one without use")
        assert day_shown(exporter, "globex") == d5
        exporter.kill()
        scene.github.faults.add(Fault("/copilot/metrics/reports/", kind="hang"))
        exporter.start()
        assert (exporter.value(data), day_shown(exporter, "globex")) == (midnight(NOW) - 4 * DAY, d5)
        exporter.kill()
        scene.github.faults.clear()
        # Longer holidays than the 28 days of the newest report.
        first = midnight(NOW) - 5 * DAY
        scene.copilot.missing |= {("globex", day_of(first + n * DAY)) for n in range(1, 60)}
        scene.clock.jump(45 * DAY)
        exporter.start()
        until(lambda: exporter.value(data) == midnight(NOW) + 41 * DAY, "six weeks later")
        assert day_shown(exporter, "globex") == d5
        assert state(exporter, "copilot_usage", "organization/globex") == "ok"
        users = 'github_copilot_organization_daily_active_users{organization="globex"}'
        assert exporter.value(users) is not None


def test_fields_that_github_adds_are_named_and_alarm_nobody(scene: Scene) -> None:
    scene.copilot.added = {
        "daily_active_robots": 3,
        "totals_by_login": {"CANARYperson": {"prompts": 1}},
        "note <b>": "CANARYvalue",
    }
    text = "GitHub sends fields that this version does not know"
    unknown, unreadable = (f'github_exporter_{one}_values_total{{collector="copilot_usage"}}' for one in NOTICED)
    runs = 'github_exporter_collector_runs_total{collector="copilot_usage",target="organization/acme"}'

    def page() -> str:
        return get(f"{exporter.url}/")[1]

    with Exporter(scene.folder, scene.config()) as exporter:
        exporter.start()
        until(lambda: (exporter.value(runs) or 0) >= 3, "some runs")
        until(lambda: "copilot_usage (3 targets)" in page(), "all targets have it")
        assert f"copilot_usage (3 targets): {text}: daily_active_robots, note??b?, totals_by_login." in page()
        assert (exporter.value(unknown) or 0) >= 9
        assert exporter.value(unreadable) == 0
        assert state(exporter, "copilot_usage", "organization/acme") == "ok"
        said = [line for line in exporter.log.read_text().splitlines() if text in line and "organization/acme" in line]
        assert len(said) == 1
        assert json.loads(said[0])["level"] == "info"
        assert "daily_active_robots, note??b?, totals_by_login" in said[0]
        exporter.kill()
        scene.github.faults.add(Fault("/copilot/metrics/reports/", status=500))
        exporter.start()
        until(lambda: (exporter.value(runs) or 0) >= 1, "a run that fails")
        assert "daily_active_robots" in page()
        seen = exporter.metrics() + page()
        scene.github.faults.clear()
        scene.copilot.added = {"daily_active_users": "many"}
        until(lambda: (exporter.value(unreadable) or 0) >= 1, "what cannot be read does count")
        until(lambda: text not in page(), "nothing is unknown any more")
    kept = b"".join(path.read_bytes() for path in (scene.folder / "state").iterdir())
    assert "CANARYperson" not in seen + exporter.log.read_text() + kept.decode("latin-1")
    assert "CANARYvalue" not in seen + exporter.log.read_text() + kept.decode("latin-1")


def test_a_closed_api_is_retired_said_once_and_an_open_one_is_read(scene: Scene) -> None:
    config = scene.config(copilot_metrics={"enabled": True, "interval": "1s"})
    with Exporter(scene.folder, config) as exporter:
        exporter.start()
        target = "organization/acme"
        until(lambda: state(exporter, "copilot_metrics", target) == "retired", "retired")
        series = f'{{collector="copilot_metrics",target="{target}"}}'
        due = exporter.value(f"github_exporter_collector_next_run_timestamp_seconds{series}")
        last = exporter.value(f"github_exporter_collector_last_run_timestamp_seconds{series}")
        assert due
        assert last
        assert due - last == pytest.approx(DAY, abs=2)
        assert "retired" in get(f"{exporter.url}/")[1]
        said = [line for line in exporter.log.read_text().splitlines() if '"retired"' in line and "acme" in line]
        assert len(said) == 1
        assert exporter.stop() == 0
        scene.copilot.retired = False
        (scene.folder / "state" / "state.db").unlink()
        exporter.start()
        until(lambda: state(exporter, "copilot_metrics", target) == "ok", "the API speaks")
        sunset = exporter.value(f"github_exporter_endpoint_sunset_timestamp_seconds{series}")
        assert sunset == 1775088000
        assert exporter.value(f"github_exporter_endpoint_deprecation_timestamp_seconds{series}") == 1769644800
        chats = r'^github_copilot_metrics_chat_chats\{organization="acme",editor="vscode",model="default"\} [1-9]'
        assert re.search(chats, exporter.metrics(), re.MULTILINE)


def test_the_first_answer_after_a_restart_is_complete_and_dated_and_what_is_too_old_is_withdrawn(scene: Scene) -> None:
    config = scene.config(copilot_usage={"download_hosts": ["127.0.0.1"], "interval": "1h", "max_age": "20s"})
    with Exporter(scene.folder, config) as exporter:
        exporter.start()
        until(lambda: day_shown(exporter, "acme") == D2, "a day")
        exporter.kill()
        scene.github.faults.add(Fault("/copilot/metrics/reports/", kind="hang"))
        exporter.start()
        body = exporter.metrics()
        assert f'report_day_timestamp_seconds{{organization="acme"}} {midnight(NOW) - 2 * DAY}\n' in body
        data = 'github_exporter_collector_data_timestamp_seconds{collector="copilot_usage",target="organization/acme"}'
        assert exporter.value(data) == midnight(NOW) - 2 * DAY
        until(lambda: day_shown(exporter, "acme") == "", "the day is withdrawn")


def test_doctor_tells_which_kind_of_token_each_endpoint_takes(scene: Scene) -> None:
    """What it says of failures, and the declarations, held against what the simulated GitHub lets each kind read."""
    everything = {"organizations": True}
    config = {
        **scene.config(
            server_statistics=everything,
            copilot_metrics={"enabled": True},
            copilot_usage={"download_hosts": ["127.0.0.1"]},
        ),
        "state": {"path": str(scene.folder / "state")},
    }
    scene.copilot.retired = False
    kinds = {"app": "App", "fine": "fine-grained", "owner": "classic"}
    works: dict[str, set[str]] = {}
    takes: dict[str, set[str]] = {}
    for credential in kinds:
        config["organizations"] = [{"name": "globex" if credential == "fine" else "acme", "credential": credential}]
        config["enterprises"] = [{"name": "acme-corp", "credential": credential}] if credential != "fine" else []
        (scene.folder / "doctor.yaml").write_text(yaml.safe_dump(config))
        done = command("doctor", f"--config.file={scene.folder / 'doctor.yaml'}")
        assert "CANARY" not in done.stdout + done.stderr
        rows = re.findall(r"^works +(\w+)(?: per \w+)? +(\w+)/\S+ +(\S+)$", done.stdout, re.MULTILINE)
        for collector, scope, who in rows:
            works.setdefault(f"{collector} {scope}", set()).add(kinds.get(who, "classic"))
        assert set(re.findall(r"^  takes   (.*)$", done.stdout, re.MULTILINE)) <= {
            ", ".join(TOKEN_KINDS[kind] for kind in one.accepts) for one in COLLECTORS
        }
        if credential != "owner":
            kind = {"app": "a GitHub App", "fine": "a fine-grained token"}[credential]
            assert f"this endpoint does not take {kind}" in done.stdout
    for one in COLLECTORS:
        takes.setdefault(f"{one.name} {one.scope}", set()).update(TOKEN_KINDS[kind] for kind in one.accepts)
    assert works["server_statistics enterprise"] == {"classic"}
    assert works["appliance_stats appliance"] == {"classic"}
    assert works["copilot_seats organization"] == {"classic", "fine-grained", "App"}
    assert works["copilot_seats enterprise"] == {"classic"}
    # The App has no permission at the enterprise; everything else that is taken works with the right one.
    assert works["copilot_usage enterprise"] == {"classic"}
    for endpoint, kinds_found in works.items():
        assert kinds_found <= takes[endpoint]
    assert (
        "GitHub calls it deprecated since 2026-01-29T00:00:00Z; GitHub closes it on 2026-04-02T00:00:00Z" in done.stdout
    )


def _samples(body: str, family: str) -> list[tuple[str, str]]:
    """Server and value of each sample."""
    return re.findall(rf'^{family}\{{account="acme-corp",server_id="(\w+)"\}} (\S+)$', body, re.MULTILINE)
