"""What all kinds of panels have: queries, units, decimals, thresholds, words for values, links."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from grafana.queries import select

Json = dict[str, Any]
Steps = Sequence[tuple[float | None, str]]
"""Colours from a value on; the first has no value."""
Words = Mapping[str, tuple[str, str]]
"""A text and a colour in place of a value."""
Urls = Sequence[tuple[str, str]]
"""Links as title and address."""

DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
PLAIN: Steps = ((None, "blue"),)
ANY_IS_BAD: Steps = ((None, "green"), (1, "red"))
ANY_IS_NOTABLE: Steps = ((None, "green"), (1, "orange"))
SHARE_OF_LIMIT: Steps = ((None, "green"), (0.5, "yellow"), (0.8, "orange"), (1, "red"))
REFUSED_SHARE: Steps = ((None, "green"), (0.001, "yellow"), (0.01, "orange"), (0.05, "red"))
DAY = "time:YYYY-MM-DD"
"""Unit of a timestamp in milliseconds of which only the day matters."""
DECIMALS: Mapping[str, int] = MappingProxyType({"currencyUSD": 1, "locale": 0, "h": 1})
"""Decimals of a unit unless a panel chooses others. `short` has none: with 0 an axis says "1 K, 2 K, 2 K, 3 K"."""


def target(
    query: str, filters: Sequence[str], legend: str, number: int = 0, *, instant: bool = False, table: bool = False
) -> Json:
    """A query of a panel, with the dashboard's filters in it."""
    return {
        "refId": chr(65 + number),
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": select(query, filters),
        "legendFormat": legend or "__auto",
        "format": "table" if table else "time_series",
        "instant": instant,
        "range": not instant,
    }


def defaults(unit: str, steps: Steps, decimals: int | None, words: Words | None = None) -> Json:
    """How a panel's numbers are shown."""
    found: Json = {
        "unit": unit,
        "color": {"mode": "thresholds"},
        "thresholds": thresholds(steps),
        "mappings": mappings(words) if words else [],
    }
    return found | with_decimals(unit, decimals)


def with_decimals(unit: str, decimals: int | None) -> Json:
    """The property `decimals`, if a number is chosen or the unit has one."""
    chosen = DECIMALS.get(unit) if decimals is None else decimals
    return {} if chosen is None else {"decimals": chosen}


def thresholds(steps: Steps) -> Json:
    """Grafana's form of colours from a value on."""
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


def mappings(words: Words) -> list[Json]:
    """Words and colours in place of values."""
    options = {
        value: {"text": text, "color": color, "index": number}
        for number, (value, (text, color)) in enumerate(words.items())
    }
    return [{"type": "value", "options": options}]


def links(urls: Urls) -> list[Json]:
    """Links of a value."""
    return [{"title": title, "url": url, "targetBlank": False} for title, url in urls]


def override(name: str, properties: Json) -> Json:
    """What differs for the series or column of this name."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }
