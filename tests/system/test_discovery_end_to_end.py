"""Discovery end to end: a real exporter collects from what a simulated GitHub lists."""

import json
import re
import signal
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.settings.shards import owner
from exporter.simulator.access import TokenFacts
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import SimulatedApp, SimulatedInstallation
from exporter.simulator.estate import Enterprise, Estate
from exporter.simulator.faults import Fault
from exporter.simulator.world import World
from tests.support.app import CLIENT_ID, app_config, installed, new_key, traffic, works
from tests.support.harness import Exporter, SimClock, command, get, simulated, until

NAMES = ("acme", "globex", "initech")
ESTATE = Estate((Enterprise("acme-corp", NAMES),))
SUCCESS = 'github_exporter_discovery_success{credential="app"}'
DISCOVERED = 'github_exporter_targets{kind="organization",source="discovered"}'
LISTING = "/app/installations$"


class Scene:
    """An App on some organizations, in a GitHub whose installations a test changes."""

    def __init__(self, folder: Path, *organizations: str, ahead: float = 0.0, **more: Any) -> None:
        clock = SimClock(time.time() + ahead)
        clock.run(1.0)
        self.installations = dict(installed(*organizations))
        app = SimulatedApp(CLIENT_ID, new_key(folder / "app.pem"), self.installations)
        self.enterprises: dict[str, SimulatedInstallation] = {}
        app = SimulatedApp(app.client_id, app.public_key_pem, self.installations, self.enterprises)
        world = World.of(traffic(int(clock()), *NAMES, *organizations))
        self.github = SimulatedGitHub(world, clock, apps=[app], estate=ESTATE, limit=1_000_000, **more)
        self.folder = folder

    def config(self, url: str, *listed: str, **entry: Any) -> dict[str, Any]:
        """Jobs run once an hour; listings every second, unless the entry says otherwise."""
        config = app_config(url, self.folder, *listed)
        for collector in config["collectors"].values():
            if collector.get("enabled", True):
                collector["interval"] = "1h"
        config["discover"] = [{"credential": "app", "interval": "1s", **entry}]
        return config

    def listings(self) -> int:
        return sum(record.path == "/app/installations" for record in self.github.log)

    def asked(self, name: str) -> list[str]:
        """The paths about an account that were asked for."""
        return [record.path for record in self.github.log if f"/{name}/" in record.path]

    def answer(self, *rows: Any) -> None:
        """Let the listing be these rows."""
        self.github.faults.clear()
        self.github.faults.add(Fault(LISTING, body=json.dumps(rows).encode()))


@contextmanager
def discovering(scene: Scene, *listed: str, **entry: Any) -> Iterator[Exporter]:
    with simulated(scene.github) as (url,), Exporter(scene.folder, scene.config(url, *listed, **entry)) as exporter:
        yield exporter.start()


def accounts(exporter: Exporter, state: str) -> float | None:
    return exporter.value(f'github_exporter_discovery_accounts{{credential="app",state="{state}"}}')


def status(exporter: Exporter) -> dict[str, Any]:
    """The first entry of `discover` in the status as JSON."""
    return dict(json.loads(get(f"{exporter.url}/api/v1/status")[1])["discovery"][0])


def test_where_the_app_is_installed_is_collected_and_what_comes_later_too(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "acme")
    with discovering(scene) as exporter:
        until(lambda: works(exporter, "route_stats", "acme"), "what was there at the start is collected")
        before = len(scene.asked("acme"))
        scene.installations["globex"] = SimulatedInstallation(7)
        until(lambda: works(exporter, "route_stats", "globex"), "what came later is collected")
        assert len(scene.asked("acme")) == before, "nothing is asked of the others"
        assert (exporter.value(DISCOVERED), exporter.value(SUCCESS)) == (2, 1)
        assert exporter.value('github_exporter_configured_targets{kind="organization"}') == 2
        assert not scene.asked("initech")


