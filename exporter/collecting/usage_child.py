"""A usage report summed up by a child process, fed while its files come: no scrape waits, and no disk is needed."""

import asyncio
import json
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import asdict

from exporter.collecting import usage_sums
from exporter.collecting.usage_sums import Sums, Wanted, load
from exporter.github.errors import Invalid, Unavailable

Part = Callable[[], AsyncGenerator[bytes, None]]

LONGEST_LINE = 256 * 1024


async def summed(parts: Sequence[Part], wanted: Wanted) -> Sums:
    """The sums over all parts of a report.

    Raises `Invalid` for a report that cannot be used, `Unavailable` if the child came to grief, and what a part raises.
    Whatever happens, the child is gone afterwards.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", usage_sums.__file__),
        stdin=PIPE,
        stdout=PIPE,
        env={},
        limit=LONGEST_LINE,
    )
    answer = asyncio.create_task(_answer(child))
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # it has seen enough: its answer says why
            await _feed(child, parts, wanted)
        return await answer
    finally:
        answer.cancel()
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
        with suppress(asyncio.CancelledError, Exception):
            await answer


async def _feed(child: Process, parts: Sequence[Part], wanted: Wanted) -> None:
    assert child.stdin is not None

    async def send(content: bytes) -> None:
        assert child.stdin is not None
        child.stdin.write(struct.pack(">I", len(content)) + content)
        await child.stdin.drain()

    await send(json.dumps(asdict(wanted)).encode())
    for part in parts:
        async with aclosing(part()) as pieces:
            async for piece in pieces:
                if piece:
                    await send(piece)
        await send(b"")
    child.stdin.close()
    with suppress(BrokenPipeError, ConnectionResetError):
        await child.stdin.wait_closed()


async def _answer(child: Process) -> Sums:
    """Sums line by line, or why there are none."""
    assert child.stdout is not None
    sums = Sums()
    try:
        async for line in child.stdout:
            if line.startswith(b'{"rejected":'):
                raise Invalid(str(json.loads(line)["rejected"])[:200])
            if load(line, sums):
                return sums
    except ValueError:
        raise Unavailable("the process that sums up a usage report gave no sums") from None
    raise Unavailable("the process that sums up a usage report ended before it had done so; is there enough memory?")
