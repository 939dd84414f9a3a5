"""Which jobs there are, and when each is due again. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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

    @property
    def key(self) -> str:
        """The source's name in state and log; a filter makes it another source."""
        return " ".join((self.collector.name, str(self.target), *self.subject, *self._filters()))

    def _filters(self) -> list[str]:
        given = {option: getattr(self.settings.options, option) for option in self.collector.filters}
        return [f"{option}={text}" for option, text in given.items() if text]

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
        if not chosen.enabled or target.kind != collector.scope:
            continue
        if not collector.subject:
            jobs.append(Job(collector, target, chosen, order))
            continue
        jobs += _drill_down(
            [
                Job(collector, target, chosen, order, subject, follow.seen.get(subject, 0))
                for subject in dict.fromkeys((*follow.watched, *follow.seen))
                if len(subject) == len(collector.subject)
            ],
            follow,
        )
    return jobs


def _drill_down(jobs: Sequence[Job], follow: Follow) -> list[Job]:
    """The jobs of the watched subjects and of the busiest."""
    known = [job for job in jobs if job.key not in follow.gone]
    watched = [job for job in known if job.subject in follow.watched]
    if not known or not known[0].collector.top:
        return watched
    places = int(getattr(known[0].settings.options, known[0].collector.top))
    top = busiest([job for job in known if job.subject in follow.seen], follow.now, places)
    return list({job.key: job for job in (*watched, *top)}.values())


def busiest(jobs: Iterable[Job], now: Collection[str], places: int) -> list[Job]:
    """The busiest, where one who has a place keeps it until somebody clearly outgrows it."""
    ranked = sorted(jobs, key=lambda job: (-job.busy, job.key))
    kept = [job for job in ranked if job.key in now][:places]
    newcomers = [job for job in ranked if job.key not in now]
    kept += newcomers[: places - len(kept)]
    for newcomer in newcomers[:places]:
        least = min(kept, key=lambda job: (job.busy, job.key), default=None)
        if newcomer not in kept and least is not None and newcomer.busy > CLEARLY * least.busy:
            kept[kept.index(least)] = newcomer
    return sorted(kept, key=lambda job: (-job.busy, job.key))


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
