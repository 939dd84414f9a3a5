"""The command line: run (default) · demo · simulate · check · plan · doctor · metrics · healthcheck."""

import asyncio
import http.client
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import structlog
import uvloop

from exporter import app, logs
from exporter.collectors import COLLECTORS
from exporter.first_answer import Opened
from exporter.reference import metric_reference
from exporter.settings import CollectorDefaults, Settings, SettingsError, parse, reference
from exporter.state import StateLockedError

log = structlog.get_logger(__name__)

DEFAULTS = tuple(
    CollectorDefaults(
        name=collector.name,
        enabled=collector.enabled,
        interval=collector.interval,
        max_age=collector.max_age,
        options=collector.options,
    )
    for collector in {collector.name: collector for collector in COLLECTORS}.values()
)


def main(argv: Sequence[str], digest: str = "") -> int:
    """Run a command; the exit code is 1 for whatever the operator must mend first.

    `digest` tells of what the settings are made; without it no answer is left for the next start.
    """
    try:
        command, settings = parse(argv, collectors=DEFAULTS)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    commands: dict[str, Callable[[Settings], int]] = {
        "run": lambda settings: _serve(settings, app.run(settings, lambda: _settings(argv), digest=digest)),
        "demo": _demo,
        "simulate": _simulate,
        "check": _check,
        "plan": _plan,
        "doctor": _doctor,
        "metrics": _metrics,
        "healthcheck": _healthcheck,
    }
    return commands[command](settings)


async def run_behind(opened: Opened, argv: Sequence[str], digest: str) -> int:
    """Run the daemon behind what answers already."""
    try:
        settings = await asyncio.to_thread(_settings, argv)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    logs.configure(settings.log.level, settings.log.format)
    try:
        await app.run(settings, lambda: _settings(argv), digest=digest, opened=opened)
    except (StateLockedError, OSError) as error:
        return _cannot_start(error)
    return 0


def _settings(argv: Sequence[str]) -> Settings:
    return parse(argv, collectors=DEFAULTS)[1]


# What only one command needs is imported by it: the daemon starts in half the time, and in less memory.


def _demo(settings: Settings) -> int:
    from exporter import demo  # noqa: PLC0415 - see above

    return _serve(settings, demo.run(settings, _load))


def _simulate(settings: Settings) -> int:
    from exporter import demo  # noqa: PLC0415 - see above

    return _serve(settings, demo.simulate(settings))


def _check(settings: Settings) -> int:
    from exporter import report  # noqa: PLC0415 - see above

    return report.check(settings, COLLECTORS)


def _plan(settings: Settings) -> int:
    from exporter import report  # noqa: PLC0415 - see above

    return report.plan_command(settings, COLLECTORS)


def _doctor(settings: Settings) -> int:
    from exporter import report  # noqa: PLC0415 - see above

    return report.doctor(settings, COLLECTORS)


def _load(file: Path) -> Settings:
    """The settings of a file alone, without flags or environment."""
    _command, settings = parse(["run", f"--config.file={file}"], {}, collectors=DEFAULTS)
    return settings


def configuration_reference() -> str:
    """`docs/configuration.md`."""
    return reference(DEFAULTS)


def _serve(settings: Settings, main: Coroutine[Any, Any, None]) -> int:
    logs.configure(settings.log.level, settings.log.format)
    try:
        uvloop.run(main)
    except (StateLockedError, OSError) as error:
        return _cannot_start(error)
    return 0


def _cannot_start(error: Exception) -> int:
    log.error("cannot start", error=str(error))
    return 1


def _metrics(_settings: Settings) -> int:
    print(metric_reference(COLLECTORS), end="")
    return 0


def _healthcheck(settings: Settings) -> int:
    """Ask the local daemon for `/-/healthy`."""
    host, _, port = settings.web.listen_address[0].rpartition(":")
    if host in ("", "0.0.0.0"):  # noqa: S104 - the address that a daemon listens on, asked on loopback
        host = "127.0.0.1"
    host = "::1" if host == "[::]" else host.strip("[]")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    try:
        connection.request("GET", "/-/healthy")
        healthy = connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException) as error:
        print(f"{host}:{port} does not answer: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()
    return 0 if healthy else 1
