"""`plan` and `doctor`, as an operator runs them before anything else runs."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.catalogue import Permission
from exporter.cli.doctor import _folded, _instructions
from exporter.cli.survey import SurveyEntry
from exporter.collectors import COLLECTORS
from exporter.errors import CredentialRejected, GitHubError, RateLimited
from exporter.instants import HOUR
from exporter.jobs import CollectorSettings, Job, Target
from exporter.simulator.access import TokenFacts
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import SimulatedApp, SimulatedInstallation
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from tests.support.app import CLIENT_ID, new_key
from tests.support.harness import INSIGHTS_ONLY, SimClock, command, simulated

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
        CLIENT_ID,
        new_key(tmp_path / "app.pem"),
        {"acme": SimulatedInstallation(1), "hooli": SimulatedInstallation(2, {})},
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
    works = re.findall(r"^works +(\S.*\S) +organization/(\w+) +(\w+)$", done.stdout, re.MULTILINE)
    assert {(credential, name) for _collector, name, credential in works} == {("app", "acme"), ("good", "umbrella")}
    assert {collector for collector, *_ in works} == {
        *("summary_stats", "time_stats", "subject_stats", "user_stats per user", "route_stats per actor"),
    }
    for name, words in {
        "hooli": ("Resource not accessible by integration", "organization_api_insights=read", "“API Insights” (read)"),
        "globex": ("Resource not accessible by personal access token", "organization_api_insights=read"),
        "initech": ("SAML enforcement", "single sign-on (SSO)"),
    }.items():
        (block,) = (part for part in done.stdout.split("\n\n") if f"  at      organization/{name}: " in part)
        assert block.startswith("fix  ")
        for word in (*words, "\n  needs ", "\n  takes   classic, fine-grained, App\n", "https://docs.github.com/"):
            assert word in block
    assert done.stdout.count("no user or app is watched") == 1
    assert "\n  organization/acme, organization/umbrella: summary_stats per user, " in done.stdout
    assert "canary" not in done.stdout
    assert not (config.parent / "state").exists()


def on_a_terminal(columns: int, *arguments: str) -> str:
    """What a terminal of that width shows of a command."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    shown = b""
    with subprocess.Popen([sys.executable, "-m", "exporter", *arguments], stdout=theirs, stderr=theirs):
        os.close(theirs)
        with suppress(OSError):  # how a terminal ends whose last writer is gone
            while piece := os.read(ours, 65536):
                shown += piece
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def test_on_80_columns_the_result_comes_first_and_a_fix_once(github: tuple[SimulatedGitHub, Path]) -> None:
    _simulator, config = github
    shown = on_a_terminal(80, "doctor", only(config, *ORGANIZATIONS, initech="fine", hooli="fine"))
    table, *details = shown.rstrip().split("\n\n")
    head, *rows = table.splitlines()
    assert head.split() == ["RESULT", "COLLECTOR", "TARGET", "CREDENTIAL"]
    assert {row.split()[0] for row in rows} == {"works", "forbidden"}
    assert len(rows) == 2 * 5 + 3 * 3
    for line in shown.splitlines():
        assert len(line) <= 80 or " " not in line.strip().partition("   ")[2].strip(), line
    (fix,) = (part for part in details if part.startswith("fix     "))
    for name in ("globex", "initech", "hooli"):
        assert f"\n  at      organization/{name}: summary_stats, time_stats, subject_stats\n" in fix
    assert fix.count("\n  needs ") == 1
    assert shown.count("no user or app is watched") == 1
    assert details[-1] == "10 of 19 endpoints work."


def test_lines_to_be_pasted_are_not_folded() -> None:
    text = "allow the host, if it is one of yours and no firewall's page:\n"
    text += "collectors:\n  x:\n    hosts: [a, b, c, d, e, f]"
    assert _folded(text, 40, "fix     ") == (
        "fix     allow the host, if it is one of\n        yours and no firewall's page:\n"
        "        collectors:\n          x:\n            hosts: [a, b, c, d, e, f]"
    )
    assert _folded(text, None, "fix     ").splitlines()[0] == f"fix     {text.splitlines()[0]}"


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
    table, fix, last = done.stdout.rstrip().split("\n\n")
    assert {row.split()[0] for row in table.splitlines()[1:]} == {"credential"}  # as the metric and the page call it
    assert fix.splitlines() == [
        "fix     replace the token; its file is read again when it changes",
        "  at      organization/umbrella: summary_stats, time_stats, subject_stats",
        "  GitHub  /rate_limit (credential wrong): GitHub answers 401; Bad credentials",
    ]
    assert last == "0 of 3 endpoints work."
    assert len(simulator.log) == 1


