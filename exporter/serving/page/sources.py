"""Sources, which are all jobs of a collector at a target, with their condition; and the facts of the verdict."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exporter.errors import CredentialRejected
from exporter.exposition.snapshot import Outcome
from exporter.exposition.store import Entry
from exporter.jobs import Target
from exporter.lateness import Late
from exporter.serving.health import Health
from exporter.serving.page.verdict import Facts, Finding, LateData, Level, Stopped
from exporter.serving.page.words import sentence, some

OVERDUE = 600.0
"""A source is late when its last success is two intervals and these seconds ago."""


class Condition(NamedTuple):
    """A source's condition: its text in the source's row, its text in the summary, and its level."""

    state: str
    summary: str
    level: Level


STOPPED = Condition("stopped", "stopped", "bad")
PAUSED = Condition("paused", "paused", "warn")
FAILING = Condition("failing", "failing", "bad")
LATE = Condition("late", "late", "warn")
OLD_DATA = Condition("data late", "with late data", "warn")
MISSING_DATA = Condition("data missing", "with missing data", "warn")
NOT_RUN = Condition("not run yet", "not run yet", "warn")
WORKING = Condition("works", "working", "ok")
CONDITIONS = (WORKING, STOPPED, PAUSED, FAILING, LATE, OLD_DATA, MISSING_DATA, NOT_RUN)


@dataclass(frozen=True, slots=True)
class Source:
    """All jobs of a collector at a target, and how many of them fail, are late, have old or missing data, never ran.

    `is_stopped`: its credential is rejected, so that no job runs. `is_paused`: it only waits for a rate limit to reset.
    """

    entries: Sequence[Entry]
    failing: int
    late: int
    old_data: int
    missing_data: int
    not_run: int
    is_stopped: bool
    is_paused: bool

    @property
    def target(self) -> Target:
        """The organization, enterprise or appliance."""
        return self.entries[0].job.target

    @property
    def collector(self) -> str:
        """The collector's name."""
        return self.entries[0].job.collector.name

    @property
    def condition(self) -> Condition:
        """The worst condition that applies."""
        conditions = (
            (self.is_stopped, STOPPED),
            (self.is_paused, PAUSED),
            (self.failing, FAILING),
            (self.late, LATE),
            (self.old_data, OLD_DATA),
            (self.missing_data, MISSING_DATA),
            (self.not_run, NOT_RUN),
        )
        return next((condition for applies, condition in conditions if applies), WORKING)

    @property
    def state(self) -> str:
        """The text of its condition; if it fails, the state of the endpoint."""
        condition = self.condition
        return next(outcome.state for outcome in _failures(self.entries)) if condition is FAILING else condition.state

    @property
    def affected(self) -> int:
        """How many of its jobs are in that condition; 0 if the cause concerns them all."""
        if self.is_stopped or self.is_paused:
            return 0
        return self.failing or self.late or self.old_data or self.missing_data or self.not_run

    @property
    def series(self) -> int:
        """How many series it has on /metrics."""
        return sum(entry.samples for entry in self.entries)

    @property
    def data_time(self) -> float | None:
        """The instant that its oldest data describe (epoch seconds)."""
        times = (entry.status.data_time for entry in self.entries)
        return min((time for time in times if time is not None), default=None)

    @property
    def last_success(self) -> float | None:
        """The oldest last success of its jobs; None if none has succeeded."""
        times = (entry.status.last_success for entry in self.entries)
        return min((time for time in times if time is not None), default=None)

    @property
    def interval(self) -> float:
        """How often it runs, in seconds."""
        return self.entries[0].job.settings.interval

    @property
    def next_run(self) -> float:
        """When its next job runs."""
        return min(entry.status.next_run for entry in self.entries)


def _failures(entries: Iterable[Entry]) -> list[Outcome]:
    outcomes = (entry.status.outcome for entry in entries)
    return [outcome for outcome in outcomes if outcome and outcome.reason]


def sources_of(entries: Sequence[Entry], health: Health, now: float) -> list[Source]:
    """The sources, in the order of the entries."""
    rejected = rejected_targets(entries, health)
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((str(entry.job.target), entry.job.collector.name), []).append(entry)
    return [_source(group, rejected, health, now) for group in groups.values()]


