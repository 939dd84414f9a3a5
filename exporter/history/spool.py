"""The file of what was read and is not written yet. Each part is saved at once, so a run goes on where it was stopped.

An SQLite file: a month's samples come day by day, and a file for Prometheus has them series by series. All functions
block: they are called in the worker.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from exporter.history.spans import Mark, Marks
from exporter.past import Part
from exporter.state.rows import is_broken

_SCHEMA = """
CREATE TABLE part (
    job TEXT, number INTEGER, start INTEGER, stop INTEGER, subject TEXT, requests INTEGER,
    state TEXT NOT NULL DEFAULT 'open', why TEXT NOT NULL DEFAULT '', PRIMARY KEY (job, number)
) WITHOUT ROWID;
CREATE TABLE mark (job TEXT, thing TEXT, at INTEGER, kind TEXT, PRIMARY KEY (job, thing, at)) WITHOUT ROWID;
CREATE TABLE series (
    id INTEGER PRIMARY KEY, file TEXT, family INTEGER, head TEXT, job TEXT, is_total INTEGER,
    UNIQUE (file, family, head)
);
CREATE TABLE gauge (
    series INTEGER, at INTEGER, thing TEXT, most REAL, value, PRIMARY KEY (series, at)
) WITHOUT ROWID;
CREATE TABLE count (series INTEGER, hour INTEGER, value INTEGER, PRIMARY KEY (series, hour)) WITHOUT ROWID;
PRAGMA user_version = 1;
"""

_WRONG_ROWS = (
    (
        "SELECT 1 FROM part WHERE (typeof(job) || typeof(state) || typeof(why) = 'texttexttext' AND "
        "typeof(number) || typeof(requests) = 'integerinteger' AND start BETWEEN 0 AND stop AND stop < 1e11 AND "
        "json_type(subject) = 'array') IS NOT TRUE LIMIT 1"
    ),
    (
        "SELECT 1 FROM mark WHERE (typeof(job) || typeof(thing) || typeof(kind) = 'texttexttext' AND "
        "typeof(at) = 'integer') IS NOT TRUE LIMIT 1"
    ),
    (
        "SELECT 1 FROM series WHERE (typeof(file) || typeof(head) || typeof(job) = 'texttexttext' AND "
        "typeof(family) = 'integer' AND is_total IN (0, 1)) IS NOT TRUE LIMIT 1"
    ),
    (
        "SELECT 1 FROM gauge WHERE (typeof(at) = 'integer' AND typeof(most) = 'real' AND "
        "typeof(value) IN ('integer', 'real')) IS NOT TRUE LIMIT 1"
    ),
    "SELECT 1 FROM count WHERE (typeof(hour) || typeof(value) = 'integerinteger') IS NOT TRUE LIMIT 1",
)
"""Each finds a row that is none of ours."""

NOT_LISTED = -1
"""The number of a part that stands for all, where it could not be found out which there are."""
_AT_ONCE = 10_000
"""Points that are in memory at once: a year of many appliances has millions."""


class GaugePoint(NamedTuple):
    """A gauge's value from an instant on; at most until `most`."""

    head: str
    family: int
    at: int
    thing: str
    most: float
    value: float


class Increment(NamedTuple):
    """What a counter counted in the hour that ends at `hour`."""

    head: str
    family: int
    hour: int
    value: int
    is_total: bool


class Gap(NamedTuple):
    """A part that GitHub does not have, or that could not be read."""

    job: str
    start: int
    end: int
    state: str
    why: str


