"""The changes of a snapshot other than attempts: release, postpone, restore, drop and more. Pure.

Each returns the next version of the snapshot, or the same object if nothing changes.
"""

from dataclasses import dataclass, replace

from exporter.collecting.attempt import Attempt
from exporter.collecting.due import first_run
from exporter.counting import counters
from exporter.exposition.snapshot import Snapshot, not_after
from exporter.jobs import Job
from exporter.state.renaming import Renamed, shows_people


def release(before: Snapshot, upto: tuple[int, ...], *, unpublished: bool = True) -> Snapshot:
    """Let series rise that were new, per count, in version `upto` or before.

    Where `unpublished` is False (the state cannot be written), only series with a published value may rise.
    """
    counting = before.counting and counters.release(before.counting, upto, unpublished=unpublished)
    if counting is before.counting:
        return before
    return replace(before, version=before.version + 1, counting=counting, names_changed=False)


def postpone(before: Snapshot, due: float) -> Snapshot:
    """Let the next run be due at `due` (epoch seconds)."""
    return replace(before, version=before.version + 1, next_run=due)


def postpone_for_budget(before: Snapshot, due: float, attempt: Attempt) -> Snapshot:
    """Retry a run that the budget stopped once the budget covers twice its requests. It was not an attempt.

    If those are more than the budget of an hour, it is retried with that: a job that costs more never runs.
    """
    requests = 2 * attempt.requests
    if attempt.hourly is not None and attempt.requests < attempt.hourly:
        requests = min(requests, attempt.hourly)
    return replace(postpone(before, due), requests=max(before.requests, requests), memory=attempt.memory)


def refresh(before: Snapshot) -> Snapshot:
    """Change only the version: the snapshot is rendered again, without the gauges that have become too old."""
    return replace(before, version=before.version + 1)


def set_clock_back(before: Snapshot, due: float, now: float) -> Snapshot:
    """Limit all dates to `now` after the wall clock was set back: gauges would outlast their `max_age`."""
    return postpone(not_after(now, before), due)


def drop(before: Snapshot) -> Snapshot:
    """Mark the job as dropped, by `outcome=None`. On its return it reads its whole window at once."""
    if before.outcome is None and before.counting is None:
        return before
    return replace(before, version=before.version + 1, outcome=None, next_run=0.0)


def remember(before: Snapshot, memory: object) -> Snapshot:
    """Replace what the collector remembers."""
    return replace(before, version=before.version + 1, memory=memory)


def apply_naming(job: Job, before: Snapshot, renamed: Renamed) -> Snapshot:
    """Name people as `privacy` now says. Their series return with other labels, so they are new series."""
    after = renamed(job.key, before)
    if after is before and not shows_people(job.collector):
        return before
    version = before.version + 1
    counting = after.counting and replace(counters.restart_series(after.counting, version), shape=version)
    return replace(after, version=version, counting=counting)


@dataclass(frozen=True, slots=True)
class Start:
    """What is known of a job besides its snapshot when it begins to run.

    `cut_off` tells that its last run was cut off; `new_token` that its credential's token is not the rejected one.
    `suspect_since` is when the last of several runs began that were all cut off (epoch seconds).
    """

    cut_off: bool = False
    new_token: bool = False
    suspect_since: float | None = None


def restore(job: Job, saved: Snapshot | None, start: Start, now: float) -> Snapshot:
    """Give a job the snapshot that was saved, if any, and its next run. All its series count as new."""
    is_refused = saved is not None and saved.outcome is not None and saved.outcome.reason == "credential"
    due = first_run(job, saved, cut_off=start.new_token if is_refused else start.cut_off, now=now)
    if start.suspect_since is not None:
        due = max(due, min(start.suspect_since, now) + job.settings.interval)
    snapshot = not_after(now, saved or Snapshot())
    counting = snapshot.counting and counters.restart_series(snapshot.counting, snapshot.version)
    return replace(snapshot, counting=counting, next_run=due)
