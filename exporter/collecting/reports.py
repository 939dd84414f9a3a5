"""Copilot's report files, read while they come: whatever their form, the figures of one day. Pure.

A file is an object, an array of objects, or an object per line; `day_totals` may wrap records anywhere. A report may
come as several files, which are united: fields of all, rows by key. Files that give one figure different values
contradict each other. No figure is ever added up from parts: distinct users cannot be.
"""

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import ijson  # type: ignore[import-untyped] # it has no type hints

from exporter.catalogue import Labels
from exporter.collecting.reading import is_number
from exporter.github.errors import Invalid

MOST_ROWS = 30_000
"""Rows of one day, of all breakdowns together: 300 languages of which each has a hundred models."""

_MOST_EVENTS = 10_000  # of one row or object
_MOST_DEPTH = 20
_LONGEST_TOKEN = 1024 * 1024
_LONGEST_TEXT = 1024  # a longer name or value is as good as none
_BOM = b"\xef\xbb\xbf"
_DEEPER, _BACK = ("start_map", "start_array"), ("end_map", "end_array")

Part = tuple[str, Labels, Mapping[str, float], int]
"""A row: which section it belongs to, its key, its figures, and how many values of it could not be used."""


class Contradiction(Invalid):
    """Files of one report give one figure different values."""


class Numbers(Mapping[str, float]):
    """Figures by name in a third of a dict's memory: rows of a kind share their names, and a day has many rows."""

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
class Day:
    """The figures of one day, by section and key; with a fault they are not to be used."""

    sections: dict[str, dict[Labels, Numbers]] = field(default_factory=dict)
    rejected: int = 0
    rows: int = 0
    fault: Invalid | None = None
    _names: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)

    def add(self, parts: Iterable[Part]) -> None:
        """Take rows in."""
        for section, key, figures, rejected in parts:
            self.rejected += rejected
            self._unite(section, key, figures)

    def join(self, other: "Day") -> None:
        """Take in what another file says of the same day."""
        for section, rows in other.sections.items():
            for key, figures in rows.items():
                self._unite(section, key, figures)
        self.rejected += other.rejected
        self.fault = self.fault or other.fault

    def _unite(self, section: str, key: Labels, figures: Mapping[str, float]) -> None:
        if not figures or self.rows > MOST_ROWS:
            return
        rows = self.sections.setdefault(section, {})
        known = rows.get(key)
        if known is None:
            rows[key] = self._numbers(figures)
            self.rows += 1
            if self.rows > MOST_ROWS:
                self.fault = Invalid(f"the report has more than {MOST_ROWS} rows: take some of breakdowns out")
            return
        for name, value in figures.items():
            if known.get(name, value) != value:
                why = f"the report contradicts itself: {name} of {section or 'the day'} has two values"
                self.fault = self.fault or Contradiction(why)
        if figures.keys() - known.keys():
            rows[key] = self._numbers({**figures, **known})

    def _numbers(self, figures: Mapping[str, float]) -> Numbers:
        names = tuple(figures)
        return Numbers(self._names.setdefault(names, names), figures.values())


@dataclass(slots=True)
class Report:
    """The day that is shown of one or more files: the one asked for, or the newest.

    `read` turns a member of a record (its name, and the object or a row of the list; "" for the record's own scalars)
    into parts. `wanted` names the members that are read, `known` those that are passed over. `unplaced` counts what
    could not be used of records that are no day's.
    """

    read: Callable[[str, dict[str, Any]], Iterator[Part]]
    wanted: Collection[str]
    known: Collection[str]
    only: str | None = None
    day: str = ""
    shown: Day = field(default_factory=Day)
    unplaced: int = 0

    def take(self, day: object, record: Day) -> None:
        """Take in a whole record; `day` is what it says of itself. One without any figure is none."""
        name = self.only if day is None else _date(day)
        if not record.rows or not name:
            self.unplaced += record.rejected + (day is not None and not name)
        elif (self.only is not None and name != self.only) or name < self.day:
            return
        elif name > self.day:
            self.day, self.shown = name, record
        else:
            self.shown.join(record)

    def check(self) -> None:
        """After the last file: raises `Invalid` if the day cannot be used, `Contradiction` if files contradict it."""
        if self.shown.fault:
            raise self.shown.fault


