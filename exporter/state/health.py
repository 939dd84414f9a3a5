"""How the state is, for the status page and the metrics about ourselves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StateHealth:
    """How the state is.

    `problem` is why it cannot be written now, and the fix; `failed_at` when a write last failed (epoch seconds),
    `failed_writes` how many did since the start; `incident` what happened to what was kept, and the fix.
    """

    problem: str = ""
    incident: str = ""
    failed_writes: int = 0
    failed_at: float = 0.0

    @property
    def is_written(self) -> bool:
        """Whether what is shown survives a restart."""
        return not self.problem
