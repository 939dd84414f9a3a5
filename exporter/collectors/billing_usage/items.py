"""From the items of GitHub's answers to rows with exact sums. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any, NamedTuple, TypeGuard

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


class Period(NamedTuple):
    """What is asked for: a month of UTC, or one day of it."""

    year: int
    month: int
    day: int | None = None

    @classmethod
    def month_of(cls, instant: float) -> "Period":
        """The month of an instant."""
        when = datetime.fromtimestamp(instant, UTC)
        return cls(when.year, when.month)

    @classmethod
    def day_of(cls, instant: float) -> "Period":
        """The day of an instant."""
        return cls.month_of(instant)._replace(day=datetime.fromtimestamp(instant, UTC).day)

    def params(self) -> dict[str, str | int]:
        """GitHub's parameters."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def __str__(self) -> str:
        return f"{self.year}-{self.month:02}" + (f"-{self.day:02}" if self.day else "")


@dataclass(slots=True)
class Sums:
    """Exact sums by row and field, over the answers that are added; `incomplete` ones miss an item's number."""

    table: Table
    unknown: UnknownFields = field(default_factory=UnknownFields)
    sums: dict[Labels, dict[str, Decimal]] = field(default_factory=dict)
    incomplete: set[tuple[Labels, str]] = field(default_factory=set)
    rejected: int = 0

    def add(self, answer: object, period: Period) -> None:
        """Add an answer; without `usageItems` there is no usage.

        Raises `Invalid` if it is of another period, or none of its items can be used: the sums are of no use then.
        """
        if not isinstance(answer, dict):
            raise Invalid("the answer is no object")
        _check(answer.get("timePeriod"), period)
        items = answer.get("usageItems")
        if items is not None and not isinstance(items, list):
            raise Invalid("usageItems is no list")
        if items and len(items) > MOST_ITEMS:
            raise Invalid(f"{len(items)} usageItems; at most {MOST_ITEMS} are read")
        if sum(map(self._add, items or ())) == 0 and items:
            raise Invalid(f"none of {len(items)} usageItems names its product and SKU")
        self.unknown.take(answer, _ECHOES)

    def _add(self, item: object) -> bool:
        """Add an item; one without product or SKU is rejected."""
        texts = {label: item.get(_TEXTS[label]) for label in self.table.labels} if isinstance(item, dict) else {}
        if not isinstance(item, dict) or not all(_is_name(texts[label]) for label in ("product", "sku")):
            self.rejected += 1
            return False
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
        return True

    def rows(self) -> Iterator[Row]:
        """Every row, with its complete sums."""
        for labels, sums in self.sums.items():
            figures = {name: float(total) for name, total in sums.items() if (labels, name) not in self.incomplete}
            yield self.table.row.model_validate(dict(zip(self.table.labels, labels, strict=True), figures=figures))


def is_amount(value: object) -> TypeGuard[int | float]:
    """Whether it is a number that GitHub may bill: fractions are, and negative ones, which are corrections."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -(2**63) < value < 2**63


def _check(named: Any, period: Period) -> None:
    """Raises `Invalid` for another month. GitHub may give the year alone, as its example does.

    Of a day it must be the day itself: a month's sums in its place would be added up day by day.
    """
    given = named if isinstance(named, dict) else {}
    year, month = given.get("year"), given.get("month")
    is_of_month = month in (None, period.month) and (month is None or year in (None, period.year))
    is_of_day = period.day is None or (month, given.get("day")) == (period.month, period.day)
    if not (is_of_month and is_of_day):
        raise Invalid(f"the answer is not of {period}, which was asked for")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value != ""
