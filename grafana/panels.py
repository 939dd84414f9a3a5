"""The kinds of panels that the dashboards are made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grafana.queries import select

Json = dict[str, Any]
Steps = Sequence[tuple[float | None, str]]
"""Colours from a value on; the first has no value."""

DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
PLAIN: Steps = ((None, "blue"),)
ANY_IS_BAD: Steps = ((None, "green"), (1, "red"))
ANY_IS_NOTABLE: Steps = ((None, "green"), (1, "orange"))
SHARE_OF_LIMIT: Steps = ((None, "green"), (0.5, "yellow"), (0.8, "orange"), (1, "red"))


@dataclass(frozen=True)
class Panel:
    """A panel without its place; `body` makes Grafana's form once the dashboard's filters are known."""

    title: str
    description: str
    width: int
    height: int
    body: Callable[[Sequence[str]], Json]
    links: Sequence[tuple[str, str]] = ()

    def json(self, filters: Sequence[str]) -> Json:
        """Grafana's form."""
        linked = [{"title": title, "url": url, "targetBlank": False} | LINK for title, url in self.links]
        return {
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "links": linked,
            **self.body(filters),
        }


LINK: Json = {
    "type": "link",
    "icon": "external link",
    "tooltip": "",
    "tags": [],
    "asDropdown": False,
    "includeVars": False,
    "keepTime": False,
}


@dataclass(frozen=True)
class Column:
    """A number in a table: a query whose result has the table's labels."""

    query: str
    unit: str
    steps: Steps = PLAIN
    words: Mapping[str, tuple[str, str]] | None = None
    decimals: int | None = None
    bar: bool = False


def stat(
    title: str,
    description: str,
    query: str,
    unit: str,
    steps: Steps = PLAIN,
    *,
    width: int = 4,
    links: Sequence[tuple[str, str]] = (),
    decimals: int | None = None,
    words: Mapping[str, tuple[str, str]] | None = None,
    legend: str = "",
) -> Panel:
    """One number (or one per series, if `legend` names them), now."""

    def body(filters: Sequence[str]) -> Json:
        return {
            "type": "stat",
            "targets": [_target(query, filters, legend, instant=True)],
            "fieldConfig": {"defaults": _defaults(unit, steps, decimals, words), "overrides": []},
            "options": {
                "colorMode": "value",
                "graphMode": "none",
                "justifyMode": "auto",
                "orientation": "auto",
                "textMode": "auto" if legend else "value",
                "wideLayout": True,
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            },
        }

    return Panel(title, description, width, 4, body, links)


def timeseries(
    title: str,
    description: str,
    queries: Mapping[str, str],
    unit: str,
    steps: Steps = PLAIN,
    *,
    width: int = 12,
    height: int = 8,
    stacked: bool = False,
    highest: float | None = None,
    links: Sequence[tuple[str, str]] = (),
    clicks: Sequence[tuple[str, str]] = (),
    decimals: int | None = None,
) -> Panel:
    """Lines over time; `queries` by legend, `links` at the panel, `clicks` at each line."""

    def body(filters: Sequence[str]) -> Json:
        defaults = _defaults(unit, steps, decimals, None)
        defaults |= {"min": 0} if highest is None else {"min": 0, "max": highest}
        defaults["color"] = {"mode": "palette-classic"}
        defaults["links"] = [{"title": name, "url": url, "targetBlank": False} for name, url in clicks]
        defaults["custom"] = {
            "drawStyle": "line",
            "lineInterpolation": "stepAfter",
            "lineWidth": 1,
            "fillOpacity": 25 if stacked else 8,
            "showPoints": "auto",
            "spanNulls": 3_600_000,  # an hour: collectors ask that seldom
            "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "off" if steps == PLAIN else "dashed"},
        }
        return {
            "type": "timeseries",
            "targets": [
                _target(query, filters, legend, number) for number, (legend, query) in enumerate(queries.items())
            ],
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": {
                "legend": {
                    "showLegend": True,
                    "displayMode": "table",
                    "placement": "bottom",
                    "calcs": ["lastNotNull", "max"],
                },
                "tooltip": {"mode": "multi", "sort": "desc"},
            },
        }

    return Panel(title, description, width, height, body, links)


def bars(
    title: str,
    description: str,
    query: str,
    legend: str,
    unit: str,
    *,
    steps: Steps = PLAIN,
    width: int = 12,
    height: int = 8,
    highest: float | None = None,
    links: Sequence[tuple[str, str]] = (),
    clicks: Sequence[tuple[str, str]] = (),
    decimals: int | None = None,
) -> Panel:
    """One bar per series, now; the query sorts them."""

    def body(filters: Sequence[str]) -> Json:
        defaults = _defaults(unit, steps, decimals, None)
        defaults |= {"min": 0} if highest is None else {"min": 0, "max": highest}
        defaults["links"] = [{"title": name, "url": url, "targetBlank": False} for name, url in clicks]
        return {
            "type": "bargauge",
            "targets": [_target(query, filters, legend, instant=True)],
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": {
                "orientation": "horizontal",
                "displayMode": "basic",
                "valueMode": "color",
                "namePlacement": "auto",
                "showUnfilled": True,
                "sizing": "auto",
                "minVizWidth": 8,
                "minVizHeight": 16,
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            },
        }

    return Panel(title, description, width, height, body, links)


