"""A simulated GitHub in a child process, so that it does not take the GIL of its client."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from typing import Any

import uvloop

from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.serve import serving

SECONDS_TO_STOP = 5.0

Make = Callable[[], tuple[SimulatedGitHub, Any]]


@asynccontextmanager
async def serving_in_child(make: Make) -> AsyncIterator[tuple[str, Any]]:
    """Serve while the block runs; yields the base URL, and the second value of `make`.

    `make` runs in the child process, so it must be importable. The child ends with the block, or with this process,
    however that ends. Raises `OSError` if the child could not start.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, make), daemon=True)
    with _signals_blocked():
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


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """A process that is started in the block ignores signals that a terminal or a service manager sends to the group.

    It ends when we do. A handler of its own would be installed too late for a Ctrl-C during its imports.
    """
    resource_tracker.ensure_running()  # else starting the process would start the tracker, which unblocks signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(connection: Connection, make: Make) -> None:
    uvloop.run(_serve(connection, make))


async def _serve(connection: Connection, make: Make) -> None:
    github, extra = make()
    async with serving(github) as url:
        with suppress(EOFError, OSError):
            connection.send((url, extra))
            await asyncio.to_thread(connection.recv)  # until the other end is closed
        logging.getLogger("uvicorn.error").disabled = True  # the client is gone: answers that are cut off are no news
