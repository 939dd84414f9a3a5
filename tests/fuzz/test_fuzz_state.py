"""What a state folder may hold, and `state import` be given: the exporter starts, and answers, whatever is there."""

import asyncio
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.catalogue import Collector
from exporter.collectors import COLLECTORS, subject_stats, time_stats
from exporter.counting.keys import Count, Counting, Key
from exporter.discovery import saved
from exporter.discovery.memory import Failure, Known, Memory
from exporter.exposition.columns import column
from exporter.exposition.snapshot import Outcome, Snapshot
from exporter.github.listings import Account
from exporter.jobs import CollectorSettings, Job, Target
from exporter.settings.discover import DiscoverEntry
from exporter.state.database import State, Wait
from exporter.state.importing import NotImported, import_lines, lines_of
from exporter.state.moving import export_lines
from exporter.state.renaming import renamed_by
from exporter.state.snapshot_json import dump
from tests.support.fuzzing import check_words, examples
from tests.support.in_process import exporter
from tests.support.jobs import samples
from tests.support.mutations import damaged, mutated, text_of

NOW = 1_795_262_400.0
LATER = 5_000_000_000.0
KEY = Key(("User", "1", "ada"), (Count(1, 2, 3, 4, 5), Count(0, 0, 0, 0, 0)), 1.8e9, True, (None, None), 2)
COUNTING = Counting(1_795_200_000, 1_795_262_400, 1_795_262_400, True, {("User", "1"): KEY}, (7, 8), (None, None))


def job(collector: Collector) -> Job:
    settings = CollectorSettings(True, collector.interval, collector.max_age, collector.options())
    return Job(collector, Target("organization", "acme", "default"), settings, 0, ())


JOBS = {
    job(subject_stats.COLLECTOR).key: Snapshot(
        gauges={"github_api_insights_subject_last_request_timestamp_seconds": column([(("User", "1", "ada"), 1.8e9)])},
        counting=COUNTING,
        outcome=Outcome(1.7e9, 0.25, "unavailable", "unavailable", "GitHub answered 502", "wait"),
        last_success=LATER,
        data_time=1.79e9,
        next_run=LATER,
        failures=3,
        unknown=("daily_active_robots",),
    ),
    job(time_stats.COLLECTOR).key: Snapshot(
        gauges={"github_api_insights_interval_requests": column([((), 5.0)])},
        outcome=Outcome(1.7e9, 0.25),
        last_success=LATER,
        data_time=1.79e9,
        next_run=LATER,
    ),
}
ENTRY = DiscoverEntry(credential="default")
MEMORY = Memory(
    {"organization/acme-2": Known(Account("organization", "acme-2", granted={"members": "read"}), 60.0)},
    LATER,
    1.79e9,
    1,
    "GitHub leaves out some",
    2,
    Failure("forbidden", "GitHub answers 403", "give it"),
)
ROWS: Mapping[str, Any] = {
    "job": {key: dump(snapshot) for key, snapshot in JOBS.items()},
    "wait": {saved.PREFIX + ENTRY.key: json.loads(saved.dump(MEMORY))},
}
STATEMENTS = [
    "DROP TABLE job",
    "DROP TABLE salt",
    "DELETE FROM salt; DELETE FROM naming",
    "UPDATE salt SET value = 'text'",
    "UPDATE naming SET choice = 5",
    "UPDATE job SET key = x'ff00'",
    "UPDATE job SET saved = 'x', running = -1",
    "UPDATE job SET running = 1e300, saved = 9e999",
    "UPDATE job SET snapshot = x'ff00ff'",
    "UPDATE job SET snapshot = 5",
    "UPDATE wait SET until = 'x', mark = NULL",
    "UPDATE wait SET until = 9e999",
    "INSERT INTO wait VALUES ('pool', 9e99, ''), ('', 9e99, ''), ('budget default', 9e9, '[[1e999]]')",
    "ALTER TABLE job ADD COLUMN more; ALTER TABLE wait RENAME COLUMN mark TO note",
    "CREATE TRIGGER t BEFORE INSERT ON job BEGIN SELECT RAISE(ABORT, 'no'); END",
    "CREATE TABLE other (x); CREATE VIEW v AS SELECT * FROM job",
    "CREATE UNIQUE INDEX i ON job (running)",
    "PRAGMA user_version = 1",
    "PRAGMA user_version = 99",
    "PRAGMA user_version = 0",
    "PRAGMA application_id = 5; PRAGMA journal_mode = DELETE; VACUUM",
    "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = 'CREATE TABLE job (key)' WHERE name = 'job'",
    "DROP TABLE job; CREATE VIEW job AS SELECT name AS key, until AS saved, 1 AS running, mark AS snapshot FROM wait",
]


