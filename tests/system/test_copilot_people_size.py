"""The reports of a hundred thousand people: memory, and how long the event loop is held, in a process of its own."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from exporter.collecting.attempt import Attempt, Question, ask
from exporter.collecting.conclude import conclude
from exporter.collectors.copilot_people import COLLECTOR, Options
from exporter.counting.keys import Rules
from exporter.counting.windows import Windows
from exporter.exposition.snapshot import Snapshot
from exporter.github.client import GitHub
from exporter.github.credentials import TokenCredential
from exporter.github.pacing import Pool
from exporter.simulator.messages import Receive, Send
from exporter.simulator.serve import serving
from tests.support.copilot import D2
from tests.support.daemon import memory
from tests.support.daily_reports import attempt, shown
from tests.support.jobs import NOW, job_of

PEOPLE, TEAMS, SHOWN = 100_000, 3_000, 500
BOUND = 64  # MiB
IDE = {"ide": "vscode", "user_initiated_interaction_count": 3, "loc_added_sum": 9, "last_known_ide_version": {"v": "1"}}
LANGUAGES = [
    {"language": name, "feature": "agent_edit", "code_generation_activity_count": 7, "loc_added_sum": 9}
    for name in ("go", "python", "typescript", "java", "ruby")
]


def person(number: int) -> dict[str, Any]:
    return {
        "user_id": 10_000_000 + number * 7,
        "user_login": f"a-rather-long-login-{number}",
        "day": D2,
        "organization_id": "777",
        "user_initiated_interaction_count": number % 100,
        "code_generation_activity_count": 7,
        "loc_added_sum": number % 1000,
        "used_chat": number % 2 == 0,
        "totals_by_ide": [IDE],
        "totals_by_language_feature": LANGUAGES,
        "totals_by_cli": {"session_count": 1, "token_usage": {"output_tokens_sum": 5}},
    }


def records(report: str) -> Iterator[dict[str, Any]]:
    for number in range(PEOPLE):
        who = person(number)
        if report == "users-1-day":
            yield who
            continue
        for team in {number % TEAMS, number * 31 % TEAMS}:
            yield {**{key: who[key] for key in list(who)[:4]}, "team_id": 500_000 + team, "slug": f"team-{team}"}


def pieces(report: str) -> Iterator[bytes]:
    """The file as it is made, so that nobody keeps it."""
    batch: list[str] = []
    for record in records(report):
        batch.append(json.dumps(record))
        if len(batch) == 100:
            yield ("\n".join(batch) + "\n").encode()
            batch = []


async def serve() -> None:
    """Answer as GitHub and its storage do until standard input ends; prints the base URL."""

    async def app(scope: Any, _receive: Receive, send: Send) -> None:
        report = scope["path"].rpartition("/")[2]
        origin = dict(scope["headers"])[b"host"].decode()
        body: Iterator[bytes] = iter(
            [json.dumps({"download_links": [f"http://{origin}/files/{report}?sig=x"]}).encode()]
        )
        if scope["path"].startswith("/files/"):
            body = pieces(report)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async with serving(app) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def measure(url: str) -> dict[str, Any]:
    """Read the reports as a job does; tell the memory and the longest time that nothing else could run."""
    job = job_of(COLLECTOR)
    options = Options(people=True, max_series=SHOWN, download_hosts=("127.0.0.1",))
    job = replace(job, settings=replace(job.settings, options=options))
    small = {("users-1-day", D2): [[person(1)]], ("user-teams-1-day", D2): [[{**person(1), "team_id": 1, "slug": "t"}]]}
    await asyncio.to_thread(attempt, small, job)  # what is loaded once
    credential = TokenCredential("token", url, "2022-11-28", None, SecretStr("secret"), None)
    github = GitHub(credential, Pool("token"), clock=lambda: NOW, monotonic=time.monotonic)
    longest = 0.0

    async def ticking() -> None:
        nonlocal longest
        cpu = time.thread_time()
        while True:
            await asyncio.sleep(0)
            longest, cpu = max(longest, time.thread_time() - cpu), time.thread_time()

    before, began = memory("VmRSS"), time.monotonic()
    ticks = asyncio.create_task(ticking())
    reading = await ask(Question(job, None, Windows()), github)
    ticks.cancel()
    seconds, read = time.monotonic() - began, memory("VmHWM") - before
    concluded = await asyncio.to_thread(conclude, job, Snapshot(), Attempt(reading, NOW, 0.5, 0.0), Rules(SHOWN, 1e9))
    await github.aclose()
    found = await asyncio.to_thread(shown, concluded.snapshot, job)
    return {
        "read": read,
        "concluded": memory("VmHWM") - before,
        "seconds": seconds,
        "cpu": longest,
        "teams": sum(name == "team_members" for name, _ in found),
        "people": sum(name == "user_loc_added" for name, _ in found),
        "lines": sum(value for (name, _), value in found.items() if name == "user_loc_added"),
        "left_out": concluded.snapshot.left_out,
    }


def beside(call: str, **pipes: Any) -> "subprocess.Popen[str]":
    """Something of this file in a process of its own."""
    code = f"import asyncio; from tests.system.test_copilot_people_size import *; {call}"
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environ, **pipes)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="a process' memory is read where Linux tells it")
def test_a_hundred_thousand_people_are_joined_with_their_teams_in_little_memory() -> None:
    with beside("asyncio.run(serve())", stdin=subprocess.PIPE) as server:
        assert server.stdout
        assert server.stdin
        url = server.stdout.readline().strip()
        with beside(f"print(json.dumps(asyncio.run(measure({url!r}))))") as reader:
            told = reader.communicate(timeout=300)[0]
        server.stdin.close()
    assert reader.returncode == 0
    found = json.loads(told)
    print(
        f"\n{PEOPLE} people in {TEAMS} teams: {found['read']:.1f} MiB more to read, {found['concluded']:.1f} MiB with "
        f"the snapshot, {found['seconds']:.1f} s; the loop was held {found['cpu']:.3f} s of CPU at most"
    )
    assert (found["teams"], found["people"]) == (SHOWN, SHOWN)
    assert found["lines"] == sum(number % 1000 for number in range(PEOPLE))
    assert found["left_out"] == TEAMS - SHOWN
    assert found["concluded"] < BOUND
    assert found["cpu"] < 0.25
