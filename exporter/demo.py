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
from exporter.collectors.usage_reports import Breakdown as SpendBreakdown
from exporter.serving.server import parse_address
from exporter.settings import Settings
from exporter.signals import stop_signal
from exporter.simulator.aside import serving_aside
from exporter.simulator.serve import serving
from exporter.simulator.showcase import (
    APPLIANCES,
    CLIENT_ID,
    ENTERPRISE,
    EXPORTED_TOO,
    INSTALLED,
    SIZES,
    TOKENS,
    github,
    open_github,
)

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
    "usage_reports": "20s",
    "billing_usage": "15s",
}
BIRTH_DELAY = "5s"


async def run(settings: Settings, load: Callable[[Path], Settings]) -> None:
    """The exporter against the simulator until SIGTERM or SIGINT; `load` reads the demo's configuration file."""
    stop = stop_signal()
    private, public = _key_pair()
    with tempfile.TemporaryDirectory(prefix="github-exporter-demo-") as name:
        folder = Path(name)
        for credential, token in TOKENS.items():
            (folder / credential).write_text(token)
        (folder / "app.pem").write_bytes(private)
        async with serving_aside(partial(github, public)) as (api_url, watch):
            file = folder / "config.yaml"
            file.write_text(json.dumps(_configuration(folder, api_url, watch)))  # JSON is YAML
            demo = load(file).model_copy(update={"web": settings.web, "log": settings.log})
            async with app.Exporter(demo).running() as bound:
                _welcome(bound.addresses[0][1], settings.web.telemetry_path, api_url)
                await stop.wait()


async def simulate(settings: Settings) -> None:
    """The simulated GitHub alone, until SIGTERM or SIGINT."""
    stop = stop_signal()
    clock = app.SystemClock()
    host, port = parse_address(settings.web.listen_address[0])
    async with serving(open_github(clock.wall), host or "0.0.0.0", port) as api_url:  # noqa: S104 - asked for
        appliances = ", ".join(f"{api_url}/{one.name}/api/v3" for one in APPLIANCES)
        print(f"A simulated GitHub is at {api_url}; any token works; organizations: {', '.join(SIZES)}")
        print(f"Their enterprise is {ENTERPRISE}; it has appliances at {appliances}")
        await stop.wait()


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
    collectors["route_stats"]["top_actors"], collectors["user_stats"]["top_users"] = 4, 4
    collectors["copilot_metrics"]["enabled"] = True
    collectors["billing_usage"]["organizations"] = True
    collectors["usage_reports"] |= {
        "create": True,
        "report_type": "detailed",
        "also": EXPORTED_TOO,
        "breakdowns": get_args(SpendBreakdown),
        "download_hosts": ["127.0.0.1"],
    }
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
