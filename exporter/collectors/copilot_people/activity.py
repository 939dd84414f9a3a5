"""Sums people's figures of one day over their teams, while GitHub's report `users-1-day` is read. Pure.

A person counts once, however often the report has them, and takes some 130 bytes.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from exporter.collectors.copilot_people.families import Person, Team
from exporter.collectors.copilot_people.fields import (
    FIELDS,
    NOT_FIGURES,
    NOT_SHOWN_OF_CLI,
    PLACES,
    SUMMED,
    USED,
)
from exporter.collectors.copilot_people.memberships import MOST_PEOPLE, Entity, Memberships, PersonKey
from exporter.collectors.copilot_usage.sections import IDENTITY
from exporter.collectors.reading.reports import Contradiction, FieldNumbers
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.reading.values import is_number, label_text
from exporter.errors import Invalid
from exporter.tables import Row

OTHER = "other"
_KNOWN = frozenset({*(place[0] for place in PLACES), *NOT_FIGURES, *IDENTITY})
_OBJECTS = sorted({place[:depth] for place in PLACES for depth in range(1, len(place))})
_KNOWN_IN = {
    path: frozenset({*(place[len(path)] for place in PLACES if place[: len(path)] == path), *NOT_SHOWN_OF_CLI})
    for path in _OBJECTS
}
"""The documented fields of the objects in a record, by their path."""
_FLAGS = frozenset(FIELDS.index(name) for name in USED)
_PLACES = tuple((at, place[:-1], place[-1]) for at, place in enumerate(PLACES))

Figure = tuple[int, float]
"""A number, with its place in `FIELDS`."""


@dataclass(slots=True)
class PeopleSums:
    """The figures of the busiest people by the form of their login; of the others only the sums are kept."""

    form: Callable[[str], str]
    most: int
    people: dict[str, dict[int, float]] = field(default_factory=dict)
    others: dict[int, float] = field(default_factory=dict)
    count: int = 0

    def add(self, login: str, figures: Sequence[Figure]) -> None:
        """Add a person; two with one form are summed."""
        name = label_text(self.form(login))
        name = f"{name}~" if name == OTHER else name
        if name in self.people:
            _add(self.people[name], figures)
        else:
            self.people[name] = dict(figures)
            self.count += 1
        if len(self.people) > 2 * self.most + 1:
            self._fold(self.most)

    def rows(self) -> Iterator[Row]:
        """At most `most` rows, `other` included."""
        if self.count > self.most:
            self._fold(self.most - 1)
            yield _person(OTHER, self.others)
        for name, figures in self.people.items():
            yield _person(name, figures)

    def _fold(self, places: int) -> None:
        """Keep so many people, the busiest by the first field."""
        ranked = sorted(self.people.items(), key=lambda item: (-item[1].get(0, 0.0), item[0]))
        self.people = dict(ranked[:places])
        for _, figures in ranked[places:]:
            _add(self.others, figures.items())


def _add(sums: dict[int, float], figures: Any) -> None:
    """Add figures of another person; averages and distinct counts, which cannot be added, are dropped."""
    for at in [at for at in sums if at >= len(SUMMED)]:
        del sums[at]
    for at, value in figures:
        if at < len(SUMMED):
            sums[at] = sums.get(at, 0.0) + value


def _person(name: str, figures: Mapping[int, float]) -> Person:
    return Person(user_login=name, figures={FIELDS[at]: value for at, value in figures.items()})


@dataclass(slots=True)
class Activity:
    """The sums over the teams of `memberships`, and over the people, if they are shown."""

    day: str
    entity: Entity
    memberships: Memberships
    people: PeopleSums | None
    unknown: UnknownFields = field(default_factory=UnknownFields)
    rejected: int = 0
    _seen: dict[PersonKey, int] = field(default_factory=dict)
    _sums: "list[array[float]]" = field(init=False)
    _given: list[bytearray] = field(init=False)
    _active: "array[int]" = field(init=False)
    _count: int = 0

    def __post_init__(self) -> None:
        """Begin with a sum of nothing for each team."""
        teams = len(self.memberships.members)
        self._sums = [array("d", bytes(8 * len(SUMMED))) for _ in range(teams)]
        self._given = [bytearray(len(SUMMED)) for _ in range(teams)]
        self._active = array("q", bytes(8 * teams))

    @property
    def has_figures(self) -> bool:
        """Whether anybody was active."""
        return bool(self._seen)

    def take(self, record: Any) -> None:
        """Add a record; one of another day is skipped. Raises `Contradiction`, `Invalid`."""
        key = self.entity.key(record) if isinstance(record, dict) else None
        if key is None:
            self.rejected += 1
            return
        if record.get("day", self.day) not in (self.day, None):
            return
        unusable, unknown = self.rejected, UnknownFields()
        figures = self._figures(record, unknown)
        digest = hash(tuple(figures))
        if self._seen.setdefault(key, digest) != digest:
            raise Contradiction("the report contradicts itself: a person has different figures in two records")
        if len(self._seen) > self._count:
            self._count_person(key, record, figures)
            self.unknown.join(unknown)
        else:
            self.rejected = unusable  # the record was there already

    def _count_person(self, key: PersonKey, record: Mapping[str, Any], figures: list[Figure]) -> None:
        self._count += 1
        if self._count > MOST_PEOPLE:
            raise Invalid(f"the report has more than {MOST_PEOPLE} people")
        for team in self.memberships.teams_of.get(key, ()):
            self._active[team] += 1
            sums, given = self._sums[team], self._given[team]
            for at, value in figures:
                if at < len(SUMMED):
                    sums[at] += value
                    given[at] = 1
        if self.people is not None:
            login = record.get("user_login")
            self.people.add(login if isinstance(login, str) else "", figures)

    def check(self) -> None:
        """Every record has been checked."""

    def rows(self) -> Iterator[Row]:
        """The rows of the teams, idle ones too, and of the people."""
        names: dict[bytes, tuple[str, ...]] = {}
        for place, label in enumerate(self.memberships.labels()):
            given = bytes(self._given[place])
            fields = [at for at, is_given in enumerate(given) if is_given]
            known = names.setdefault(given, ("active_users", "members", *(SUMMED[at] for at in fields)))
            sums = (self._sums[place][at] for at in fields)
            numbers = FieldNumbers(known, (self._active[place], self.memberships.members[place], *sums))
            yield Team.model_construct({"team", "figures"}, team=label, figures=numbers)
        if self.people is not None:
            yield from self.people.rows()

    def _figures(self, record: Mapping[str, Any], unknown: UnknownFields) -> list[Figure]:
        """The numbers of a record by place."""
        unknown.take(record, _KNOWN)
        objects: dict[tuple[str, ...], Mapping[str, Any]] = {(): record}
        for path in _OBJECTS:
            item = objects[path[:-1]].get(path[-1]) if path[:-1] in objects else None
            if isinstance(item, dict):
                objects[path] = item
                unknown.take(item, _KNOWN_IN[path], ".".join(path))
            else:
                self.rejected += item is not None
        figures: list[Figure] = []
        for at, path, name in _PLACES:
            value = objects[path].get(name) if path in objects else None
            if value is None:
                continue
            if is_number(value) if at not in _FLAGS else isinstance(value, bool):
                figures.append((at, float(value)))
            else:
                self.rejected += 1
        return figures
