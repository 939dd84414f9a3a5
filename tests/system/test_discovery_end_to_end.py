"""Discovery end to end: a real exporter collects from what a simulated GitHub lists."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import SimulatedApp, SimulatedInstallation
from exporter.simulator.faults import Fault
from exporter.simulator.world import World
from tests.support.app import CLIENT_ID, app_config, installed, new_key, traffic, works
from tests.support.harness import Exporter, SimClock, simulated, until

NAMES = ("acme", "globex", "initech")
SUCCESS = 'github_exporter_discovery_success{credential="app"}'


class Scene:
    """An App on some organizations of three, in a GitHub whose installations a test changes."""

    def __init__(self, folder: Path, *organizations: str, **more: Any) -> None:
        clock = SimClock(time.time())
        clock.run(1.0)
        self.installations = dict(installed(*organizations))
        self.app = SimulatedApp(CLIENT_ID, new_key(folder / "app.pem"), self.installations)
        self.github = SimulatedGitHub(World.of(traffic(int(clock()), *NAMES)), clock, apps=[self.app], **more)
        self.folder = folder

    def config(self, url: str, *listed: str, **entry: Any) -> dict[str, Any]:
        """Jobs run once an hour; listings every second, unless an entry says otherwise."""
        config = app_config(url, self.folder, *listed)
        for collector in config["collectors"].values():
            if collector.get("enabled", True):
                collector["interval"] = "1h"
        config["discover"] = [{"credential": "app", "interval": "1s", **entry}]
        return config

    def listings(self) -> int:
        return sum(record.path == "/app/installations" for record in self.github.log)

    def asked(self, organization: str) -> list[str]:
        """The paths about an organization that were asked for."""
        return [record.path for record in self.github.log if f"/{organization}/" in record.path]


@contextmanager
def discovering(scene: Scene, *listed: str, **entry: Any) -> Iterator[Exporter]:
    with simulated(scene.github) as (url,), Exporter(scene.folder, scene.config(url, *listed, **entry)) as exporter:
        yield exporter.start()


def lines(exporter: Exporter, event: str) -> list[dict[str, Any]]:
    log = [json.loads(line) for line in exporter.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in log if line["event"] == event]


def targets(exporter: Exporter) -> set[str]:
    return set(
        re.findall(
            r'^github_exporter_collector_runs_total\{collector="summary_stats",target="(.*?)"\}',
            exporter.metrics(),
            re.MULTILINE,
        )
    )


def test_where_the_app_is_installed_is_collected_and_what_comes_later_too(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "acme")
    with discovering(scene) as exporter:
        until(lambda: works(exporter, "route_stats", "acme"), "what was there at the start is collected")
        before = len(scene.asked("acme"))
        scene.installations |= {"globex": SimulatedInstallation(7)}
        until(lambda: works(exporter, "route_stats", "globex"), "what came later is collected")
        assert len(scene.asked("acme")) == before, "nothing is asked of the others"
        assert exporter.value('github_exporter_targets{kind="organization",source="discovered"}') == 2
        assert exporter.value(SUCCESS) == 1
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
        assert len(scene.github.log) == requests, "nothing is due"
