"""The metric reference, printed from the declarations."""

from collections.abc import Iterable

from exporter.catalogue import Collector
from exporter.serving.self_metrics import SelfMetrics
from exporter.serving.store import Store


def metric_reference(collectors: Iterable[Collector]) -> str:
    """`docs/metrics.md`: every family with its type, labels and help."""
    lines = ["# Metrics", "", "Printed by `github-enterprise-exporter metrics`; do not edit.", ""]
    for collector in collectors:
        by = f", by {', '.join(collector.subject)}" if collector.subject else ""
        lines += [f"## {collector.name}{by}", "", f"`{collector.endpoint}` ([GitHub's page]({collector.page}))", ""]
        lines += [f"Needs: {collector.needs}.", ""]
        lines += ["| metric | type | labels | help |", "|---|---|---|---|"]
        for table in collector.tables:
            labels = ", ".join(f"`{label}`" for label in collector.labels(table))
            for family in table.families:
                lines.append(f"| `{family.name}` | {family.kind} | {labels} | {collector.help(table, family)} |")
        lines.append("")
    lines += ["## The exporter itself", "", "| metric | type | help |", "|---|---|---|"]
    own = SelfMetrics(Store(0.0), {}, lambda: 0.0, lambda: 0)
    lines += [f"| `{name}` | {kind} | {text} |" for name, kind, text in own.families()]
    return "\n".join(lines) + "\n"
