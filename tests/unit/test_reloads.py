"""Reloads: one at a time, with every error told to whoever asked, and no more than are needed."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from exporter.errors import Unavailable
from exporter.reloads import STOPPING, UNEXPECTED, Reloads
from exporter.settings import Problem, Settings, SettingsError

WRONG = SettingsError([Problem("config.yaml: a", 1, "unknown key"), Problem("config.yaml: b", 2, "unknown key")])


@dataclass
class Daemon:
    """Takes settings over once `may_end` is set; `error` is what reading or applying them raises."""

    reading: Exception | None = None
    applying: Exception | None = None
    has_begun: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    began: int = 0
    running: int = 0
    most_running: int = 0
    refused: list[str] = field(default_factory=list)

    def load(self) -> Settings:
        assert threading.current_thread() is not threading.main_thread()
        if self.reading:
            raise self.reading
        return Settings()

    async def take_over(self, _settings: Settings) -> None:
        self.began += 1
        self.has_begun.set()
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await self.may_end.wait()
        self.running -= 1
        if self.applying:
            raise self.applying


def run(scenario: Callable[[Daemon, Reloads], Coroutine[Any, Any, None]], daemon: Daemon) -> None:
    async def scene() -> None:
        await scenario(daemon, Reloads(daemon.load, daemon.take_over, daemon.refused.append))

    asyncio.run(scene())


def test_a_reload_that_succeeds_has_no_problem() -> None:
    async def scenario(daemon: Daemon, reloads: Reloads) -> None:
        daemon.may_end.set()
        assert await reloads.reload() == ""
        assert daemon.refused == []

    run(scenario, Daemon())


@pytest.mark.parametrize(
    ("daemon", "problem"),
    [
        (Daemon(reading=WRONG), str(WRONG)),
        (Daemon(applying=Unavailable("ca_file corp.pem is empty")), "ca_file corp.pem is empty"),
        (Daemon(reading=RuntimeError("CANARY")), UNEXPECTED),
    ],
)
def test_whoever_asked_and_the_status_page_are_told_every_problem(daemon: Daemon, problem: str) -> None:
    async def scenario(daemon: Daemon, reloads: Reloads) -> None:
        daemon.may_end.set()
        assert await reloads.reload() == problem
        assert daemon.refused == [problem]
        daemon.reading = daemon.applying = None
        assert await reloads.reload() == ""

    run(scenario, daemon)


def test_reloads_run_one_after_another_and_those_who_wait_share_the_next() -> None:
    async def scenario(daemon: Daemon, reloads: Reloads) -> None:
        first = asyncio.create_task(reloads.reload())
        await daemon.has_begun.wait()
        others = [asyncio.create_task(reloads.reload()) for _ in range(1000)]
        await asyncio.sleep(0)
        assert not first.done()
        daemon.may_end.set()
        assert await asyncio.gather(first, *others) == [""] * 1001
        assert (daemon.began, daemon.most_running) == (2, 1)

    run(scenario, Daemon())


def test_a_client_that_leaves_does_not_end_the_reload_of_another() -> None:
    async def scenario(daemon: Daemon, reloads: Reloads) -> None:
        leaving, staying = (asyncio.create_task(reloads.reload()) for _ in range(2))
        await daemon.has_begun.wait()
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        daemon.may_end.set()
        assert await staying == ""
        assert daemon.began == 1

    run(scenario, Daemon())


def test_at_the_end_everybody_is_answered_and_nothing_begins() -> None:
    async def scenario(daemon: Daemon, reloads: Reloads) -> None:
        running = asyncio.create_task(reloads.reload())
        await daemon.has_begun.wait()
        waiting = asyncio.create_task(reloads.reload())
        await asyncio.sleep(0)
        reloads.stop()
        assert {await running, await waiting, await reloads.reload()} == {STOPPING}
        assert daemon.began == 1

    run(scenario, Daemon())