@contextmanager
def folder_with_state() -> Iterator[Path]:
    """A folder whose state was saved by a run that ended."""
    with TemporaryDirectory() as name:
        state = State(Path(name) / "state")
        state.open(NOW)
        for key, snapshot in JOBS.items():
            assert state.save(key, snapshot, NOW, ended=True)
        state.wait(saved.PREFIX + ENTRY.key, Wait(LATER, saved.dump(MEMORY)))
        state.checkpoint()
        state.close()
        yield Path(name)


async def answers(folder: Path) -> list[str]:
    """What a daemon on that folder answers."""
    async with (
        exporter(folder, discover=[{"credential": "default"}]) as (host, port),
        httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=30) as client,
    ):
        replies = [await client.get(path) for path in ("/metrics", "/", "/api/v1/status")]
    assert [reply.status_code for reply in replies] == [200] * 3
    return [reply.text for reply in replies]


def check(folder: Path) -> None:
    """A daemon on that folder starts and answers; its figures are numbers, and each series is there once."""
    metrics, _page, status = asyncio.run(answers(folder))
    values = samples(parse_text(metrics))
    assert not [series for series, value in values.items() if series[0].startswith("github_api") and math.isnan(value)]
    json.loads(status)


@examples(10)
@given(rows=mutated(ROWS))
def test_fuzz_any_row_of_the_state(rows: Any) -> None:
    with folder_with_state() as folder, closing(sqlite3.connect(folder / "state" / "state.db")) as file, file:
        tables = rows if isinstance(rows, dict) else {}
        for table, column_name, of_key in (("job", "snapshot", "key"), ("wait", "mark", "name")):
            given = tables.get(table)
            for key, value in given.items() if isinstance(given, dict) else ():
                text = text_of(value)
                file.execute(f"UPDATE {table} SET {column_name} = ? WHERE {of_key} = ?", (text, key))
        file.commit()
        check(folder)


@examples(20)
@given(data=st.data())
def test_fuzz_any_damage_of_the_state_file(data: st.DataObject) -> None:
    with folder_with_state() as folder:
        path = folder / "state" / "state.db"
        content = bytearray(path.read_bytes())
        for at in data.draw(st.lists(st.integers(0, 8 * len(content) - 1), max_size=20)):
            content[at // 8] ^= 1 << at % 8
        path.write_bytes(data.draw(damaged(bytes(content))))
        if data.draw(st.booleans()):
            (folder / "state" / "state.db-wal").write_bytes(data.draw(st.binary(max_size=100)))
        state = State(folder / "state")
        state.open(NOW)
        for key, snapshot in JOBS.items():
            assert state.save(key, snapshot, NOW, ended=True), state.problem
        state.close()
        state = State(folder / "state")
        assert state.open(NOW).snapshots.keys() >= JOBS.keys()
        state.close()


@examples(25)
@given(statements=st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=4))
def test_fuzz_any_other_tables_in_the_state_file(statements: list[str]) -> None:
    with folder_with_state() as folder:
        with closing(sqlite3.connect(folder / "state" / "state.db")) as file:
            for statement in statements:
                with suppress(sqlite3.Error):
                    file.executescript(statement)
        state = State(folder / "state")
        state.open(NOW)
        for key, snapshot in JOBS.items():  # a write that others' triggers refuse makes the next one mend the file
            saved_at_once = state.save(key, snapshot, NOW, ended=True)
            assert saved_at_once or state.save(key, snapshot, NOW, ended=True), state.problem
        state.close()


@st.composite
def exports(draw: st.DrawFn) -> bytes:
    """An export with changes in the JSON of its lines, or with damaged bytes."""
    with folder_with_state() as folder, closing(sqlite3.connect(folder / "state" / "state.db")) as file:
        text = "".join(export_lines(file, ["organization/acme"]))
    if draw(st.booleans()):
        return draw(damaged(text.encode()))
    lines = [json.loads(line) for line in text.splitlines()]
    number = draw(st.integers(0, len(lines) - 1))
    lines[number] = draw(mutated(lines[number]))
    return "\n".join(map(text_of, lines)).encode()


@examples(12)
@given(export=exports())
def test_fuzz_any_import(export: bytes) -> None:
    """All of it, which the daemon can use, or nothing, and every problem in a line."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        state = State(folder / "state")
        state.open(NOW)
        with closing(sqlite3.connect(folder / "state" / "state.db", isolation_level=None)) as file:
            try:
                import_lines(file, lines_of(BytesIO(export)), renamed_by(COLLECTORS), in_use=False)
            except NotImported as error:
                for problem in error.problems:
                    check_words(ValueError(problem))
            else:
                assert not state.restored().unreadable
                assert list(export_lines(file, ["organization/acme"]))
        state.close()
        check(folder)
