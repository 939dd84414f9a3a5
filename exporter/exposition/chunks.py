"""Deflated chunks of text, and how they are joined into the body of an answer, compressed or not.

A chunk is deflated on its own, up to a byte boundary. A compressed answer is a gzip header, chunks and an end mark, one
gzip member, whose checksum is combined from those of its chunks: nothing is deflated twice.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from isal import isal_zlib

from exporter.exposition.columns import Values

SLICE_BYTES = 1024 * 1024
"""The size of the slices in which a body is sent."""

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK = b"\x03\x00"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some lines, deflated up to a byte boundary, with the checksum and size of their text.

    Chunks of samples also keep what the lines were rendered from, `template % values`, and the packed label sets that
    the template holds.
    """

    deflated: bytes
    crc: int
    size: int
    labels: bytes = b""
    template: bytes = b""
    values: "Values | None" = None

    def fits(self, labels: bytes, values: Values) -> bool:
        """Whether lines with these labels and values can be rendered from the template."""
        return self.labels == labels and self.values is not None and self.values.typecode == values.typecode

    @property
    def lines(self) -> bytes:
        """The text. It is not kept, because it is 15 times as large and hardly any scrape asks for it."""
        return isal_zlib.decompressobj(wbits=-15).decompress(self.deflated)


def deflate(lines: bytes, labels: bytes = b"", template: bytes = b"", values: "Values | None" = None) -> Chunk:
    """The lines as a chunk. Deflating releases the GIL, so that scrapes are served at the same time."""
    compressor = isal_zlib.compressobj(level=1, wbits=-15)
    deflated = compressor.compress(lines) + compressor.flush(isal_zlib.Z_SYNC_FLUSH)
    return Chunk(deflated, isal_zlib.crc32(lines), len(lines), labels, template, values)


@dataclass(frozen=True, slots=True)
class BodyStart:
    """The beginning of a body; if it is compressed, with checksum and size of its text."""

    parts: Sequence[bytes]
    crc: int = 0
    size: int = 0


def start_body(chunks: Sequence[Chunk], *, gzip: bool, before: BodyStart | None = None) -> BodyStart:
    """The beginning of a body, which can be used again until one of its chunks changes; `before` is what it follows."""
    if not gzip:
        return BodyStart([*(before.parts if before else ()), *texts(chunks)])
    start = before or BodyStart([_GZIP_HEADER])
    crc, size = _checksum_and_size(chunks, start.crc, start.size)
    return BodyStart([*start.parts, *(chunk.deflated for chunk in chunks)], crc, size)


def with_text(start: BodyStart, text: bytes, *, gzip: bool) -> BodyStart:
    """A beginning that goes on with this text."""
    return start_body([deflate(text)], gzip=True, before=start) if gzip else BodyStart([*start.parts, text])


def finish_body(start: BodyStart, text: bytes, *, gzip: bool) -> list[bytes]:
    """The body that ends with this text, in slices to send; compressed it is one ordinary gzip member."""
    if not gzip:
        return slices([*start.parts, text])
    last = deflate(text)
    trailer = struct.pack("<II", *_checksum_and_size([last], start.crc, start.size))
    return slices([*start.parts, last.deflated, _LAST_BLOCK, trailer])


def texts(chunks: Iterable[Chunk]) -> list[bytes]:
    """The texts of chunks."""
    return [chunk.lines for chunk in chunks]


def _checksum_and_size(chunks: Iterable[Chunk], crc: int, size: int) -> tuple[int, int]:
    """Checksum and size, as gzip's trailer has them, of a text with that `crc` and `size` and these chunks after it."""
    for chunk in chunks:
        crc = isal_zlib.crc32_combine(crc, chunk.crc, chunk.size)
        size += chunk.size
    return crc, size & 0xFFFFFFFF


def slices(parts: Iterable[bytes]) -> list[bytes]:
    """The parts joined into slices of about SLICE_BYTES: sending one costs an iteration of the loop. No part is cut."""
    joined: list[bytes] = []
    batch: list[bytes] = []
    size = 0
    for part in parts:
        if size + len(part) > SLICE_BYTES and batch:
            joined.append(b"".join(batch))
            batch, size = [], 0
        batch.append(part)
        size += len(part)
    return [*joined, b"".join(batch)] if batch else joined
