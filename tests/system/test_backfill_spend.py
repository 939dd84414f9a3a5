"""`backfill` of spend as a process: every sample of every day is the sum of what the simulated enterprise used."""

import re
import time
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors.usage_reports.exports import periods
from exporter.instants import DAY, HOUR, day_of, epoch
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.estate import Enterprise, Estate
from exporter.simulator.faults import Fault
from exporter.simulator.signed import FOLDER
from exporter.simulator.spend import UsageRow, usage
from exporter.simulator.world import World
from tests.support.backfill import Backfill, backfill_of, family, hours, only
from tests.support.harness import SimClock
from tests.support.usage_reports import REPORTS

FAMILIES = {
    "github_usage_report_quantity": lambda row: row.quantity,
    "github_usage_report_gross_amount_usd": lambda row: row.gross,
    "github_usage_report_discount_amount_usd": lambda row: row.taken_off,
    "github_usage_report_net_amount_usd": lambda row: row.gross - row.taken_off,
}
LABELS = ("month", "organization", "product", "sku", "unit_type", "cost_center")
ENTERPRISE = Enterprise("acme-corp", ("acme", "globex"))


@dataclass
class Scene:
    """An enterprise with its exports, and the months of its past: the running one, and the three before."""

    folder: Path
    now: int = field(default_factory=lambda: int(time.time()))

    def __post_init__(self) -> None:
        self.estate = Estate((ENTERPRISE,), since=self.now - 200 * DAY, seed=5)
        self.github = SimulatedGitHub(World.of(), SimClock(self.now), estate=self.estate, limit=1_000_000)
        self.exports = self.github.exports
        self.exports.seconds = 0.0
        self.months = [periods(self.now)[0].month]
        while len(self.months) < 4:
            self.months.insert(0, day_of(epoch(f"{self.months[0]}-01") - DAY)[:7])
        self.begin = int(epoch(f"{self.months[1]}-01"))
        self.midnight = self.now // DAY * DAY

    def make(self, month: str, report_type: str = "summarized") -> None:
        """An export of a month that somebody requested: of the running one up to yesterday."""
        following = int(epoch(f"{month}-01")) + 31 * DAY
        last = min(int(epoch(f"{day_of(following)[:7]}-01")), self.midnight) - DAY
        if day_of(last)[:7] == month:
            order = {"report_type": report_type, "start_date": f"{month}-01", "end_date": day_of(last)}
            self.exports.make("acme-corp", order, self.now, ready=self.now)

    def backfill(self, **options: Any) -> Any:
        chosen = {"download_hosts": ["127.0.0.1"], "max_series": 1_000, **options}
        return backfill_of(self.github, self.folder, only("usage_reports", usage_reports=chosen))

    def run(self, backfill: Backfill, *flags: str) -> Any:
        return backfill.run(self.now, f"--from={day_of(self.begin)}", *flags)

    def requests(self) -> list[str]:
        """The requests to the API, without those for files."""
        return [record.method for record in self.github.log if record.path.startswith(REPORTS)]

    def truth(self, month: str) -> list[UsageRow]:
        """What GitHub shows of a month now."""
        first = int(epoch(f"{month}-01"))
        days = range(first, min(first + 31 * DAY, self.midnight), DAY)
        rows = usage(self.estate, ENTERPRISE, days)
        return [row for row in rows if row.date.startswith(month) and row.shown_from <= self.now]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def key_of(row: UsageRow) -> tuple[str, ...]:
    return (row.date[:7], row.organization, row.product, row.sku, row.unit_type, row.cost_center)


def shown_of(scene: Scene, rows: list[UsageRow], amount: Any, *, key: Any = key_of) -> dict[Any, dict[int, float]]:
    """What must be shown of a month's rows: sums by day and series, the whole of it for one month more."""
    found: dict[Any, dict[int, float]] = {}
    totals: dict[Any, Fraction] = {}
    month = rows[0].date[:7]
    first = int(epoch(f"{month}-01"))
    following = int(epoch(f"{day_of(first + 31 * DAY)[:7]}-01"))
    after_that = int(epoch(f"{day_of(following + 31 * DAY)[:7]}-01"))
    for day in range(first, following, DAY):
        if day + DAY > scene.midnight:
            break
        for row in rows:
            if row.date == day_of(day):
                totals[key(row)] = totals.get(key(row), Fraction(0)) + Fraction(amount(row))
        until = day + 2 * DAY if day + DAY < min(following, scene.midnight) else after_that
        for instant in hours(max(day + DAY, scene.begin), min(until, scene.now) - 1, HOUR):
            for series, total in totals.items():
                found.setdefault(series, {})[instant] = float(total)
    return found


