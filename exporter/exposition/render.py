"""Snapshots → columns → pieces of text. Pieces are rendered when data change and never at a scrape.

Formatting a line costs Python a microsecond, and deflating it another. In a hundred thousand lines usually only numbers
have changed. So lines are rendered 500 at a time, as chunks, by one call:

    template % values        the template has names and escaped label values, and is kept as long as the label sets
    deflate                  each chunk on its own (`chunks.py`)

A chunk whose labels and values have not changed is reused from the previous piece.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from exporter.counting.keys import Counting
from exporter.exposition.chunks import Chunk, deflate
from exporter.exposition.columns import CHUNK_SIZE, Column, numbers, packed, unpacked
from exporter.exposition.snapshot import Snapshot
from exporter.exposition.text import number, series
from exporter.jobs import Job
from exporter.privacy import Naming
from exporter.tables import Labels, Table

LOGIN = Naming()


@dataclass(frozen=True, slots=True)
class Piece:
    """All samples of one family of one job, with the version of the snapshot that they show and their column's shape.

    `naming` is the fingerprint of the `Naming` by which people are shown in them.
    """

    chunks: tuple[Chunk, ...]
    samples: int
    version: int = 0
    shape: int | None = None
    naming: str = LOGIN.fingerprint


def columns_of(
    job: Job, snapshot: Snapshot, now: float, before: Mapping[str, Piece] = MappingProxyType({})
) -> dict[str, Column]:
    """The samples of a snapshot, by family; gauges that are too old at `now` (epoch seconds) are left out.

    `before` are the job's previous pieces: counters with an unchanged shape reuse their packed label sets, because
    packing is half of the work.
    """
    columns = dict(snapshot.gauges_at(now, job))
    table, counting = job.collector.counting, snapshot.counting
    if table and counting:
        chunks = _packed_labels(table, counting, before.get(table.counters[0].name), columns)
        counts = [key.counts for key in counting.keys.values() if key.has_series]
        others = counting.other if counting.other_new_since is not None else ()
        for index, family in enumerate(table.counters):
            own = [count[index].own for count in counts]
            columns[family.name] = Column(chunks, numbers([*own, *others[index : index + 1]]), counting.shape)
    return columns


def _packed_labels(
    table: Table, counting: Counting, before: Piece | None, gauges: Mapping[str, Column]
) -> tuple[bytes, ...]:
    """The label sets of a job's counters; equal ones are shared with the previous piece, or with the gauges."""
    if before and before.shape == counting.shape:
        return tuple(chunk.labels for chunk in before.chunks)
    other = [tuple(value or "" for value in table.other or ())] if counting.other_new_since is not None else []
    known = {labels: labels for gauge in gauges.values() for labels in gauge.labels}
    return tuple(known.get(labels, labels) for labels in packed(counting.labels + other))


def render(
    job: Job,
    columns: Mapping[str, Column],
    version: int,
    before: Mapping[str, Piece] = MappingProxyType({}),
    *,
    naming: Naming = LOGIN,
) -> dict[str, Piece]:
    """The pieces of all families that have samples; unchanged chunks of the pieces `before` are reused."""
    return {
        family.name: render_family(
            job, table, family.name, samples, version, before=before.get(family.name), naming=naming
        )
        for table in job.collector.tables
        for family in table.families
        if (samples := columns.get(family.name))
    }


def render_family(
    job: Job,
    table: Table,
    family: str,
    column: Column,
    version: int,
    *,
    before: Piece | None = None,
    naming: Naming = LOGIN,
) -> Piece:
    """One family's piece; see `render`."""
    names = job.collector.labels(table)
    prefix = (job.target.name,) if table.shared else job.prefix
    label_forms = naming.label_forms(names)
    old_chunks = before.chunks if before and before.naming == naming.fingerprint else ()
    chunks = []
    for index, labels in enumerate(column.labels):
        values = column.values[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE]
        old = old_chunks[index] if index < len(old_chunks) and old_chunks[index].fits(labels, values) else None
        if old and old.values == values:
            chunks.append(old)
            continue
        if old:
            template = old.template
        else:
            label_sets = (label_forms((*prefix, *label_set)) for label_set in unpacked(labels))
            template = _template(family, names, label_sets, values.typecode)
        arguments = values.tolist() if values.typecode == "q" else (number(value).encode() for value in values)
        chunks.append(deflate(template % tuple(arguments), old.labels if old else labels, template, values))
    return Piece(tuple(chunks), len(column), version, column.shape, naming.fingerprint)


def _template(family: str, names: Sequence[str], label_sets: Iterable[Labels], typecode: str) -> bytes:
    """The lines of a chunk with a place for each value: an integer (typecode q), or a number's text (d)."""
    place = "%d" if typecode == "q" else "%b"
    lines = (f"{series(family, names, labels)} ".replace("%", "%%") for labels in label_sets)
    return "".join(f"{line}{place}\n" for line in lines).encode()
