"""Snapshots without the names of people, for when `privacy` changes. Pure.

Counts, ids and names of apps stay. Names of people that were read under another choice are blank until they are read
again, which is due at once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from exporter.catalogue import Collector
from exporter.counting.keys import Counting
from exporter.exposition.columns import Column, column
from exporter.exposition.snapshot import Snapshot, unnamed
from exporter.privacy import IDS, NAMES, people_at
from exporter.tables import Labels, Table

NOT_KEPT = "GitHub's message was dropped, because `privacy` has changed since"

Renamed = Callable[[str, Snapshot], Snapshot]
"""From a job's key and its snapshot to the snapshot without names of people."""


def shows_people(collector: Collector) -> bool:
    """Whether any of its series has a label that identifies a person."""
    return any((NAMES.keys() | IDS.keys()) & set(collector.labels(table)) for table in collector.tables)


def nameless(_job: str, snapshot: Snapshot) -> Snapshot:
    """Rename the snapshot of an unknown job: people may be named anywhere in it."""
    return replace(unnamed(snapshot), outcome=None, note="")


def renamed_by(collectors: Iterable[Collector]) -> Renamed:
    """How to rename the snapshots of these collectors' jobs."""
    by_name: dict[str, list[Collector]] = {}
    for collector in collectors:
        by_name.setdefault(collector.name, []).append(collector)

    def renamed(job: str, snapshot: Snapshot) -> Snapshot:
        same_name = by_name.get(job.partition(" ")[0])
        return _renamed(snapshot, same_name) if same_name else nameless(job, snapshot)

    return renamed


def _renamed(snapshot: Snapshot, collectors: Sequence[Collector]) -> Snapshot:
    outcome = snapshot.outcome
    if outcome and outcome.message:
        snapshot = replace(snapshot, outcome=replace(outcome, message=NOT_KEPT))
    if snapshot.note:
        snapshot = replace(snapshot, note=NOT_KEPT)
    tables = {family.name: table for collector in collectors for table in collector.tables for family in table.families}
    if not any(NAMES.keys() & set(table.labels) for table in tables.values()):
        return snapshot
    return replace(
        snapshot,
        gauges=dict(_gauges(snapshot.gauges, tables)),
        counting=snapshot.counting and _counting(snapshot.counting, collectors),
        memory=_memory(snapshot.memory, collectors),
        sums=None,  # otherwise an unchanged source would not be read again
        next_run=0.0,
        names_changed=True,
        walks=None,  # the names of all rows are needed
    )


def _gauges(gauges: Mapping[str, Column], tables: Mapping[str, Table]) -> Iterable[tuple[str, Column]]:
    for family, samples in gauges.items():
        table = tables.get(family)
        if table is None or NAMES.keys() & set(table.identity):
            continue  # without names its series would be the same
        if NAMES.keys() & set(table.labels):
            blank = [(_blank(table.labels, labels), value) for labels, value in samples]
            yield family, column(blank, dates=samples.dates)
        else:
            yield family, samples


def _counting(counting: Counting, collectors: Sequence[Collector]) -> Counting:
    names = next((table.labels for collector in collectors if (table := collector.counting) and table.display), ())
    if not names:
        return counting
    keys = {identity: replace(key, labels=_blank(names, key.labels)) for identity, key in counting.keys.items()}
    return replace(counting, keys=keys)


def _memory(memory: Any, collectors: Sequence[Collector]) -> Any:
    names = {collector.names_in_memory for collector in collectors}
    return {key: value for key, value in memory.items() if key not in names} if isinstance(memory, dict) else memory


def _blank(names: Sequence[str], labels: Labels) -> Labels:
    people = people_at(names, labels, NAMES)
    return tuple("" if at in people else label for at, label in enumerate(labels)) if people else labels
