"""The README's tables of collectors, written from their declarations: `python -m exporter.cli.readme README.md`."""

import re
import sys
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path

from exporter.catalogue import Collector, Permission
from exporter.collectors import COLLECTORS
from exporter.instants import HOUR

_SECTION = re.compile(r"(<!-- (\w+): made by make docs -->\n).*?(<!-- end -->)", re.DOTALL)


def updated(readme: str, collectors: Sequence[Collector]) -> str:
    """The README with its tables as the collectors are declared."""
    tables = {"permissions": permissions(collectors), "freshness": freshness(collectors)}
    return _SECTION.sub(lambda section: section[1] + "\n".join(tables[section[2]]) + "\n" + section[3], readme)


def permissions(collectors: Iterable[Collector]) -> list[str]:
    """What each endpoint takes; endpoints that take the same in one row."""
    rows: dict[Permission, list[Collector]] = {}
    for collector in collectors:
        rows.setdefault(collector.permission, []).append(collector)
    whole = {collector.name for row in rows.values() for collector in row if _is_whole(collector, row, rows)}
    return [
        "| collector | GitHub App, fine-grained token | classic token | besides |",
        "|---|---|---|---|",
        *(
            _row(_names(row, whole), _of_app(takes), takes.classic or "no", takes.besides)
            for takes, row in rows.items()
        ),
    ]


def freshness(collectors: Iterable[Collector]) -> list[str]:
    """How often each collector asks, and how late GitHub's data are."""
    rows: dict[tuple[float, str], list[Collector]] = {}
    for collector in collectors:
        rows.setdefault((collector.interval, collector.lateness), []).append(collector)
    return [
        "| metrics | asked every | GitHub's own delay |",
        "|---|---|---|",
        *(_row(_metrics(row), _interval(interval), lateness) for (interval, lateness), row in rows.items()),
        "| `github_exporter_…` | at each scrape | None: the exporter's own success, freshness, reasons, budgets. |",
    ]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _is_whole(collector: Collector, row: Sequence[Collector], rows: dict[Permission, list[Collector]]) -> bool:
    """Whether all endpoints of that name take the same."""
    return all(other is row or all(one.name != collector.name for one in other) for other in rows.values())


def _names(row: Iterable[Collector], whole: Iterable[str]) -> str:
    names = {f"`{one.name}`" + ("" if one.name in whole else f", {one.scope}s"): one for one in row}
    return ", ".join(name + ("" if one.enabled else " (off by default)") for name, one in names.items())


def _of_app(takes: Permission) -> str:
    return takes.app + ("" if takes.fine_grained else "; no fine-grained token") if takes.app else "no"


def _metrics(row: Iterable[Collector]) -> str:
    """What the names of the row's metrics begin with."""
    prefixes = {_prefix([family.name for family in table.families]) for one in row for table in one.tables}
    shortest = sorted(one for one in prefixes if not any(one != other and one.startswith(other) for other in prefixes))
    return ", ".join(f"`{prefix}…`" for prefix in shortest)


def _prefix(names: Sequence[str]) -> str:
    """What several names have in common, up to an underscore."""
    words = zip(*(name.split("_") for name in names), strict=False)
    return "_".join(word for word, *_ in takewhile(lambda alike: len(set(alike)) == 1, words))


def _interval(seconds: float) -> str:
    return f"{seconds / HOUR:.0f} h" if seconds >= HOUR else f"{seconds / 60:.0f} min"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(updated(file.read_text(), COLLECTORS))
