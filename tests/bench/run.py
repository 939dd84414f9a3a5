"""One run: who takes part, how thoroughly, and where the figures go."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Figures
from tests.bench.series import ROUTE_FAMILIES, SUBJECT_FAMILIES

OURS, OBJECTS, COLLECTOR, GAUGEVEC, STATIC = "ours", "objects", "collector", "gaugevec", "static"
TOOLKIT = "toolkit"
FAMILIES = tuple(f"{family}{{" for family in SUBJECT_FAMILIES + ROUTE_FAMILIES)


@dataclass(frozen=True, slots=True)
class Run:
    """How thoroughly to measure. `peer` is the Go program, if there is one."""

    figures: Figures
    say: Callable[[str], None]
    folder: Path
    peer: Path | None
    rounds: int
    seconds: float
    """For the scrapes of one cell in one round."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Our peers that make their own series."""
        return (OBJECTS, COLLECTOR, *((GAUGEVEC,) if self.peer else ()))
