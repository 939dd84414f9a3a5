"""The figures and requests of an enterprise's exports, kept between runs as JSON data. Pure; epoch seconds."""

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from decimal import Decimal
from typing import Any

from exporter.collectors.reading.values import label_text
from exporter.collectors.usage_reports.exports import Export, Intent, parse_intents
from exporter.collectors.usage_reports.sums import EXACT, Sums

COLUMNS = {
    "date",
    "product",
    "sku",
    "quantity",
    "unit_type",
    "applied_cost_per_quantity",
    "gross_amount",
    "discount_amount",
    "net_amount",
    "organization",
    "repository",
    "cost_center_name",
    "username",
    "workflow_path",
    "model",
    "exceeds_quota",
    "total_monthly_quota",
    "aic_quantity",
    "aic_gross_amount",
    "input",
    "output",
    "cache_read",
    "cache_write",
}
"""Every column that GitHub documents: https://docs.github.com/enterprise-cloud@latest/billing/reference/billing-reports"""
MOST_UNKNOWN = 20

Totals = dict[tuple[str, ...], list[Decimal]]
"""Amounts by labels."""


@dataclass(slots=True)
class Ledger:
    """Requests for exports, by type and month; polls by export; and figures, by kind of spend and month.

    A kind and its month are one key, such as `ai_credit 2026-11`; the kind that has the spend is "". The figures of a
    month are those of one export:

    - `id`, and `created`, when it was created;
    - `by`: the grouping of its sums;
    - `unknown` columns; numbers of `rows` and of `rejected` rows; its `newest` day;
    - `sums`: by breakdown, rows of labels and amounts;
    - `doubted`: since when the newest export has no rows, though this one has some.
    """

    intents: dict[str, Intent] = field(default_factory=dict)
    polls: dict[str, int] = field(default_factory=dict)
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def from_memory(cls, memory: Any) -> "Ledger":
        """The ledger whose `data` is in a collector's memory."""
        data = memory if isinstance(memory, dict) else {}
        return cls(parse_intents(data), dict(data.get("polls", {})), dict(data.get("figures", {})))

    def data(self) -> dict[str, Any]:
        """The ledger as JSON data."""
        intents = {name: list(astuple(intent)) for name, intent in self.intents.items()}
        return {"intents": intents, "polls": self.polls, "figures": self.figures}

    def months(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Each kind and month with its figures."""
        for name, figures in self.figures.items():
            kind, month = name.split(" ")
            yield kind, month, figures

    def needs(self, name: str, export: Export, by: list[list[str]]) -> bool:
        """Whether an export must be read: it is newer than that of the figures, or they have another grouping."""
        figures = self.figures.get(name)
        if figures is None:
            return True
        if figures["id"] == export.id:
            # The export without rows is gone. The old dict is not changed: a snapshot refers to it.
            self.figures[name] = {key: value for key, value in figures.items() if key != "doubted"}
        is_newer = figures["id"] != export.id and figures["created"] <= export.created
        return bool(is_newer or figures["by"] != by)

    def update(self, name: str, figures: dict[str, Any], now: float, max_age: float) -> None:
        """Replace figures; if the new ones have no rows though the old ones do, only after `max_age` seconds."""
        before = self.figures.get(name)
        if before and before["rows"] and not figures["rows"]:
            since = before.get("doubted", now)
            if now <= since + max_age:
                self.figures[name] = {**before, "doubted": since}
                return
        self.figures[name] = figures

    def forget(self, months: Collection[str], polled: Collection[str]) -> None:
        """Forget other months, and the polls of exports that are not polled any more."""
        self.figures = {name: figures for name, figures in self.figures.items() if name.split(" ")[1] in months}
        self.intents = {name: intent for name, intent in self.intents.items() if name.split(" ")[1] in months}
        self.polls = {export: count for export, count in self.polls.items() if export in polled}


def figures_of(sums: Sums, month: str, person: Callable[[str], str]) -> dict[str, Any]:
    """The figures of a month; `person` gives the name by which a user is shown."""
    counts = sums.months[month]
    rows: dict[str, Any] = {}
    for breakdown, groups in counts.groups.items():
        totals: Totals = {}
        for key, amounts in groups.items():
            add_up(totals, labels_of_key(breakdown, key, person), amounts)
        rows[breakdown] = [[list(labels), [str(amount) for amount in amounts]] for labels, amounts in totals.items()]
    return {"rows": counts.rows, "rejected": counts.rejected, "newest": counts.newest, "sums": rows}


def labels_of_key(breakdown: str, key: Sequence[str], person: Callable[[str], str]) -> tuple[str, ...]:
    """The labels of a group: valid values, and a user by the name that `person` gives."""
    labels = (*key[:-1], person(key[-1])) if breakdown == "username" else key
    return tuple(sys.intern(label_text(label)) for label in labels)


def add_up(totals: Totals, labels: tuple[str, ...], amounts: list[Decimal]) -> None:
    """Add amounts to those of the same labels: two groups may have equal ones."""
    totals[labels] = [*map(EXACT.add, totals[labels], amounts)] if labels in totals else amounts


def unknown_columns(columns: Iterable[str]) -> list[str]:
    """The columns that this version does not know."""
    return [column for column in columns if column and column not in COLUMNS][:MOST_UNKNOWN]
