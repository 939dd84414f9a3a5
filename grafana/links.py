"""Addresses of the dashboards. The variables that both have go along, and the time between those of hours."""

from collections.abc import Mapping
from types import MappingProxyType

UIDS: Mapping[str, str] = MappingProxyType(
    {
        "overview": "github-overview",
        "api-insights": "github-api-insights",
        "ghes": "github-ghes",
        "copilot": "github-copilot",
        "copilot-people": "github-copilot-people",
        "spend": "github-spend",
        "licences": "github-licences",
        "exporter": "github-exporter",
    }
)
TITLES: Mapping[str, str] = MappingProxyType(
    {"api-insights": "API Insights", "ghes": "GHES", "licences": "Licences and budgets"}
)
"""Titles that are not the name with a capital."""
OF_HOURS = frozenset({"overview", "api-insights", "exporter"})
"""Dashboards of the last hours. The others show days: a range of hours would show flat lines there."""
RUNBOOKS = "https://github.com/github-enterprise-exporter/github-enterprise-exporter/blob/main/docs/runbooks"
"""Where the alerts' runbooks are, as `runbook_url` of deploy/prometheus/alerts.yaml says."""
KEPT = ("datasource", "job", "instance")


def title(board: str) -> str:
    """What a link to a dashboard says."""
    return TITLES.get(board, board.replace("-", " ").capitalize())


def to(board: str, *keep: str, **chosen: str) -> str:
    """The address of a dashboard, with data source, the variables `keep`, and others as `chosen`.

    The time goes along to dashboards of hours. A value chosen is Grafana's variable: `cell` in a table, `series` in a
    chart.
    """
    time = ["${__url_time_range}"] if board in OF_HOURS else []
    kept = [f"${{{name}:queryparam}}" for name in (*KEPT, *keep)]
    values = [f"var-{name}={value}" for name, value in chosen.items()]
    return f"/d/{UIDS[board]}?" + "&".join([*time, *kept, *values])


def cell(label: str) -> str:
    """What the row of a table holds in a column."""
    return f"${{__data.fields.{label}}}"


def series(label: str) -> str:
    """What the series of a chart has as label."""
    return f"${{__field.labels.{label}}}"
