"""The exporter's own gauges that are read from the store: how each collector does at each target.

Over the jobs of a collector at a target, counts are summed, success is the least, timestamps are the oldest, the next
run is the soonest and the endpoint's state the worst.
"""

import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
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
GROUPS_AT_ONCE = 200
"""How many groups are rendered before others have their turn: some milliseconds."""


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
PAUSED = "github_exporter_collector_paused"
COUNTING_SINCE = "github_api_insights_counting_since_timestamp_seconds"
HELP = {gauge.name: gauge.help for gauge in GROUP_GAUGES} | {
    ENDPOINT_STATE: "What the endpoint last answered: 1 for the state it is in, 0 for the others.",
    COUNTING_SINCE: "When counting began: the counters count what became visible since then.",
    PAUSED: "1 while the collector is paused: GitHub rejected its credential, or a rate limit has to reset; else 0.",
}
"""The help of all gauges that are read from the store."""


class StoreGauges:
    """The gauges in `HELP`. What is rendered of a group is kept until one of its entries is replaced."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._groups: dict[tuple[str, Target], RenderedGroup] = {}
        self._last: tuple[object, list[OwnFamily]] = (None, [])

    def render(self, paused: Collection[Target]) -> Iterator[Sequence[OwnFamily]]:
        """The families that have samples, after some empty parts: between these others may have their turn.

        `paused` are the targets whose collectors are paused.
        """
        version = self._store.generation, paused
        if self._last[0] != version:
            groups: dict[tuple[str, Target], RenderedGroup] = {}  # several scrapes may be rendered at the same time
            for place, (key, entries) in enumerate(self._entries().items(), 1):
                before, is_paused = self._groups.get(key), key[1] in paused
                if before is None or not before.shows(entries, is_paused):
                    before = RenderedGroup(entries, is_paused, _lines(*key, _group(entries), is_paused))
                groups[key] = before
                if place % GROUPS_AT_ONCE == 0:
                    yield ()
            self._groups = groups
            self._last = version, list(_families([group.lines for group in groups.values()]))
        yield self._last[1]

    def _entries(self) -> dict[tuple[str, Target], list[Entry]]:
        groups: dict[tuple[str, Target], list[Entry]] = {}
        for entry in self._store:
            groups.setdefault((entry.job.collector.name, entry.job.target), []).append(entry)
        return groups


class RenderedGroup(NamedTuple):
    """The lines of a group, by family, and what they were rendered from."""

    entries: Sequence[Entry]
    is_paused: bool
    lines: Mapping[str, str]

    def shows(self, entries: Sequence[Entry], is_paused: bool) -> bool:
        """Whether the lines are those of these entries: an entry is never changed, but replaced."""
        same = len(entries) == len(self.entries) and all(map(operator.is_, entries, self.entries))
        return same and is_paused == self.is_paused


def _families(groups: Sequence[Mapping[str, str]]) -> Iterator[OwnFamily]:
    for name, text in HELP.items():
        if lines := "".join([group[name] for group in groups if name in group]):
            yield name, "gauge", text, lines.encode()


def _group(entries: Sequence[Entry]) -> JobGroup:
    statuses = [entry.status for entry in entries]
    return JobGroup(entries, statuses, [status.outcome for status in statuses if status.outcome])


def _lines(collector: str, target: Target, group: JobGroup, is_paused: bool) -> dict[str, str]:
    """The samples of a group, by family.

    They are written directly: prometheus_client would take three times as long, and a scrape may be waiting.
    """
    values = collector, str(target)
    lines = {PAUSED: sample(PAUSED, LABELS, values, float(is_paused))}
    for gauge in GROUP_GAUGES:
        value = gauge.value(group)
        if value is not None:
            lines[gauge.name] = sample(gauge.name, LABELS, values, value)
    states = {outcome.state for outcome in group.outcomes}
    if states:
        lines[ENDPOINT_STATE] = _state_lines(*values, next(state for state in WORST_FIRST if state in states))
    since = _least([status.since for status in group.statuses])
    if since is not None and target.kind == "organization":
        labels = target.name, collector
        lines[COUNTING_SINCE] = sample(COUNTING_SINCE, ("organization", "collector"), labels, since)
    return lines


@lru_cache(maxsize=2_000)
def _state_lines(collector: str, target: str, current: OutcomeState) -> str:
    return "".join(
        sample(ENDPOINT_STATE, (*LABELS, "state"), (collector, target, state), state == current)
        for state in reversed(WORST_FIRST)
    )
