"""From an object with groups of numbers to figures: what is declared, by its place, and what is not. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter.catalogue import Family, Table, gauge
from exporter.collecting.reading import is_number

Place = tuple[str, ...]
"""Where a value stands: the names on the way to it."""

Parse = Callable[[Any], float | None]
"""A value as the number that is shown; None if it cannot be one."""


def leaves(prefix: str, groups: Mapping[str, Mapping[str, str]]) -> Iterator[Family]:
    """Gauges of groups of numbers: by the group's place, what each is by its whole name, which ends as GitHub's."""
    for group, families in groups.items():
        for name, meaning in families.items():
            yield gauge(name, ".".join(filter(None, (group, name.removeprefix(prefix)))), meaning)


@dataclass(slots=True)
class Found:
    """What stands in an object: figures by place, numbers that nobody declared, and how many values are no use."""

    figures: dict[Place, float] = field(default_factory=dict)
    others: dict[Place, float] = field(default_factory=dict)
    rejected: int = 0


def number(value: object) -> float | None:
    """A count as GitHub gives it."""
    return value if is_number(value) else None


def sort_out(item: object, known: Mapping[Place, Parse], apart: Collection[Place] = ()) -> Found:
    """Go through an object: what is `known` is read, what stands `apart` is somebody else's.

    Null and placeholders (`{"$ref": …}`) are missing; whatever else cannot be used is counted. Numbers in lists have
    no name of their own, so they are counted, too.
    """
    found = Found()
    ends = {*known, *apart}
    groups = {place[:depth] for place in ends for depth in range(len(place))}
    for place, value in _values(item, (), ends):
        if place in apart:
            continue
        if place in known:
            figure = known[place](value)
            if figure is not None:
                found.figures[place] = figure
            elif not missing(value):
                found.rejected += 1
        elif place in groups:
            found.rejected += not missing(value)
        elif is_number(value):
            found.others[place] = value
        else:
            found.rejected += _numbers_in(value)
    return found


def missing(value: object) -> bool:
    """Whether GitHub gives nothing: null, or a placeholder that its documentation generator left."""
    return value is None or (isinstance(value, dict) and "$ref" in value)


def known_of(table: Table, parse: Parse = number) -> dict[Place, Parse]:
    """Where the numbers of a table's families stand, and how they are read."""
    return {tuple(family.field.split(".")): parse for family in table.families}


def by_field(figures: Mapping[Place, float]) -> dict[str, float]:
    """Figures as a row holds them."""
    return {".".join(place): figure for place, figure in figures.items()}


def _values(item: object, place: Place, ends: Collection[Place]) -> Iterator[tuple[Place, Any]]:
    if isinstance(item, dict) and place not in ends:
        for name, value in item.items():
            yield from _values(value, (*place, name), ends)
    else:
        yield place, item


def _numbers_in(value: object) -> int:
    if isinstance(value, list | dict):
        return sum(_numbers_in(one) for one in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, int | float) and not isinstance(value, bool)
