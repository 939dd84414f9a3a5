"""`demo` and `simulate`: the exporter against a simulated GitHub, and that GitHub alone.

Both run on the wall clock. A month of history is there from the start, and what GitHub delays by hours is delayed by
seconds, so that values move while one looks.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from exporter import app
from exporter.collectors import COLLECTORS
from exporter.serving.server import parse_address
from exporter.settings import Settings
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import RETENTION, Switches
from exporter.simulator.serve import serving
from exporter.simulator.traffic import seeded_world

SEED = 7
ORGANIZATIONS = ("acme", "globex", "initech")
DELAY = (3.0, 12.0)  # seconds; GitHub's are 4 to 6 hours
INTERVAL = "5s"
BIRTH_DELAY = "5s"
TOKEN = "demo"  # noqa: S105 - the simulator takes any


async def run(settings: Settings, load: Callable[[Path], Settings]) -> None:
    """The exporter against the simulator until SIGTERM or SIGINT; `load` reads the demo's configuration file."""
    stop = app.stop_signal()
    clock = app.SystemClock()
    with tempfile.TemporaryDirectory(prefix="github-exporter-demo-") as folder:
        async with serving(_github(clock.wall)) as api_url:
            demo = load(_configuration(Path(folder), api_url))
            demo = demo.model_copy(update={"web": settings.web, "log": settings.log})
            async with app.Exporter(demo).running() as bound:
                _welcome(bound.addresses[0][1], settings.web.telemetry_path, api_url)
                await stop.wait()


async def simulate(settings: Settings) -> None:
    """The simulated GitHub alone, until SIGTERM or SIGINT."""
    stop = app.stop_signal()
    host, port = parse_address(settings.web.listen_address[0])
    async with serving(_github(app.SystemClock().wall), host or "0.0.0.0", port) as api_url:  # noqa: S104 - asked for
        print(f"A simulated GitHub is at {api_url}; any token works; organizations: {', '.join(ORGANIZATIONS)}")
        await stop.wait()


def _github(clock: Callable[[], float]) -> SimulatedGitHub:
    world = seeded_world(SEED, ORGANIZATIONS, Switches(bucket=1, delay=DELAY), start=clock() - RETENTION)
    return SimulatedGitHub(world, clock, limit=1_000_000)


def _configuration(folder: Path, api_url: str) -> Path:
    """The demo is configured by a file, as any exporter is."""
    (folder / "token").write_text(TOKEN)
    intervals = {collector.name: {"interval": INTERVAL} for collector in COLLECTORS}
    file = folder / "config.yaml"
    file.write_text(
        json.dumps(  # JSON is YAML
            {
                "credentials": {"simulator": {"api_url": api_url, "token_file": str(folder / "token")}},
                "organizations": [{"name": name, "credential": "simulator"} for name in ORGANIZATIONS],
                "collectors": intervals,
                "counters": {"birth_delay": BIRTH_DELAY},
                "state": {"path": str(folder / "state")},
            }
        )
    )
    return file


def _welcome(port: int, path: str, api_url: str) -> None:
    print(
        f"\nThe exporter serves a simulated GitHub Enterprise ({', '.join(ORGANIZATIONS)}):\n\n"
        f"  metrics   http://localhost:{port}{path}\n"
        f"  status    http://localhost:{port}/\n"
        f"  GitHub    {api_url} (simulated)\n\n"
        "Counters begin at 0 and move within seconds. Stop with Ctrl-C.\n",
        flush=True,
    )
