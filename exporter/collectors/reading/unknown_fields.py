"""Counts fields of responses that this version does not know. Pure."""

import re
from collections.abc import Collection, Mapping
from typing import Any

MOST_NAMES, LONGEST_NAME = 20, 60
OTHER_NAMES = "…"
"""Stands for the names beyond `MOST_NAMES`."""

_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]")


class UnknownFields(dict[str, int]):
    """How many values each unknown field of a response has, by GitHub's name of the field.

    Names are printable and bounded in number and length. No value is kept, and no name from inside an unknown field:
    the keys of an unknown object may be logins.
    """

    def add(self, name: str, values: int = 1) -> None:
        """Count values of a field."""
        if name not in self:
            name = _NO_NAME.sub("?", name[:LONGEST_NAME]) or "?"
            if name not in self and len(self.keys() - {OTHER_NAMES}) >= MOST_NAMES:
                name = OTHER_NAMES
        self[name] = self.get(name, 0) + values

    def take(self, item: Mapping[str, Any], known: Collection[str], place: str = "") -> None:
        """Count the unknown fields of an object; `place` is the object's place in the response.

        Null is not counted. A field has as many values as there are numbers in it, but at least one. An object without
        any known field may be a map by login, so its own name is used instead of its fields'.
        """
        if place and item and known and not any(field in known for field in item):
            self.add(place, max(1, numbers_in(item)))
            return
        for key, value in item.items():
            if key not in known and value is not None:
                name = f"{place}.{key}" if place else key
                self.add(name if len(name) <= LONGEST_NAME else key, max(1, numbers_in(value)))

    def join(self, others: Mapping[str, int]) -> None:
        """Add the counts of another part of the response."""
        for name, values in others.items():
            self.add(name, values)


def numbers_in(value: object) -> int:
    """How many numbers a JSON value contains, at any depth."""
    count, values = 0, [value]
    while values:
        inner = values.pop()
        if isinstance(inner, dict | list):
            values.extend(inner.values() if isinstance(inner, dict) else inner)
        else:
            count += isinstance(inner, int | float) and not isinstance(inner, bool)
    return count
