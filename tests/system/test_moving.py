"""`state list`, `export` and `import`: what was counted of a target goes on in another exporter."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.collectors import COLLECTORS
from exporter.exposition.snapshot import Snapshot
from exporter.settings.shards import owner
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.world import World
from exporter.state.database import State
from exporter.state.importing import LONGEST_KEY, MOST_VALUES, import_lines
from exporter.state.moving import FORMAT
from exporter.state.renaming import renamed_by
from tests.support.app import works
from tests.support.harness import ENVIRON, Exporter, SimClock, command, config_for, simulated, until
from tests.support.snapshots import COUNTING, SNAPSHOT

HOUR = 3600
NOW = float(int(time.time()))
"""What was saved long ago is forgotten, so this is today."""
JOB = "subject_stats organization/acme"
HEAD = {"format": FORMAT, "version": 1, "people": "login"}
COUNTED = replace(SNAPSHOT, counting=COUNTING)


def state(folder: Path, *words: str, stdin: str = "", **environ: str) -> "subprocess.CompletedProcess[str]":
    """The command on a folder's state."""
    return command("state", *words, f"--state.path={folder}", stdin=stdin, **environ)


def kept(folder: Path, jobs: dict[str, Snapshot], choice: Any = "login") -> Path:
    """A folder with the state of these jobs."""
    opened = State(folder, choice, renamed_by(COLLECTORS))
    opened.open(NOW)
    assert all(opened.save(key, snapshot, NOW, ended=True) for key, snapshot in jobs.items())
    opened.close()
    return folder


def snapshots(folder: Path, choice: Any = "login") -> dict[str, Snapshot]:
    """What a folder keeps."""
    opened = State(folder, choice, renamed_by(COLLECTORS))
    restored = opened.open(NOW)
    opened.close()
    return {key: packed.unpack() for key, packed in restored.snapshots.items()}


def export(folder: Path, *targets: str) -> str:
    done = state(folder, "export", *targets)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def at(snapshot: Snapshot, seconds: float) -> Snapshot:
    """The snapshot as if it was read so much later."""
    return replace(snapshot, last_success=NOW + seconds, counting=replace(COUNTING, read_at=int(NOW + seconds)))


def test_what_is_exported_of_one_target_arrives_as_it_was_and_nothing_else(tmp_path: Path) -> None:
    here = {JOB: COUNTED, "summary_stats organization/acme": SNAPSHOT, "subject_stats organization/acmes": COUNTED}
    text = export(kept(tmp_path / "here", here), "organization/acme")
    assert json.loads(text.splitlines()[0]) == HEAD
    done = state(tmp_path / "there", "import", stdin=text)
    assert (done.returncode, done.stderr) == (0, "")
    assert "organization/acme" in done.stdout
    assert snapshots(tmp_path / "there") == {key: here[key] for key in list(here)[:2]}
    assert state(tmp_path / "there", "import", stdin=text).returncode == 0, "the same once more changes nothing"
    assert export(tmp_path / "there", "organization/acme") == text


