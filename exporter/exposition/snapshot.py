"""What is known of one job: its `Snapshot`, and the `Status` that schedule, page and metrics read of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from exporter.counting.keys import Counting, Numbers
from exporter.counting.short_walks import WalkHistory
from exporter.errors import OutcomeState, Reason
from exporter.exposition.columns import Column, not_dated_after, younger
from exporter.github.dates import OPEN, Closing
from exporter.jobs import Job


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. `at` is when it began (epoch seconds, our clock), `duration` in seconds.

    `message` and `hint` are what the failure says, and what to do about it.
    """

    at: float
    duration: float
    state: OutcomeState = "ok"
    reason: Reason | None = None
    message: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is known of one job. Every change makes another one, with the next version. Instants are epoch seconds.

    `gauges` maps families to samples. They were read at `gauges_read_at`, except those of the families in
    `earlier_reads`, which are kept from the read at the instant there because the newest one was doubtful. `data_time`
    is the instant that the values describe. `sums` are the target's totals as they were known before the newest read.
    `left_out` counts rows without a series because of `max_series`. `unknown` are fields of the newest complete read
    that this version does not know, `note` says which data that read lacked and what to do about it (a warning without
    its full stop; empty if none).

    `next_run` is when the job is due again, `failures` how many attempts in a row have failed, `requests` what a run
    costs at most. `walks` is what is known of the walks over its list. `closing` is when GitHub ends the endpoint,
    `memory` what the collector remembers, as JSON data. `names_changed` says that `privacy` has changed since the
    newest read, and no new series was released since.
    """

    version: int = 0
    gauges: Mapping[str, Column] = field(default_factory=dict)
    counting: Counting | None = None
    outcome: Outcome | None = None
    last_success: float | None = None
    data_time: float | None = None
    next_run: float = 0.0
    failures: int = 0
    left_out: int = 0
    requests: int = 0
    sums: Numbers | None = None
    closing: Closing = OPEN
    gauges_read_at: float | None = None
    memory: Any = None
    unknown: tuple[str, ...] = ()
    note: str = ""
    earlier_reads: Mapping[str, float] = field(default_factory=dict)
    names_changed: bool = False
    walks: WalkHistory | None = None

    def gauges_at(self, now: float, job: Job) -> Mapping[str, Column]:
        """The gauges that are not too old. Counters never age.

        A sample with a date of its own ages from that date, whether later runs succeed or not. The others age from the
        run that read them.
        """
        ages = _ages(job)
        return {
            family: samples if samples.dates is None else younger(samples, ages.get(family, job.max_age), now)
            for family, samples in self.gauges.items()
            if samples.dates is not None or now <= self.read_at(family) + job.max_age
        }

    def gauges_until(self, now: float, job: Job) -> float:
        """Until when (epoch seconds) `gauges_at` gives what it gives now."""
        ages = _ages(job)
        ends: set[float] = set()
        for family, samples in self.gauges.items():
            if samples.dates is not None:
                ends.update(date + ages.get(family, job.max_age) for date in samples.dates)
            elif len(samples):
                ends.add(self.read_at(family) + job.max_age)
        return min((end for end in ends if end >= now), default=math.inf)

    def read_at(self, family: str) -> float:
        """When the samples of a family were read (our clock)."""
        read_at = self.last_success if self.gauges_read_at is None else self.gauges_read_at
        return self.earlier_reads.get(family, -math.inf if read_at is None else read_at)

    @property
    def folded(self) -> int:
        """How many rows have no series of their own: left out, or summed as `other`."""
        return self.left_out + (self.counting.hidden if self.counting else 0)

    def series(self) -> int:
        """How many series the snapshot has, while its gauges are fresh."""
        counters = 0
        if self.counting:
            label_sets = len(self.counting.keys) - self.counting.hidden + (self.counting.other_new_since is not None)
            counters = label_sets * len(self.counting.other)
        return counters + sum(len(samples) for samples in self.gauges.values())


def _ages(job: Job) -> dict[str, float]:
    """How long the samples of dated families are shown after their dates, in seconds, by family."""
    tables = job.collector.tables
    return {family.name: max(job.max_age, table.stays) for table in tables if table.dated for family in table.families}


def not_after(now: float, snapshot: Snapshot) -> Snapshot:
    """The snapshot with no instant of our clock later than `now`.

    Our clock may have been ahead when it was saved: gauges would outlast their `max_age` by as much.
    """
    outcome = snapshot.outcome
    return replace(
        snapshot,
        gauges={family: not_dated_after(now, samples) for family, samples in snapshot.gauges.items()},
        outcome=outcome and replace(outcome, at=min(outcome.at, now)),
        last_success=None if snapshot.last_success is None else min(snapshot.last_success, now),
        gauges_read_at=None if snapshot.gauges_read_at is None else min(snapshot.gauges_read_at, now),
        earlier_reads={family: min(at, now) for family, at in snapshot.earlier_reads.items()},
    )


def unnamed(snapshot: Snapshot) -> Snapshot:
    """The snapshot with identities and counts only: no gauges, no memory, and empty labels in place of names.

    Its list is read whole next, because the names of all rows are needed.
    """
    counting = snapshot.counting
    if counting:
        keys = {
            identity: replace(key, labels=(*identity, *("" for _ in key.labels[len(identity) :])))
            for identity, key in counting.keys.items()
        }
        counting = replace(counting, keys=keys)
    return replace(snapshot, counting=counting, gauges={}, memory=None, walks=None)


@dataclass(frozen=True, slots=True)
class Status:
    """The part of a snapshot that schedule, status page and self metrics read; it stays unpacked.

    Fields with the names of a snapshot's fields mean the same. `series` is how many series it has, `folded` how many
    rows have no series of their own, `waiting` whether there are new series that have not been scraped, `since` when
    counting began. `until` is when (epoch seconds, our clock) the next gauge becomes too old to be shown.
    """

    version: int = 0
    outcome: Outcome | None = None
    last_success: float | None = None
    data_time: float | None = None
    next_run: float = 0.0
    failures: int = 0
    requests: int = 0
    closing: Closing = OPEN
    unknown: tuple[str, ...] = ()
    note: str = ""
    series: int = 0
    folded: int = 0
    waiting: bool = False
    since: int | None = None
    until: float = math.inf
    walks: WalkHistory | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of the job."""
        return self.outcome is None and self.since is None


def status_of(snapshot: Snapshot, until: float = math.inf) -> Status:
    """The status of a snapshot; `until` is `Snapshot.gauges_until`."""
    counting = snapshot.counting
    return Status(
        version=snapshot.version,
        outcome=snapshot.outcome,
        last_success=snapshot.last_success,
        data_time=snapshot.data_time,
        next_run=snapshot.next_run,
        failures=snapshot.failures,
        requests=snapshot.requests,
        closing=snapshot.closing,
        unknown=snapshot.unknown,
        note=snapshot.note,
        series=snapshot.series(),
        folded=snapshot.folded,
        waiting=counting is not None and counting.has_new_series,
        since=counting.since if counting else None,
        until=until,
        walks=snapshot.walks,
    )
