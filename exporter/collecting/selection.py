"""Which jobs run at a target: those of its enabled collectors, and a drill-down into its busiest subjects. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest

from exporter.catalogue import Collector
from exporter.collecting.unknown import UnknownSubjects
from exporter.counting.counters import PROMOTION_FACTOR
from exporter.counting.keys import Counting
from exporter.fetching import Subject
from exporter.jobs import CollectorSettings, Job, Target, keys_of


@dataclass(frozen=True, slots=True)
class Candidates:
    """The users and actors that one target's drill-down can select from.

    `watched` are named in the configuration. `requests` has those that were seen, with their requests in the open
    window. `running` has the keys of the jobs that run already, `unknown` by endpoint the subjects that GitHub does not
    know. `granted` are the permissions of an App's installation there, None if they are not known.
    """

    watched: Sequence[Subject] = ()
    requests: Mapping[Subject, int] = field(default_factory=dict)
    running: Collection[str] = ()
    unknown: Mapping[str, UnknownSubjects] = field(default_factory=dict)
    granted: Mapping[str, str] | None = None


def select_jobs(
    collectors: Iterable[Collector],
    settings: Mapping[str, CollectorSettings],
    target: Target,
    candidates: Candidates | None = None,
) -> list[Job]:
    """The jobs of a target, in the order of `collectors`: of each that is enabled and may read its endpoint there."""
    candidates = candidates or Candidates()
    jobs: list[Job] = []
    for order, collector in enumerate(collectors):
        section = settings[collector.name]
        if not section.enabled or not collector.runs(target.kind, section.options):
            continue
        if collector.permission.is_lacking(candidates.granted):
            continue
        subjects = _select_subjects(collector, target, section, candidates) if collector.subject else [()]
        jobs += [
            Job(collector, target, section, order, subject, candidates.requests.get(subject, 0)) for subject in subjects
        ]
    return jobs


def _select_subjects(
    collector: Collector, target: Target, settings: CollectorSettings, candidates: Candidates
) -> list[Subject]:
    """The watched subjects, the busiest, and the witness of an endpoint that is not found."""
    key_of, width = keys_of(collector, target, settings), len(collector.subject)
    unknown = candidates.unknown.get(collector.endpoint, UnknownSubjects())
    watched = [subject for subject in candidates.watched if len(subject) == width and subject not in unknown.since]
    if not collector.top:
        return list(dict.fromkeys((*watched, *unknown.witness)))
    requests = {
        subject: requests
        for subject, requests in candidates.requests.items()
        if len(subject) == width and subject not in unknown.since
    }
    followed = {subject for subject in requests if key_of(subject) in candidates.running}
    top = busiest(requests, followed, int(getattr(settings.options, collector.top)))
    return list(dict.fromkeys((*watched, *top, *unknown.witness)))


def busiest(requests: Mapping[Subject, int], followed: Collection[Subject], places: int) -> list[Subject]:
    """The busiest subjects; a `followed` one stays until another has clearly more requests."""

    def rank(subject: Subject) -> tuple[int, Subject]:
        return -requests[subject], subject

    top = sorted(followed, key=rank)[:places]
    newcomers = nsmallest(places, (subject for subject in requests if subject not in followed), key=rank)
    top += newcomers[: places - len(top)]
    for newcomer in newcomers:
        least = max(top, key=rank, default=None)
        if newcomer not in top and least is not None and requests[newcomer] > PROMOTION_FACTOR * requests[least]:
            top[top.index(least)] = newcomer
    return sorted(top, key=rank)


def requests_by_subject(collector: Collector, counting: Counting | None) -> dict[Subject, int]:
    """The subjects that a source leads to, with their requests in the open window."""
    if collector.subject_of is None or counting is None:
        return {}
    requests: dict[Subject, int] = {}
    for identity, key in counting.keys.items():
        subject = collector.subject_of(identity)
        if subject is not None and key.activity > 0:
            requests[subject] = requests.get(subject, 0) + key.activity
    return requests
