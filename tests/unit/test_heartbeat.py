"""The heartbeat beside the jobs: it notices that a token was replaced, and never holds up the event loop for it."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from exporter.clock import SystemClock
from exporter.collecting import heartbeat
from exporter.collecting.access import Access
from exporter.collecting.active_jobs import ActiveJobs, Configuration
from exporter.collecting.heartbeat import Heartbeat
from exporter.collecting.settle import Snapshots
from exporter.collecting.timers import Timers
from exporter.collecting.waits import Unknowns
from exporter.exposition.snapshot import Snapshot
from exporter.exposition.store import Store
from exporter.github.client import GitHub
from exporter.github.credentials import TokenCredential
from exporter.github.pacing import Pool
from exporter.jobs import Target
from exporter.state.database import State
from tests.support.harness import until

NOW = 1_795_262_400.0
ENDS = {"github-authentication-token-expiration": "2026-12-31 23:59:59 UTC"}


def access_to(token_file: Path) -> Access:
    credential = TokenCredential("token", "https://api.github.com", "2022-11-28", token_file=token_file)
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, json={}, headers=ENDS))
    pool = Pool("token")
    github = GitHub(credential, pool, clock=lambda: NOW, monotonic=lambda: 0.0, transport=transport)
    return Access(credential, github, pool)


def heartbeat_of(access: Access, state: State) -> Heartbeat:
    async def begin(_key: str) -> None:
        raise AssertionError("no job is due")

    clock = SystemClock()
    snapshots, unknowns, timers = Snapshots(Store(60.0), state, clock), Unknowns(state, clock), Timers(clock, begin)
    active = ActiveJobs(snapshots, unknowns, clock, timers)
    active.configuration = Configuration(accesses={Target("organization", "acme", "token"): access})
    return Heartbeat(snapshots, active, unknowns, timers, clock)


def replace_file(path: Path, text: str) -> None:
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The threads that ask the file system for a file's status or open one, from now on."""
    seen: set[int] = set()

    def recorded(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            seen.add(threading.get_ident())
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(Path, "stat", recorded(Path.stat))
    monkeypatch.setattr(os, "open", recorded(os.open))
    return seen


def test_a_replaced_token_is_noticed_without_touching_a_file_on_the_event_loop(
    tmp_path: Path, threads: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT", 0.01)
    token_file, state = tmp_path / "token", State(tmp_path / "state")
    token_file.write_text("ghp_CANARYold")
    state.open(NOW)
    access = access_to(token_file)

    async def beat() -> None:
        await access.github.get("/orgs/acme")
        assert access.github.token_expiry is not None
        access.refuse(access.fingerprint(state.salt), NOW)
        threads.clear()
        beating = asyncio.create_task(heartbeat_of(access, state).beat())
        await asyncio.to_thread(until, lambda: threads, "the file is read")
        assert access.rejected is not None, "the token is still the rejected one"
        replace_file(token_file, "ghp_CANARYnew")
        await asyncio.to_thread(until, lambda: access.rejected is None, "the new token is noticed")
        assert access.paused_until == 0.0
        assert access.github.token_expiry is None, "that was the end of the other token"
        token_file.unlink()
        await asyncio.to_thread(until, lambda: access.problem, "the missing file is noticed")
        beating.cancel()
        assert threading.get_ident() not in threads

    asyncio.run(beat())
    state.close()


@pytest.mark.parametrize(("ahead", "is_kept"), [(0.0, False), (40 * 86400.0, True)])
def test_what_runs_no_more_is_forgotten_by_githubs_clock_if_ours_is_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: float, is_kept: bool
) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT", 0.01)
    monkeypatch.setattr(heartbeat, "HOUR", 0)
    monkeypatch.setattr(GitHub, "skew", -ahead)
    state, now = State(tmp_path / "state"), time.time()
    state.open(now)
    state.save("gone", Snapshot(version=1), now - 33 * 86400, ended=True)
    forget, beaten = state.forget, threading.Event()

    def forgotten(*arguments: Any) -> None:
        forget(*arguments)
        beaten.set()

    monkeypatch.setattr(state, "forget", forgotten)

    async def beat() -> None:
        beating = asyncio.create_task(heartbeat_of(access_to(tmp_path / "token"), state).beat())
        await asyncio.to_thread(beaten.wait, 10)
        beating.cancel()

    asyncio.run(beat())
    assert (state.snapshot("gone") is not None) == is_kept
    state.close()
