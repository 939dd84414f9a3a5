"""Discovery on the status page: each entry of `discover` as a row, and notes on what is found and not collected."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from exporter.discovery.status import DiscoveryStatus
from exporter.serving.page.verdict import Level
from exporter.serving.page.words import Moment, many, moment, some

MOST_NAMED = 10
"""Names in a note; the number of the others follows."""
_WORDS = {
    "collected": "collected",
    "absent": "absent",
    "listed": "listed",
    "excluded": "excluded",
    "suspended": "suspended",
    "surplus": "too many",
    "refused": "refused",
}


class DiscoveryRow(NamedTuple):
    """An entry as a row of the page."""

    credential: str
    way: str
    level: Level
    state: str
    found: str
    success: Moment
    next_listing: Moment


def discovery_rows(statuses: Iterable[DiscoveryStatus], now: float) -> list[DiscoveryRow]:
    """A row for each entry."""
    return [_row(status, now) for status in statuses]


def _row(status: DiscoveryStatus, now: float) -> DiscoveryRow:
    counts = [f"{count:,} {_WORDS[state]}" for state, count in status.counts.items() if count]
    level: Level = "warn" if status.failure or not status.was_asked else "ok"
    return DiscoveryRow(
        status.credential,
        status.way,
        level,
        status.failure.reason if status.failure else "works" if status.was_asked else "not asked yet",
        ", ".join(counts) or ("none" if status.succeeded_at is not None else "unknown"),
        moment(status.succeeded_at, now),
        moment(max(status.due, now), now),
    )


def discovery_notes(statuses: Iterable[DiscoveryStatus]) -> list[str]:
    """What was found and is not collected, and why."""
    return [note for status in statuses for note in _notes(status)]


def _notes(status: DiscoveryStatus) -> Iterator[str]:
    who = f"Credential {status.credential}"
    if status.suspended:
        yield (
            f"{who}: the GitHub App is suspended at {_named(status.suspended)}: nothing is asked there. An owner can "
            "unsuspend it (Settings, GitHub Apps, Configure)."
        )
    for needs, collectors, targets in status.lacking:
        yield f"{who}: {', '.join(collectors)} left out at {_named(targets)}: the App needs {needs}."
    if refused := status.counts["refused"]:
        verb = "names" if refused == 1 else "name"
        yield f"{who}: {many(refused, 'row')} of GitHub's listing {verb} no target, or one that was named before."
    if status.partial:
        yield f"{who}: {status.partial}."


def _named(names: Sequence[str]) -> str:
    return some(names, MOST_NAMED)
