"""Reads and decompresses bodies up to a limit. httpx would decompress 64 kB to 64 MB before we could count bytes."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import aclosing

from exporter.errors import Invalid, Unavailable
from exporter.github.redaction import one_line
from exporter.github.refusals import BODY_READ

_PIECE = 256 * 1024
_SLICE = 16 * 1024
_STEPS = 100
_GZIP = 16 + zlib.MAX_WBITS
_FIRST_BYTE = 0x1F


async def read_body(stream: AsyncIterable[bytes], encoding: str, limit: int) -> bytes:
    """The decompressed body. `encoding` is its `Content-Encoding`; `limit` bounds its size as sent and as decompressed.

    Raises `Invalid` for a body that is larger or not in its encoding, `Unavailable` for one that was cut off.
    """
    body = bytearray()
    async for piece in unpacked(stream, encoding, most=limit):
        body += piece
    return bytes(body)


async def read_start(stream: AsyncIterable[bytes], encoding: str, limit: int) -> bytes:
    """The beginning of an error's body, long enough for GitHub's message. Raises as `read_body`."""
    body = bytearray()
    async with aclosing(unpacked(stream, encoding, most=limit)) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) > BODY_READ:
                break
    return bytes(body[: BODY_READ + 1])


async def unpacked(stream: AsyncIterable[bytes], encoding: str, *, most: int) -> AsyncGenerator[bytes, None]:
    """The decompressed pieces of a body, 256 KiB at most; `most` is for its bytes as sent and as decompressed.

    Raises as `read_body`, before it yields more than the limit.
    """
    encoding = encoding.strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise Invalid(f"the answer has an encoding that was not requested: {one_line(encoding)}")
    members = _Members() if "gzip" in encoding else None
    received = yielded = steps = 0
    async for chunk in stream:
        received += len(chunk)
        if received > most:
            raise Invalid(f"the answer is larger than {most} bytes")
        for piece in _slices(chunk) if members is None else members.unpack(chunk):
            yielded += len(piece)
            if yielded > most:
                raise Invalid(f"the answer is larger than {most} bytes")
            if piece:
                yield piece
            steps += 1
            if steps % _STEPS == 0:  # a chunk can hold thousands of members: let other tasks run between them
                await asyncio.sleep(0)
    if members is not None and received and not members.complete:
        raise Unavailable("the answer was cut off: its gzip data do not end")


def _slices(chunk: bytes) -> Iterator[bytes]:
    return (chunk[at : at + _PIECE] for at in range(0, len(chunk), _PIECE))


class _Members:
    """Decompresses gzip data: one member after another (RFC 1952, section 2.2), perhaps padded with zeros at the end.

    gzip and Python's `gzip` ignore such zeros as well: https://www.gnu.org/software/gzip/manual/gzip.html#Tapes
    """

    def __init__(self) -> None:
        self._member: zlib._Decompress | None = zlib.decompressobj(_GZIP)

    @property
    def complete(self) -> bool:
        """Whether the last member has ended."""
        return self._member is None

    def unpack(self, chunk: bytes) -> Iterator[bytes]:
        """The decompressed pieces of a chunk, some of them empty. Raises `Invalid`."""
        rest, more = memoryview(chunk), False
        while rest or more:  # `more`: zlib may have read the whole chunk and still hold output
            # In slices: zlib copies its unread input, so a large chunk would be copied for each of its members.
            part = bytes(rest[:_SLICE])
            if self._member is None:
                unpadded = part.lstrip(b"\0")
                rest = rest[len(part) - len(unpadded) :]
                if unpadded and unpadded[0] != _FIRST_BYTE:
                    raise Invalid("the answer goes on after the end of its gzip data")
                if unpadded:
                    self._member = zlib.decompressobj(_GZIP)
                continue
            piece = _inflated(self._member, part)
            rest = rest[len(part) - len(self._member.unconsumed_tail) - len(self._member.unused_data) :]
            more = len(piece) == _PIECE
            if self._member.eof:
                self._member, more = None, False
            yield piece


def _inflated(member: "zlib._Decompress", part: bytes) -> bytes:
    """The next decompressed piece; raises `Invalid`."""
    try:
        return member.decompress(part, _PIECE)
    except zlib.error:
        pass
    raise Invalid("the answer is not gzip, though its header says so")  # outside the handler, so that it has no context
