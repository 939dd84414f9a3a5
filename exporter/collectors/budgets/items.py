"""From the budgets of GitHub's answers to rows. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter.collectors.budgets.families import Budget, Consumed
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.reading.values import is_number, label_text
from exporter.errors import Invalid
from exporter.github.decoding import decode_json
from exporter.tables import Row

_TEXTS = {"budget_type": "budget_type", "scope": "budget_scope", "entity": "budget_entity_name"}
# Recipients of alerts and the user of a budget are people: they are not read. The list's examples have
# `budget_product_skus` although its schema has `budget_product_sku`.
_FIELDS = {
    "id",
    *_TEXTS.values(),
    "user",
    "budget_product_sku",
    "budget_product_skus",
    "budget_amount",
    "prevent_further_usage",
    "budget_alerting",
    "expires_at",
    "consumed_amount",
}
_OF_PAGE = {"budgets", "has_next_page", "total_count", "user", "effective_budget"}


@dataclass(slots=True)
class Budgets:
    """The budgets of all pages by id, in GitHub's order."""

    budgets: dict[str, Budget] = field(default_factory=dict)
    consumed: dict[str, float] = field(default_factory=dict)
    unknown: UnknownFields = field(default_factory=UnknownFields)
    rejected: int = 0

    def take(self, answer: dict[str, Any]) -> int:
        """Read a page; returns how many budgets are new."""
        before = len(self.budgets)
        self.unknown.take(answer, _OF_PAGE)
        for item in answer["budgets"]:
            budget_id = item.get("id") if isinstance(item, dict) else None
            if not isinstance(budget_id, str) or not budget_id:
                self.rejected += 1
            elif budget_id not in self.budgets:
                self.budgets[budget_id] = self._budget(budget_id, item)
                self._consumption(budget_id, item)
        return len(self.budgets) - before

    def take_one(self, budget_id: str, body: bytes) -> None:
        """Read what one budget has consumed; raises `Invalid`."""
        answer = decode_json(body)
        if not isinstance(answer, dict):
            raise Invalid("the answer is no budget")
        self._consumption(budget_id, answer)

    def _budget(self, budget_id: str, item: Mapping[str, Any]) -> Budget:
        texts = {label: item.get(name) for label, name in _TEXTS.items()}
        texts["product_sku"] = _product(item)
        amount, prevents = item.get("budget_amount"), item.get("prevent_further_usage")
        self.rejected += sum(text is not None and not isinstance(text, str) for text in texts.values())
        self.rejected += (amount is not None and not is_number(amount)) + (not isinstance(prevents, bool | None))
        return Budget(
            budget_id=label_text(budget_id),
            amount=float(amount) if is_number(amount) else None,
            prevents=prevents if isinstance(prevents, bool) else None,
            **{label: label_text(text) for label, text in texts.items() if isinstance(text, str)},
        )

    def _consumption(self, budget_id: str, item: Mapping[str, Any]) -> None:
        self.unknown.take(item, _FIELDS, "budgets")
        consumed = item.get("consumed_amount")
        if is_number(consumed):
            self.consumed[budget_id] = float(consumed)
        else:
            self.rejected += consumed is not None

    def largest(self) -> list[str]:
        """The ids, those of the largest budgets first, as rows get their series."""
        return sorted(self.budgets, key=lambda budget_id: (-(self.budgets[budget_id].amount or 0.0), budget_id))

    def rows(self) -> tuple[Row, ...]:
        """The rows of all tables."""
        return tuple(
            row
            for one in self.largest()
            for row in (
                self.budgets[one],
                *([Consumed(budget_id=label_text(one), consumed=self.consumed[one])] if one in self.consumed else []),
            )
        )


def _product(item: Mapping[str, Any]) -> Any:
    """The product, SKU or bundle; several are joined by commas."""
    several = item.get("budget_product_skus")
    if isinstance(several, list) and all(isinstance(one, str) for one in several):
        several = ",".join(several)
    return item.get("budget_product_sku") or several
