"""Runs that succeed and lack data: what was shown a moment ago stays for `max_age`, and everybody is told why."""

import json
from dataclasses import replace
from typing import Any

import pytest

from exporter.simulator.faults import Fault
from exporter.simulator.signed import FOLDER
from tests.support.harness import Exporter, command, get, until
from tests.support.jobs import NOW
from tests.support.usage_reports import RUNNING, Scene, failures, gross_by_sku, right, scene

__all__ = ["scene"]  # a fixture

RUNS = 'github_exporter_collector_runs_total{collector="usage_reports",target="enterprise/acme-corp"}'
SUCCESS = 'github_exporter_collector_success{collector="usage_reports",target="enterprise/acme-corp"}'
HEADER = b"date,product,sku,quantity,unit_type,applied_cost_per_quantity,gross_amount,discount_amount,net_amount\n"
MISSING = "collector succeeded, but data are missing"


def missing(exporter: Exporter, collector: str = "usage_reports", target: str = "enterprise/acme-corp") -> float | None:
    return exporter.value(f'github_exporter_collector_data_missing{{collector="{collector}",target="{target}"}}')


def notes(exporter: Exporter) -> list[str]:
    lines = (json.loads(line) for line in exporter.log.read_text().splitlines() if line.startswith("{"))
    return [line["note"] for line in lines if line.get("event") == MISSING]


def page(exporter: Exporter) -> str:
    return get(f"http://127.0.0.1:{exporter.port}/")[1]


def three_more_runs(exporter: Exporter) -> None:
    before = exporter.value(RUNS) or 0.0
    until(lambda: (exporter.value(RUNS) or 0.0) >= before + 3, "three more runs")


def make_newer(scene: Scene, seconds: float = 1.0) -> None:
    scene.make(start="2026-10-01", end="2026-11-21")
    scene.exports.created[-1] = replace(scene.exports.created[-1], created=NOW + seconds)


@pytest.mark.parametrize("empty", ["no link", "an empty file", "a header alone"])
def test_an_export_without_rows_takes_nothing_away_and_everybody_is_told(scene: Scene, empty: str) -> None:
    scene.make(start="2026-10-01", end="2026-11-21")
    with Exporter(scene.folder, scene.config()) as exporter:
        exporter.start()
        until(lambda: right(exporter, scene, RUNNING.month), "the figures")
        made = scene.exports.created[:]
        if empty == "no link":
            scene.exports.files = 0
        else:
            scene.github.faults.add(Fault(FOLDER, body=b"" if empty == "an empty file" else HEADER))
        make_newer(scene)
        until(lambda: notes(exporter), "the log says so")
        three_more_runs(exporter)
        assert right(exporter, scene, RUNNING.month)
        assert exporter.value(SUCCESS) == 1
        assert missing(exporter) == 1
        assert len(notes(exporter)) == 1
        assert "the newest export of 2026-11 has no rows, though one before it had" in notes(exporter)[0]
        assert "has no rows" in page(exporter)
        scene.exports.created[:] = made  # the export without rows is gone
        until(lambda: missing(exporter) == 0, "nothing is missing any more")
        assert right(exporter, scene, RUNNING.month)
        assert "no data are missing any more" in exporter.log.read_text()


def test_after_max_age_an_export_without_rows_is_the_truth(scene: Scene) -> None:
    scene.make(start="2026-10-01", end="2026-11-21")
    with Exporter(scene.folder, scene.config(max_age="3s")) as exporter:
        exporter.start()
        until(lambda: right(exporter, scene, RUNNING.month), "the figures")
        scene.exports.files = 0
        make_newer(scene)
        until(
            lambda: exporter.value('github_usage_report_rows{enterprise="acme-corp",month="2026-11"}') == 0, "no rows"
        )
        assert gross_by_sku(exporter, RUNNING.month) == {}
        assert missing(exporter) == 1
        assert "has no rows: compare it" in notes(exporter)[-1]


