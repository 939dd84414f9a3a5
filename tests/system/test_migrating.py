"""The rules that keep other exporters' names, in a real Prometheus beside the demo: their own queries have answers."""

import math
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from string import Template

import promql_parser
import pytest
import yaml

from tests.support.harness import Prometheus, until
from tests.support.rules import FOLDER, ROOT, rules

PAGE = (ROOT / "docs" / "migrating.md").read_text()
FILES = sorted((FOLDER / "migration").glob("*.yaml"))
RECORDED = sorted({rule["record"] for rule in rules(*FILES, kind="record")})
PEERS = yaml.safe_load((ROOT / "tests" / "examples" / "queries-of-peers.yaml").read_text())
VALUES = {"language": "python", "org": "acme", "host_name": ".*", "account": "finance", "__range": "1h"}
"""What Grafana would put for the dashboards' variables."""


def queries(kind: str) -> list[str]:
    return [Template(query).substitute(VALUES) for peer in PEERS.values() for query in peer.get(kind, [])]


@pytest.fixture(scope="module")
def migrated(demo: Prometheus, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the demo, with our recording rules and those of every other exporter."""
    files = [str(file) for file in (FOLDER / "recording.yaml", *FILES)]
    folder = tmp_path_factory.mktemp("migrated")
    with Prometheus(folder, demo.target_url.removeprefix("http://"), files) as prometheus:
        until(lambda: prometheus.query("total_users"), "the rules record", 60, every=1)
        yield prometheus


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_promtool_takes_the_rules_and_the_page_links_to_them(file: Path) -> None:
    command = ["promtool", "check", "rules", "--lint=all", "--lint-fatal", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"(../deploy/prometheus/migration/{file.name})" in PAGE


def test_every_link_of_the_page_to_rules_leads_to_a_file() -> None:
    assert set(re.findall(r"deploy/prometheus/migration/([\w-]+\.yaml)\)", PAGE)) == {file.name for file in FILES}


@pytest.mark.parametrize("name", RECORDED)
def test_an_old_name_has_values_and_stands_on_the_page(name: str, migrated: Prometheus) -> None:
    assert until(lambda: migrated.query(name), f"{name} has values", 30, every=1)
    words = re.sub(r"\{([\w,]+)\}", "…", PAGE)
    shown = name in PAGE or any(
        re.fullmatch(re.escape(one).replace("…", r"\w+"), name) for one in re.findall(r"[\w…]*…[\w…]*", words)
    )
    assert shown or name.startswith("total_"), "in full, or by its beginning and end"


@pytest.mark.parametrize("query", queries("answered"))
def test_a_query_of_another_exporters_dashboard_has_an_answer(query: str, migrated: Prometheus) -> None:
    answer = until(lambda: migrated.query(query), "an answer", 30, every=1)
    assert all(math.isfinite(float(one["value"][1])) for one in answer)


@pytest.mark.parametrize("query", queries("unanswered"))
def test_the_page_says_for_which_queries_there_is_nothing(query: str) -> None:
    (name,) = re.findall(r"\b(?:github|gh|copilot)_\w+", query)
    promql_parser.parse(query)
    assert name not in RECORDED
    words = {"github_rate_limits": "some show `search`, `graphql` and others", "gh_activity": "has no counterpart here"}
    assert next((text for begin, text in words.items() if name.startswith(begin)), name) in PAGE
