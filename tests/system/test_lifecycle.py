"""`POST /-/reload`, with `--web.enable-lifecycle`: what SIGHUP does, with an answer."""

import http.client
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.daemon import NOBODY
from tests.support.harness import Exporter, get, until

SUCCESSFUL = "github_exporter_config_last_reload_successful"
TIMESTAMP = "github_exporter_config_last_reload_success_timestamp_seconds"


def answer(exporter: Exporter, method: str, body: bytes = b"", path: str = "/-/reload") -> tuple[int, str, str]:
    """Status, body and the header Allow."""
    connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=20)
    try:
        connection.request(method, path, body or None)
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers.get("allow", "")
    finally:
        connection.close()


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    folder = tmp_path_factory.mktemp("lifecycle")
    (folder / "token").write_text("ghp_CANARY0123456789")
    with Exporter(folder, NOBODY) as exporter:
        yield exporter.start("--web.enable-lifecycle")


def write(exporter: Exporter, **more: Any) -> None:
    state = {"state": {"path": str(exporter.folder / "state")}}
    exporter.config.write_text(yaml.safe_dump({**NOBODY, **state, **more}))


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_reload_is_in_effect_when_it_is_answered(exporter: Exporter, method: str) -> None:
    for names in (["acme", "globex"], ["acme"]):
        write(exporter, organizations=names)
        before = exporter.value(TIMESTAMP) or 0
        assert answer(exporter, method) == (200, "reloaded\n", "")
        page = get(f"{exporter.url}/")[1]
        assert ("organization/globex" in page) == ("globex" in names)
        until(lambda before=before: (exporter.value(TIMESTAMP) or 0) > before, "the time of the reload is shown")
        assert exporter.value(SUCCESSFUL) == 1


def test_a_refused_reload_is_answered_with_every_error_and_changes_nothing(exporter: Exporter) -> None:
    write(exporter)
    assert answer(exporter, "POST")[0] == 200
    at = exporter.value(TIMESTAMP)
    write(exporter, organizations=["globex"], budget={"shares": 1}, privacy={"user_names": "ghp_CANARY"}, limit={})
    status, body, _ = answer(exporter, "POST")
    assert status == 500
    assert sorted(re.findall(r"config\.yaml: ([a-z_.]+) \(line \d+\)", body)) == [
        "budget.shares",
        "limit",
        "privacy.user_names",
    ]
    assert "CANARY" not in body
    until(lambda: exporter.value(SUCCESSFUL) == 0, "the metric tells")
    assert exporter.value(TIMESTAMP) == at
    page = get(f"{exporter.url}/")[1]
    assert "The configuration was not reloaded" in page
    assert "organization/globex" not in page
    assert '"not reloaded, the old configuration stays"' in exporter.log.read_text()
    write(exporter)
    assert answer(exporter, "POST")[0] == 200
    until(lambda: exporter.value(SUCCESSFUL) == 1, "the metric tells")


def test_many_reloads_at_once_are_all_answered(exporter: Exporter) -> None:
    write(exporter)
    reloads = exporter.log.read_text().count('"event": "reloaded"')
    assert exporter.process
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(answer, exporter, "POST") for _ in range(100)]
        for _ in range(10):
            exporter.process.send_signal(signal.SIGHUP)
        assert {one.result()[0] for one in asked} == {200}
    assert reloads < exporter.log.read_text().count('"event": "reloaded"') < reloads + 110


def test_other_methods_are_refused(exporter: Exporter) -> None:
    for method in ("GET", "HEAD", "DELETE", "PATCH"):
        status, _body, allow = answer(exporter, method)
        assert (status, allow) == (405, "POST, PUT")
    assert answer(exporter, "POST", path="/metrics")[0] == 405


def test_a_body_is_not_kept_however_long_it_is(exporter: Exporter) -> None:
    assert answer(exporter, "POST", b"x" * 1_000_000)[0] == 200
    with socket.create_connection(("127.0.0.1", exporter.port), 20) as endless:
        endless.sendall(b"POST /-/reload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert endless.recv(4096).startswith(b"HTTP/1.1 200 ")
        before = exporter.value("process_resident_memory_bytes") or 0
        chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
        for _ in range(1000):
            endless.sendall(chunk)
        assert (exporter.value("process_resident_memory_bytes") or 0) < before + 20e6


def test_without_the_flag_a_reload_is_forbidden(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("ghp_CANARY0123456789")
    with Exporter(tmp_path, NOBODY) as exporter:
        exporter.start()
        for method in ("POST", "PUT"):
            status, body, _ = answer(exporter, method)
            assert status == 403
            assert "--web.enable-lifecycle" in body
        assert answer(exporter, "GET")[0] == 405
        assert '"event": "reloaded"' not in exporter.log.read_text()
