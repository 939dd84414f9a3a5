"""A daemon's folder as a restart finds it: `python -m tests.bench.restorable SERIES FOLDER` writes state and settings.

The settings name what the state holds, and a GitHub that is not there; until the jobs are due again nobody asks it.
"""

import asyncio
import sys
import time
from pathlib import Path

import yaml

from exporter.app import SystemClock
from exporter.collecting.tick import Ticks
from exporter.collecting.windows import Windows
from exporter.commands import DEFAULTS
from exporter.github.pacing import Pool
from exporter.serving.snapshot import Snapshot
from exporter.serving.store import Store
from exporter.state import State
from tests.bench import series as made
from tests.bench.answers import Answers
from tests.bench.product import Silent, jobs_of


async def write_state(series: int, folder: Path) -> None:
    """Read every job twice, so that it counts, and let its series go."""
    state, store, answers = State(folder / "state"), Store(0.0), Answers(series)
    state.open(time.time())
    ticks = Ticks(store, state, SystemClock(), Windows(), 10**9, 600.0, Silent())
    for job in jobs_of(series):
        ticks.restore(job, Snapshot())
        for answers.turn in (0, 1):
            assert await ticks.run(job, answers, Pool("bench")) is None
    state.close()


def settings(series: int, folder: Path) -> dict[str, object]:
    """The configuration of the same jobs."""
    (folder / "token").write_text("ghp_bench")
    actors = range(-(-made.keys(series) // made.ROUTES_OF_AN_ACTOR))
    organizations = made.organizations(series)
    off = {one.name: {"enabled": False} for one in DEFAULTS}
    on = {
        "subject_stats": {"max_series": 10_000, "subject_name_substring": "user"},
        "route_stats": {"max_series": 10_000, "top_actors": 0},
    }
    return {
        "credentials": {"default": {"api_url": "http://127.0.0.1:9", "token_file": str(folder / "token")}},
        "organizations": [f"org-{one}" for one in range(organizations)],
        "collectors": off | on,
        "watch": {
            "actors": [
                {"organization": f"org-{one % organizations}", "type": "installation", "id": 900_000 + one}
                for one in actors
            ]
        },
        "counters": {"birth_delay": "1s"},
        "limits": {"max_series": 10_000_000},
        "state": {"path": str(folder / "state")},
        "log": {"level": "error"},
    }


def main(series: int, folder: Path) -> None:
    """Write both."""
    asyncio.run(write_state(series, folder))
    (folder / "config.yaml").write_text(yaml.safe_dump(settings(series, folder)))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
