"""Snapshot → exposition bytes, made when data change and never at a scrape.

A piece is all samples of one family of one job, as text and deflated. The text of samples is the same in both formats
(text 0.0.4 and OpenMetrics 1.0 differ in headers and in the end mark), and deflated blocks that end on a byte can
stand one after another in one gzip member: an answer is pieces joined, whatever is asked for.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from isal import isal_zlib

from exporter.catalogue import Labels, Table
from exporter.collecting.plan import Job
from exporter.serving.snapshot import GaugeSamples, Snapshot

Format = Literal["text", "openmetrics"]

CONTENT_TYPES: Mapping[Format, str] = {
    "text": "text/plain; version=0.0.4; charset=utf-8",
    "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
}

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK = b"\x03\x00"


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines of samples, the same deflated up to a byte boundary, their checksum for the join, and how many they are."""

    lines: bytes
    deflated: bytes
    crc: int
    samples: int
    version: int = 0


def piece(lines: bytes, version: int = 0, before: Piece | None = None) -> Piece:
    """Make a piece; unchanged lines are not deflated again."""
    if before is not None and before.lines == lines:
        return replace(before, version=version)
    compressor = isal_zlib.compressobj(level=1, wbits=-15)
    deflated = compressor.compress(lines) + compressor.flush(isal_zlib.Z_SYNC_FLUSH)
    return Piece(lines, deflated, isal_zlib.crc32(lines), lines.count(b"\n"), version)


def plain(pieces: Sequence[Piece]) -> list[bytes]:
    """An answer without compression, in parts."""
    return [part.lines for part in pieces]


def gzipped(pieces: Sequence[Piece]) -> list[bytes]:
    """An answer as one ordinary gzip member, in parts."""
    crc = size = 0
    for part in pieces:
        crc = isal_zlib.crc32_combine(crc, part.crc, len(part.lines))
        size += len(part.lines)
    trailer = struct.pack("<II", crc, size & 0xFFFFFFFF)
    return [_GZIP_HEADER, *(part.deflated for part in pieces), _LAST_BLOCK, trailer]


def render(job: Job, snapshot: Snapshot, now: float, before: Mapping[str, Piece]) -> dict[str, Piece]:
    """All pieces of a snapshot, by family. `now` (epoch seconds) tells which gauges are too old to be shown."""
    gauges = snapshot.gauges_at(now, job.max_age)
    pieces = {
        family.name: piece(gauge_lines(job, table, family.name, samples), snapshot.version, before.get(family.name))
        for table in job.collector.tables
        for family in table.gauges
        if (samples := gauges.get(family.name))
    }
    counting = job.collector.counting
    if counting and snapshot.counting:
        names = job.collector.labels(counting)
        series = list(snapshot.counting.series())
        if snapshot.counting.other_held is not None:
            series.append((tuple(word or "" for word in counting.other or ()), snapshot.counting.other))
        for index, family in enumerate(counting.counters):
            lines = [sample(family.name, names, (*job.prefix, *labels), values[index]) for labels, values in series]
            if lines:
                pieces[family.name] = piece("".join(lines).encode(), snapshot.version, before.get(family.name))
    return pieces


def gauge_lines(job: Job, table: Table, family: str, samples: GaugeSamples) -> bytes:
    """The lines of one gauge family of a job."""
    names = job.collector.labels(table)
    prefix = (job.target.name,) if table.shared else job.prefix
    return "".join(sample(family, names, (*prefix, *labels), value) for labels, value in samples).encode()


def header(name: str, kind: str, text: str, form: Format) -> bytes:
    """HELP and TYPE of a family. OpenMetrics names a counter without its `_total`."""
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    if form == "openmetrics":
        text = text.replace('"', '\\"')
        name = name.removesuffix("_total") if kind == "counter" else name
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n".encode()


def sample(name: str, label_names: Sequence[str], labels: Labels, value: float) -> str:
    """One line."""
    pairs = ",".join(f'{label}="{escape(text)}"' for label, text in zip(label_names, labels, strict=True))
    return f"{name}{{{pairs}}} {number(value)}\n" if pairs else f"{name} {number(value)}\n"


def escape(text: str) -> str:
    """A label value as it stands between quotes."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def number(value: float) -> str:
    """A value as Prometheus reads it; whole numbers stay whole."""
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 2**63 else repr(float(value))
