"""The last answer of a run is the first one of the next: when it is served, and when it is not."""

import asyncio
import gzip
import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exporter.commands import DEFAULTS
from exporter.first_answer import (
    NAME,
    PREFIX,
    STATE_FILE,
    LastAnswer,
    Opening,
    _state_folder,
    discard,
    leave,
    made_of,
    take,
)
from exporter.settings import names, parse
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from tests.harness import Exporter, SimClock, config_for, simulated, until

NOW = 1_795_262_400.0
ANSWER = LastAnswer((":10171",), "/metrics", NOW, gzip.compress(b"a 1\n"))
SECRET = "ghp_CANARY0123456789"
REQUESTS = 'github_api_insights_requests_total{organization="acme"}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / STATE_FILE).write_bytes(b"what is known")
    return tmp_path


def flags(folder: Path, *more: str) -> list[str]:
    return [f"--state.path={folder}", *more]


def left(folder: Path, environ: dict[str, str] | None = None) -> str:
    digest = made_of(flags(folder), environ or {})
    leave(folder, digest, ANSWER)
    return digest


def test_it_is_had_once(folder: Path) -> None:
    digest = left(folder)
    assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600
    assert take(flags(folder), {}, digest, NOW) == ANSWER
    assert take(flags(folder), {}, digest, NOW) is None
    assert [file.name for file in folder.iterdir()] == [STATE_FILE]


def test_a_newer_one_replaces_it(folder: Path) -> None:
    left(folder)
    digest = made_of(flags(folder), {})
    leave(folder, digest, replace(ANSWER, telemetry_path="/other"))
    found = take(flags(folder), {}, digest, NOW)
    assert found
    assert found.telemetry_path == "/other"


def test_what_is_too_old_is_not_served(folder: Path) -> None:
    assert take(flags(folder), {}, left(folder), NOW + 1) is None
    discard(folder)
    assert not (folder / NAME).exists()


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def _headless(file: Path) -> None:
    file.write_bytes(b"[]\n")


def _unmarked(file: Path) -> None:
    head, body = file.read_bytes().split(b"\n", 1)
    file.write_bytes(json.dumps(json.loads(head) | {"mark": "0" * 128}).encode() + b"\n" + body)


@pytest.mark.parametrize("spoil", [_cut, _headless, _unmarked, lambda file: file.write_bytes(b"\xff" * 100)])
def test_what_is_not_whole_is_not_served(folder: Path, spoil: Callable[[Path], None]) -> None:
    digest = left(folder)
    spoil(folder / NAME)
    assert take(flags(folder), {}, digest, NOW) is None


def test_another_state_is_not_answered_for(folder: Path) -> None:
    digest = left(folder)
    (folder / STATE_FILE).write_bytes(b"what is known otherwise")
    assert take(flags(folder), {}, digest, NOW) is None
    digest = left(folder)
    (folder / STATE_FILE).unlink()
    assert take(flags(folder), {}, digest, NOW) is None


def test_other_settings_are_not_answered_for(folder: Path) -> None:
    config = folder / "config.yaml"
    config.write_text("web: {telemetry_path: /metrics}")
    argv, environ = flags(folder, f"--config.file={config}"), {PREFIX + "TOKEN": SECRET, "OTHER": "x"}
    digest = made_of(argv, environ)
    assert digest == made_of(argv, {**environ, "OTHER": "y"})
    assert digest != made_of([*argv, "--log.level=debug"], environ)
    assert digest != made_of(argv, {**environ, PREFIX + "TOKEN": SECRET + "x"})
    config.write_text("web: {telemetry_path: /elsewhere}")
    assert digest != made_of(argv, environ)


def test_a_configuration_that_is_no_file_is_left_to_the_settings(tmp_path: Path) -> None:
    pipe, large = tmp_path / "pipe", tmp_path / "large"
    os.mkfifo(pipe)
    large.write_bytes(b"#" * (1024 * 1024 + 1))
    for path in (pipe, large, Path("/dev/zero"), tmp_path / "nowhere"):
        assert made_of([f"--config.file={path}"], {}) == ""
        assert take([f"--config.file={path}"], {}, "", NOW) is None


