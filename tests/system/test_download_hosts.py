"""Report files where GitHub has them: the exporter as a process, its default settings, a proxy, real names."""

import gzip
import json
import re
import subprocess
import sys
import textwrap
from html import unescape
from typing import Any

import pytest
import yaml

from exporter.instants import DAY
from exporter.simulator.faults import Fault
from exporter.simulator.signed import COPILOT_HOSTS, EXPORT_EXAMPLE_HOST, EXPORT_HOSTS
from tests.support.harness import Exporter, get, until
from tests.support.report_hosts import ENDPOINTS, NOW, REPORTS, Scene, scene

__all__ = ["scene"]  # a fixture


def states(exporter: Exporter) -> dict[tuple[str, str], str]:
    """The state of each collector at each target."""
    found = re.findall(
        r'^github_exporter_endpoint_state\{collector="(\w+)",target="([\w/-]+)",state="(\w+)"\} 1$',
        exporter.metrics(),
        re.MULTILINE,
    )
    return {(collector, target): state for collector, target, state in found}


def test_by_default_the_reports_are_read_from_every_host_that_github_documents(scene: Scene) -> None:
    config = scene.config()
    assert "download_hosts" not in json.dumps(config)
    with scene.exporter(config) as exporter:
        exporter.start()
        until(lambda: states(exporter) == dict.fromkeys(ENDPOINTS, "ok"), "all is read")
        body = exporter.metrics()
        assert exporter.stop() == 0
    midnight = (NOW - 2 * DAY) // DAY * DAY
    for scope, name in (("organization", "acme"), ("enterprise", "acme-corp")):
        assert f'github_copilot_{scope}_report_day_timestamp_seconds{{{scope}="{name}"}} {midnight:.0f}\n' in body
        assert f'github_copilot_{scope}_daily_active_users{{{scope}="{name}"}} ' in body
    assert 'github_usage_report_rows{enterprise="acme-corp",month="2026-11"} ' in body
    assert set(scene.net.asked) == {*COPILOT_HOSTS, *EXPORT_HOSTS}
    assert scene.github.files.tokens_sent == 0
    assert "sig=" not in exporter.log.read_text()
    done = scene.doctor(config)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 of 3 endpoints work." in done.stdout


def fixes(doctor: str) -> list[str]:
    """What the doctor says to do, less its indent."""
    found = re.findall(r"^fix     (.*?)^  at ", doctor, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(" " * 8 + fix).strip() for fix in found]


def lines_in(fix: str) -> Any:
    """The configuration that a fix gives."""
    return yaml.safe_load(fix.partition("\n")[2])


REFUSED = {
    "copilot_usage": ("copilot-reports.github.com", ["*.b01.azurefd.net"]),
    "usage_reports": (EXPORT_EXAMPLE_HOST, ["*.blob.core.windows.net"]),
}


def test_log_page_and_doctor_name_a_refused_host_with_the_lines_that_allow_it(scene: Scene) -> None:
    scene.github.estate.copilot.hosts = ("copilot-reports.github.com",)
    scene.github.exports.hosts = (EXPORT_EXAMPLE_HOST,)
    config = scene.config(copilot_usage={"download_hosts": ["*.b01.azurefd.net"]})
    wanted = {
        name: {"collectors": {name: {"download_hosts": [*hosts, host]}}} for name, (host, hosts) in REFUSED.items()
    }
    done = scene.doctor(config)
    assert (done.returncode, done.stderr) == (1, "")
    assert "0 of 3 endpoints work." in done.stdout
    told = {next(iter(lines["collectors"])): lines for lines in map(lines_in, fixes(done.stdout))}
    assert told == wanted
    for host, _ in REFUSED.values():
        assert f"refused a download link to https://{host}:443" in done.stdout
    with scene.exporter(config) as exporter:
        exporter.start()
        until(lambda: states(exporter) == dict.fromkeys(ENDPOINTS, "invalid"), "all are refused")
        page = get(f"{exporter.url}/")[1]
        log = [json.loads(line) for line in exporter.log.read_text().splitlines() if line.startswith("{")]
    logged = {line["hint"] for line in log if line["event"] == "collector failed"}
    assert {next(iter(lines["collectors"])): lines for lines in map(lines_in, logged)} == wanted
    assert logged == set(fixes(done.stdout))
    for fix in logged:
        words, _, lines = fix.partition("\n")
        assert f"<strong>Fix:</strong> A{words[1:]}</p><pre>{lines}</pre>" in unescape(page)
    assert scene.net.asked == []
    for name, lines in wanted.items():
        config["collectors"][name] |= lines["collectors"][name]
    done = scene.doctor(config)
    assert "3 of 3 endpoints work." in done.stdout
    assert set(scene.net.asked) == {host for host, _ in REFUSED.values()}
    for secret in ("CANARY", "sig="):
        assert secret not in done.stdout + page + json.dumps(log)


def test_plan_names_a_refused_host_with_the_lines_that_allow_it(scene: Scene) -> None:
    scene.github.exports.hosts = (EXPORT_EXAMPLE_HOST,)
    done = scene.command(scene.config(copilot_usage={"enabled": False}), "plan", "--live")
    (fix,) = re.findall(r"^not asked: usage_reports .*\n((?:  .*\n)+)", done.stderr, re.MULTILINE)
    host, hosts = REFUSED["usage_reports"]
    assert lines_in(textwrap.dedent(fix)) == {"collectors": {"usage_reports": {"download_hosts": [*hosts, host]}}}


