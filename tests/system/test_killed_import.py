"""`state import`, ended by kill -9 at any moment: the state is as before or complete, and the same import succeeds."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest
import yaml

from exporter.collectors import COLLECTORS
from exporter.counting.keys import Key
from exporter.exposition.snapshot import Snapshot
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from exporter.state.database import State
from exporter.state.renaming import renamed_by
from tests.support.app import works
from tests.support.harness import ENVIRON, Exporter, SimClock, command, config_for, get, simulated, until
from tests.support.snapshots import COUNTING, KEY, SNAPSHOT

HOUR = 3600
NOW = float(int(time.time()))
TARGETS = [f"organization/org{number}" for number in range(40)]
KEYS: dict[tuple[str, ...], Key] = {("user", str(number)): KEY for number in range(200)}
MOVED = replace(SNAPSHOT, counting=replace(COUNTING, keys=KEYS))
JOBS = {f"subject_stats {target}": MOVED for target in TARGETS}
OWN = {"subject_stats organization/own": SNAPSHOT}

KILLED_AT = """
import os, signal, sqlite3, sys
from exporter.collectors import COLLECTORS
from exporter.state.importing import import_lines, lines_of
from exporter.state.renaming import renamed_by

path, word, number, in_use = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "in use"
seen = 0

def kill() -> None:
    print("killed", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

def look(statement):
    global seen
    seen += statement.startswith(word)
    if seen == number:
        kill()

connection = sqlite3.connect(path, isolation_level=None)
connection.execute("PRAGMA wal_autocheckpoint = 0")
connection.execute("PRAGMA cache_size = 2")
connection.set_trace_callback(look)
import_lines(connection, lines_of(sys.stdin.buffer), renamed_by(COLLECTORS), in_use=in_use)
kill()
"""
"""An import that ends itself as the statement begins, else after its last one. As in a large import, SQLite's cache
does not hold it, so what is written goes to its log before the end."""


def killed_at(folder: Path, text: str, statement: str, number: int, use: str = "alone") -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT, str(folder / "state.db"), statement, str(number), use],
        input=text,
        env=ENVIRON,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGKILL, "killed\n", "")


def kept(folder: Path, jobs: dict[str, Snapshot]) -> Path:
    """A folder with the state of these jobs."""
    state = State(folder, renamed=renamed_by(COLLECTORS))
    state.open(NOW)
    assert all(state.save(key, snapshot, NOW, ended=True) for key, snapshot in jobs.items())
    state.checkpoint()
    state.close()
    return folder


def snapshots(folder: Path) -> dict[str, Snapshot]:
    """What an exporter finds there."""
    state = State(folder, renamed=renamed_by(COLLECTORS))
    restored = state.open(NOW)
    assert (state.problem, state.incident, restored.unreadable) == ("", "", {})
    state.close()
    return {key: packed.unpack() for key, packed in restored.snapshots.items()}


def export(folder: Path, *targets: str) -> str:
    done = command("state", "export", *targets, f"--state.path={folder}")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize(
    ("statement", "number", "is_complete"),
    [("BEGIN", 1, False), ("INSERT", 1, False), ("INSERT", 40, False), ("COMMIT", 1, False), ("none", 1, True)],
    ids=["before it writes", "at its first job", "at its last job", "before it commits", "after it committed"],
)
def test_a_killed_import_has_saved_all_or_nothing_and_succeeds_when_it_is_repeated(
    statement: str, number: int, is_complete: bool, tmp_path: Path
) -> None:
    text = export(kept(tmp_path / "here", JOBS), *TARGETS)
    there = kept(tmp_path / "there", OWN)
    killed_at(there, text, statement, number)
    if (statement, number) != ("BEGIN", 1):
        log = (there / "state.db-wal").stat().st_size
        assert (log > len(text) / 2) == (number == 40 or statement in {"COMMIT", "none"}), "what was written before"
    assert snapshots(there) == (OWN | JOBS if is_complete else OWN)
    done = command("state", "import", f"--state.path={there}", stdin=text)
    assert (done.returncode, done.stderr) == (0, "")
    assert snapshots(there) == OWN | JOBS


def importing(folder: Path) -> "subprocess.Popen[str]":
    """The command, which waits for its input."""
    words = [sys.executable, "-m", "exporter", "state", "import", f"--state.path={folder}"]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, env=ENVIRON, text=True)


def test_an_import_that_is_killed_while_its_pipe_is_slow_leaves_nothing_behind(tmp_path: Path) -> None:
    text = export(kept(tmp_path / "here", JOBS), *TARGETS)
    there = kept(tmp_path / "there", OWN)
    with importing(there) as process:
        _half(process.stdin, text)
        process.kill()
    assert snapshots(there) == OWN
    assert command("state", "import", f"--state.path={there}", stdin=text).returncode == 0
    assert snapshots(there) == OWN | JOBS


def _half(pipe: IO[str] | None, text: str) -> None:
    """Send half of the text; more than a pipe holds, so the other end has begun to read."""
    assert pipe
    assert len(text) > 4 * 65536
    pipe.write(text[: len(text) // 2])
    pipe.flush()


def test_a_running_exporter_goes_on_beside_killed_imports_and_asks_nothing_twice(tmp_path: Path) -> None:
    clock = SimClock(time.time())
    clock.run(1.0)
    world = World.of([Event(name, "user", 1, int(clock()) - HOUR, requests=9) for name in ("acme", "globex")])
    github = SimulatedGitHub(world, clock)
    token = tmp_path / "token"
    token.write_text("token")
    with simulated(github) as (url,):
        both = config_for(url, "acme", "globex", token_file=token, interval="1h")
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
        first = Exporter(tmp_path / "one", config_for(url, "acme", token_file=token, interval="1h"))
        second = Exporter(tmp_path / "two", config_for(url, "globex", token_file=token, interval="1h"))
        with first, second:
            first.start()
            second.start()
            for exporter, name in ((first, "acme"), (second, "globex")):
                until(lambda e=exporter, n=name: _all_read(e, n), "all is read once")
            first.stop()
            shown = series(second, "globex")
            asked = len(github.log)
            text = export(tmp_path / "one" / "state", "organization/acme")
            there = tmp_path / "two" / "state"
            for statement, number in (("BEGIN", 1), ("INSERT", 2), ("COMMIT", 1)):
                killed_at(there, text, statement, number, "in use")
                assert get(f"{second.url}/-/healthy")[0] == 200
            with importing(there) as process:
                assert process.stdin
                process.stdin.write(text[: len(text) // 2])
                process.stdin.flush()
                process.kill()
            done = command("state", "import", f"--state.path={there}", stdin=text)
            assert (done.returncode, done.stderr) == (0, "")
            second.config.write_text(
                yaml.safe_dump({**yaml.safe_load(second.config.read_text()), "organizations": both["organizations"]})
            )
            assert second.process
            second.process.send_signal(signal.SIGHUP)
            until(lambda: _all_read(second, "acme"), "it shows what was moved")
            assert series(second, "globex") == shown, "nothing is lost"
            assert [record.path for record in list(github.log)[asked:]] == [], "nothing is asked before it is due"
            assert second.stop() == 0
            second.start()
            assert _all_read(second, "acme")
            assert series(second, "globex") == shown
            assert [record.path for record in list(github.log)[asked:]] == []
            for told in ("changed by others", "cannot be written", "cannot be read"):
                assert told not in second.log.read_text()


def _all_read(exporter: Exporter, name: str) -> bool:
    return all(works(exporter, collector, name) for collector in ("summary_stats", "subject_stats", "route_stats"))


def series(exporter: Exporter, name: str) -> list[str]:
    """GitHub's series of an organization."""
    wanted = f'organization="{name}"'
    return [line for line in exporter.metrics().splitlines() if line.startswith("github_api") and wanted in line]
