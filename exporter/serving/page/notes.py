"""Notes on the status page: facts that do not change the verdict, each in a sentence or two."""

from collections.abc import Iterable, Iterator, Sequence

from exporter.exposition.store import Entry
from exporter.github.dates import OPEN, Closing
from exporter.instants import utc_time
from exporter.serving.page.words import many

MANY_FAILURES = 3
"""After so many short walks in a row that proved nothing, the page says so."""
MOST_FIELDS = 20
"""How many unknown fields of a collector are named."""


def notes(sources: Sequence[Sequence[Entry]]) -> list[str]:
    """All notes; each source is the entries of its jobs."""
    return [
        *_rows_without_series(sources),
        *_lists_read_whole(sources),
        *_closing_endpoints(sources),
        *_unknown_fields(sources),
    ]


def _rows_without_series(sources: Iterable[Sequence[Entry]]) -> Iterator[str]:
    for entries in sources:
        if folded := sum(entry.status.folded for entry in entries):
            job = entries[0].job
            verb = "has" if folded == 1 else "have"
            yield (
                f"{job.collector.name} of {job.target}: {many(folded, 'row')} {verb} no series of their own; raise "
                "max_series, or narrow the request."
            )


def _lists_read_whole(sources: Iterable[Sequence[Entry]]) -> Iterator[str]:
    for entries in sources:
        histories = [entry.status.walks for entry in entries if entry.status.walks]
        whole = [history for history in histories if history.failures >= MANY_FAILURES]
        if whole:
            job, requests = entries[0].job, sum(history.requests for history in whole)
            yield (
                f"{job.collector.name} of {job.target}: reads {many(len(whole), 'list')} whole at each run "
                f"({many(requests, 'request')}), because summary-stats does not confirm what has changed."
            )


def _closing_endpoints(sources: Iterable[Sequence[Entry]]) -> Iterator[str]:
    targets_by_end: dict[tuple[str, Closing], list[str]] = {}
    for entries in sources:
        job = entries[0].job
        for closing in {entry.status.closing for entry in entries} - {OPEN}:
            targets_by_end.setdefault((job.collector.name, closing), []).append(str(job.target))
    for (collector, (deprecation, sunset)), targets in targets_by_end.items():
        words = [f"GitHub announced the end of the endpoint for {utc_time(sunset)}"] if sunset is not None else []
        words += [f"deprecated since {utc_time(deprecation)}"] if deprecation is not None else []
        yield f"{collector} ({many(len(targets), 'target')}): {', '.join(words)}."


def _unknown_fields(sources: Iterable[Sequence[Entry]]) -> Iterator[str]:
    """By collector, the fields in GitHub's answers that this version does not know."""
    targets: dict[str, dict[str, set[str]]] = {}
    for entries in sources:
        job = entries[0].job
        for name in {name for entry in entries for name in entry.status.unknown}:
            targets.setdefault(job.collector.name, {}).setdefault(name, set()).add(str(job.target))
    for collector, fields in targets.items():
        names = ", ".join(sorted(fields)[:MOST_FIELDS]) + (", …" if len(fields) > MOST_FIELDS else "")
        count = many(len(set[str]().union(*fields.values())), "target")
        yield f"{collector} ({count}): GitHub sends fields that this version does not know: {names}."
