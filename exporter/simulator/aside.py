"""A simulated GitHub in a process of its own, so that whoever asks it has a processor and an interpreter to itself."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import uvloop

from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.serve import serving

SECONDS_TO_STOP = 5.0

Make = Callable[[], tuple[SimulatedGitHub, Any]]


@asynccontextmanager
async def serving_aside(make: Make) -> AsyncIterator[tuple[str, Any]]:
    """Serve while the block runs; gives the base URL, and what `make` gave besides the simulated GitHub.

    `make` runs in the new process, so it must be importable. That process ends with the block, or with this process,
    however that ends. Raises `OSError` if it could not begin.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, make), daemon=True)
    process.start()
    theirs.close()
    try:
        try:
            yield await asyncio.to_thread(ours.recv)
        except EOFError:
            raise OSError("the simulated GitHub ended before it served anything") from None
    finally:
        ours.close()
        await asyncio.to_thread(process.join, SECONDS_TO_STOP)
        process.kill()


def _run(connection: Connection, make: Make) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us
    uvloop.run(_serve(connection, make))


async def _serve(connection: Connection, make: Make) -> None:
    github, besides = make()
    async with serving(github) as url:
        connection.send((url, besides))
        with suppress(EOFError, OSError):
            await asyncio.to_thread(connection.recv)  # until the other end is closed
