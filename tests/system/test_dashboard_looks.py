"""What keeps the dashboards legible: units, decimals, widths, legends, fills, links, queries that a person can read."""

import json
import re
from collections.abc import Iterator

import pytest

from grafana.links import OF_HOURS, UIDS
from grafana.tables import SCREENS, pixels
from tests.support.dashboards import FILES, Json, panels, properties

LONGEST = 400
"""Characters of a query, with the matchers of all variables."""
SMALLEST = 50
"""Pixels that Grafana gives a column at least."""

board = pytest.mark.parametrize("name", FILES)


def of_kind(name: str, kind: str) -> Iterator[Json]:
    return (panel for panel in panels(FILES[name]) if panel["type"] == kind)


@board
def test_a_query_can_be_read(name: str) -> None:
    for panel in panels(FILES[name]):
        for target in panel["targets"]:
            assert len(target["expr"]) <= LONGEST, panel["title"]
    for one in (*FILES[name]["templating"]["list"], *FILES[name]["annotations"]["list"]):
        assert len(one.get("expr", one.get("query", ""))) <= LONGEST, one["name"]


@board
def test_a_tables_texts_have_no_unit(name: str) -> None:
    """A unit for all columns would show the id 1701003 as "1.70 Mil"."""
    for panel in of_kind(name, "table"):
        assert "unit" not in panel["fieldConfig"]["defaults"], panel["title"]
        columns = panel["transformations"][-1]["options"]["renameByName"]
        for field, title in columns.items():
            assert ("unit" in properties(panel)[title]) == field.startswith("Value"), (panel["title"], title)


@board
def test_a_bar_in_a_table_has_both_ends(name: str) -> None:
    """Without `max` it ends at the largest number of the whole table, so that a share looks like nothing."""
    for panel in of_kind(name, "table"):
        for column, one in properties(panel).items():
            bar = one.get("custom.cellOptions", {}).get("type") == "gauge"
            assert ("min" in one, "max" in one) == (bar, bar), (panel["title"], column)


@board
@pytest.mark.parametrize("screen", SCREENS)
def test_a_table_needs_no_scrolling_sideways(name: str, screen: int) -> None:
    for panel in of_kind(name, "table"):
        shown = [one for one in properties(panel).values() if not one.get("custom.hidden")]
        fixed = [one["custom.width"] for one in shown if "custom.width" in one]
        least = [one["custom.minWidth"] for one in shown if "custom.minWidth" in one]
        room = pixels(panel["gridPos"]["w"], screen)
        share = (room - sum(fixed)) / max(1, len(least))
        assert sum(fixed) + sum(max(one, share) for one in least) <= room + 1, panel["title"]
        assert all(one >= SMALLEST for one in (*fixed, *least))


@board
def test_a_header_fits_its_column(name: str) -> None:
    for panel in of_kind(name, "table"):
        for column, one in properties(panel).items():
            width: int = one.get("custom.width") or one.get("custom.minWidth") or 0
            assert "custom.hidden" in one or 8 * len(column) <= width, (panel["title"], column)


@board
def test_a_legend_shows_the_largest_first(name: str) -> None:
    """A table of a legend has room for three rows; a list is for a few lines whose number is known."""
    for panel in of_kind(name, "timeseries"):
        legend = panel["options"]["legend"]
        labels = set(re.findall(r"\{\{(\w+)", " ".join(one["legendFormat"] for one in panel["targets"])))
        if legend["displayMode"] == "table":
            assert (legend["sortBy"], legend["sortDesc"]) == ("Last *", True), panel["title"]
        else:
            assert len(panel["targets"]) <= 4, panel["title"]
            assert labels <= {"enterprise"}, panel["title"]


@board
def test_lines_are_filled_only_where_they_are_stacked(name: str) -> None:
    for panel in of_kind(name, "timeseries"):
        custom = panel["fieldConfig"]["defaults"]["custom"]
        assert (custom["fillOpacity"] > 0) == (custom["stacking"]["mode"] == "normal"), panel["title"]


@board
def test_no_threshold_lies_on_the_axis(name: str) -> None:
    for panel in of_kind(name, "timeseries"):
        defaults = panel["fieldConfig"]["defaults"]
        lines = defaults["custom"]["thresholdsStyle"]["mode"] != "off"
        counts = defaults["unit"] == "short"
        assert not (lines and counts), panel["title"]


@board
def test_an_axis_of_long_times_is_in_hours(name: str) -> None:
    """An axis in seconds has ticks at 1.39, 2.78 and 4.17 hours."""
    for panel in of_kind(name, "timeseries"):
        steps = [one["value"] or 0 for one in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        assert panel["fieldConfig"]["defaults"]["unit"] != "s" or max(steps) < 600, panel["title"]


@board
def test_decimals_fit_their_units(name: str) -> None:
    """`short` scales to K and Mil, so that none would show "1 K, 2 K, 2 K, 3 K"; money needs one to be compared."""
    for panel in panels(FILES[name]):
        for one in (panel["fieldConfig"]["defaults"], *properties(panel).values()):
            if one.get("unit") == "short":
                assert "decimals" not in one, panel["title"]
            if one.get("unit") == "currencyUSD":
                assert one["decimals"] in {1, 2}, panel["title"]


@board
def test_no_time_goes_along_to_dashboards_of_days(name: str) -> None:
    """The 24 hours of one would be a flat line in the 30 days of another."""
    of_days = [f"/d/{uid}" for board, uid in UIDS.items() if board not in OF_HOURS]
    for url in re.findall(r'"url": "([^"]*)"', json.dumps(list(panels(FILES[name])))):
        assert ("__url_time_range" in url) <= (url.split("?")[0] not in of_days), url
    for link in FILES[name]["links"]:
        assert link["keepTime"] == (name in OF_HOURS and link["url"] not in of_days), link["title"]


@board
def test_dashboards_of_days_open_with_days(name: str) -> None:
    assert FILES[name]["time"]["from"].endswith("h") == (name in OF_HOURS)


@board
def test_every_dashboard_marks_where_alerts_begin(name: str) -> None:
    (alerts,) = [one for one in FILES[name]["annotations"]["list"] if one["name"] == "Alerts"]
    assert 'alertstate="firing"' in alerts["expr"]
    assert not alerts["hide"], "it can be switched off"


@board
def test_the_instance_is_chosen_on_one_dashboard_only(name: str) -> None:
    """It comes along with links; on the others it would only take room."""
    (instance,) = [one for one in FILES[name]["templating"]["list"] if one["name"] == "instance"]
    assert (instance["hide"] == 0) == (name == "exporter")
