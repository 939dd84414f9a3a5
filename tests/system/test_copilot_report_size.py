"""A Copilot report of tens of megabytes: memory, and how long the event loop is held, in processes of their own."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import SecretStr

from exporter.collecting.attempt import Attempt, Question, ask
from exporter.collecting.conclude import conclude
from exporter.collectors.copilot_usage import COLLECTOR, Breakdown, Options
from exporter.counting.keys import Rules
from exporter.counting.windows import Windows
from exporter.exposition.snapshot import Snapshot
from exporter.github.client import GitHub
from exporter.github.credentials import TokenCredential
from exporter.github.pacing import Pool
from exporter.simulator.messages import Receive, Send
from exporter.simulator.serve import serving
from tests.support.copilot import (
    D2,
    D3,
    DAY,
    Cloud,
    attempt,
    files,
    midnight,
    one,
    record,
    shown,
    whole,
)
from tests.support.daemon import memory
from tests.support.jobs import NOW, job_of

LANGUAGES, MODELS, MONTH, PARTS = 500, 50, 28, 4


def big_day(day: str, models: int, factor: int) -> dict[str, Any]:
    """A day as a large organization has it, with as many rows as languages and models have pairs."""
    rows = [
        {
            "language": f"language-number-{language}",
            "model": f"some-model-{model}.{model % 7}",
            "code_generation_activity_count": language * 1000 + model * factor,
            "code_acceptance_activity_count": language * 300 + model,
            "loc_suggested_to_add_sum": language * 7000 + model,
            "loc_suggested_to_delete_sum": 0,
            "loc_added_sum": language * 5000 + model,
            "loc_deleted_sum": 300 + model,
        }
        for language in range(LANGUAGES)
        for model in range(models)
    ]
    return {**whole("organization"), "day": day, "totals_by_language_model": rows}


def big_report(folder: Path) -> tuple[int, int]:
    """Four parts of 28 days, two of them NDJSON, each with a share of the rows: bytes, and the newest day's sum."""
    total = 0
    with contextlib.ExitStack() as stack:
        parts = [stack.enter_context((folder / f"{number}").open("w")) for number in range(PARTS)]
        for number in (0, 1):
            parts[number].write('{"report_end_day": "x", "day_totals": [')
        for back in range(MONTH, 0, -1):
            newest = back == 1
            date = datetime.fromtimestamp(midnight(D2) - (back - 1) * DAY, UTC).date().isoformat()
            day = big_day(date, MODELS if newest else 11, back)
            rows = day["totals_by_language_model"]
            total = sum(row["code_generation_activity_count"] for row in rows)
            for number, part in enumerate(parts):
                share = json.dumps({**day, "totals_by_language_model": rows[number::PARTS]})
                part.write(share + ("\n" if number > 1 else "" if newest else ","))
        for number in (0, 1):
            parts[number].write("]}")
    return sum(path.stat().st_size for path in folder.iterdir()), total


def pieces_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(65536), b"")


async def serve(folder: Path) -> None:
    """Answer as GitHub and its storage do, from files, until standard input ends; prints the base URL."""

    async def app(scope: Any, _receive: Receive, send: Send) -> None:
        name = scope["path"].rpartition("/")[2]
        origin = dict(scope["headers"])[b"host"].decode()
        if name == "organization-1-day":
            status, pieces = 404, iter([b"{}"])
        elif name == "latest":
            links = [f"http://{origin}/{number}?sig=x" for number in range(PARTS)]
            status, pieces = 200, iter([json.dumps({"download_links": links}).encode()])
        else:
            status, pieces = 200, pieces_of(folder / name)
        await send({"type": "http.response.start", "status": status, "headers": []})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async with serving(app) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def measure(url: str) -> dict[str, Any]:
    """Read the report as a job does; tell the memory, the longest time that nothing else could run, and what came."""
    options = Options(breakdowns=get_args(Breakdown), download_hosts=("127.0.0.1",))
    job = job_of(COLLECTOR)
    job = replace(job, settings=replace(job.settings, options=options))
    clock = time.monotonic
    small = Cloud({"latest": files([record(D3), record(D2)])})
    await asyncio.to_thread(attempt, small, job=job)  # what is loaded once

    credential = TokenCredential("token", url, "2022-11-28", None, SecretStr("secret"), None)
    github = GitHub(credential, Pool("token"), clock=lambda: NOW, monotonic=clock)
    gaps = {"wall": 0.0, "cpu": 0.0}

    async def ticking() -> None:
        wall, cpu = clock(), time.thread_time()
        while True:
            await asyncio.sleep(0)
            gaps["wall"], wall = max(gaps["wall"], clock() - wall), clock()
            gaps["cpu"], cpu = max(gaps["cpu"], time.thread_time() - cpu), time.thread_time()

    before, began = memory("VmRSS"), clock()
    ticks = asyncio.create_task(ticking())
    brought = await ask(Question(job, None, Windows()), github)
    ticks.cancel()
    seconds, read = clock() - began, memory("VmHWM") - before
    concluded = await asyncio.to_thread(conclude, job, Snapshot(), Attempt(brought, NOW, 0.5, 0.0), Rules(500, 1e9))
    await github.aclose()
    found = await asyncio.to_thread(shown, concluded.snapshot)
    return {
        "read": read,
        "concluded": memory("VmHWM") - before,
        "seconds": seconds,
        **gaps,
        "left_out": concluded.snapshot.left_out,
        "rows": len(brought.fetched.rows),
        "sum": sum(value for (name, _), value in found.items() if name == "language_model_code_generation_activity"),
        "day": found[one("report_day_timestamp_seconds")],
    }


def beside(call: str, **pipes: Any) -> "subprocess.Popen[str]":
    """Something of this file in a process of its own."""
    code = f"import asyncio; from pathlib import Path; from tests.system.test_copilot_report_size import *; {call}"
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environ, **pipes)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="a process' memory is read where Linux tells it")
def test_a_report_of_tens_of_megabytes_is_read_in_little_memory_and_lets_scrapes_through(tmp_path: Path) -> None:
    """The time that the loop is held counts the thread's own CPU, so that a busy machine is not blamed on us."""
    size, total = big_report(tmp_path)
    with beside(f"asyncio.run(serve(Path({str(tmp_path)!r})))", stdin=subprocess.PIPE) as server:
        assert server.stdout
        assert server.stdin
        url = server.stdout.readline().strip()
        with beside(f"print(json.dumps(asyncio.run(measure({url!r}))))") as reader:
            told = reader.communicate(timeout=100)[0]
        server.stdin.close()
    assert reader.returncode == 0
    found = json.loads(told)
    print(
        f"\n{size / 2**20:.1f} MiB in 4 parts, {found['rows']} rows of the newest day: {found['read']:.1f} MiB more to "
        f"read, {found['concluded']:.1f} MiB with the snapshot, {found['seconds']:.1f} s; the loop was held "
        f"{found['cpu']:.3f} s of CPU, {found['wall']:.3f} s at most"
    )
    assert size >= 40 * 2**20
    assert (found["day"], found["sum"]) == (midnight(D2), total)
    assert found["left_out"] == LANGUAGES * MODELS - 500
    assert found["concluded"] < 32
    assert found["cpu"] < 0.25
