"""Answers that are small on the way and large in memory: none of them stops the exporter."""

import gzip
import json
import threading
import time
from pathlib import Path

import pytest

from exporter.collectors import COLLECTORS
from exporter.github.decoding import LARGEST
from exporter.instants import HOUR
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.faults import Fault
from exporter.simulator.messages import Request
from tests.support.harness import Exporter, config_for, get, simulated, until
from tests.support.organizations import exporting, github_of, state_of

PATIENCE = 2.0
"""Seconds for an answer of `/-/healthy` on a busy machine; one such answer took 4.6 s of the event loop."""
MOST_MORE = 2 * 4 * LARGEST
"""What the answers may take of memory: four times the bytes of one, and as much again that malloc keeps of others."""


def large_answers() -> dict[str, bytes]:
    """Bodies by the organization that gets them."""
    return {
        "zeros": b"[" + b"0," * 1_000_000 + b"0]",
        "bad-rows": b"[" + b",".join([b'{"subject_type":"user"}'] * 100_000) + b"]",
        "empty-lists": b"[" + b"[]," * 100_000 + b"[]]",
        "many-keys": b"[{" + b",".join(b'"k%d":0' % number for number in range(1_000_000)) + b"}]",
        "large-object": b"{" + b",".join(b'"k%d":"%s"' % (number, b"x" * 1000) for number in range(15_000)) + b"}",
        "most-lists": b"[" + b"[]," * 99_000 + b"[]]",
        "most-objects": b"[" + b",".join(b'{"%d":0}' % number for number in range(66_000)) + b"]",
        "wide-texts": b"[" + b",".join([b'"' + b"x" * 60_000 + "\N{GRINNING FACE}".encode() + b'"'] * 100) + b"]",
        "deep": b"[" * 1_000_000 + b"]" * 1_000_000,
        "long-text": b'[{"subject_type":"' + b"x" * 15_000_000 + b'"}]',
        "long-number": b'[{"subject_id":1' + b"0" * 1_000_000 + b"}]",
    }


def peak(process: int) -> int:
    """The most memory that a process has held, in bytes."""
    status = Path(f"/proc/{process}/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def test_no_answer_takes_the_memory_or_the_event_loop(tmp_path: Path) -> None:
    bodies = large_answers()
    github, is_ready = github_of("acme", *bodies), threading.Event()
    github.faults.add(Fault(lambda request: not is_ready.is_set() and "acme" not in request.path, status=500))
    for name, body in bodies.items():
        packed = {"content-encoding": "gzip"}
        github.faults.add(
            Fault(rf"/orgs/{name}/insights/api/subject-stats", headers=packed, status=200, body=gzip.compress(body))
        )
        summary = b'{"total_request_count":9,"rate_limited_request_count":0}'
        github.faults.add(Fault(rf"/orgs/{name}/insights/api/summary-stats", status=200, body=summary))
    with exporting(tmp_path, github, "acme", *bodies, interval="1s") as exporter:
        process = exporter.start().process
        assert process is not None
        until(lambda: all(state_of(exporter, name, "unavailable") for name in bodies), "all have failed once")
        before = peak(process.pid)
        is_ready.set()

        def all_are_invalid() -> bool:
            assert get(f"{exporter.url}/-/healthy", timeout=PATIENCE)[0] == 200
            return all(state_of(exporter, name, "invalid") for name in bodies)

        until(all_are_invalid, "each answer is refused", every=0.01, seconds=60)
        assert process.poll() is None
        assert peak(process.pid) - before < MOST_MORE
        assert state_of(exporter, "acme", "ok")
        lines = [json.loads(line) for line in exporter.log.read_text().splitlines() if line.startswith("{")]
    assert not [line for line in lines if "please report this" in line["event"]]


def test_a_run_that_was_cut_off_three_times_waits_for_its_interval(tmp_path: Path) -> None:
    github = github_of("acme")
    github.faults.add(Fault(r"/subject-stats", kind="hang"))

    def asked() -> int:
        return sum("/subject-stats" in request.path for request in github.log)

    with exporting(tmp_path, github, "acme", interval="1h") as exporter:
        for run in (1, 2, 3):
            exporter.start()
            until(lambda run=run: asked() == run, "it is asked at once")
            exporter.kill()
        exporter.start()
        whose = '{collector="subject_stats",target="organization/acme"}'
        due = until(lambda: exporter.value(f"github_exporter_collector_next_run_timestamp_seconds{whose}"), "it is due")
        assert time.time() + HOUR / 2 < due < time.time() + HOUR
        assert asked() == 3


MOST_AT_ALL = 192 * 1024 * 1024
"""Of the 256 MiB that a container gives the exporter; the rest is for scrapes."""
WIDE = "x" * 60_000 + "\N{GRINNING FACE}"
"""As bytes a quarter of what it takes in memory."""
SUBJECT = {"subject_type": "user", "subject_id": 1, "total_request_count": 9, "rate_limited_request_count": 0}
# By collector: each page is one that is read, and so many of them come.
PAGES: dict[str, tuple[str, int, list[object]]] = {
    "subject_stats": ("subject-stats", 300, [{**SUBJECT, "subject_name": WIDE}] * 99),
    "copilot_metrics": ("copilot/metrics", 300, [{"date": "2020-01-01", "x": [[]] * 99_000}]),
}


def add_pages(github: SimulatedGitHub, path: str, count: int, rows: list[object]) -> None:
    """Let a list have the same page again and again."""
    body = gzip.compress(json.dumps(rows, ensure_ascii=False).encode(), 1)
    for number in range(1, count + 1):
        following = f'<?page={number + 1}>; rel="next"' if number < count else ""

        def is_asked(request: Request, number: int = number) -> bool:
            return path in request.path and request.query.get("page", "1") == str(number)

        headers = {"content-encoding": "gzip", "link": following}
        github.faults.add(Fault(is_asked, headers=headers, status=200, body=body))


@pytest.mark.parametrize("collector", PAGES)
def test_no_number_of_pages_takes_the_memory(tmp_path: Path, collector: str) -> None:
    github = github_of("acme")
    add_pages(github, *PAGES[collector])
    (tmp_path / "token").write_text("token")
    collectors: dict[str, dict[str, object]] = {each.name: {"enabled": each.name == collector} for each in COLLECTORS}

    ended = f'github_exporter_collector_success{{collector="{collector}",target="organization/acme"}}'
    with simulated(github) as (url,):
        config = config_for(url, "acme", token_file=tmp_path / "token", collectors=collectors)
        with Exporter(tmp_path, config) as exporter:
            process = exporter.start().process
            until(lambda: exporter.value(ended) is not None, "the list is read or refused", seconds=60)
            assert process is not None
            assert peak(process.pid) < MOST_AT_ALL