class File:
    """One file of a report, fed piece by piece."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._events: list[tuple[str, Any]] = ijson.sendable_list()
        # Numbers that no float holds would else cost the whole file.
        self._parser = ijson.basic_parse_coro(self._events, multiple_values=True, use_float=False)
        self._head, self._begun, self._empty, self._silent = b"", False, True, 0
        # Where we are: "root", "records" (a list of them), "record", "rows" (a list in a record), innermost last. A
        # record that turns out to wrap others is a "wrapper".
        self._places = ["root"]
        self._key = ""
        self._scalars: dict[str, Any] = {}
        self._day = Day()
        self._member: ijson.ObjectBuilder | None = None
        self._passing = self._counting = False
        self._depth = self._events_of_member = 0

    def feed(self, piece: bytes) -> None:
        """Read on; raises `Invalid`."""
        if not self._begun:
            self._head += piece
            if len(self._head) < len(_BOM):
                return
            piece, self._begun = self._head.removeprefix(_BOM), True
        self._empty = self._empty and not piece.strip()
        if piece:  # none would tell the parser that the file ends
            self._parse(piece)

    def end(self) -> None:
        """The file is complete; raises `Invalid` if it is not."""
        if not self._begun:
            self.feed(b"   ")
        if self._empty:
            return
        try:
            self._parser.close()
        except ijson.JSONError:
            raise Invalid("a file of the report is cut off") from None
        self._handle()

    def _parse(self, piece: bytes) -> None:
        try:
            self._parser.send(piece)
        except (ijson.JSONError, ValueError, ArithmeticError, SystemError):  # the latter two for absurd numbers
            raise Invalid("a file of the report is no JSON") from None
        self._silent = 0 if self._events else self._silent + len(piece)
        if self._silent > _LONGEST_TOKEN:
            raise Invalid("a file of the report has a value that is too long")
        self._handle()

    def _handle(self) -> None:
        for event, found in self._events:
            value = found
            if isinstance(value, str):
                value = value if len(value) <= _LONGEST_TEXT else ""
            elif isinstance(value, Decimal):
                value = float(value)
            if self._passing:
                self._pass_over(event, value)
            elif self._member is not None:
                self._build(event, value)
            else:
                self._step(event, value)
        self._events.clear()

    def _step(self, event: str, value: Any) -> None:
        place = self._places[-1]
        if event == "map_key":
            self._key = value
        elif event in _BACK:
            self._places.pop()
            if place == "record":
                self._end_record()
        elif place in ("root", "records"):
            self._begin(event, place)
        elif place == "rows":
            self._begin_member(event, value)
        elif event in _DEEPER and self._key == "day_totals":
            self._places[-1] = "wrapper"  # what it says itself is of many days
            self._begin(event, "root")
        elif event == "start_array" and self._key in self._report.wanted:
            self._places.append("rows")
        elif event in _DEEPER:
            self._begin_member(event, value)
        else:
            self._scalars[self._key] = value
            if len(self._scalars) > _MOST_EVENTS:
                raise Invalid(f"a file of the report has a record with more than {_MOST_EVENTS} values")

    def _begin(self, event: str, place: str) -> None:
        if event == "start_map":
            self._places.append("record")
            self._scalars, self._day = {}, Day()
        elif event == "start_array" and place == "root":
            self._places.append("records")
        else:
            raise Invalid("a file of the report holds something else than records")
        if len(self._places) > _MOST_DEPTH:
            raise Invalid("a file of the report is nested too deeply")

    def _begin_member(self, event: str, value: Any) -> None:
        wanted = self._key in self._report.wanted
        self._depth = self._events_of_member = 0
        if wanted and event == "start_map":
            self._member = ijson.ObjectBuilder()
            self._build(event, value)
        else:
            self._passing, self._counting = True, wanted or self._key not in self._report.known
            self._pass_over(event, value)

    def _end_record(self) -> None:
        self._day.add(self._report.read("", self._scalars))
        self._report.take(self._scalars.get("day"), self._day)
        self._scalars, self._day = {}, Day()

    def _build(self, event: str, value: Any) -> None:
        assert self._member is not None
        self._member.event(event, value)
        self._events_of_member += 1
        if self._events_of_member > _MOST_EVENTS:
            raise Invalid(f"a file of the report has a row with more than {_MOST_EVENTS} values")
        if self._sank(event) == 0:
            member, self._member = self._member.value, None
            self._day.add(self._report.read(self._key, member))

    def _pass_over(self, event: str, value: Any) -> None:
        if self._counting and event == "number" and is_number(value):
            self._day.rejected += 1
        self._passing = self._sank(event) > 0

    def _sank(self, event: str) -> int:
        self._depth += (event in _DEEPER) - (event in _BACK)
        if self._depth > _MOST_DEPTH:
            raise Invalid("a file of the report is nested too deeply")
        return self._depth


def _date(text: object) -> str:
    """A day as GitHub writes it; "" for anything else."""
    try:
        return text if isinstance(text, str) and date.fromisoformat(text).isoformat() == text else ""
    except ValueError:
        return ""
