"""Read and unpack bodies up to a limit. httpx would unpack 64 kB to 64 MB before anyone could count them."""

import zlib
from collections.abc import AsyncIterable

from exporter.github.errors import Invalid, Unavailable
from exporter.github.pacing import one_line


async def read_body(stream: AsyncIterable[bytes], encoding: str, limit: int) -> bytes:
    """The whole body, unpacked; `encoding` is its `Content-Encoding`, and `limit` counts bytes packed and unpacked.

    Raises `Invalid` for a body that is larger or not what it says, `Unavailable` for one that was cut off.
    """
    encoding = encoding.strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise Invalid(f"the answer has an encoding that nobody asked for: {one_line(encoding)}")
    inflate = zlib.decompressobj(16 + zlib.MAX_WBITS) if "gzip" in encoding else None
    body, received = bytearray(), 0
    async for chunk in stream:
        received += len(chunk)
        body += chunk if inflate is None else _inflated(inflate, chunk, limit + 1 - len(body))
        if received > limit or len(body) > limit:
            raise Invalid(f"the answer is larger than {limit} bytes")
        if inflate is not None and inflate.unused_data:
            raise Invalid("the answer goes on after its gzip data end")
    if inflate is not None and received and not inflate.eof:
        raise Unavailable("the answer was cut off: its gzip data do not end")
    return bytes(body)


def _inflated(inflate: "zlib._Decompress", chunk: bytes, room: int) -> bytes:
    try:
        return inflate.decompress(chunk, room)
    except zlib.error:
        unpacked = None
    if unpacked is None:
        raise Invalid("the answer is no gzip data though it says so")
    return unpacked
