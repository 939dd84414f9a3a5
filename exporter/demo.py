"""`demo` and `simulate`: the exporter against a simulated GitHub, and that GitHub alone.

Both run on the wall clock. A month of history is there from the start, and what GitHub delays by hours is delayed by
seconds, so that values move while one looks. Two organizations are read by a GitHub App, one by a fine-grained token,
their enterprise by a classic one, and each of its two appliances by its site administrator's.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, get_args

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from exporter import app
from exporter.collectors.copilot_usage import Breakdown
from exporter.serving.server import parse_address
from exporter.settings import Settings
from exporter.simulator.access import TokenFacts
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import Installation, SimulatedApp
from exporter.simulator.aside import serving_aside
from exporter.simulator.estate import DAY, Appliance, Copilot, Enterprise, Estate, day_of
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
ENTERPRISE = "acme-corp"
APPLIANCES = (
    Appliance("ghes-eu", "ea6088f3-f095-4bf2-8d7f-c573819e8768", "ghes.eu.example.com", "3.19.2", users=2_400),
    Appliance("ghes-us", "0b9f2a51-6c3e-4f6e-9a77-4d1c5b8e2f10", "ghes.us.example.com", "3.14.9", users=600, old=True),
)
COPILOT_DAYS = 35
REVISED_AFTER = 40.0  # seconds
DELAY = (3.0, 12.0)  # seconds; GitHub's are 4 to 6 hours
INTERVALS = {
    "summary_stats": "5s",
    "time_stats": "5s",
    "subject_stats": "5s",
    "user_stats": "10s",
    "route_stats": "10s",
    "server_statistics": "15s",
    "appliance_stats": "10s",
    "copilot_usage": "15s",
    "copilot_seats": "10s",
    "copilot_metrics": "30s",
}
BIRTH_DELAY = "5s"
CLIENT_ID = "Iv23liDEMO"
TOKENS = {
    "finance": "github_pat_demo",
    "classic": "ghp_demo",
    **{one.name: f"ghp_demo{one.name}" for one in APPLIANCES},
}
READS = {
    "organization_api_insights": "read",
    "organization_copilot_metrics": "read",
    "organization_copilot_seat_management": "read",
}


async def run(settings: Settings, load: Callable[[Path], Settings]) -> None:
    """The exporter against the simulator until SIGTERM or SIGINT; `load` reads the demo's configuration file."""
    stop = app.stop_signal()
    private, public = _key_pair()
    with tempfile.TemporaryDirectory(prefix="github-exporter-demo-") as name:
        folder = Path(name)
        for credential, token in TOKENS.items():
            (folder / credential).write_text(token)
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
    github = SimulatedGitHub(_world(clock.wall()), clock.wall, estate=_estate(clock.wall()), limit=1_000_000)
    async with serving(github, host or "0.0.0.0", port) as api_url:  # noqa: S104 - asked for
        appliances = ", ".join(f"{api_url}/{one.name}/api/v3" for one in APPLIANCES)
        print(f"A simulated GitHub is at {api_url}; any token works; organizations: {', '.join(SIZES)}")
        print(f"Their enterprise is {ENTERPRISE}; it has appliances at {appliances}")
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
        tokens={
            TOKENS["finance"]: TokenFacts({"initech"}, user="finance-bot", kind="fine_grained", permissions=READS),
            TOKENS["classic"]: TokenFacts(
                frozenset(), {ENTERPRISE}, user="owner", scopes=("read:enterprise", "read:org")
            ),
            **{TOKENS[one.name]: TokenFacts(frozenset(), site_admin=True) for one in APPLIANCES},
        },
        apps=[
            SimulatedApp(
                CLIENT_ID, public_key, {name: Installation(100 + n, READS) for n, name in enumerate(INSTALLED)}
            )
        ],
        estate=_estate(clock.wall()),
        limit=1_000_000,
    )
    return github, {
        "users": [{"organization": "acme", "id": robot.subject_id}],
        "actors": [{"organization": "acme", "type": bot.actor_type, "id": bot.actor_id}],
    }


def _world(now: float) -> World:
    return seeded_world(SEED, tuple(SIZES), Switches(bucket=1, delay=DELAY), start=now - RETENTION, size=SIZES)


def _estate(now: float) -> Estate:
    """Five weeks with Copilot: a day late, some missing, one revised while one looks; files in parts and many forms."""
    newest, before = (day_of(now - back * DAY) for back in (2, 3))
    return Estate(
        (Enterprise(ENTERPRISE, tuple(SIZES), APPLIANCES),),
        since=now - COPILOT_DAYS * DAY,
        seed=SEED,
        copilot=Copilot(
            late={("globex", newest): now + 2 * DAY},
            missing={("initech", newest), ("initech", before), (ENTERPRISE, day_of(now - 9 * DAY))},
            revised={("acme", newest): now + REVISED_AFTER},
            files={"acme": 3, ENTERPRISE: 2},
            forms={"globex": "lines", "initech": "array"},
            dead_links={"acme": 1},
            retired=False,
        ),
    )


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
    collectors: dict[str, dict[str, Any]] = {name: {"interval": interval} for name, interval in INTERVALS.items()}
    collectors["time_stats"]["increment"] = "1h"  # hours are cheap to simulate
    collectors["route_stats"]["top_actors"], collectors["user_stats"]["top_users"] = 10, 5
    collectors["copilot_metrics"]["enabled"] = True
    collectors["copilot_usage"] |= {"breakdowns": get_args(Breakdown), "download_hosts": ["127.0.0.1"]}
    return {
        "credentials": {
            "app": {
                "api_url": api_url,
                "app_client_id": CLIENT_ID,
                "private_key_file": str(folder / "app.pem"),
            },
            **{name: {"api_url": api_url, "token_file": str(folder / name)} for name in ("finance", "classic")},
            **{
                one.name: {"api_url": f"{api_url}/{one.name}/api/v3", "token_file": str(folder / one.name)}
                for one in APPLIANCES
            },
        },
        "organizations": [{"name": name, "credential": "app" if name in INSTALLED else "finance"} for name in SIZES],
        "enterprises": [{"name": ENTERPRISE, "credential": "classic"}],
        "appliances": [{"name": one.name, "credential": one.name} for one in APPLIANCES],
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
