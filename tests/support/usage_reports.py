"""An enterprise whose usage reports an exporter reads, and the sums that it must show."""

import re
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors import COLLECTORS
from exporter.collectors.usage_reports.exports import periods
from exporter.instants import DAY
from exporter.simulator.access import TokenFacts
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.estate import Enterprise, Estate, instant_of
from exporter.simulator.spend import UsageRow, usage
from exporter.simulator.world import World
from tests.support.harness import Exporter, SimClock, served
from tests.support.jobs import NOW

TOKEN = "ghp_CANARYowner"
OWNER = TokenFacts(frozenset(), {"acme-corp"}, kind="classic", scopes=("manage_billing:enterprise",), user="owner")
REPORTS = "/enterprises/acme-corp/settings/billing/reports"
OTHERS = {collector.name for collector in COLLECTORS if collector.scope == "enterprise"} - {"usage_reports"}
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

    def rows(self, month: str) -> list[UsageRow]:
        """What GitHub shows of a month now."""
        first = instant_of(f"{month}-01")
        assert first is not None
        known = usage(self.estate, self.enterprise, range(first, first + 31 * DAY, DAY))
        return [row for row in known if row.date.startswith(month) and row.shown_from <= NOW]

    def posts(self) -> int:
        return sum(record.method == "POST" for record in self.github.log)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with served(Scene(tmp_path)) as scene:
        yield scene


def gross_by_sku(exporter: Exporter, month: str) -> dict[str, float]:
    """What is served, summed by SKU."""
    found: dict[str, float] = defaultdict(float)
    for family, of, labels, value in SERIES.findall(exporter.metrics()):
        if family == "gross_amount_usd" and of == month:
            sku = re.search(r'sku="(.*?)"', labels)
            assert sku
            found[sku[1]] += float(value)
    return dict(found)


def expected(rows: list[UsageRow]) -> dict[str, float]:
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