def test_a_list_says_what_is_kept_of_each_target(tmp_path: Path) -> None:
    kept(tmp_path, {JOB: at(COUNTED, 60), "usage_reports enterprise/big": replace(SNAPSHOT, counting=None)})
    for words in ([], ["list"]):
        done = state(tmp_path, *words)
        assert (done.returncode, done.stderr) == (0, "")
        rows = [line.split() for line in done.stdout.splitlines()]
        assert [row[:3] for row in rows[1:]] == [["enterprise/big", "1", "0"], ["organization/acme", "1", "1"]]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("export", "organization/none"), "nothing is kept of organization/none, but of organization/acme"),
        (("export",), "state export needs targets"),
        (("export", "--total-shards=3", "--shard=1"), "state export needs targets"),
        (("list", "--total-shards=3", "--shard=3"), "there is no shard 3"),
        (("move",), "it takes list, export, import"),
        (("list", "organization/acme"), "state list takes no more words"),
        (("import", "organization/acme"), "state import takes no more words"),
    ],
)
def test_what_cannot_be_done_is_said(words: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    done = state(kept(tmp_path, {JOB: COUNTED}), *words)
    assert done.returncode == 1
    assert problem in done.stderr
    assert done.stdout == ""


def test_without_a_state_the_path_is_named(tmp_path: Path) -> None:
    done = state(tmp_path / "none")
    assert done.returncode == 1
    assert str(tmp_path / "none" / "state.db") in done.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("words", [["list"], ["export", "organization/acme"]])
def test_what_is_no_state_file_is_said(words: list[str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "state.db")
    assert "it is a FIFO" in state(tmp_path, *words).stderr
    (tmp_path / "state.db").unlink()
    (tmp_path / "state.db").write_text("no database at all, but quite some text")
    done = state(tmp_path, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert "file is not a database" in done.stderr


def test_what_is_older_than_what_is_there_is_refused_as_a_whole(tmp_path: Path) -> None:
    other = "subject_stats organization/other"
    text = export(
        kept(tmp_path / "old", {JOB: at(COUNTED, 0), other: COUNTED}), "organization/acme", "organization/other"
    )
    there = {JOB: at(COUNTED, 1)}
    done = state(kept(tmp_path / "new", there), "import", stdin=text)
    assert done.returncode == 1
    assert "subject_stats organization/acme: what is there was read at" in done.stderr
    assert snapshots(tmp_path / "new") == there
    newer = export(kept(tmp_path / "newer", {JOB: at(COUNTED, 2)}), "organization/acme")
    assert state(tmp_path / "new", "import", stdin=newer).returncode == 0
    assert snapshots(tmp_path / "new") == {JOB: at(COUNTED, 2)}


def test_a_slow_pipe_keeps_no_running_exporter_from_writing(tmp_path: Path) -> None:
    text = export(kept(tmp_path / "here", {JOB: COUNTED}), "organization/acme")
    path = kept(tmp_path / "there", {}) / "state.db"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as importing,
        closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as exporter,
    ):

        def slow() -> Iterator[bytes]:
            for line in text.encode().splitlines():
                exporter.execute("INSERT OR REPLACE INTO wait VALUES ('a', 1, '')")  # raises if it is locked
                yield line

        import_lines(importing, slow(), renamed_by(COLLECTORS), in_use=True)
    assert snapshots(tmp_path / "there") == {JOB: COUNTED}


def lines(*data: Any) -> str:
    return "".join(f"{json.dumps(line)}\n" for line in data)


WHOLE = {"job": JOB, "saved": NOW, "snapshot": {}}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: it is no JSON object"),
        ("nonsense\n", "line 1: it is no JSON object"),
        ("[" * 100_000, "line 1: it is no JSON object"),
        (lines({"jobs": 0}), "line 1: this is no export"),
        (lines({**HEAD, "version": 2}), "its version is 2, this exporter knows 1"),
        (lines(HEAD), "the export is not whole: after 0 jobs"),
        (lines(HEAD, {"jobs": 1}), "the export is not whole: after 0 jobs"),
        (lines(HEAD, {"jobs": 0}, WHOLE), "line 3: nothing may follow"),
        (lines(HEAD, WHOLE, {"jobs": 1}), "line 2: it is no job"),
        (lines(HEAD, {"job": JOB}, {"jobs": 1}), "line 2: it is no job"),
        (lines(HEAD, 5, {"jobs": 1}), "line 2: it is no JSON object"),
        (lines({"version": 1, "dashboard": {"panels": []}}), "line 1: this is no export"),
        (lines(HEAD) + "[" + "," * MOST_VALUES, "line 2: it has more than 6,000,000 values"),
    ],
)
def test_a_damaged_export_changes_nothing(text: str, problem: str, tmp_path: Path) -> None:
    there = {JOB: COUNTED}
    done = state(kept(tmp_path, there), "import", stdin=text)
    assert done.returncode == 1
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
    assert snapshots(tmp_path) == there


@pytest.mark.parametrize("number", ["-5", "9" * 400, str(2**63)], ids=["below 0", "400 digits", "64 bits"])
def test_a_number_that_no_counter_has_changes_nothing(number: str, tmp_path: Path) -> None:
    text = export(kept(tmp_path / "here", {JOB: COUNTED}), "organization/acme")
    counts = "[1,2,3,4,5]"
    assert counts in text
    for damaged in (f"[1,2,3,{number},5]", f"[1,2,3,4,{number}]"):
        done = state(tmp_path / "there", "import", stdin=text.replace(counts, damaged))
        assert done.returncode == 1
        assert "line 2: its counts are none" in done.stderr
        assert snapshots(tmp_path / "there") == {}


@pytest.mark.parametrize(
    "key", ["", "subject_stats", "subject_stats acme", "x organization/", "x /a", "a" * LONGEST_KEY]
)
def test_a_job_without_a_target_is_refused(key: str, tmp_path: Path) -> None:
    text = export(kept(tmp_path / "here", {JOB: COUNTED}), "organization/acme").replace(f'"{JOB}"', json.dumps(key))
    done = state(tmp_path / "there", "import", stdin=text)
    assert done.returncode == 1
    assert "line 2: it names no target" in done.stderr


