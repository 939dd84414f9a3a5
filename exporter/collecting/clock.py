"""The interface of the clocks, which `daemon.py` passes to everything here."""

from typing import Protocol


class Clock(Protocol):
    """Our wall clock, which can be set, and one that never jumps."""

    def wall(self) -> float:
        """Epoch seconds."""

    def monotonic(self) -> float:
        """Seconds that never jump."""
