"""From the items of GitHub's answer to rows with exact sums. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Context, Decimal
from typing import Any, TypeGuard

from exporter.collectors.billing_usage.families import MEANINGS
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.reading.values import label_text
from exporter.errors import Invalid
from exporter.tables import Labels, Row, Table

MOST_ITEMS = 5_000
"""Items of one answer: GitHub sends one for each product, SKU, unit and price."""

_TEXTS = {"product": "product", "sku": "sku", "unit_type": "unitType", "model": "model"}
# The price has no series: rows of several prices are one sum, and gross amount / gross quantity is the price.
_NO_FIGURES = {*_TEXTS.values(), "pricePerUnit"}
# The fields of an answer besides its items: the filters of the request.
_ECHOES = {
    "timePeriod",
    "usageItems",
    "enterprise",
    "organization",
    "repository",
    "user",
    "product",
    "sku",
    "model",
    "costCenter",
}
_ALL_DIGITS = Context(prec=400)  # for exact sums: amounts are below 2**63, and a float has no digit below 1e-324


@dataclass(slots=True)
class _Sums:
    """Exact sums by row and field; `incomplete` ones miss an item's number."""

    table: Table
    unknown: UnknownFields
    sums: dict[Labels, dict[str, Decimal]] = field(default_factory=dict)
    incomplete: set[tuple[Labels, str]] = field(default_factory=set)
    rejected: int = 0

    def add(self, item: object) -> None:
        """Add an item; one without product or SKU is rejected."""
        texts = {label: item.get(_TEXTS[label]) for label in self.table.labels} if isinstance(item, dict) else {}
        if not isinstance(item, dict) or not all(_is_name(texts[label]) for label in ("product", "sku")):
            self.rejected += 1
            return
        self.rejected += sum(not isinstance(text, str) for text in texts.values())
        labels = tuple(label_text(text) if isinstance(text, str) else "" for text in texts.values())
        row = self.sums.setdefault(labels, {})
        for name in MEANINGS:
            if is_amount(value := item.get(name)):
                row[name] = _ALL_DIGITS.add(row.get(name, Decimal()), Decimal(str(value)))
            else:
                self.incomplete.add((labels, name))
                self.rejected += 1
        self.unknown.take(item, MEANINGS.keys() | _NO_FIGURES, "usageItems")

    def rows(self) -> Iterator[Row]:
        """Every row, with its complete sums."""
        for labels, sums in self.sums.items():
            figures = {name: float(total) for name, total in sums.items() if (labels, name) not in self.incomplete}
            yield self.table.row.model_validate(dict(zip(self.table.labels, labels, strict=True), figures=figures))


def is_amount(value: object) -> TypeGuard[int | float]:
    """Whether it is a number that GitHub may bill: fractions are, and negative ones, which are corrections."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -(2**63) < value < 2**63


def read(
    answer: object, table: Table, when: datetime, unknown: UnknownFields | None = None
) -> tuple[tuple[Row, ...], int]:
    """The rows of an answer for the month of `when`, and how many of its values and items cannot be used.

    `unknown` counts the fields that this version does not know. Without `usageItems` there is no usage. Raises
    `Invalid` if the answer is of another month, or none of its items can be used.
    """
    if not isinstance(answer, dict):
        raise Invalid("the answer is no object")
    _check(answer.get("timePeriod"), when)
    items = answer.get("usageItems")
    if items is not None and not isinstance(items, list):
        raise Invalid("usageItems is no list")
    if items and len(items) > MOST_ITEMS:
        raise Invalid(f"{len(items)} usageItems; at most {MOST_ITEMS} are read")
    sums = _Sums(table, UnknownFields() if unknown is None else unknown)
    for item in items or ():
        sums.add(item)
    if items and not sums.sums:
        raise Invalid(f"none of {len(items)} usageItems names its product and SKU")
    sums.unknown.take(answer, _ECHOES)
    return tuple(sums.rows()), sums.rejected


def _check(period: Any, when: datetime) -> None:
    """Raises `Invalid` for another month. GitHub may give the year alone, as its example does."""
    named = period if isinstance(period, dict) else {}
    year, month = named.get("year"), named.get("month")
    if month is not None and (month != when.month or year not in (None, when.year)):
        raise Invalid(f"the answer is not of {when:%Y-%m}, which was asked for")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value != ""
