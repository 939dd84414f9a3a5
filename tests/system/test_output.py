"""Where what is printed cannot be written: closed pipes, full disks, closed descriptors, other encodings."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import daemon, ended, launched
from tests.support.harness import until

PRINTING = ("doctor", "plan", "metrics", "check", "help", "version", "--help", "--version")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "token").write_text("ghp_CANARY0123456789")
    return {
        "PATH": os.environ["PATH"],
        "GITHUB_EXPORTER_TOKEN_FILE": str(tmp_path / "token"),
        "GITHUB_EXPORTER_ORGANIZATIONS": "acme",
        "GITHUB_EXPORTER_API_URL": "http://127.0.0.1:1",
        "GITHUB_EXPORTER_STATE_PATH": str(tmp_path / "state"),
    }


def shell(script: str, environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """A line of bash in which `exporter` is the command; the status is that of the whole pipe."""
    function = f'exporter() {{ "{sys.executable}" -m exporter "$@"; }}; set -o pipefail; '
    return subprocess.run(
        ["bash", "-c", function + script], env=environ, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def gone() -> Iterator[int]:
    """A pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.mark.parametrize("command", PRINTING)
def test_a_pipe_that_nobody_reads_ends_a_command_quietly(command: str, gone: int, environ: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "exporter", command],
        env=environ,
        stdout=gone,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (141, "")


def test_head_takes_a_line_and_nothing_is_said(environ: dict[str, str]) -> None:
    for command in ("metrics", "check", "plan", "doctor", "help"):
        done = shell(f"exporter {command} | head -1", environ)
        assert (done.stderr, len(done.stdout.splitlines())) == ("", 1), command


@pytest.mark.parametrize("command", ["demo", "simulate"])
def test_a_demo_whose_reader_is_gone_ends_quietly(command: str, gone: int, tmp_path: Path) -> None:
    with launched(tmp_path, command, "--web.listen-address=127.0.0.1:0", "--log.level=warning", stdout=gone) as started:
        assert ended(started) == 141
        assert started.log.read_text() == ""


@pytest.mark.parametrize("command", PRINTING)
def test_a_full_disk_is_told(command: str, environ: dict[str, str]) -> None:
    done = shell(f"exporter {command} > /dev/full", environ)
    assert (done.returncode, done.stderr) == (1, "cannot write: No space left on device\n")


def test_a_closed_output_is_told(environ: dict[str, str]) -> None:
    done = shell("exporter metrics >&-", environ)
    assert (done.returncode, done.stderr) == (1, "cannot write: standard output is closed\n")
    done = shell("exporter metrics 2>&-", environ)
    assert done.returncode == 0
    assert done.stdout.startswith("# Metrics")
    done = shell("exporter chekc 2>&-", environ)
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_full_disk_or_a_gone_reader_of_the_errors_changes_no_status(stream: str, environ: dict[str, str]) -> None:
    assert shell(f"exporter healthcheck --web.listen-address=:1 {stream}>/dev/full", environ).returncode == 1
    assert shell("exporter chekc 2>&1 >/dev/null | true; exit ${PIPESTATUS[0]}", environ).returncode == 1


def test_a_daemon_without_descriptors_opens_nothing_in_their_place(tmp_path: Path) -> None:
    """A state file on descriptor 2 would take in whatever a library writes to its standard error."""
    started = daemon(tmp_path)
    assert started.stop() == 0
    with launched(
        tmp_path,
        *("--config.file=config.yaml", "--web.listen-address=127.0.0.1:0"),
        preexec_fn=lambda: os.closerange(0, 3),
        stdout=None,
        stderr=None,
    ) as started:
        assert started.process
        state = tmp_path / "state" / "state.db"
        until(state.exists, "there is state")
        for number in (0, 1, 2):
            assert str(Path(f"/proc/{started.process.pid}/fd/{number}").readlink()) == "/dev/null"
        assert started.stop() == 0


def test_an_encoding_that_lacks_a_letter_is_no_failure(environ: dict[str, str]) -> None:
    for locale in (
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C"},
    ):
        done = shell("exporter metrics", {**environ, **locale})
        assert (done.returncode, done.stderr) == (0, ""), locale
        done = shell("exporter doctor", {**environ, **locale})
        assert (done.returncode, done.stderr) == (1, ""), locale
