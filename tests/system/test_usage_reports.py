"""Spend end to end: the exporter as a process, exports and their files over HTTP; figures against a sum of our own."""

import random
import re
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import SimulatedApp, SimulatedInstallation
from exporter.simulator.faults import Fault
from exporter.simulator.signed import FOLDER
from exporter.simulator.world import World
from tests.support.app import CLIENT_ID, new_key
from tests.support.harness import Exporter, simulated, until
from tests.support.jobs import NOW
from tests.support.usage_reports import (
    BEFORE,
    REPORTS,
    RUNNING,
    SERIES,
    Scene,
    failures,
    gross_by_sku,
    right,
    scene,
)

__all__ = ["scene"]  # a fixture


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
    made = Counter((one.report_type, one.start, one.end) for one in scene.exports.created)
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
    before = [one for one in scene.exports.created if one.start == BEFORE.first]
    assert len(before) == 1


@pytest.mark.timeout(900)
def test_fifty_kills_make_no_second_export_and_the_figures_are_right(scene: Scene) -> None:
    chance = random.Random(11)
    scene.exports.seconds = 2.0
    with Exporter(scene.folder, scene.config(create=True, interval="1h")) as exporter:
        for _ in range(50):
            exporter.start()
            time.sleep(chance.uniform(0.0, 0.5))  # a kill at any moment is the point
            exporter.kill()
        exporter.start()
        exporter.stop()  # after three kills in a row a run waits for its interval; an ordinary stop ends that
        exporter.start()
        for month in (RUNNING.month, BEFORE.month):
            until(lambda month=month: right(exporter, scene, month), f"the figures of {month}", 90)
    assert Counter(one.start for one in scene.exports.created) == {RUNNING.first: 1, BEFORE.first: 1}


def test_two_exporters_at_the_same_instant_make_two_at_most(scene: Scene, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    config = scene.config(create=True, interval="1h")
    with Exporter(scene.folder, config) as one, Exporter(second, config) as two:
        one.start()
        two.start()
        for exporter in (one, two):
            until(lambda exporter=exporter: right(exporter, scene, RUNNING.month), "both are right")
    assert all(count <= 2 for count in Counter(made.start for made in scene.exports.created).values())


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
    assert len(scene.exports.created) == 1


def test_permission_to_read_billing_suffices_to_make_an_export(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    installed = {"acme-corp": SimulatedInstallation(2, {"enterprise_billing": "read"})}
    app = SimulatedApp(CLIENT_ID, new_key(tmp_path / "app.pem"), {}, installed)
    github = SimulatedGitHub(World.of(), scene.clock, tokens={}, apps=[app], estate=scene.estate)
    github.exports.seconds = 0.3
    with simulated(github) as (url,):
        config = scene.config(create=True, interval="1h")
        config["credentials"]["owner"] = {
            "api_url": url,
            "app_client_id": CLIENT_ID,
            "private_key_file": str(tmp_path / "app.pem"),
        }
        with Exporter(tmp_path, config) as exporter:
            exporter.start()
            until(lambda: right(exporter, scene, RUNNING.month), "the figures")
    assert {one.start for one in github.exports.created} == {RUNNING.first, BEFORE.first}


def test_an_export_that_fails_is_a_reason_and_one_that_vanishes_is_forgotten(scene: Scene) -> None:
    scene.exports.failing.add("summarized")
    with Exporter(scene.folder, scene.config(create=True, interval="2s")) as exporter:
        exporter.start()
        until(lambda: failures(exporter, "unavailable") >= 1, "the failure")
        scene.exports.failing.clear()
        scene.exports.created.clear()
        until(lambda: right(exporter, scene, RUNNING.month), "a new one is made", 90)


def test_dead_links_are_asked_for_anew_once(scene: Scene) -> None:
    scene.make(start="2026-10-01", end="2026-11-21")
    scene.exports.dead_links = 1
    with Exporter(scene.folder, scene.config()) as exporter:
        exporter.start()
        until(lambda: right(exporter, scene, RUNNING.month), "the figures")
    asked = [record.path for record in scene.github.log if record.path.startswith(f"{REPORTS}/")]
    assert len(asked) == 1


def test_an_export_that_is_listed_without_links_is_asked_for_by_its_id(scene: Scene) -> None:
    scene.make(start="2026-10-01", end="2026-11-21")
    scene.exports.links_in_list = False
    with Exporter(scene.folder, scene.config()) as exporter:
        exporter.start()
        for month in (RUNNING.month, BEFORE.month):
            until(lambda month=month: right(exporter, scene, month), f"the figures of {month}")
        runs = 'github_exporter_collector_runs_total{collector="usage_reports",target="enterprise/acme-corp"}'
        until(lambda: (exporter.value(runs) or 0) >= 3, "three runs")
        assert failures(exporter, "invalid") == failures(exporter, "unavailable") == 0
    asked = [record.path for record in scene.github.log if record.path.startswith(f"{REPORTS}/")]
    assert len(asked) == 1


def test_an_export_without_rows_has_no_link_and_a_spend_of_nothing(scene: Scene) -> None:
    """Observed: `completed` without a link."""
    scene.make(start="2026-10-01", end="2026-11-21")
    scene.exports.files = 0
    with Exporter(scene.folder, scene.config()) as exporter:
        exporter.start()
        rows = 'github_usage_report_rows{enterprise="acme-corp",month="2026-11"}'
        until(lambda: exporter.value(rows) == 0, "no rows")
        assert failures(exporter, "invalid") == failures(exporter, "unavailable") == 0


def test_a_link_that_is_listed_twice_is_one_file(scene: Scene) -> None:
    scene.make(start="2026-10-01", end="2026-11-21")
    scene.exports.files, scene.exports.links_twice = 3, True
    with Exporter(scene.folder, scene.config()) as exporter:
        exporter.start()
        for month in (RUNNING.month, BEFORE.month):
            until(lambda month=month: right(exporter, scene, month), f"the figures of {month}")
    assert sum(record.path.startswith(FOLDER) for record in scene.github.log) == 3


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


def test_another_privacy_takes_names_away_at_once_and_makes_no_export(scene: Scene) -> None:
    scene.make("detailed")
    config = scene.config(report_type="detailed", breakdowns=["username"], create=True)
    with Exporter(scene.folder, config) as exporter:
        exporter.start()
        until(lambda: 'username="octocat"' in exporter.metrics(), "users")
        made = sum(record.method == "POST" for record in scene.github.log)
        written = yaml.safe_load(exporter.config.read_text())
        exporter.config.write_text(yaml.safe_dump({**written, "privacy": {"user_names": "pseudonym"}}))
        assert exporter.process
        exporter.process.send_signal(signal.SIGHUP)
        until(lambda: '"reloaded' in exporter.log.read_text(), "it is reloaded")
        first = exporter.metrics()
        assert not re.search(r'username="(?!user-)', first)
        assert "github_usage_report_gross_amount_usd{" in first
        until(lambda: re.search(r'username="user-[0-9a-f]{12}"', exporter.metrics()), "pseudonyms")
        assert sum(record.method == "POST" for record in scene.github.log) == made
        assert exporter.stop() == 0
    kept = b"".join(path.read_bytes() for path in (scene.folder / "state").iterdir())
    assert b"octocat" not in kept


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
        scene.exports.created[-1] = replace(newer, created=NOW + 1)
        until(lambda: right(exporter, scene, RUNNING.month), "the new figures")
        assert sum(gross_by_sku(exporter, RUNNING.month).values()) != before
        assert "# TYPE github_usage_report_gross_amount_usd gauge" in exporter.metrics()
