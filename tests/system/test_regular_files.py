"""Files that the exporter is told to read, where something else lies: nothing waits for it, and the fix is named."""

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.regular_files import NotRegular, read_regular, unreadable
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from tests.support.harness import Exporter, SimClock, command, config_for, simulated, until


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def link_to_a_fifo(path: Path) -> None:
    os.mkfifo(path.with_suffix(".fifo"))
    path.symlink_to(path.with_suffix(".fifo"))


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)  # a file with a hole: it takes no space


def nothing(_path: Path) -> None:
    """Put nothing there."""


KINDS: dict[Callable[[Path], None], str] = {
    fifo: "it is a FIFO (named pipe), no regular file; name a regular file",
    link_to_a_fifo: "it is a FIFO (named pipe), no regular file; name a regular file",
    folder: "it is a directory, no regular file; name a regular file",
    device: "it is a device, no regular file; name a regular file",
    loop: "Too many levels of symbolic links; replace the symbolic links by a file",
    nothing: "No such file or directory; check the path",
}


@pytest.mark.parametrize(("put", "words"), KINDS.items())
def test_what_is_no_regular_file_is_named_with_its_fix(put: Callable[[Path], None], words: str, tmp_path: Path) -> None:
    put(tmp_path / "it")
    with pytest.raises(OSError, match=r".") as caught:
        read_regular(tmp_path / "it", 10)
    assert unreadable(caught.value) == f"cannot be read: {words}"


def test_a_socket_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("it")
    with pytest.raises(NotRegular, match="it is a socket"):
        read_regular(Path("it"), 10)


def test_of_a_huge_file_no_more_is_read_than_asked_for(tmp_path: Path) -> None:
    huge(tmp_path / "it")
    assert read_regular(tmp_path / "it", 10) == bytes(10)


@pytest.mark.parametrize("put", [fifo, folder, loop, device, huge, nothing])
@pytest.mark.parametrize("key", ["token_file", "private_key_file", "ca_file"])
def test_check_names_what_lies_there_instead_of_a_credentials_file(
    put: Callable[[Path], None], key: str, tmp_path: Path
) -> None:
    put(tmp_path / "it")
    (tmp_path / "token").write_text("word\n")
    files = {"token_file": "token", key: "it"} if key != "private_key_file" else {key: "it"}
    section = "".join(f", {name}: '{tmp_path}/{file}'" for name, file in files.items())
    app = ", app_client_id: Iv23liABCDEFGHIJ" if key == "private_key_file" else ""
    (tmp_path / "config.yaml").write_text(
        f"credentials: {{c: {{api_url: 'https://api.github.com'{app}{section}}}}}\norganizations: [acme]\n"
    )
    done = command("check", f"--config.file={tmp_path}/config.yaml")
    assert done.returncode == 1
    assert f"credentials.c.{key} (line 1): {tmp_path}/it " in done.stderr + done.stdout
    assert KINDS.get(put, "") in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("put", [fifo, folder, loop, huge, nothing])
def test_a_configuration_that_is_no_file_ends_the_start_with_its_path_and_the_fix(
    put: Callable[[Path], None], tmp_path: Path
) -> None:
    put(tmp_path / "it")
    begun = time.monotonic()
    done = command("run", f"--config.file={tmp_path}/it")
    assert time.monotonic() - begun < 50
    assert done.returncode == 1
    words: dict[Callable[[Path], None], str] = {
        huge: "is larger than 1 MiB",
        fifo: f"{tmp_path}/it cannot be read: nobody wrote into this pipe for 5 s",
    }
    assert (words.get(put) or f"{tmp_path}/it cannot be read: {KINDS[put]}") in done.stderr


def test_a_reload_from_a_fifo_is_refused_and_hangs_nothing(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("word\n")
    now = time.time()
    github = SimulatedGitHub(World.of([Event("acme", "user", 1, int(now) - 8 * 3600, requests=5)]), SimClock(now))
    with (
        simulated(github) as (url,),
        Exporter(tmp_path, config_for(url, "acme", token_file=tmp_path / "token")) as exporter,
    ):
        exporter.start()
        assert exporter.process
        exporter.config.rename(tmp_path / "away")
        os.mkfifo(exporter.config)
        exporter.process.send_signal(signal.SIGHUP)
        until(lambda: "not reloaded" in exporter.log.read_text() and exporter.metrics(), "the reload is refused")
        (tmp_path / "away").replace(exporter.config)
        exporter.process.send_signal(signal.SIGHUP)
        until(lambda: '"reloaded"' in exporter.log.read_text(), "the next reload is heard")
        assert exporter.stop() == 0
    assert "nobody wrote into this pipe for 5 s; name a regular file" in exporter.log.read_text()
