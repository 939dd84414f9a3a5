"""The command line: run (default) · demo · simulate · check · metrics · healthcheck."""

import http.client
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import structlog
import uvloop

from exporter import app, demo, logs
from exporter.collectors import COLLECTORS
from exporter.reference import metric_reference
from exporter.settings import CollectorDefaults, Settings, SettingsError, duration_text, parse, reference
from exporter.state import StateLockedError

log = structlog.get_logger(__name__)

DEFAULTS = tuple(
    CollectorDefaults(
        name=collector.name,
        enabled=collector.enabled,
        interval=collector.interval,
        max_age=collector.max_age,
        scope=frozenset({collector.scope}),
        options=collector.options,
    )
    for collector in COLLECTORS
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 1 for whatever the operator must mend first."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        command, settings = parse(argv, collectors=DEFAULTS)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    commands: dict[str, Callable[[Settings], int]] = {
        "run": lambda settings: _serve(settings, app.run(settings, lambda: parse(argv, collectors=DEFAULTS)[1])),
        "demo": lambda settings: _serve(settings, demo.run(settings, _load)),
        "simulate": lambda settings: _serve(settings, demo.simulate(settings)),
        "check": _check,
        "metrics": _metrics,
        "healthcheck": _healthcheck,
    }
    return commands[command](settings)


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
        log.error("cannot start", error=str(error))
        return 1
    return 0


def _check(settings: Settings) -> int:
    """Print what would run."""
    jobs = app.jobs_of(settings)
    rows = [("COLLECTOR", "TARGET", "INTERVAL", "CREDENTIAL", "API")]
    for job in jobs:
        credential = settings.credentials[job.target.credential]
        interval = duration_text(job.settings.interval)
        rows.append((job.collector.name, str(job.target), interval, job.target.credential, credential.api_url))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    asked = {job.target for job in jobs}
    for target in settings.targets():
        if target not in asked:
            print(f"{target}: nothing is asked yet; this version has no collector for it, or none for GitHub Apps")
    print(f"\n{len(jobs)} jobs. The configuration is valid.")
    return 0


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


if __name__ == "__main__":
    sys.exit(main())
