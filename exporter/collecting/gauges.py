"""The gauges of a complete read: from rows to one column of samples per family. Pure."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from exporter.collectors.reading.values import identity_of, labels_of
from exporter.counting.keys import Counting, Identity
from exporter.errors import Invalid
from exporter.exposition.columns import Column, column
from exporter.jobs import Job
from exporter.tables import Labels, Row, Table


@dataclass(frozen=True, slots=True)
class Dates:
    """Converts the dates of rows to our clock: `now` is when the run began, `skew` GitHub's clock less ours."""

    now: float
    skew: float

    def instant_of(self, table: Table, row: Row) -> float:
        """The instant that a row describes, by our clock; `now` if GitHub gives none, or a later one."""
        date = getattr(row, table.dated)
        return self.now if date is None else min(date - self.skew, self.now)


def gauges_of(
    job: Job, rows: Iterable[Row], counting: Counting | None, places: int, dates: Dates
) -> tuple[Mapping[str, Column], int]:
    """Gauge samples by family, and how many rows have no series of their own.

    Rows of a counting table are shown if their key has a series, of any other table up to `places` rows.
    """
    gauges: dict[str, Column] = {}
    known: dict[bytes, bytes] = {}
    left_out = 0
    for table in job.collector.tables:
        by_labels: dict[tuple[str, ...], Row] = {}
        oldest = dates.now - max(job.max_age, table.stays)
        for row in rows:
            if isinstance(row, table.row) and _has_place(table, row, counting):
                if table.dated and dates.instant_of(table, row) < oldest:
                    continue
                labels = labels_of(table, row)
                if labels in by_labels:
                    raise Invalid("two rows of the answer would be one series")
                by_labels[labels] = row
        ranked, rest = _ranked(table, by_labels, places)
        left_out += 0 if table.shared else sum(map(len, rest.values()))
        for family in table.gauges:
            values = [(labels, row, value) for labels, row in ranked if (value := family.of(row)) is not None]
            samples = [(labels, float(value)) for labels, _, value in values]
            instants = [dates.instant_of(table, row) for _, row, _ in values] if table.dated else None
            for other, rows_of_it in rest.items():
                summed = [value for row in rows_of_it if (value := family.of(row)) is not None]
                if summed and table.sums:
                    samples.append((other, math.fsum(summed)))
            gauges[family.name] = column(samples, known, instants)
    return gauges, left_out


def with_unseen(
    job: Job, gauges: Mapping[str, Column], before: Mapping[str, Column], seen: Iterable[Row], counting: Counting | None
) -> Mapping[str, Column]:
    """The gauges after a short walk: of rows that were not `seen`, the samples stay as they were before.

    A row that got its series since it was read last has no sample: its last activity is known all the same.
    """
    known: dict[bytes, bytes] = {}
    rows = tuple(seen)
    after: dict[str, Column] = {}
    for table in job.collector.tables:
        identities = {identity_of(table, row) for row in rows if isinstance(row, table.row)}
        for family in table.gauges:
            samples = {
                labels: value
                for labels, value in before.get(family.name, ())
                if (identity := labels[: table.keys]) not in identities and _is_shown(table, identity, counting)
            }
            if counting and table.counters and family.field == table.last_seen:
                has_sample = identities.union(labels[: table.keys] for labels in samples)
                samples.update(_last_activities(counting, has_sample))
            samples.update(gauges.get(family.name, ()))
            after[family.name] = column(samples.items(), known)
    return after


def _ranked(
    table: Table, by_labels: Mapping[Labels, Row], places: int
) -> tuple[Sequence[tuple[Labels, Row]], Mapping[Labels, Sequence[Row]]]:
    """The rows that have a place, and the others by the labels under which they are summed.

    Rows are ranked by the first family. A label that `other` does not replace splits them: each of its values has as
    many places.
    """
    if len(by_labels) <= places:
        return list(by_labels.items()), {}
    by_other_labels: dict[Labels, list[tuple[Labels, Row]]] = {}
    for labels, row in by_labels.items():
        other = tuple(label if word is None else word for label, word in zip(labels, table.other or (), strict=False))
        by_other_labels.setdefault(other, []).append((labels, row))
    ranked: list[tuple[Labels, Row]] = []
    rest: dict[Labels, Sequence[Row]] = {}
    for other, rows in by_other_labels.items():
        if len(rows) > places and table.families[0].field:
            rows.sort(key=lambda item: (-(table.families[0].of(item[1]) or 0.0), item[0]))
        ranked += rows[:places]
        if len(rows) > places:
            rest[other] = [row for _, row in rows[places:]]
    return ranked, rest


def _last_activities(counting: Counting, without: Collection[Identity]) -> dict[Labels, float]:
    return {
        key.labels: key.last_active
        for identity, key in counting.keys.items()
        if key.has_series and identity not in without
    }


def _has_place(table: Table, row: Row, counting: Counting | None) -> bool:
    """Whether a row is shown: beside counters only if its key has a series, or is unknown and the table is shared."""
    if counting is None or not (table.counters or table.shared):
        return True
    return _is_shown(table, identity_of(table, row), counting)


def _is_shown(table: Table, identity: Identity, counting: Counting | None) -> bool:
    key = counting.keys.get(identity) if counting else None
    return key.has_series if key else table.shared
