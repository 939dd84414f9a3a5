"""`--web.systemd-socket`: the exporter answers on the sockets that systemd opened, and on no other."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from exporter.serving.systemd_socket import inherited
from exporter.settings import socket_descriptors
from exporter.settings.names import VARIABLES
from tests.support.daemon import NOBODY
from tests.support.deploy import DEPLOY, PORT, tool
from tests.support.harness import Exporter, get, until

ACTIVATE = shutil.which("systemd-socket-activate")
UNIT = DEPLOY / "systemd" / "github-enterprise-exporter.socket"


AS_SYSTEMD = """
import os, sys
descriptors, command = sys.argv[1].split(), sys.argv[2:]
for number, descriptor in enumerate(descriptors):
    os.dup2(int(descriptor), 3 + number)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(descriptors))}
os.execv(command[0], command)
"""
"""Become a command that is passed sockets as systemd passes them: as file descriptors from 3 on."""


@contextmanager
def passed(folder: Path, sockets: Sequence[socket.socket]) -> Iterator[tuple[Exporter, Path]]:
    """The exporter with these sockets, and its log."""
    (folder / "token").write_text("ghp_CANARY0123456789")
    exporter = Exporter(folder, NOBODY)
    flags = [f"--config.file={exporter.config}", "--web.systemd-socket", "--web.listen-address=256.0.0.1:1"]
    command = [sys.executable, "-m", "exporter", *flags, "--log.format=json"]
    descriptors = [each.fileno() for each in sockets]
    with exporter, exporter.log.open("wb") as log:
        exporter.process = subprocess.Popen(
            [sys.executable, "-c", AS_SYSTEMD, " ".join(map(str, descriptors)), *command],
            stderr=log,
            env=exporter.environ,
            cwd=folder,
            pass_fds=descriptors,
        )
        yield exporter, exporter.log


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    """Two, with high numbers, so that moving one overwrites no other."""
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        high = [socket.socket(fileno=os.dup2(each.fileno(), 100 + number)) for number, each in enumerate(opened)]
        yield [stack.enter_context(each) for each in high]


def test_it_answers_on_each_socket_and_ignores_the_address(tmp_path: Path, sockets: list[socket.socket]) -> None:
    ports = [each.getsockname()[1] for each in sockets]
    with passed(tmp_path, sockets) as (exporter, log):
        for port in ports:
            assert get(f"http://127.0.0.1:{port}/-/healthy", timeout=30)[0] == 200  # asked before it runs
        line = next(json.loads(line) for line in log.read_text().splitlines() if '"listening"' in line)
        assert line["addresses"] == " ".join(f"127.0.0.1:{port}" for port in ports)
        assert exporter.stop() == 0
    # systemd keeps the sockets, so that nobody is refused until the next start.
    with passed(tmp_path, sockets):
        assert get(f"http://127.0.0.1:{ports[0]}/-/healthy", timeout=30)[0] == 200


def test_without_a_socket_it_does_not_start(tmp_path: Path) -> None:
    with passed(tmp_path, []) as (exporter, log):
        assert exporter.process
        assert exporter.process.wait(30) == 1
        (line,) = (json.loads(line) for line in log.read_text().splitlines() if '"cannot start"' in line)
        assert line["error"].startswith("systemd passed no socket (--web.systemd-socket): start ")


@pytest.mark.parametrize("kind", ["udp", "unix", "not listening", "a file", "closed"])
def test_what_is_no_listening_tcp_socket_is_refused(tmp_path: Path, kind: str) -> None:
    with ExitStack() as stack:
        if kind == "a file":
            descriptor = stack.enter_context((tmp_path / "file").open("w")).fileno()
        else:
            family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
            wrong = stack.enter_context(
                socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
            )
            if kind == "unix":
                wrong.bind(str(tmp_path / "socket"))
                wrong.listen()
            descriptor = 9999 if kind == "closed" else os.dup(wrong.fileno())
        with pytest.raises(OSError, match=rf"file descriptor {descriptor}, which systemd passed .*ListenStream=PORT"):
            inherited(descriptor)


@pytest.mark.skipif(ACTIVATE is None, reason="this systemd has no systemd-socket-activate")
def test_systemds_own_activation_starts_it_at_the_first_request(tmp_path: Path) -> None:
    assert ACTIVATE
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "token").write_text("ghp_CANARY0123456789")
    with Exporter(tmp_path, NOBODY) as exporter, exporter.log.open("wb") as log:
        flags = [f"--config.file={exporter.config}", "--web.systemd-socket"]
        exporter.process = process = subprocess.Popen(
            [ACTIVATE, f"--listen=127.0.0.1:{port}", sys.executable, "-m", "exporter", *flags],
            stderr=log,
            env=exporter.environ,
            cwd=tmp_path,
        )
        until(lambda: "Listening on" in exporter.log.read_text(), "systemd listens")
        assert "event=listening" not in exporter.log.read_text()
        assert get(f"http://127.0.0.1:{port}/-/healthy", timeout=30)[0] == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


@pytest.mark.parametrize(
    ("environ", "descriptors"),
    [
        ({}, []),
        ({"LISTEN_PID": "own", "LISTEN_FDS": "2"}, [3, 4]),
        ({"LISTEN_PID": "own", "LISTEN_FDS": "0"}, []),
        ({"LISTEN_PID": "own", "LISTEN_FDS": "-1"}, []),
        ({"LISTEN_PID": "own", "LISTEN_FDS": "99999999999"}, []),
        ({"LISTEN_PID": "own"}, []),
        ({"LISTEN_PID": "1", "LISTEN_FDS": "2"}, []),
        ({"LISTEN_FDS": "2"}, []),
    ],
)
def test_the_variables_of_sd_listen_fds(environ: dict[str, str], descriptors: list[int]) -> None:
    own = {name: str(os.getpid()) if value == "own" else value for name, value in environ.items()}
    assert list(socket_descriptors(own)) == descriptors


def test_systemd_takes_the_socket_unit_beside_the_service(tmp_path: Path) -> None:
    installed = tmp_path / "github-enterprise-exporter"
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)
    service = UNIT.with_suffix(".service")
    (tmp_path / UNIT.name).write_text(UNIT.read_text())
    (tmp_path / service.name).write_text(service.read_text().replace(f"/usr/local/bin/{service.stem}", str(installed)))
    verify = 'systemd-analyze verify --man=no "$0" 2>&1'
    assert tool("sh", "-c", verify, str(tmp_path / UNIT.name)) == "", "no warning either"


def test_the_socket_unit_has_our_port_and_names_our_variable() -> None:
    text = UNIT.read_text()
    assert f"\nListenStream={PORT}\n" in text
    assert "\nAccept=no\n" in text
    assert f"{VARIABLES['web', 'systemd_socket']}=true" in text
