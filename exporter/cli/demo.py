"""`demo`: the exporter against a simulated GitHub: no token, no network.

It runs on the wall clock. A month of history is there from the start, and what GitHub delays by hours is delayed by
seconds, so that values move within a minute. Two organizations are discovered by a GitHub App, a third one a minute
later; one is read by a fine-grained token, their enterprise by a classic one, and each of its two appliances by its
site administrator's.

With `--history` it writes that GitHub's past instead, for a Prometheus that shall begin with it.
"""

import asyncio
import errno
import json
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from math import sqrt
from pathlib import Path
from typing import Any, get_args

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from exporter import output
from exporter.catalogue import Collector
from exporter.cli import backfill
from exporter.cli.serve import serve
from exporter.collectors import COLLECTORS
from exporter.collectors.copilot_usage import Breakdown
from exporter.collectors.usage_reports import Breakdown as SpendBreakdown
from exporter.daemon import Exporter
from exporter.instants import DAY, HOUR, day_of
from exporter.options import duration_text
from exporter.serving.server import Listening
from exporter.settings import Settings, parse
from exporter.settings.backfill import Backfill
from exporter.settings.web import WebSection
from exporter.settings.web_config import outline
from exporter.signals import watched
from exporter.simulator.child_process import serving_in_child
from exporter.simulator.showcase import (
    APPLIANCES,
    CLIENT_ID,
    ENTERPRISE,
    EXPORTED_TOO,
    INSTALLED,
    SIZES,
    TOKENS,
    github,
)

BIRTH_DELAY = "5s"
LISTED_EVERY = "10s"
SHORTEST = 5.0
"""Seconds between two runs of a collector whose interval is half an hour or less."""

HISTORY = {
    "requests": (("summary_stats", "time_stats", "subject_stats"), (), 14, "15m"),
    "copilot": (("copilot_usage",), (), 60, "2h"),
    "spend": (
        ("billing_usage",),
        (f"enterprise/{ENTERPRISE}", *(f"organization/{name}" for name in INSTALLED)),
        60,
        "2h",
    ),
}
"""The parts of the past: collectors, targets, days and step. Prometheus must look back as far as the longest step."""
LABELS = ("job=github", "instance=exporter:10171")
"""What the Prometheus of `deploy/compose` attaches to the series of the exporter."""

_ABOUT_TARGETS = {collector.name for collector in COLLECTORS if not collector.subject}
DRILL_DOWNS = {collector.name for collector in COLLECTORS} - _ABOUT_TARGETS
"""Collectors that read single users or actors only, so that they have many jobs."""


def demo_interval(collector: Collector) -> str:
    """How often a collector runs in the demo: 5 s for 30 min, twice that for four times the interval, and so on.

    So a daily collector runs within a minute, and slower collectors stay slower than others. Drill-downs have twice the
    interval.
    """
    seconds = SHORTEST * max(1.0, sqrt(collector.interval / (HOUR / 2)))
    return duration_text(round(seconds * (2 if collector.name in DRILL_DOWNS else 1)))


def main(settings: Settings) -> int:
    """Run exporter and simulator until SIGTERM or SIGINT; or write the simulated GitHub's past."""
    if settings.demo.history:
        return asyncio.run(_write_history(settings.demo.history))
    return serve(settings, _demo(settings))


async def _demo(settings: Settings) -> None:
    stop = watched().stop
    async with _simulated(in_a_hurry=True) as (of_file, api_url), AsyncExitStack() as stack:
        demo = of_file.model_copy(update={"web": settings.web, "log": settings.log})
        listening = await _running(Exporter(demo), stack)
        _welcome(listening.addresses[0][1], settings.web, api_url)
        await stop.wait()


async def _write_history(folder: Path) -> int:
    """Write the past once; returns the exit code. What a run that was stopped has left is written anew."""
    done = folder / "complete"
    if done.exists():
        return 0
    async with _simulated(in_a_hurry=False) as (of_file, _api_url):
        for name, (collectors, targets, days, step) in HISTORY.items():
            await asyncio.to_thread(shutil.rmtree, folder / name, ignore_errors=True)
            chosen = Backfill(
                from_day=day_of(time.time() - days * DAY),  # noqa: TID251 - the simulated GitHub's clock
                collectors=collectors,
                targets=targets,
                step=step,
                labels=LABELS,
                output=folder / name,
            )
            of_past = of_file.model_copy(update={"backfill": chosen})
            if code := await asyncio.to_thread(backfill.main, of_past, latest=0):
                return code
    done.touch()
    return 0


