"""Spend end to end: the exporter as a process, exports and their files over HTTP; figures against a sum of our own."""

import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from exporter.collecting.exports import periods
from exporter.simulator.access import TokenFacts
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.estate import DAY, Enterprise, Estate, instant_of
from exporter.simulator.faults import Fault
from exporter.simulator.signed import FOLDER
from exporter.simulator.spend import Usage, usage
from exporter.simulator.world import World
from tests.harness import Exporter, SimClock, simulated, until

NOW = 1_795_262_400.0  # 2026-11-21T12:00:00Z
TOKEN = "ghp_CANARYowner"
OWNER = TokenFacts(frozenset(), {"acme-corp"}, kind="classic", scopes=("manage_billing:enterprise",), user="owner")
REPORTS = "/enterprises/acme-corp/settings/billing/reports"
OTHERS = ("server_statistics", "copilot_usage", "billing_usage")
RUNNING, BEFORE = periods(NOW)
SERIES = re.compile(r'^github_usage_report_(\w+)\{enterprise="acme-corp",month="([\d-]+)",(.*)\} (\S+)$', re.MULTILINE)


class Scene:
    """An enterprise, its exports, and the configuration of an exporter that reads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "token").write_text(TOKEN)
        self.enterprise = Enterprise("acme-corp", ("acme", "globex"))
        self.estate = Estate((self.enterprise,), since=NOW - 90 * DAY, seed=5)
        self.clock = SimClock(NOW)
        self.clock.run(1.0)
        self.github = SimulatedGitHub(World.of(), self.clock, tokens={TOKEN: OWNER}, estate=self.estate)
        self.exports = self.github.exports
        self.exports.seconds = 0.3
        self.url = ""

    def config(self, **options: Any) -> dict[str, Any]:
        chosen = {"interval": "1s", "download_hosts": ["127.0.0.1"], **options}
        return {
            "credentials": {"owner": {"api_url": self.url, "token_file": str(self.folder / "token")}},
            "enterprises": [{"name": "acme-corp", "credential": "owner"}],
            "collectors": {**{name: {"enabled": False} for name in OTHERS}, "usage_reports": chosen},
            "budget": {"share": 1.0, "reserve": 0},
        }

    def make(self, report_type: str = "summarized", start: str = RUNNING.first, end: str = RUNNING.last) -> None:
        """An export that somebody else asked for, ready now."""
        order = {"report_type": report_type, "start_date": start, "end_date": end}
        self.exports.make("acme-corp", order, NOW, ready=NOW)

    def rows(self, month: str) -> list[Usage]:
        """What GitHub shows of a month now."""
        first = instant_of(f"{month}-01")
        assert first is not None
        known = usage(self.estate, self.enterprise, range(first, first + 31 * DAY, DAY))
        return [row for row in known if row.date.startswith(month) and row.shown_from <= NOW]

    def posts(self) -> int:
        return sum(record.method == "POST" for record in self.github.log)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    with simulated(scene.github) as (url,):
        scene.url = url
        yield scene


def gross_by_sku(exporter: Exporter, month: str) -> dict[str, float]:
    """What is served, summed by SKU."""
    found: Counter[str] = Counter()
    for family, of, labels, value in SERIES.findall(exporter.metrics()):
        if family == "gross_amount_usd" and of == month:
            sku = re.search(r'sku="(.*?)"', labels)
            assert sku
            found[sku[1]] += float(value)
    return dict(found)


def expected(rows: list[Usage]) -> dict[str, float]:
    sums: dict[str, Fraction] = {}
    for row in rows:
        sums[row.sku] = sums.get(row.sku, Fraction(0)) + Fraction(row.gross)
    return {sku: float(amount) for sku, amount in sums.items()}


def right(exporter: Exporter, scene: Scene, month: str) -> bool:
    """Whether the month's figures are those of our own sum, to far less than a cent."""
    served, wanted = gross_by_sku(exporter, month), expected(scene.rows(month))
    return served.keys() == wanted.keys() and all(abs(served[sku] - wanted[sku]) < 1e-9 for sku in wanted)


def failures(exporter: Exporter, reason: str) -> float:
    series = f'{{collector="usage_reports",target="enterprise/acme-corp",reason="{reason}"}}'
    return exporter.value(f"github_exporter_collector_errors_total{series}") or 0.0


