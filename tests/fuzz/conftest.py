"""Runs fuzz tests: once in `make test`, in `make fuzz` again and again until a target's share of the time is over."""

import math
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import seed

from tests.support.fuzzing import MINUTES, SEED, Costs

_FIGURES = "fuzzing"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    targets = [item for item in items if _is_target(item)]
    if MINUTES:
        for item in targets:
            item.add_marker(pytest.mark.timeout(_share(len(targets)) + 120))


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    if not isinstance(item, pytest.Function) or not _is_target(item):
        return (yield)
    function, begun = item.function, time.monotonic()
    until = begun + _share(sum(map(_is_target, item.session.items))) if MINUTES else math.inf
    costs, rounds, handle = Costs(), 1, function.hypothesis
    handle.inner_test = costs.bounded(getattr(handle.inner_test, "__wrapped__", handle.inner_test))
    try:
        if MINUTES:
            seed(SEED)(function)
        result = yield
        while MINUTES and time.monotonic() < until:
            seed(SEED + rounds)(function)
            rounds += 1
            item.runtest()
        return result
    finally:
        seconds = time.monotonic() - begun
        item.user_properties.append((_FIGURES, [item.name, rounds, costs.examples, seconds, costs.longest]))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What each target did. Without `make fuzz` it is not shown."""
    if not MINUTES:
        return
    terminalreporter.section(f"fuzzing with seed {SEED}")
    total = 0
    for report in [one for kind in ("passed", "failed") for one in terminalreporter.getreports(kind)]:
        for name, (target, rounds, examples, seconds, longest) in report.user_properties:
            if name == _FIGURES and report.when == "call":
                total += examples
                cost = f"{seconds:6.0f} s, the dearest {longest * 1000:5.0f} ms"
                terminalreporter.write_line(f"{target:75} {rounds:4} rounds {examples:8,} examples {cost}")
    terminalreporter.write_line(f"{total:,} examples")


def _is_target(item: pytest.Item) -> bool:
    return hasattr(getattr(item, "function", None), "hypothesis") and item.path.parent.name == "fuzz"


def _share(targets: int) -> float:
    """Seconds of one target."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return 60 * MINUTES * workers / max(1, targets)
