"""A dashboard: variables, links to all other dashboards, and rows of panels that are laid out by their widths."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from grafana.fields import DATASOURCE
from grafana.links import OF_HOURS, UIDS, title
from grafana.panels import Panel
from grafana.queries import select

Json = dict[str, Any]
WIDTH = 24
OF_THE_TARGET = ("job", "instance")


@dataclass(frozen=True)
class Variable:
    """A choice at the top of the dashboard; its name is the label that it filters.

    `query` is what Grafana asks Prometheus for the choices. `every` is the regular expression of "All"; without it
    there is one choice at a time. `typed` is a number to type, and nothing is asked. What is `hidden` comes with links.
    """

    name: str
    label: str
    query: str = ""
    every: str = ".*"
    regex: str = ""
    newest_first: bool = False
    typed: str = ""
    description: str = ""
    hidden: bool = False

    @property
    def filters(self) -> bool:
        """Whether it filters every metric that has the label."""
        return bool(self.every) and not self.typed

    def json(self, before: Sequence[str]) -> Json:
        """Grafana's form; the variables `before` this one narrow its choices."""
        common: Json = {"name": self.name, "label": self.label, "description": self.description}
        common["hide"] = 2 if self.hidden else 0
        if self.typed:
            chosen = {"text": self.typed, "value": self.typed, "selected": True}
            return common | {"type": "textbox", "query": self.typed, "current": chosen, "options": [chosen]}
        found = {
            "type": "query",
            "datasource": DATASOURCE,
            "query": self.query if self.name in OF_THE_TARGET else select(self.query, before),
            "refresh": 2,
            "regex": self.regex,
            "sort": 2 if self.newest_first else 1,
            "multi": bool(self.every),
            "includeAll": bool(self.every),
        }
        if self.every:
            found |= {"allValue": self.every, "current": {"text": ["All"], "value": ["$__all"], "selected": True}}
        return common | found


def choices(name: str, label: str, metric: str, **more: Any) -> Variable:
    """A variable whose choices are a label's values."""
    return Variable(name, label, f"label_values({metric}, {name})", **more)


SOURCE: Json = {
    "type": "datasource",
    "name": "datasource",
    "label": "Data source",
    "description": "The Prometheus that scrapes the exporter.",
    "query": "prometheus",
    "refresh": 1,
    "hide": 0,
    "multi": False,
    "includeAll": False,
}
JOB = Variable("job", "Job", "label_values(github_exporter_build_info, job)", ".+")
INSTANCE = Variable("instance", "Instance", 'label_values(github_exporter_build_info{job=~"$job"}, instance)', ".+")


@dataclass(frozen=True)
class Row:
    """Panels under a heading, as wide and as high as each says."""

    title: str
    panels: Sequence[Panel]
    collapsed: bool = False


@dataclass(frozen=True)
class Mark:
    """A mark in graphs while `query` has a value; in those called `panels`, or in all.

    `title` and `text` are shown at the mark and may hold `{{label}}`; `name` is what switches the marks off, unless
    they are `always` there.
    """

    name: str
    query: str
    title: str
    text: str = ""
    step: str = "1h"
    color: str = "orange"
    always: bool = True
    panels: Sequence[str] = ()

    def json(self, filters: Sequence[str], panels: Sequence[Json]) -> Json:
        """Grafana's form; the keys from `expr` on are those of its Prometheus data source."""
        ids = [panel["id"] for panel in panels if panel["title"] in self.panels]
        return {
            "datasource": DATASOURCE,
            "enable": True,
            "hide": self.always,
            "iconColor": self.color,
            "name": self.name,
            **({"filter": {"exclude": False, "ids": ids}} if ids else {}),
            "expr": select(self.query, filters),
            "step": self.step,
            "titleFormat": self.title,
            "textFormat": self.text,
        }


FIRES = 'ALERTS{alertstate="firing", alertname=~"Github.*", job=~"$job|"}'
BEGINS = Mark(
    "Alerts",
    f"{FIRES} unless {FIRES} offset 5m",
    "{{alertname}} begins to fire",
    "{{severity}} {{organization}} {{enterprise}} {{account}} {{appliance}} {{collector}} {{target}} {{subject_name}}",
    step="5m",
    color="red",
    always=False,
)
"""A mark where one of our alerts begins. Alerts without a job are about exporters that are not there."""


@dataclass(frozen=True)
class Board:
    """One dashboard; `name` is its file's name."""

    name: str
    title: str
    description: str
    variables: Sequence[Variable]
    rows: Sequence[Row]
    since: str = "now-24h"
    marks: Sequence[Mark] = ()
    by_instance: bool = False
    """Whether the instance is chosen here; elsewhere a choice comes with links."""
    tags: Sequence[str] = field(default=("github", "github-enterprise-exporter"))

    def text(self) -> str:
        """The file's text."""
        return json.dumps(self.json(), indent=1, ensure_ascii=False) + "\n"

    def json(self) -> Json:
        """Grafana's classic form, as 10.4 writes it; later versions convert it."""
        panels = list(self._panels())
        everything = [*panels, *(one for row in panels for one in row.get("panels", []))]
        return {
            "uid": UIDS[self.name],
            "title": self.title,
            "description": self.description,
            "tags": list(self.tags),
            "schemaVersion": 39,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "1m",
            "time": {"from": self.since, "to": "now"},
            "timezone": "utc",
            "fiscalYearStartMonth": 0,
            "annotations": {"list": [mark.json(self._filters, everything) for mark in (BEGINS, *self.marks)]},
            "links": [self._link(name) for name in UIDS if name != self.name],
            "templating": {"list": [SOURCE, *self._variables()]},
            "panels": panels,
        }

    @property
    def _filters(self) -> list[str]:
        return [one.name for one in self.variables if one.filters]

    def _variables(self) -> Iterator[Json]:
        before: list[str] = []
        for one in (JOB, replace(INSTANCE, hidden=not self.by_instance), *self.variables):
            yield one.json(before)
            if one.filters and one.name not in OF_THE_TARGET:
                before.append(one.name)

    def _link(self, name: str) -> Json:
        return {
            "title": title(name),
            "type": "link",
            "icon": "dashboard",
            "tooltip": "",
            "url": f"/d/{UIDS[name]}",
            "tags": [],
            "asDropdown": False,
            "targetBlank": False,
            "includeVars": True,
            "keepTime": {name, self.name} <= OF_HOURS,
        }

    def _panels(self) -> Iterator[Json]:
        number, top = 0, 0
        for row in self.rows:
            number += 1
            heading: Json = {"id": number, "type": "row", "title": row.title, "collapsed": row.collapsed, "panels": []}
            heading["gridPos"] = {"x": 0, "y": top, "w": WIDTH, "h": 1}
            inside, height = _placed(row.panels, self._filters, number + 1, top + 1)
            number += len(inside)
            top += 1 if row.collapsed else 1 + height
            yield heading | ({"panels": inside} if row.collapsed else {})
            if not row.collapsed:
                yield from inside


def _placed(panels: Sequence[Panel], filters: Sequence[str], number: int, top: int) -> tuple[list[Json], int]:
    """The panels from left to right, in as many lines as they need, and the height of all."""
    placed: list[Json] = []
    start, left, height = top, 0, 0
    for panel in panels:
        if left + panel.width > WIDTH:
            left, top, height = 0, top + height, 0
        at = {"x": left, "y": top, "w": panel.width, "h": panel.height}
        placed.append(panel.json(filters) | {"id": number + len(placed), "gridPos": at})
        left, height = left + panel.width, max(height, panel.height)
    return placed, top + height - start
