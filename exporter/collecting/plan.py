"""Which jobs there are, and when each is due again. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any

from exporter.catalogue import HOUR, Collector, Labels, Scope, Subject
from exporter.collecting.counters import CLEARLY, Counting
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
    """(collector, target, subject): one thing to ask for, again and again.

    `order` puts totals first; among drill-downs `busy`, the requests seen of the subject, tells who is more important.
    """

    collector: Collector
    target: Target
    settings: CollectorSettings
    order: int
    subject: Subject = ()
    busy: int = field(default=0, compare=False)
    key: str = field(init=False, compare=False)
    """The source's name in state and log."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", _named(self.collector, self.target, self.settings)(self.subject))

    @property
    def prefix(self) -> Labels:
        """The label values that stand in front of a row's own."""
        return (self.target.name, *self.subject)

    @property
    def max_age(self) -> float:
        """How long after the last success gauges are shown, in seconds."""
        return self.settings.max_age


@dataclass(frozen=True, slots=True)
class Follow:
    """Whom the drill-down of one target may follow: the watched, and requests seen by subject, users and actors alike.

    `now` names the jobs that run already, `gone` those whose subject GitHub does not know.
    """

    watched: Sequence[Subject] = ()
    seen: Mapping[Subject, int] = field(default_factory=dict)
    now: Collection[str] = ()
    gone: Collection[str] = ()


def plan(
    collectors: Iterable[Collector],
    settings: Mapping[str, CollectorSettings],
    target: Target,
    follow: Follow | None = None,
) -> list[Job]:
    """All jobs of a target, totals first: every enabled collector whose endpoint exists, for all or by subject."""
    follow = follow or Follow()
    jobs: list[Job] = []
    for order, collector in enumerate(collectors):
        chosen = settings[collector.name]
        if not chosen.enabled or not collector.runs(target.kind, chosen.options):
            continue
        subjects = _subjects(collector, target, chosen, follow) if collector.subject else [()]
        jobs += [Job(collector, target, chosen, order, subject, follow.seen.get(subject, 0)) for subject in subjects]
    return jobs


def _named(collector: Collector, target: Target, settings: CollectorSettings) -> Callable[[Subject], str]:
    """How the sources of a collector at a target are named by subject; a filter makes it another source."""
    given = {option: getattr(settings.options, option) for option in collector.filters}
    front, back = f"{collector.name} {target}", "".join(f" {option}={text}" for option, text in given.items() if text)
    return lambda subject: " ".join((front, *subject)) + back


def _subjects(collector: Collector, target: Target, settings: CollectorSettings, follow: Follow) -> list[Subject]:
    """The subjects of a drill-down: the watched and the busiest."""
    named, width = _named(collector, target, settings), len(collector.subject)
    watched = [one for one in follow.watched if len(one) == width and named(one) not in follow.gone]
    if not collector.top:
        return watched
    found = {
        subject: requests
        for subject, requests in follow.seen.items()
        if len(subject) == width and (not follow.gone or named(subject) not in follow.gone)
    }
    now = {subject for subject in found if named(subject) in follow.now}
    top = busiest(found, now, int(getattr(settings.options, collector.top)))
    return list(dict.fromkeys((*watched, *top)))


def busiest(found: Mapping[Subject, int], now: Collection[Subject], places: int) -> list[Subject]:
    """The busiest, where one who has a place (`now`) keeps it until somebody clearly outgrows it."""

    def rank(subject: Subject) -> tuple[int, Subject]:
        return -found[subject], subject

    kept = sorted(now, key=rank)[:places]
    newcomers = nsmallest(places, (subject for subject in found if subject not in now), key=rank)
    kept += newcomers[: places - len(kept)]
    for newcomer in newcomers:
        least = max(kept, key=rank, default=None)
        if newcomer not in kept and least is not None and found[newcomer] > CLEARLY * found[least]:
            kept[kept.index(least)] = newcomer
    return sorted(kept, key=rank)


def seen(collector: Collector, counting: Counting | None) -> dict[Subject, int]:
    """Which subjects a source leads to, with their requests in the open window."""
    if collector.leads is None or counting is None:
        return {}
    found: dict[Subject, int] = {}
    for identity, key in counting.keys.items():
        subject = collector.leads(identity)
        if subject is not None and key.activity > 0:
            found[subject] = found.get(subject, 0) + key.activity
    return found


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
