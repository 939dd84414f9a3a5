"""Spend end to end, where files lie: what a list of exports, or a file's host, may try; the last good figures stay."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exporter.simulator.faults import Fault
from exporter.simulator.signed import FOLDER
from tests.support.harness import Exporter, get, until
from tests.support.jobs import NOW
from tests.support.usage_reports import REPORTS, RUNNING, Scene, failures, right, scene

__all__ = ["scene"]  # a fixture

LINKS = {
    "a foreign host": "https://files.elsewhere.invalid/report.csv?sig=CANARY",
    "a private address": "https://10.0.0.1/report.csv?sig=CANARY",
    "the machine's metadata": "http://169.254.169.254/latest/meta-data?sig=CANARY",
    "plain http to the world": "http://store.blob.core.windows.net/report.csv?sig=CANARY",
    "a name within a name": "https://store.blob.core.windows.net.elsewhere.invalid/report.csv?sig=CANARY",
    "another kind of address": "file:///etc/passwd",
    "an allowed host's other port, by another name": "http://localhost:1/report.csv?sig=CANARY",
}
HEADER = b"date,product,sku,quantity,unit_type,gross_amount,discount_amount,net_amount,organization\n"


def gzip_bomb() -> bytes:
    """A gigabyte of zeros as a file of some megabytes, without ever holding the gigabyte."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    zeros = bytes(1_000_000)
    return packer.compress(HEADER) + b"".join(packer.compress(zeros) for _ in range(1000)) + packer.flush()


FILES: dict[str, tuple[Callable[[], Fault], str]] = {
    "a length that is too long": (
        lambda: Fault(FOLDER, status=200, headers={"content-length": "99999999"}),
        "unavailable",
    ),
    "a gzip bomb": (
        lambda: Fault(FOLDER, status=200, headers={"content-encoding": "gzip"}, body=gzip_bomb()),
        "invalid",
    ),
    "a row without end": (lambda: Fault(FOLDER, status=200, body=HEADER + b'"' + b"x" * 5_000_000), "invalid"),
    "only bad rows": (lambda: Fault(FOLDER, status=200, body=HEADER + b"2026-11-01,actions\n" * 500), "invalid"),
    "a column missing": (
        lambda: Fault(FOLDER, status=200, body=b"date,product,quantity\n2026-11-01,actions,1\n"),
        "invalid",
    ),
}


def last_good_figures_stay(scene: Scene, fault: Fault, reason: str, folder: Path) -> None:
    scene.make(start="2026-10-01", end="2026-11-21")
    with Exporter(folder, scene.config()) as exporter:
        exporter.start()
        until(lambda: right(exporter, scene, RUNNING.month), "the figures")
        scene.github.faults.add(fault)
        scene.exports.make("acme-corp", {"report_type": "summarized", "start_date": "2026-11-01"}, NOW + 1, ready=NOW)
        until(lambda: failures(exporter, reason) >= 1, f"the reason {reason}")
        assert right(exporter, scene, RUNNING.month)
        seen = exporter.metrics() + exporter.log.read_text()
        assert "CANARY" not in seen
    assert scene.github.files.tokens_sent == 0


@pytest.mark.parametrize("name", LINKS)
def test_a_link_that_leads_elsewhere_is_not_followed(scene: Scene, name: str, tmp_path: Path) -> None:
    export: dict[str, Any] = {
        "id": "8f2c6a1e-0000-4000-8000-000000000000",
        "report_type": "summarized",
        "start_date": "2026-11-01",
        "end_date": "2026-11-30",
        "status": "completed",
        "created_at": "2026-11-21T12:00:01Z",
        "download_urls": [LINKS[name]],
    }
    scene.github.faults.add(Fault(f"{REPORTS}/", status=200, body=json.dumps(export).encode()))
    body = json.dumps({"usage_report_exports": [export]}).encode()
    last_good_figures_stay(scene, Fault(f"{REPORTS}$", status=200, body=body), "invalid", tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_none_is_not_used(scene: Scene, name: str, tmp_path: Path) -> None:
    fault, reason = FILES[name]
    last_good_figures_stay(scene, fault(), reason, tmp_path)


def test_an_export_without_any_usage_for_days_is_no_late_data(scene: Scene, tmp_path: Path) -> None:
    """What an export that was made today lacks was not used; when nobody makes one the data do grow old."""
    quiet = HEADER + b"2026-11-09,actions,actions_linux,1,minutes,1,0,1,acme\n"
    data = 'github_exporter_collector_data_timestamp_seconds{collector="usage_reports",target="enterprise/acme-corp"}'
    newest = 'github_usage_report_newest_day_timestamp_seconds{enterprise="acme-corp",month="2026-11"}'
    scene.make(start="2026-10-01", end="2026-11-21")
    scene.github.faults.add(Fault(FOLDER, status=200, body=quiet))
    with Exporter(tmp_path, scene.config()) as exporter:
        exporter.start()
        until(lambda: exporter.value(newest) == 1_794_182_400.0, "the newest day")
        until(lambda: exporter.value(data) == NOW - 3 * 86_400, "what the export lacks was not used")


def test_columns_and_fields_that_github_adds_are_named_and_alarm_nobody(scene: Scene, tmp_path: Path) -> None:
    name = '{collector="usage_reports"}'
    scene.make(start="2026-10-01", end="2026-11-21")
    file = HEADER.replace(b"\n", b",carbon_grams\n") + b"2026-11-09,actions,actions_linux,1,minutes,1,0,1,acme,5\n"
    scene.github.faults.add(Fault(FOLDER, status=200, body=file))
    with Exporter(tmp_path, scene.config()) as exporter:
        exporter.start()
        until(lambda: "does not know: carbon_grams." in get(f"{exporter.url}/")[1], "the column")
        until(lambda: exporter.value(f"github_exporter_unknown_values_total{name}"), "it is counted")
        runs = 'github_exporter_collector_runs_total{collector="usage_reports",target="enterprise/acme-corp"}'
        seen = exporter.value(runs) or 0
        until(lambda: (exporter.value(runs) or 0) >= seen + 2, "runs that read no file")
        assert "does not know: carbon_grams." in get(f"{exporter.url}/")[1]
        assert exporter.value(f"github_exporter_unreadable_values_total{name}") == 0
