"""Failures on the status page: GitHub's message, the fix, and the targets; failures with the same fix are one entry."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exporter.errors import BY_REASON, GENERAL_HINTS, Reason, Retired
from exporter.exposition.snapshot import Outcome
from exporter.exposition.store import Entry
from exporter.github.refusals import of_permission
from exporter.jobs import Target
from exporter.serving.page.verdict import Stopped
from exporter.serving.page.words import Moment, capital, many, moment, sentence


class FailedJob(NamedTuple):
    """A job's entry and how its last attempt failed."""

    entry: Entry
    outcome: Outcome
    reason: Reason

    @property
    def hint(self) -> str:
        """What to do about it, in the words of log and `doctor`."""
        return self.outcome.hint or BY_REASON[self.reason].hint

    @property
    def needs_permission(self) -> bool:
        """Whether the fix may be a permission, which depends on the endpoint."""
        return self.reason in ("forbidden", "not_found") and of_permission(self.hint)


class Attempts(NamedTuple):
    """What is served for now, how often it failed, its last success and its next run; of several jobs the worst."""

    served: str
    failed: str
    last_success: Moment
    next_run: Moment


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failed jobs that have the same fix.

    `title` and `subject` are the heading; `is_single` says that the subject is one source. `fix` is empty if the
    verdict has it already; `lines` is YAML to paste; `needs` is the permission, if the lack of one may be the cause.
    `common` are the collectors that are affected at each of `places`, empty where they differ.
    """

    title: str
    subject: str
    is_single: bool
    message: str
    fix: str
    lines: str
    credential: str
    needs: str
    common: str
    places: Sequence[str]
    attempts: Attempts
    page: str
    runbook: str


def failures(
    entries: Sequence[Entry], rejected: Collection[Target], stopped: Mapping[str, Stopped], now: float
) -> list[FailureGroup]:
    """The failures, one for each fix; all sources of `rejected` targets are affected, though not all have run since.

    `stopped` has what the verdict says of each rejected credential.
    """
    groups: dict[tuple[str, ...], list[FailedJob]] = {}
    for entry in entries:
        outcome = entry.status.outcome
        if outcome and outcome.reason:
            failed = FailedJob(entry, outcome, outcome.reason)
            groups.setdefault(_fix_key(failed), []).append(failed)
    stopped_entries = [entry for entry in entries if entry.job.target in rejected]
    return [_failure(group, _affected(group, stopped_entries), stopped, now) for group in groups.values()]


def _fix_key(failed: FailedJob) -> tuple[str, ...]:
    """A key that is equal for failures with the same fix."""
    job, hint = failed.entry.job, failed.hint
    key = (failed.reason, job.target.credential, hint)
    if failed.needs_permission:
        needs = job.collector.permission  # its words would cost half a second for tens of thousands of failures
        return (*key, needs.app, needs.classic, needs.besides, str(needs.fine_grained))
    if hint not in GENERAL_HINTS:
        return key
    if hint == Retired.hint:
        return (*key, job.collector.name)
    if failed.reason == "invalid":
        return (*key, job.collector.name, failed.outcome.message)
    return key


def _affected(group: Sequence[FailedJob], stopped_entries: Iterable[Entry]) -> list[Entry]:
    """The entries that a fix helps; `stopped_entries` are those of targets whose credential is rejected."""
    entries = [failed.entry for failed in group]
    if group[0].reason != "credential":
        return entries
    credential, failed = entries[0].job.target.credential, {id(entry) for entry in entries}
    return entries + [
        entry for entry in stopped_entries if id(entry) not in failed and entry.job.target.credential == credential
    ]


def _failure(
    group: Sequence[FailedJob], affected: Iterable[Entry], stopped: Mapping[str, Stopped], now: float
) -> FailureGroup:
    first = group[0]
    collector, credential = first.entry.job.collector, first.entry.job.target.credential
    kind = BY_REASON[first.reason]
    collectors_at = _collectors_by_target(affected)
    is_single, subject = _subject(collectors_at)
    common, places = ("", []) if is_single else _places(collectors_at)
    words, lines = _fix(first)
    is_in_verdict = credential in stopped and first.hint == stopped[credential].hint
    return FailureGroup(
        title=kind.title if is_single else capital(kind.title),
        subject=subject,
        is_single=is_single,
        message=_message(group),
        fix="" if is_in_verdict else words,
        lines=lines,
        credential=credential,
        needs=collector.needs if first.needs_permission else "",
        common=common,
        places=places,
        attempts=_attempts(group, now),
        page=collector.page,
        runbook=kind.runbook,
    )


def _collectors_by_target(entries: Iterable[Entry]) -> dict[str, tuple[str, ...]]:
    names: dict[str, dict[str, None]] = {}
    for entry in entries:
        names.setdefault(str(entry.job.target), {})[entry.job.collector.name] = None
    return {target: tuple(collectors) for target, collectors in names.items()}


def _subject(collectors_at: Mapping[str, Collection[str]]) -> tuple[bool, str]:
    """Whether it is a single source, and its name or the number of sources."""
    count = sum(map(len, collectors_at.values()))
    if count == 1:
        ((target, (collector,)),) = collectors_at.items()
        return True, f"{collector} of {target}"
    where = f" at {many(len(collectors_at), 'target')}" if len(collectors_at) > 1 else ""
    return False, f"{many(count, 'source')}{where}"


def _places(collectors_at: Mapping[str, tuple[str, ...]]) -> tuple[str, list[str]]:
    """If all targets have the same collectors, these and the targets; else "" and each target with its collectors."""
    if len(set(collectors_at.values())) == 1:
        return ", ".join(next(iter(collectors_at.values()))), list(collectors_at)
    return "", [f"{target}: {', '.join(collectors)}" for target, collectors in collectors_at.items()]


def _message(group: Sequence[FailedJob]) -> str:
    others = len({failed.outcome.message for failed in group}) - 1
    return group[0].outcome.message + (f" (and {many(others, 'other message')})" if others else "")


def _fix(failed: FailedJob) -> tuple[str, str]:
    """What to do, and the YAML to paste."""
    words, _, lines = failed.hint.partition("\n")
    if failed.hint == Retired.hint:
        words, lines = f"{words}:", f"collectors:\n  {failed.entry.job.collector.name}:\n    enabled: false"
    return capital(words) if lines else sentence(words), lines


def _attempts(group: Sequence[FailedJob], now: float) -> Attempts:
    statuses = [failed.entry.status for failed in group]
    successes = [status.last_success for status in statuses if status.last_success is not None]
    count = max(status.failures for status in statuses)
    return Attempts(
        served=_served(group),
        failed="once" if count < 2 else f"{count} times in a row",
        last_success=moment(min(successes) if len(successes) == len(statuses) else None, now),
        next_run=moment(max(min(status.next_run for status in statuses), now), now),
    )


def _served(group: Sequence[FailedJob]) -> str:
    """Whether values of the last success are still on /metrics."""
    with_values = sum(failed.entry.samples > 0 for failed in group)
    if not with_values:
        return "No values are served"
    share = f" ({with_values} of {len(group)})" if with_values < len(group) else ""
    return f"The last good values are served{share}"