@asynccontextmanager
async def _simulated(*, in_a_hurry: bool) -> AsyncIterator[tuple[Settings, str]]:
    """A simulated GitHub, with the settings of an exporter of it, and its URL."""
    private, public = _key_pair()
    with tempfile.TemporaryDirectory(prefix="github-exporter-demo-") as name:
        folder = Path(name)
        for credential, token in TOKENS.items():
            (folder / credential).write_text(token)
        (folder / "app.pem").write_bytes(private)
        async with serving_in_child(partial(github, public)) as (api_url, watch):
            file = folder / "config.yaml"
            file.write_text(json.dumps(_configuration(folder, api_url, watch, in_a_hurry=in_a_hurry)))  # JSON is YAML
            # No environment: only the file counts, besides the flags of web and log.
            of_file = parse(["run", f"--config.file={file}"], {}, collectors=COLLECTORS)[1]
            yield of_file, api_url


async def _running(exporter: Exporter, stack: AsyncExitStack) -> Listening:
    """Start the exporter until the stack is closed. If the port is taken, the error shows how to set another one."""
    try:
        return await stack.enter_async_context(exporter.running())
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise OSError(error.errno, f"{error.strerror} (make demo PORT=10999)") from None
        raise


def _key_pair() -> tuple[bytes, bytes]:
    """A GitHub App's key, as PEM: the private key for the exporter, the public one for the simulated GitHub."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, public


def _configuration(folder: Path, api_url: str, watch: Mapping[str, Any], *, in_a_hurry: bool) -> dict[str, Any]:
    """The content of the demo's configuration file; without hurry each collector has its usual interval."""
    collectors: dict[str, dict[str, Any]] = {
        collector.name: {"enabled": True} | ({"interval": demo_interval(collector)} if in_a_hurry else {})
        for collector in COLLECTORS
    }
    collectors["time_stats"]["increment"] = "1h"  # hours are cheap to simulate
    collectors["route_stats"]["top_actors"], collectors["user_stats"]["top_users"] = 4, 4
    for name in ("advanced_security", "billing_usage"):
        collectors[name]["organizations"] = True
    collectors["budgets"] |= {"organizations": True, "each": True}
    collectors["licenses"]["users"] = True
    collectors["usage_reports"] |= {
        "create": True,
        "report_type": "detailed",
        "also": EXPORTED_TOO,
        "breakdowns": get_args(SpendBreakdown),
    }
    collectors["copilot_usage"]["breakdowns"] = get_args(Breakdown)
    collectors["copilot_people"] |= {"people": True, "max_series": 20}
    for collector in COLLECTORS:
        if "download_hosts" in collector.options.model_fields:
            collectors[collector.name]["download_hosts"] = ["127.0.0.1"]
    return {
        "credentials": {
            "app": {
                "api_url": api_url,
                "app_client_id": CLIENT_ID,
                "private_key_file": str(folder / "app.pem"),
            },
            **{name: {"api_url": api_url, "token_file": str(folder / name)} for name in ("finance", "classic")},
            **{
                appliance.name: {
                    "api_url": f"{api_url}/{appliance.name}/api/v3",
                    "token_file": str(folder / appliance.name),
                }
                for appliance in APPLIANCES
            },
        },
        "organizations": [{"name": name, "credential": "finance"} for name in SIZES if name not in INSTALLED],
        "discover": [{"credential": "app", "interval": LISTED_EVERY}],
        "enterprises": [{"name": ENTERPRISE, "credential": "classic"}],
        "appliances": [{"name": appliance.name, "credential": appliance.name} for appliance in APPLIANCES],
        "watch": watch,
        "collectors": collectors,
        "counters": {"birth_delay": BIRTH_DELAY},
        "state": {"path": str(folder / "state")},
    }


def _welcome(port: int, web: WebSection, api_url: str) -> None:
    known = outline(web.config_file) if web.config_file else None
    scheme = "https" if known and known.has_tls else "http"
    output.write(
        f"\nThe exporter serves a simulated GitHub Enterprise ({', '.join(SIZES)}):\n\n"
        f"  metrics   {scheme}://localhost:{port}{web.prefix}{web.telemetry_path}\n"
        f"  status    {scheme}://localhost:{port}{web.prefix}/\n"
        f"  GitHub    {api_url} (simulated)\n\n"
        "Counters begin at 0 and move within seconds. Stop with Ctrl-C.\n\n"
    )
