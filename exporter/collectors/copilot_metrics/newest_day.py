"""The newest day of GitHub's answer, and the rows of that day. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exporter.collectors.copilot_metrics.families import MODELS, NEWEST_DAY, TABLES, Model, NewestDay
from exporter.collectors.reading.days import is_day
from exporter.collectors.reading.nested import NestedRows
from exporter.errors import Invalid
from exporter.fetching import Doubt, Fetched
from exporter.instants import epoch
from exporter.tables import Row

NO_DAYS = "GitHub's answer has no day; look at since and until, and at the policy for Copilot metrics"

_PLAIN = ("date", "name", "is_custom_model", "custom_model_training_date")
"""Fields that are no figures."""


@dataclass(slots=True)
class NewestEntry:
    """The entry of the newest day on all pages, whatever their order; older entries are dropped."""

    midnight: float | None = None
    entry: Any = None
    count: int = 0
    unusable: int = 0
    is_contradicted: bool = False

    def add(self, entries: Sequence[Any]) -> None:
        """Take the entries of a page into account."""
        self.count += len(entries)
        for entry in entries:
            midnight = _midnight(entry)
            if midnight is None:
                self.unusable += 1
            elif self.midnight is None or midnight > self.midnight:
                self.midnight, self.entry, self.is_contradicted = midnight, entry, False
            elif midnight == self.midnight and entry != self.entry:
                self.is_contradicted = True

    def fetched(self) -> Fetched:
        """The rows of the day. Raises `Invalid` if two of its entries differ, or if no entry has a date."""
        if self.is_contradicted:
            raise Invalid("two entries of one date differ")
        if self.midnight is None:
            if self.unusable:
                raise Invalid(f"none of {self.unusable} entries has a date")
            doubts = tuple(Doubt(table, NO_DAYS) for table in (NEWEST_DAY, *TABLES.values(), MODELS))
            return Fetched((), note=NO_DAYS, doubts=doubts)
        nested = NestedRows(TABLES, _PLAIN)
        nested.add(self.entry)
        models = [_model(names[-1], item) for path, names, item in nested.objects if path[-1:] == ("models",)]
        rows: list[Row] = [NewestDay(date=self.midnight), *dict.fromkeys(model for model, _ in models)]
        rejected = self.unusable + nested.rejected + sum(count for _, count in models)
        return Fetched((*rows, *nested.with_figures()), rejected, self.midnight, unknown=nested.unknown)


def _model(name: str, item: dict[str, Any]) -> tuple[Model, int]:
    """The texts of a model, and how many of them are unusable."""
    custom, trained = item.get("is_custom_model"), item.get("custom_model_training_date")
    unusable = (not isinstance(custom, bool | None)) + (not isinstance(trained, str | None))
    is_custom = str(custom).lower() if isinstance(custom, bool) else ""
    date = trained if isinstance(trained, str) else ""
    return Model(model=name, is_custom_model=is_custom, custom_model_training_date=date), unusable


def _midnight(entry: Any) -> float | None:
    """The midnight of an entry's `date`; None if it has none."""
    date = entry.get("date") if isinstance(entry, dict) else None
    return epoch(date) if isinstance(date, str) and is_day(date) else None
