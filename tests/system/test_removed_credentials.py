"""What a reload takes out leaves nothing behind: no skew of its clock, no quota, no finding on the page."""

import signal
import time
from html import unescape
from pathlib import Path
from typing import Any

import yaml

from exporter.instants import HOUR
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from tests.support.harness import Exporter, SimClock, config_for, get, simulated, until

SKEW = "github_exporter_clock_skew_seconds"
OF_POOLS = (
    "github_exporter_rate_limit_limit",
    "github_exporter_rate_limit_remaining",
    "github_exporter_rate_limit_reset_timestamp_seconds",
    "github_exporter_api_budget_requests",
)
RELOADED_AT = "github_exporter_config_last_reload_success_timestamp_seconds"


def github_at(now: float, organization: str) -> SimulatedGitHub:
    clock = SimClock(now)
    clock.run(1.0)
    return SimulatedGitHub(World.of([Event(organization, "user", 1, int(now) - HOUR, requests=9)]), clock)


def reload(exporter: Exporter, config: dict[str, Any]) -> None:
    before = exporter.value(RELOADED_AT)
    exporter.config.write_text(yaml.safe_dump(config))
    assert exporter.process is not None
    exporter.process.send_signal(signal.SIGHUP)
    until(lambda: exporter.value(RELOADED_AT) != before, "it has reloaded")


def test_a_removed_credential_leaves_no_skew_and_no_quota(tmp_path: Path) -> None:
    """Its server's clock was ten minutes ahead: after the reload nobody is told to mend our clock."""
    (tmp_path / "token").write_text("token")
    here, ahead = github_at(time.time(), "acme"), github_at(time.time() + 600, "globex")
    with simulated(here, ahead) as (url, other):
        alone = config_for(url, "acme", token_file=tmp_path / "token")
        both = {
            **alone,
            "credentials": {
                **alone["credentials"],
                "other": {"api_url": other, "token_file": str(tmp_path / "token")},
            },
            "organizations": [*alone["organizations"], {"name": "globex", "credential": "other"}],
        }
        with Exporter(tmp_path, both) as exporter:
            exporter.start()
            state = {"state": {"path": str(tmp_path / "state")}}
            until(lambda: (exporter.value(SKEW) or 0.0) > 500, "the skew is known")
            until(lambda: exporter.value(f'{OF_POOLS[0]}{{pool="other"}}'), "the quota is known")
            assert "This machine's clock is" in unescape(get(exporter.url)[1])
            reload(exporter, {**state, **alone})
            assert abs(exporter.value(SKEW) or 0.0) < 5
            assert [name for name in OF_POOLS if exporter.value(f'{name}{{pool="other"}}') is not None] == []
            assert exporter.value(f'{OF_POOLS[0]}{{pool="github"}}')
            assert "This machine's clock is" not in unescape(get(exporter.url)[1])
            reload(exporter, {**state, **both})
            until(lambda: exporter.value(f'{OF_POOLS[0]}{{pool="other"}}'), "it is back")
