"""Whether the state is saved, for the status page and the exporter's own metrics."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StateHealth:
    """Whether the state is saved.

    - `problem`: why state cannot be written now, and the fix.
    - `incident`: what happened to the saved state, and the fix.
    - `failed_writes`: how many writes failed since the start.
    - `failed_at`: when a write last failed, epoch seconds.
    - `changes_by_others`: how often others were seen to have changed the folder since the start.
    """

    problem: str = ""
    incident: str = ""
    failed_writes: int = 0
    failed_at: float = 0.0
    changes_by_others: int = 0

    @property
    def is_written(self) -> bool:
        """Whether the metrics that are served would survive a restart."""
        return not self.problem
