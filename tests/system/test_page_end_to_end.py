"""The real process: its page is never green, and its metrics never silent, while it is not well."""

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from exporter.simulator.access import TokenFacts
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.faults import Fault
from exporter.simulator.world import World
from tests.support.harness import INSIGHTS, Exporter, config_for, get, simulated, until

HOUR = 3600
READABLE = 'github_exporter_credential_readable{credential="github"}'
RELOADED = "github_exporter_config_last_reload_successful"
RELOADED_AT = "github_exporter_config_last_reload_success_timestamp_seconds"
TOKEN = "ghp_CANARY0123456789"
ON = [collector for collector in INSIGHTS if not collector.subject]
"""What runs where nobody is followed."""


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    return file


@pytest.fixture
def github() -> SimulatedGitHub:
    """One organization with a request that was made ten minutes ago."""
    events = [Event("acme", "user", 1, int(time.time()) - 600, requests=1)]
    return SimulatedGitHub(World.of(events), time.time, tokens={TOKEN: TokenFacts({"acme"})})


@pytest.fixture
def exporter(tmp_path: Path, github: SimulatedGitHub, token: Path) -> Iterator[Exporter]:
    with simulated(github) as (url,), Exporter(tmp_path, config_for(url, "acme", token_file=token)) as made:
        yield made


def page(exporter: Exporter) -> str:
    """The page's text on one line."""
    status, body = get(f"{exporter.url}/")
    assert status == 200
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", body, flags=re.DOTALL).split())


def is_well(exporter: Exporter) -> bool:
    return "✓ All is well." in page(exporter)


def start_well(exporter: Exporter) -> None:
    """Wait until the user and the actor are followed too: they are found by the first runs."""
    exporter.start()
    sources = len({collector.name for collector in INSIGHTS})
    until(lambda: is_well(exporter) and f"Sources: {sources} working." in page(exporter), "every source works")


def shows(exporter: Exporter, *parts: str) -> None:
    """Wait until the page says all of it, and not that all is well."""
    until(lambda: all(part in page(exporter) for part in parts), f"the page says {parts}")
    assert not is_well(exporter)


def tried(exporter: Exporter) -> bool:
    """Whether every collector has had its turn."""
    return "not run yet" not in page(exporter)


def test_a_state_path_that_can_never_be_written_is_red_from_the_start(tmp_path: Path, exporter: Exporter) -> None:
    (tmp_path / "file").write_text("")
    config = yaml.safe_load(exporter.config.read_text())
    exporter.config.write_text(yaml.safe_dump({**config, "state": {"path": str(tmp_path / "file" / "state")}}))
    exporter.start()
    assert "✗ State cannot be written." in page(exporter)
    until(lambda: tried(exporter), "every collector ran")
    shows(exporter, "✗ State cannot be written.", "writes failed since the start.", str(tmp_path / "file" / "state"))


def test_state_that_was_set_aside_is_told_with_the_way_back(tmp_path: Path, exporter: Exporter) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "state.db").write_bytes(b"no database" * 1000)
    exporter.start()
    until(lambda: tried(exporter), "every collector ran")
    shows(exporter, "The saved state was damaged or changed.", "Fix: The state could not be read", "state.db.aside-")


@pytest.mark.parametrize("empty", [False, True], ids=["missing", "empty"])
def test_a_token_file_that_cannot_be_read_any_more_is_told_until_a_new_token_is_in_use(
    empty: bool, exporter: Exporter, token: Path
) -> None:
    start_well(exporter)
    assert exporter.value(READABLE) == 1
    token.write_text("") if empty else token.unlink()
    shows(exporter, "Credential github cannot be read; the last one read stays in use.", f"token file {token}")
    until(lambda: exporter.value(READABLE) == 0, "the gauge says so")
    token.write_text(TOKEN)
    until(lambda: exporter.value(READABLE) == 1 and is_well(exporter), "all is well again")


def test_a_new_token_in_use_is_logged_without_the_secret(exporter: Exporter, token: Path) -> None:
    start_well(exporter)
    token.write_text("ghp_CANARYother")
    line = until(lambda: exporter._line("the credential's new token is in use", 0), "the log says so")
    assert line["credential"] == "github"
    assert "CANARY" not in exporter.log.read_text()