def test_without_create_what_is_there_is_used_and_nothing_is_asked_for(scene: Scene) -> None:
    scene.make(start="2026-10-01", end="2026-11-21")  # wider than a month: rows are told apart by their date
    scene.make(start="2026-11-05", end="2026-11-21")  # does not cover the month
    scene.make("ai_credit")
    with Exporter(scene.folder, scene.config()) as exporter:
        exporter.start()
        for month in (RUNNING.month, BEFORE.month):
            until(lambda month=month: right(exporter, scene, month), f"the figures of {month}")
        body = exporter.metrics()
        listed = 'github_usage_report_exports{enterprise="acme-corp",report_type="summarized",status="completed"}'
        assert f"{listed} 2\n" in body
        assert (
            f'github_usage_report_created_timestamp_seconds{{enterprise="acme-corp",month="2026-11"}} {NOW:.0f}\n'
            in body
        )
        assert 'github_usage_report_ai_credit_gross_amount_usd{enterprise="acme-corp",month="2026-11"' in body
        # Rows of every organization, and gross beside net: what a plan covers is not nothing.
        for organization in ("acme", "globex"):
            assert f'month="2026-11",organization="{organization}",product="packages"' in body
        stored = [
            float(v) for f, _, labels, v in SERIES.findall(body) if f == "net_amount_usd" and "packages_" in labels
        ]
        assert set(stored) == {0.0}
        runs = 'github_exporter_collector_runs_total{collector="usage_reports",target="enterprise/acme-corp"}'
        until(lambda: (exporter.value(runs) or 0) >= 3, "three runs")
    assert scene.posts() == 0
    files = [record for record in scene.github.log if record.path.startswith(FOLDER)]
    assert len(files) == len({record.path.rpartition("/")[2] for record in files})  # each file was read once
    assert scene.github.files.tokens_sent == 0


def test_with_create_one_export_is_made_per_month_and_refresh(scene: Scene) -> None:
    config = scene.config(create=True, interval="1h", report_type="detailed", also=["ai_credit"])
    with Exporter(scene.folder, config) as exporter:
        exporter.start()
        for month in (RUNNING.month, BEFORE.month):
            until(lambda month=month: right(exporter, scene, month), f"the figures of {month}")
        until(lambda: "github_usage_report_ai_credit_gross_amount_usd{" in exporter.metrics(), "AI credits")
        assert exporter.stop() == 0
    made = Counter((one.report_type, one.start, one.end) for one in scene.exports.made)
    assert made == {
        (report_type, period.first, period.last): 1
        for report_type in ("detailed", "ai_credit")
        for period in (RUNNING, BEFORE)
    }
    assert scene.posts() == 4


def test_a_lost_answer_is_found_again_in_the_list(scene: Scene) -> None:
    scene.exports.lost_answers = 2
    with Exporter(scene.folder, scene.config(create=True, interval="2s")) as exporter:
        exporter.start()
        until(lambda: right(exporter, scene, BEFORE.month), "the figures of the month before")
    before = [one for one in scene.exports.made if one.start == BEFORE.first]
    assert len(before) == 1


@pytest.mark.timeout(300)
def test_fifty_kills_make_no_second_export_and_the_figures_are_right(scene: Scene) -> None:
    chance = random.Random(11)
    scene.exports.seconds = 2.0
    with Exporter(scene.folder, scene.config(create=True, interval="1h")) as exporter:
        for _ in range(50):
            exporter.start()
            time.sleep(chance.uniform(0.0, 0.5))  # a kill at any moment is the point
            exporter.kill()
        exporter.start()
        for month in (RUNNING.month, BEFORE.month):
            until(lambda month=month: right(exporter, scene, month), f"the figures of {month}", 90)
    assert Counter(one.start for one in scene.exports.made) == {RUNNING.first: 1, BEFORE.first: 1}


