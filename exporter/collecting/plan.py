"""Which jobs there are, and when each is due again. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from exporter.catalogue import HOUR, Collector, Labels, Scope
from exporter.github.errors import GitHubError, RateLimited

MOST_DOUBLINGS = 3


@dataclass(frozen=True, slots=True)
class Target:
    """One organization, enterprise or appliance, and who asks there."""

    kind: Scope
    name: str
    credential: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class CollectorSettings:
    """What the configuration says of one collector. Seconds."""

    enabled: bool
    interval: float
    max_age: float
    options: Any


@dataclass(frozen=True, slots=True)
class Job:
    """(collector, target, subject): one thing to ask for, again and again. `order` puts totals first."""

    collector: Collector
    target: Target
    settings: CollectorSettings
    order: int
    subject: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The job's name in state and log."""
        return " ".join((self.collector.name, str(self.target), *self.subject))

    @property
    def prefix(self) -> Labels:
        """The label values that stand in front of a row's own."""
        return (self.target.name, *self.subject)

    @property
    def max_age(self) -> float:
        """How long after the last success gauges are shown, in seconds."""
        return self.settings.max_age


def plan(
    collectors: Iterable[Collector], settings: Mapping[str, CollectorSettings], targets: Iterable[Target]
) -> list[Job]:
    """All jobs, totals first: every enabled collector for every target where its endpoint exists."""
    targets = list(targets)
    return [
        Job(collector, target, settings[collector.name], order)
        for order, collector in enumerate(collectors)
        if settings[collector.name].enabled
        for target in targets
        if target.kind == collector.scope
    ]


def next_run(interval: float, error: GitHubError | None, failures: int, now: float, skew: float = 0.0) -> float:
    """When a job is due again after an attempt that began at `now`; `failures` counts this one.

    A limit tells its own end, by GitHub's clock (ours plus `skew`). A fault that asking again cannot
    mend is asked for hourly. The rest is asked again at the interval, doubled per failure up to eight times, but within
    an hour.
    """
    if error is None:
        return now + interval
    if isinstance(error, RateLimited):
        return max(now, error.until - skew)
    if error.state in ("forbidden", "not_found"):
        return now + HOUR
    if error.state == "retired":
        return now + 24 * HOUR
    return now + min(interval * (1 << min(failures - 1, MOST_DOUBLINGS)), HOUR)