def timeline(
    title: str,
    description: str,
    query: str,
    legend: str,
    words: Mapping[str, tuple[str, str]],
    *,
    width: int = 24,
    height: int = 12,
    clicks: Sequence[tuple[str, str]] = (),
) -> Panel:
    """A coloured band per series: which of the states in `words` it was in, and when."""

    def body(filters: Sequence[str]) -> Json:
        defaults = _defaults("none", ANY_IS_BAD, None, words)
        defaults["links"] = [{"title": name, "url": url, "targetBlank": False} for name, url in clicks]
        defaults["custom"] = {"fillOpacity": 80, "lineWidth": 0}
        return {
            "type": "state-timeline",
            "targets": [_target(query, filters, legend)],
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": {
                "alignValue": "left",
                "mergeValues": True,
                "rowHeight": 0.8,
                "showValue": "never",
                "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
                "tooltip": {"mode": "single", "sort": "none"},
            },
        }

    return Panel(title, description, width, height, body)


def table(
    title: str,
    description: str,
    labels: Mapping[str, str],
    columns: Mapping[str, Column],
    *,
    sort: str,
    ascending: bool = False,
    width: int = 24,
    height: int = 10,
    links: Sequence[tuple[str, str]] = (),
    clicks: Mapping[str, Sequence[tuple[str, str]]] | None = None,
) -> Panel:
    """Rows now: `labels` and how their columns are called, then `columns`; `clicks` are links by label."""

    def body(filters: Sequence[str]) -> Json:
        names = list(columns)
        several = len(names) > 1
        fields = {f"Value #{chr(65 + number)}" if several else "Value": name for number, name in enumerate(names)}
        order = [*labels, *fields]
        organize: Json = {
            "excludeByName": {"Time": True},
            "indexByName": {name: number for number, name in enumerate(order)},
            "renameByName": {**labels, **fields},
        }
        linked = {labels[label]: urls for label, urls in (clicks or {}).items()}
        defaults = _defaults("short", PLAIN, None, None)
        defaults["custom"] = {"align": "auto", "filterable": True, "cellOptions": {"type": "auto"}}
        return {
            "type": "table",
            "targets": [
                _target(one.query, filters, "", number, instant=True, table=True)
                for number, one in enumerate(columns.values())
            ],
            "transformations": [
                *([{"id": "merge", "options": {}}] if several else []),
                {"id": "organize", "options": organize},
            ],
            "fieldConfig": {
                "defaults": defaults,
                "overrides": [
                    *(_override(name, _column(one)) for name, one in columns.items()),
                    *(_override(name, {"links": _links(urls)}) for name, urls in linked.items()),
                ],
            },
            "options": {
                "showHeader": True,
                "cellHeight": "sm",
                "sortBy": [{"displayName": sort, "desc": not ascending}],
            },
        }

    return Panel(title, description, width, height, body, links)


def _links(urls: Sequence[tuple[str, str]]) -> list[Json]:
    return [{"title": name, "url": url, "targetBlank": False} for name, url in urls]


def _column(one: Column) -> Json:
    """Properties of a table's column."""
    properties: Json = {"unit": one.unit, "thresholds": _thresholds(one.steps)}
    if one.decimals is not None:
        properties["decimals"] = one.decimals
    if one.words:
        properties["mappings"] = _mappings(one.words)
    if one.bar:
        properties |= {"min": 0, "custom.cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}}
    elif one.steps != PLAIN or one.words:
        properties["custom.cellOptions"] = {"type": "color-text"}
    return properties


def _override(name: str, properties: Json) -> Json:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


def _target(
    query: str, filters: Sequence[str], legend: str, number: int = 0, *, instant: bool = False, table: bool = False
) -> Json:
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


def _thresholds(steps: Steps) -> Json:
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


def _mappings(words: Mapping[str, tuple[str, str]]) -> list[Json]:
    """Words and colours in place of numbers."""
    options = {
        value: {"text": text, "color": color, "index": number}
        for number, (value, (text, color)) in enumerate(words.items())
    }
    return [{"type": "value", "options": options}]


def _defaults(unit: str, steps: Steps, decimals: int | None, words: Mapping[str, tuple[str, str]] | None) -> Json:
    found: Json = {
        "unit": unit,
        "color": {"mode": "thresholds"},
        "thresholds": _thresholds(steps),
        "mappings": _mappings(words) if words else [],
    }
    return found if decimals is None else found | {"decimals": decimals}
