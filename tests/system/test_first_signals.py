"""Signals from the first instant of a start, as an operator, a terminal or a service manager sends them."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from exporter.settings import COMMANDS
from exporter.signals import ANSWERING, WORDS
from tests.support.daemon import NOBODY, daemon, ended, launched
from tests.support.harness import Exporter, until

INSTANTS = tuple(number / 10 for number in range(11))
"""Seconds of the start; it takes about one. The instant of the signal is what is tried, so tests sleep until then."""


@pytest.mark.parametrize("instant", INSTANTS[::2])
def test_a_hangup_during_the_start_is_answered_with_a_reload(tmp_path: Path, instant: float) -> None:
    with daemon(tmp_path) as exporter:
        assert exporter.process
        time.sleep(instant)
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
            exporter.process.send_signal(number)
        process = exporter.process
        until(lambda: '"event": "reloaded' in exporter.log.read_text() or process.poll() is not None, "it reloads")
        assert exporter.stop() == 0
        said = exporter.log.read_text()
        assert said.index('"event": "listening') < said.index('"event": "reloaded')
        assert said.count('"event": "reloaded') == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_during_the_start_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    for instant in INSTANTS:
        with daemon(tmp_path) as exporter:
            assert exporter.process
            time.sleep(instant)
            exporter.process.send_signal(number)
            assert ended(exporter) == 0, instant
    assert "Traceback" not in exporter.log.read_text()
    assert "KeyboardInterrupt" not in exporter.log.read_text()


def test_impatience_is_no_traceback(tmp_path: Path) -> None:
    with daemon(tmp_path) as exporter:
        until(lambda: '"event": "listening' in exporter.log.read_text(), "it listens")
        assert exporter.process
        while exporter.process.poll() is None:
            exporter.process.send_signal(signal.SIGINT)
            time.sleep(0.001)
        assert ended(exporter) == 0
        assert "Traceback" not in exporter.log.read_text()
        assert "KeyboardInterrupt" not in exporter.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_answers_ends_by_the_signal_itself(tmp_path: Path, number: signal.Signals) -> None:
    """So that a shell ends the loop that runs it; and in the midst of its questions too."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = {**NOBODY, "credentials": {"github": {"api_url": url(silent), "token_file": "token"}}}
        for instant in (*INSTANTS[:5], None):
            with launched(tmp_path, "doctor", "--config.file=config.yaml", config=config) as exporter:
                assert exporter.process
                if instant is None:
                    asked, _address = silent.accept()
                else:
                    time.sleep(instant)
                exporter.process.send_signal(number)
                assert ended(exporter) == -number, instant
    asked.close()
    assert exporter.log.read_text() == ""


@pytest.mark.skipif(subprocess.run(["unshare", "-fp", "true"], check=False).returncode != 0, reason="needs root")
def test_process_1_of_a_container_ends_by_ctrl_c_too(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = {**NOBODY, "credentials": {"github": {"api_url": url(silent), "token_file": "token"}}}
        Exporter(tmp_path, config)
        (tmp_path / "token").write_text("ghp_CANARY0123456789")
        with subprocess.Popen(
            ["unshare", "-fp", "--kill-child", sys.executable, "-m", "exporter", "doctor", "--config.file=config.yaml"],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
        ) as outer:
            asked, _address = silent.accept()
            (child,) = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
            os.kill(int(child), signal.SIGINT)
            assert outer.wait(30) == 128 + signal.SIGINT
            assert outer.stderr
            assert outer.stderr.read() == b""
        asked.close()


def url(server: socket.socket) -> str:
    return f"http://127.0.0.1:{server.getsockname()[1]}"


def members(group: int) -> set[int]:
    """The processes of a group."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ProcessLookupError):
            if os.getpgid(int(folder.name)) == group and "State:\tZ" not in (folder / "status").read_text():
                found.add(int(folder.name))
    return found


def group_ended(group: int) -> None:
    until(lambda: not members(group), "every process of the demo has ended", 10)


@pytest.mark.parametrize(
    ("number", "instants"), [(signal.SIGINT, (0.0, 0.6, 1.2, 1.8, 2.4)), (signal.SIGTERM, (1.8,))], ids=["INT", "TERM"]
)
def test_ctrl_c_in_a_terminal_ends_the_demo_and_its_github(
    tmp_path: Path, number: signal.Signals, instants: tuple[float, ...]
) -> None:
    """The terminal sends it to both processes."""
    for instant in instants:
        demo = launched(tmp_path, "demo", "--web.listen-address=127.0.0.1:0", start_new_session=True)
        with demo as exporter:
            assert exporter.process
            time.sleep(instant)
            os.killpg(exporter.process.pid, number)
            assert ended(exporter) == 0, (instant, exporter.log.read_text())
            group_ended(exporter.process.pid)
    said = exporter.log.read_text()
    assert "Traceback" not in said
    assert "cannot start" not in said


@pytest.mark.parametrize("instant", [0.0, 0.4, None])
def test_the_simulator_ends_cleanly(tmp_path: Path, instant: float | None) -> None:
    with launched(tmp_path, "simulate", "--web.listen-address=127.0.0.1:0") as exporter:
        assert exporter.process
        if instant is None:
            until(
                lambda: "A simulated GitHub is at" in exporter.log.read_text(), "it says where it is, into a pipe too"
            )
        else:
            time.sleep(instant)
        assert exporter.stop() == 0
    assert "Traceback" not in exporter.log.read_text()


def test_ctrl_z_and_fg_change_nothing(tmp_path: Path) -> None:
    with daemon(tmp_path) as exporter:
        assert exporter.process
        for number in (signal.SIGTSTP, signal.SIGCONT) * 3:
            exporter.process.send_signal(number)
            threading.Event().wait(0.1)
        until(lambda: '"event": "listening' in exporter.log.read_text(), "it listens")
        for number in (signal.SIGTSTP, signal.SIGCONT):
            exporter.process.send_signal(number)
        assert exporter.stop() == 0
        assert "Traceback" not in exporter.log.read_text()


def test_every_command_is_a_daemon_or_answers() -> None:
    assert {*COMMANDS, *WORDS} == ANSWERING | {"run", "demo", "simulate"}
