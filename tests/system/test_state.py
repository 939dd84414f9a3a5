"""The state file: what it keeps, and what becomes of it when it is damaged, foreign, locked or cannot be written."""

import asyncio
import gc
import json
import os
import resource
import shutil
import sqlite3
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from exporter.collectors import COLLECTORS, subject_stats
from exporter.counting.keys import Key
from exporter.daemon import Exporter
from exporter.exposition.book import pack
from exporter.exposition.columns import CHUNK_SIZE, column
from exporter.exposition.snapshot import Outcome, Snapshot, status_of
from exporter.settings import parse
from exporter.state.database import Restored, State, StateLockedError, Wait
from exporter.state.folder import KEPT_ASIDE
from exporter.state.snapshot_json import ROWS_AT_ONCE, dump, in_pieces, load
from tests.support.jobs import NOW, job_of
from tests.support.snapshots import COUNTING, KEY, SNAPSHOT


def saved(folder: Path) -> None:
    state = State(folder)
    state.open(NOW)
    assert state.save("job", SNAPSHOT, NOW, ended=True)
    state.close()


def found(folder: Path) -> Restored:
    state = State(folder)
    restored = state.open(NOW)
    state.close()
    return restored


def test_a_packed_snapshot_is_the_same_one_when_it_is_unpacked() -> None:
    held = replace(
        COUNTING, keys={("user", "1"): replace(KEY, new_since=(3, None), reads_ahead=2)}, other_new_since=(None, 4)
    )
    for counting in (None, COUNTING, held):
        snapshot = replace(SNAPSHOT, counting=counting)
        assert pack(snapshot).unpack() == snapshot
        status = status_of(snapshot)
        assert (status.series, status.folded) == (snapshot.series(), snapshot.folded)
    assert status_of(replace(SNAPSHOT, counting=held)).waiting


def test_a_packed_snapshot_is_made_of_chunks_that_join_as_they_were() -> None:
    keys: dict[tuple[str, ...], Key] = {
        ("user", str(number)): replace(KEY, last_active=NOW + number) for number in range(2 * CHUNK_SIZE + 1)
    }
    snapshot = replace(SNAPSHOT, counting=replace(COUNTING, keys=keys))
    unpacked = pack(snapshot).unpack()
    assert unpacked == snapshot
    assert unpacked.counting is not None
    assert list(unpacked.counting.keys) == list(keys)


JSON_DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@hypothesis_settings(deadline=None)  # a loaded machine is slow
@given(JSON_DATA, st.sampled_from([0, 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 1, 3 * ROWS_AT_ONCE]), JSON_DATA)
def test_json_in_pieces_is_the_same_json(row: Any, rows: int, other: Any) -> None:
    data = {"rows": [row] * rows, "other": other, "deep": {"rows": [row] * rows}}
    for one in (data, row, data["rows"]):
        pieces = list(in_pieces(one))
        assert "".join(pieces) == json.dumps(one, separators=(",", ":"))
    assert max(map(len, pieces)) <= ROWS_AT_ONCE * (len(json.dumps(row)) + 1) + 2


def test_nothing_of_what_was_restored_stays_in_memory_beside_what_is_shown(tmp_path: Path) -> None:
    def keys() -> int:
        gc.unfreeze()
        gc.collect()
        return sum(isinstance(one, Key) for one in gc.get_objects())

    async def restarted() -> int:
        async with Exporter(settings).running():
            return keys()

    job = job_of(subject_stats.COLLECTOR)
    state = State(tmp_path / "state")
    state.open(NOW)
    now = time.time()  # the exporter's clock: the job is not due
    counting = replace(COUNTING, keys={("user", str(number)): replace(KEY, last_active=now) for number in range(100)})
    state.save(job.key, Snapshot(counting=counting, outcome=Outcome(now, 1.0), next_run=now + 3600), now, ended=True)
    state.close()
    (tmp_path / "token").write_text("word")
    (tmp_path / "config.yaml").write_text(
        f"credentials: {{default: {{api_url: 'http://127.0.0.1:9', token_file: '{tmp_path}/token'}}}}\n"
        f"organizations: [{job.target.name}]\nstate: {{path: '{tmp_path}/state'}}\n"
        "web: {listen_address: ['127.0.0.1:0']}\n"
    )
    settings = parse(["run", f"--config.file={tmp_path}/config.yaml"], {}, collectors=COLLECTORS)[1]
    del counting
    before = keys()
    restored = state.open(now)
    assert restored.snapshots[job.key].unpack().series() > 100
    assert keys() <= before
    state.close()
    assert asyncio.run(restarted()) <= before


def test_a_snapshot_survives_as_it_was() -> None:
    assert load(dump(SNAPSHOT)) == SNAPSHOT
    assert load(dump(Snapshot())) == Snapshot()


