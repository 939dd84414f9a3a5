"""When a job is due: after an attempt, after a start, after a change of its settings. Pure.

Instants are epoch seconds by our clock.
"""

from typing import Protocol

from exporter.errors import GitHubError, OutcomeState, RateLimited
from exporter.exposition.snapshot import Outcome
from exporter.github.hour import LONGEST_BLOCK
from exporter.instants import DAY, HOUR
from exporter.jobs import Job

MOST_DOUBLINGS = 3


def next_run(interval: float, error: GitHubError | None, failures: int, now: float, skew: float = 0.0) -> float:
    """When a job is due again after an attempt that began at `now`; `failures` counts this one.

    - After a limit: at its end, which is given by GitHub's clock (ours plus `skew`).
    - After a fault that persists until somebody fixes it: in an hour; after `retired`: in a day.
    - After any other fault: after the interval, doubled per failure up to eight times, but within an hour.
    """
    if error is None:
        return now + interval
    if isinstance(error, RateLimited):
        return min(max(now, error.until - skew), now + LONGEST_BLOCK)  # the clock may have been set meanwhile
    if error.state in ("forbidden", "not_found"):
        return now + HOUR
    if error.state == "retired":
        return now + DAY
    return now + min(interval * (1 << min(failures - 1, MOST_DOUBLINGS)), HOUR)


def longest_wait(interval: float, state: OutcomeState) -> float:
    """The most seconds that a job waits after an attempt with this outcome."""
    return DAY if state == "retired" else max(interval, LONGEST_BLOCK)


class LastRun(Protocol):
    """A job's last run, as both a snapshot and a status have it."""

    @property
    def outcome(self) -> Outcome | None:
        """How it ended."""

    @property
    def next_run(self) -> float:
        """When the job was due again."""


def first_run(job: Job, last: LastRun | None, *, cut_off: bool, now: float) -> float:
    """When a job runs first after a start or a change of its settings.

    At once if it never ended a run, or if the last one was cut off; else when it was due. At once, too, if its last run
    lies in the future: the clock was ahead, and nobody knows how long ago that run was.
    """
    if last is None or last.outcome is None or cut_off or last.outcome.at > now:
        return now
    due = min(last.next_run, now + longest_wait(job.settings.interval, last.outcome.state))
    if last.outcome.reason is None:
        due = min(due, last.outcome.at + job.settings.interval)  # the interval may have been shortened
    return max(now, due)
