"""The Grafana dashboards: as generated, by the linter's rules and Grafana's types, every query asked of the demo."""

import json
import math
import re
import time
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema
import promql_parser
import pytest
import yaml

from exporter.exposition.store import Store
from exporter.serving.self_metrics import SelfMetrics
from grafana.boards import BOARDS, FOLDER
from grafana.links import RUNBOOKS
from grafana.queries import CONSTANTS, LABELS
from tests.support.dashboards import FILES, Json, panels
from tests.support.harness import Prometheus, get, until

ROOT = FOLDER.parent
SCHEMA = json.loads((ROOT / "schema" / "dashboard.schema.json").read_text())
EMPTY = dict(
    line.split(": ", 1) for line in (ROOT / "empty-on-purpose.yaml").read_text().splitlines() if line and line[0] != "#"
)
RECORDED = {
    rule["record"]
    for path in (ROOT.parent / "deploy" / "prometheus").glob("*.yaml")
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
    if "record" in rule
}
OWN = {
    name + suffix
    for name, kind, _ in SelfMetrics(Store(0.0), {}).families()
    for suffix in (("_bucket", "_sum", "_count") if kind == "histogram" else ("",))
}
OF_PROMETHEUS_ITSELF = {"ALERTS", "ALERTS_FOR_STATE"}
OF_PROMETHEUS = {"expr", "step", "titleFormat", "textFormat"}
"""Keys of an annotation that Grafana's Prometheus data source reads, and Grafana's own types do not know."""
OF_THE_REFUSED = {f"caller:github_api_insights_rate_limited_requests:increase{hours}h" for hours in (1, 6)}
"""Recorded only of callers who were refused: in the night's first hours the demo has none."""
RATE_INTERVAL = "1m"
"""Grafana's $__rate_interval: four scrape intervals of 15 s, or a step and a scrape interval if that is more."""
# Those that we use of https://github.com/grafana/grafana/blob/main/packages/grafana-data/src/valueFormats/categories.ts
UNITS = {"none", "short", "locale", "percentunit", "currencyUSD", "s", "h", "bytes", "dateTimeAsIso", "time:YYYY-MM-DD"}

board = pytest.mark.parametrize("name", FILES)


def variables(dashboard: Json, kind: str = "query") -> list[Json]:
    return [one for one in dashboard["templating"]["list"] if one["type"] == kind]


def constant(query: str) -> str:
    """The query as it can be parsed: the macros and typed numbers are numbers, `$label` stands in its quotes."""
    query = query.replace("$__rate_interval", "11d").replace("$__range", "1h")
    return re.sub(r"\$\w+_limit|\$budget|\$seat_price", "1", query)


