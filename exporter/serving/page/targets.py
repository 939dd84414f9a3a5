"""The sources on the status page, by target: tables of the worst targets, and a line for each of the others."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from exporter.serving.page.sources import Source
from exporter.serving.page.verdict import Level
from exporter.serving.page.words import Moment, length, moment

MOST_TABLES = 12
"""So many targets have a table. A thousand tables would be five megabytes, so the others have a line each."""
WORST_FIRST: tuple[Level, ...] = ("bad", "warn", "ok")


class SourceRow(NamedTuple):
    """A source as a row of its target's table; `affected` of its `jobs` are in the state `state`.

    `age` is how long ago the last success was, as a share of the interval; None if there was none.
    """

    collector: str
    jobs: int
    level: Level
    state: str
    affected: int
    data: Moment
    success: Moment
    age: float | None
    interval: str
    next_run: Moment
    series: int


class TargetRow(NamedTuple):
    """A target: the level of its worst source, how many of its sources work, and its oldest success."""

    name: str
    level: Level
    working: int
    total: int
    success: Moment


class TargetTable(NamedTuple):
    """A target, and its sources as rows."""

    target: TargetRow
    sources: Sequence[SourceRow]


class TargetLines(NamedTuple):
    """Targets of one level, without their sources."""

    level: Level
    targets: Sequence[TargetRow]


class Targets(NamedTuple):
    """All targets, the worst first: some with a table, and the others by level."""

    tables: Sequence[TargetTable]
    lines: Sequence[TargetLines]


def targets_of(sources: Iterable[Source], now: float, only: str = "") -> Targets:
    """The targets; those called `only` if that is not empty."""
    by_target: dict[str, list[Source]] = {}
    for source in sources:
        name = str(source.target)
        if only in ("", name):
            by_target.setdefault(name, []).append(source)
    rows = sorted(
        (_target(name, group, now) for name, group in by_target.items()),
        key=lambda row: (WORST_FIRST.index(row.level), row.name),
    )
    tables = [TargetTable(row, _source_rows(by_target[row.name], now)) for row in rows[:MOST_TABLES]]
    rest = rows[MOST_TABLES:]
    lines = [TargetLines(level, [row for row in rest if row.level == level]) for level in WORST_FIRST]
    return Targets(tables, [group for group in lines if group.targets])


def _target(name: str, sources: Sequence[Source], now: float) -> TargetRow:
    levels = [source.condition.level for source in sources]
    successes = [success for source in sources if (success := source.last_success) is not None]
    return TargetRow(
        name,
        min(levels, key=WORST_FIRST.index),
        levels.count("ok"),
        len(levels),
        moment(min(successes, default=None), now),
    )


def _source_rows(sources: Iterable[Source], now: float) -> list[SourceRow]:
    """The rows, the worst first."""
    return sorted((_row(source, now) for source in sources), key=lambda row: WORST_FIRST.index(row.level))


def _row(source: Source, now: float) -> SourceRow:
    success, condition = source.last_success, source.condition
    return SourceRow(
        source.collector,
        len(source.entries),
        condition.level,
        source.state,
        source.affected,
        moment(source.data_time, now, "none yet"),
        moment(success, now),
        None if success is None else max(0.0, now - success) / source.interval,
        length(source.interval),
        moment(max(source.next_run, now), now),
        source.series,
    )
