"""When tokens end: what the running exporter, its page and `doctor` say of it, over rotations, reloads and restarts."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.instants import DAY, utc_time
from exporter.simulator.access import TokenFacts
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import SimulatedApp
from exporter.simulator.world import World
from tests.support.app import CLIENT_ID, installed, new_key, traffic, works
from tests.support.harness import Exporter, SimClock, command, config_for, get, simulated, until

EXPIRY = "github_exporter_credential_expiry_timestamp_seconds"

Running = tuple[dict[str, TokenFacts], Exporter, int]


def facts(expires_at: float | None) -> TokenFacts:
    return TokenFacts({"acme", "globex"}, kind="fine_grained", expires_at=expires_at)


def write(file: Path, token: str) -> None:
    file.with_suffix(".new").write_text(token)
    file.with_suffix(".new").replace(file)


def told(exporter: Exporter) -> dict[str, float]:
    """What is shown, by the labels."""
    lines = [line for line in exporter.metrics().splitlines() if line.startswith(EXPIRY)]
    return {line.partition(" ")[0].removeprefix(EXPIRY): float(line.rpartition(" ")[2]) for line in lines}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A token that ends in ten days for two organizations, an App for a third; all are asked each second."""
    clock = SimClock(time.time())
    clock.run(1.0)
    end = int(clock()) + 10 * DAY
    tokens = {"ghp_CANARYfirst": facts(end), "ghp_CANARYendless": facts(None), "ghp_CANARYnext": facts(end + 90 * DAY)}
    write(tmp_path / "token", "ghp_CANARYfirst")
    world = World.of(traffic(int(clock()), "acme", "globex", "initech", "hooli"))
    app = SimulatedApp(CLIENT_ID, new_key(tmp_path / "app.pem"), dict(installed("initech", "hooli")))
    github = SimulatedGitHub(world, clock, tokens=tokens, apps=[app])
    with simulated(github) as (url,):
        config = config_for(url, "acme", "globex", token_file=tmp_path / "token")
        config["credentials"]["app"] = {
            "api_url": url,
            "app_client_id": CLIENT_ID,
            "private_key_file": str(tmp_path / "app.pem"),
        }
        config["organizations"] += [{"name": name, "credential": "app"} for name in ("initech", "hooli")]
        with Exporter(tmp_path, config) as exporter:
            yield tokens, exporter, int(end)


def reload(exporter: Exporter, **more: Any) -> None:
    config = {**yaml.safe_load(exporter.config.read_text()), **more}
    exporter.config.write_text(yaml.safe_dump(config))
    assert exporter.process
    exporter.process.send_signal(signal.SIGHUP)


def test_the_end_of_a_token_is_shown_and_moves_with_it(running: Running, tmp_path: Path) -> None:
    _tokens, exporter, end = running
    exporter.start()
    until(lambda: works(exporter, "summary_stats", "acme", "globex", "initech", "hooli"), "all are read")
    assert told(exporter) == {'{credential="github"}': end}, "one for a credential, none for an App"
    page = get(f"{exporter.url}/")[1]
    assert f'The token of credential “github” expires <time datetime="{utc_time(end)}"' in page
    assert 'class="warn"' in page
    write(tmp_path / "token", "ghp_CANARYendless")
    until(lambda: told(exporter) == {}, "the old end does not stay")
    write(tmp_path / "token", "ghp_CANARYnext")
    until(lambda: told(exporter) == {'{credential="github"}': end + 90 * DAY}, "the new one is there")
    assert "The token of credential" not in get(f"{exporter.url}/")[1]
    assert "CANARY" not in exporter.log.read_text() + exporter.metrics() + page


def test_the_end_of_a_token_goes_with_its_file_before_anything_is_asked_with_the_next(
    running: Running, tmp_path: Path
) -> None:
    _tokens, exporter, end = running
    config = yaml.safe_load(exporter.config.read_text())
    config["collectors"] = {
        name: {**one, "interval": "6h"} if "interval" in one else one for name, one in config["collectors"].items()
    }
    exporter.config.write_text(yaml.safe_dump(config))
    exporter.start()
    every = ("acme", "globex")
    until(lambda: all(works(exporter, name, *every) for name in ("user_stats", "route_stats")), "all was asked once")
    assert told(exporter) == {'{credential="github"}': end}
    write(tmp_path / "token", "ghp_CANARYnext")
    until(lambda: told(exporter) == {}, "the old end does not stay")


def test_an_expired_token_keeps_its_end_until_it_is_replaced(running: Running, tmp_path: Path) -> None:
    tokens, exporter, end = running
    exporter.start()
    until(lambda: told(exporter) == {'{credential="github"}': end}, "the end is told")
    tokens["ghp_CANARYfirst"] = facts(0.0)  # GitHub answers 401 without the header
    until(lambda: 'reason="credential"} 1\n' in exporter.metrics(), "the 401 is counted")
    assert told(exporter) == {'{credential="github"}': end}
    write(tmp_path / "token", "ghp_CANARYnext")
    until(lambda: told(exporter) == {'{credential="github"}': end + 90 * DAY}, "the new one is there")


def test_a_credential_that_a_reload_takes_out_has_no_end(running: Running) -> None:
    _tokens, exporter, end = running
    exporter.start()
    until(lambda: told(exporter) == {'{credential="github"}': end}, "the end is told")
    everywhere = yaml.safe_load(exporter.config.read_text())["organizations"]
    reload(exporter, organizations=[one for one in everywhere if one["credential"] == "app"])
    until(lambda: told(exporter) == {}, "it goes with its targets")
    reload(exporter, organizations=everywhere)
    until(lambda: told(exporter) == {'{credential="github"}': end}, "it is back")


def test_the_end_is_told_again_after_a_restart(running: Running) -> None:
    _tokens, exporter, end = running
    exporter.start()
    until(lambda: told(exporter) == {'{credential="github"}': end}, "the end is told")
    exporter.kill()
    exporter.start()
    until(lambda: told(exporter) == {'{credential="github"}': end}, "it comes with the first answer")


def test_doctor_tells_the_end_of_each_token(running: Running) -> None:
    tokens, exporter, end = running
    done = command("doctor", f"--config.file={exporter.config}")
    assert (done.returncode, done.stderr) == (0, "")
    expected = f"\ncredential github: its token expires on {utc_time(end)}, in 10.0 days; make a new one and replace it"
    assert expected in done.stdout
    assert "credential app" not in done.stdout
    assert "CANARY" not in done.stdout
    tokens["ghp_CANARYfirst"] = facts(end + 90 * DAY)
    done = command("doctor", f"--config.file={exporter.config}")
    assert f"its token expires on {utc_time(end + 90 * DAY)}, in 100.0 days\n" in done.stdout
    tokens["ghp_CANARYfirst"] = facts(None)
    assert "its token expires" not in command("doctor", f"--config.file={exporter.config}").stdout
