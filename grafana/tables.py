"""Tables: rows by label, a column for each query, as wide as their texts need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana.fields import PLAIN, Json, Steps, Urls, Words, links, mappings, override, target, thresholds, with_decimals
from grafana.panels import Panel

TEXT = 120
"""Width of a label's column in pixels, if not said otherwise."""
LETTER, PADDING = 8, 28
"""Width of a header's letter, and of what is around the header: a header that is cut says nothing."""
UNITS = {"dateTimeAsIso": 160, "time:YYYY-MM-DD": 110}
"""Widths that a unit's texts need."""
SCREENS = (1280, 1600)
"""Widths of screens on which a table needs no scrolling sideways, if its columns have room on the first."""


@dataclass(frozen=True)
class Label:
    """A text in a table: a label's value under a title. A hidden one is for links only."""

    title: str
    width: int = 0
    """In pixels; 0 is `TEXT`, or as wide as the title needs."""
    words: Words | None = None
    hidden: bool = False


@dataclass(frozen=True)
class Column:
    """A number in a table: a query whose result has the table's labels, or some of them."""

    query: str
    unit: str
    steps: Steps = PLAIN
    words: Words | None = None
    decimals: int | None = None
    bar: bool = False
    """A bar beside the number, up to 1."""
    width: int = 0
    """In pixels; 0 is as wide as the title and the unit need."""


def pixels(width: int, screen: int) -> int:
    """Pixels of a panel that is `width` of 24 columns wide, on a screen of this width."""
    margin, gap, columns = 16, 8, 24
    return int(width * ((screen - 2 * margin + gap) / columns) - gap)


def table(
    title: str,
    description: str,
    labels: Mapping[str, str | Label],
    columns: Mapping[str, Column],
    *,
    sort: str,
    ascending: bool = False,
    width: int = 24,
    height: int = 10,
    links: Urls = (),
    clicks: Mapping[str, Urls] | None = None,
    complete: str = "",
    empty: str = "",
) -> Panel:
    """Rows now: `labels` and the titles of their columns, then `columns`; `clicks` are links by label.

    Rows without a number in the column `complete` are left out: where that column has the largest of many rows only.
    `empty` is said where there is no row.
    """
    texts = {name: Label(one) if isinstance(one, str) else one for name, one in labels.items()}
    names = list(columns)
    several = len(names) > 1
    values = {name: f"Value #{chr(65 + number)}" if several else "Value" for number, name in enumerate(names)}

    def body(filters: Sequence[str]) -> Json:
        shown: Json = {"custom": {"align": "auto", "cellOptions": {"type": "auto"}}, "thresholds": thresholds(PLAIN)}
        return {
            "type": "table",
            "targets": [
                target(one.query, filters, "", number, instant=True, table=True)
                for number, one in enumerate(columns.values())
            ],
            "transformations": [
                *([{"id": "merge", "options": {}}] if several else []),
                *([_only_with(values[complete])] if complete else []),
                {"id": "organize", "options": _organize(texts, values)},
            ],
            "fieldConfig": {
                "defaults": shown | ({"noValue": empty} if empty else {}),
                "overrides": _overrides(texts, columns, clicks or {}, width),
            },
            "options": {
                "showHeader": True,
                "cellHeight": "sm",
                "sortBy": [{"displayName": sort, "desc": not ascending}],
            },
        }

    return Panel(title, description, width, height, body, links)


def _only_with(field: str) -> Json:
    """Leaves out the rows in which a field has no value."""
    has_none = {"fieldName": field, "config": {"id": "isNull", "options": {}}}
    return {"id": "filterByValue", "options": {"filters": [has_none], "type": "exclude", "match": "any"}}


def _organize(texts: Mapping[str, Label], values: Mapping[str, str]) -> Json:
    order = [*texts, *values.values()]
    return {
        "excludeByName": {"Time": True},
        "indexByName": {name: number for number, name in enumerate(order)},
        "renameByName": {
            **{name: one.title for name, one in texts.items()},
            **{field: name for name, field in values.items()},
        },
    }


def _overrides(
    texts: Mapping[str, Label], columns: Mapping[str, Column], clicks: Mapping[str, Urls], width: int
) -> list[Json]:
    found: dict[str, Json] = {one.title: _text(one) for one in texts.values()}
    found |= {name: _number(name, one) for name, one in columns.items()}
    for label, urls in clicks.items():
        found[texts[label].title]["links"] = links(urls)
    needs = {name: one["custom.minWidth"] for name, one in found.items() if "custom.minWidth" in one}
    for name in _wide(needs, width):
        found[name]["custom.width"] = found[name].pop("custom.minWidth")
    # What the panel says where it has no row, it would say in each empty cell, too.
    return [override(name, properties | {"noValue": ""}) for name, properties in found.items()]


def _wide(needs: Mapping[str, int], width: int) -> set[str]:
    """Columns that need more than an equal share: they get what they need, and the others share the rest."""
    total = sum(needs.values())
    available = next((room for screen in SCREENS if (room := pixels(width, screen)) >= total), total)
    wide: set[str] = set()
    while len(rest := needs.keys() - wide) > 1:
        share = (available - sum(needs[name] for name in wide)) / len(rest)
        more = {name for name in rest if needs[name] > share}
        if not more:
            break
        wide |= more
    return wide


def _text(one: Label) -> Json:
    if one.hidden:  # the first until Grafana 11, the second since
        return {"custom.hidden": True, "custom.hideFrom": {"viz": True, "legend": False, "tooltip": False}}
    properties: Json = {"custom.minWidth": one.width or max(TEXT, _header(one.title)), "custom.filterable": True}
    if one.words:
        properties |= {"mappings": mappings(one.words), "custom.cellOptions": {"type": "color-text"}}
    return properties


def _number(name: str, one: Column) -> Json:
    properties: Json = {"unit": one.unit, "thresholds": thresholds(one.steps)} | with_decimals(one.unit, one.decimals)
    least = max(80, UNITS.get(one.unit, 0), 130 if one.bar else 0, _header(name))
    properties["custom.minWidth"] = one.width or least
    if one.words:
        properties["mappings"] = mappings(one.words)
    if one.bar:
        cell = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
        properties |= {"min": 0, "max": 1, "custom.cellOptions": cell}
    elif one.steps != PLAIN or one.words:
        properties["custom.cellOptions"] = {"type": "color-text"}
    return properties


def _header(title: str) -> int:
    return LETTER * len(title) + PADDING
