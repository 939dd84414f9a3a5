"""The event loop looks at no file: not at the start, nor for a request, a replaced token, a reload or a restart."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.collectors import COLLECTORS
from exporter.daemon import Exporter
from exporter.settings import Settings, parse
from exporter.simulator.access import TokenFacts
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import SimulatedApp
from exporter.simulator.world import World
from tests.support.app import CLIENT_ID, installed, new_key, traffic
from tests.support.company import Authority
from tests.support.harness import SimClock, config_for, simulated


@pytest.fixture
def touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The files below `tmp_path` that this thread looks at or opens, from now on."""
    seen: set[str] = set()
    ours = threading.get_ident()

    def recorded(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            if threading.get_ident() == ours and str(path).startswith(str(tmp_path)):
                seen.add(str(path))
            return function(path, *arguments, **options)

        return call

    for name in ("stat", "lstat", "open"):
        monkeypatch.setattr(os, name, recorded(getattr(os, name)))
    return seen


async def until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, f"not within a minute: {what}"
        await asyncio.sleep(0.02)


def test_the_event_loop_looks_at_no_file(tmp_path: Path, touched: set[str]) -> None:
    clock = SimClock(time.time())
    clock.run(1.0)
    world = World.of(traffic(int(clock()), "acme", "initech"))
    app = SimulatedApp(CLIENT_ID, new_key(tmp_path / "app.pem"), dict(installed("initech")))
    tokens = {"ghp_CANARYold": TokenFacts({"acme"}), "ghp_CANARYnew": TokenFacts({"acme"})}
    (tmp_path / "token").write_text("ghp_CANARYold")
    authority = Authority(tmp_path)

    def settings(**more: Any) -> Settings:
        (tmp_path / "config.yaml").write_text(yaml.safe_dump({**config, **more}))
        return parse(["run", f"--config.file={tmp_path / 'config.yaml'}"], {}, COLLECTORS)[1]

    async def run() -> None:
        exporter = Exporter(settings())
        schedule, store = exporter._schedule, exporter._store

        def works() -> bool:
            outcomes = [entry.status.outcome for entry in store]
            return len(outcomes) > 2 and all(outcome is not None and outcome.state == "ok" for outcome in outcomes)

        def is_rejected() -> bool:
            return any(access.rejected is not None for access in schedule.accesses)

        touched.clear()
        async with exporter.running():
            await until(works, "the token and the App are accepted")
            del tokens["ghp_CANARYold"]
            await until(is_rejected, "the token is refused")
            await exporter.reload(await asyncio.to_thread(settings))  # it restores the refusal
            await exporter.reload(await asyncio.to_thread(settings, ca_file=str(authority.pem)))
            await asyncio.to_thread(replace_token, tmp_path)
            await until(works, "the new token is accepted, by clients that trust another authority")
            assert touched == set()

    with simulated(SimulatedGitHub(world, clock, tokens=tokens, apps=[app])) as (url,):
        config = config_for(url, "acme", token_file=tmp_path / "token")
        key = str(tmp_path / "app.pem")
        config["credentials"]["app"] = {"api_url": url, "app_client_id": CLIENT_ID, "private_key_file": key}
        config["organizations"].append({"name": "initech", "credential": "app"})
        config["web"] = {"listen_address": ["127.0.0.1:0"]}
        config["state"] = {"path": str(tmp_path / "state")}
        asyncio.run(run())


def replace_token(folder: Path) -> None:
    (folder / "new").write_text("ghp_CANARYnew")
    (folder / "new").replace(folder / "token")
