"""Columns → exposition bytes, made when data change and never at a scrape.

What Python does for a line of text costs a microsecond, and deflating it another; of a hundred
thousand lines mostly nothing has changed but numbers. So lines are made 500 at a time, as chunks, by one call:

    template % values        the template holds names and escaped label values, and stays while the label sets do
    deflate                  each chunk on its own, up to a byte boundary, while the interpreter is free for scrapes
    header, chunks, end      joined into one gzip member, whose checksum is combined of theirs

The text of samples is the same in both formats (text 0.0.4 and OpenMetrics 1.0 differ in headers and in the end mark),
so any answer is headers and chunks, one after another.
"""

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from isal import isal_zlib

from exporter.counting.keys import Counting
from exporter.exposition.columns import CHUNK, Column, Values, numbers, packed, unpacked
from exporter.exposition.snapshot import Snapshot
from exporter.jobs import Job
from exporter.privacy import Naming
from exporter.tables import Labels, Table

Format = Literal["text", "openmetrics"]

CONTENT_TYPES: Mapping[Format, str] = {
    "text": "text/plain; version=0.0.4; charset=utf-8",
    "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
}

SLICE_BYTES = 1024 * 1024

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK = b"\x03\x00"
LOGIN = Naming()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some lines, deflated up to a byte boundary, with their checksum and size for the join.

    Lines of samples keep what they were made of: `template % values`, and the label sets that the template holds.
    """

    deflated: bytes
    crc: int
    size: int
    labels: bytes = b""
    template: bytes = b""
    values: "Values | None" = None

    def fits(self, labels: bytes, values: Values) -> bool:
        """Whether the template serves for these."""
        return self.labels == labels and self.values is not None and self.values.typecode == values.typecode

    @property
    def lines(self) -> bytes:
        """The text, which hardly any scrape wants: it is 15 times as much to keep."""
        return isal_zlib.decompressobj(wbits=-15).decompress(self.deflated)


@dataclass(frozen=True, slots=True)
class Piece:
    """All samples of one family of one job, the version of the snapshot that they show, and their column's shape.

    `naming` marks how people are shown in them.
    """

    chunks: tuple[Chunk, ...]
    samples: int
    version: int = 0
    shape: int | None = None
    naming: str = LOGIN.fingerprint


def chunk(lines: bytes, labels: bytes = b"", template: bytes = b"", values: "Values | None" = None) -> Chunk:
    """Make a chunk."""
    compressor = isal_zlib.compressobj(level=1, wbits=-15)
    deflated = compressor.compress(lines) + compressor.flush(isal_zlib.Z_SYNC_FLUSH)
    return Chunk(deflated, isal_zlib.crc32(lines), len(lines), labels, template, values)


@dataclass(frozen=True, slots=True)
class Opening:
    """The parts that an answer opens with; if they are deflated, with checksum and size of their text."""

    parts: Sequence[bytes]
    crc: int = 0
    size: int = 0


def opening(chunks: Sequence[Chunk], *, gzip: bool) -> Opening:
    """The first part of an answer, which can be used again until one of these chunks changes."""
    if not gzip:
        return Opening(plain(chunks))
    return Opening([_GZIP_HEADER, *(part.deflated for part in chunks)], *_checked(chunks, 0, 0))


def whole(opening: Opening, text: bytes, *, gzip: bool) -> list[bytes]:
    """An answer that ends with this text, in slices to send; deflated it is one ordinary gzip member."""
    if not gzip:
        return slices([*opening.parts, text])
    last = chunk(text)
    trailer = struct.pack("<II", *_checked([last], opening.crc, opening.size))
    return slices([*opening.parts, last.deflated, _LAST_BLOCK, trailer])


def plain(chunks: Iterable[Chunk]) -> list[bytes]:
    """The text of chunks."""
    return [part.lines for part in chunks]


def _checked(chunks: Iterable[Chunk], crc: int, size: int) -> tuple[int, int]:
    """Checksum and size, as gzip wants them, of a text that goes on with these chunks."""
    for part in chunks:
        crc = isal_zlib.crc32_combine(crc, part.crc, part.size)
        size += part.size
    return crc, size & 0xFFFFFFFF


def slices(parts: Iterable[bytes]) -> list[bytes]:
    """The same bytes in slices: few, for each costs a turn, and no part is cut."""
    made: list[bytes] = []
    batch: list[bytes] = []
    size = 0
    for part in parts:
        if size + len(part) > SLICE_BYTES and batch:
            made.append(b"".join(batch))
            batch, size = [], 0
        batch.append(part)
        size += len(part)
    return [*made, b"".join(batch)] if batch else made


def columns_of(
    job: Job, snapshot: Snapshot, now: float, before: Mapping[str, Piece] = MappingProxyType({})
) -> dict[str, Column]:
    """What a snapshot shows, by family. `now` (epoch seconds) tells which gauges are too old to be shown.

    Counters whose shape is that of the pieces `before` have their labels, which are half of the work.
    """
    columns = dict(snapshot.gauges_at(now, job))
    table, counting = job.collector.counting, snapshot.counting
    if table and counting:
        was = before.get(table.counters[0].name)
        if was and was.shape == counting.shape:
            chunks = tuple(one.labels for one in was.chunks)
        else:
            known = {one: one for gauge in columns.values() for one in gauge.labels}
            chunks = tuple(known.get(one, one) for one in packed(_labels(table, counting)))
        counts = [key.counts for key in counting.keys.values() if key.has_series]
        others = counting.other if counting.other_new_since is not None else ()
        for index, family in enumerate(table.counters):
            own = [count[index].own for count in counts]
            columns[family.name] = Column(chunks, numbers([*own, *others[index : index + 1]]), counting.shape)
    return columns


def _labels(table: Table, counting: Counting) -> list[Labels]:
    other = [tuple(word or "" for word in table.other or ())] if counting.other_new_since is not None else []
    return counting.labels + other


def render(
    job: Job,
    columns: Mapping[str, Column],
    version: int,
    before: Mapping[str, Piece] = MappingProxyType({}),
    nap: Callable[[], None] = lambda: None,
    *,
    naming: Naming = LOGIN,
) -> dict[str, Piece]:
    """The pieces of all families that have samples; of those `before`, what has not changed is taken over."""
    return {
        family.name: piece(
            job, table, family.name, samples, version, before=before.get(family.name), nap=nap, naming=naming
        )
        for table in job.collector.tables
        for family in table.families
        if (samples := columns.get(family.name))
    }


def piece(
    job: Job,
    table: Table,
    family: str,
    column: Column,
    version: int,
    *,
    before: Piece | None = None,
    nap: Callable[[], None] = lambda: None,
    naming: Naming = LOGIN,
) -> Piece:
    """One family's piece."""
    names = job.collector.labels(table)
    prefix = (job.target.name,) if table.shared else job.prefix
    naming_of = naming.label_forms(names)
    old = before.chunks if before and before.naming == naming.fingerprint else ()
    chunks = []
    for at, labels in enumerate(column.labels):
        values = column.values[at * CHUNK : (at + 1) * CHUNK]
        whole = values.typecode == "q"
        was = old[at] if at < len(old) and old[at].fits(labels, values) else None
        if was and was.values == values:
            chunks.append(was)
            continue
        shown = (naming_of((*prefix, *one)) for one in unpacked(labels))
        template = was.template if was else _template(family, names, shown, whole=whole)
        lines = template % (tuple(values.tolist()) if whole else tuple(number(value).encode() for value in values))
        chunks.append(chunk(lines, was.labels if was else labels, template, values))
        nap()
    return Piece(tuple(chunks), len(column), version, column.shape, naming.fingerprint)