def nodes(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Every node of a parsed query with what it stands in, the outermost first."""
    yield node, above
    below = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "vector_selector", "param")]
    for one in (*below, *getattr(node, "args", ())):
        if one is not None:
            yield from nodes(one, (*above, node))


def selectors(query: str) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    for node, above in nodes(promql_parser.parse(constant(query))):
        if isinstance(node, promql_parser.VectorSelector):
            yield node, above


def asked(dashboard: Json) -> Iterator[str]:
    """Every query of panels and variables; of `label_values(query, label)` and `query_result(query)` the query."""
    for panel in panels(dashboard):
        yield from (target["expr"] for target in panel["targets"])
    for one in variables(dashboard):
        yield within(one["query"])


def within(query: str) -> str:
    found = re.fullmatch(r"label_values\((.+), \w+\)|query_result\((.+)\)", query)
    assert found, query
    return found[1] or found[2]


def test_the_committed_files_are_what_is_generated() -> None:
    assert set(FILES) == {one.name for one in BOARDS}
    for one in BOARDS:
        assert (FOLDER / f"{one.name}.json").read_text() == one.text(), f"{one.name}: run python -m grafana"


# The rules of https://github.com/grafana/dashboard-linter/tree/main/docs/rules, one after another.


@board
def test_template_datasource_rule(name: str) -> None:
    (source,) = variables(FILES[name], "datasource")
    assert (source["name"], source["label"], source["query"]) == ("datasource", "Data source", "prometheus")


@board
@pytest.mark.parametrize("label", ["job", "instance"])
def test_template_job_and_instance_rules(name: str, label: str) -> None:
    (found,) = [one for one in variables(FILES[name]) if one["name"] == label]
    assert found["datasource"]["uid"] == "${datasource}"
    assert (found["label"], found["multi"], found["includeAll"], found["allValue"]) == (label.title(), True, True, ".+")


@board
def test_template_label_promql_rule(name: str) -> None:
    for one in variables(FILES[name]):
        assert promql_parser.parse(constant(within(one["query"])))


@board
def test_template_on_time_change_reload_rule(name: str) -> None:
    assert all(one["refresh"] == 2 for one in variables(FILES[name]))


@board
def test_template_unused_rule(name: str) -> None:
    queries = " ".join(target["expr"] for panel in panels(FILES[name]) for target in panel["targets"])
    for one in (*variables(FILES[name]), *variables(FILES[name], "textbox")):
        assert re.search(rf"\${one['name']}\b", queries), one["name"]


@board
def test_panel_datasource_rule(name: str) -> None:
    for panel in panels(FILES[name]):
        assert {one["datasource"]["uid"] for one in (panel, *panel["targets"])} == {"${datasource}"}


@board
def test_panel_title_description_rule(name: str) -> None:
    found = list(panels(FILES[name]))
    assert not [panel["title"] for panel in found if not panel["title"] or not panel["description"].endswith(".")]
    assert len({panel["title"] for panel in found}) == len(found), "titles tell panels apart"


@board
def test_panel_units_rule(name: str) -> None:
    for panel in panels(FILES[name]):
        config = panel["fieldConfig"]
        units = [one["value"] for each in config["overrides"] for one in each["properties"] if one["id"] == "unit"]
        units += [config["defaults"]["unit"]] if panel["type"] != "table" else []
        assert units, panel["title"]
        assert set(units) <= UNITS, panel["title"]


@board
def test_panel_no_targets_rule(name: str) -> None:
    assert all(panel["targets"] for panel in panels(FILES[name]))


@board
def test_target_promql_rule(name: str) -> None:
    for query in asked(FILES[name]):
        assert promql_parser.parse(constant(query))


@board
def test_target_rate_interval_rule(name: str) -> None:
    """A rate is over $__rate_interval; an increase is over what its panel says: the hour, or the time selected."""
    for query in asked(FILES[name]):
        for node, above in nodes(promql_parser.parse(constant(query))):
            if isinstance(node, promql_parser.MatrixSelector):
                function, days = above[-1].func.name, node.range.days
                assert (days == 11) == (function in {"rate", "irate"}), query


@board
def test_target_job_and_instance_rules(name: str) -> None:
    """Of panels, and of all variables but these two."""
    of_the_target = [within(one["query"]) for one in variables(FILES[name]) if one["name"] in {"job", "instance"}]
    for query in set(asked(FILES[name])) - set(of_the_target):
        for node, _ in selectors(query):
            matchers = {one.name: one.value for one in node.matchers.matchers if one.op == promql_parser.MatchOp.Re}
            if node.name in RECORDED:  # without an instance: rules keep one of what all replicas say
                assert matchers.get("job") == (None if node.name in CONSTANTS else "$job"), query
            elif node.name not in OF_PROMETHEUS_ITSELF:
                assert (matchers.get("job"), matchers.get("instance")) == ("$job", "$instance"), query


@board
def test_target_counter_agg_rule(name: str) -> None:
    """Of panels; a variable only asks which series there are."""
    for query in (target["expr"] for panel in panels(FILES[name]) for target in panel["targets"]):
        for node, above in selectors(query):
            if node.name.endswith(("_total", "_bucket")):
                assert isinstance(above[-1], promql_parser.MatrixSelector), query
                assert above[-2].func.name in {"rate", "irate", "increase"}, query


@board
def test_target_histogram_rule(name: str) -> None:
    for query in asked(FILES[name]):
        for node, above in selectors(query):
            if node.name.endswith("_bucket"):
                calls = [one.func.name for one in above if isinstance(one, promql_parser.Call)]
                assert "histogram_quantile" in calls, query


@board
def test_uneditable_rule(name: str) -> None:
    assert FILES[name]["editable"] is False


# Ours.


@board
def test_every_metric_is_in_the_catalogue_or_recorded(name: str) -> None:
    names = {node.name for query in asked(FILES[name]) for node, _ in selectors(query)}
    assert names <= {*LABELS, *OWN, *RECORDED, *OF_PROMETHEUS_ITSELF}


@board
def test_a_dashboard_is_valid_by_grafanas_own_types(name: str) -> None:
    marks = [{key: mark[key] for key in mark.keys() - OF_PROMETHEUS} for mark in FILES[name]["annotations"]["list"]]
    _valid({**FILES[name], "annotations": {"list": marks}}, "dashboard")
    for panel in panels(FILES[name]):
        _valid(panel["options"], "options", panel["type"])
        if custom := panel["fieldConfig"]["defaults"].get("custom"):
            _valid(custom, "custom", panel["type"])


def _valid(value: Any, *path: str) -> None:
    node = SCHEMA
    for name in path:
        node = node["properties"][name]
    jsonschema.Draft7Validator({**node, "definitions": SCHEMA["definitions"]}).validate(value)


def test_copilots_boards_mark_the_days_from_which_github_counts_differently(complete: Prometheus) -> None:
    assert FILES["copilot-people"]["annotations"] == FILES["copilot"]["annotations"]
    section = (
        (ROOT.parent / "docs" / "copilot.md").read_text().partition("## Levels that move")[2].partition("\n## ")[0]
    )
    days = re.findall(r"^\| (\d{4}-\d\d-\d\d) \|", section, re.MULTILINE)
    marks = [mark for mark in FILES["copilot"]["annotations"]["list"] if mark["name"] != "Alerts"]
    begins = [datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() for day in days]
    assert [re.findall(r"== (\d+)", mark["expr"]) for mark in marks] == [[f"{begin:.0f}"] * 2 for begin in begins]
    for mark in marks:
        shown = as_grafana(re.sub(r"== \d+", "> 0", mark["expr"]), FILES["copilot"], complete)
        assert complete.query(shown), "a mark while the figures of its day are shown"
    on_overview = FILES["overview"]["annotations"]["list"][1:]
    (graph,) = [panel["id"] for panel in panels(FILES["overview"]) if panel["title"] == "Who uses Copilot"]
    assert [mark["name"] for mark in on_overview] == [mark["name"] for mark in marks]
    assert all(mark["filter"] == {"exclude": False, "ids": [graph]} for mark in on_overview)


def test_the_schema_refuses_what_grafana_does_not_know() -> None:
    for change in ({"uuid": "x"}, {"graphTooltip": 7}, {"time": {"from": 1, "to": 2}}):
        with pytest.raises(jsonschema.ValidationError):
            _valid({**FILES["overview"], **change}, "dashboard")
    with pytest.raises(jsonschema.ValidationError):
        _valid({"colorMode": "loud"}, "options", "stat")


@board
def test_panels_have_thresholds_and_a_place_of_their_own(name: str) -> None:
    dashboard = FILES[name]
    everything = [*dashboard["panels"], *(one for row in dashboard["panels"] for one in row.get("panels", []))]
    assert len({panel["id"] for panel in everything}) == len(everything)
    assert all(panel["fieldConfig"]["defaults"]["thresholds"]["steps"] for panel in panels(dashboard))
    for shown in (dashboard["panels"], *(row.get("panels", []) for row in dashboard["panels"])):
        places = [panel["gridPos"] for panel in shown]
        assert all(at["x"] >= 0 and at["x"] + at["w"] <= 24 for at in places)
        assert not [pair for pair in combinations(places, 2) if _overlap(*pair)]


def _overlap(one: Json, other: Json) -> bool:
    return all(one[at] < other[at] + other[size] and other[at] < one[at] + one[size] for at, size in ("xw", "yh"))


@board
def test_every_link_leads_to_a_dashboard_that_knows_its_variables(name: str) -> None:
    by_uid = {one["uid"]: one for one in FILES.values()}
    links = re.findall(r'"url": "([^"]*)"', json.dumps(FILES[name]))
    links = [link for link in links if not link.startswith(RUNBOOKS)]
    others = {f"/d/{uid}" for uid in by_uid} - {f"/d/{FILES[name]['uid']}"}
    assert others <= {link.split("?")[0] for link in links} <= {f"/d/{uid}" for uid in by_uid}
    here = {one["name"] for one in FILES[name]["templating"]["list"]}
    for link in links:
        there = {one["name"] for one in by_uid[link.split("?")[0].removeprefix("/d/")]["templating"]["list"]}
        kept = set(re.findall(r"\$\{(\w+):queryparam\}", link))
        assert kept <= here & there, link
        assert set(re.findall(r"var-(\w+)=", link)) <= there, link


def test_a_clicked_label_is_in_the_result() -> None:
    """`${__data.fields.X}` and `${__field.labels.X}` name a label that the panel's queries keep."""
    for dashboard in FILES.values():
        for panel in panels(dashboard):
            named = set(re.findall(r"\$\{__(?:data\.fields|field\.labels)\.(\w+)\}", json.dumps(panel)))
            queries = " ".join(target["expr"] for target in panel["targets"])
            assert all(re.search(rf"\b{label}\b", queries) for label in named), panel["title"]


def test_provisioning_is_what_grafana_reads() -> None:
    (source,) = yaml.safe_load((ROOT / "provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    assert (source["type"], source["uid"]) == ("prometheus", "prometheus")
    (provider,) = yaml.safe_load((ROOT / "provisioning/dashboards/github.yaml").read_text())["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/var/lib/grafana/dashboards")


def test_at_most_three_panels_are_empty_on_purpose() -> None:
    titles = {panel["title"] for dashboard in FILES.values() for panel in panels(dashboard)}
    assert len(EMPTY) <= 3
    assert set(EMPTY) <= titles
    assert all(EMPTY.values())


# Every query, asked of a Prometheus beside the demo as Grafana would ask it.


@pytest.fixture(scope="session")
def complete(demo: Prometheus) -> Prometheus:
    """The demo's Prometheus once it has every metric that any dashboard shows."""
    wanted = {node.name for one in FILES.values() for query in asked(one) for node, _ in selectors(query)}

    def missing() -> set[str]:
        body = json.loads(get(f"{demo.url}/api/v1/label/__name__/values")[1])
        return wanted - set(body["data"]) - OF_THE_REFUSED

    until(lambda: not missing(), f"every metric is there but {missing()}", 60, every=1)
    return demo


def as_grafana(query: str, dashboard: Json, prometheus: Prometheus) -> str:
    """The query with Grafana's macros and variables in it: all of everything, the first where one must be chosen."""
    seconds = {"h": 3600, "d": 86_400}[dashboard["time"]["from"][-1]] * int(dashboard["time"]["from"][4:-1])
    query = query.replace("$__rate_interval", RATE_INTERVAL).replace("$__range", f"{seconds}s")
    for one in dashboard["templating"]["list"]:
        if re.search(rf"\${one['name']}\b", query):
            value = one["current"]["value"] if one["type"] == "textbox" else one.get("allValue")
            value = value or sorted(choices(one, dashboard, prometheus), reverse=one["sort"] == 2)[0]
            query = re.sub(rf"\${one['name']}\b", value, query)
    return query


def choices(variable: Json, dashboard: Json, prometheus: Prometheus) -> set[str]:
    """What Grafana would offer to choose from."""
    query = as_grafana(within(variable["query"]), dashboard, prometheus)
    found = [one["metric"] for one in prometheus.query(query)]
    if label := re.search(r"^label_values\(.*, (\w+)\)$", variable["query"]):
        return {one[label[1]] for one in found if one.get(label[1])}
    regex = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<"))
    texts = (",".join(f'{key}="{value}"' for key, value in sorted(one.items())) for one in found)
    return {f"{match['text']} {match['value']}" for text in texts if (match := regex.search(text))}


def answer(target: Json, query: str, prometheus: Prometheus) -> list[Json]:
    """The series that a panel would show; a query's error fails."""
    now = time.time()
    parameters: dict[str, str | float] = {"query": query}
    parameters |= {"time": now} if target["instant"] else {"start": now - 60, "end": now, "step": 5}
    path = "query" if target["instant"] else "query_range"
    status, body = get(f"{prometheus.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
    assert status == 200, body
    found = json.loads(body)
    assert not found.get("warnings"), found["warnings"]
    result: list[Json] = found["data"]["result"]
    return result


@pytest.mark.parametrize(
    ("name", "variable"),
    [pytest.param(name, one, id=f"{name}-{one['name']}") for name, found in FILES.items() for one in variables(found)],
)
def test_a_variable_has_choices(name: str, variable: Json, complete: Prometheus) -> None:
    assert choices(variable, FILES[name], complete)


@pytest.mark.parametrize(
    ("name", "panel"),
    [
        pytest.param(name, panel, id=f"{name}-{panel['title']}")
        for name, dashboard in FILES.items()
        for panel in panels(dashboard)
    ],
)
def test_a_panel_shows_numbers(name: str, panel: Json, complete: Prometheus) -> None:
    if panel["title"] in EMPTY:
        pytest.skip(EMPTY[panel["title"]])
    seen: set[str] = set()
    for target in panel["targets"]:
        query = as_grafana(target["expr"], FILES[name], complete)
        assert "$" not in query.replace('"$1"', ""), query
        # What counts needs two scrapes, and another collector may have failed a moment ago.
        found = until(lambda query=query, target=target: answer(target, query, complete), query, 20, every=0.5)
        values = [value for one in found for _, value in one.get("values", [one.get("value")])]
        assert not [value for value in values if math.isnan(float(value))], query
        if panel["type"] == "table":
            labels = {label for one in found for label in one["metric"]}
            assert labels <= _texts(panel), query
            seen |= labels
    assert panel["type"] != "table" or seen == _texts(panel)


def _texts(panel: Json) -> set[str]:
    """The labels that a table shows."""
    columns = panel["transformations"][-1]["options"]["renameByName"]
    return {name for name in columns if not name.startswith("Value")}


def test_the_dashboards_are_described() -> None:
    text = (Path(ROOT.parent) / "docs" / "dashboards.md").read_text()
    assert all(one["title"].rpartition("/ ")[2] in text for one in FILES.values())
