"""Which jobs there are, and when each is due again. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Protocol

from exporter.catalogue import Collector
from exporter.collecting.unknown import UnknownSubjects
from exporter.counting.counters import PROMOTION_FACTOR
from exporter.counting.keys import Counting
from exporter.errors import GitHubError, OutcomeState, RateLimited
from exporter.exposition.snapshot import Outcome
from exporter.fetching import Subject
from exporter.github.pacing import LONGEST_BLOCK
from exporter.instants import HOUR
from exporter.jobs import CollectorSettings, Job, Target, keys_of

MOST_DOUBLINGS = 3


@dataclass(frozen=True, slots=True)
class Follow:
    """Whom the drill-down of one target may follow: the watched, and requests seen by subject, users and actors alike.

    `running` has the keys of the jobs that run already, `unknown` by endpoint the subjects that GitHub does not know.
    """

    watched: Sequence[Subject] = ()
    seen: Mapping[Subject, int] = field(default_factory=dict)
    running: Collection[str] = ()
    unknown: Mapping[str, UnknownSubjects] = field(default_factory=dict)


def plan(
    collectors: Iterable[Collector],
    settings: Mapping[str, CollectorSettings],
    target: Target,
    follow: Follow | None = None,
) -> list[Job]:
    """All jobs of a target in the order of `collectors`: of each that is enabled and whose endpoint exists there."""
    follow = follow or Follow()
    jobs: list[Job] = []
    for order, collector in enumerate(collectors):
        chosen = settings[collector.name]
        if not chosen.enabled or not collector.runs(target.kind, chosen.options):
            continue
        subjects = _subjects(collector, target, chosen, follow) if collector.subject else [()]
        jobs += [Job(collector, target, chosen, order, subject, follow.seen.get(subject, 0)) for subject in subjects]
    return jobs


def _subjects(collector: Collector, target: Target, settings: CollectorSettings, follow: Follow) -> list[Subject]:
    """The subjects of a drill-down: the watched and the busiest, and who stands for an endpoint that is not found."""
    key_of, width = keys_of(collector, target, settings), len(collector.subject)
    unknown = follow.unknown.get(collector.endpoint, UnknownSubjects())
    watched = [one for one in follow.watched if len(one) == width and one not in unknown.since]
    if not collector.top:
        return list(dict.fromkeys((*watched, *unknown.witness)))
    requests = {
        subject: requests
        for subject, requests in follow.seen.items()
        if len(subject) == width and subject not in unknown.since
    }
    followed = {subject for subject in requests if key_of(subject) in follow.running}
    top = busiest(requests, followed, int(getattr(settings.options, collector.top)))
    return list(dict.fromkeys((*watched, *top, *unknown.witness)))


def busiest(requests: Mapping[Subject, int], followed: Collection[Subject], places: int) -> list[Subject]:
    """The busiest subjects; one that is `followed` stays until another has clearly more requests."""

    def rank(subject: Subject) -> tuple[int, Subject]:
        return -requests[subject], subject

    chosen = sorted(followed, key=rank)[:places]
    newcomers = nsmallest(places, (subject for subject in requests if subject not in followed), key=rank)
    chosen += newcomers[: places - len(chosen)]
    for newcomer in newcomers:
        least = max(chosen, key=rank, default=None)
        if newcomer not in chosen and least is not None and requests[newcomer] > PROMOTION_FACTOR * requests[least]:
            chosen[chosen.index(least)] = newcomer
    return sorted(chosen, key=rank)


def seen(collector: Collector, counting: Counting | None) -> dict[Subject, int]:
    """Which subjects a source leads to, with their requests in the open window."""
    if collector.subject_of is None or counting is None:
        return {}
    requests: dict[Subject, int] = {}
    for identity, key in counting.keys.items():
        subject = collector.subject_of(identity)
        if subject is not None and key.activity > 0:
            requests[subject] = requests.get(subject, 0) + key.activity
    return requests


def next_run(interval: float, error: GitHubError | None, failures: int, now: float, skew: float = 0.0) -> float:
    """When a job is due again after an attempt that began at `now`; `failures` counts this one.

    A limit tells its own end, by GitHub's clock (ours plus `skew`). A fault that asking again cannot
    mend is asked for hourly. The rest is asked again at the interval, doubled per failure up to eight times, but within
    an hour.
    """
    if error is None:
        return now + interval
    if isinstance(error, RateLimited):
        return min(max(now, error.until - skew), now + LONGEST_BLOCK)  # the clock may have been set meanwhile
    if error.state in ("forbidden", "not_found"):
        return now + HOUR
    if error.state == "retired":
        return now + 24 * HOUR
    return now + min(interval * (1 << min(failures - 1, MOST_DOUBLINGS)), HOUR)


def longest_wait(interval: float, state: OutcomeState) -> float:
    """How long at most a job waits after an attempt with this outcome."""
    return 24 * HOUR if state == "retired" else max(interval, HOUR, LONGEST_BLOCK)


class LastRun(Protocol):
    """What a snapshot and a status say of the last run."""

    @property
    def outcome(self) -> Outcome | None:
        """How it ended."""

    @property
    def next_run(self) -> float:
        """When the job was due again, epoch seconds."""


def first_run(job: Job, last: LastRun | None, *, cut_off: bool, now: float) -> float:
    """When a job first runs after a start: at once if it never ended or was cut off, else when it was due.

    At once, too, if its last run lies in the future: the clock was ahead, and nobody knows how long ago it ran.
    """
    if last is None or last.outcome is None or cut_off or last.outcome.at > now:
        return now
    due = min(last.next_run, now + longest_wait(job.settings.interval, last.outcome.state))
    if last.outcome.reason is None:
        due = min(due, last.outcome.at + job.settings.interval)  # the interval may have been shortened
    return max(now, due)
