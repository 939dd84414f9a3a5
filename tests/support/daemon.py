"""The exporter as a process from its first instant, before it listens."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.support.harness import Exporter, until

NOBODY = {
    "credentials": {"github": {"api_url": "http://127.0.0.1:1", "token_file": "token"}},
    "organizations": ["acme"],
}
"""A configuration whose GitHub refuses connections."""


def launched(folder: Path, *arguments: str, config: Mapping[str, Any] = NOBODY, **more: Any) -> Exporter:
    """A process that has just begun: the handlers of its first instant are there, or it has had time for them."""
    (folder / "token").write_text("ghp_CANARY0123456789")
    exporter = Exporter(folder, config)
    with exporter.log.open("ab") as log:
        exporter.process = process = subprocess.Popen(
            [sys.executable, "-m", "exporter", *arguments],
            env=exporter.environ,
            cwd=folder,
            **{"stdout": log, "stderr": log, **more},
        )
    began = time.monotonic()
    until(lambda: ignores(process.pid, signal.SIGUSR1) or time.monotonic() > began + 0.5, "it has begun", every=0.002)
    return exporter


def ignores(pid: int, number: int) -> bool:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigIgn:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def memory(line: str, pid: int | str = "self") -> float:
    """MiB of a process: what it has (`VmRSS`), the most it had (`VmHWM`)."""
    match = re.search(rf"{line}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match
    return int(match[1]) / 1024


def daemon(folder: Path) -> Exporter:
    return launched(folder, "--config.file=config.yaml", "--web.listen-address=127.0.0.1:0", "--log.format=json")


def ended(exporter: Exporter) -> int:
    assert exporter.process
    return exporter.process.wait(30)
