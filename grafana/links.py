"""Addresses of the dashboards. Time and the variables that both have go along."""

from collections.abc import Mapping
from types import MappingProxyType

UIDS: Mapping[str, str] = MappingProxyType(
    {
        "overview": "github-overview",
        "api-insights": "github-api-insights",
        "ghes": "github-ghes",
        "copilot": "github-copilot",
        "spend": "github-spend",
        "exporter": "github-exporter",
    }
)
KEPT = ("datasource", "job", "instance")


def to(board: str, *keep: str, **chosen: str) -> str:
    """The address of a dashboard, with time, data source, the variables `keep`, and others as `chosen`.

    A value chosen is Grafana's variable: `cell` in a table, `series` in a chart.
    """
    kept = [f"${{{name}:queryparam}}" for name in (*KEPT, *keep)]
    return "&".join(
        [f"/d/{UIDS[board]}?${{__url_time_range}}", *kept, *(f"var-{name}={value}" for name, value in chosen.items())]
    )


def cell(label: str) -> str:
    """What the row of a table holds in a column."""
    return f"${{__data.fields.{label}}}"


def series(label: str) -> str:
    """What the series of a chart has as label."""
    return f"${{__field.labels.{label}}}"