def test_what_was_saved_is_found_after_a_restart(tmp_path: Path) -> None:
    saved(tmp_path)
    state = State(tmp_path)
    assert state.open(NOW).load("job") == SNAPSHOT
    state.close()


def test_the_snapshots_of_some_jobs_can_be_had_at_any_time(tmp_path: Path) -> None:
    state = State(tmp_path)
    assert state.snapshot("job") is None
    state.open(NOW)
    state.save("job", SNAPSHOT, NOW, ended=True)
    state.begin("begun", NOW)
    assert [state.snapshot(job) for job in ("job", "begun", "unknown")] == [SNAPSHOT, None, None]
    state.close()


def test_what_nobody_saved_for_longer_than_github_remembers_is_forgotten(tmp_path: Path) -> None:
    saved(tmp_path)
    state = State(tmp_path)
    state.open(NOW)
    state.forget(NOW + 32 * 86400, ["another"])
    assert state.snapshot("job") == SNAPSHOT
    state.forget(NOW + 32 * 86400 + 1, ["job"])
    assert state.snapshot("job") == SNAPSHOT, "it runs"
    state.forget(NOW + 32 * 86400 + 1, ["another"])
    assert state.snapshot("job") is None
    state.close()


def test_names_that_were_kept_under_another_choice_are_dropped_and_the_counts_stay(tmp_path: Path) -> None:
    saved(tmp_path)
    for _ in range(2):  # what is written back has no names either
        state = State(tmp_path, "off")
        snapshot = state.open(NOW).load("job")
        state.close()
        assert snapshot is not None
        assert snapshot.gauges == {}
        assert snapshot.counting == replace(COUNTING, keys={("user", "1"): replace(KEY, labels=("user", "1", ""))})
    assert b"ada" not in (tmp_path / "state.db").read_bytes()


def labels_in(restored: Restored, job: str = "job") -> list[tuple[str, ...]]:
    snapshot = restored.load(job)
    assert snapshot is not None
    assert snapshot.counting is not None
    return [key.labels for key in snapshot.counting.keys.values()]


def test_a_change_of_names_that_is_cut_off_has_not_begun(tmp_path: Path) -> None:
    """A kill -9 in the midst: the next start finds the old choice, and changes all."""
    saved(tmp_path)

    def cut_off(_job: str, _snapshot: Snapshot) -> Snapshot:
        raise KeyboardInterrupt

    state = State(tmp_path, "off", cut_off)
    with pytest.raises(KeyboardInterrupt):
        state.open(NOW)
    state.close()
    state = State(tmp_path, "off")
    assert labels_in(state.open(NOW)) == [("user", "1", "")]
    state.close()


def test_a_file_that_came_to_be_after_the_start_tells_how_people_are_named_in_it(tmp_path: Path) -> None:
    """The folder could not be made at first; what was written later was under that choice, too."""
    folder = tmp_path / "state"
    folder.write_text("no folder")
    state = State(folder, "login")
    state.open(NOW)
    folder.unlink()
    assert state.save("job", SNAPSHOT, NOW, ended=True)
    state.close()
    choices: tuple[Literal["off", "login"], ...] = ("off", "login")
    for choice in choices:  # what was blank is not shown as a login's form, either
        state = State(folder, choice)
        assert labels_in(state.open(NOW)) == [("user", "1", "")]
        state.close()


def test_an_old_file_that_appears_while_we_run_gives_no_name(tmp_path: Path) -> None:
    """A volume that is mounted late: its drill-downs are asked for later."""
    saved(tmp_path / "old")
    folder = tmp_path / "state"
    folder.write_text("not mounted yet")
    state = State(folder, "pseudonym")
    state.open(NOW)
    folder.unlink()
    (tmp_path / "old").rename(folder)
    assert state.begin("another", NOW)
    assert [key.labels for key in state.snapshot("job").counting.keys.values()] == [("user", "1", "")]  # type: ignore[union-attr]
    state.close()


def test_a_choice_that_changes_while_we_run_changes_what_is_kept(tmp_path: Path) -> None:
    saved(tmp_path)
    state = State(tmp_path)
    state.open(NOW)
    state.rename("off")
    assert labels_in(state.restored()) == [("user", "1", "")]
    assert b"ada" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    state.close()


def naming_in(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "state.db")) as connection:
        return str(connection.execute("SELECT choice FROM naming").fetchone()[0])


def test_a_file_that_is_written_anew_tells_how_people_are_named_now(tmp_path: Path) -> None:
    saved(tmp_path)
    state = State(tmp_path, "off")
    state.open(NOW)
    (tmp_path / "state.db").unlink()
    state.rename("pseudonym")
    assert naming_in(tmp_path) == state.naming.fingerprint
    (tmp_path / "state.db").write_bytes(b"no database" * 1000)
    state.watch(NOW)
    assert naming_in(tmp_path) == state.naming.fingerprint
    state.close()


