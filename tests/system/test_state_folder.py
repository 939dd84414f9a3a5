"""The state folder in the hands of others: what lies there is not trusted, what they take away is noticed at once."""

import html
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter.exposition.snapshot import Snapshot
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from exporter.state.database import State, Wait
from exporter.state.folder import KEPT_ASIDE, StateFolder, StateLockedError
from tests.support.harness import Exporter, SimClock, config_for, get, simulated, until

ROOT = Path(__file__).parents[2]
NOW = 1_795_262_400.0
REQUESTS = 'github_api_insights_requests_total{organization="acme"}'
FAILED = "github_exporter_state_writes_failed_total"
OURS = ("state.db", "state.db-wal", "state.db-shm", "state.db-journal", "state.db.new", "lock")
WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
"""Modes of files then stop root as they stop any other user. (Another user could not read a Python in root's home.)"""
EXPORTER_WITHOUT_RIGHTS = (
    "import os, sys\n"
    f"command = [*{WITHOUT_RIGHTS!r}, sys.executable, '-m', 'exporter', *sys.argv[1:]]\n"
    "os.execvp(command[0], command)\n"
)


@contextmanager
def running(folder: Path, script: str = "") -> Iterator[Exporter]:
    """An exporter whose counter of acme stands at 7, if state can be written."""
    (folder / "token").write_text("word\n")
    clock = SimClock(time.time())
    clock.run(1.0)
    github = SimulatedGitHub(World.of([Event("acme", "user", 1, int(clock()) - 8 * 3600, requests=9)]), clock)
    with (
        simulated(github) as (url,),
        Exporter(folder, config_for(url, "acme", token_file=folder / "token"), script=script) as exporter,
    ):
        exporter.start()
        until(lambda: exporter.value(REQUESTS) is not None, "it counts")
        github.world.add(Event("acme", "user", 1, int(clock()), requests=7))
        yield exporter


def kept_jobs(folder: Path) -> set[str]:
    """The jobs of which the file in the folder holds a snapshot."""
    try:
        with closing(sqlite3.connect(f"file:{folder}/state.db?mode=ro", uri=True)) as connection:
            return {key for (key,) in connection.execute("SELECT key FROM job WHERE snapshot <> ''")}
    except sqlite3.Error:
        return set()


def delete_database(folder: Path) -> None:
    (folder / "state.db").unlink()


def delete_log(folder: Path) -> None:
    (folder / "state.db-wal").unlink()


def replace_database(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "backup")) as other, other:
        other.execute("CREATE TABLE theirs (x)")
    (folder / "backup").replace(folder / "state.db")


def overwrite_database(folder: Path) -> None:
    (folder / "state.db").write_bytes(b"no database" * 1000)


def empty_database(folder: Path) -> None:
    os.truncate(folder / "state.db", 0)


def remove_folder(folder: Path) -> None:
    gone = folder.with_name("gone")  # at once: the exporter would write into a folder that loses file after file
    folder.rename(gone)
    shutil.rmtree(gone)