def test_a_firewall_is_asked_with_one_new_link_and_then_its_host_is_named(scene: Scene) -> None:
    host = EXPORT_HOSTS[0]
    scene.github.faults.add(Fault("csv$", status=403, body=b"blocked by policy"))
    config = scene.config(copilot_usage={"enabled": False})
    done = scene.doctor(config)
    (fix,) = fixes(done.stdout)
    assert re.search(r"^  GitHub  .*answers 403 to a download", done.stdout, re.MULTILINE)
    assert "expired" not in done.stdout
    assert "firewall or proxy" in fix
    assert host in fix
    assert scene.net.asked == [host, host]
    assert sum(record.path.startswith(f"{REPORTS}/") for record in scene.github.log) == 1
    with scene.exporter(config) as exporter:
        exporter.start()
        until(lambda: states(exporter) == {("usage_reports", "enterprise/acme-corp"): "unavailable"}, "unavailable")
        assert fix[1:] in unescape(get(f"{exporter.url}/")[1])
        assert json.dumps(fix) in exporter.log.read_text()


def test_a_proxy_that_does_not_let_through_to_a_host_is_named_with_it(scene: Scene) -> None:
    host = EXPORT_HOSTS[0]
    scene.net.forbidden.add(host)
    config = scene.config(copilot_usage={"enabled": False})
    done = scene.doctor(config)
    message = f"no connection to {host}: the proxy 127.0.0.1:"
    assert message in done.stdout
    assert re.search(r"^  GitHub  .* answers 403 .*CONNECT", done.stdout, re.MULTILINE)
    with scene.exporter(config) as exporter:
        exporter.start()
        until(lambda: states(exporter) == {("usage_reports", "enterprise/acme-corp"): "unavailable"}, "unavailable")
        assert message in unescape(get(f"{exporter.url}/")[1])


def test_a_fix_of_several_lines_is_one_line_in_the_log() -> None:
    script = """
from exporter.cli import logs
from exporter.errors import HostRefused
import structlog
error = HostRefused("refused", "files.example.com", ["*.github.com"])
error.set_collector("copilot_usage", "A_VARIABLE")
logs.configure("info", "logfmt")
structlog.get_logger().warning("collector failed", hint=error.hint)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env={}, capture_output=True, text=True, timeout=60, check=True
    )
    (line,) = done.stderr.splitlines()
    lines = r"collectors:\n  copilot_usage:\n    download_hosts: [\"*.github.com\", \"files.example.com\"]"
    assert rf":\n{lines}\n# or, without a file: " in line


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(r"-1\.csv$", kind="truncate"), "a download broke off"),
        (Fault(r"-1\.csv$", status=200, body=b"date,product\n"), "column"),
        (Fault(r"-1\.csv$", kind="garbage"), "a page instead of a file"),
        (Fault(r"-4\.json$", kind="truncate"), "a download broke off"),
        (Fault(r"-4\.json$", status=200, body=b'{"day": "2026-11-19"'), "cut off"),
    ],
)
def test_the_doctor_reads_every_file_to_its_last_byte(scene: Scene, fault: Fault, told: str) -> None:
    scene.github.exports.files = 2
    scene.github.faults.add(fault)
    done = scene.doctor(scene.config())
    assert (done.returncode, "2 of 3 endpoints work." in done.stdout) == (1, True)
    assert re.search(f"^  GitHub  .*{told}", done.stdout, re.MULTILINE)


def test_the_doctor_makes_no_export_and_does_not_call_that_a_failure(scene: Scene) -> None:
    scene.github.exports.created.clear()
    done = scene.doctor(scene.config(usage_reports={"create": True}))
    assert "3 of 3 endpoints work." in done.stdout
    assert {record.method for record in scene.github.log} == {"GET"}


def test_gzip_of_several_members_is_read_in_an_answer_and_in_a_file(scene: Scene) -> None:
    """As one that packs as it goes along may send it: RFC 1952, section 2.2."""

    def fault(path: str, body: bytes) -> Fault:
        halves = (body[: len(body) // 2], b"", body[len(body) // 2 :])
        packed = b"".join(map(gzip.compress, halves)) + bytes(100)
        return Fault(path, status=200, headers={"content-encoding": "gzip"}, body=packed)

    rows = "date,product,sku,quantity,unit_type,gross_amount,discount_amount,net_amount,organization\n"
    rows += "2026-11-01,actions,actions_linux,10,minutes,2.5,0,2.5,acme\n" * 2000
    export = {
        "id": "8f2c6a1e-0000-4000-8000-000000000000",
        "report_type": "summarized",
        "start_date": "2026-11-01",
        "end_date": "2026-11-30",
        "status": "completed",
        "created_at": "2026-11-21T12:30:00Z",
        "download_urls": [f"https://{EXPORT_HOSTS[0]}/report.csv?sig=CANARY"],
    }
    scene.github.faults.add(fault(f"{REPORTS}$", json.dumps({"usage_report_exports": [export]}).encode()))
    scene.github.faults.add(fault("^/report.csv$", rows.encode()))
    with scene.exporter(scene.config(copilot_usage={"enabled": False})) as exporter:
        exporter.start()
        until(
            lambda: 'github_usage_report_rows{enterprise="acme-corp",month="2026-11"} 2000\n' in exporter.metrics(),
            "rows",
        )
        assert "} 5000\n" in exporter.metrics("?name[]=github_usage_report_net_amount_usd")