def test_a_row_that_cannot_be_renamed_costs_that_row_alone(tmp_path: Path) -> None:
    saved(tmp_path)

    def renamed(job: str, snapshot: Snapshot) -> Snapshot:
        if job == "job":
            raise ValueError("of another version")
        return snapshot

    state = State(tmp_path, "login", renamed)
    state.open(NOW)
    assert state.save("other", SNAPSHOT, NOW, ended=True)
    state.rename("off")
    assert state.restored().snapshots.keys() == {"other"}
    assert not state.problem
    state.close()


def test_pseudonyms_are_the_same_where_the_folder_cannot_be_written(tmp_path: Path) -> None:
    state = State(tmp_path, "pseudonym")
    state.open(NOW)
    state.save("job", SNAPSHOT, NOW, ended=True)
    salt = state.salt
    state.close()
    (tmp_path / "lock").unlink()
    (tmp_path / "lock").mkdir()
    state = State(tmp_path, "pseudonym")
    assert labels_in(state.open(NOW)) == [("user", "1", "ada")], "as it was saved"
    assert state.salt == salt
    state.close()


def test_a_state_file_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    saved(tmp_path)
    with closing(sqlite3.connect(tmp_path / "state.db")) as old:
        old.executescript("DROP TABLE naming; PRAGMA user_version = 1;")
    assert found(tmp_path).load("job") == SNAPSHOT
    assert not list(tmp_path.glob("state.db.aside-*"))


