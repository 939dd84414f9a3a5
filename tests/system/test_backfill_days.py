"""`backfill` of what GitHub tells by day: every sample is what the running exporter showed, or what GitHub booked."""

import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_fd_to_metric_families
from pydantic import SecretStr

from exporter.catalogue import Collector
from exporter.collectors import copilot_people, copilot_repositories, server_statistics
from exporter.exposition.snapshot import Snapshot
from exporter.github.client import GitHub
from exporter.github.credentials import TokenCredential
from exporter.github.downloads import Downloads
from exporter.github.pacing import Pool
from exporter.instants import DAY, HOUR, day_of, epoch, utc_time
from exporter.jobs import Job
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.estate import Appliance, Copilot, Enterprise, Estate
from exporter.simulator.spend import usage
from exporter.simulator.world import World
from tests.support.attempts import conclusion_of
from tests.support.backfill import Backfill, History, backfill_of, only
from tests.support.harness import SimClock
from tests.support.jobs import exposition, job_of, public

DAYS = 40
STEP = 12 * HOUR
LOOPBACK = {"download_hosts": ["127.0.0.1"]}
APPLIANCES = (
    Appliance("ghes-eu", "ea6088f3", "ghes.eu.example.com", "3.19.2", users=500),
    Appliance("ghes-us", "0b9f2a51", "ghes.us.example.com", "3.14.9", users=300, old=True),
)
MISSING = {
    "users of acme": range(9, 15),
    "user-teams of acme": range(9, 15),
    "user-teams of acme-corp": range(20, 23),
    "repos of acme": (9, 10, 30),
    "repos of acme-corp": (10,),
}
"""The reports that GitHub never makes, by days ago: 204, and 404 for an enterprise's people."""
SHOWN = [
    copilot_people.COLLECTOR,
    copilot_people.OF_ENTERPRISE,
    copilot_repositories.COLLECTOR,
    copilot_repositories.OF_ENTERPRISE,
    server_statistics.COLLECTOR,
]


class Scene:
    """A GitHub of which days are missing, and of which an appliance has fallen silent."""

    def __init__(self) -> None:
        self.now = int(time.time())
        self.clock = SimClock(self.now)
        missing = {(name, day_of(self.now - back * DAY)) for name, days in MISSING.items() for back in days}
        self.estate = Estate(
            (Enterprise("acme-corp", ("acme", "globex"), APPLIANCES),),
            since=self.now - 100 * DAY,
            seed=5,
            copilot=Copilot(missing=missing),
            silent={"ghes-us": self.now - 20 * DAY},
        )
        self.github = SimulatedGitHub(World.of(), self.clock, estate=self.estate, limit=1_000_000)

    @property
    def first_day(self) -> int:
        return (self.now - DAYS * DAY) // DAY * DAY


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene()


