"""What the README promises: a configuration that works, links that lead somewhere, tables that agree with the code."""

import re
from pathlib import Path

import pytest

from exporter.catalogue import Collector
from exporter.collectors import COLLECTORS
from tests.harness import command

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PERMISSIONS = README.partition("## Permissions")[2].partition("\n## ")[0]
FRESHNESS = README.partition("## How fresh")[2].partition("\n## ")[0]


def test_the_two_commands_are_on_top() -> None:
    assert re.match(r"# .*\n\n```sh\nmake demo .*\nmake test .*\n```\n", README)


def test_the_configuration_is_valid_and_runs_what_it_says(tmp_path: Path) -> None:
    config = next(block for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if "config.yaml" in block)
    for number, path in enumerate(re.findall(r"/(?:run|etc)/[\w/.]+", config)):
        given = tmp_path / f"secret-{number}"
        given.write_text("secret")
        config = config.replace(path, str(given))
    (tmp_path / "config.yaml").write_text(config)
    checked = command("check", f"--config.file={tmp_path / 'config.yaml'}")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "The configuration is valid." in checked.stdout
    for wanted in ("organization/globex", "enterprise/acme-corp", "appliance/ghes-eu", "installation/4711"):
        assert wanted in checked.stdout


def test_every_link_to_a_file_leads_to_one() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("name", sorted({collector.name for collector in COLLECTORS if collector.enabled}))
def test_the_permissions_of_every_collector_that_runs_are_told(name: str) -> None:
    rows = [
        row.split("|") for row in PERMISSIONS.splitlines() if f"`{name}`" in row.partition("|")[2].partition("|")[0]
    ]
    assert rows
    for _, _names, app, classic, _ in rows:
        scopes = {one for collector in COLLECTORS if collector.name == name for one in words(collector.needs)}
        assert words(classic) | words(app) <= scopes, "a scope that the collector does not name"
        takes = {kind for collector in COLLECTORS if collector.name == name for kind in collector.accepts}
        assert (app.strip() == "no") == (takes == {"classic"})


def words(text: str) -> set[str]:
    """The scopes in a text."""
    return set(re.findall(r"\b(?:read|manage_billing):\w+|\bsite_admin\b", text))


def test_every_family_is_in_the_table_of_how_fresh_it_is() -> None:
    prefixes = tuple(re.findall(r"`(github_\w+)…`", FRESHNESS))
    families = {family.name for one in COLLECTORS if one.enabled for table in one.tables for family in table.families}
    assert [name for name in sorted(families) if not name.startswith(prefixes)] == []


@pytest.mark.parametrize(
    "collector", [one for one in COLLECTORS if one.enabled], ids=lambda one: f"{one.name}-{one.scope}"
)
def test_the_interval_in_that_table_is_the_collectors(collector: Collector) -> None:
    first = collector.tables[0].families[0].name
    row = next(
        row for row in FRESHNESS.splitlines() for one in re.findall(r"`(github_\w+)…`", row) if first.startswith(one)
    )
    seconds = collector.interval
    assert row.split("|")[2].strip() == (f"{seconds / 3600:.0f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min")
