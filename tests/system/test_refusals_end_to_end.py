"""What log, status page and `doctor` say of a refusal: the same, under every `privacy`."""

import html
import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.github import refusals
from exporter.instants import HOUR
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.faults import Fault
from exporter.simulator.world import World
from tests.support.harness import Exporter, SimClock, command, config_for, get, simulated, until

SENTENCE = (
    "Although you appear to have the correct authorization credentials, the `acme` organization has an IP allow list "
    "enabled, and your IP address is not permitted to access this resource."
)
FORBIDDEN = 'github_exporter_endpoint_state{collector="summary_stats",target="organization/acme",state="forbidden"}'
INVALID = FORBIDDEN.replace("forbidden", "invalid")
NOT_FOUND = FORBIDDEN.replace("forbidden", "not_found")


def github_of(root: str = "") -> SimulatedGitHub:
    clock = SimClock(time.time())
    clock.run(1.0)
    return SimulatedGitHub(World.of([Event("acme", "user", 1, int(clock()) - HOUR, requests=9)]), clock, root=root)


def told(tmp_path: Path, fault: Fault, state: str, root: str = "", **more: Any) -> tuple[str, str, str]:
    """What log, page and `doctor` say once a fault has its effect."""
    (tmp_path / "token").write_text("token")
    github = github_of(root)
    github.faults.add(fault)
    with simulated(github) as (url,):
        config = config_for(f"{url}{root}", "acme", token_file=tmp_path / "token")
        config["credentials"]["github"].update(more.pop("credential", {}))
        with Exporter(tmp_path, {**config, **more}) as exporter:
            exporter.start()
            until(lambda: exporter.value(state) == 1, "it is told")
            page = html.unescape(get(exporter.url)[1])
            lines = [json.loads(line) for line in exporter.log.read_text().splitlines() if line.startswith("{")]
        (tmp_path / "doctor.yaml").write_text(
            yaml.safe_dump({**config, **more, "state": {"path": str(tmp_path / "other")}})
        )
        done = command("doctor", f"--config.file={tmp_path / 'doctor.yaml'}")
    log = next(line for line in lines if line["event"] == "collector failed")
    return f"{log['error']}: {log['hint']}", page, done.stdout


@pytest.mark.parametrize("names", ["login", "pseudonym", "off"])
def test_an_ip_allow_list_is_told_as_such_under_every_privacy(tmp_path: Path, names: str) -> None:
    fault = Fault(r"insights", status=403, body=json.dumps({"message": SENTENCE}).encode())
    log, page, doctor = told(tmp_path, fault, FORBIDDEN, privacy={"user_names": names})
    hint = refusals.ADDRESS.hint
    for text in (log, page, doctor):
        assert hint[1:] in text
        assert ("Although you appear" in text) == (names == "login")
        assert (refusals.ADDRESS.what in text) == (names != "login")


def test_a_web_page_in_place_of_the_api_names_the_root_of_an_appliance(tmp_path: Path) -> None:
    for text in told(tmp_path, Fault(r"insights", kind="garbage"), INVALID):
        assert "https://HOST/api/v3" in text


def test_a_login_page_names_the_root_of_an_appliance(tmp_path: Path) -> None:
    """https://github.com/PyGithub/PyGithub/issues/769"""
    fault = Fault(r"insights", status=302, headers={"location": "/login?return_to=CANARY"}, body=b"")
    for text in told(tmp_path, fault, NOT_FOUND.replace("not_found", "invalid"), "/api/v3"):
        assert "https://HOST/api/v3" in text
        assert "CANARY" not in text


def test_an_appliance_that_does_not_know_the_api_version_says_what_to_write(tmp_path: Path) -> None:
    body = json.dumps({"message": "The version you specified is not a supported version."}).encode()
    fault = Fault(r"insights", status=400, body=body)
    for text in told(tmp_path, fault, INVALID, "/api/v3", credential={"api_version": "2026-03-10"}):
        assert 'rite api_version: "2022-11-28" in this credential' in text


def test_a_next_link_to_githubs_own_name_says_how_to_write_api_url(tmp_path: Path) -> None:
    link = '<https://ghes.example.com/api/v3/organizations/1/insights/api/subject-stats/x?page=2>; rel="next"'
    state = INVALID.replace("summary_stats", "subject_stats")
    for text in told(tmp_path, Fault(r"subject-stats", headers={"link": link}), state, "/api/v3"):
        assert "write api_url: https://ghes.example.com/api/v3" in text
