"""`simulate --fault`: a team sees its own alerts fire before GitHub makes them fire."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.harness import Exporter, command, config_for, get, until


@contextmanager
def simulator(log: Path, *flags: str) -> Iterator[str]:
    """The command on a free port; gives its URL."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "exporter", "simulate", "--web.listen-address=127.0.0.1:0", *flags],
            stdout=file,
            stderr=file,
        )
    try:
        found = until(lambda: re.search(r"is at (http://\S+);", log.read_text()), "it listens", 60)
        yield found[1]
    finally:
        process.kill()
        process.wait(10)


def test_a_rejected_token_is_what_the_alert_looks_at(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("any")
    with simulator(tmp_path / "simulator.log", "--fault=rejected-token") as url:
        config = config_for(url, "acme", token_file=tmp_path / "token")
        with Exporter(tmp_path, config) as exporter:
            exporter.start()
            errors = "github_exporter_collector_errors_total"
            labels = 'collector="summary_stats",target="organization/acme",reason="credential"'
            until(lambda: (exporter.value(f"{errors}{{{labels}}}") or 0) > 0, "the token is rejected")


def test_a_spent_limit_is_what_the_alert_looks_at(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("any")
    with simulator(tmp_path / "simulator.log", "--fault=spent-limit") as url:
        status, body = get(f"{url}/orgs/acme/insights/api/summary-stats", {"Authorization": "Bearer any"})
        assert (status, json.loads(body)["message"][:23]) == (403, "API rate limit exceeded")
        with Exporter(tmp_path, config_for(url, "acme", token_file=tmp_path / "token")) as exporter:
            exporter.start()
            until(lambda: exporter.value('github_exporter_rate_limit_remaining{pool="github"}') == 0, "nothing is left")
            reset = exporter.value('github_exporter_rate_limit_reset_timestamp_seconds{pool="github"}')
            assert reset
            assert reset > time.time() - 60


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("demo", "--fault=spent-limit"), "flag: --fault: is for the command simulate only"),
        (("simulate", "--fault=flood"), "flag: --fault: must be one of 'rejected-token' or 'spent-limit'"),
        (("simulate", "--fault"), "flag: --fault: needs a value"),
    ],
)
def test_a_fault_is_for_simulate_alone_and_one_of_two(arguments: tuple[str, ...], text: str) -> None:
    done = command(*arguments)
    assert done.returncode == 1
    assert text in done.stderr


def test_help_tells_of_it() -> None:
    assert "--fault" in command("simulate", "--help").stdout
