"""Read and unpack bodies up to a limit. httpx would unpack 64 kB to 64 MB before anyone could count them."""

import zlib
from collections.abc import AsyncIterable, AsyncIterator

from exporter.github.errors import Invalid, Unavailable
from exporter.github.pacing import one_line

_PIECE = 256 * 1024


async def read_body(stream: AsyncIterable[bytes], encoding: str, limit: int) -> bytes:
    """The whole body, unpacked; `encoding` is its `Content-Encoding`, and `limit` counts bytes packed and unpacked.

    Raises `Invalid` for a body that is larger or not what it says, `Unavailable` for one that was cut off.
    """
    body = bytearray()
    async for piece in unpacked(stream, encoding, most=limit):
        body += piece
    return bytes(body)


async def unpacked(stream: AsyncIterable[bytes], encoding: str, *, most: int) -> AsyncIterator[bytes]:
    """A body, unpacked, in pieces of at most 256 KiB; `most` counts bytes packed and unpacked.

    Raises what `read_body` raises, before more than the limit was given.
    """
    encoding = encoding.strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise Invalid(f"the answer has an encoding that nobody asked for: {one_line(encoding)}")
    inflate = zlib.decompressobj(16 + zlib.MAX_WBITS) if "gzip" in encoding else None
    received = given = 0
    async for chunk in stream:
        received += len(chunk)
        if received > most:
            raise Invalid(f"the answer is larger than {most} bytes")
        rest, piece = chunk, b""
        while rest or len(piece) == _PIECE:  # what came may be used up while more of what it holds is still to come
            piece, rest = (rest[:_PIECE], rest[_PIECE:]) if inflate is None else _inflated(inflate, rest)
            given += len(piece)
            if given > most:
                raise Invalid(f"the answer is larger than {most} bytes")
            if piece:
                yield piece
        if inflate is not None and inflate.unused_data:
            raise Invalid("the answer goes on after its gzip data end")
    if inflate is not None and received and not inflate.eof:
        raise Unavailable("the answer was cut off: its gzip data do not end")


def _inflated(inflate: "zlib._Decompress", chunk: bytes) -> tuple[bytes, bytes]:
    """The next piece, and what is left to be unpacked."""
    try:
        return inflate.decompress(chunk, _PIECE), inflate.unconsumed_tail
    except zlib.error:
        piece = None
    if piece is None:
        raise Invalid("the answer is no gzip data though it says so")
    return piece, b""
