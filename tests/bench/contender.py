"""A process that serves: started, told what to do through its standard input, and looked at from outside."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]
PATIENCE = 10.0
TICKS = os.sysconf("SC_CLK_TCK")


class Contender:
    """A child process that says "port N" once it serves, and answers each command with "done SECONDS …"."""

    def __init__(self, name: str, *command: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.port = 0

    def started(self) -> Self:
        """Wait until it serves."""
        self.port = int(self._line("port")[0])
        return self

    def tell(self, *words: object) -> list[float]:
        """Send a command and wait for its end: the seconds that it took, and what else it says."""
        self.send(*words)
        return self.told()

    def send(self, *words: object) -> None:
        """Send a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def told(self) -> list[float]:
        """The end of the command that was sent."""
        return [float(word) for word in self._line("done")]

    def _line(self, word: str) -> list[str]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().split()
        assert line[:1] == [word], f"{self.name} said {line}, exit {self.process.poll()}"
        return line[1:]

    def resident(self) -> float:
        """Resident memory now, in MiB."""
        return resident(self.process.pid)

    def cpu(self) -> float:
        """Seconds of CPU so far."""
        return cpu(self.process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()  # for each of them the end
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def resident(process: int) -> float:
    """Resident memory of a process now, in MiB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def cpu(process: int) -> float:
    """Seconds of CPU of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def module(name: str, *arguments: object) -> tuple[str, ...]:
    """The command that runs a module of this package."""
    return sys.executable, "-m", f"tests.bench.{name}", *map(str, arguments)


def built(folder: Path, say: Callable[[str], None]) -> Path | None:
    """The Go peers, built from Debian's packages without a network; None where there is no Go."""
    go, source, target = shutil.which("go"), Path(__file__).parent / "peer" / "main.go", folder / "peer"
    if go is None or not Path("/usr/share/gocode/src/github.com/prometheus/exporter-toolkit").is_dir():
        say("No Go peers: as root, apt-get install golang-go golang-github-prometheus-exporter-toolkit-dev")
        return None
    say("building the Go peers")
    began = time.perf_counter()
    environ = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
    subprocess.run([go, "build", "-o", str(target), str(source)], env=environ, check=True)
    say(f"built in {time.perf_counter() - began:.0f} s")
    return target


def command_of(kind: str, series: int, peer: Path | None, bodies: Sequence[Path] = ()) -> tuple[str, ...]:
    """How a contender is started."""
    match kind:
        case "objects" | "collector":
            return module("clients", kind, series)
        case "static":
            return str(peer), "static", *map(str, bodies)
        case _:
            return str(peer), kind, str(series)
