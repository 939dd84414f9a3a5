"""What the exporter knows of itself beside its sources: the facts of the verdict and of the metrics about ourselves."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.jobs import Target
from exporter.state.health import StateHealth


@dataclass(frozen=True, slots=True)
class Reload:
    """When the configuration that runs was loaded (epoch seconds), and why a newer one was refused, if one was."""

    at: float = 0.0
    problem: str = ""


class Gap(NamedTuple):
    """So many seconds that no window of a collector covered, found at an instant (epoch seconds)."""

    seconds: float
    at: float


@dataclass(frozen=True, slots=True)
class Health:
    """All of it.

    `credentials` maps each to why it cannot be read now, empty if it can. `rejected` tells of each target whether
    GitHub refuses its credential, `paused` are the targets that wait for their credential or for a limit of GitHub's.
    `expiries` are when tokens end, by credential; `skew` is GitHub's clock less ours. By quota pool, `left` is which
    share of GitHub's limit remains until a reset that is to come, `spent` which share of our budget an hour has taken.
    `gaps` are the newest of this process, by collector. `rejected_at` is when a slow scrape was last cut.
    `web` is of the web configuration file, None without one.
    """

    state: StateHealth = field(default_factory=StateHealth)
    reload: Reload = field(default_factory=Reload)
    credentials: Mapping[str, str] = field(default_factory=dict)
    rejected: Mapping[Target, bool] = field(default_factory=dict)
    paused: Collection[Target] = ()
    expiries: Mapping[str, float] = field(default_factory=dict)
    skew: float = 0.0
    left: Mapping[str, float] = field(default_factory=dict)
    spent: Mapping[str, float] = field(default_factory=dict)
    gaps: Mapping[str, Gap] = field(default_factory=dict)
    rejected_at: float = 0.0
    web: Reload | None = None
