"""An enterprise whose report files are on the hosts that GitHub names, behind a proxy, over TLS."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.collectors import COLLECTORS
from exporter.instants import DAY
from exporter.simulator.access import TokenFacts
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.estate import Copilot, Enterprise, Estate
from exporter.simulator.signed import COPILOT_HOSTS, EXPORT_EXAMPLE_HOST, EXPORT_HOSTS
from exporter.simulator.world import World
from tests.support.harness import Exporter, SimClock, simulated
from tests.support.internet import Internet, internet

NOW = 1_795_262_400.0  # 2026-11-21T12:00:00Z
REPORTS = "/enterprises/acme-corp/settings/billing/reports"
SCOPES = ("read:enterprise", "read:org", "manage_billing:enterprise")
OWNER = TokenFacts({"acme"}, {"acme-corp"}, kind="classic", scopes=SCOPES, user="owner")
OTHERS = {collector.name for collector in COLLECTORS} - {"copilot_usage", "usage_reports"}
ENDPOINTS = {
    ("copilot_usage", "organization/acme"),
    ("copilot_usage", "enterprise/acme-corp"),
    ("usage_reports", "enterprise/acme-corp"),
}


@dataclass
class Scene:
    """An enterprise whose report files are on the hosts that GitHub names."""

    folder: Path
    url: str
    github: SimulatedGitHub
    net: Internet

    def config(self, **collectors: Any) -> dict[str, Any]:
        quick = {"interval": "1s"}
        return {
            "credentials": {"owner": {"api_url": self.url, "token_file": str(self.folder / "token")}},
            "organizations": [{"name": "acme", "credential": "owner"}],
            "enterprises": [{"name": "acme-corp", "credential": "owner"}],
            "collectors": {
                **{name: {"enabled": False} for name in OTHERS},
                "copilot_usage": quick | collectors.get("copilot_usage", {}),
                "usage_reports": quick | collectors.get("usage_reports", {}),
            },
            "budget": {"share": 1.0, "reserve": 0},
            "proxy": self.net.proxy,
        }

    def exporter(self, config: dict[str, Any]) -> Exporter:
        return Exporter(self.folder, config, script=self.net.trusting)

    def doctor(self, config: dict[str, Any]) -> "subprocess.CompletedProcess[str]":
        return self.command(config, "doctor")

    def command(self, config: dict[str, Any], *words: str) -> "subprocess.CompletedProcess[str]":
        file = self.folder / "doctor.yaml"
        file.write_text(yaml.safe_dump({**config, "state": {"path": str(self.folder / "state")}}))
        command = [sys.executable, "-c", self.net.trusting, *words, f"--config.file={file}"]
        return subprocess.run(command, env={}, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    clock = SimClock(NOW)
    clock.run(1.0)
    (tmp_path / "token").write_text("ghp_CANARY")
    copilot = Copilot(hosts=COPILOT_HOSTS, files={"acme": 1, "acme-corp": len(COPILOT_HOSTS)})
    estate = Estate((Enterprise("acme-corp", ("acme",)),), since=NOW - 35 * DAY, copilot=copilot)
    github = SimulatedGitHub(World.of(), clock, tokens={"ghp_CANARY": OWNER}, estate=estate)
    github.exports.hosts = EXPORT_HOSTS
    github.exports.make(
        "acme-corp", {"report_type": "summarized", "start_date": "2026-10-01", "end_date": "2026-11-21"}, NOW, ready=NOW
    )
    hosts = (*COPILOT_HOSTS, *EXPORT_HOSTS, EXPORT_EXAMPLE_HOST)
    with simulated(github) as (url,), internet(tmp_path / "tls", hosts, url) as net:
        yield Scene(tmp_path, url, github, net)