def test_without_any_export_page_log_doctor_and_metric_say_what_to_do(scene: Scene) -> None:
    sentence = "no summarized export covers 2026-11, so its spend is missing: make one"
    with Exporter(scene.folder, scene.config()) as exporter:
        exporter.start()
        until(lambda: missing(exporter) == 1, "the metric")
        three_more_runs(exporter)
        assert len(notes(exporter)) == 1
        assert notes(exporter)[0].startswith(sentence)
        assert "collectors.usage_reports.create: true" in notes(exporter)[0]
        assert f"N{sentence[1:]}" in page(exporter)
        assert "All is well" not in page(exporter)
        assert exporter.value(SUCCESS) == 1
        done = command("doctor", f"--config.file={exporter.config}")
        assert done.returncode == 0
        assert f"usage_reports: data are missing: {sentence}" in done.stdout
        scene.make()
        until(lambda: right(exporter, scene, RUNNING.month), "the figures")
        until(lambda: missing(exporter) == 0, "nothing is missing any more")


def test_an_export_that_is_being_made_is_waited_for(scene: Scene) -> None:
    scene.exports.seconds = 3.0
    with Exporter(scene.folder, scene.config(create=True, interval="1h")) as exporter:
        exporter.start()
        until(lambda: right(exporter, scene, RUNNING.month), "the figures")
        until(lambda: missing(exporter) == 0, "nothing is missing")
        assert notes(exporter) == []


def test_a_list_that_is_suddenly_empty_takes_nothing_away(scene: Scene) -> None:
    scene.make(start="2026-10-01", end="2026-11-21")
    with Exporter(scene.folder, scene.config()) as exporter:
        exporter.start()
        until(lambda: right(exporter, scene, RUNNING.month), "the figures")
        scene.exports.created.clear()
        until(lambda: missing(exporter) == 1, "the metric")
        assert right(exporter, scene, RUNNING.month)
        assert "GitHub lists no summarized export of 2026-11 any more" in page(exporter)
        assert failures(exporter, "invalid") == 0


def config_of(scene: Scene, collector: str) -> dict[str, Any]:
    config = scene.config()
    config["collectors"] = {name: {"enabled": False} for name in config["collectors"].keys() - {collector}}
    config["collectors"][collector] = {"interval": "1s"}
    return config


def test_an_empty_answer_takes_nothing_away_and_everybody_is_told(scene: Scene) -> None:
    family, sentence = (
        "github_billing_usage_enterprise_gross_amount_usd{",
        "has no usage of 2026-11, though an earlier one",
    )
    empty = b'{"timePeriod": {"year": 2026, "month": 11}, "usageItems": []}'
    with Exporter(scene.folder, billing_alone(scene)) as exporter:
        exporter.start()
        shown = until(lambda: lines_of(exporter, family), "the figures")
        until(lambda: missing(exporter, "billing_usage") == 0, "nothing is missing")
        scene.github.faults.add(Fault("/usage", body=empty))
        until(lambda: any(sentence in note for note in notes(exporter)), "the log says so")
        until(lambda: missing(exporter, "billing_usage") == 1, "the metric")
        two_more_runs(exporter, "billing_usage")  # the fault may have begun in the midst of a run, which said less
        said = len(notes(exporter))
        two_more_runs(exporter, "billing_usage")
        assert lines_of(exporter, family) == shown
        assert len(notes(exporter)) == said
        assert sentence in page(exporter)
        assert "All is well" not in page(exporter)
        exporter.stop()
        exporter.start()
        assert lines_of(exporter, family) == shown
        two_more_runs(exporter, "billing_usage")
        exporter.stop()
        scene.github.faults.clear()
        exporter.start()
        until(lambda: missing(exporter, "billing_usage") == 0, "nothing is missing any more")
        assert len(notes(exporter)) == said


def two_more_runs(exporter: Exporter, collector: str) -> None:
    runs = RUNS.replace("usage_reports", collector)
    seen = exporter.value(runs) or 0.0
    until(lambda: (exporter.value(runs) or 0.0) >= seen + 2, "two more runs")


def billing_alone(scene: Scene) -> dict[str, Any]:
    config = scene.config()
    config["collectors"]["usage_reports"] = {"enabled": False}
    config["collectors"]["billing_usage"] = {"interval": "1s"}
    return config


def lines_of(exporter: Exporter, family: str) -> list[str]:
    return [line for line in exporter.metrics().splitlines() if line.startswith(family)]
