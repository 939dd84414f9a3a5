"""Reads an object with lists of named objects, which may have such lists in turn: a table for each level. Pure.

A row's labels are the names that lead to it. Each level has a table of its own, so that totals and parts stay apart.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter.collectors.reading.rows import figures
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.errors import Invalid
from exporter.tables import Figures, Labels, Row, Table

Level = tuple[str, ...]
"""A level: `("copilot_ide_chat", "editors", "models")`; `()` is the outermost object."""


@dataclass(slots=True)
class NestedRows:
    """The rows and objects of a nested object by level and names, its unusable values and its unknown fields.

    `known` are fields of any level that are not figures.
    """

    tables: Mapping[Level, Table]
    known: Collection[str] = ()
    rows: dict[Level, dict[Labels, Figures]] = field(default_factory=dict)
    objects: list[tuple[Level, Labels, dict[str, Any]]] = field(default_factory=list)
    rejected: int = 0
    unknown: UnknownFields = field(default_factory=UnknownFields)

    def add(self, item: dict[str, Any], path: Level = (), names: Labels = ()) -> None:
        """Read an object and all levels below; raises `Invalid` if a name is listed twice with different figures."""
        table = self.tables[path]
        below = {step[-1] for step in self.tables if step and step[:-1] == path}
        numbers, unusable = figures(item, table, self.unknown, {*below, *self.known}, ".".join(path))
        row = table.row.model_validate({"figures": numbers, **dict(zip(table.labels, names, strict=True))})
        assert isinstance(row, Figures)
        if self.rows.setdefault(path, {}).setdefault(names, row) != row:
            raise Invalid(f"{'.'.join(path)}: one name is listed twice, with different figures")
        self.objects.append((path, names, item))
        self.rejected += unusable
        for step in sorted(below):
            self._add_below(item.get(step), (*path, step), names)

    def _add_below(self, value: Any, path: Level, names: Labels) -> None:
        if len(self.tables[path].labels) > len(names):
            self._add_list(value, path, names)
        elif isinstance(value, dict):
            self.add(value, path, names)
        else:
            self.rejected += value is not None

    def _add_list(self, items: Any, path: Level, names: Labels) -> None:
        if not isinstance(items, list):
            self.rejected += items is not None
            return
        for item in items:
            if isinstance(item, dict) and isinstance(item.get("name"), str):
                self.add(item, path, (*names, item["name"]))
            else:
                self.rejected += 1

    def with_figures(self) -> list[Row]:
        """The rows that have any figures, by level and name."""
        return [row for path in self.tables for _, row in sorted(self.rows.get(path, {}).items()) if row.figures]
