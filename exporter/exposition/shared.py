"""Renders the pieces of a job. A row that several jobs of a target have is shown once, by the job that read it last."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from exporter.exposition.book import Book
from exporter.exposition.columns import Column, column
from exporter.exposition.render import columns_of, render, render_family
from exporter.exposition.snapshot import Snapshot
from exporter.exposition.store import Entry, Pieces, Store
from exporter.jobs import Job
from exporter.privacy import Naming
from exporter.tables import Family, Labels, Table


class SharedRows(NamedTuple):
    """The samples that one job has of a shared family, and when it read them (epoch seconds)."""

    job: str
    read_at: float
    samples: Column


def deduplicated(table: Table, all_rows: Iterable[SharedRows]) -> dict[str, Column]:
    """By job key, the rows of a job without those that another job read later."""
    seen: set[Labels] = set()
    columns: dict[str, Column] = {}
    for rows in sorted(all_rows, key=lambda rows: (-rows.read_at, rows.job)):
        own = [(labels, value) for labels, value in rows.samples if labels[: table.keys] not in seen]
        seen.update(labels[: table.keys] for labels, _value in own)
        columns[rows.job] = rows.samples if len(own) == len(rows.samples) else column(own)
    return columns


class Renderer:
    """Renders one change of a job at an instant (epoch seconds), in the worker thread."""

    def __init__(self, store: Store, book: Book, naming: Naming, now: float) -> None:
        self._store, self._book, self._naming, self._now = store, book, naming, now

    def render(self, job: Job, after: Snapshot | None) -> tuple[Pieces, dict[str, Pieces]]:
        """The pieces of a job, none if it is dropped; and, by job key, the pieces of siblings that change with them."""
        entry = self._store.find(job.key)
        before = entry.pieces if entry else {}
        columns = columns_of(job, after, self._now, before) if after else {}
        siblings: dict[str, Pieces] = {}
        for table, family in _shared_families(job):
            others = {other.job.key: other for other in self._store.of_target(job.target) if other.job.key != job.key}
            rows = [*self._rows(family, others.values())]
            if after and family.name in columns:
                rows.append(SharedRows(job.key, after.last_success or 0.0, columns[family.name]))
            shown_by_job = deduplicated(table, rows)
            if job.key in shown_by_job:
                columns[family.name] = shown_by_job.pop(job.key)
            for key, samples in shown_by_job.items():
                pieces = siblings.get(key, others[key].pieces)
                if (changed := self._with(others[key], pieces, table, family, samples)) is not pieces:
                    siblings[key] = changed
        version = after.version if after else 0
        return render(job, columns, version, before, naming=self._naming), siblings

    def _rows(self, family: Family, others: Iterable[Entry]) -> Iterator[SharedRows]:
        """The rows of siblings that have samples of a family, or still serve some."""
        for other in others:
            packed = self._book.packed(other.job.key)
            samples = packed.gauges_at(self._now, other.job).get(family.name)
            if samples is not None or family.name in other.pieces:
                yield SharedRows(other.job.key, packed.last_success or 0.0, samples or column(()))

    def _with(self, entry: Entry, pieces: Pieces, table: Table, family: Family, samples: Column) -> Pieces:
        """A sibling's pieces with these samples of a family; the same object if nothing changes."""
        name, old = family.name, pieces.get(family.name)
        new = render_family(entry.job, table, name, samples, entry.status.version, before=old, naming=self._naming)
        if new.chunks == (old.chunks if old else ()):
            return pieces
        if new.samples:
            return {**pieces, name: new}
        return {other: piece for other, piece in pieces.items() if other != name}


def _shared_families(job: Job) -> list[tuple[Table, Family]]:
    return [(table, family) for table in job.collector.tables if table.shared for family in table.gauges]