def test_a_configuration_may_come_through_a_pipe() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"organizations: [acme]\n")
    os.close(writing)
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "check", f"--config.file=/dev/fd/{reading}"],
        env={"PATH": os.environ["PATH"], PREFIX + "TOKEN": SECRET},
        pass_fds=[reading],
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(reading)
    assert done.returncode == 0, done.stderr
    assert "organization/acme" in done.stdout


def test_nothing_tells_what_the_settings_are_made_of(folder: Path) -> None:
    digest = left(folder, {PREFIX + "TOKEN": SECRET})
    kept = (folder / NAME).read_bytes()
    assert SECRET.encode() not in kept
    assert digest.encode() not in kept


def test_nobody_is_told_where_nothing_can_be_written(tmp_path: Path) -> None:
    leave(tmp_path / "nowhere", "", ANSWER)
    discard(tmp_path / "nowhere")
    assert take(flags(tmp_path / "nowhere"), {}, "", NOW) is None


@pytest.mark.parametrize(
    ("argv", "environ", "file"),
    [
        ([], {}, ""),
        (["--state.path=/a"], {"STATE_PATH": "/b"}, "state: {path: /c}"),
        (["--state.path", "/a"], {}, "state: {path: /c}"),
        (["run", "--state.path=/x", "--state.path=/a"], {}, ""),
        ([], {"STATE_PATH": " /b "}, "state: {path: /c}"),
        ([], {}, "state: {path: /c}"),
        ([], {}, "state:\n  path: '/c d'\n"),
        ([], {}, "state:\n"),
        ([], {}, "log: {level: info}"),
    ],
)
def test_the_state_is_where_the_settings_find_it(
    tmp_path: Path, argv: list[str], environ: dict[str, str], file: str
) -> None:
    config, token = tmp_path / "config.yaml", tmp_path / "token"
    config.write_text(f"credentials: {{default: {{token_file: {token}}}}}\norganizations: [acme]\n{file}\n")
    token.write_text(SECRET)
    variables = {PREFIX + name: text for name, text in environ.items()}
    told = [*argv, f"--config.file={config}"]
    assert _state_folder(told, variables) == parse(told, variables, collectors=DEFAULTS)[1].state.path
    variables[PREFIX + "CONFIG_FILE"] = str(config)
    assert _state_folder(argv, variables) == parse(argv, variables, collectors=DEFAULTS)[1].state.path


def test_the_words_are_those_of_the_settings() -> None:
    assert PREFIX == names.PREFIX


def test_the_entry_imports_nothing_heavy() -> None:
    heavy = ("pydantic", "httpx", "prometheus_client", "apscheduler", "structlog", "exporter.app")
    script = f"import sys, exporter.__main__\nassert not set({heavy}) & sys.modules.keys(), sys.modules.keys()"
    subprocess.run([sys.executable, "-c", script], check=True)


def asked(app: Opening, path: str = "/metrics", query: bytes = b"", gzip: bool = True, method: str = "GET") -> Any:
    scope = {"method": method, "path": path, "query_string": query}
    scope["headers"] = [(b"accept-encoding", b"gzip")] if gzip else []
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def go() -> list[Any]:
        await app(scope, None, send)  # type: ignore[arg-type]  # nobody receives
        return sent

    return asyncio.create_task(go())


def test_what_is_not_a_plain_scrape_waits_for_the_daemon() -> None:
    async def own(scope: Any, _receive: Any, send: Any) -> None:
        await send(f"{scope['method']} {scope['path']} by the daemon")

    async def check() -> None:
        app = Opening(ANSWER)
        usual = await asked(app)
        assert usual[0]["status"] == 200
        assert b"".join(message.get("body", b"") for message in usual) == ANSWER.body
        waiting = [
            asked(app, "/"),
            asked(app, "/-/ready"),
            asked(app, query=b"collect[]=x"),
            asked(app, gzip=False),
            asked(app, method="HEAD"),
        ]
        waiting[0].cancel()  # who leaves takes nobody along
        await asyncio.wait(waiting[:1])
        assert not any(one.done() for one in waiting[1:])
        app.hand_over(own)
        assert [await one for one in waiting[1:]] == [
            ["GET /-/ready by the daemon"],
            ["GET /metrics by the daemon"],
            ["GET /metrics by the daemon"],
            ["HEAD /metrics by the daemon"],
        ]
        assert await asked(app) == ["GET /metrics by the daemon"]

    asyncio.run(check())