def _template(family: str, names: Sequence[str], labels: Iterable[Labels], *, whole: bool) -> bytes:
    """The lines of a chunk with a place for each value."""
    place = "%d" if whole else "%b"
    lines = (f"{_series(family, names, one)} ".replace("%", "%%") for one in labels)
    return "".join(f"{line}{place}\n" for line in lines).encode()


@lru_cache(maxsize=2_000)
def header(name: str, kind: str, text: str, form: Format) -> bytes:
    """HELP and TYPE of a family. OpenMetrics names a counter without its `_total`."""
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    if form == "openmetrics":
        text = text.replace('"', '\\"')
        name = name.removesuffix("_total") if kind == "counter" else name
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n".encode()


def sample(name: str, label_names: Sequence[str], labels: Labels, value: float) -> str:
    """One line."""
    return f"{_kept(name, label_names, labels)} {number(value)}\n"


def _series(name: str, label_names: Sequence[str], labels: Labels) -> str:
    pairs = ",".join(f'{label}="{escape(text)}"' for label, text in zip(label_names, labels, strict=True))
    return f"{name}{{{pairs}}}" if pairs else name


_kept = lru_cache(maxsize=20_000)(_series)
"""For the exporter's own samples, which are rendered one by one, and are the same every second."""


def escape(text: str) -> str:
    """A label value as it stands between quotes."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def number(value: float) -> str:
    """A value as Prometheus reads it; whole numbers stay whole."""
    if math.isfinite(value):
        whole = int(value)
        return str(whole) if whole == value and abs(whole) < 2**63 else repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