def rejected_targets(entries: Iterable[Entry], health: Health) -> set[Target]:
    """The targets whose credential GitHub rejects, by `Health` or by the last attempt of a job."""
    by_attempt = {entry.job.target for entry in entries if _is_rejected(entry)}
    return by_attempt | {target for target, is_rejected in health.rejected.items() if is_rejected}


def _is_rejected(entry: Entry) -> bool:
    outcome = entry.status.outcome
    return outcome is not None and outcome.reason == "credential"


def _source(entries: Sequence[Entry], rejected: Collection[Target], health: Health, now: float) -> Source:
    target = entries[0].job.target
    statuses = [entry.status for entry in entries]
    not_run = sum(status.outcome is None for status in statuses)
    reasons = {outcome.reason for outcome in _failures(entries)}
    is_stopped = target in rejected
    only_limited = reasons == {"rate_limited"} or (not reasons and not_run > 0)
    return Source(
        entries,
        failing=len(_failures(entries)),
        late=sum(_is_late(entry, now) for entry in entries),
        old_data=sum(_has_old_data(entry, now) for entry in entries),
        missing_data=sum(bool(status.note) for status in statuses),
        not_run=not_run,
        is_stopped=is_stopped,
        is_paused=not is_stopped and only_limited and target in health.paused,
    )


def _is_late(entry: Entry, now: float) -> bool:
    success = entry.status.last_success
    return success is not None and now - success > 2 * entry.job.settings.interval + OVERDUE


def _has_old_data(entry: Entry, now: float) -> bool:
    late, data_time = entry.job.collector.late, entry.status.data_time
    return late is not None and data_time is not None and now - data_time > late.after


def facts_of(sources: Sequence[Source]) -> Facts:
    """The facts of the verdict; each source counts once, in its worst condition."""
    running = [source for source in sources if not source.is_stopped]
    unpaused = [source for source in running if not source.is_paused]
    succeeding = [source for source in unpaused if not source.failing]
    return Facts(
        sources=len(sources),
        stopped=_stopped_by_credential(sources),
        paused=len(running) - len(unpaused),
        failing=len(unpaused) - len(succeeding),
        late=sum(source.late > 0 for source in succeeding),
        not_run=sum(source.not_run > 0 and not source.late for source in succeeding),
        late_data=_late_data([source for source in succeeding if source.old_data]),
        warnings=_missing_data(succeeding),
    )


def _stopped_by_credential(sources: Sequence[Source]) -> dict[str, Stopped]:
    of_credential = Counter(source.target.credential for source in sources)
    stopped: dict[str, list[Source]] = {}
    for source in sources:
        if source.is_stopped:
            stopped.setdefault(source.target.credential, []).append(source)
    return {
        credential: Stopped(len(group), of_credential[credential], _rejection_hint(group))
        for credential, group in stopped.items()
    }


def _rejection_hint(sources: Iterable[Source]) -> str:
    """What to do about a rejected credential, as the first attempt that failed for it says."""
    outcomes = (outcome for source in sources for outcome in _failures(source.entries))
    hints = (outcome.hint.partition("\n")[0] for outcome in outcomes if outcome.reason == "credential" and outcome.hint)
    return next(hints, CredentialRejected.hint)


def _late_data(sources: Iterable[Source]) -> list[LateData]:
    targets: dict[tuple[str, Late], list[str]] = {}
    for source in sources:
        late = next(entry.job.collector.late for entry in source.entries if entry.job.collector.late)
        targets.setdefault((source.collector, late), []).append(str(source.target))
    return [LateData(collector, late.after, late.fix, names) for (collector, late), names in targets.items()]


def _missing_data(sources: Iterable[Source]) -> list[Finding]:
    """A finding for each cause by which runs succeed without all data, with the targets."""
    targets: dict[tuple[str, str], dict[str, None]] = {}
    for source in sources:
        for entry in source.entries:
            if note := entry.status.note:
                targets.setdefault((source.collector, note), {})[str(source.target)] = None
    return [
        Finding("warn", f"{collector} succeeds, but data are missing at {some(list(names))}.", cause=sentence(note))
        for (collector, note), names in targets.items()
    ]
