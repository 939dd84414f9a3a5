"""How soon `demo` answers with every family that the exporter has."""

import re
import signal
import subprocess
import sys
import time
import urllib.request

from exporter.collectors import COLLECTORS
from tests.bench.contender import ROOT
from tests.bench.run import OURS, Run

LONGEST = 60.0
FAMILIES = {family.name for collector in COLLECTORS for table in collector.tables for family in table.families}
ADDRESS = re.compile(r"(http://\S+)/metrics")


def starts(run: Run) -> None:
    """Cell `demo`: the seconds from the command to a scrape with every family."""
    for number in range(run.rounds):
        run.say(f"demo: round {number + 1} of {run.rounds}")
        run.figures.add("demo", OURS, 1, seconds_to_complete())


def seconds_to_complete() -> float:
    """Start a demo, scrape it until every family is there, and end it."""
    began = time.monotonic()
    command = (sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0")
    demo = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert demo.stdout is not None
        url = next(match[1] for line in demo.stdout if (match := ADDRESS.search(line)))
        while time.monotonic() < began + LONGEST:
            if _families(url) >= FAMILIES:
                return time.monotonic() - began
            time.sleep(0.05)  # between two scrapes, which cost the demo time
        raise AssertionError(f"not complete within {LONGEST:.0f} s")
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.wait(30)


def _families(url: str) -> set[str]:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as page:
        return set(re.findall(r"^(github_\w+)\{", page.read().decode(), re.MULTILINE))
