"""`plan` and `doctor`, as an operator runs them before anything else runs."""

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.simulator.access import TokenFacts
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import Installation, SimulatedApp
from exporter.simulator.facts import HOUR, Event
from exporter.simulator.world import World
from tests.harness import INSIGHTS_ONLY, SimClock, command, simulated
from tests.test_app_end_to_end import CLIENT_ID, new_key

ORGANIZATIONS = ("acme", "globex", "initech", "umbrella", "hooli")
READS = {"organization_api_insights": "read"}


@pytest.fixture
def github(tmp_path: Path) -> Iterator[tuple[SimulatedGitHub, Path]]:
    """Five organizations, each with a credential of another kind; the configuration."""
    clock = SimClock(time.time())
    clock.run(1.0)
    now = int(clock())
    world = World.of(
        [
            event
            for name in ORGANIZATIONS
            for event in (
                Event(name, "user", 1, now - HOUR, requests=9, name="u1"),
                Event(name, "installation", 2, now - HOUR, requests=90, name="bot"),
            )
        ]
    )
    app = SimulatedApp(
        CLIENT_ID, new_key(tmp_path / "app.pem"), {"acme": Installation(1), "hooli": Installation(2, {})}
    )
    tokens = {
        "canary-fine": TokenFacts({"globex"}, kind="fine_grained", permissions={}),
        "canary-classic": TokenFacts({"initech"}, kind="classic", without_sso={"initech"}),
        "canary-good": TokenFacts({"umbrella"}, kind="classic", scopes=("read:org",)),
    }
    simulator = SimulatedGitHub(world, clock, tokens=tokens, apps=[app], limit=5000)
    for name in ("fine", "classic", "good", "wrong"):
        (tmp_path / name).write_text(f"canary-{name}")
    with simulated(simulator) as (url,):
        credentials: dict[str, Mapping[str, Any]] = {
            name: {"api_url": url, "token_file": str(tmp_path / name)} for name in ("fine", "classic", "good", "wrong")
        }
        credentials["app"] = {
            "api_url": url,
            "app_client_id": CLIENT_ID,
            "private_key_file": str(tmp_path / "app.pem"),
        }
        who = {"acme": "app", "globex": "fine", "initech": "classic", "umbrella": "good", "hooli": "app"}
        config = tmp_path / "config.yaml"
        config.write_text(
            yaml.safe_dump(
                {
                    "credentials": credentials,
                    "organizations": [{"name": name, "credential": who[name]} for name in ORGANIZATIONS],
                    "collectors": INSIGHTS_ONLY,
                    "state": {"path": str(tmp_path / "state")},
                }
            )
        )
        yield simulator, config


def only(config: Path, *organizations: str, **credentials: str) -> str:
    """Leave these organizations in the configuration, with other credentials if any are given; the flag."""
    values = yaml.safe_load(config.read_text())
    values["organizations"] = [
        {**entry, "credential": credentials.get(entry["name"], entry["credential"])}
        for entry in values["organizations"]
        if entry["name"] in organizations
    ]
    config.write_text(yaml.safe_dump(values))
    return f"--config.file={config}"


def test_doctor_says_of_each_credential_what_works_and_what_is_missing(github: tuple[SimulatedGitHub, Path]) -> None:
    _simulator, config = github
    done = command("doctor", f"--config.file={config}")
    assert done.returncode == 1
    assert done.stderr == ""
    works = re.findall(
        r"^(\w+) +organization/(\w+) +(\S+) +classic, fine-grained, App +works$", done.stdout, re.MULTILINE
    )
    assert {(credential, name) for credential, name, _endpoint in works} == {("app", "acme"), ("good", "umbrella")}
    assert {endpoint.rpartition("/insights/api/")[2].partition("/")[0] for *_, endpoint in works} == {
        *("summary-stats", "time-stats", "subject-stats", "user-stats", "route-stats"),
    }
    for name, words in {
        "hooli": ("Resource not accessible by integration", "organization_api_insights=read", "“API Insights” (read)"),
        "globex": ("Resource not accessible by personal access token", "organization_api_insights=read"),
        "initech": ("SAML enforcement", "single sign-on (SSO)"),
    }.items():
        block = done.stdout.partition(f"\norganization/{name}: ")[2].partition("\n\n")[0]
        for word in (*words, "needs ", "fix ", "https://docs.github.com/"):
            assert word in block
    assert "canary" not in done.stdout
    assert not (config.parent / "state").exists()


def test_doctor_ends_with_0_where_all_works_even_beside_a_running_exporter(
    github: tuple[SimulatedGitHub, Path],
) -> None:
    simulator, config = github
    done = command("doctor", only(config, "acme", "umbrella"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "10 of 10 endpoints work." in done.stdout
    assert {record.method for record in simulator.log if not record.path.startswith("/app/")} == {"GET"}


def test_doctor_asks_once_with_a_token_that_github_rejects(github: tuple[SimulatedGitHub, Path]) -> None:
    simulator, config = github
    done = command("doctor", only(config, "umbrella", umbrella="wrong"))
    assert done.returncode == 1
    assert "Bad credentials" in done.stdout
    assert "replace the token" in done.stdout
    assert len(simulator.log) == 1


def test_plan_by_stated_sizes_asks_nobody_and_fits(github: tuple[SimulatedGitHub, Path]) -> None:
    simulator, config = github
    done = command("plan", "--subjects=10000", f"--config.file={config}")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^pool app/acme: 272 of 4,500 requests per hour", done.stdout, re.MULTILINE)
    assert re.search(r"^pool good: 272 of 1,500 requests per hour", done.stdout, re.MULTILINE)
    assert len(simulator.log) == 0


def test_a_plan_that_cannot_fit_ends_with_2_and_says_what_to_do(github: tuple[SimulatedGitHub, Path]) -> None:
    _simulator, config = github
    done = command("plan", "--subjects=100000", only(config, "umbrella"))
    assert done.returncode == 2
    for advice in ("raise budget.share to 0.42", "lengthen collectors.subject_stats.interval to ", "top_actors"):
        assert advice in done.stdout
    longer = re.search(r"subject_stats.interval to (\S+)", done.stdout)
    assert longer
    values = yaml.safe_load(config.read_text())
    config.write_text(
        yaml.safe_dump({**values, "collectors": {**INSIGHTS_ONLY, "subject_stats": {"interval": longer[1]}}})
    )
    assert command("plan", "--subjects=100000", f"--config.file={config}").returncode == 0
    config.write_text(yaml.safe_dump({**values, "budget": {"share": 0.42}}))
    assert command("plan", "--subjects=100000", f"--config.file={config}").returncode == 0


def test_plan_live_asks_for_first_pages_only_and_tells_whom_it_could_not_ask(
    github: tuple[SimulatedGitHub, Path],
) -> None:
    simulator, config = github
    done = command("plan", "--live", only(config, "acme", "globex"))
    assert done.returncode == 1
    assert "not asked: summary_stats organization/globex" in done.stderr
    assert re.search(r"^pool app/acme: \d+ of 1,500 requests per hour", done.stdout, re.MULTILINE)
    assert all(record.query.get("page", "1") == "1" for record in simulator.log)
    assert "canary" not in done.stdout + done.stderr


@pytest.mark.parametrize("command_", ["run", "check", "doctor", "demo"])
def test_flags_of_plan_belong_to_plan(command_: str) -> None:
    done = command(command_, "--live", GITHUB_EXPORTER_TOKEN="x", GITHUB_EXPORTER_ORGANIZATIONS="acme")
    assert done.returncode == 1
    assert "is for the command plan only" in done.stderr
