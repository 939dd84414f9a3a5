"""Tables of collectors in pages, written from their declarations: `python -m exporter.cli.readme README.md …`."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import takewhile
from pathlib import Path

from exporter.catalogue import Collector, Permission
from exporter.collectors import COLLECTORS
from exporter.instants import DAY, HOUR

_SECTION = re.compile(r"(<!-- (\w+): made by make docs -->\n).*?(<!-- end -->)", re.DOTALL)


def updated(page: str, collectors: Sequence[Collector]) -> str:
    """A page with its tables as the collectors are declared."""
    tables = {"permissions": permissions(collectors), "freshness": freshness(collectors), "past": past(collectors)}
    return _SECTION.sub(lambda section: section[1] + "\n".join(tables[section[2]]) + "\n" + section[3], page)


def permissions(collectors: Iterable[Collector]) -> list[str]:
    """The permission that each endpoint needs; endpoints with the same one are in one row."""
    rows: dict[Permission, list[Collector]] = {}
    for collector in collectors:
        rows.setdefault(collector.permission, []).append(collector)
    in_one_row = {collector.name for row in rows.values() for collector in row if _is_in_one_row(collector, row, rows)}
    return [
        "| collector | GitHub App, fine-grained token | classic token | besides |",
        "|---|---|---|---|",
        *(
            _row(_names(row, in_one_row), _of_app(permission), permission.classic or "no", permission.besides)
            for permission, row in rows.items()
        ),
    ]


def freshness(collectors: Iterable[Collector]) -> list[str]:
    """How often each collector refreshes its metrics, and how late GitHub's data are."""
    rows: dict[tuple[float, str], list[Collector]] = {}
    for collector in collectors:
        rows.setdefault((collector.interval, collector.lateness), []).append(collector)
    return [
        "| metrics | refreshed every | GitHub's own delay |",
        "|---|---|---|",
        *(_row(_metrics(row), _interval(interval), lateness) for (interval, lateness), row in rows.items()),
        "| `github_exporter_…` | at each scrape | None: the exporter's own success, freshness, reasons, budgets. |",
    ]


def past(collectors: Sequence[Collector]) -> list[str]:
    """How far back GitHub has the figures of each collector."""
    rows: dict[tuple[str, ...], list[Collector]] = {}
    for collector in collectors:
        known = collector.past
        cells = ("nothing", "no past is read", "")
        if known:
            kind = "counters, by hour" if collector.counting else "gauges"
            since = f", not before {known.first_day}" if known.first_day else ""
            parts = {"day": "day by day", "month": "month by month", "whole": "all at once"}[known.part]
            cells = (kind, f"{known.reach // DAY} days{since}", parts)
        rows.setdefault(cells, []).append(collector)
    scopes = {name: {one.scope for one in collectors if one.name == name} for name in (one.name for one in collectors)}
    return [
        "| collector | what | how far back | asked |",
        "|---|---|---|---|",
        *(_row(_of_scopes(row, scopes), *cells) for cells, row in rows.items()),
    ]


def _of_scopes(row: Sequence[Collector], scopes: Mapping[str, AbstractSet[str]]) -> str:
    """The names of a row's collectors, with the scope where another row has another one."""
    found: dict[str, set[str]] = {}
    for collector in row:
        found.setdefault(collector.name, set()).add(collector.scope)
    return ", ".join(
        f"`{name}`" + ("" if own == scopes[name] else f", {' and '.join(f'{scope}s' for scope in sorted(own))}")
        for name, own in found.items()
    )


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _is_in_one_row(collector: Collector, row: Sequence[Collector], rows: dict[Permission, list[Collector]]) -> bool:
    """Whether all endpoints of that name need the same permission."""
    others = (other for other in rows.values() if other is not row)
    return all(other.name != collector.name for group in others for other in group)


def _names(row: Iterable[Collector], in_one_row: Iterable[str]) -> str:
    names = {
        f"`{collector.name}`" + ("" if collector.name in in_one_row else f", {collector.scope}s"): collector.enabled
        for collector in row
    }
    return ", ".join(name + ("" if enabled else " (off by default)") for name, enabled in names.items())


def _of_app(permission: Permission) -> str:
    if not permission.app:
        return "no"
    return permission.app + ("" if permission.fine_grained else "; no fine-grained token")


def _metrics(row: Iterable[Collector]) -> str:
    """What the names of the row's metrics begin with."""
    tables = (table for collector in row for table in collector.tables)
    prefixes = {_prefix([family.name for family in table.families]) for table in tables}
    shortest = sorted(
        prefix for prefix in prefixes if not any(prefix != other and prefix.startswith(other) for other in prefixes)
    )
    return ", ".join(f"`{prefix}…`" for prefix in shortest)


def _prefix(names: Sequence[str]) -> str:
    """The words that several names begin with."""
    words = zip(*(name.split("_") for name in names), strict=False)
    return "_".join(word for word, *_ in takewhile(lambda column: len(set(column)) == 1, words))


def _interval(seconds: float) -> str:
    return f"{seconds / HOUR:.0f} h" if seconds >= HOUR else f"{seconds / 60:.0f} min"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        file = Path(name)
        file.write_text(updated(file.read_text(), COLLECTORS))
