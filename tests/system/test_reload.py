"""SIGHUP: the log says what changed, by name, and what waits for a restart; never a value."""

import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.collectors import COLLECTORS
from exporter.settings import parse
from exporter.settings.reload_changes import changes, fixed_changes
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.world import World
from tests.support.app import traffic
from tests.support.harness import Exporter, SimClock, config_for, simulated, until

SECRET = "hunter2-not-to-be-seen"
TOKEN = "ghp_CANARYcanary0123456789"
OLD: dict[str, Any] = {
    "credentials": {"app": {"token_file": "token"}, "other": {"token_file": "token"}},
    "organizations": [{"name": "acme", "credential": "app"}, {"name": "globex", "credential": "app"}],
}


@pytest.fixture
def read(tmp_path: Path) -> Callable[[Mapping[str, Any]], Any]:
    (tmp_path / "token").write_text(SECRET)

    def settings(config: Mapping[str, Any]) -> Any:
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        return parse([f"--config.file={tmp_path / 'config.yaml'}"], {}, COLLECTORS)[1]

    return settings


@pytest.mark.parametrize(
    ("more", "told", "waiting"),
    [
        ({}, [], []),
        (
            {"organizations": [{"name": "acme", "credential": "other"}, {"name": "initech", "credential": "app"}]},
            ["organization/globex removed", "organization/initech added", "organization/acme has another credential"],
            [],
        ),
        (
            {"collectors": {"user_stats": {"enabled": False, "interval": "1h", "top_users": 3}}},
            ["user_stats switched off", "collectors.user_stats.interval", "collectors.user_stats.top_users"],
            [],
        ),
        ({"collectors": {"copilot_metrics": {"enabled": True}}}, ["copilot_metrics switched on"], []),
        (
            {
                "credentials": {
                    "app": {"token_file": "token", "proxy": f"http://me:{SECRET}@proxy:1"},
                    "third": {"token_file": "token"},
                }
            },
            ["credentials.app.proxy", "credentials.other removed", "credentials.third added"],
            [],
        ),
        (
            {"proxy": f"http://me:{SECRET}@proxy:1", "watch": {"users": [{"organization": "acme", "id": 1}]}},
            ["watch.users", "proxy"],
            [],
        ),
        (
            {"budget": {"share": 0.5}, "web": {"listen_address": ":1"}, "privacy": {"user_names": "off"}},
            ["privacy.user_names"],
            ["web.listen_address", "budget.share"],
        ),
    ],
)
def test_what_changed_is_told_by_name(
    read: Callable[[Mapping[str, Any]], Any], more: Mapping[str, Any], told: list[str], waiting: list[str]
) -> None:
    old, new = read(OLD), read({**OLD, **more})
    assert changes(old, new) == told
    assert fixed_changes(old, new) == waiting


def test_the_log_says_what_a_reload_changed_or_that_nothing_did(tmp_path: Path) -> None:
    clock = SimClock(1_795_262_400.0)
    (tmp_path / "token").write_text(TOKEN)
    github = SimulatedGitHub(World.of(traffic(int(clock()), "acme", "globex")), clock)
    with simulated(github) as (url,):
        config = config_for(url, "acme", "globex", token_file=tmp_path / "token")
        with Exporter(tmp_path, config) as exporter:
            exporter.start()

            def lines(event: str) -> list[str]:
                log = [json.loads(line) for line in exporter.log.read_text().splitlines() if line.startswith("{")]
                return [line["changed"] for line in log if line["event"] == event]

            def reload(**more: Any) -> str:
                before = len(lines("reloaded"))
                exporter.config.write_text(yaml.safe_dump({**own, **more}))
                assert exporter.process
                exporter.process.send_signal(signal.SIGHUP)
                return until(lambda: lines("reloaded")[before:], "it is reloaded")[0]

            own = yaml.safe_load(exporter.config.read_text())
            assert reload() == "nothing"
            assert reload(organizations=own["organizations"][:1]) == "organization/globex removed"
            assert reload(budget={"share": 0.5}) == "organization/globex added"
            waiting = "these settings change with a restart only"
            assert until(lambda: lines(waiting), "what waits is named") == ["budget.share"]
            assert reload(budget={"share": 0.5}) == "nothing"
            assert until(lambda: lines(waiting)[1:], "it still waits") == ["budget.share"]
