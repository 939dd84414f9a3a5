"""Organizations of one user each, an exporter that reads them, and the state of their endpoint."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.instants import HOUR
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from tests.support.harness import Exporter, SimClock, config_for, simulated


def github_of(*organizations: str) -> SimulatedGitHub:
    clock = SimClock(time.time())
    clock.run(1.0)
    events = [Event(name, "user", 1, int(clock()) - HOUR, requests=9) for name in organizations]
    return SimulatedGitHub(World.of(events), clock)


@contextmanager
def exporting(tmp_path: Path, github: SimulatedGitHub, *organizations: str, interval: str) -> Iterator[Exporter]:
    """The exporter, not started yet."""
    (tmp_path / "token").write_text("token")
    with simulated(github) as (url,):
        config = config_for(url, *organizations, token_file=tmp_path / "token", interval=interval)
        with Exporter(tmp_path, config) as exporter:
            yield exporter


def state_of(exporter: Exporter, organization: str, state: str) -> bool:
    series = f'github_exporter_endpoint_state{{collector="subject_stats",target="organization/{organization}"'
    return exporter.value(f'{series},state="{state}"}}') == 1