def test_two_exporters_at_the_same_instant_make_two_at_most(scene: Scene, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    config = scene.config(create=True, interval="1h")
    with Exporter(scene.folder, config) as one, Exporter(second, config) as two:
        one.start()
        two.start()
        for exporter in (one, two):
            until(lambda exporter=exporter: right(exporter, scene, RUNNING.month), "both are right")
    assert all(count <= 2 for count in Counter(made.start for made in scene.exports.made).values())


FAULTS = {
    "a rejected token": (Fault(REPORTS, status=401), "credential"),
    "no permission": (Fault(REPORTS, status=403), "forbidden"),
    "not found": (Fault(REPORTS, status=404), "not_found"),
    "a server error": (Fault(REPORTS, status=500), "unavailable"),
    "no service": (Fault(REPORTS, status=503), "unavailable"),
    "garbage": (Fault(REPORTS, kind="garbage"), "invalid"),
    "a file cut off": (Fault(FOLDER, kind="truncate"), "unavailable"),
    "a file that never begins": (Fault(FOLDER, kind="reset"), "unavailable"),
    "a page for people": (Fault(FOLDER, kind="garbage"), "invalid"),
    "links that are dead": (Fault(FOLDER, status=403), "unavailable"),
    "a redirect to another host": (
        Fault(FOLDER, status=302, headers={"location": "https://files.elsewhere.invalid/x?sig=CANARY"}),
        "invalid",
    ),
    "a redirect to a private address": (
        Fault(FOLDER, status=302, headers={"location": "http://10.0.0.1/x?sig=CANARY"}),
        "invalid",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_leaves_the_last_good_figures_and_is_counted(scene: Scene, fault: str) -> None:
    disturbance, reason = FAULTS[fault]
    scene.make(start="2026-10-01", end="2026-11-21")
    with Exporter(scene.folder, scene.config()) as exporter:
        exporter.start()
        until(lambda: right(exporter, scene, RUNNING.month), "the figures")
        scene.github.faults.add(disturbance)
        scene.exports.make("acme-corp", {"report_type": "summarized", "start_date": "2026-11-01"}, NOW + 1, ready=NOW)
        until(lambda: failures(exporter, reason) >= 1, f"the reason {reason}")
        assert right(exporter, scene, RUNNING.month)
        seen = exporter.metrics() + exporter.log.read_text()
        for secret in ("CANARY", "sig="):
            assert secret not in seen
    assert scene.github.files.tokens_sent == 0


def test_without_permission_to_make_one_what_is_there_is_shown_and_the_reason_is_counted(scene: Scene) -> None:
    scene.make()
    scene.exports.read_only = True
    with Exporter(scene.folder, scene.config(create=True, interval="1h")) as exporter:
        exporter.start()
        until(lambda: failures(exporter, "forbidden") >= 1, "the reason")
        assert right(exporter, scene, RUNNING.month)
    assert len(scene.exports.made) == 1


def test_an_export_that_fails_is_a_reason_and_one_that_vanishes_is_forgotten(scene: Scene) -> None:
    scene.exports.failing.add("summarized")
    with Exporter(scene.folder, scene.config(create=True, interval="2s")) as exporter:
        exporter.start()
        until(lambda: failures(exporter, "unavailable") >= 1, "the failure")
        scene.exports.failing.clear()
        scene.exports.made.clear()
        until(lambda: right(exporter, scene, RUNNING.month), "a new one is made", 90)


def test_dead_links_are_asked_for_anew_once(scene: Scene) -> None:
    scene.make(start="2026-10-01", end="2026-11-21")
    scene.exports.dead_links = 1
    with Exporter(scene.folder, scene.config()) as exporter:
        exporter.start()
        until(lambda: right(exporter, scene, RUNNING.month), "the figures")
    asked = [record.path for record in scene.github.log if record.path.startswith(f"{REPORTS}/")]
    assert len(asked) == 1


def test_people_are_named_as_is_wished_and_the_state_holds_no_name(scene: Scene) -> None:
    scene.make("detailed")
    config = scene.config(report_type="detailed", breakdowns=["username"])
    with Exporter(scene.folder, {**config, "privacy": {"user_names": "pseudonym"}}) as exporter:
        exporter.start()
        until(lambda: "github_usage_report_user_gross_amount_usd{" in exporter.metrics(), "users")
        body = exporter.metrics()
        assert exporter.stop() == 0
    kept = b"".join(path.read_bytes() for path in (scene.folder / "state").iterdir()).decode("latin-1")
    assert re.search(r'username="user-[0-9a-f]{12}"', body)
    for name in ("octocat", "hubot", "mona"):
        assert name not in body
        assert name not in kept


def test_a_correction_makes_a_gauge_fall(scene: Scene) -> None:
    scene.make(start="2026-10-01", end="2026-11-21")
    with Exporter(scene.folder, scene.config()) as exporter:
        exporter.start()
        until(lambda: right(exporter, scene, RUNNING.month), "the figures")
        before = sum(gross_by_sku(exporter, RUNNING.month).values())
        scene.estate.seed = 6  # GitHub tells the month otherwise
        newer = scene.exports.make(
            "acme-corp", {"report_type": "summarized", "start_date": "2026-10-01"}, NOW, ready=NOW
        )
        scene.exports.made[-1] = replace(newer, created=NOW + 1)
        until(lambda: right(exporter, scene, RUNNING.month), "the new figures")
        assert sum(gross_by_sku(exporter, RUNNING.month).values()) != before
        assert "# TYPE github_usage_report_gross_amount_usd gauge" in exporter.metrics()
