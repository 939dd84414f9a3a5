"""The two clocks of `daemon.py`, as everything here is given them."""

from typing import Protocol


class Clock(Protocol):
    """The two clocks."""

    def wall(self) -> float:
        """Epoch seconds."""

    def monotonic(self) -> float:
        """Seconds that never jump."""
