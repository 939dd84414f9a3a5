"""A usage report summed up by a child process, fed while its files come: no scrape waits, and no disk is needed."""

import asyncio
import json
import struct
import sys
from asyncio import StreamReader, StreamReaderProtocol, StreamWriter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass
from socket import socketpair
from subprocess import DEVNULL, PIPE, Popen

from exporter.collecting import usage_sums
from exporter.collecting.usage_sums import Sums, Wanted, load
from exporter.github.errors import GitHubError, Invalid, Unavailable

Pieces = AsyncGenerator[bytes, None]
Part = Pieces | Callable[[], Pieces]

MOST_BYTES = 64 * 1024 * 1024
"""Of the child's answer; 20,000 groups take a tenth of it."""

_LONGEST_LINE = 128 * 1024
_FRAME = 192 * 1024
_GONE = (BrokenPipeError, ConnectionResetError)


@dataclass(frozen=True, slots=True)
class _Child:
    """The process and our ends of its pipes."""

    process: Popen[bytes]
    stdin: StreamWriter
    stdout: StreamReader
    reading: asyncio.ReadTransport


async def summed(parts: Sequence[Part], wanted: Wanted, patience: float = 60.0) -> Sums:
    """The sums over all parts of a report, which are asked for one after another.

    Raises `Invalid` for a report that cannot be used, and for a child that breaks; `Unavailable` for one that is
    killed, does not start, or takes nothing for `patience` seconds; and what a part raises. Whatever happens, the child
    is gone and the parts are closed afterwards.
    """
    try:
        child = await _started()
        try:
            with suppress(*_GONE):  # it has seen enough: its answer says why
                await _feed(child, parts, wanted, patience)
            return await _sums(child, patience)
        finally:
            await _end(child)
    finally:
        for part in parts:
            if isinstance(part, AsyncGenerator):
                await part.aclose()


async def _started() -> _Child:
    """The child, or nothing of it."""
    starting = asyncio.ensure_future(_connected())
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with suppress(OSError):  # it did not start
            await _end(await starting)
        raise
    except OSError as error:
        raise Unavailable(f"no process could be started to sum up a usage report: {error.strerror}") from None


async def _connected() -> _Child:
    feeding, fed = socketpair()  # with a pipe, of 64 KiB, the child waits more and takes a tenth longer
    try:
        with fed:
            process = await asyncio.to_thread(_process, fed.fileno())
    except OSError:
        feeding.close()
        raise
    _, stdin = await asyncio.open_unix_connection(sock=feeding)
    stdout = StreamReader(limit=_LONGEST_LINE)
    loop = asyncio.get_running_loop()
    reading, _ = await loop.connect_read_pipe(lambda: StreamReaderProtocol(stdout), process.stdout)
    return _Child(process, stdin, stdout, reading)


def _process(stdin: int) -> Popen[bytes]:
    """Without our environment, which may hold secrets; its own file is all that it needs of us.

    Python starts it by vfork. uvloop would fork, which held the event loop for 25 ms with 100,000 series in memory.
    """
    command = (sys.executable, "-I", "-S", usage_sums.__file__)
    return Popen(command, stdin=stdin, stdout=PIPE, stderr=DEVNULL, env={}, bufsize=0)  # noqa: S603 - all of it is ours


async def _feed(child: _Child, parts: Sequence[Part], wanted: Wanted, patience: float) -> None:
    """Send all parts; raises `BrokenPipeError` or `ConnectionResetError` if the child is gone."""
    await _send(child, json.dumps(asdict(wanted)).encode(), patience)
    for part in parts:
        pieces = part if isinstance(part, AsyncGenerator) else part()
        async with aclosing(pieces), aclosing(_frames(pieces)) as frames:
            async for frame in frames:
                await _send(child, frame, patience)
        await _send(child, b"", patience)
    child.stdin.close()


async def _frames(pieces: Pieces) -> AsyncGenerator[bytes, None]:
    """The same in pieces of one size: the child is faster with them, and they bound its memory."""
    waiting, length = list[bytes](), 0
    async for piece in pieces:
        waiting.append(piece)
        length += len(piece)
        if length >= _FRAME:
            yield b"".join(waiting)
            waiting, length = [], 0
    if length:
        yield b"".join(waiting)


async def _send(child: _Child, content: bytes, patience: float) -> None:
    if child.stdin.is_closing():  # uvloop would raise a RuntimeError
        raise BrokenPipeError
    child.stdin.writelines((struct.pack(">I", len(content)), content))
    try:
        async with asyncio.timeout(patience):
            await child.stdin.drain()
    except TimeoutError:
        raise Unavailable(f"the process that sums up a usage report took nothing for {patience:g} s") from None


async def _sums(child: _Child, patience: float) -> Sums:
    """What the child answers."""
    sums = Sums()
    complete = False
    try:
        async for line in _lines(child, patience):
            if line.startswith(b'{"rejected":'):
                raise Invalid(str(json.loads(line)["rejected"])[:200])
            complete = load(line, sums)
            await asyncio.sleep(0)  # there may be 20,000 lines: a scrape comes between them
    except (ValueError, RecursionError):
        raise Invalid("the process that sums up a usage report gave no sums") from None
    if not complete:
        raise await _grief(child)
    return sums


async def _lines(child: _Child, patience: float) -> AsyncIterator[bytes]:
    size = 0
    while True:
        try:
            async with asyncio.timeout(patience):
                line = await child.stdout.readline()
        except TimeoutError:
            raise Unavailable(f"the process that sums up a usage report was silent for {patience:g} s") from None
        size += len(line)
        if size > MOST_BYTES:
            raise Invalid(f"the process that sums up a usage report said more than {MOST_BYTES} bytes")
        if not line:
            return
        yield line


async def _grief(child: _Child) -> GitHubError:
    """Why there is no whole answer. A child that is ending already ends as it would have."""
    await _end(child)
    status = child.process.returncode
    if status < 0:
        return Unavailable(
            f"the process that sums up a usage report was killed by signal {-status}: is there enough memory?"
        )
    return Invalid(f"the process that sums up a usage report broke with status {status}")


async def _end(child: _Child) -> None:
    """Kill and reap it, and close its pipes."""
    child.process.kill()
    if not child.stdin.is_closing():
        child.stdin.transport.abort()
    child.reading.close()
    await asyncio.to_thread(child.process.wait)
