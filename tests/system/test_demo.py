"""`demo`, `check` and the other commands, as a newcomer runs them."""

import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from exporter.cli.main import main
from exporter.cli.reference import files
from exporter.collectors import COLLECTORS
from exporter.options import duration_text
from tests.support.harness import command, get, until

PROMTOOL = ["promtool", "check", "metrics"]
JOBS = re.compile(r"^(\w+) +organization/NAME +(\w+) +default ", re.MULTILINE)
ROOT = Path(__file__).parents[2]
FAMILIES = {family.name for one in COLLECTORS for table in one.tables for family in table.families}


def started_demo(folder: Path) -> tuple["subprocess.Popen[bytes]", str]:
    """A demo that serves every family, and its address."""
    output = folder / "demo.log"
    with output.open("wb") as log:
        demo = subprocess.Popen(
            [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0"], stdout=log, stderr=log
        )
    try:
        found = until(lambda: re.search(r"http://localhost:(\d+)/metrics", output.read_text()), "the friendly line")
        url = f"http://127.0.0.1:{found[1]}"

        def served() -> set[str]:
            return set(re.findall(r"^(github_\w+)\{", get(f"{url}/metrics")[1], re.MULTILINE))

        until(lambda: served() >= FAMILIES, "every family", 60)
    except BaseException:
        demo.kill()
        raise
    return demo, url


def test_the_demo_is_complete_and_moves(tmp_path: Path) -> None:
    """How soon: `make bench` measures it, against the five seconds that are promised."""
    demo, url = started_demo(tmp_path)
    try:
        until(lambda: get(f"{url}/-/ready")[0] == 200, "every collector has tried")
        assert "organization/acme" in get(f"{url}/")[1]
        linted = subprocess.run(
            ["promtool", "check", "metrics"],
            input=get(f"{url}/metrics")[1],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (linted.returncode, linted.stderr) == (0, "")

        def moved() -> bool:
            body = get(f"{url}/metrics")[1]
            return bool(re.search(r"^github_api_insights_subject_requests_total\{.*\} [1-9]", body, re.MULTILINE))

        until(moved, "a subject's counter moves", 60, every=1.0)
    finally:
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(15) == 0


def test_check_prints_what_would_run_and_no_secret() -> None:
    done = command("check", GITHUB_EXPORTER_TOKEN="ghp_CANARY0123456789", GITHUB_EXPORTER_ORGANIZATIONS="acme,globex")
    assert done.returncode == 0
    for name in ("acme", "globex"):
        runs = dict(JOBS.findall(done.stdout.replace(name, "NAME")))
        assert runs == {
            one.name: duration_text(one.interval)
            for one in COLLECTORS
            if one.scope == "organization" and one.enabled and not one.subject and not one.switch
        }
    assert "CANARY" not in done.stdout + done.stderr


def test_errors_of_the_configuration_come_all_at_once_without_a_traceback(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "credentials: {a: {token_file: /nowhere/token}}\n"
        "organizations: [{name: acme, credential: b}]\n"
        "collectors: {summary_stats: {interval: 30}, subjects: {}}\n"
        "extra: 1\n"
    )
    for arguments in (["check"], ["run"], []):
        done = command(*arguments, f"--config.file={file}")
        assert done.returncode == 1
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        for word in ("/nowhere/token", "organizations[0].credential", "interval", "subjects", "extra"):
            assert word in done.stderr


@pytest.mark.parametrize("flags", [["--version"], ["--help"], ["metrics"]])
def test_commands_that_only_print(flags: list[str]) -> None:
    done = command(*flags)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "nothing listens there; name the daemon's --web.listen-address"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answers 404: another program may have this port"),
        (b"220 mail ESMTP\r\n", "does not answer in HTTP: another program may have this port"),
        (b"", "does not answer: Remote end closed connection"),
    ],
)
def test_a_healthcheck_that_fails_says_why(answer: bytes | None, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        if answer is None:
            other.close()

        def serve() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer or b"")

        server = threading.Thread(target=serve)
        if answer is not None:
            server.start()
        done = command("healthcheck", f"--web.listen-address=127.0.0.1:{port}")
        if answer is not None:
            server.join(10)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_in_use_ends_with_1_and_names_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = command(
            f"--web.listen-address={address}",
            f"--state.path={tmp_path}",
            GITHUB_EXPORTER_TOKEN="x",
            GITHUB_EXPORTER_ORGANIZATIONS="acme",
        )
    assert done.returncode == 1
    assert address in done.stderr
    assert "Traceback" not in done.stderr


def test_a_demo_whose_port_is_taken_names_the_ways_to_choose_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = command("demo", f"--web.listen-address=127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 1
    assert "--web.listen-address" in done.stderr
    assert "make demo PORT=" in done.stderr
    assert "Traceback" not in done.stderr


def test_make_demo_listens_on_loopback_at_the_port_that_it_is_given() -> None:
    for words, port in (([], "10171"), (["PORT=10999"], "10999")):
        done = subprocess.run(["make", "-n", "demo", *words], cwd=ROOT, capture_output=True, text=True, check=True)
        assert f" demo --web.listen-address=127.0.0.1:{port}\n" in done.stdout


def test_the_printed_pages_are_the_committed_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics"]) == 0
    assert (ROOT / "docs" / "metrics.md").read_text() == capsys.readouterr().out
    assert (ROOT / "docs" / "configuration.md").read_text() == files()["configuration.md"]


def test_no_lock_file_names_a_registry() -> None:
    for file in ROOT.glob("requirements*.txt"):
        assert "://" not in file.read_text()
