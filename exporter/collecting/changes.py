"""The changes of a snapshot that are no attempt: release, postpone, restore, drop and more. Pure.

Each gives the next version of the snapshot; the same object where there is nothing to change.
"""

from dataclasses import dataclass, replace

from exporter.collecting.attempt import Attempt
from exporter.collecting.plan import first_run
from exporter.counting.counters import release, restart_series
from exporter.exposition.snapshot import Snapshot, not_after
from exporter.jobs import Job
from exporter.state.renaming import Renamed, shows_people


def released(before: Snapshot, upto: tuple[int, ...], *, unpublished: bool = True) -> Snapshot:
    """Let series rise that were new, per count, in version `upto` or before.

    Where `unpublished` is False (the state cannot be written), only series with a published value may rise.
    """
    counting = before.counting and release(before.counting, upto, unpublished=unpublished)
    if counting is before.counting:
        return before
    return replace(before, version=before.version + 1, counting=counting, names_changed=False)


def postponed(before: Snapshot, due: float) -> Snapshot:
    """The next run is due then (epoch seconds)."""
    return replace(before, version=before.version + 1, next_run=due)


def stopped_by_budget(before: Snapshot, due: float, attempt: Attempt) -> Snapshot:
    """A run stopped by the budget is not an attempt; it is retried once the budget covers twice its requests."""
    requests = max(before.requests, 2 * attempt.requests)
    return replace(postponed(before, due), requests=requests, memory=attempt.memory)


def aged(before: Snapshot) -> Snapshot:
    """The next version of the snapshot, so that it is rendered again, without the gauges that are too old by now."""
    return replace(before, version=before.version + 1)


def clock_set_back(before: Snapshot, due: float, now: float) -> Snapshot:
    """The wall clock was set back: nothing is younger than now, or gauges would outlast their `max_age`."""
    return postponed(not_after(now, before), due)


def dropped(before: Snapshot) -> Snapshot:
    """The job has left the plan. `outcome=None` marks this; on its return it reads its whole window at once."""
    if before.outcome is None and before.counting is None:
        return before
    return replace(before, version=before.version + 1, outcome=None, next_run=0.0)


def remembering(before: Snapshot, memory: object) -> Snapshot:
    """The collector remembers this from now on."""
    return replace(before, version=before.version + 1, memory=memory)


def people_renamed(job: Job, before: Snapshot, renamed: Renamed) -> Snapshot:
    """People are shown as they are named now. Their series return under other labels, so they are new."""
    after = renamed(job.key, before)
    if after is before and not shows_people(job.collector):
        return before
    version = before.version + 1
    counting = after.counting and replace(restart_series(after.counting, version), shape=version)
    return replace(after, version=version, counting=counting)


@dataclass(frozen=True, slots=True)
class Start:
    """What is known of a job beside its snapshot when it begins to run.

    `cut_off` tells that its last run was cut off; `new_token` that its credential's token is not the rejected one.
    `suspect_since` is when the last of several runs began that were all cut off (epoch seconds).
    """

    cut_off: bool = False
    new_token: bool = False
    suspect_since: float | None = None


def restored(job: Job, kept: Snapshot | None, start: Start, now: float) -> Snapshot:
    """What the state has kept of a job, with its next run. All series return, so they are new."""
    is_refused = kept is not None and kept.outcome is not None and kept.outcome.reason == "credential"
    due = first_run(job, kept, cut_off=start.new_token if is_refused else start.cut_off, now=now)
    if start.suspect_since is not None:
        due = max(due, min(start.suspect_since, now) + job.settings.interval)
    snapshot = not_after(now, kept or Snapshot())
    counting = snapshot.counting and restart_series(snapshot.counting, snapshot.version)
    return replace(snapshot, counting=counting, next_run=due)
