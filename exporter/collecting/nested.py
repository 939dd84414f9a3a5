"""From an object that holds lists of named objects, which hold lists again, to rows: a table for each place.

A row's labels are the names that lead to it. What stands at different places never meets in one table, so that totals
and parts stay apart.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter.catalogue import Figures, Labels, Row, Table
from exporter.collecting.reading import figures, is_number
from exporter.github.errors import Invalid

Path = tuple[str, ...]
"""Where something stands: `("copilot_ide_chat", "editors", "models")`; `()` is the outermost object."""


@dataclass(slots=True)
class Found:
    """What an object holds: its objects and rows by place and names, and how many values are unusable or unknown."""

    tables: Mapping[Path, Table]
    rows: dict[Path, dict[Labels, Figures]] = field(default_factory=dict)
    objects: list[tuple[Path, Labels, dict[str, Any]]] = field(default_factory=list)
    rejected: int = 0

    def take(self, item: dict[str, Any], path: Path = (), names: Labels = ()) -> None:
        """Read an object with all below; `Invalid` if a name stands twice in a list with different figures."""
        table = self.tables[path]
        numbers, unusable = figures(item, table)
        row = table.row.model_validate({"figures": numbers, **dict(zip(table.labels, names, strict=True))})
        assert isinstance(row, Figures)
        if self.rows.setdefault(path, {}).setdefault(names, row) != row:
            raise Invalid(f"{'.'.join(path)}: one name stands there twice, with different figures")
        self.objects.append((path, names, item))
        self.rejected += unusable
        for step, value in item.items():
            below = (*path, step)
            if below not in self.tables:
                self.rejected += _numbers_in(value)
            elif len(self.tables[below].labels) > len(names):
                self._take_list(value, below, names)
            elif isinstance(value, dict):
                self.take(value, below, names)
            else:
                self.rejected += odd(value)

    def _take_list(self, items: Any, path: Path, names: Labels) -> None:
        if not isinstance(items, list):
            self.rejected += odd(items)
            return
        for item in items:
            if isinstance(item, dict) and isinstance(item.get("name"), str):
                self.take(item, path, (*names, item["name"]))
            else:
                self.rejected += 1

    def told(self) -> list[Row]:
        """The rows that have any figures, by place and name."""
        return [row for path in self.tables for _, row in sorted(self.rows.get(path, {}).items()) if row.figures]


def odd(value: Any) -> bool:
    """Whether something unusable stands where an object, a list or a word should; numbers are counted by `figures`."""
    return value is not None and not is_number(value)


def _numbers_in(value: Any) -> int:
    """How many numbers are in an object or array of which we know nothing."""
    below: Iterator[Any] = iter(value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
    return sum(_numbers_in(one) + is_number(one) for one in below)
