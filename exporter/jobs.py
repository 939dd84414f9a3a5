"""What runs: a job is a collector at a target, with its settings. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import SerializeAsAny

from exporter.catalogue import Collector, Scope
from exporter.fetching import Subject
from exporter.options import BoundedOptions, CollectorOptions, Duration
from exporter.tables import Labels


@dataclass(frozen=True, slots=True)
class Target:
    """One organization, enterprise or appliance, and the credential for it."""

    kind: Scope
    name: str
    credential: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class CollectorSettings:
    """The settings of one collector; `interval` and `max_age` are in seconds."""

    enabled: bool
    interval: Duration
    max_age: Duration
    options: SerializeAsAny[CollectorOptions]

    @property
    def max_series(self) -> int | None:
        """The most rows with series of their own; None for a collector without that option."""
        return self.options.max_series if isinstance(self.options, BoundedOptions) else None


@dataclass(frozen=True, slots=True)
class Job:
    """What runs every interval: a collector at a target, for a subject if it is a drill-down.

    `order` is the collector's place among all. In a quota pool's queue it decides between collectors of the same rank;
    of one drill-down, the jobs whose subject has more requests (`busy`) come first.
    """

    collector: Collector
    target: Target
    settings: CollectorSettings
    order: int
    subject: Subject = ()
    busy: int = field(default=0, compare=False)
    key: str = field(init=False, compare=False)
    """The job's name in state and log."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", keys_of(self.collector, self.target, self.settings)(self.subject))

    @property
    def prefix(self) -> Labels:
        """The label values before a row's own: the target and the subject."""
        return (self.target.name, *self.subject)

    @property
    def max_age(self) -> float:
        """How long after the last success gauges are exported, in seconds."""
        return self.settings.max_age


def keys_of(collector: Collector, target: Target, settings: CollectorSettings) -> Callable[[Subject], str]:
    """A function from a subject to the key of its job. Options that filter are part of the key."""
    values = {option: getattr(settings.options, option) for option in collector.filters}
    prefix, suffix = f"{collector.name} {target}", "".join(f" {name}={text}" for name, text in values.items() if text)
    return lambda subject: " ".join((prefix, *subject)) + suffix
