"""Several exporters that share the targets: together they are one, and a target can move between them."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter.settings.shards import owner
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import SimulatedApp
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from tests.support.app import CLIENT_ID, app_config, installed, new_key, works
from tests.support.harness import Exporter, SimClock, command, simulated, until

HOUR = 3600
ORGANIZATIONS = [f"org{number}" for number in range(16)]
TOTAL = "github_api_insights_requests_total"
SERIES = re.compile(r"^(github_(?!exporter_)\w+\{.*\}) (\S+)$", re.MULTILINE)


@contextmanager
def fleet(folder: Path, config: dict[str, Any], shards: int) -> Iterator[list[Exporter]]:
    """So many exporters of one configuration; a single one shares nothing."""
    with ExitStack() as stack:
        exporters = []
        for shard in range(shards):
            own = folder / f"{shard}-of-{shards}"
            own.mkdir()
            environ = {"GITHUB_EXPORTER_SHARD": str(shard), "GITHUB_EXPORTER_TOTAL_SHARDS": str(shards)}
            exporters.append(stack.enter_context(Exporter(own, config, **environ)))
        yield exporters


def owned(shard: int, shards: int) -> list[str]:
    return [name for name in ORGANIZATIONS if owner(f"app/{name}", shards) == shard]


def shown(exporters: list[Exporter]) -> dict[str, float]:
    """Every series of GitHub's, of all of them; none may be shown by two."""
    found: dict[str, float] = {}
    for exporter in exporters:
        series = {name: float(value) for name, value in SERIES.findall(exporter.metrics())}
        assert not found.keys() & series.keys()
        found |= series
    return found


def total(exporters: list[Exporter]) -> float:
    return sum(value for name, value in shown(exporters).items() if name.startswith(f"{TOTAL}{{"))


@contextmanager
def github(folder: Path) -> Iterator[tuple[World, dict[str, Any]]]:
    """Sixteen organizations under one App, and the configuration that reads them."""
    clock = SimClock(float(int(time.time())))
    world = World.of([Event(name, "user", 1, int(clock()) - HOUR, requests=9) for name in ORGANIZATIONS])
    app = SimulatedApp(CLIENT_ID, new_key(folder / "app.pem"), installed(*ORGANIZATIONS))
    with simulated(SimulatedGitHub(world, clock, limit=1_000_000, apps=[app])) as (url,):
        config = app_config(url, folder, *ORGANIZATIONS)
        for collector in config["collectors"].values():
            collector["interval"] = "5s"
        yield world, config


def add(world: World, requests: int) -> None:
    for name in ORGANIZATIONS:
        world.add(Event(name, "user", 1, int(time.time()) - HOUR, requests=requests))


@pytest.mark.timeout(600)  # four exporters read 80 sources each or together, and first of all tests
@pytest.mark.parametrize("shards", [2, 3])
def test_together_shards_show_what_one_exporter_shows(shards: int, tmp_path: Path) -> None:
    with (
        github(tmp_path) as (world, config),
        fleet(tmp_path, config, 1) as one,
        fleet(tmp_path, config, shards) as all_,
    ):
        for exporter in (*one, *all_):
            exporter.start()
        until(lambda: works(one[0], "route_stats", *ORGANIZATIONS), "the one has read all", 240)
        for shard, exporter in enumerate(all_):
            until(
                lambda shard=shard, exporter=exporter: works(exporter, "route_stats", *owned(shard, shards)),
                "its own",
                240,
            )
            assert exporter.value("github_exporter_shard_targets") == len(owned(shard, shards))
            assert exporter.value(f'github_exporter_shard_info{{shard="{shard}",total_shards="{shards}"}}') == 1
            assert exporter.value('github_exporter_configured_targets{kind="organization"}') == len(ORGANIZATIONS)
        add(world, 3)
        for exporters in (one, all_):
            until(lambda exporters=exporters: total(exporters) == 3 * len(ORGANIZATIONS), "all has been counted")
        until(lambda: shown(all_).keys() == shown(one).keys(), "each series is there; a diagnostic comes a read later")
        counters = [name for name in shown(one) if "_total{" in name]
        assert len(counters) > 4 * len(ORGANIZATIONS)
        until(lambda: all(shown(all_)[name] == shown(one)[name] for name in counters), "every counter is the same")


def test_check_and_plan_tell_what_each_shard_does(tmp_path: Path) -> None:
    with github(tmp_path) as (_world, config), fleet(tmp_path, config, 3) as exporters:
        file = f"--config.file={exporters[0].config}"
        for shard in range(3):
            done = command("check", file, f"--shard={shard}", "--total-shards=3")
            assert f"it reads {len(owned(shard, 3))} of {len(ORGANIZATIONS)} targets" in done.stdout
        planned = command("plan", file, "--total-shards=3")
        rows = dict(re.findall(r"^([0-2]) +(\d+) +[\d,]+ +[\d,]+$", planned.stdout, re.MULTILINE))
        assert rows == {str(shard): str(len(owned(shard, 3))) for shard in range(3)}