def test_a_restart_serves_what_was_found_at_once_while_github_is_silent(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "acme", "globex")
    with discovering(scene, interval="1h") as exporter:
        until(lambda: works(exporter, "route_stats", "acme", "globex"), "both are collected")
        exporter.kill()
        scene.github.faults.add(Fault(kind="hang"))
        requests = len(scene.github.log)
        exporter.start()
        assert works(exporter, "route_stats", "acme", "globex")
        assert exporter.value(SUCCESS) == 1
        assert get(f"{exporter.url}/-/ready")[0] == 200
        assert len(scene.github.log) == requests, "nothing is due"


def test_a_kill_during_a_listing_loses_nothing_and_the_listing_is_asked_for_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "acme")
    with discovering(scene) as exporter:
        until(lambda: works(exporter, "route_stats", "acme"), "it is collected")
        scene.github.faults.add(Fault(LISTING, kind="hang"))
        listings = scene.listings()
        until(lambda: scene.listings() > listings, "a listing is under way")
        exporter.kill()
        before = len(scene.asked("acme"))
        scene.installations["globex"] = SimulatedInstallation(7)
        exporter.start()
        assert works(exporter, "route_stats", "acme"), "what was found before is served"
        scene.github.faults.clear()
        exporter.kill()
        exporter.start()
        until(lambda: works(exporter, "route_stats", "globex"), "the listing is asked for again")
        assert len(scene.asked("acme")) == before, "nothing else is asked twice"


def saved(exporter: Exporter) -> bool:
    """Whether a listing is in the state."""
    file = exporter.folder / "state" / "state.db"
    if not file.exists():
        return False
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        try:
            return bool(connection.execute("SELECT 1 FROM wait WHERE name = 'discovery app'").fetchone())
        except sqlite3.Error:
            return False


def test_a_kill_between_listing_and_planning_loses_nothing_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    names = [f"org{number}" for number in range(25)]
    scene = Scene(tmp_path, *names)
    with discovering(scene, interval="1h") as exporter:
        until(lambda: saved(exporter), "the listing is saved", every=0.001)
        exporter.kill()
        exporter.start()
        until(lambda: works(exporter, "summary_stats", *names), "all are collected")
        assert scene.listings() == 1
        exporter.kill()
        reads = [path for name in names for path in scene.asked(name) if path.endswith("summary-stats")]
        exporter.start()
        assert works(exporter, "summary_stats", *names)
        assert [path for name in names for path in scene.asked(name) if path.endswith("summary-stats")] == reads


def test_a_listing_that_fails_changes_nothing_and_is_shown(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "acme")
    with discovering(scene) as exporter:
        until(lambda: works(exporter, "route_stats", "acme"), "it is collected")
        scene.github.faults.add(Fault(LISTING, status=502))
        until(lambda: exporter.value(SUCCESS) == 0, "it fails")
        assert works(exporter, "route_stats", "acme")
        assert accounts(exporter, "collected") == 1
        page = get(exporter.url)[1]
        assert "Discovery by credential app fails" in page
        assert status(exporter)["failure"]["reason"] == "unavailable"
        scene.github.faults.clear()
        exporter.kill()
        exporter.start()
        until(lambda: exporter.value(SUCCESS) == 1, "it works again")


def test_what_a_listing_lacks_stays_and_is_shown(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "acme", "globex")
    with discovering(scene) as exporter:
        until(lambda: works(exporter, "route_stats", "acme", "globex"), "both are collected")
        del scene.installations["globex"]
        until(lambda: accounts(exporter, "absent") == 1, "it is missed")
        assert works(exporter, "route_stats", "acme", "globex")
        assert (exporter.value(DISCOVERED), accounts(exporter, "collected")) == (2, 1)
        assert "lacks organization/globex" in get(exporter.url)[1]
        scene.installations["globex"] = SimulatedInstallation(8)
        until(lambda: accounts(exporter, "absent") == 0, "it is back")


