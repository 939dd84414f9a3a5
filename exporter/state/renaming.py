"""What a snapshot keeps when people are shown otherwise than they were: counts, ids and the names of apps. Pure.

Names of people that were taken in under another choice are blank until they are read again, which is due at once.
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

NOT_KEPT = "what GitHub said is not kept, for `privacy` has changed since"

Renamed = Callable[[str, Snapshot], Snapshot]
"""From a job's key and its snapshot to the snapshot without names of people."""


def shows_people(collector: Collector) -> bool:
    """Whether any of its series tells a person from another."""
    return any((NAMES.keys() | IDS.keys()) & set(collector.labels(table)) for table in collector.tables)


def nameless(_job: str, snapshot: Snapshot) -> Snapshot:
    """The change for a job that nothing is known of: what it kept may name people anywhere."""
    return replace(unnamed(snapshot), outcome=None, note="")


def renamed_by(collectors: Iterable[Collector]) -> Renamed:
    """The change for jobs of these collectors."""
    by_name: dict[str, list[Collector]] = {}
    for collector in collectors:
        by_name.setdefault(collector.name, []).append(collector)

    def renamed(job: str, snapshot: Snapshot) -> Snapshot:
        alike = by_name.get(job.partition(" ")[0])
        return _renamed(snapshot, alike) if alike else nameless(job, snapshot)

    return renamed


def _renamed(snapshot: Snapshot, alike: Sequence[Collector]) -> Snapshot:
    outcome = snapshot.outcome
    if outcome and outcome.message:
        snapshot = replace(snapshot, outcome=replace(outcome, message=NOT_KEPT))
    if snapshot.note:
        snapshot = replace(snapshot, note=NOT_KEPT)
    tables = {family.name: table for one in alike for table in one.tables for family in table.families}
    if not any(NAMES.keys() & set(table.labels) for table in tables.values()):
        return snapshot
    return replace(
        snapshot,
        gauges=dict(_gauges(snapshot.gauges, tables)),
        counting=snapshot.counting and _counting(snapshot.counting, alike),
        memory=_memory(snapshot.memory, alike),
        sums=None,  # else what stands still would not be read
        next_run=0.0,
        names_changed=True,
    )


def _gauges(gauges: Mapping[str, Column], tables: Mapping[str, Table]) -> Iterable[tuple[str, Column]]:
    for family, samples in gauges.items():
        table = tables.get(family)
        if table is None or NAMES.keys() & set(table.identity):
            continue  # people are told apart by their names
        if NAMES.keys() & set(table.labels):
            blank = [(_blank(table.labels, labels), value) for labels, value in samples]
            yield family, column(blank, dates=samples.dates)
        else:
            yield family, samples


def _counting(counting: Counting, alike: Sequence[Collector]) -> Counting:
    names = next((one.counting.labels for one in alike if one.counting and one.counting.display), ())
    if not names:
        return counting
    keys = {identity: replace(key, labels=_blank(names, key.labels)) for identity, key in counting.keys.items()}
    return replace(counting, keys=keys)


def _memory(memory: Any, alike: Sequence[Collector]) -> Any:
    names = {one.names_in_memory for one in alike}
    return {key: value for key, value in memory.items() if key not in names} if isinstance(memory, dict) else memory


def _blank(names: Sequence[str], labels: Labels) -> Labels:
    people = people_at(names, labels, NAMES)
    return tuple("" if at in people else label for at, label in enumerate(labels)) if people else labels
