"""What was measured: for each cell one figure per round, so that ratios are of one round and show their spread."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

Cell = tuple[str, str, int]
"""What was measured, of whom, and at which size."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of the rounds, the least and the most."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of some values."""
        return cls(median(values), min(values), max(values))


@dataclass(slots=True)
class Figures:
    """Everything that a run measured, and what it could not."""

    cells: dict[Cell, list[float]] = field(default_factory=lambda: defaultdict(list))
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, whose: str, size: int, value: float) -> None:
        """One round's figure."""
        self.cells[what, whose, size].append(value)

    def get(self, what: str, whose: str, size: int) -> Spread | None:
        """A cell, if it was measured."""
        values = self.cells.get((what, whose, size))
        return Spread.of(values) if values else None

    def sizes(self, what: str, whose: str) -> list[int]:
        """The sizes at which something was measured, in order."""
        return sorted(size for kind, who, size in self.cells if (kind, who) == (what, whose))

    def ratio(self, over: Cell, under: Cell) -> Spread | None:
        """The one by the other, round by round; None if either was not measured."""
        above, below = self.cells.get(over), self.cells.get(under)
        if not above or not below:
            return None
        return Spread.of([one / other for one, other in zip(above, below, strict=False)])


def quantile(values: Iterable[float], share: float) -> float:
    """The smallest value that so many of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
