"""What several tests share."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Prometheus, get, until

RULES = (Path(__file__).parent.parent / "deploy" / "prometheus").glob("*.yaml")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden-update", action="store_true", help="write the golden texts anew; review the diff")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus with our rules beside the demo, once every organization's counters have moved at every level."""
    folder = tmp_path_factory.mktemp("demo")
    output = folder / "demo.log"
    with output.open("wb") as log:
        demo = subprocess.Popen(
            [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0"], stdout=log, stderr=log
        )
    try:
        found = until(lambda: re.search(r"http://localhost:(\d+)/metrics", output.read_text()), "the demo listens")
        rules = [str(path) for path in sorted(RULES)]
        with Prometheus(folder / "prometheus", f"127.0.0.1:{found[1]}", rules) as prometheus:
            until(lambda: _moves(f"http://127.0.0.1:{found[1]}/metrics"), "counters move at every level", 60, every=1)
            seen = time.monotonic() + 15
            until(lambda: time.monotonic() > seen, "a few more scrapes")
            yield prometheus
    finally:
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(15) == 0


def _moves(url: str) -> bool:
    body = get(url)[1]
    return all(
        re.search(
            rf'^github_api_insights_{family}requests_total\{{organization="{name}".*\}} [1-9]', body, re.MULTILINE
        )
        for family in ("", "subject_", "user_actor_", "route_")
        for name in ("acme", "globex")
    )
