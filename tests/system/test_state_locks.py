"""The state folder on a file system that refuses locks: real system calls with an error number, in real processes."""

import errno
import fcntl
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from exporter.state.file_systems import fix, mount_of
from tests.support.harness import Exporter, SimClock, config_for, get, simulated, until

ROOT = Path(__file__).parents[2]
REFUSALS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EIO)


def in_a_process(folder: Path, script: str) -> "subprocess.CompletedProcess[str]":
    """Run `script` with a `State` of the folder, and with `refuse` of `tests/support/kernel.py`."""
    head = (
        "import sys, time\nfrom pathlib import Path\nfrom exporter.exposition.snapshot import Snapshot\n"
        "from exporter.state.database import State\nfrom tests.support.kernel import refuse\n"
        "folder = Path(sys.argv[1])\nstate = State(folder)\n"
        "def save(): return state.save('job', Snapshot(failures=7), 1.0, ended=True)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", head + script, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


@pytest.mark.parametrize("error", REFUSALS, ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("calls", [("flock", "fcntl"), ("flock",), ("fcntl",)], ids="-".join)
def test_a_refused_lock_names_the_file_system_once_and_costs_no_time(
    error: int, calls: Sequence[str], tmp_path: Path
) -> None:
    script = (
        f"refuse({error}, {calls})\nstate.open(1.0)\nbegun = time.monotonic()\n"
        "assert not any(save() for _ in range(50))\nassert state.failed_writes == 51\n"
        "print('SECONDS', time.monotonic() - begun)\nstate.close()\n"
    )
    output = in_a_process(tmp_path / "state", script).stdout
    assert output.count("state cannot be written") == 1
    assert re.search(r"/state: its file system, \w[\w.]* \(mounted at /\S*\), refuses file locks", output)
    assert os.strerror(error) in output
    assert "local disk or a block volume" in output
    assert "another exporter" not in output
    assert float(output.rpartition("SECONDS")[2]) < 1


def test_what_was_saved_is_read_though_locks_are_refused(tmp_path: Path) -> None:
    in_a_process(tmp_path, "state.open(1.0)\nassert save()\nstate.close()\n")
    script = f"refuse({errno.ENOLCK})\nassert state.open(1.0).load('job').failures == 7\nassert not save()\n"
    in_a_process(tmp_path, script)


@pytest.mark.parametrize("error", REFUSALS, ids=lambda number: errno.errorcode[number])
def test_a_lock_service_that_ends_meanwhile_is_named_too(error: int, tmp_path: Path) -> None:
    script = (
        f"state.open(1.0)\nassert save()\nrefuse({error})\nbegun = time.monotonic()\n"
        "assert not any(save() for _ in range(5))\n"
        "print('SECONDS', time.monotonic() - begun)\nassert 'refuses file locks' in state.problem\n"
    )
    output = in_a_process(tmp_path, script).stdout
    assert output.count("state cannot be written") == 1
    assert "refuses file locks" in output
    assert float(output.rpartition("SECONDS")[2]) < 1


def test_a_file_that_another_program_has_locked_is_said_to_be_so(tmp_path: Path) -> None:
    in_a_process(tmp_path, "state.open(1.0)\nstate.close()\n")
    with (tmp_path / "state.db").open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        script = (
            "state.open(1.0)\nbegun = time.monotonic()\nassert not any(save() for _ in range(10))\n"
            "print(time.monotonic() - begun)\nassert 'end the other program' in state.problem\n"
        )
        output = in_a_process(tmp_path, script).stdout
    assert "database is locked" in output
    assert "refuses" not in output
    assert float(output.splitlines()[-1]) < 1


def test_the_exporter_runs_on_where_locks_are_refused_and_says_so_everywhere(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("word\n")
    script = (
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        f"from tests.support.kernel import refuse\nrefuse({errno.ENOLCK})\n"
        "from exporter.__main__ import main\nsys.exit(main())\n"
    )
    now = time.time()
    world = World.of([Event("acme", "user", 1, int(now) - 8 * 3600, requests=5)])
    github = SimulatedGitHub(world, SimClock(now))
    with (
        simulated(github) as (url,),
        Exporter(tmp_path, config_for(url, "acme", token_file=token), script=script) as exporter,
    ):
        exporter.start()
        succeeded = 'github_exporter_collector_success{collector="subject_stats",target="organization/acme"}'
        until(lambda: exporter.value(succeeded) == 1, "GitHub is read", seconds=10)
        assert (exporter.value("github_exporter_state_writes_failed_total") or 0) > 2
        page = get(f"{exporter.url}/")[1]
        assert exporter.stop() == 0
    said = exporter.log.read_text()
    for text in (page, said):
        assert "refuses file locks: No locks available" in text
        assert "put state.path on a local disk or a block volume" in text
    assert said.count("state cannot be written") == 1
    assert "another exporter" not in said


MOUNTS = """\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
40 22 0:50 / /mnt rw - tmpfs tmpfs rw
41 22 0:51 / /mnt rw master:3 shared:1 - nfs4 nas:/x rw,nolock
42 41 0:52 / /mnt/with\\040space rw - cifs //nas/share rw
not a line
"""


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/var/lib/x", "ext4 (mounted at /)"),
        ("/mnt", "nfs4 (mounted at /mnt)"),
        ("/mnt/state", "nfs4 (mounted at /mnt)"),
        ("/mntx/state", "ext4 (mounted at /)"),
        ("/mnt/with space/state", "cifs (mounted at /mnt/with space)"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_its_mount(path: str, words: str) -> None:
    assert mount_of(MOUNTS, path) == words


def test_a_path_without_a_mount_is_on_an_unknown_file_system() -> None:
    assert mount_of("", "/x") == "an unknown file system"


def test_a_folder_that_may_not_be_written_gives_the_folder_the_cause_and_the_fix(tmp_path: Path) -> None:
    in_a_process(tmp_path, "state.open(1.0)\nassert save()\nstate.close()\n")
    for path in (*tmp_path.iterdir(), tmp_path):
        path.chmod(0o500)
    script = "import os\nif os.geteuid() == 0: os.setuid(65534)\nassert not save()\nprint(state.problem)\n"
    output = in_a_process(tmp_path, script).stdout
    tmp_path.chmod(0o700)
    assert f"{tmp_path}: Permission denied; let the exporter's user write there" in output


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("in SQLite's words")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, ""), "free space"),
        (OSError(errno.EROFS, ""), "mount the volume for writing"),
        (OSError(errno.EMFILE, ""), "open files"),
        (sqlite_error(sqlite3.SQLITE_FULL), "free space"),
        (sqlite_error(sqlite3.SQLITE_IOERR_WRITE), "check the space"),
        (sqlite_error(sqlite3.SQLITE_READONLY_DBMOVED), "mount the volume for writing"),
        (sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT), "end the other program"),
        (sqlite3.DatabaseError("file is not a database"), ""),
        (ValueError("state.db is a symbolic link"), ""),
    ],
    ids=str,
)
def test_each_cause_has_its_own_fix(error: Exception, words: str) -> None:
    assert words in fix(error)
    assert bool(fix(error)) is bool(words)