@pytest.fixture(scope="module")
def by_day(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    collectors = only(
        "copilot_people",
        "copilot_repositories",
        "server_statistics",
        copilot_people=LOOPBACK,
        copilot_repositories=LOOPBACK,
    )
    yield from history(scene, tmp_path_factory.mktemp("by-day"), collectors, f"--step={STEP // HOUR}h")


@pytest.fixture(scope="module")
def spend(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backfill]:
    collectors = only("billing_usage", billing_usage={"organizations": True})
    with backfill_of(scene.github, tmp_path_factory.mktemp("spend"), collectors) as backfill:
        done = backfill.run(scene.now)
        assert done.returncode == 0, done.stdout + done.stderr
        yield backfill


def history(scene: Scene, folder: Path, collectors: dict[str, object], *flags: str) -> Iterator[History]:
    with backfill_of(scene.github, folder, collectors) as backfill:
        done = backfill.run(scene.now, *flags)
        assert done.returncode == 0, done.stdout + done.stderr
        yield backfill.history()


# What the running exporter showed.


def client_at(scene: Scene) -> GitHub:
    """A client of the simulated GitHub without a port, at its time."""
    application: Any = scene.github
    return GitHub(
        TokenCredential("token", "https://api.github.com", "2022-11-28", None, SecretStr("ghp_x"), None),
        Pool("token"),
        clock=scene.clock,
        monotonic=lambda: 0.0,
        transport=httpx.ASGITransport(application),
        downloads=Downloads(transport=httpx.ASGITransport(application), resolve=public),
    )


def job(collector: Collector) -> Job:
    """The job as it is configured above."""
    found = job_of(collector)
    options = collector.options.model_validate({})
    return replace(found, settings=replace(found.settings, options=options))


def shown_at_noon(scene: Scene, asking: Job) -> dict[int, dict[str, float]]:
    """The series of a scrape at noon of each day: one run each."""
    names = {family.name for table in asking.collector.tables for family in table.families}
    found, snapshot = {}, Snapshot()
    for day in range(scene.first_day, scene.now - DAY // 2, DAY):
        scene.clock.jump(day + DAY // 2 - scene.clock())
        now = scene.clock()
        snapshot = conclusion_of(asking, client_at(scene), snapshot, data_time=snapshot.data_time, now=now).snapshot
        lines = exposition(asking, snapshot, "text", now=now).splitlines()
        pairs = (line.rpartition(" ") for line in lines if line.partition("{")[0] in names)
        found[day] = {series: float(value) for series, _, value in pairs}
    scene.clock.jump(scene.now - scene.clock())
    return found


@pytest.mark.parametrize("collector", SHOWN, ids=lambda one: f"{one.name} of {one.scope}")
def test_each_day_has_what_the_exporter_showed_on_it(scene: Scene, by_day: History, collector: Collector) -> None:
    asking = job(collector)
    names = {family.name for table in collector.tables for family in table.families}
    at: dict[int, dict[str, float]] = {}
    for series, samples in by_day.items():
        if series.partition("{")[0] in names and f'"{asking.target.name}"' in series:
            for instant, value in samples.items():
                at.setdefault(instant, {})[series] = value
    shown = shown_at_noon(scene, asking)
    assert len(shown) >= DAYS - 1
    for day, figures in shown.items():
        assert len(figures) > 10
        for instant in range(day, day + DAY, STEP):
            assert at.get(instant) == figures, f"{collector.name} at {day_of(day)}"
    assert len({str(figures) for figures in shown.values()}) > DAYS / 2, "days differ"


# What GitHub booked.


@cache
def booked(scene: Scene, account: str, first: int, end: int) -> dict[tuple[str, ...], float]:
    """The net amounts of these days by product, SKU and unit."""
    owner = scene.estate.enterprises[0]
    enterprise = owner if account == owner.name else Enterprise(owner.name, (account,))
    sums: dict[tuple[str, ...], Decimal] = {}
    for row in usage(scene.estate, enterprise, range(first, end, DAY)):
        if row.shown_from <= scene.now:
            key = (row.product, row.sku, row.unit_type)
            sums[key] = sums.get(key, Decimal()) + row.gross - row.taken_off
    return {key: float(amount) for key, amount in sums.items()}


def days_over(instant: int) -> tuple[int, int]:
    """From when until when the days of the month are over; in the last hour of a month its last day counts, too."""
    first, end = int(epoch(day_of(instant)[:8] + "01")), instant // DAY * DAY
    is_last_hour = day_of(instant)[:7] != day_of(instant + HOUR)[:7]
    return first, end + DAY if is_last_hour else end


@pytest.mark.parametrize(("scope", "account"), [("enterprise", "acme-corp"), ("organization", "acme")])
def test_spend_of_each_hour_is_that_of_the_days_that_are_over(
    scene: Scene, spend: Backfill, scope: str, account: str
) -> None:
    name, found = f"github_billing_usage_{scope}_net_amount_usd", dict[int, dict[tuple[str, ...], float]]()
    for path in spend.output.glob(f"billing_usage.{scope}-*.om"):
        with path.open() as file:
            for family in text_fd_to_metric_families(file):
                for sample in family.samples:
                    if sample.name == name:
                        assert sample.labels[scope] == account
                        labels = tuple(sample.labels[label] for label in ("product", "sku", "unit_type"))
                        found.setdefault(int(float(str(sample.timestamp))), {})[labels] = sample.value
    for instant in range(scene.first_day, scene.now, HOUR):
        truth = booked(scene, account, *days_over(instant))
        assert found.get(instant, {}) == pytest.approx(truth, abs=1e-9), utc_time(instant)
    assert len(found) > 24 * (DAYS - 3)
