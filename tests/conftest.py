"""What several tests share."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("tests.support")

from tests.support.harness import Prometheus, get, until  # noqa: E402 - its assertions are to be rewritten

RULES = (Path(__file__).parent.parent / "deploy" / "prometheus").glob("*.yaml")
ASKING_THE_DEMO = {
    file.name for file in Path(__file__).parent.glob("*/test_*.py") if "demo: Prometheus" in file.read_text()
}

# Hypothesis' limit of 200 ms for each example fails on a busy machine; the benchmarks measure how fast something is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

DEMO = ExitStack()
"""The running demo, of a worker that has been asked for it."""

# Who starts us in the background, or by nohup, ignores these signals, and our children would inherit that.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden-update", action="store_true", help="write the golden texts anew; review the diff")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what may take longest: tests with a time limit of their own, and those that ask the demo."""
    for item in items:
        if "demo" in getattr(item, "fixturenames", ()) and not _asks_the_demo(item):
            raise pytest.UsageError(f"{item.path.name} asks the demo; write so: `demo: Prometheus`")
    items.sort(
        key=lambda item: (
            item.get_closest_marker("timeout") is None and not _asks_the_demo(item),
            max(ASKING_THE_DEMO) if _asks_the_demo(item) else item.path.name,
        )
    )


def _asks_the_demo(item: pytest.Item) -> bool:
    return item.path.name in ASKING_THE_DEMO


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the demo after the last test that asks it: it takes a third of a small machine."""
    if _asks_the_demo(item) and not (nextitem and _asks_the_demo(nextitem)):
        DEMO.close()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - one test at a time needs no xdist

    class OneDemo(LoadScopeScheduling):  # type: ignore[misc] # xdist ships no types
        """Any test to any worker that is free, but those that ask the demo to one.

        Marks xdist_group would say so if xdist 3.8 heeded them with pytest 9.2:
        https://github.com/pytest-dev/pytest-xdist/issues/1386
        """

        def _split_scope(self, nodeid: str) -> str:
            return "demo" if nodeid.partition("::")[0].rpartition("/")[2] in ASKING_THE_DEMO else nodeid

    return OneDemo(config, log)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Prometheus:
    """A Prometheus with our rules beside the demo, once every organization's counters have moved at every level."""
    return DEMO.enter_context(_running_demo(tmp_path_factory.mktemp("demo")))


@contextmanager
def _running_demo(folder: Path) -> Iterator[Prometheus]:
    output = folder / "demo.log"
    with output.open("wb") as log:
        demo = subprocess.Popen(
            [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0"], stdout=log, stderr=log
        )
    try:
        found = until(lambda: re.search(r"http://localhost:(\d+)/metrics", output.read_text()), "the demo listens")
        rules = [str(path) for path in sorted(RULES)]
        with Prometheus(folder / "prometheus", f"127.0.0.1:{found[1]}", rules) as prometheus:
            target = prometheus.target_url
            until(lambda: _moves(f"{target}/metrics"), "counters move at every level", 60, every=1)
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
