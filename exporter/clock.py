"""Our clocks: their interface, and the machine's, which `daemon.py` and commands pass to everything else."""

import time
from typing import Protocol


class Clock(Protocol):
    """Our wall clock, which can be set, and one that never jumps."""

    def wall(self) -> float:
        """Epoch seconds."""

    def monotonic(self) -> float:
        """Seconds that never jump."""


class SystemClock:
    """The machine's clocks."""

    def wall(self) -> float:
        """Epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()
