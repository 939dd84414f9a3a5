"""The kinds of panels that the dashboards are made of; tables are in `tables`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from grafana.fields import (
    ANY_IS_BAD,
    ANY_IS_NOTABLE,
    DATASOURCE,
    PLAIN,
    Json,
    Steps,
    Urls,
    Words,
    defaults,
    override,
    target,
)
from grafana.fields import links as _links

FEW = 4
"""So many lines need no table as legend."""
WIDE = 20
"""In panels from this width on a legend stands on the right."""


@dataclass(frozen=True)
class Panel:
    """A panel without its place; `body` makes Grafana's form once the dashboard's filters are known."""

    title: str
    description: str
    width: int
    height: int
    body: Callable[[Sequence[str]], Json]
    links: Urls = ()

    def json(self, filters: Sequence[str]) -> Json:
        """Grafana's form."""
        return {
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "links": [one | LINK for one in _links(self.links)],
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


def stat(
    title: str,
    description: str,
    query: str,
    unit: str,
    steps: Steps = PLAIN,
    *,
    width: int = 4,
    links: Urls = (),
    decimals: int | None = None,
    words: Words | None = None,
    legend: str = "",
    empty: str = "",
) -> Panel:
    """One number (or one per series, if `legend` names them), now; `empty` is said where there is none."""

    def body(filters: Sequence[str]) -> Json:
        shown = defaults(unit, steps, decimals, words) | ({"noValue": empty} if empty else {})
        return {
            "type": "stat",
            "targets": [target(query, filters, legend, instant=True)],
            "fieldConfig": {"defaults": shown, "overrides": []},
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
    lowest: float | None = 0,
    links: Urls = (),
    clicks: Urls = (),
    decimals: int | None = None,
    since: str = "",
    interval: str = "",
    dashed: Sequence[str] = (),
    colors: Mapping[str, str] | None = None,
    empty: str = "",
) -> Panel:
    """Lines over time; `queries` by legend, `links` at the panel, `clicks` at each line.

    `since` is a range of its own, such as `30d`; `interval` the shortest time between two points; `dashed` are the
    legends of lines that are limits, not measured; `colors` are by legend; `empty` is said where there is no line.
    """
    fixed = colors or {}

    def body(filters: Sequence[str]) -> Json:
        shown = defaults(unit, steps, decimals)
        shown |= {name: value for name, value in (("min", lowest), ("max", highest)) if value is not None}
        shown |= {"noValue": empty} if empty else {}
        shown["color"] = {"mode": "palette-classic"}
        shown["links"] = _links(clicks)
        shown["custom"] = {
            "drawStyle": "line",
            "lineInterpolation": "stepAfter",
            "lineWidth": 1,
            "fillOpacity": 25 if stacked else 0,
            "showPoints": "auto",
            "spanNulls": 3_600_000,  # an hour: collectors ask that seldom
            "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
            # A line at 1 would lie on the axis.
            "thresholdsStyle": {"mode": "off" if steps in (PLAIN, ANY_IS_BAD, ANY_IS_NOTABLE) else "dashed"},
        }
        return {
            "type": "timeseries",
            **({"timeFrom": since} if since else {}),
            **({"interval": interval} if interval else {}),
            "targets": [
                target(query, filters, legend, number) for number, (legend, query) in enumerate(queries.items())
            ],
            "fieldConfig": {
                "defaults": shown,
                "overrides": [
                    *(override(name, LIMIT) for name in dashed),
                    *(
                        override(name, {"color": {"mode": "fixed", "fixedColor": color}})
                        for name, color in fixed.items()
                    ),
                ],
            },
            "options": {"legend": _legend(queries, width), "tooltip": {"mode": "multi", "sort": "desc"}},
        }

    return Panel(title, description, width, height, body, links)


LIMIT: Json = {
    "custom.lineStyle": {"fill": "dash", "dash": [10, 10]},
    "custom.stacking": {"mode": "none", "group": "B"},
    "custom.fillOpacity": 0,
    "color": {"mode": "fixed", "fixedColor": "text"},
}
"""A line that is a limit, not measured: dashed, grey, in no stack."""


def _legend(queries: Mapping[str, str], width: int) -> Json:
    """A list of a few lines, else a table with the largest first: only some rows are in sight."""
    labels = {part.partition("}}")[0] for legend in queries for part in legend.split("{{")[1:]}
    if len(queries) <= FEW and labels <= {"enterprise"}:
        return {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": ["lastNotNull"]}
    return {
        "showLegend": True,
        "displayMode": "table",
        "placement": "right" if width >= WIDE else "bottom",
        "calcs": ["lastNotNull", "max"],
        "sortBy": "Last *",
        "sortDesc": True,
    }


def bars(
    title: str,
    description: str,
    queries: Mapping[str, str],
    unit: str,
    *,
    steps: Steps = PLAIN,
    width: int = 12,
    height: int = 8,
    highest: float | None = None,
    links: Urls = (),
    clicks: Urls = (),
    decimals: int | None = None,
    names: Mapping[str, str] | None = None,
) -> Panel:
    """One bar per series, now; `queries` by legend, and a query sorts its series. `names` are texts for legends."""

    def body(filters: Sequence[str]) -> Json:
        shown = defaults(unit, steps, decimals)
        shown |= {"min": 0} if highest is None else {"min": 0, "max": highest}
        shown["links"] = _links(clicks)
        return {
            "type": "bargauge",
            "targets": [
                target(query, filters, legend, number, instant=True)
                for number, (legend, query) in enumerate(queries.items())
            ],
            "fieldConfig": {
                "defaults": shown,
                "overrides": [override(name, {"displayName": text}) for name, text in (names or {}).items()],
            },
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
    words: Words,
    *,
    width: int = 24,
    height: int = 12,
    clicks: Urls = (),
    empty: str = "",
) -> Panel:
    """A coloured band per series: which of the states in `words` it was in, and when."""

    def body(filters: Sequence[str]) -> Json:
        shown = defaults("none", ANY_IS_BAD, None, words) | ({"noValue": empty} if empty else {})
        shown["links"] = _links(clicks)
        shown["custom"] = {"fillOpacity": 80, "lineWidth": 0}
        return {
            "type": "state-timeline",
            "targets": [target(query, filters, legend)],
            "fieldConfig": {"defaults": shown, "overrides": []},
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
