"""The exporter's own health, apart from its sources: facts for the status page's verdict and for self metrics."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from exporter.discovery.status import DiscoveryStatus
from exporter.jobs import Target
from exporter.state.health import StateHealth


@dataclass(frozen=True, slots=True)
class Reload:
    """When the current configuration was loaded (epoch seconds), and why a newer one was refused, if one was."""

    at: float = 0.0
    problem: str = ""


class Gap(NamedTuple):
    """How many seconds no window of a collector covered, and when that was noticed (epoch seconds)."""

    seconds: float
    at: float


class Shard(NamedTuple):
    """Which of how many exporters this is, how many targets it reads, and by kind how many are configured for all."""

    number: int = 0
    total: int = 1
    targets: int = 0
    configured: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Health:
    """The exporter's health.

    `credentials` maps each credential to why it cannot be read now; empty if it can. `rejected` says of each target
    whether GitHub rejects its credential; `paused` are the targets whose runs are paused, by a rejected credential or a
    rate limit. `expiries` is when tokens expire, by credential. `skew` is GitHub's clock minus ours, in seconds. By
    quota pool, `left` is the share of GitHub's limit that remains until its next reset, and `spent` the share of our
    budget that was used within the last hour. `gaps` has the newest gap of each collector since the start.
    `rejected_at` is when a slow scrape was last cut (epoch seconds). `web` is the newest load of the web configuration
    file; without such a file (`has_web_config` is False), the exporter's start. `shard` is this exporter's part of the
    targets. `discovery` has the entries of `discover`, `targets` how many targets this exporter reads, by kind and
    source.
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
    web: Reload = field(default_factory=Reload)
    has_web_config: bool = False
    shard: Shard = field(default_factory=Shard)
    discovery: Sequence[DiscoveryStatus] = ()
    targets: Mapping[tuple[str, str], int] = field(default_factory=dict)