def check(history: Any, expected: dict[str, dict[Any, dict[int, float]]], *labels: str) -> None:
    for name, series in expected.items():
        found = family(history, name, *labels)
        assert found.keys() == series.keys(), name
        for key, samples in series.items():
            assert found[key].keys() == samples.keys(), (name, key)
            wrong = {at: (found[key][at], samples[at]) for at in samples if abs(found[key][at] - samples[at]) > 1e-9}
            assert not wrong, (name, key, list(wrong.items())[:3])


def check_all(scene: Scene, history: Any, months: list[str]) -> None:
    """Every sample of the spend of these months, and no other."""
    for name, amount in FAMILIES.items():
        expected: dict[Any, dict[int, float]] = {}
        for month in months:
            if rows := scene.truth(month):
                expected |= shown_of(scene, rows, amount)
        check(history, {name: expected}, *LABELS)


def test_every_sample_of_every_day_is_the_sum_of_what_was_used(scene: Scene) -> None:
    for month in scene.months:
        scene.make(month)
    with scene.backfill() as backfill:
        planned = scene.run(backfill, "--dry-run")
        said = re.search(r"^([\d,]+) requests", planned.stdout, re.MULTILINE)
        before = len(scene.requests())
        done = scene.run(backfill)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Gaps" not in done.stdout
        history = backfill.history()
    check_all(scene, history, scene.months)
    sent = len(scene.requests()) - before
    assert said
    assert int(said[1]) == sent == 1 + len(scene.exports.created)
    rows = {(month,): scene.truth(month) for month in scene.months}
    counts = family(history, "github_usage_report_rows", "month")
    newest = family(history, "github_usage_report_newest_day_timestamp_seconds", "month")
    for series, of_month in rows.items():
        if of_month:
            assert max(counts[series].values()) == len(of_month)
            assert max(newest[series].values()) == max(epoch(row.date) for row in of_month)
    assert not family(history, "github_usage_report_created_timestamp_seconds", "month")
    assert not family(history, "github_usage_report_exports", "status")


def test_what_no_export_covers_is_created_once_and_types_beside_the_spend_are_read(scene: Scene) -> None:
    whole = scene.months[:3]
    scene.make(whole[0], "detailed")
    scene.make(whole[2], "ai_credit")
    options = {"create": True, "report_type": "detailed", "breakdowns": ["username"]}
    with scene.backfill(**options) as backfill:
        scene.github.faults.add(Fault(FOLDER, kind="truncate", times=1))  # a file cut off is read again
        done = scene.run(backfill, f"--to={day_of(epoch(f'{scene.months[3]}-01') - DAY)}")
        assert done.returncode == 0, done.stdout + done.stderr
        history = backfill.history()
    made = sorted(export.start for export in scene.exports.created if export.report_type == "detailed")
    assert made == [f"{month}-01" for month in whole]
    scene.midnight = scene.now = int(epoch(f"{scene.months[3]}-01"))
    by_user: dict[Any, dict[int, float]] = {}
    for month in whole:
        rows = scene.truth(month)
        by_user |= shown_of(scene, rows, lambda row: row.gross, key=lambda row: (*key_of(row), row.username))
    check(history, {"github_usage_report_user_gross_amount_usd": by_user}, *LABELS, "username")
    used = [row for row in scene.truth(whole[2]) if row.unit_type == "credits"]
    check(history, {"github_usage_report_ai_credit_quantity": shown_of(scene, used, lambda row: row.quantity)}, *LABELS)


def test_without_create_a_month_without_an_export_is_a_gap_and_not_zero(scene: Scene) -> None:
    scene.make(scene.months[0])
    scene.make(scene.months[2])
    with scene.backfill() as backfill:
        done = scene.run(backfill, f"--to={day_of(epoch(f'{scene.months[3]}-01') - DAY)}")
        history = backfill.history()
    month = scene.months[1]
    assert f"no summarized export covers {month}: set collectors.usage_reports.create: true" in done.stdout
    scene.midnight = scene.now = int(epoch(f"{scene.months[3]}-01"))
    check_all(scene, history, [scene.months[0], scene.months[2]])
    assert not any(record == "POST" for record in scene.requests())
