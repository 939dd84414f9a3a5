"""From a snapshot and an attempt to the snapshot after it. Pure."""

from dataclasses import dataclass, replace

from exporter.collecting.attempt import Attempt, Reading
from exporter.collecting.doubts import earlier_reads, note_of
from exporter.collecting.due import next_run
from exporter.collecting.gauges import Dates, gauges_of, with_unseen
from exporter.counting import counters
from exporter.counting.folds import fold, skip_gap
from exporter.counting.keys import Counting, Rules
from exporter.counting.short_walks import after_walk
from exporter.errors import GitHubError, Invalid
from exporter.exposition.snapshot import Outcome, Snapshot
from exporter.github.dates import OPEN
from exporter.jobs import Job


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The snapshot after a change, and what our own counters and the log report of an attempt.

    `revisions` is how many counts GitHub revised downward, `gap` how many seconds no window covered. `unreadable` is
    how many rows and values could not be read, `unknown` these and the values of unknown fields. `clock_was_ahead`
    tells that the window began later than GitHub's present time. `saved` is how many more requests a whole walk had
    cost.
    """

    snapshot: Snapshot
    error: GitHubError | None = None
    revisions: int = 0
    gap: int = 0
    unreadable: int = 0
    unknown: int = 0
    clock_was_ahead: bool = False
    saved: int = 0


def conclude(job: Job, before: Snapshot, attempt: Attempt, rules: Rules) -> Conclusion:
    """The snapshot after an attempt; after a failed one it has all values that it had."""
    result = attempt.result
    if isinstance(result, Reading):
        try:
            counted = count(job, before, result, rules, attempt.began, skew=attempt.skew)
        except Invalid as error:
            result = error
        else:
            fault = result.fetched.fault
            after = _end_attempt(job, before, counted.snapshot, attempt, fault, saved=counted.saved)
            if result.fetched.again is not None:
                after = replace(after, next_run=min(after.next_run, attempt.began + result.fetched.again))
            if fault:
                after = replace(after, last_success=before.last_success)
            return replace(counted, snapshot=after, error=fault)
    return Conclusion(_end_attempt(job, before, before, attempt, result), result)


def count(job: Job, before: Snapshot, reading: Reading, rules: Rules, now: float, *, skew: float = 0.0) -> Conclusion:
    """Add a reading to the counters; `Invalid` if it contradicts itself. `skew` is GitHub's clock less ours."""
    counting, is_counted = before.counting, job.collector.counting is not None
    if reading.unchanged and counting:
        counting = replace(counting, read_at=reading.end)
        return Conclusion(replace(before, counting=counting, last_success=now, data_time=float(reading.end)))
    if reading.settled is not None and not rules.writable:
        return Conclusion(before)  # a fold must be saved; the next run asks for the longer window again
    gap, clock_was_ahead = 0, False
    if counting and reading.new_anchor is not None:
        gap = max(0, reading.new_anchor - min(counting.read_at, reading.end))
        clock_was_ahead = counting.anchor > reading.new_anchor
        counting = skip_gap(counting, reading.new_anchor)
    if is_counted and reading.read is None:
        return Conclusion(replace(before, counting=counting), gap=gap, clock_was_ahead=clock_was_ahead)
    counting, revisions = _absorb_read(job, counting, reading, before.version + 1, rules)
    after = _replace_gauges(job, replace(before, counting=counting), reading, rules, Dates(now, skew))
    saved = 0
    if reading.read and reading.fetched.walk:
        start, end = reading.read.start, reading.read.end
        walks = after_walk(before.walks, reading.fetched.walk, start, end, job.settings.interval)
        after, saved = replace(after, walks=walks), walks.saved
    unreadable = reading.fetched.rejected
    unknown = unreadable + sum(reading.fetched.unknown.values())
    return Conclusion(after, None, revisions, gap, unreadable, unknown, clock_was_ahead, saved)


def _absorb_read(
    job: Job, counting: Counting | None, reading: Reading, version: int, rules: Rules
) -> tuple[Counting | None, int]:
    """Count the reading's read; also returns how many counts GitHub revised downward."""
    table = job.collector.counting
    if table is None or reading.read is None:
        return counting, 0
    if counting and reading.settled is not None:
        counting = fold(counting, reading.settled, reading.begin)
    return counters.absorb(counting, reading.read, len(table.counters), version, rules)


def _replace_gauges(job: Job, before: Snapshot, reading: Reading, rules: Rules, dates: Dates) -> Snapshot:
    """Replace the gauges by those of a complete read; those of doubted tables stay as they were."""
    gauges, left_out = gauges_of(job, reading.fetched.rows, before.counting, rules.max_series, dates)
    unknown = set(reading.fetched.unknown)
    if reading.fetched.walk and reading.fetched.walk.unseen is not None:
        gauges = with_unseen(job, gauges, before.gauges, reading.fetched.rows, before.counting)
        unknown.update(before.unknown)
    earlier = earlier_reads(job, before, reading.fetched.doubts, dates.now)
    data_time = before.data_time if earlier else reading.fetched.data_time
    after = replace(
        before,
        gauges={**gauges, **{family: before.gauges[family] for family in earlier}},
        earlier_reads=earlier,
        left_out=left_out,
        last_success=dates.now,
        gauges_read_at=dates.now,
        data_time=float(reading.end) if job.collector.counting and data_time is None else data_time,
        sums=reading.sums,
        unknown=tuple(sorted(unknown)),
        names_changed=False,
    )
    return replace(after, note=note_of(job, reading.fetched, earlier, after.series()))


def _end_attempt(
    job: Job, before: Snapshot, after: Snapshot, attempt: Attempt, error: GitHubError | None, *, saved: int = 0
) -> Snapshot:
    """Add the attempt's outcome and the next run; `saved` is how many more requests a whole walk had cost."""
    failures = before.failures + 1 if error else 0
    due = attempt.paused_until or next_run(job.settings.interval, error, failures, attempt.began, attempt.skew)
    outcome = Outcome(attempt.began, attempt.duration)
    if error:
        outcome = replace(outcome, state=error.state, reason=error.reason, message=str(error), hint=error.hint)
    # A run that failed or was skipped sends fewer requests than a complete one: it can only raise the known cost.
    is_complete = error is None and attempt.requests
    requests = attempt.requests + saved if is_complete else max(before.requests, attempt.requests)
    # Only a successful response may clear an announced sunset.
    closing = attempt.closing if error is None or attempt.closing != OPEN else before.closing
    return replace(
        after,
        version=before.version + 1,
        outcome=outcome,
        failures=failures,
        next_run=due,
        requests=requests,
        closing=closing,
        memory=attempt.memory,
    )
