"""What the README promises: a configuration that works, links that lead somewhere, tables that agree with the code."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exporter.catalogue import Collector
from exporter.cli.readme import updated
from exporter.collectors import COLLECTORS
from exporter.simulator.showcase import open_github
from tests.support.dashboards import FILES
from tests.support.harness import command, simulated
from tests.support.pem import FIRST, PKCS1

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PERMISSIONS = README.partition("## Permissions")[2].partition("\n## ")[0]
FRESHNESS = README.partition("## How fresh")[2].partition("\n## ")[0]

CONTENTS = {"app.pem": PKCS1, "corp.pem": FIRST}


def test_the_two_commands_are_on_top() -> None:
    assert re.match(r"# .*\n\n```sh\nmake demo .*\nmake test .*\n```\n", README)


def test_the_configuration_is_valid_and_runs_what_it_says(tmp_path: Path) -> None:
    config = next(block for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if "config.yaml" in block)
    for number, path in enumerate(re.findall(r"/(?:run|etc)/[\w/.]+", config)):
        given = tmp_path / f"secret-{number}"
        given.write_bytes(CONTENTS.get(Path(path).name, b"secret"))
        config = config.replace(path, str(given))
    (tmp_path / "config.yaml").write_text(config)
    checked = command("check", f"--config.file={tmp_path / 'config.yaml'}")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "The configuration is valid." in checked.stdout
    for wanted in ("organization/globex", "enterprise/acme-corp", "appliance/ghes-eu", "installation/4711"):
        assert wanted in checked.stdout
    assert re.search(r"^billing_usage +enterprise/acme-corp ", checked.stdout, re.MULTILINE), "spend without exports"


def test_the_first_steps_work_as_they_are_written_and_need_no_file(tmp_path: Path) -> None:
    """What a newcomer without a token types before `doctor`, in a folder of its own and at a port that is free."""
    step = README.partition("**2. Monitor")[2].partition("**3. ")[0]
    own, instead = re.findall(r"```sh\n(.*?)```", step, re.DOTALL)
    prepared = own.partition("github-enterprise-exporter doctor")[0]
    commands = ("github-enterprise-exporter doctor", "github-enterprise-exporter plan --live")
    with simulated(open_github(time.time)) as (url,):
        simulator = next(line for line in instead.splitlines() if " simulate " in line)
        instead = instead.replace(simulator, "").replace("http://127.0.0.1:10172", url)
        done = subprocess.run(
            ["sh", "-c", f"set -eu\n{prepared}{instead}stat -c %a token\n{' && '.join(commands)}"],
            env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)},
            input="github_pat_of_nobody\n",
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stderr == ""
    assert done.stdout.startswith("600\n")
    assert re.search(r"^(\d+) of \1 endpoints work", done.stdout, re.MULTILINE), done.stdout
    (budget,) = re.findall(r"`… of ([\d,]+) requests per hour`", step)
    assert f" of {budget} requests per hour" in done.stdout, "what the simulator's plan says, beside GitHub's"


def test_every_link_to_a_file_leads_to_one() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert len(links) > 20
    links += re.findall(r'(?:src|srcset)="([^"]+)"', README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_each_dashboard_has_its_picture_and_the_overview_is_the_first() -> None:
    pictures = {name: f"images/board-{name}.png" for name in FILES}
    page = (ROOT / "docs" / "dashboards.md").read_text()
    for picture in pictures.values():
        size = (ROOT / "docs" / picture).stat().st_size
        assert 50_000 < size < 450_000, picture
        assert f"docs/{picture}" in README
        assert f"({picture})" in page
    first = re.findall(r"[\w/-]+\.png", README)[:2]
    assert first == ["docs/images/board-overview-light.png", f"docs/{pictures['overview']}"]


@pytest.mark.parametrize("name", sorted({collector.name for collector in COLLECTORS if collector.enabled}))
def test_the_permissions_of_every_collector_that_runs_are_told(name: str) -> None:
    rows = [
        row.split("|") for row in PERMISSIONS.splitlines() if f"`{name}`" in row.partition("|")[2].partition("|")[0]
    ]
    assert rows
    for _, names, app, classic, *_ in rows:
        alike = [one for one in COLLECTORS if one.name == name and f"`{name}`, {one.scope}s" in names]
        alike = alike or [one for one in COLLECTORS if one.name == name]
        scopes = {one for collector in alike for one in words(collector.needs)}
        assert words(classic) | words(app) <= scopes, "a scope that the collector does not name"
        takes = {kind for collector in alike for kind in collector.accepts}
        assert (app.strip() == "no") == (takes == {"classic"})


def test_the_tables_of_collectors_are_as_make_docs_writes_them() -> None:
    assert updated(README, COLLECTORS) == README
    for collector in COLLECTORS:
        assert f"`{collector.name}`" in PERMISSIONS


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
    rows = {one: row for row in FRESHNESS.splitlines() for one in re.findall(r"`(github_\w+)…`", row)}
    row = rows[max((one for one in rows if first.startswith(one)), key=len)]
    seconds = collector.interval
    assert row.split("|")[2].strip() == (f"{seconds / 3600:.0f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min")


def test_the_page_on_the_past_says_how_far_back_each_collector_goes() -> None:
    page = (ROOT / "docs" / "backfill.md").read_text()
    assert updated(page, COLLECTORS) == page, "make docs"
    table = page.partition("<!-- past:")[2].partition("<!-- end -->")[0]
    for collector in COLLECTORS:
        rows = [row for row in table.splitlines() if f"`{collector.name}`" in row]
        assert any(("no past" in row) == (collector.past is None) for row in rows), collector.name