def test_a_token_file_that_never_held_a_token_is_one_cause(exporter: Exporter, token: Path) -> None:
    token.write_text("two\nlines\n")
    exporter.start()
    shows(
        exporter, f"✗ Credential github cannot be read: {len(ON)} of {len(ON)} sources stopped.", f"token file {token}"
    )
    assert exporter.value(READABLE) == 0


def test_a_limit_that_others_use_up_is_told_before_anything_is_late(
    exporter: Exporter, github: SimulatedGitHub
) -> None:
    """The exporter leaves the rest to them: no run fails, and the alert GithubQuotaExhausted fires."""
    start_well(exporter)
    headers = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "300"}
    github.faults.add(Fault(headers={**headers, "x-ratelimit-reset": str(int(time.time()) + 1800)}))
    shows(exporter, "! Only 6% of GitHub", "limit is left in quota pool github: other clients use it up.")
    status = json.loads(get(f"{exporter.url}/api/v1/status")[1])
    assert (status["level"], status["findings"][0]["level"]) == ("warn", "warn")


def test_a_refused_reload_is_told_until_one_succeeds(exporter: Exporter) -> None:
    start_well(exporter)
    assert exporter.value(RELOADED) == 1
    loaded = exporter.value(RELOADED_AT)
    assert loaded
    text = exporter.config.read_text()

    def reload(config: str) -> None:
        exporter.config.write_text(config)
        assert exporter.process
        exporter.process.send_signal(signal.SIGHUP)

    reload(text + "nonsense: 1\n")
    shows(exporter, "! The configuration was not reloaded:", "nonsense", "`github-enterprise-exporter check`")
    until(lambda: exporter.value(RELOADED) == 0, "the gauge says so")
    assert exporter.value(RELOADED_AT) == loaded
    reload(text)
    until(lambda: exporter.value(RELOADED) == 1 and is_well(exporter), "all is well again")
    assert (exporter.value(RELOADED_AT) or 0) > loaded


def test_data_that_are_ten_hours_old_are_late_though_every_run_succeeds(tmp_path: Path, token: Path) -> None:
    events = [Event("acme", "user", 1, int(time.time()) - 10 * HOUR, requests=1)]
    github = SimulatedGitHub(World.of(events), time.time, tokens={TOKEN: TokenFacts({"acme"})})
    with simulated(github) as (url,), Exporter(tmp_path, config_for(url, "acme", token_file=token)) as exporter:
        exporter.start()
        until(lambda: tried(exporter), "every collector ran")
        shows(exporter, "! Data of time_stats are late: older than 8 h at organization/acme.", "! data late")


def test_a_rejected_token_is_one_cause_for_which_all_collectors_wait(exporter: Exporter, token: Path) -> None:
    token.write_text("ghp_CANARYunknown")
    exporter.start()
    shows(exporter, f"✗ Credential github is rejected: {len(ON)} of {len(ON)} sources stopped.")
    assert "not run yet" not in page(exporter)
    paused = [
        f'github_exporter_collector_paused{{collector="{collector.name}",target="organization/acme"}}'
        for collector in ON
    ]
    until(lambda: all(exporter.value(series) == 1 for series in paused), "all of them wait")
    rejected = 'github_exporter_credential_rejected{credential="github",target="organization/acme"}'
    assert exporter.value(rejected) == 1
    status = json.loads(get(f"{exporter.url}/api/v1/status")[1])
    assert (status["level"], status["verdict"]) == (
        "bad",
        f"Credential github is rejected: {len(ON)} of {len(ON)} sources stopped.",
    )
    assert {one["state"] for one in status["sources"]} == {"stopped"}
    assert "CANARY" not in json.dumps(status)
    token.write_text(TOKEN)
    until(lambda: is_well(exporter), "the new token is used")
    until(lambda: all(exporter.value(series) == 0 for series in paused), "nobody waits any more")
    assert exporter.value(rejected) == 0
