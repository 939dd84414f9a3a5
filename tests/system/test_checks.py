"""What `make check` runs, where two tools share the work."""

import json
import re
import tomllib

from tests.support.deploy import ROOT, tool


def test_bandit_leaves_out_what_ruff_checks_and_nothing_else() -> None:
    rules = json.loads(tool("ruff", "rule", "--all", "--output-format=json"))
    of_ruff = {rule["code"] for rule in rules if re.fullmatch(r"S\d+", rule["code"] or "") and not rule["preview"]}
    of_bandit = set(re.findall(r"^\s+B(\d+)\s", tool("bandit", "--help"), re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert project["ruff"]["lint"]["select"] == ["ALL"]
    assert set(project["bandit"]["skips"]) == {f"B{number}" for number in of_bandit if f"S{number}" in of_ruff}


def test_each_test_that_the_threat_model_names_is_there() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    named = set(re.findall(r"`((?:unit/)?test_\w+\.py|faults/)`", page))
    assert len(named) > 20
    assert [
        name for name in named if not any((ROOT / "tests" / base / name).exists() for base in (".", "system"))
    ] == []


def test_a_rule_that_is_switched_off_at_a_line_says_why() -> None:
    exceptions = [
        (file.relative_to(ROOT), line.strip())
        for folder in ("exporter", "deploy", "grafana")
        for file in sorted((ROOT / folder).rglob("*.py"))
        for line in file.read_text().splitlines()
        if re.search(r"# (?:noqa: S\d|nosec)", line)
    ]
    assert len(exceptions) > 5
    assert [one for one in exceptions if not re.search(r"# (?:noqa: S\d+ --?|nosec B\d+ #) \w+", one[1])] == []
