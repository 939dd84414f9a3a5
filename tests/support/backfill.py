"""The command `backfill` against a simulated GitHub, and what its files hold."""

import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from exporter.collectors import COLLECTORS
from exporter.instants import DAY, day_of
from exporter.simulator.api import SimulatedGitHub
from tests.support.harness import ENVIRON, simulated

History = dict[str, dict[int, float]]
"""The samples of each series, as its line begins, by instant."""


@dataclass
class Backfill:
    """One folder with a configuration, and the command."""

    folder: Path
    config: Mapping[str, Any]
    days: int = 40
    flags: Sequence[str] = ("--step=1h",)
    processes: list["subprocess.Popen[str]"] = field(default_factory=list)

    @property
    def output(self) -> Path:
        return self.folder / "history"

    def arguments(self, now: float, *flags: str) -> list[str]:
        """The command line; later flags win over earlier ones."""
        file = self.folder / "config.yaml"
        file.write_text(yaml.safe_dump({"state": {"path": str(self.folder / "state")}, **self.config}))
        first = f"--from={day_of(now - self.days * DAY)}"
        return [
            *(sys.executable, "-m", "exporter", "backfill", f"--config.file={file}"),
            *(first, f"--output={self.output}", *self.flags, *flags),
        ]

    def run(self, now: float, *flags: str, largest_file: int = -1) -> "subprocess.CompletedProcess[str]":
        """Run it to its end; no file may become larger than `largest_file` bytes, if that is given."""

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

        return subprocess.run(
            self.arguments(now, *flags),
            env=ENVIRON,
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
            preexec_fn=limit if largest_file > 0 else None,
        )

    def start(self, now: float, *flags: str) -> "subprocess.Popen[str]":
        """Start it."""
        process = subprocess.Popen(
            self.arguments(now, *flags), env=ENVIRON, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.processes.append(process)
        return process

    def files(self) -> dict[str, bytes]:
        """The finished files."""
        return {path.name: path.read_bytes() for path in sorted(self.output.glob("*.om"))}

    def history(self) -> History:
        """All samples of all files; no instant may come twice."""
        found: History = {}
        for path in sorted(self.output.glob("*.om")):
            for series, samples in history_of(path).items():
                own = found.setdefault(series, {})
                assert not own.keys() & samples.keys(), f"{series} has an instant twice"
                own.update(samples)
        return found


def history_of(path: Path) -> History:
    """The samples of one file, in the order that promtool wants; a file ends with `# EOF`."""
    found: History = {}
    with path.open(newline="\n") as file:
        last = ""
        for line in file:
            last = line
            if line.startswith("#"):
                continue
            series, value, instant = line.rsplit(" ", 2)
            samples = found.setdefault(series, {})
            assert int(instant) > max(samples, default=0), line
            samples[int(instant)] = float(value)
    assert last == "# EOF\n", path
    return found


def family(history: History, name: str, *labels: str) -> dict[tuple[str, ...], dict[int, float]]:
    """The series of a family, by the values of labels."""
    found = {}
    for series, samples in history.items():
        if series.partition("{")[0] == name:
            values = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', series))
            found[tuple(values[label] for label in labels)] = samples
    return found


def only(*collectors: str, **options: Mapping[str, Any]) -> dict[str, Any]:
    """A section `collectors` in which these are on."""
    return {
        collector.name: {"enabled": collector.name in collectors, **options.get(collector.name, {})}
        for collector in COLLECTORS
    }


@contextmanager
def backfill_of(
    github: SimulatedGitHub, folder: Path, collectors: Mapping[str, Any], **more: Any
) -> Iterator[Backfill]:
    """The command against a simulated GitHub on a port, with organization acme and enterprise acme-corp."""
    token = folder / "token"
    token.write_text("ghp_x")
    with simulated(github) as (url,):
        config = {
            "credentials": {"default": {"api_url": url, "token_file": str(token)}},
            "organizations": ["acme"],
            "enterprises": ["acme-corp"],
            "collectors": collectors,
            **more,
        }
        backfill = Backfill(folder, config)
        try:
            yield backfill
        finally:
            for process in backfill.processes:
                process.kill()
                process.communicate()


def hours(begin: int, end: int, step: int) -> range:
    """The multiples of a step from `begin` on, up to and with `end`."""
    return range(-(-begin // step) * step, end + 1, step)


def expect(samples: Mapping[int, float], instants: range, value: Callable[[int], float]) -> None:
    """The samples stand at these instants, and have these values."""
    assert list(samples) == list(instants)
    wrong = {at: (samples[at], value(at)) for at in instants if samples[at] != value(at)}
    assert not wrong, dict(list(wrong.items())[:5])