def rename_folder(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def put_a_fifo(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    (folder / "fifo").replace(folder / "state.db")


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        (delete_database, "state.db was deleted"),
        (delete_log, "state.db-wal was deleted"),
        (replace_database, "state.db was replaced"),
        (overwrite_database, "state.db was changed by another program"),
        (empty_database, "state.db was changed by another program"),
        (remove_folder, "the folder was deleted"),
        (rename_folder, "the folder was deleted"),
        (put_a_fifo, "state.db was replaced"),
    ],
)
def test_what_others_do_to_the_state_is_noticed_and_a_kill_loses_nothing(
    deed: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    with running(tmp_path) as exporter:
        until(lambda: exporter.value(REQUESTS) == 7, "the counter moved")
        jobs = until(lambda: kept_jobs(state), "jobs are kept")
        deed(state)
        until(lambda: (exporter.value(FAILED) or 0) >= 1, "it is counted")
        until(lambda: "written anew as a whole" in exporter.log.read_text(), "the state is written anew")
        until(lambda: kept_jobs(state) >= jobs, "the new file holds all jobs")
        page = get(f"{exporter.url}/")[1]
        exporter.kill()
        exporter.start()
        assert (exporter.value(REQUESTS) or 0) >= 7, "the kill lost what was counted"
    said = exporter.log.read_text()
    assert said.count("was changed by others") == 1
    for text in (page, said):
        assert words in text
        assert "stop the exporter before you restore a backup" in text


def test_a_lock_that_is_a_symbolic_link_lets_no_second_exporter_in(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "elsewhere").write_text("theirs")
    (tmp_path / "state" / "lock").symlink_to(tmp_path / "elsewhere")
    with running(tmp_path) as exporter:
        second = exporter.start_second()
        assert second.returncode == 1, second.stderr
        assert "another exporter uses this state folder" in second.stderr
        until(lambda: exporter.value(REQUESTS) == 7, "state is written, so newborns move")
    assert (tmp_path / "elsewhere").read_text() == "theirs"
    assert [path.is_symlink() for path in (tmp_path / "state").glob("lock.aside-*")] == [True]


def test_a_lock_that_is_deleted_lets_no_second_exporter_in_and_is_made_again(tmp_path: Path) -> None:
    lock = tmp_path / "state" / "lock"
    with running(tmp_path) as exporter:
        lock.unlink()
        assert exporter.start_second().returncode == 1
        until(lock.exists, "the lock is made again")
        until(lambda: (exporter.value(FAILED) or 0) >= 1, "it is counted")
        assert exporter.start_second().returncode == 1
        until(lambda: exporter.value(REQUESTS) == 7, "state is written")
    assert "lock was deleted" in exporter.log.read_text()


def test_fifos_in_the_state_folder_hang_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    for name in OURS:
        os.mkfifo(state / name)
    with running(tmp_path) as exporter:
        until(lambda: exporter.value(REQUESTS) == 7, "state is written")
        assert exporter.value(FAILED) == 0
        assert exporter.stop() == 0
        exporter.start()
        until(lambda: exporter.value(REQUESTS) == 7, "the counter is restored")
    said = exporter.log.read_text()
    for name in OURS:
        assert len(list(state.glob(f"{name}.aside-[0-9]*"))) == 1, name
        assert said.count(f'"{state}/{name}"') == 1, "it is said once"


def test_a_row_that_is_nested_too_deeply_costs_that_row_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with running(tmp_path) as exporter:
        until(lambda: exporter.value(REQUESTS) == 7, "the counter moved")
        assert exporter.stop() == 0
        with closing(sqlite3.connect(state / "state.db")) as connection, connection:
            changed = connection.execute(
                "UPDATE job SET snapshot = ? WHERE key LIKE 'time_stats%'", ("[" * 200_000 + "]" * 200_000,)
            )
            assert changed.rowcount == 1
        exporter.start()
        assert exporter.value(REQUESTS) == 7, "the other jobs go on"
        works = 'github_exporter_collector_success{collector="time_stats",target="organization/acme"}'
        until(lambda: exporter.value(works) == 1, "the job begins anew")
    assert "nested too deeply" in exporter.log.read_text()
    assert len(list(state.glob("state.db.aside-*"))) == 1


def test_a_folder_that_cannot_be_opened_is_red_from_the_start_and_mends_itself(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0)
    with running(tmp_path, EXPORTER_WITHOUT_RIGHTS) as exporter:
        assert (exporter.value(FAILED) or 0) >= 1
        page = get(f"{exporter.url}/")[1]
        assert exporter.value(REQUESTS) == 0, "newborns wait for state"
        state.chmod(0o700)
        until(lambda: exporter.value(REQUESTS) == 7, "state is written", seconds=60)
        exporter.kill()
        exporter.start()
        assert exporter.value(REQUESTS) == 7
    said = exporter.log.read_text()
    assert f"{state}: Permission denied; let the exporter's user write there" in said
    assert f"{state}: Permission denied; let the exporter's user write there" in html.unescape(page)
    assert said.count("state cannot be written") == 1


# One process, without GitHub.


def socket_at(path: Path) -> None:
    home = os.open(".", os.O_RDONLY)
    os.chdir(path.parent)  # a socket's path is short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(home)
        os.close(home)


def loop_at(path: Path) -> None:
    path.symlink_to(path.name)


def saved(folder: Path, *jobs: str) -> State:
    state = State(folder)
    state.open(NOW)
    for job in jobs:
        assert state.save(job, Snapshot(failures=7), NOW, ended=True)
    return state


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("put", [Path.mkdir, socket_at, loop_at, os.mkfifo])
def test_what_is_no_file_of_ours_is_set_aside(put: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    put(tmp_path / name)
    saved(tmp_path, "job").close()
    assert len(list(tmp_path.glob(f"{name}.aside-[0-9]*"))) == 1
    again = State(tmp_path)
    assert again.open(NOW).snapshots.keys() == {"job"}
    assert again.health.is_written
    again.close()


def test_of_what_is_set_aside_three_are_kept(tmp_path: Path) -> None:
    for _ in range(KEPT_ASIDE + 2):
        os.mkfifo(tmp_path / "state.db-journal")
        saved(tmp_path).close()
    assert len(list(tmp_path.glob("state.db-journal.aside-*"))) == KEPT_ASIDE


def test_a_path_that_can_never_be_written_is_ill_from_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    state = State(tmp_path / "file" / "state")
    state.open(NOW)
    assert not state.health.is_written
    assert state.health.failed_writes == 1
    assert "choose another folder in state.path" in state.health.problem


def test_nothing_is_written_while_another_exporter_holds_the_folder_that_took_the_place(tmp_path: Path) -> None:
    state = saved(tmp_path / "state", "job")
    (tmp_path / "state").rename(tmp_path / "away")
    other = saved(tmp_path / "state", "other")
    assert not state.save("job", Snapshot(), NOW, ended=True)
    assert "another exporter uses this state folder" in state.problem
    other.close()
    state.watch(NOW + 60)
    assert state.health.is_written
    assert state.unsaved(["job"]) == ["job"]
    with pytest.raises(StateLockedError):
        State(tmp_path / "state").open(NOW)
    state.close()


def test_what_no_snapshot_holds_is_in_the_new_file_too(tmp_path: Path) -> None:
    state = saved(tmp_path, "job", "hidden")
    state.wait("pool a", Wait(NOW + 100))
    state.begin("begun", NOW)
    for deed in (delete_database, overwrite_database):
        deed(tmp_path)
        state.watch(NOW)
        assert state.health.is_written
        assert state.unsaved(["job"]) == ["job"], "what is shown is written once more"
        assert state.save("job", Snapshot(failures=7), NOW, ended=True)
    assert (state.changes_by_others, state.failed_writes) == (2, 0)
    salt = state.salt
    state.close()
    again = State(tmp_path)
    found = again.open(NOW)
    assert found.waits == {"pool a": Wait(NOW + 100)}
    assert "begun" in found.cut_off
    assert found.load("job") == Snapshot(failures=7)
    assert again.salt == salt
    again.close()


def test_a_hidden_job_is_taken_along_where_the_file_was_deleted(tmp_path: Path) -> None:
    state = saved(tmp_path, "hidden")
    delete_database(tmp_path)
    state.watch(NOW)
    state.close()
    again = State(tmp_path)
    assert again.open(NOW).snapshots.keys() == {"hidden"}
    again.close()


def test_a_file_that_turns_out_to_be_damaged_is_written_anew(tmp_path: Path) -> None:
    state = saved(tmp_path, "job")
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection, connection:
        connection.execute("DROP TABLE job")  # it stands in the log: the file itself does not change
    assert not state.save("job", Snapshot(), NOW, ended=True)
    state.watch(NOW + 60)
    assert state.health.is_written
    assert state.unsaved(["job"]) == ["job"]
    assert state.save("job", Snapshot(failures=8), NOW, ended=True)
    state.close()
    again = State(tmp_path)
    assert again.open(NOW).load("job") == Snapshot(failures=8)
    again.close()


def test_a_folder_that_can_be_opened_no_more_is_said_and_written_when_it_can(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom exporter.exposition.snapshot import Snapshot\n"
        "from exporter.state.database import State\nfolder = Path(sys.argv[1])\n"
        "state = State(folder)\nstate.open(1.0)\n"
        "assert state.save('job', Snapshot(), 1.0, ended=True)\n"
        "folder.chmod(0)\nstate.watch(2.0)\nassert not state.health.is_written\nprint(state.health.problem)\n"
        "assert state.unsaved(['job']) == []\nfolder.chmod(0o700)\nstate.watch(60.0)\n"
        "assert state.health.is_written\nassert state.unsaved(['job']) == ['job']\n"
    )
    command = [*WITHOUT_RIGHTS, sys.executable, "-c", script, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{folder}: Permission denied; let the exporter's user write there" in done.stdout


GOOD: dict[str, Any] = {
    "gauges": {},
    **dict.fromkeys(("counting", "outcome", "last_success", "data_time")),
    **dict.fromkeys(("next_run", "failures", "left_out"), 0),
}
COUNTING = {"anchor": 1, "read_at": 2, "since": 3, "strict": True, "other": [1], "other_shown": False, "keys": []}


@pytest.mark.parametrize(
    "snapshot",
    [
        b"\xff\xfe no text",
        "[" * 200_000,
        '{"a":' * 200_000,
        "7",
        *(
            json.dumps(GOOD | change)
            for change in (
                {"outcome": ["yesterday", 1, "ok", None, "", ""]},
                {"outcome": [1, 1, "splendid", None, "", ""]},
                {"outcome": [1]},
                {"last_success": "x"},
                {"next_run": float("inf")},
                {"next_run": "x"},
                {"failures": float("inf")},
                {"gauges": {"x": 7}},
                {"gauges": {"x": [[["a"], [1]]]}},
                {"closing": [{}, 1]},
                {"counting": COUNTING | {"anchor": float("inf")}},
                {"counting": COUNTING | {"keys": [[[["a"]], [], [[1]], 0, True, 0]]}},
            )
        ),
    ],
    ids=lambda snapshot: str(snapshot)[-40:],
)
def test_a_row_that_cannot_be_read_costs_that_row_alone(snapshot: str | bytes, tmp_path: Path) -> None:
    saved(tmp_path, "bad", "good").close()
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection, connection:
        connection.execute("UPDATE job SET snapshot = ? WHERE key = 'bad'", (snapshot,))
    for _ in range(2):
        state = State(tmp_path)
        assert state.open(NOW).snapshots.keys() == {"good"}
        assert state.health.is_written
        assert state.save("job", Snapshot(), NOW, ended=True)
        with closing(sqlite3.connect(tmp_path / "state.db")) as connection, connection:
            connection.execute("DELETE FROM job WHERE key = 'job'")
        state.close()
    assert len(list(tmp_path.glob("state.db.aside-*"))) == 1, "the copy is made once"


def test_waits_and_a_salt_of_wrong_types_are_dropped(tmp_path: Path) -> None:
    state = saved(tmp_path, "good")
    state.wait("pool good", Wait(NOW + 1))
    state.close()
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection, connection:
        connection.execute("INSERT INTO wait VALUES ('pool text', 'soon', '')")
        connection.execute("INSERT INTO wait VALUES (x'ff', 1e300, x'00')")
        connection.execute("INSERT INTO job VALUES (x'00', 1e300, 1, '')")
        connection.execute("UPDATE salt SET value = 10000000000")
    state = State(tmp_path)
    found = state.open(NOW)
    assert (found.waits, found.cut_off, set(found.snapshots)) == ({"pool good": Wait(NOW + 1)}, frozenset(), {"good"})
    assert len(state.salt) == 16
    state.close()


def test_at_a_folder_that_may_only_be_read_a_fifo_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "state.db")
    tmp_path.chmod(0o555)
    script = (
        "import sys\nfrom pathlib import Path\nfrom exporter.state.database import State\n"
        "state = State(Path(sys.argv[1]))\nassert not state.open(1.0).snapshots\nprint(state.health.problem)\n"
    )
    command = [*WITHOUT_RIGHTS, sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    tmp_path.chmod(0o755)
    assert "Permission denied; let the exporter's user write there" in done.stdout


def test_a_state_of_junk_does_not_hold_up_the_start(tmp_path: Path) -> None:
    with running(tmp_path) as exporter:
        until(lambda: kept_jobs(tmp_path / "state"), "the state is written")
        exporter.stop()
        with closing(sqlite3.connect(tmp_path / "state" / "state.db")) as connection:
            junk = ((f"junk organization/{number}", time.time(), "{}") for number in range(200_000))
            connection.executemany("INSERT INTO job VALUES (?, ?, 0, ?)", junk)
            connection.commit()
        exporter.start()
        assert exporter.value(REQUESTS) is not None
        assert not any(job.startswith("junk") for job in kept_jobs(tmp_path / "state"))


def test_a_trigger_of_others_is_dropped_with_the_first_failure(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.open(NOW)
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.execute('CREATE TRIGGER "a ""b" BEFORE INSERT ON wait BEGIN SELECT RAISE(ABORT, \'no\'); END')
        connection.commit()
    assert [state.wait("pool", Wait(NOW + number)) for number in range(1, 5)][1:] == [True] * 3
    state.close()
    assert len(list(tmp_path.glob("state.db.aside-*"))) <= 1


def test_a_database_that_shrank_since_our_write_is_not_taken_for_ours(tmp_path: Path) -> None:
    folder, file = StateFolder(tmp_path), tmp_path / "state.db"
    folder.lock(1.0)
    file.write_bytes(bytes(4096))
    folder.note_database()
    os.truncate(file, 0)
    folder.note_database()
    assert folder.changes() == {"state.db": "was changed by another program"}
    folder.release()
