"""`demo` and `simulate`: the exporter against a simulated GitHub, and that GitHub alone.

Both run on the wall clock. A month of history is there from the start, and what GitHub delays by hours is delayed by
seconds, so that values move while one looks. Two organizations are read by a GitHub App, one by a token.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from exporter import app
from exporter.serving.server import parse_address
from exporter.settings import Settings
from exporter.simulator.access import TokenFacts
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import Installation, SimulatedApp
from exporter.simulator.aside import serving_aside
from exporter.simulator.facts import RETENTION, Switches
from exporter.simulator.population import RUNAWAY, Size
from exporter.simulator.serve import serving
from exporter.simulator.traffic import seeded_world
from exporter.simulator.world import World

SEED = 7
SIZES = {
    "acme": Size(apps=100, users=800, runaway=1.0, throttled=1.0),
    "globex": Size(apps=50, users=200),
    "initech": Size(apps=14, users=46),
}
INSTALLED = ("acme", "globex")
DELAY = (3.0, 12.0)  # seconds; GitHub's are 4 to 6 hours
INTERVALS = {
    "summary_stats": "5s",
    "time_stats": "5s",
    "subject_stats": "5s",
    "user_stats": "10s",
    "route_stats": "10s",
}
BIRTH_DELAY = "5s"
CLIENT_ID = "Iv23liDEMO"
TOKEN = "github_pat_demo"  # noqa: S105 - the simulator takes it


async def run(settings: Settings, load: Callable[[Path], Settings]) -> None:
    """The exporter against the simulator until SIGTERM or SIGINT; `load` reads the demo's configuration file."""
    stop = app.stop_signal()
    private, public = _key_pair()
    with tempfile.TemporaryDirectory(prefix="github-exporter-demo-") as name:
        folder = Path(name)
        (folder / "token").write_text(TOKEN)
        (folder / "app.pem").write_bytes(private)
        async with serving_aside(partial(_github, public)) as (api_url, watch):
            file = folder / "config.yaml"
            file.write_text(json.dumps(_configuration(folder, api_url, watch)))  # JSON is YAML
            demo = load(file).model_copy(update={"web": settings.web, "log": settings.log})
            async with app.Exporter(demo).running() as bound:
                _welcome(bound.addresses[0][1], settings.web.telemetry_path, api_url)
                await stop.wait()


async def simulate(settings: Settings) -> None:
    """The simulated GitHub alone, until SIGTERM or SIGINT."""
    stop = app.stop_signal()
    clock = app.SystemClock()
    host, port = parse_address(settings.web.listen_address[0])
    github = SimulatedGitHub(_world(clock.wall()), clock.wall, limit=1_000_000)
    async with serving(github, host or "0.0.0.0", port) as api_url:  # noqa: S104 - asked for
        print(f"A simulated GitHub is at {api_url}; any token works; organizations: {', '.join(SIZES)}")
        await stop.wait()


def _github(public_key: bytes) -> tuple[SimulatedGitHub, dict[str, Any]]:
    """The demo's GitHub, and whom to watch there: the bot that runs away and a machine's account."""
    clock = app.SystemClock()
    world = _world(clock.wall())
    actors = [source.actor for source in world.organizations[0].sources]
    bot = next(actor for actor in actors if actor.subject_name == RUNAWAY)
    robot = next(actor for actor in actors if actor.subject_name.endswith("-robot"))
    github = SimulatedGitHub(
        world,
        clock.wall,
        tokens={TOKEN: TokenFacts({"initech"}, user="finance-bot", kind="fine_grained")},
        apps=[SimulatedApp(CLIENT_ID, public_key, {name: Installation(100 + n) for n, name in enumerate(INSTALLED)})],
        limit=1_000_000,
    )
    return github, {
        "users": [{"organization": "acme", "id": robot.subject_id}],
        "actors": [{"organization": "acme", "type": bot.actor_type, "id": bot.actor_id}],
    }


def _world(now: float) -> World:
    return seeded_world(SEED, tuple(SIZES), Switches(bucket=1, delay=DELAY), start=now - RETENTION, size=SIZES)


def _key_pair() -> tuple[bytes, bytes]:
    """A GitHub App's key: private for the exporter, public for GitHub."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, public


def _configuration(folder: Path, api_url: str, watch: Mapping[str, Any]) -> dict[str, Any]:
    """The demo is configured by a file, as any exporter is."""
    collectors: dict[str, dict[str, str | int]] = {name: {"interval": interval} for name, interval in INTERVALS.items()}
    collectors["time_stats"]["increment"] = "1h"  # hours are cheap to simulate
    collectors["route_stats"]["top_actors"], collectors["user_stats"]["top_users"] = 10, 5
    return {
        "credentials": {
            "app": {
                "api_url": api_url,
                "app_client_id": CLIENT_ID,
                "private_key_file": str(folder / "app.pem"),
            },
            "finance": {"api_url": api_url, "token_file": str(folder / "token")},
        },
        "organizations": [{"name": name, "credential": "app" if name in INSTALLED else "finance"} for name in SIZES],
        "watch": watch,
        "collectors": collectors,
        "counters": {"birth_delay": BIRTH_DELAY},
        "state": {"path": str(folder / "state")},
    }


def _welcome(port: int, path: str, api_url: str) -> None:
    print(
        f"\nThe exporter serves a simulated GitHub Enterprise ({', '.join(SIZES)}):\n\n"
        f"  metrics   http://localhost:{port}{path}\n"
        f"  status    http://localhost:{port}/\n"
        f"  GitHub    {api_url} (simulated)\n\n"
        "Counters begin at 0 and move within seconds. Stop with Ctrl-C.\n",
        flush=True,
    )
