"""`metrics`: the metric reference, which is `docs/metrics.md`."""

from collections.abc import Iterable, Iterator

from exporter.catalogue import Collector
from exporter.collectors import COLLECTORS
from exporter.exposition.store import Store
from exporter.serving.self_metrics import SelfMetrics
from exporter.settings import Settings


def main(_settings: Settings) -> int:
    """Print every family with its type, labels and help."""
    print("\n".join(_lines(COLLECTORS)))
    return 0


def _lines(collectors: Iterable[Collector]) -> Iterator[str]:
    yield from ("# Metrics", "", "Printed by `github-enterprise-exporter metrics`; do not edit.", "")
    for collector in collectors:
        by = f", by {', '.join(collector.subject)}" if collector.subject else ""
        yield from (f"## {collector.name}{by}", "")
        yield from (f"`{collector.endpoint}` ([GitHub's page]({collector.page}))", "", f"Needs: {collector.needs}.", "")
        yield from ("| metric | type | labels | help |", "|---|---|---|---|")
        for table in collector.tables:
            labels = ", ".join(f"`{label}`" for label in collector.labels(table))
            for family in table.families:
                yield f"| `{family.name}` | {family.kind} | {labels} | {collector.help(table, family)} |"
        yield ""
    yield from ("## The exporter itself", "", "| metric | type | help |", "|---|---|---|")
    own = SelfMetrics(Store(0.0), {})
    for name, kind, text in own.families():
        yield f"| `{name}` | {kind} | {text} |"
