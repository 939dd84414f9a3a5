"""Alerts, recording rules and runbooks, by promtool and on the demo."""

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from tests.support.harness import Prometheus, get, until
from tests.support.rules import FILES, FOLDER, RECORDED, RECORDED_NAMES, ROOT, Rule, catalogue, rules

RUNBOOKS = ROOT / "docs" / "runbooks"
TESTS = sorted((FOLDER / "tests").glob("*.test.yaml"))
PROMETHEUS_OWN = {"up", "scrape_duration_seconds"}
MUST_FIRE = {
    "throttled app": ("GithubWatchedThrottled", {"subject_name": "Inventory Sync", "organization": "acme"}),
    "late data": ("GithubApiInsightsLate", {"organization": "initech"}),
    "late daily data": ("GithubDailyDataLate", {"collector": "copilot_usage", "target": "enterprise/acme-corp"}),
    "collector failing": ("GithubCollectorFailing", {"collector": "billing_usage", "state": "forbidden"}),
    "spend above run rate": ("GithubSpendAboveRunRate", {"enterprise": "acme-corp"}),
}
BOOKED_FIRST = 2
"""The day of a month on which two of its days are booked; before, nobody can say what it will cost."""
REFUSED = "github_api_insights_subject_rate_limited_requests_total"


ALERTS = {rule["alert"]: rule for rule in rules(*FILES, kind="alert")}
MIGRATION = rules(*(FOLDER / "migration").glob("*.yaml"), kind="record")
QUERIES = [
    pytest.param(query.strip(), id=f"{page.stem}-{number}")
    for page in sorted(RUNBOOKS.glob("*.md"))
    for number, query in enumerate(re.findall(r"```promql\n(.*?)```", page.read_text(), re.DOTALL), start=1)
]


def promtool(*arguments: str) -> str:
    """What promtool says; it must agree."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def nodes(node: Any) -> Iterator[Any]:
    """A query's parts, itself first; the parser leaves walking to its users."""
    yield node
    below = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "vector_selector", "vs", "param")]
    for one in [*below, *getattr(node, "args", ())]:
        if one is not None:
            yield from nodes(one)


@cache
def metrics(query: str) -> frozenset[str]:
    """The names of the metrics that a query asks for."""
    found = nodes(promql_parser.parse(query))
    return frozenset(node.name for node in found if isinstance(node, promql_parser.VectorSelector) and node.name)


def test_promtool_finds_nothing_to_say_about_the_rules() -> None:
    for file in FILES:
        said = promtool("check", "rules", "--lint=all", "--lint-fatal", str(file))
        assert re.fullmatch(rf"Checking {re.escape(str(file))}\n  SUCCESS: \d+ rules found\n\n?", said)


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_the_rules_pass_their_promtool_tests(file: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", str(file))


def test_every_alert_has_a_test_that_fires_and_one_that_stays_silent() -> None:
    cases = [
        case
        for file in TESTS
        for test in yaml.safe_load(file.read_text())["tests"]
        for case in test.get("alert_rule_test", [])
    ]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == ALERTS.keys()
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == ALERTS.keys()


def test_there_are_alerts_for_everything_that_can_be_wrong() -> None:
    assert len(ALERTS) == len(rules(*FILES, kind="alert")), "a name stands once"
    assert len(ALERTS) >= 12
    groups = [group["name"] for file in FILES for group in yaml.safe_load(file.read_text())["groups"]]
    assert len(groups) == len(set(groups))


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_is_wrong_how_bad_it_is_and_where_to_read_on(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"].endswith(f"/docs/runbooks/{name}.md")
    assert len(rule["annotations"]["summary"]) < 120
    page = (RUNBOOKS / f"{name}.md").read_text()
    titles = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert titles == ["What it means", "Why it matters", "See more", "Mend it", "Silence it"]
    assert page.startswith(f"# {name}\n\nSeverity: {rule['labels']['severity']}.")
    assert re.search(r"```promql\n", page)
    index = (RUNBOOKS / "README.md").read_text()
    assert f"[{name}]({name}.md) | {rule['labels']['severity']} |" in index


def test_there_is_no_page_without_an_alert_and_no_link_without_a_page() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"} == ALERTS.keys()
    for page in RUNBOOKS.glob("*.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_recorded_names_tell_level_metric_and_operation() -> None:
    for name in RECORDED_NAMES:
        assert re.fullmatch(r"[a-z_]+:github_[a-z0-9_]+:[a-z0-9_]+", name), name
    used = {name for rule in (*ALERTS.values(), *RECORDED) for name in metrics(rule["expr"])}
    assert used - catalogue() - PROMETHEUS_OWN <= RECORDED_NAMES


def test_every_metric_of_a_rule_is_served_by_the_demo(demo: Prometheus) -> None:
    served = set(json.loads(get(f"{demo.url}/api/v1/label/__name__/values")[1])["data"])
    used = {name for rule in (*ALERTS.values(), *RECORDED, *MIGRATION) for name in metrics(rule["expr"])}
    assert used <= served
    assert used - RECORDED_NAMES <= catalogue() | PROMETHEUS_OWN


def loaded(demo: Prometheus) -> list[Rule]:
    groups = json.loads(get(f"{demo.url}/api/v1/rules")[1])["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_rule_is_evaluated_without_an_error(demo: Prometheus) -> None:
    assert {rule["name"] for rule in loaded(demo)} == ALERTS.keys() | RECORDED_NAMES
    until(lambda: all(rule["health"] != "unknown" for rule in loaded(demo)), "every rule was evaluated")
    assert [rule for rule in loaded(demo) if rule["health"] != "ok" or rule.get("lastError")] == []


@pytest.mark.parametrize("name", sorted(RECORDED_NAMES))
def test_a_recording_rule_records_something(name: str, demo: Prometheus) -> None:
    """Rules of callers who were refused record those: in the night's first hours the demo may have none."""
    rare = re.fullmatch(r"caller:\w+_rate_limited_requests:increase(\w+)", name)
    asked = f"increase({REFUSED}[{rare[1]}])" if rare else ""

    def records_what_there_is() -> bool:
        return bool(demo.query(name)) or bool(rare and demo.query(asked) and not demo.query(f"{asked} > 0"))

    until(records_what_there_is, f"{name} has values", 60, every=1)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_a_runbook_is_about_what_there_is(query: str, demo: Prometheus) -> None:
    assert metrics(query) <= catalogue() | RECORDED_NAMES | PROMETHEUS_OWN
    demo.query(query)  # an error would fail


def fires(demo: Prometheus, alert: str, labels: dict[str, str]) -> list[dict[str, Any]]:
    wanted = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return demo.query(f'ALERTS{{alertname="{alert}",alertstate="firing",{wanted}}}')


@pytest.mark.timeout(600)
@pytest.mark.parametrize("what", MUST_FIRE)
def test_the_demo_makes_it_fire_within_minutes(what: str, demo: Prometheus) -> None:
    alert, labels = MUST_FIRE[what]
    if alert == "GithubSpendAboveRunRate" and datetime.now(UTC).day < BOOKED_FIRST:
        assert not fires(demo, alert, labels)
        return
    lasting = 180 if ALERTS[alert].get("for") == "3m" else 0
    until(lambda: fires(demo, alert, labels), f"{alert} fires", 90 + lasting, every=1)


def test_the_demo_makes_nothing_fire_that_is_about_the_exporter_itself(demo: Prometheus) -> None:
    firing = {one["metric"]["alertname"] for one in demo.query('ALERTS{alertstate="firing"}')}
    assert not {name for name in firing if name.startswith("GithubExporter")}