def test_a_suspended_installation_is_shown_and_not_asked(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "acme")
    scene.installations["globex"] = SimulatedInstallation(7, suspended=True)
    with discovering(scene) as exporter:
        until(lambda: works(exporter, "route_stats", "acme"), "the other is collected")
        assert accounts(exporter, "suspended") == 1
        assert "suspended at organization/globex" in get(exporter.url)[1]
        assert not scene.asked("globex")
        scene.installations["globex"] = SimulatedInstallation(7)
        until(lambda: works(exporter, "route_stats", "globex"), "it is unsuspended")


def test_a_collector_that_the_installation_may_not_read_is_left_out_and_shown(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "acme")
    scene.installations["globex"] = SimulatedInstallation(7, {"metadata": "read"})
    with discovering(scene) as exporter:
        until(lambda: works(exporter, "route_stats", "acme"), "the other is collected")
        assert not scene.asked("globex"), "nothing is asked to know it"
        left_out = status(exporter)["left_out"]
        assert {"summary_stats", "route_stats"} <= set(left_out[0]["collectors"])
        assert left_out[0]["targets"] == ["organization/globex"]
        assert "the App needs the organization permission “API Insights” (read)" in get(exporter.url)[1]
        scene.installations["globex"] = SimulatedInstallation(7)
        until(lambda: works(exporter, "route_stats", "globex"), "it is granted")


def test_an_enterprise_of_an_organizations_name_has_an_access_of_its_own(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "acme")
    scene.enterprises["acme"] = SimulatedInstallation(7, {"enterprise_copilot_metrics": "read"})
    with discovering(scene) as exporter:
        until(lambda: works(exporter, "route_stats", "acme"), "the organization is collected")
        kind = 'github_exporter_targets{kind="enterprise",source="discovered"}'
        until(lambda: exporter.value(kind) == 1, "and the enterprise")
        before = len(scene.asked("acme"))
        scene.installations["globex"] = SimulatedInstallation(9)
        until(lambda: works(exporter, "route_stats", "globex"), "another comes")
        assert len(scene.asked("acme")) == before


def row(login: Any, **more: Any) -> dict[str, Any]:
    reads = {"organization_api_insights": "read"}
    return {"id": 1, "account": {"login": login}, "target_type": "Organization", "permissions": reads, **more}


WRONG_NAMES: list[Any] = [
    "../user",
    "a/b",
    "a.b",
    "a?b",
    "a%2fb",
    "a\x00b",
    "a\nb",
    "{}",
    None,
    7,
    [],
    {},
    "",
    "x" * 500,
]
WRONG_KINDS: list[Any] = ["Team", None, 7, {}]
HOSTILE: Mapping[str, list[Any]] = {
    "names that are no names": [row(name) for name in WRONG_NAMES],
    "an enterprise in an organization's place": [row("", account={"slug": "acme-corp", "name": "x"})],
    "other kinds": [row("hooli", target_type=kind) for kind in WRONG_KINDS],
    "no rows": ["hooli", None, 7, []],
    "the same twice": [row("ACME"), row("Acme")],
}


@pytest.mark.parametrize("rows", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_row_is_counted_and_never_part_of_a_path(rows: list[Any], tmp_path: Path) -> None:
    scene = Scene(tmp_path, "acme")
    scene.answer(row("acme"), *rows)
    with discovering(scene) as exporter:
        until(lambda: works(exporter, "summary_stats", "acme"), "what is sound is collected")
        assert (accounts(exporter, "refused"), exporter.value(DISCOVERED)) == (len(rows), 1)
        assert exporter.value(SUCCESS) == 1
        named = {record.path.split("/")[2] for record in scene.github.log if record.path.startswith("/orgs/")}
        assert named == {"acme"}
        assert "name no target" in get(exporter.url)[1] or "names no target" in get(exporter.url)[1]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(LISTING, kind="garbage"),
        Fault(LISTING, kind="truncate"),
        Fault(LISTING, kind="foreign_link"),
        Fault(LISTING, kind="cyclic_link"),
        Fault(LISTING, body=b'{"total_count": 1}'),
        Fault(LISTING, body=json.dumps([row(f"org{number}") for number in range(1_001)]).encode()),
    ],
    ids=["a page for people", "half an answer", "another host", "the same page for ever", "no list", "a huge page"],
)
def test_a_hostile_listing_fails_and_what_was_found_stays(fault: Fault, tmp_path: Path) -> None:
    scene = Scene(tmp_path, "acme")
    with discovering(scene) as exporter:
        until(lambda: works(exporter, "summary_stats", "acme"), "it is collected")
        scene.github.faults.add(fault)
        until(lambda: exporter.value(SUCCESS) == 0, "it fails")
        assert works(exporter, "summary_stats", "acme")
        assert exporter.value(DISCOVERED) == 1


