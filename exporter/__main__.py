"""The entry: what answers at once first, everything else behind it."""

import asyncio
import importlib
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

import uvloop

from exporter.first_answer import LastAnswer, Opened, Opening, made_of, take
from exporter.serving.server import listening
from exporter.signals import stop_signal


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 1 for whatever the operator must mend first."""
    argv = sys.argv[1:] if argv is None else argv
    digest, status = made_of(argv, os.environ), None
    if digest and (answer := take(argv, os.environ, digest, time.time())):
        status = uvloop.run(_opened(answer, argv, digest))
    if status is None:
        status = int(importlib.import_module("exporter.commands").main(argv, digest))
    return status


async def _opened(answer: LastAnswer, argv: Sequence[str], digest: str) -> int | None:
    """Answer from now on, while all that the daemon needs is imported in a thread; None if nothing can be opened."""
    stop, opening = stop_signal(), Opening(answer)
    async with AsyncExitStack() as stack:
        try:
            bound = await stack.enter_async_context(listening(opening, answer.addresses))
        except OSError:  # the daemon says why
            return None
        commands = await asyncio.to_thread(importlib.import_module, "exporter.commands")
        return int(await commands.run_behind(Opened(opening, bound, stop), argv, digest))


if __name__ == "__main__":
    sys.exit(main())
