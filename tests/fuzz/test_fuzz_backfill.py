"""Backfill: its folder, whatever is in it, and the OpenMetrics text that it writes, whatever GitHub's labels are."""

import json
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from exporter.collectors.reading.values import label_text
from exporter.collectors.subject_stats import COLLECTOR, SubjectRow
from exporter.history.folder import FORMAT, Folder, UnusableFolder
from exporter.history.month import FilePlan, lines
from exporter.history.report import gaps_of, report
from exporter.history.samples import Samples, families_of
from exporter.history.spool import Increment, Spool
from exporter.instants import DAY, HOUR, epoch
from exporter.past import CountedHours, Part, PastAnswer
from exporter.privacy import Naming
from tests.support.fuzzing import check_words, examples
from tests.support.jobs import job_of
from tests.support.mutations import TEXTS, damaged, mutated, text_of

NOVEMBER = int(epoch("2026-11-01"))
JOB = job_of(COLLECTOR)
NUMBERS = {family.name: number for number, family in enumerate(families_of([JOB]))}
FLAGS = {"from": "2026-11-01", "labels": {"job": "x"}}
MANIFEST = [
    {"begun": {"format": FORMAT, "flags": FLAGS, "ranges": {JOB.key: [NOVEMBER, NOVEMBER + DAY]}}},
    {"written": {"name": "a.om", "samples": 1, "series": 1, "bytes": 6, "sha256": "x", "from": "a", "to": "b"}},
    {"again": ["b.om"]},
    {"ended": {"complete": True, "gaps": [{"source": "x", "from": "a", "to": "b", "state": "failed", "why": "y"}]}},
]
SPOOLED = [
    "UPDATE part SET subject = '{'",
    "UPDATE part SET start = 'x'",
    "UPDATE part SET stop = 9e99",
    "UPDATE part SET why = 5",
    "UPDATE mark SET kind = x'ff'",
    "UPDATE series SET family = 99, head = x'ff00'",
    "UPDATE count SET value = 'x'",
    "UPDATE count SET hour = 1e300",
    "DELETE FROM series",
    "DROP TABLE count",
    "ALTER TABLE part RENAME TO parts",
    "PRAGMA user_version = 0",
    "PRAGMA user_version = 7",
]


def increments(names: Sequence[str]) -> list[Increment]:
    """What subjects of these names counted in two hours."""
    rows = [
        SubjectRow(
            subject_type=name,
            subject_id=number,
            subject_name=name,
            total_request_count=0,
            rate_limited_request_count=0,
        )
        for number, name in enumerate(names)
    ]
    hours = {NOVEMBER + HOUR: (3, 1), NOVEMBER + 3 * HOUR: (4, 0)}
    samples = Samples(JOB, NUMBERS, Naming(), (("job", "a"),), 500)
    return samples.increments(PastAnswer(counted=tuple(CountedHours(row, hours) for row in rows)))


def spooled(path: Path, names: Sequence[str]) -> None:
    """A spool with a part that is read, and one that is not."""
    with closing(Spool(path)) as spool:
        spool.add_parts(JOB.key, [Part(NOVEMBER, NOVEMBER + DAY, ("a",)), Part(NOVEMBER, NOVEMBER + DAY)])
        spool.keep("x", JOB.key, 0, state="done", why="some", increments=increments(names))
        spool.fail(JOB.key, [1], "broken", {})


def text_in(spool: Spool) -> str:
    end = NOVEMBER + DAY
    plan = FilePlan(
        "x", families_of([JOB]), NOVEMBER, end, HOUR, {JOB.key: DAY}, {JOB.key: DAY}, {JOB.key: (NOVEMBER, end)}
    )
    return "".join(lines(spool, plan, {"series": 0, "samples": 0}))


@examples(40)
@given(names=st.lists(TEXTS | st.text(max_size=400), min_size=1, max_size=4))
def test_fuzz_any_label_in_the_text_of_a_backfill(names: list[str]) -> None:
    with TemporaryDirectory() as folder:
        spooled(Path(folder) / "unfinished.db", names)
        with closing(Spool(Path(folder) / "unfinished.db")) as spool:
            text = text_in(spool)
    assert text.encode().endswith(b"# EOF\n")
    found = {sample.labels["subject_name"] for one in parse_openmetrics(text) for sample in one.samples}
    assert found == {label_text(name) for name in names}


def test_promtool_reads_odd_labels_in_the_text_of_a_backfill(tmp_path: Path) -> None:
    names = ["", 'a"b\\c\n', "x\r\ny", "\ud800", "a\0b", "é" * 400, "\u2028", "#", "{}", "} 5", "\N{CAT}"]
    spooled(tmp_path / "unfinished.db", names)
    with closing(Spool(tmp_path / "unfinished.db")) as spool:
        (tmp_path / "x.om").write_bytes(text_in(spool).encode())
    made = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", tmp_path / "x.om", tmp_path / "blocks"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert made.returncode == 0, made.stderr


@examples(60)
@given(data=st.data())
def test_fuzz_any_manifest(data: st.DataObject) -> None:
    manifest = list(MANIFEST)
    number = data.draw(st.integers(0, len(manifest) - 1))
    manifest[number] = data.draw(mutated(manifest[number]))
    content = "".join(f"{text_of(line)}\n" for line in manifest).encode()
    with TemporaryDirectory() as name:
        (Path(name) / "manifest.jsonl").write_bytes(data.draw(damaged(content)))
        (Path(name) / "a.om").write_text("# EOF\n")
        folder = Folder(Path(name))
        try:
            folder.open(FLAGS)
            report(folder)
        except UnusableFolder as error:
            check_words(error)
        finally:
            folder.close()


@examples(40)
@given(data=st.data())
def test_fuzz_any_damage_of_the_spool(data: st.DataObject) -> None:
    with TemporaryDirectory() as name:
        path = Path(name) / "unfinished.db"
        spooled(path, ["a", "b"])
        if data.draw(st.booleans()):
            with closing(sqlite3.connect(path)) as file, suppress(sqlite3.Error):
                file.executescript(data.draw(st.sampled_from(SPOOLED)))
        else:
            path.write_bytes(data.draw(damaged(path.read_bytes(), 6)))
        try:
            with closing(Spool(path)) as spool:
                gaps_of(spool, {}, Naming())
                spool.open_parts(JOB.key)
                text_in(spool)
                spool.reopen_failed()
        except sqlite3.DatabaseError as error:
            check_words(error)


def test_the_manifest_that_is_changed_is_one(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in MANIFEST))
    (tmp_path / "a.om").write_text("# EOF\n")
    with closing(Folder(tmp_path)) as folder:
        assert folder.open(FLAGS)