def test_of_ten_thousand_organizations_so_many_are_taken_as_the_operator_allows(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "acme")
    scene.installations |= {f"org{number}": SimulatedInstallation(5_000 + number) for number in range(9_999)}
    with discovering(scene, max_targets=3, interval="1h") as exporter:
        until(lambda: works(exporter, "summary_stats", "acme"), "the first is collected")
        assert (exporter.value(DISCOVERED), accounts(exporter, "surplus")) == (3, 9_997)
        assert scene.listings() == 100, "a page for a hundred"
        assert "9,997 targets more than max_targets" in get(exporter.url)[1]


WAYS: Mapping[str, tuple[dict[str, Any], TokenFacts]] = {
    "org-properties": (
        {"enterprise": "acme-corp"},
        TokenFacts(frozenset(NAMES), {"acme-corp"}, scopes=("read:enterprise",)),
    ),
    "graphql": ({"enterprise": "acme-corp"}, TokenFacts(frozenset(NAMES), {"acme-corp"}, scopes=("read:enterprise",))),
    "memberships": ({}, TokenFacts(frozenset(NAMES), roles={"initech": ("member", "active")})),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_token_finds_the_organizations_of_an_enterprise_or_of_its_user(way: str, tmp_path: Path) -> None:
    entry, facts = WAYS[way]
    scene = Scene(tmp_path, tokens={"ghp_classic": facts})
    if way == "graphql":
        scene.github.faults.add(Fault("/org-properties/values", status=404))
    (tmp_path / "token").write_text("ghp_classic")
    with simulated(scene.github) as (url,):
        config = scene.config(url, exclude=["glob*"], **entry)
        config["credentials"] = {"app": {"api_url": url, "token_file": str(tmp_path / "token")}}
        with Exporter(tmp_path, config) as exporter:
            exporter.start()
            expected = ["acme"] if way == "memberships" else ["acme", "initech"]
            until(lambda: works(exporter, "summary_stats", *expected), "they are collected")
            assert (exporter.value(DISCOVERED), accounts(exporter, "excluded")) == (len(expected), 1)
            assert not scene.asked("globex")
            pools = re.findall(r'github_exporter_rate_limit_limit\{pool="(.*?)"\}', exporter.metrics())
            assert pools == ["app"], "listings count against the token's own pool"


def test_a_reload_disturbs_nothing_that_was_discovered_and_a_listed_target_wins(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "acme", "globex")
    with discovering(scene, interval="1h") as exporter:
        until(lambda: works(exporter, "route_stats", "acme", "globex"), "both are collected")
        requests = len(scene.github.log)
        config = yaml.safe_load(exporter.config.read_text())
        config["organizations"] = [{"name": "acme", "credential": "app"}]
        config["discover"][0]["exclude"] = ["globex"]
        exporter.config.write_text(yaml.safe_dump(config))
        assert exporter.process
        exporter.process.send_signal(signal.SIGHUP)
        listed = 'github_exporter_targets{kind="organization",source="listed"}'
        until(lambda: exporter.value(listed) == 1 and exporter.value(DISCOVERED) == 0, "it is reloaded")
        assert works(exporter, "route_stats", "acme")
        assert not works(exporter, "route_stats", "globex")
        assert (accounts(exporter, "listed"), accounts(exporter, "excluded")) == (1, 1)
        assert len(scene.github.log) == requests, "nothing is asked again"


def test_shards_discover_all_and_keep_what_they_own(tmp_path: Path) -> None:
    names = [f"org{number}" for number in range(12)]
    scene = Scene(tmp_path, *names)
    with simulated(scene.github) as (url,), ExitStack() as stack:
        exporters = []
        for shard in range(2):
            (folder := tmp_path / str(shard)).mkdir()
            environ = {"GITHUB_EXPORTER_SHARD": str(shard), "GITHUB_EXPORTER_TOTAL_SHARDS": "2"}
            exporters.append(stack.enter_context(Exporter(folder, scene.config(url), **environ)).start())
        for shard, exporter in enumerate(exporters):
            own = [name for name in names if owner(f"app/{name}", 2) == shard]
            until(lambda exporter=exporter, own=own: works(exporter, "summary_stats", *own), "its own are collected")
            assert exporter.value("github_exporter_shard_targets") == exporter.value(DISCOVERED) == len(own)
            assert exporter.value('github_exporter_configured_targets{kind="organization"}') == len(names)
            exporter.stop()
            shard_flags = (f"--config.file={exporter.config}", f"--shard={shard}", "--total-shards=2")
            moved = command("state", "export", *shard_flags)
            assert set(re.findall(r'"job":"summary_stats organization/(\w+)"', moved.stdout)) == set(own), moved.stderr


def test_check_plan_and_doctor_tell_what_is_discovered(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "acme")
    scene.installations["globex"] = SimulatedInstallation(7, suspended=True)
    scene.installations["initech"] = SimulatedInstallation(8, {})
    with simulated(scene.github) as (url,):
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(scene.config(url, interval="1h")))
        file = f"--config.file={tmp_path / 'config.yaml'}"
        checked = command("check", file)
        assert re.search(r"where the GitHub App is installed +app +\* +1h", checked.stdout), (
            checked.stdout + checked.stderr
        )
        assert not scene.github.log
        for asks in (command("doctor", file), command("plan", "--live", file)):
            assert "Discovered: organization/acme, organization/initech." in asks.stdout
            assert "suspended at organization/globex" in asks.stdout
            assert "left out at organization/initech" in asks.stdout
            assert asks.returncode == 0, asks.stdout + asks.stderr
        scene.github.faults.add(Fault(LISTING, status=500))
        failed = command("doctor", file)
        assert (failed.returncode, "Discovery by credential app fails" in failed.stdout) == (1, True)


