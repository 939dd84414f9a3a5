"""Reads one record of one appliance into the rows of `families.py`. Pure.

A value that is missing or differs from its documented type is absent.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from exporter.collectors.reading.leaves import ObjectReading, Parse, Place, by_field, missing, parsers_of, read_object
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.reading.values import is_number, label_text
from exporter.collectors.server_statistics.families import (
    MOST_OTHERS,
    NUMBERS,
    PACKAGES,
    About,
    Collected,
    Ecosystem,
    EcosystemState,
    Feature,
    OfServer,
    Other,
    Registry,
    Server,
)
from exporter.instants import DAY
from exporter.tables import Row

MOST_OF_A_LIST = 50
"""Ecosystems, and features, of one appliance; GitHub has six ecosystems and a few features."""

STATES = ("true", "false", "readonly")
REGISTRIES = {"v1": "packages_stats.registry_enabled", "v2": "packages_stats.registry_v2_enabled"}

_PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,20})?")
_DAYS = re.compile(r"([0-9]{1,5}) days?")


def ratio(value: object) -> float | None:
    """A percentage, which GitHub gives as the string `11.11`, as a ratio."""
    text = str(value) if is_number(value) else value
    if not isinstance(text, str) or not _PERCENT.fullmatch(text):
        return None
    share = float(Decimal(text) / 100)
    return share if share <= 1 else None


def seconds(value: object) -> float | None:
    """A duration such as `90 days` in seconds."""
    days = _DAYS.fullmatch(value) if isinstance(value, str) else None
    return int(days[1]) * DAY if days else None


def switch(value: object) -> float | None:
    """True and false as 1 and 0."""
    return float(value) if isinstance(value, bool) else None


_PARSERS: dict[Place, Parse] = {
    **parsers_of(NUMBERS),
    **{tuple(place.split(".")): switch for place in REGISTRIES.values()},
    ("dormant_users", "dormancy_threshold"): seconds,
    ("actions_stats", "percentage_of_repos_using_actions"): ratio,
}
_FEATURES: Place = ("github_connect", "features_enabled")
_ECOSYSTEMS: Place = ("packages_stats", "ecosystems")
_NO_NUMBERS = {
    ("server_id",),
    ("collection_date",),
    ("host_name",),
    ("ghes_version",),
    ("schema_version",),
    _FEATURES,
    _ECOSYSTEMS,
}
_PARSERS_OF_ECOSYSTEM = parsers_of(PACKAGES)


@dataclass(slots=True)
class RecordReader:
    """Reads one record of one appliance into `rows`; `rejected` counts the values that could not be read."""

    server_id: str
    collected: float | None
    record: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    rejected: int = 0
    unknown: UnknownFields = field(default_factory=UnknownFields)

    def read(self) -> None:
        """Read the whole record."""
        reading = read_object(self.record, _PARSERS, _NO_NUMBERS)
        self.rejected += reading.rejected
        self.unknown.join(reading.unknown)
        figures = by_field(reading.figures)
        self._add(Server, figures)
        if self.collected is not None:
            self._add(Collected, {"collection_date": self.collected})
        names = {name: self._text(self.record.get(name)) for name in ("host_name", "ghes_version", "schema_version")}
        self._add(About, {}, **names)
        for registry, place in REGISTRIES.items():
            if place in figures:
                self._add(Registry, {"enabled": figures[place]}, registry=registry)
        for feature in dict.fromkeys(filter(None, map(self._text, self._list(_FEATURES)))):
            self._add(Feature, {".".join(_FEATURES): 1.0}, feature=feature)
        packages = self._add_ecosystems()
        self._add_others(reading, packages)

    def _add(self, row: type[OfServer], figures: Mapping[str, float], **labels: str) -> None:
        self.rows.append(row(server_id=self.server_id, collected=self.collected, figures=figures, **labels))

    def _add_ecosystems(self) -> ObjectReading:
        """Add the rows of the ecosystems; returns their numbers, by places that contain the ecosystem's name."""
        numbers = ObjectReading()
        seen = set()
        for item in self._list(_ECOSYSTEMS):
            name = item.get("name") if isinstance(item, dict) else None
            ecosystem = label_text(name.lower().replace("_", "")) if isinstance(name, str) else ""
            if not ecosystem or ecosystem in seen:
                self.rejected += not missing(item)
                continue
            seen.add(ecosystem)
            reading = read_object(item, _PARSERS_OF_ECOSYSTEM, {("name",), ("enabled",)})
            self.rejected += reading.rejected
            self.unknown.join({".".join((*_ECOSYSTEMS, name)): values for name, values in reading.unknown.items()})
            self._add(Ecosystem, by_field(reading.figures), ecosystem=ecosystem)
            self._add_states(ecosystem, item.get("enabled"))
            numbers.figures |= {(*_ECOSYSTEMS, ecosystem, *place): value for place, value in reading.figures.items()}
            numbers.others |= {(*_ECOSYSTEMS, ecosystem, *place): value for place, value in reading.others.items()}
        return numbers

    def _add_states(self, ecosystem: str, value: object) -> None:
        current = value.lower() if isinstance(value, str) else ""
        if current not in STATES:
            self.rejected += not missing(value)
            return
        for state in STATES:
            self._add(EcosystemState, {"enabled": float(state == current)}, ecosystem=ecosystem, state=state)

    def _add_others(self, reading: ObjectReading, packages: ObjectReading) -> None:
        """Add at most `MOST_OTHERS` numbers that have no family.

        The label `leaf` is GitHub's name of the number, or its whole place where two numbers share the name.
        """
        others = {**reading.others, **packages.others}
        uses = Counter(place[-1] for place in (*others, *reading.figures, *packages.figures))
        places: dict[str, Place] = {}
        for place in others:
            places.setdefault(label_text(place[-1] if uses[place[-1]] == 1 else ".".join(place)), place)
        exported = dict(sorted(places.items())[:MOST_OTHERS])
        for place in others.keys() - exported.values():
            self.unknown.add(reading.unknown_name(place))
        for leaf, place in exported.items():
            self._add(Other, {"number": others[place]}, leaf=leaf)

    def _list(self, place: Place) -> list[Any]:
        """The first `MOST_OF_A_LIST` entries of the list at a place; empty if there is no list."""
        value: Any = self.record
        for name in place:
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, list):
            self.rejected += max(0, len(value) - MOST_OF_A_LIST)
            return value[:MOST_OF_A_LIST]
        self.rejected += not missing(value)
        return []

    def _text(self, value: object) -> str:
        if isinstance(value, str):
            return label_text(value)
        self.rejected += not missing(value)
        return ""
