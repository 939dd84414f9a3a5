"""PromQL is written as in the documentation; the dashboard's variables are added to every metric here.

A variable filters every metric that has a label of its name, so `organization=~"$organization"` is never forgotten.
What our rules record (`level:metric:operation`) has the exporter's `job` and no instance; a query that needs another
filter there says so.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from exporter.collectors import COLLECTORS

METRIC = re.compile(r"(?<![\w:])((?:[a-z_]+:)?(?:github|process)_[a-z0-9_]+(?::[a-z0-9_]+)?)(?:\{([^}]*)\})?")
CONSTANTS = frozenset({"subject_type:github_api_insights_hourly_limit:requests"})
"""Recorded numbers that belong to no exporter."""
TARGET = ("collector", "target")
OWN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "github_exporter_collector_": TARGET,
        "github_exporter_endpoint_": TARGET,
        "github_exporter_rate_limit_": ("pool",),
        "github_exporter_api_": ("pool",),
    }
)
"""Labels of the exporter's own metrics, by the start of their names."""

LABELS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        family.name: frozenset(collector.labels(table))
        for collector in COLLECTORS
        for table in collector.tables
        for family in table.families
    }
)


def labels(metric: str) -> frozenset[str]:
    """Labels of a served metric, as far as variables may filter them."""
    own = next((names for start, names in OWN.items() if metric.startswith(start)), ())
    return LABELS.get(metric, frozenset(own))


def select(promql: str, variables: Iterable[str]) -> str:
    """The query with a matcher for each variable whose label the metric has; `job` always, `instance` if served."""
    filters = tuple(variables)

    def matched(found: re.Match[str]) -> str:
        target = ["job"] if ":" in found[1] else ["job", "instance"]
        target = [] if found[1] in CONSTANTS else target
        names = [*target, *(name for name in filters if name in labels(found[1]))]
        matchers = [f'{name}=~"${name}"' for name in names] + ([found[2]] if found[2] else [])
        return f"{found[1]}{{{', '.join(matchers)}}}"

    return METRIC.sub(matched, " ".join(promql.split()))