def test_a_run_that_was_cut_off_is_known(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.open(NOW)
    for job in ("ended", "cut off", "released meanwhile"):
        state.begin(job, NOW)
    state.save("ended", SNAPSHOT, NOW, ended=True)
    state.save("released meanwhile", SNAPSHOT, NOW, ended=False)
    state.close()
    restored = found(tmp_path)
    assert restored.cut_off == {"cut off", "released meanwhile"}
    assert "cut off" not in restored.snapshots


def cut_off(folder: Path, *, settled: bool) -> Restored:
    """Begin a run and end before it does."""
    state = State(folder)
    restored = state.open(NOW)
    state.begin("job", NOW)
    if settled:
        state.checkpoint()
    state.close()
    return restored


def test_three_kills_in_a_row_make_a_run_suspect_and_an_ordinary_stop_begins_anew(tmp_path: Path) -> None:
    for stops in (False, False, True, False, False):
        assert not cut_off(tmp_path, settled=stops).suspects
    assert cut_off(tmp_path, settled=False).suspects == {"job": NOW}


def test_waits_are_kept_until_they_are_over_and_the_salt_for_ever(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.open(NOW)
    state.wait("pool a", Wait(NOW + 10))
    state.wait("credential b", Wait(NOW + 100, "mark"))
    salt = state.salt
    state.close()
    later = State(tmp_path)
    assert later.open(NOW + 11).waits == {"credential b": Wait(NOW + 100, "mark")}
    assert later.salt == salt
    later.close()


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    saved(tmp_path)
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def test_a_second_exporter_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = State(tmp_path)
    first.open(NOW)
    with pytest.raises(StateLockedError, match="another exporter"):
        State(tmp_path).open(NOW)
    first.close()
    second = State(tmp_path)
    second.open(NOW)
    second.close()


def corrupt(file: Path) -> None:
    file.write_bytes(b"no database" * 1000)


def damaged_page(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[4096:8192] = os.urandom(4096)
    file.write_bytes(raw)


def future(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA user_version = 99")


def foreign(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE theirs (x)")


def without_a_table(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DROP TABLE job")


def broken_record(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE job SET snapshot = '{\"gauges\": 7}'")


def empty_json(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE job SET snapshot = '[]'")


def link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "damage", [corrupt, damaged_page, future, foreign, without_a_table, broken_record, empty_json, link]
)
def test_a_file_that_cannot_be_read_is_set_aside_and_a_clean_one_works(
    damage: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path)
    damage(tmp_path / "state.db")
    state = State(tmp_path)
    assert state.open(NOW).snapshots == {}
    assert capsys.readouterr().out.count("set aside") == 1
    assert len(list(tmp_path.glob("state.db.aside-*"))) == 1
    assert state.save("job", SNAPSHOT, NOW, ended=True)
    state.close()
    assert found(tmp_path).load("job") == SNAPSHOT


def test_at_most_three_are_kept_aside(tmp_path: Path) -> None:
    for day in range(6):
        (tmp_path / "state.db").write_bytes(b"no database" * 1000)
        state = State(tmp_path)
        state.open(NOW + 86400 * day)
        state.close()
    assert len(list(tmp_path.glob("state.db.aside-*"))) == KEPT_ASIDE


def test_a_folder_that_cannot_be_written_is_said_once_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    state = State(tmp_path / "file" / "state")
    assert state.open(NOW).snapshots == {}
    before = state.failed_writes
    assert before > 0
    assert state.save("job", SNAPSHOT, NOW, ended=True) is False
    assert state.begin("job", NOW) is False
    assert state.failed_writes == before + 2
    assert capsys.readouterr().out.count("cannot be written") == 1
    state.close()


LARGE = replace(SNAPSHOT, gauges={"github_x_seconds": column(((str(n), "x" * 40), 1.0) for n in range(4000))})
"""More than fits on the full disks of these tests."""


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file may grow beyond `size`: what a full disk is to SQLite, without needing one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_keeps_what_was_saved_and_mends_itself(tmp_path: Path) -> None:
    saved(tmp_path)
    state = State(tmp_path)
    state.open(NOW)
    with full_disk(100_000):
        assert state.save("job", LARGE, NOW, ended=True) is False
        assert state.failed_writes == 1
    assert state.save("job", replace(SNAPSHOT, failures=9), NOW, ended=True)
    state.close()
    again = State(tmp_path)
    snapshot = again.open(NOW).load("job")
    assert snapshot is not None
    assert snapshot.failures == 9
    again.close()


def saved_in_the_log_only(folder: Path) -> State:
    """An open state: the file has a first snapshot of the job, and SQLite's log a newer one."""
    state = State(folder)
    state.open(NOW)
    assert state.save("job", SNAPSHOT, NOW, ended=True)
    state.checkpoint()
    assert state.save("job", replace(SNAPSHOT, failures=7), NOW, ended=True)
    return state


def test_what_was_saved_is_found_while_the_disk_is_full(tmp_path: Path) -> None:
    """By a target that a reload adds, and by a user who is followed again: else they would count from 0."""
    state = saved_in_the_log_only(tmp_path)
    with full_disk(20_000):  # less than SQLite's index of its log
        assert state.save("job", LARGE, NOW, ended=True) is False
        by_a_reload, followed_again = state.restored().load("job"), state.snapshot("job")
    assert by_a_reload is not None
    assert by_a_reload.failures == 7
    assert followed_again == by_a_reload
    assert state.save("other", SNAPSHOT, NOW, ended=True), "and it can be written again"
    assert state.snapshot("job") == by_a_reload
    state.close()


def test_a_start_on_a_full_disk_finds_what_was_saved_before_a_kill(tmp_path: Path) -> None:
    killed = saved_in_the_log_only(tmp_path / "killed")
    shutil.copytree(tmp_path / "killed", tmp_path / "state")
    killed.close()
    state = State(tmp_path / "state")
    with full_disk(20_000):
        snapshot = state.open(NOW).load("job")
        assert state.failed_writes > 0
    assert snapshot is not None
    assert snapshot.failures == 7
    state.close()


def test_people_are_named_as_privacy_says_in_what_is_found_while_the_disk_is_full(tmp_path: Path) -> None:
    def nameless(_job: str, snapshot: Snapshot) -> Snapshot:
        return replace(snapshot, failures=0)

    state = State(tmp_path, "login", nameless)
    state.open(NOW)
    assert state.save("job", replace(SNAPSHOT, failures=7), NOW, ended=True)
    with full_disk(20_000):
        assert state.save("job", LARGE, NOW, ended=True) is False
        state.rename("off")
        assert state.problem
        found = state.restored().load("job")
        assert state.snapshot("job") == found
    assert found is not None
    assert found.failures == 0
    state.close()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A read-only mount; for another user than root, whom modes do not stop, a folder without write permission."""
    if os.geteuid():
        for path in (*folder.iterdir(), folder):
            path.chmod(0o500)
        yield
        folder.chmod(0o700)
        return
    mount = ["mount", "--bind", str(folder), str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("root without the right to mount: this machine has no way to a read-only folder")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_read_only_folder_is_read(tmp_path: Path) -> None:
    saved(tmp_path)
    with read_only(tmp_path):
        state = State(tmp_path)
        assert state.open(NOW).load("job") == SNAPSHOT
        assert state.save("job", SNAPSHOT, NOW, ended=True) is False
        state.close()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("gauges", {"github_x": [[["a"], 1.0], [["a"], 2.0]]}),
        ("gauges", {"github_x": [[["a"], float("nan")]]}),
        ("gauges", {"github_x": [[["a"], float("inf")]]}),
    ],
)
def test_a_saved_snapshot_with_a_series_twice_or_without_a_number_is_unreadable(place: str, value: object) -> None:
    with pytest.raises(ValueError, match="series"):
        load({**dump(SNAPSHOT), place: value})
