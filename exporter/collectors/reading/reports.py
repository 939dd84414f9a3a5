"""The figures of one day in a Copilot report, merged from the records of its files. Pure.

A report has the fields of all its files, and their rows by key. If two files have different values for a figure, the
report is invalid. Figures are never added up, because distinct users must not be.
"""

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter.collectors.reading.days import is_day
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.errors import Invalid
from exporter.tables import Labels

MOST_ROWS = 30_000
"""Rows of one day in all breakdowns: as many as 300 languages with a hundred models each."""

SectionRow = tuple[str, Labels, Mapping[str, float], int]
"""A row of a report: its section, its key, its figures, and how many of its values could not be read."""


class Contradiction(Invalid):
    """Two files of a report have different values for a figure."""


class FieldNumbers(Mapping[str, float]):
    """Figures by name in a third of a dict's memory: rows with the same names share one tuple of names."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: tuple[str, ...], values: Iterable[float]) -> None:
        self._names, self._values = names, array("d", values)

    def __getitem__(self, name: str) -> float:
        if name in self._names:
            return self._values[self._names.index(name)]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(slots=True)
class DayFigures:
    """The figures of one day, by section and key, of `most` rows. With a `fault` they must not be used."""

    sections: dict[str, dict[Labels, FieldNumbers]] = field(default_factory=dict)
    rejected: int = 0
    unknown: UnknownFields = field(default_factory=UnknownFields)
    rows: int = 0
    fault: Invalid | None = None
    most: int = MOST_ROWS
    _names: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)

    def add(self, rows: Iterable[SectionRow]) -> None:
        """Add rows."""
        for section, key, figures, rejected in rows:
            self.rejected += rejected
            self._merge(section, key, figures)

    def join(self, other: "DayFigures") -> None:
        """Add the figures that another file has of this day."""
        for section, rows in other.sections.items():
            for key, figures in rows.items():
                self._merge(section, key, figures)
        self.rejected += other.rejected
        self.unknown.join(other.unknown)
        self.fault = self.fault or other.fault

    def _merge(self, section: str, key: Labels, figures: Mapping[str, float]) -> None:
        if not figures or self.rows > self.most:
            return
        rows = self.sections.setdefault(section, {})
        before = rows.get(key)
        if before is None:
            rows[key] = self._numbers(figures)
            self.rows += 1
            if self.rows > self.most:
                self.fault = Invalid(f"the report has more than {self.most} rows: take some of breakdowns out")
            return
        for name, value in figures.items():
            if before.get(name, value) != value:
                problem = f"the report contradicts itself: {name} of {section or 'the day'} has two values"
                self.fault = self.fault or Contradiction(problem)
        if figures.keys() - before.keys():
            rows[key] = self._numbers({**figures, **before})

    def _numbers(self, figures: Mapping[str, float]) -> FieldNumbers:
        names = tuple(figures)
        return FieldNumbers(self._names.setdefault(names, names), figures.values())


@dataclass(slots=True)
class Report:
    """The figures of one day, from one or more files: of the day `only`, or of the newest.

    - `read`: gets a member's name and its object, or an object of its list, and returns rows; counts unknown fields.
      The record's own scalars have the name "".
    - `selected`: the members that `read` gets; those in `known` are skipped, others are counted as unknown.
    - `own`: the names of the record's own figures.
    - `spanning`: the selected members that belong to no day, but to all days of the report; `span` has their figures.
    - `unplaced`: how many values of records without a day could not be read.
    - `unknown`: the unknown fields of records without a day, and of objects that wrap records.
    """

    read: Callable[[str, dict[str, Any], UnknownFields], Iterator[SectionRow]]
    selected: Collection[str]
    known: Collection[str]
    only: str | None = None
    day: str = ""
    figures: DayFigures = field(default_factory=DayFigures)
    unplaced: int = 0
    unknown: UnknownFields = field(default_factory=UnknownFields)
    own: Collection[str] = ()
    spanning: Collection[str] = ()
    span: DayFigures = field(default_factory=DayFigures)

    def take(self, day: object, record: DayFigures) -> None:
        """Add a complete record; `day` is as GitHub gives it. A record without figures is skipped."""
        name = self.only if day is None else day if isinstance(day, str) and is_day(day) else ""
        if not record.rows or not name:
            self.unplaced += record.rejected + (day is not None and not name)
            self.unknown.join(record.unknown)
        elif (self.only is not None and name != self.only) or name < self.day:
            return
        elif name > self.day:
            self.day, self.figures = name, record
        else:
            self.figures.join(record)

    def check(self) -> None:
        """After the last file: raises `Invalid` if the day must not be used, `Contradiction` if two files differ."""
        if fault := self.figures.fault or self.span.fault:
            raise fault
