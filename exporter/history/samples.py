"""From the rows that a part of the past has shown to points of series. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from exporter.collecting.gauges import Dates, gauges_of
from exporter.collectors.reading.values import labels_of
from exporter.exposition.text import series
from exporter.fetching import Fetched
from exporter.history.month import FileFamily
from exporter.history.spool import GaugePoint, Increment
from exporter.jobs import Job
from exporter.past import CountedHours, PastAnswer, Shown
from exporter.privacy import Naming, rename_people
from exporter.tables import Family, Labels, Row, Table

NEVER = float("inf")


def families_of(jobs: Sequence[Job]) -> list[FileFamily]:
    """The families of a file, in order: those of the collectors of its jobs, of counters if its past counts."""
    by_name: dict[str, FileFamily] = {}
    for job in jobs:
        for table, family in families(job):
            by_name.setdefault(family.name, FileFamily(family.name, family.kind, job.collector.help(table, family)))
    return list(by_name.values())


def families(job: Job) -> list[tuple[Table, Family]]:
    """The families of a job that have a past: its counters, or its gauges if it has none."""
    counting = job.collector.counting
    if counting:
        return [(counting, family) for family in counting.counters]
    return [(table, family) for table in job.collector.tables if not table.shared for family in table.gauges]


@dataclass(frozen=True, slots=True)
class Samples:
    """Makes the points of one job.

    `numbers` are those of its families in the file. `extra` are further labels. `places` bounds the rows that have
    series of their own.
    """

    job: Job
    numbers: Mapping[str, int]
    naming: Naming
    extra: Sequence[tuple[str, str]]
    places: int

    def gauges(self, answer: PastAnswer) -> Iterator[GaugePoint]:
        """The points of gauges, made as they are iterated; no rows are kept that were passed."""
        return chain.from_iterable(map(self._gauges, answer.shown))

    def increments(self, answer: PastAnswer) -> list[Increment]:
        """What counters counted."""
        return [increment for counted in answer.counted for increment in self._increments(counted)]

    def _gauges(self, shown: Shown) -> Iterator[GaugePoint]:
        rows = self._renamed(shown.rows)
        columns, _left_out = gauges_of(self.job, rows, None, self.places, Dates(float(shown.at), 0.0))
        for table, family in families(self.job):
            column, age = columns[family.name], max(self.job.max_age, table.stays)
            dates = column.dates or [NEVER] * len(column)
            for (labels, value), date in zip(column, dates, strict=True):
                head = self._head(table, family, labels)
                most = min(date + age, shown.until)
                yield GaugePoint(head, self.numbers[family.name], shown.at, shown.thing, most, value)

    def _increments(self, counted: CountedHours) -> list[Increment]:
        table = self.job.collector.counting
        assert table is not None
        labels = labels_of(table, counted.row)
        if counted.is_total and table.other:
            labels = tuple(word or "" for word in table.other)
        return [
            Increment(head, self.numbers[family.name], hour, numbers[index], counted.is_total)
            for index, family in enumerate(table.counters)
            for head in (self._head(table, family, labels),)
            for hour, numbers in counted.hours.items()
        ]

    def _renamed(self, rows: Iterable[Row]) -> tuple[Row, ...]:
        return rename_people(Fetched(tuple(rows)), self.naming.name).rows

    def _head(self, table: Table, family: Family, labels: Labels) -> str:
        """The beginning of a line, up to the value."""
        names = self.job.collector.labels(table)
        own = self.naming.label_forms(names)((*self.job.prefix, *labels))
        extra = [(name, value) for name, value in self.extra if name not in names]
        return series(family.name, (*names, *(name for name, _ in extra)), (*own, *(value for _, value in extra)))
