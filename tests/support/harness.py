"""Real parts for end-to-end tests: the simulated GitHub on a port, the exporter as a process, a real Prometheus."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TypeVar

import yaml

from exporter.collectors import COLLECTORS
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.serve import serving
from tests.support.threads import in_thread

Result = TypeVar("Result")


def until(
    look: Callable[..., Result | Literal[False] | None], what: str, seconds: float = 90.0, every: float = 0.05
) -> Result:
    """What `look` gives once that is true; fail after a deadline.

    It is called without arguments: its defaults are what a lambda in a loop binds.
    """
    deadline = time.monotonic() + seconds
    while True:
        if result := look():
            return result
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(every)


ENVIRON = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "COVERAGE_PROCESS_CONFIG") if name in os.environ}
"""What the exporter's processes get of the tests' environment."""


def command(*arguments: str, stdin: str | None = None, **environ: str) -> "subprocess.CompletedProcess[str]":
    """One of the exporter's commands, with nothing in its environment but this."""
    return subprocess.run(
        [sys.executable, "-m", "exporter", *arguments],
        input=stdin,
        env={**ENVIRON, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class SimClock:
    """GitHub's clock: it stands still, or runs at any rate."""

    def __init__(self, now: float) -> None:
        self._now, self._rate, self._since = now, 0.0, time.monotonic()

    def __call__(self) -> float:
        return self._now + (time.monotonic() - self._since) * self._rate

    def run(self, rate: float) -> None:
        self._now, self._since, self._rate = self(), time.monotonic(), rate

    def freeze(self) -> None:
        self.run(0.0)

    def jump(self, seconds: float) -> None:
        self._now += seconds


@contextmanager
def simulated(*applications: SimulatedGitHub) -> Iterator[list[str]]:
    """Serve simulated GitHubs from a thread; gives their URLs."""
    with in_thread(*map(serving, applications)) as urls:
        yield urls


class OnAPort(Protocol):
    """A scene around a simulated GitHub, whose `url` is known once it is served."""

    github: SimulatedGitHub
    url: str


Scene = TypeVar("Scene", bound=OnAPort)


@contextmanager
def served(scene: Scene) -> Iterator[Scene]:
    """The scene while its GitHub is served."""
    with simulated(scene.github) as (scene.url,):
        yield scene


def get(url: str, headers: Mapping[str, str] | None = None, timeout: float = 10.0) -> tuple[int, str]:
    """Status and body; an error status is a value, no connection is (0, reason)."""
    request = urllib.request.Request(url, headers=dict(headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


class Exporter:
    """The exporter as a process, with its configuration file and its state below one folder."""

    def __init__(self, folder: Path, config: Mapping[str, Any], script: str = "", **environ: str) -> None:
        self.folder = folder
        self.environ = {**ENVIRON, "HOME": str(folder), **environ}
        self.config = folder / "config.yaml"
        self.config.write_text(yaml.safe_dump({"state": {"path": str(folder / "state")}, **config}))
        self.log = folder / "exporter.log"
        self.script = script
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start_second(self) -> "subprocess.CompletedProcess[str]":
        """The end of a second exporter with this configuration: it must refuse to run."""
        return subprocess.run(
            [sys.executable, "-m", "exporter", f"--config.file={self.config}", "--web.listen-address=127.0.0.1:0"],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def start(self, *flags: str) -> Self:
        """Start it and wait until it listens; the port stays the same over restarts."""
        offset = self.log.stat().st_size if self.log.exists() else 0
        command = [sys.executable, "-c", self.script] if self.script else [sys.executable, "-m", "exporter"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *command,
                    f"--config.file={self.config}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    "--log.format=json",
                    "--log.level=debug",
                    *flags,
                ],
                stderr=log,
                stdout=log,
                env=self.environ,
                cwd=self.folder,
            )
        line = until(lambda: self._line("listening", offset) or self._died(), "the exporter listens")
        self.port = int(line["addresses"].rpartition(":")[2])
        return self

    def _line(self, event: str, offset: int) -> dict[str, Any] | None:
        with self.log.open("rb") as log:
            log.seek(offset)
            *whole, _being_written = log.read().split(b"\n")
            for text in whole:
                if text.startswith(b"{") and (line := json.loads(text)).get("event") == event:
                    return dict(line)
        return None

    def _died(self) -> None:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-4000:]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        _remove_faketime(self.process.pid)

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def fill_disk(self, room: int = 0) -> None:
        """Let no file of the process become longer than this, nor be written beyond it: what a full disk is."""
        self._limit_files(room)

    def free_disk(self) -> None:
        """Let files grow again."""
        self._limit_files(resource.RLIM_INFINITY)

    def _limit_files(self, most: int) -> None:
        assert self.process is not None
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def metrics(self, query: str = "", **headers: str) -> str:
        """The answer of `/metrics`, whose status must be 200."""
        status, body = get(f"{self.url}/metrics{query}", headers)
        assert status == 200, body
        return body

    def value(self, series: str, query: str = "") -> float | None:
        """One series' value, None if it is absent; `series` as it stands in the text."""
        for line in self.metrics(query).splitlines():
            if line.startswith(series + " "):
                return float(line.rpartition(" ")[2])
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, fault: type[BaseException] | None, *_: object) -> None:
        if fault and self.log.exists():
            print(self.log.read_text()[-4000:])  # pytest shows it with the failure
        if self.process and self.process.poll() is None:
            self.kill()


def _remove_faketime(pid: int) -> None:
    """Remove the lock of a killed process' libfaketime: another process of that number would wait for it."""
    for name in ("faketime_shm", "sem.faketime_sem"):
        Path(f"/dev/shm/{name}_{pid}").unlink(missing_ok=True)


INSIGHTS = tuple(collector for collector in COLLECTORS if "/insights/api/" in collector.endpoint)
INSIGHTS_ONLY: dict[str, dict[str, Any]] = {
    collector.name: {"enabled": False} for collector in COLLECTORS if collector not in INSIGHTS
}
"""A section `collectors` without what is asked of other endpoints."""


def config_for(url: str, *organizations: str, token_file: Path, interval: str = "1s", **more: Any) -> dict[str, Any]:
    """A configuration with one credential."""
    return {
        "credentials": {"github": {"api_url": url, "token_file": str(token_file)}},
        "organizations": [{"name": name, "credential": "github"} for name in organizations],
        "collectors": {collector.name: {"interval": interval} for collector in COLLECTORS} | INSIGHTS_ONLY,
        "counters": {"birth_delay": "1s"},
        **more,
    }


class Prometheus:
    """A real Prometheus that scrapes one exporter every second, and evaluates rules as often."""

    def __init__(
        self,
        folder: Path,
        target: str,
        rules: Sequence[str] = (),
        scrape: Mapping[str, Any] | None = None,
        flags: Sequence[str] = (),
    ) -> None:
        """`scrape` is more of the scrape's configuration, such as `tls_config`; `flags` are those of Prometheus."""
        self.folder = folder
        self._flags = flags
        self.target_url = f"http://{target}"
        folder.mkdir(parents=True, exist_ok=True)
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": list(rules),
            "scrape_configs": [{"job_name": "exporter", "static_configs": [{"targets": [target]}], **(scrape or {})}],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        for _ in range(5):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            self.url = f"http://127.0.0.1:{port}"
            with (self.folder / "prometheus.log").open("ab") as log:
                self.process = process = subprocess.Popen(
                    [
                        "prometheus",
                        f"--config.file={self.folder / 'prometheus.yaml'}",
                        f"--storage.tsdb.path={self.folder / 'data'}",
                        f"--web.listen-address=127.0.0.1:{port}",
                        *self._flags,
                    ],
                    stdout=log,
                    stderr=log,
                )
            if self._ready(process):
                return self
        raise AssertionError((self.folder / "prometheus.log").read_text()[-2000:])

    def _ready(self, process: "subprocess.Popen[bytes]") -> bool:
        until(lambda: get(f"{self.url}/-/ready")[0] == 200 or process.poll() is not None, "Prometheus is ready")
        return process.poll() is None

    def __exit__(self, *_: object) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(10)

    def query(self, promql: str) -> list[dict[str, Any]]:
        """The result of an instant query."""
        status, body = get(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': promql})}")
        assert status == 200, body
        result: list[dict[str, Any]] = json.loads(body)["data"]["result"]
        return result

    def increases(self, metric: str, *labels: str) -> dict[tuple[str, ...], int]:
        """What each series rose by from its first raw sample on, resets included, nothing extrapolated.

        `metric` may also be an expression with its own range.
        """
        found = {}
        for series in self.query(metric if metric.endswith("]") else f"{metric}[1h]"):
            values = [int(float(value)) for _, value in series["values"]]
            rises = (after - before if after >= before else after for before, after in pairwise(values))
            found[tuple(series["metric"].get(label, "") for label in labels)] = sum(rises)
        return found

    def falls(self, metric: str) -> list[dict[str, Any]]:
        """Series that ever fell."""
        return [
            series["metric"]
            for series in self.query(f"{metric}[1h]")
            if any(float(after) < float(before) for (_, before), (_, after) in pairwise(series["values"]))
        ]