def first_answer(port: int) -> str:
    """What a scrape gets as soon as somebody listens."""

    def look() -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
            return connection.getresponse().read()
        except OSError:
            return b""
        finally:
            connection.close()

    return gzip.decompress(until(look, "the first answer", every=0.005)).decode()


def launched(exporter: Exporter) -> "subprocess.Popen[bytes]":
    """Start it without waiting for anything."""
    with exporter.log.open("ab") as log:
        exporter.process = process = subprocess.Popen(
            [
                *(sys.executable, "-m", "exporter", f"--config.file={exporter.config}"),
                *(f"--web.listen-address=127.0.0.1:{exporter.port}", "--log.format=json", "--log.level=debug"),
            ],
            env=exporter.environ,
            cwd=exporter.folder,
            stdout=log,
            stderr=log,
        )
    return process


def test_a_restart_answers_at_once_and_goes_on(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("token-of-acme\n")
    clock = SimClock(time.time())
    clock.run(1.0)
    github = SimulatedGitHub(World.of([Event("acme", "user", 1, int(clock()) - 8 * 3600, requests=9)]), clock)
    with simulated(github) as (url,), Exporter(tmp_path, config_for(url, "acme", token_file=token)) as exporter:
        exporter.start()
        until(lambda: exporter.value(REQUESTS) is not None, "it counts")
        github.world.add(Event("acme", "user", 1, int(clock()), requests=7))
        until(lambda: exporter.value(REQUESTS) == 7, "the counter moved")
        assert exporter.stop() == 0
        file = tmp_path / "state" / NAME
        assert file.exists()

        exporter.start()  # with a port that the first start had not: other flags, other settings
        assert not file.exists()
        until(lambda: exporter.value(REQUESTS) == 7, "the counter is restored")
        assert exporter.stop() == 0

        launched(exporter)
        first = first_answer(exporter.port)
        assert f"{REQUESTS} 7\n" in first
        assert 'github_exporter_collector_success{collector="summary_stats",target="organization/acme"} 1\n' in first
        assert "github_exporter_build_info" in first
        assert "collector_runs_total" not in first, "counts of a process end with it"
        assert "process_start_time_seconds" not in first, "it came from the daemon itself"
        assert not file.exists()
        github.world.add(Event("acme", "user", 1, int(clock()), requests=2))
        until(lambda: exporter.value(REQUESTS) == 9, "the counter goes on")
        until(lambda: "process_start_time_seconds" in exporter.metrics(), "the daemon answers")
        exporter.kill()
        assert not file.exists(), "only who stops cleanly leaves an answer"

        launched(exporter)
        assert f"{REQUESTS} 9\n" in first_answer(exporter.port), "nothing is lost with a kill"
        until(lambda: exporter.value(REQUESTS) == 9, "the daemon answers")
        assert exporter.stop() == 0
        with socket.create_server(("127.0.0.1", exporter.port)):
            assert launched(exporter).wait(20) == 1
        said = exporter.log.read_text()
        assert "cannot start" in said
        assert "Traceback" not in said

        launched(exporter)
        assert f"{REQUESTS} 9\n" in first_answer(exporter.port)
        until(lambda: exporter.value(REQUESTS) == 9, "the daemon answers")
        assert exporter.stop() == 0

        process = launched(exporter)
        assert f"{REQUESTS} 9\n" in first_answer(exporter.port)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, "a stop in the middle of the start is a stop"
        assert file.exists()
    assert os.environ.get(PREFIX + "TOKEN") is None
