"""One exporter with as many organizations as it can carry: `python -m tests.bench.fleet --organizations=1000`.

A GitHub App is installed on all of them; the exporter finds them (`discover`) and reads them with default intervals,
while its clock and GitHub's run `--rate` times as fast (libfaketime). It is scraped every 30 s of that clock. It does
not hold where a total gets older than two intervals: then the rate is too high for the machine, not for the exporter,
because what is measured is the processor time of a simulated hour.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any

import yaml

from tests.bench import daemon
from tests.bench.contender import ROOT, Contender, cpu, module, resident
from tests.support.app import CLIENT_ID, new_key

HOUR = 3600
START = 1_795_000_000
INTERVAL = 1800  # of `summary_stats`, by default
SCRAPED_EVERY = 30
HELD = 2  # intervals
LOADED = ("collector_runs_total", "api_requests_total", "collector_errors_total", "scrapes_rejected_total")
SUCCEEDED = re.compile(
    r'^github_exporter_collector_last_success_timestamp_seconds\{collector="summary_stats",target=".*?"\} (\S+)$',
    re.MULTILINE,
)


@dataclass
class Clock:
    """The quickened clock, as the exporter has it: it begins at START when it is started."""

    rate: float
    began: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        """Epoch seconds."""
        return START + (time.monotonic() - self.began) * self.rate

    def environ(self) -> dict[str, str]:
        """The environment in which a process has this clock."""
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
        start = f"@{datetime.fromtimestamp(START, UTC):%Y-%m-%d %H:%M:%S}"
        return {
            "PATH": os.environ["PATH"],
            "LD_PRELOAD": str(library),
            "FAKETIME": f"{start} x{self.rate:g}",
            "TZ": "UTC",
        }


@dataclass
class Figures:
    """What is seen of the exporter while the clock runs."""

    oldest: float = 0.0
    scrapes: list[float] = field(default_factory=list)
    sent: int = 0
    size: int = 0
    series: int = 0
    resident: float = 0.0
    failed: int = 0


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fleet", description=__doc__)
    parser.add_argument("--organizations", type=int, default=100)
    parser.add_argument("--subjects", type=int, default=200)
    parser.add_argument("--rate", type=float, default=10.0, help="how much faster time runs")
    parser.add_argument("--settle", type=float, default=0.5, help="simulated hours before they are measured")
    parser.add_argument("--hours", type=float, default=1.5, help="simulated hours that are measured")
    parser.add_argument("--uvloop", action="store_true", help="the loop as it is used, with no callback measured")
    parser.add_argument("--profile", type=Path, help="py-spy's file of stacks, if py-spy is there")
    return parser.parse_args(argv)


def configuration(folder: Path, port: int) -> dict[str, Any]:
    """The defaults, with an App that discovers; only the limits are wider."""
    key = str(folder / "app.pem")
    return {
        "credentials": {
            "app": {"api_url": f"http://127.0.0.1:{port}", "app_client_id": CLIENT_ID, "private_key_file": key}
        },
        "discover": [{"credential": "app", "max_targets": 10_000}],
        "limits": {"max_series": 10_000_000},
        "state": {"path": str(folder / "state")},
        "log": {"level": "warning"},
    }


def sums(text: str) -> dict[str, float]:
    """The exporter's own counters, summed."""
    return {
        name: sum(map(float, re.findall(rf"^github_exporter_{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE)))
        for name in LOADED
    }


class Watched:
    """An exporter that runs, and what is seen of it."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, clock: Clock) -> None:
        self.process, self.port, self.clock, self.seen = process, port, clock, Figures()

    def scrape(self) -> str:
        """A scrape's text; "" if it was cut, or nobody listens yet."""
        assert self.process.poll() is None, "the exporter ended"
        began = time.perf_counter()
        try:
            body = daemon.body(self.port, "gzip")
            text = zlib.decompress(body, 31)
        except (OSError, HTTPException, zlib.error):
            self.seen.failed += 1
            return ""
        self.seen.scrapes.append(time.perf_counter() - began)
        self.seen.sent, self.seen.size = len(body), len(text)
        self.seen.series = text.count(b"\n") - text.count(b"\n#")
        self.seen.resident = max(self.seen.resident, resident(self.process.pid))
        return text.decode()

    def until_all(self, organizations: int, seconds: float) -> str:
        """The first scrape in which all totals have been read."""
        ends = time.monotonic() + seconds
        while len(SUCCEEDED.findall(text := self.scrape())) < organizations:
            assert time.monotonic() < ends, f"only {len(SUCCEEDED.findall(text))} totals within {seconds:.0f} s"
            time.sleep(1)  # between two scrapes, which cost the exporter time
        return text

    def over(self, hours: float, text: str) -> str:
        """Scrape for so many hours, and note the oldest total; gives the last text."""
        ends = self.clock.now() + hours * HOUR
        while (began := self.clock.now()) < ends:
            if shown := self.scrape():
                text = shown
                self.seen.oldest = max(self.seen.oldest, began - min(map(float, SUCCEEDED.findall(text))))
            # until the next scrape of a Prometheus with this interval
            time.sleep(max(0.0, (began + SCRAPED_EVERY - self.clock.now()) / self.clock.rate))
        return text


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def measure(given: argparse.Namespace, folder: Path) -> str:
    """Run it; gives the figures as text."""
    key = folder / "key.pub"
    key.write_text(new_key(folder / "app.pem"))
    arguments = (given.organizations, given.subjects, key, given.rate, START)
    with Contender("GitHub", *module("fleet_github", *arguments)).started() as github:
        (folder / "config.yaml").write_text(yaml.safe_dump(configuration(folder, github.port)))
        port, longest = free_port(), folder / "longest.json"
        wrapper = ("exporter",) if given.uvloop else ("tests.bench.fleet_exporter", longest, f"{given.rate:g}")
        flags = (f"--config.file={folder / 'config.yaml'}", f"--web.listen-address=127.0.0.1:{port}")
        command = [sys.executable, "-m", *map(str, wrapper), *flags]
        github.tell("run")
        clock = Clock(given.rate)
        process = subprocess.Popen(command, cwd=ROOT, env=clock.environ())
        try:
            return watched(given, Watched(process, port, clock), github, longest)
        finally:
            process.terminate()
            process.wait(60)


def watched(given: argparse.Namespace, exporter: Watched, github: Contender, longest: Path) -> str:
    """The figures of one run."""
    organizations, process = given.organizations, exporter.process
    text = exporter.until_all(organizations, 1200)
    first, used = exporter.clock.now() - START, cpu(process.pid)
    warm = exporter.over(given.settle, text)
    exporter.seen = Figures()
    longest.unlink(missing_ok=True)
    if given.profile:
        spy = ("py-spy", "record", "-f", "raw", "-d", "60", "-t", "-o", str(given.profile), "-p", str(process.pid))
        subprocess.Popen(spy, stdout=subprocess.DEVNULL)
    before, began, of_github = cpu(process.pid), time.monotonic(), cpu(github.process.pid)
    github.tell("count")
    text = exporter.over(given.hours, warm)
    seconds = time.monotonic() - began
    hours, spent = seconds * given.rate / HOUR, cpu(process.pid) - before
    of_github, requests = cpu(github.process.pid) - of_github, github.tell("count")[1]
    seen, rose = exporter.seen, {name: value - sums(warm)[name] for name, value in sums(text).items()}
    scrapes = sorted(seen.scrapes)
    per_hour = spent / hours
    lines = [
        f"organizations {organizations}, subjects {given.subjects}, time {given.rate:g} times as fast, {hours:.2f} h",
        f"first totals of all after     {first:.0f} s, {used:.0f} s of processor time",
        f"oldest total                  {seen.oldest / INTERVAL:.2f} intervals; at most {HELD} is held",
        f"runs per hour                 {rose['collector_runs_total'] / hours:,.0f}",
        f"failed runs per hour          {rose['collector_errors_total'] / hours:,.0f}",
        f"requests per hour             {requests / hours:,.0f}",
        f"resident                      {seen.resident:,.0f} MiB",
        f"processor time per hour       {per_hour:,.1f} s, {per_hour / HOUR:.1%} of a core",
        f"  of an organization          {per_hour / organizations:.3f} s",
        f"organizations per core        {organizations * HOUR / per_hour:,.0f}, by processor time",
        f"busy meanwhile                exporter {spent / seconds:.0%}, GitHub {of_github / seconds:.0%} of a core",
        f"series                        {seen.series:,}",
        f"scrape                        median {scrapes[len(scrapes) // 2]:.3f} s, longest {scrapes[-1]:.3f} s",
        f"  bytes                       {seen.sent / 2**20:.1f} MiB of {seen.size / 2**20:.1f}",
        f"  whole                       {len(scrapes)}; {seen.failed} failed",
    ]
    if not given.uvloop:
        # the exporter writes its callbacks now and then: wait for what includes the last scrape
        time.sleep(2 * SCRAPED_EVERY * 2 / given.rate)
        lines.append("longest callbacks of the event loop (processor time, how many above 5 ms):")
        lines += [
            f"  {taken * 1e3:6.1f} ms {times:6} {name}" for name, (taken, times) in json.loads(longest.read_text())
        ]
    return "\n".join(lines)


def measured(argv: Sequence[str] = ()) -> str:
    """The figures as text."""
    with tempfile.TemporaryDirectory() as folder:
        return measure(arguments(argv), Path(folder))


if __name__ == "__main__":
    print(measured(sys.argv[1:]))
