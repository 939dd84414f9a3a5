"""The exporter's own gauges that are read from the store: how each collector does at each target.

Over the jobs of a collector at a target, counts are summed, success is the least, timestamps are the oldest, the next
run is the soonest and the endpoint's state the worst.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from exporter.errors import OutcomeState
from exporter.exposition.answers import OwnFamily
from exporter.exposition.snapshot import Outcome, Status
from exporter.exposition.store import Entry, Store
from exporter.exposition.text import sample
from exporter.jobs import Target

WORST_FIRST: tuple[OutcomeState, ...] = (
    "forbidden",
    "not_found",
    "retired",
    "invalid",
    "unavailable",
    "rate_limited",
    "ok",
)
LABELS = ("collector", "target")


class JobGroup(NamedTuple):
    """The entries of a collector's jobs at a target, with their statuses, and the outcomes of those attempted."""

    entries: Sequence[Entry]
    statuses: Sequence[Status]
    outcomes: Sequence[Outcome]


class GroupGauge(NamedTuple):
    """A gauge with a sample for each group; `value` returns None where there is none."""

    name: str
    help: str
    value: Callable[[JobGroup], float | None]


def _least(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _duration(group: JobGroup) -> float | None:
    return sum([outcome.duration for outcome in group.outcomes]) if group.outcomes else None


def _data_missing(group: JobGroup) -> float | None:
    ended = [status for status in group.statuses if status.note or status.last_success is not None]
    return max((float(bool(status.note)) for status in ended), default=None)


GROUP_GAUGES = (
    GroupGauge(
        "github_exporter_collector_success",
        "1 if the last attempt gave a complete snapshot, 0 if not; absent before the first attempt.",
        lambda group: _least([float(outcome.reason is None) for outcome in group.outcomes]),
    ),
    GroupGauge(
        "github_exporter_collector_last_success_timestamp_seconds",
        "When the last attempt began that gave a complete snapshot.",
        lambda group: _least([status.last_success for status in group.statuses]),
    ),
    GroupGauge(
        "github_exporter_collector_last_run_timestamp_seconds",
        "When the last attempt began.",
        lambda group: _least([outcome.at for outcome in group.outcomes]),
    ),
    GroupGauge(
        "github_exporter_collector_next_run_timestamp_seconds",
        "When the next attempt is due.",
        lambda group: _least([status.next_run for status in group.statuses]),
    ),
    GroupGauge(
        "github_exporter_collector_duration_seconds",
        "How long the last attempt took.",
        _duration,
    ),
    GroupGauge(
        "github_exporter_collector_series",
        "Series that are served of this collector and target.",
        lambda group: sum([entry.samples for entry in group.entries]),
    ),
    GroupGauge(
        "github_exporter_collector_series_folded",
        "Rows without series of their own because of max_series: summed as `other`, or left out.",
        lambda group: sum([status.folded for status in group.statuses]),
    ),
    GroupGauge(
        "github_exporter_collector_data_timestamp_seconds",
        "The instant that the served values describe.",
        lambda group: _least([status.data_time for status in group.statuses]),
    ),
    GroupGauge(
        "github_exporter_endpoint_deprecation_timestamp_seconds",
        "Since when GitHub calls the endpoint deprecated; absent if it does not.",
        lambda group: _least([status.closing.deprecation for status in group.statuses]),
    ),
    GroupGauge(
        "github_exporter_endpoint_sunset_timestamp_seconds",
        "When GitHub removes the endpoint; absent if it announced no date.",
        lambda group: _least([status.closing.sunset for status in group.statuses]),
    ),
    GroupGauge(
        "github_exporter_collector_data_missing",
        "1 if the last complete run lacked data: no series, or older figures kept because GitHub's answer is doubtful; "
        "else 0. Status page, log and `doctor` say which.",
        _data_missing,
    ),
)
ENDPOINT_STATE = "github_exporter_endpoint_state"
COUNTING_SINCE = "github_api_insights_counting_since_timestamp_seconds"
HELP = {gauge.name: gauge.help for gauge in GROUP_GAUGES} | {
    ENDPOINT_STATE: "What the endpoint last answered: 1 for the state it is in, 0 for the others.",
    COUNTING_SINCE: "When counting began: the counters count what became visible since then.",
}
"""The help of all gauges that are read from the store."""


def render_store(store: Store) -> Iterator[OwnFamily]:
    """Render the gauges in `HELP` from the store; those without samples are left out.

    The lines are written directly: prometheus_client would take three times as long, and a scrape may be waiting.
    """
    groups: dict[tuple[str, Target], list[Entry]] = {}
    for entry in store:
        groups.setdefault((entry.job.collector.name, entry.job.target), []).append(entry)
    lines: dict[str, list[str]] = {name: [] for name in HELP}
    for (collector, target), entries in groups.items():
        for name, line in _lines(collector, target, _group(entries)):
            lines[name].append(line)
    for name, text in HELP.items():
        if lines[name]:
            yield name, "gauge", text, "".join(lines[name]).encode()


def _group(entries: Sequence[Entry]) -> JobGroup:
    statuses = [entry.status for entry in entries]
    return JobGroup(entries, statuses, [status.outcome for status in statuses if status.outcome])


def _lines(collector: str, target: Target, group: JobGroup) -> Iterator[tuple[str, str]]:
    """The samples of a group, each with its family's name."""
    values = collector, str(target)
    for gauge in GROUP_GAUGES:
        value = gauge.value(group)
        if value is not None:
            yield gauge.name, sample(gauge.name, LABELS, values, value)
    states = {outcome.state for outcome in group.outcomes}
    if states:
        yield ENDPOINT_STATE, _state_lines(*values, next(state for state in WORST_FIRST if state in states))
    since = _least([status.since for status in group.statuses])
    if since is not None and target.kind == "organization":
        yield COUNTING_SINCE, sample(COUNTING_SINCE, ("organization", "collector"), (target.name, collector), since)


@lru_cache(maxsize=2_000)
def _state_lines(collector: str, target: str, current: OutcomeState) -> str:
    return "".join(
        sample(ENDPOINT_STATE, (*LABELS, "state"), (collector, target, state), state == current)
        for state in reversed(WORST_FIRST)
    )