class Spool:
    """The file. Heads are the beginnings of lines, up to the value; families are numbered as files have them."""

    def __init__(self, path: Path) -> None:
        """Open the file, or create it; raises `sqlite3.DatabaseError` for a file that is none of ours."""
        self.path = path
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._known: tuple[str, dict[tuple[int, str], int]] = "", {}
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA cache_size = -8000")
        if self._connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            self._connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        elif not self._is_sound():
            raise sqlite3.DatabaseError("it is damaged, or of another program")

    def _is_sound(self) -> bool:
        """Whether SQLite finds no damage, and each row is one of ours."""
        try:
            if any(self._connection.execute(statement).fetchone() for statement in _WRONG_ROWS):
                return False
            return bool(self._connection.execute("PRAGMA quick_check").fetchone()[0] == "ok")
        except sqlite3.Error as error:
            if is_broken(error):
                return False
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add_parts(self, job: str, parts: Sequence[Part]) -> None:
        """Set what is to be read of a job, once."""
        rows = [
            (job, number, part.start, part.end, json.dumps(part.subject), part.requests)
            for number, part in enumerate(parts)
        ]
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(
                "INSERT OR IGNORE INTO part (job, number, start, stop, subject, requests) VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )

    def has_parts(self, job: str) -> bool:
        """Whether it is known what is to be read of a job."""
        return self._one("SELECT count(*) FROM part WHERE job = ? AND number <> ?", job, NOT_LISTED) > 0

    def open_parts(self, job: str) -> list[tuple[int, Part]]:
        """The numbered parts of a job that are still to be read."""
        rows = self._connection.execute(
            "SELECT number, start, stop, subject, requests FROM part WHERE job = ? AND state = 'open' ORDER BY number",
            (job,),
        )
        return [
            (number, Part(start, stop, tuple(json.loads(subject)), requests))
            for number, start, stop, subject, requests in rows
        ]

    def open_requests(self, job: str) -> int:
        """The requests that the open parts of a job need."""
        return self._one("SELECT coalesce(sum(requests), 0) FROM part WHERE job = ? AND state = 'open'", job)

    def failed_jobs(self) -> set[str]:
        """The jobs of which something could not be read."""
        return {job for (job,) in self._connection.execute("SELECT DISTINCT job FROM part WHERE state = 'failed'")}

    def reopen_failed(self) -> None:
        """Let what could not be read be read again."""
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM part WHERE number = ?", (NOT_LISTED,))
            connection.execute("UPDATE part SET state = 'open', why = '' WHERE state = 'failed'")

    def keep(
        self,
        file: str,
        job: str,
        number: int,
        *,
        state: str,
        why: str = "",
        marks: Marks | None = None,
        gauges: Iterable[GaugePoint] = (),
        increments: Sequence[Increment] = (),
    ) -> None:
        """Save what a part has shown, and that it is read."""
        try:
            with self._connection as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(
                    "UPDATE part SET state = ?, why = ? WHERE job = ? AND number = ?", (state, why, job, number)
                )
                self._mark(job, marks or {})
                left = iter(gauges)
                while points := list(islice(left, _AT_ONCE)):
                    ids = self._series(file, job, [(one.family, one.head, False) for one in points])
                    connection.executemany(
                        "INSERT OR REPLACE INTO gauge VALUES (?, ?, ?, ?, ?)",
                        [(ids[one.family, one.head], one.at, one.thing, one.most, one.value) for one in points],
                    )
                ids = self._series(file, job, [(one.family, one.head, one.is_total) for one in increments])
                connection.executemany(
                    "INSERT OR REPLACE INTO count VALUES (?, ?, ?)",
                    [(ids[one.family, one.head], one.hour, one.value) for one in increments],
                )
        except BaseException:
            self._known = "", {}  # they were not saved
            raise

    def fail(self, job: str, numbers: Sequence[int], why: str, marks: Marks) -> None:
        """Save why parts of a job could not be read, and what the exporter would have learned."""
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "UPDATE part SET state = 'failed', why = ? WHERE job = ? AND number = ?",
                [(why, job, number) for number in numbers],
            )
            self._mark(job, marks)

    def fail_listing(self, job: str, start: int, end: int, why: str) -> None:
        """Save why it could not be found out which parts a job has."""
        with self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO part (job, number, start, stop, subject, requests, state, why) "
                "VALUES (?, ?, ?, ?, '[]', 0, 'failed', ?)",
                (job, NOT_LISTED, start, end, why),
            )

    def _mark(self, job: str, marks: Marks) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?)",
            [(job, thing, at, kind) for thing, all_of_it in marks.items() for at, kind in all_of_it],
        )

    def first_open(self, job: str) -> int | None:
        """The start of the oldest part that is still to be read; None if there is none."""
        row = self._connection.execute(
            "SELECT min(start) FROM part WHERE job = ? AND state = 'open'", (job,)
        ).fetchone()
        return None if row is None or row[0] is None else int(row[0])

    def gaps(self) -> list[Gap]:
        """What GitHub does not have, and what could not be read."""
        rows = self._connection.execute(
            "SELECT job, start, stop, state, why FROM part WHERE why <> '' ORDER BY job, number"
        )
        return [Gap(*row) for row in rows]

    def marks(self, job: str) -> dict[str, list[Mark]]:
        """The marks of each thing of a job, sorted."""
        marks: dict[str, list[Mark]] = {}
        rows = self._connection.execute("SELECT thing, at, kind FROM mark WHERE job = ? ORDER BY thing, at", (job,))
        for thing, at, kind in rows:
            marks.setdefault(thing, []).append(Mark(at, kind))
        return marks

    def gauges(self, file: str, begin: int, end: int) -> Iterator[tuple[str, GaugePoint]]:
        """The points of a file's gauges from `begin` up to `end`, each with its job, in the order of the file."""
        rows = self._connection.execute(
            "SELECT series.job, head, family, at, thing, most, value "
            "FROM series JOIN gauge ON gauge.series = series.id "
            "WHERE file = ? AND at >= ? AND at < ? ORDER BY family, head, at",
            (file, begin, end),
        )
        for job, *point in rows:
            yield job, GaugePoint(*point)

    def counters(self, file: str) -> list[tuple[int, str, str, int]]:
        """The counters of a file that ever counted: family, head, job and number, in the order of the file.

        A total is left out while a part of its job could not be read: what belongs to that would be in the rest.
        """
        rows = self._connection.execute(
            "SELECT family, head, job, id FROM series "
            "WHERE file = ? AND id IN (SELECT series FROM count) AND NOT (is_total AND EXISTS ("
            "  SELECT 1 FROM part WHERE part.job = series.job AND part.state = 'failed')) ORDER BY family, head",
            (file,),
        )
        return rows.fetchall()

    def increments(self, series: int) -> list[tuple[int, int]]:
        """The hours of a counter, and how much it counted in each; perhaps nothing.

        Of a total it is what the other counters of its family and job have not.
        """
        rows = self._connection.execute(
            "SELECT hour, value - CASE WHEN is_total THEN coalesce(("
            "  SELECT sum(other.value) FROM series AS sibling JOIN count AS other ON other.series = sibling.id "
            "  WHERE sibling.file = series.file AND sibling.family = series.family AND sibling.job = series.job "
            "  AND NOT sibling.is_total AND other.hour = count.hour), 0) ELSE 0 END "
            "FROM count JOIN series ON series.id = count.series WHERE series.id = ? ORDER BY hour",
            (series,),
        )
        return [(hour, max(0, value)) for hour, value in rows]

    def _series(self, file: str, job: str, heads: Sequence[tuple[int, str, bool]]) -> dict[tuple[int, str], int]:
        """The numbers of series, new ones too; those of the file that was asked for last are remembered."""
        if self._known[0] != file:
            rows = self._connection.execute("SELECT family, head, id FROM series WHERE file = ?", (file,))
            self._known = file, {(family, head): number for family, head, number in rows}
        known = self._known[1]
        for family, head, is_total in dict.fromkeys(heads):
            if (family, head) not in known:
                added = self._connection.execute(
                    "INSERT INTO series (file, family, head, job, is_total) VALUES (?, ?, ?, ?, ?)",
                    (file, family, head, job, int(is_total)),
                )
                known[family, head] = int(added.lastrowid or 0)
        return known

    def _one(self, question: str, *values: object) -> int:
        return int(self._connection.execute(question, values).fetchone()[0])