def test_an_export_that_was_cut_changes_nothing(tmp_path: Path) -> None:
    text = export(
        kept(tmp_path / "here", {JOB: COUNTED, "time_stats organization/acme": SNAPSHOT}), "organization/acme"
    )
    for size in (len(text) // 2, len(text) - len(text.splitlines()[-1]) - 1):
        assert state(tmp_path / "there", "import", stdin=text[:size]).returncode == 1
        assert snapshots(tmp_path / "there") == {}


def test_a_job_that_is_there_twice_changes_nothing(tmp_path: Path) -> None:
    head, job, _end = export(kept(tmp_path / "here", {JOB: COUNTED}), "organization/acme").splitlines(keepends=True)
    done = state(tmp_path / "there", "import", stdin=head + job + job + lines({"jobs": 2}))
    assert done.returncode == 1
    assert f"line 3: {JOB} is there twice" in done.stderr
    assert snapshots(tmp_path / "there") == {}


@pytest.mark.parametrize(
    ("head", "problem"),
    [("", "line 1: it has more than 67,108,864 bytes"), (lines(HEAD), "line 2: it has more than 67,108,864 bytes")],
)
def test_a_gigabyte_without_a_line_end_takes_no_more_memory_than_a_line_may(
    head: str, problem: str, tmp_path: Path
) -> None:
    """Measured by the kernel: the process may have half a gigabyte of addresses."""
    script = f"ulimit -v 524288; (printf %s '{head}'; head -c 1G /dev/zero) | {sys.executable} -m exporter state"
    done = subprocess.run(
        ["sh", "-c", f"{script} import --state.path={kept(tmp_path, {JOB: COUNTED})}"],
        env=ENVIRON,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
    assert snapshots(tmp_path) == {JOB: COUNTED}


def shards(folder: Path) -> str:
    """A configuration of twelve organizations under one App. Its key is not there: moving state asks GitHub nothing."""
    config = folder / "config.yaml"
    app = {"app_client_id": "Iv1", "private_key_file": "/run/credentials/none.pem"}
    names = [{"name": f"org{number}"} for number in range(12)]
    config.write_text(yaml.safe_dump({"credentials": {"app": app}, "organizations": names}))
    return f"--config.file={config}"


def of_org(number: int) -> str:
    return f"subject_stats organization/org{number}"


def test_without_targets_an_export_has_what_the_shard_reads_and_no_other_shard_takes_it(tmp_path: Path) -> None:
    jobs = {of_org(number): COUNTED for number in range(12)}
    here, config = kept(tmp_path / "here", {**jobs, JOB: COUNTED}), shards(tmp_path)
    moved = {job: snapshot for job, snapshot in jobs.items() if owner(f"app/{job.partition('/')[2]}", 3) == 2}
    assert 0 < len(moved) < len(jobs)
    export = state(here, "export", config, "--shard=2", "--total-shards=3")
    assert (export.returncode, export.stderr) == (0, "")
    for environ, flags in (
        ({}, ["--shard=1", "--total-shards=3"]),
        ({"GITHUB_EXPORTER_TOTAL_SHARDS": "3"}, ["--shard=0"]),
    ):
        done = state(tmp_path / "there", "import", config, *flags, stdin=export.stdout, **environ)
        assert done.returncode == 1
        assert "shard 2 of 3 reads it, this is shard" in done.stderr
        assert snapshots(tmp_path / "there") == {}
    done = state(tmp_path / "there", "import", config, "--shard=2", "--total-shards=3", stdin=export.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert snapshots(tmp_path / "there") == moved


def test_where_nothing_is_kept_for_a_shard_its_export_is_empty_and_may_be_imported(tmp_path: Path) -> None:
    export = state(kept(tmp_path / "here", {JOB: COUNTED}), "export", shards(tmp_path), "--shard=2", "--total-shards=3")
    assert export.stdout.splitlines()[1:] == ['{"jobs": 0}']
    done = state(kept(tmp_path / "there", {JOB: COUNTED}), "import", stdin=export.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert snapshots(tmp_path / "there") == {JOB: COUNTED}


def test_where_targets_are_discovered_an_export_needs_their_names(tmp_path: Path) -> None:
    """The file does not have them, and none may be left out unsaid."""
    here, config = kept(tmp_path / "here", {JOB: COUNTED}), shards(tmp_path)
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "discover": [{"credential": "app"}]}))
    done = state(here, "export", config, "--shard=2", "--total-shards=3")
    assert (done.returncode, done.stdout) == (1, "")
    assert "name those to export, by `state list`" in done.stderr
    assert state(here, "export", config, "--total-shards=3", "organization/acme").returncode == 0


def test_a_list_names_the_shard_that_reads_each_target(tmp_path: Path) -> None:
    folder = kept(tmp_path / "here", {of_org(3): COUNTED, JOB: COUNTED})
    done = state(folder, "list", shards(tmp_path), "--total-shards=3")
    assert (done.returncode, done.stderr) == (0, "")
    rows = dict(re.findall(r"^organization/(\w+) .*Z  (.*)$", done.stdout, re.MULTILINE))
    assert rows == {"acme": "not configured", "org3": str(owner("app/org3", 3))}, done.stdout


def test_people_are_named_as_the_folder_names_them(tmp_path: Path) -> None:
    text = export(kept(tmp_path / "here", {JOB: COUNTED}), "organization/acme")
    name = next(iter(COUNTING.keys.values())).labels[-1]
    assert name in text
    kept(tmp_path / "there", {}, "off")
    config = tmp_path / "config.yaml"
    config.write_text("privacy: {user_names: off}\n")
    done = state(tmp_path / "there", "import", f"--config.file={config}", stdin=text)
    assert (done.returncode, done.stderr) == (0, "")
    arrived = snapshots(tmp_path / "there", "off")[JOB]
    assert arrived.counting
    assert [key.counts for key in arrived.counting.keys.values()] == [key.counts for key in COUNTING.keys.values()]
    assert name.encode() not in (tmp_path / "there" / "state.db").read_bytes()


REQUESTS = 'github_api_insights_requests_total{organization="acme"}'
SUBJECT = "github_api_insights_subject_requests_total"


def sums(exporter: Exporter) -> tuple[float | None, float]:
    body = exporter.metrics()
    subjects = [float(line.split(" ")[1]) for line in body.splitlines() if line.startswith(SUBJECT)]
    return exporter.value(REQUESTS), sum(subjects)


@pytest.mark.parametrize("is_running", [False, True], ids=["before it starts", "while it runs"])
def test_a_target_counts_on_in_another_exporter(is_running: bool, tmp_path: Path) -> None:
    clock = SimClock(time.time())
    clock.run(1.0)
    world = World.of([Event(name, "user", 1, int(clock()) - HOUR, requests=9) for name in ("acme", "globex")])
    github = SimulatedGitHub(world, clock)
    token = tmp_path / "token"
    token.write_text("token")

    def add(requests: int) -> None:
        world.add(Event("acme", "user", 1, int(clock()), requests=requests))

    with simulated(github) as (url,):
        (tmp_path / "one").mkdir()
        (tmp_path / "two").mkdir()
        both = config_for(url, "acme", "globex", token_file=token)
        first = Exporter(tmp_path / "one", both)
        second = Exporter(tmp_path / "two", config_for(url, "globex", token_file=token))
        with first, second:
            first.start()
            until(lambda: works(first, "subject_stats", "acme", "globex"), "both are read")
            add(5)
            until(lambda: sums(first) == (5, 5), "the first counts")
            first.stop()
            add(2)  # while nobody looks
            text = export(tmp_path / "one" / "state", "organization/acme")
            if is_running:
                second.start()
                until(lambda: works(second, "subject_stats", "globex"), "the other target is read")
            done = state(tmp_path / "two" / "state", "import", stdin=text)
            assert (done.returncode, done.stderr) == (0, "")
            assert ("reload" in done.stdout) == is_running
            second.config.write_text(yaml.safe_dump({**yaml.safe_load(second.config.read_text()), **_targets(both)}))
            if is_running:
                assert second.process
                second.process.send_signal(signal.SIGHUP)
            else:
                second.start()
            shown = until(lambda: second.value(REQUESTS), "the second shows it")
            assert shown >= 5, "it goes on from where the first one was"
            until(lambda: sums(second) == (7, 7), "and counts on")
            refused = state(tmp_path / "two" / "state", "import", stdin=text)
            assert refused.returncode == 1
            assert "the running exporter has state of it" in refused.stderr
            assert "changed by others" not in second.log.read_text()


def _targets(config: dict[str, Any]) -> dict[str, Any]:
    return {"organizations": config["organizations"]}