def test_one_variable_discovers_without_a_file(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "acme")
    with simulated(scene.github) as (url,):
        asked = command(
            "doctor",
            GITHUB_EXPORTER_DISCOVER="app",
            GITHUB_EXPORTER_APP_CLIENT_ID=CLIENT_ID,
            GITHUB_EXPORTER_APP_PRIVATE_KEY_FILE=str(tmp_path / "app.pem"),
            GITHUB_EXPORTER_API_URL=url,
        )
        assert "Discovered: organization/acme." in asked.stdout, asked.stdout + asked.stderr


def test_a_key_that_github_refuses_is_no_crash_and_a_new_one_is_tried_at_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "acme")
    right = (tmp_path / "app.pem").read_bytes()
    new_key(tmp_path / "app.pem")
    with discovering(scene) as exporter:
        until(lambda: exporter.value(SUCCESS) == 0, "it is refused")
        assert status(exporter)["failure"]["reason"] == "credential"
        (tmp_path / "app.pem").write_bytes(right)
        until(lambda: works(exporter, "summary_stats", "acme"), "the new key is tried")


@pytest.mark.parametrize("ahead", [7_200.0, -7_200.0])
def test_a_machine_whose_clock_is_wrong_signs_again_by_githubs_time(ahead: float, tmp_path: Path) -> None:
    scene = Scene(tmp_path, "acme", ahead=ahead)
    with discovering(scene, interval="1h") as exporter:
        until(lambda: works(exporter, "summary_stats", "acme"), "it is collected")
        assert exporter.value(SUCCESS) == 1
        assert scene.listings() == 2, "once refused, once signed again"
        assert "discovery failed" not in exporter.log.read_text()
