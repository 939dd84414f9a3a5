"""The names that alerts and dashboards may use: recorded by our rules, or served by the exporter."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from exporter.collectors import COLLECTORS
from exporter.exposition.store import Store
from exporter.serving.self_metrics import SelfMetrics

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"


FILES = sorted(FOLDER.glob("*.yaml"))


Rule = dict[str, Any]


def rules(*files: Path, kind: str) -> list[Rule]:
    documents = [yaml.safe_load(file.read_text()) for file in files]
    return [rule for one in documents for group in one["groups"] for rule in group["rules"] if kind in rule]


RECORDED = rules(*FILES, kind="record")
RECORDED_NAMES = {rule["record"] for rule in RECORDED}


@cache
def catalogue() -> frozenset[str]:
    """Every name that the exporter can serve."""
    ours = SelfMetrics(Store(birth_delay=0.0), {})
    families = {family.name for one in COLLECTORS for table in one.tables for family in table.families}
    histograms = {name + "_bucket" for name, kind, _ in ours.families() if kind == "histogram"}
    return frozenset(families | {name for name, _, _ in ours.families()} | histograms)