def test_plan_live_has_no_empty_table_where_nobody_could_be_asked(github: tuple[SimulatedGitHub, Path]) -> None:
    _simulator, config = github
    done = command("plan", "--live", only(config, "umbrella", umbrella="wrong"))
    assert done.returncode == 1
    assert "POOL" not in done.stdout
    assert "not asked: summary_stats organization/umbrella" in done.stderr


def failure(name: str, needs: str, error: GitHubError) -> SurveyEntry:
    """What `doctor` knows of a collector that failed."""
    collector = replace(next(one for one in COLLECTORS if one.name == name), permission=Permission(besides=needs))
    chosen = CollectorSettings(True, 60.0, 60.0, collector.options())
    return SurveyEntry(Job(collector, Target("organization", "acme", "default"), chosen, 0), "default", error)


@pytest.mark.parametrize(
    "error",
    [CredentialRejected("GitHub answers 401"), RateLimited("quota pool default waits", 1.0)],
    ids=["401", "limit"],
)
def test_no_permission_is_named_where_none_is_missing(error: GitHubError) -> None:
    alike = [failure("summary_stats", "API Insights", error), failure("copilot_seats", "Copilot seats", error)]
    assert list(_instructions("the fix", alike, None)) == [
        "fix     the fix",
        "  at      organization/acme: summary_stats, copilot_seats",
        f"  GitHub  {error}",
    ]


def test_plan_by_stated_sizes_asks_nobody_and_fits(github: tuple[SimulatedGitHub, Path]) -> None:
    simulator, config = github
    done = command("plan", "--subjects=10000", f"--config.file={config}")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^pool app/acme: 272 of 4,500 requests per hour", done.stdout, re.MULTILINE)
    assert re.search(r"^pool good: 272 of 1,500 requests per hour.*\n  95 if a tenth ", done.stdout, re.MULTILINE)
    assert len(simulator.log) == 0


def test_a_plan_that_cannot_fit_ends_with_2_and_says_what_to_do(github: tuple[SimulatedGitHub, Path]) -> None:
    _simulator, config = github
    only(config, "umbrella")
    values = yaml.safe_load(config.read_text())

    def plan(budget: Mapping[str, float] | None = None, **user_stats: Any) -> subprocess.CompletedProcess[str]:
        collectors = {**INSIGHTS_ONLY, "user_stats": {"top_users": 700, **user_stats}}
        config.write_text(yaml.safe_dump({**values, "collectors": collectors, "budget": budget or {}}))
        return command("plan", "--subjects=10000", f"--config.file={config}")

    done = plan()
    assert done.returncode == 2
    for advice in ("raise budget.share to 0.34", "lengthen collectors.user_stats.interval to ", "top_actors"):
        assert advice in done.stdout
    longer, share = re.search(r"user_stats.interval to (\S+)", done.stdout), re.search(r"share to (\S+)", done.stdout)
    assert longer
    assert share
    assert plan(interval=longer[1]).returncode == 0
    assert plan({"share": float(share[1])}).returncode == 0


def test_a_list_of_which_one_read_exceeds_the_budget_does_not_fit(github: tuple[SimulatedGitHub, Path]) -> None:
    _simulator, config = github
    only(config, "umbrella")
    values = yaml.safe_load(config.read_text())

    def plan(share: float) -> subprocess.CompletedProcess[str]:
        collectors = {**INSIGHTS_ONLY, "subject_stats": {"interval": "6h"}}
        config.write_text(yaml.safe_dump({**values, "collectors": collectors, "budget": {"share": share}}))
        return command("plan", "--subjects=50000", f"--config.file={config}")

    done = plan(0.1)
    assert done.returncode == 2
    assert "raise budget.share to 0.11\n" in done.stdout
    assert ".interval to" not in done.stdout
    assert plan(0.11).returncode == 0


def test_plan_live_asks_for_first_pages_only_and_tells_whom_it_could_not_ask(
    github: tuple[SimulatedGitHub, Path],
) -> None:
    simulator, config = github
    done = command("plan", "--live", only(config, "acme", "globex"))
    assert done.returncode == 1
    assert re.search(r"^not asked: summary_stats organization/globex: .*\n  fix: \w+ ", done.stderr, re.MULTILINE)
    assert re.search(r"^pool app/acme: \d+ of 1,500 requests per hour", done.stdout, re.MULTILINE)
    assert all(record.query.get("page", "1") == "1" for record in simulator.log)
    assert "canary" not in done.stdout + done.stderr


@pytest.mark.parametrize("command_", ["run", "check", "doctor", "demo"])
def test_flags_of_plan_belong_to_plan(command_: str) -> None:
    done = command(command_, "--live", GITHUB_EXPORTER_TOKEN="x", GITHUB_EXPORTER_ORGANIZATIONS="acme")
    assert done.returncode == 1
    assert "is for the command plan only" in done.stderr
