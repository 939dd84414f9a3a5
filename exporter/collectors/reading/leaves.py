"""Reads the numbers of nested objects by their place: those that a table has families for, and all others. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter.collectors.reading.unknown_fields import UnknownFields, numbers_in
from exporter.collectors.reading.values import is_number
from exporter.tables import Family, Table, gauge

_DEEPEST = 8  # a deeper object counts as one value: places of its values would take too much memory

Place = tuple[str, ...]
"""The place of a value: the names of the fields that lead to it."""

Parse = Callable[[Any], float | None]
"""From a JSON value to the number that is exported; None if it cannot be read."""


def field_gauges(prefix: str, groups: Mapping[str, Mapping[str, str]]) -> Iterator[Family]:
    """One gauge per field, from `{group: {metric: help}}`; the name of a metric is `prefix` and GitHub's field name."""
    for group, families in groups.items():
        for name, text in families.items():
            yield gauge(name, ".".join(filter(None, (group, name.removeprefix(prefix)))), text)


@dataclass(slots=True)
class ObjectReading:
    """The values of an object.

    - `figures`: the numbers that have a parser, by place.
    - `others`: the other numbers, by place.
    - `rejected`: how many values could not be read.
    - `unknown`: the values that have no parser and are no numbers: texts, booleans and lists.
    - `groups`: the places of the objects that hold values with a parser.
    """

    figures: dict[Place, float] = field(default_factory=dict)
    others: dict[Place, float] = field(default_factory=dict)
    rejected: int = 0
    unknown: UnknownFields = field(default_factory=UnknownFields)
    groups: Collection[Place] = ()

    def unknown_name(self, place: Place) -> str:
        """The name of an unknown place, cut after the unknown field: names inside it may be logins."""
        depth_of_group = next((depth for depth in range(len(place), 0, -1) if place[:depth] in self.groups), 0)
        return ".".join(place[: depth_of_group + 1])


def number(value: object) -> float | None:
    """The parser of a plain number."""
    return value if is_number(value) else None


def read_object(item: object, parsers: Mapping[Place, Parse], skipped: Collection[Place] = ()) -> ObjectReading:
    """Read all values of an object but those at the `skipped` places.

    Null and placeholders (`{"$ref": …}`) are missing; any other value that cannot be used is counted. Numbers in lists
    have no name of their own, so they are counted with their list.
    """
    ends = {*parsers, *skipped}
    groups = {place[:depth] for place in ends for depth in range(len(place))}
    reading = ObjectReading(groups=groups)
    for place, value in _values(item, (), ends):
        if place in skipped:
            continue
        if place in parsers:
            figure = parsers[place](value)
            if figure is not None:
                reading.figures[place] = figure
            elif not missing(value):
                reading.rejected += 1
        elif place in groups:
            reading.rejected += not missing(value)
        elif is_number(value):
            reading.others[place] = value
        elif not missing(value):
            reading.unknown.add(reading.unknown_name(place), max(1, numbers_in(value)))
    return reading


def missing(value: object) -> bool:
    """Whether a value is null, or a placeholder of GitHub's documentation generator (`$ref`)."""
    return value is None or (isinstance(value, dict) and "$ref" in value)


def parsers_of(table: Table, parse: Parse = number) -> dict[Place, Parse]:
    """The parsers of a table's families, by place."""
    return {tuple(family.field.split(".")): parse for family in table.families}


def by_field(figures: Mapping[Place, float]) -> dict[str, float]:
    """Figures by field name as in `Figures` rows: the parts of a place joined by dots."""
    return {".".join(place): figure for place, figure in figures.items()}


def _values(item: object, place: Place, ends: Collection[Place]) -> Iterator[tuple[Place, Any]]:
    if isinstance(item, dict) and len(place) < _DEEPEST and place not in ends and not missing(item):
        for name, value in item.items():
            yield from _values(value, (*place, name), ends)
    else:
        yield place, item
