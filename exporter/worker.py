"""The one thread for whatever blocks for a bounded time, or computes: files, SQLite, decoding, counting, rendering.

It is one, for a second one would only take turns with it at Python's global lock, and functions that change the same
state never run at the same time. What may wait for others without a bound (a pipe, a child's end, a name server) has
threads of its own, since every job waits for this one.

The event loop answers scrapes, and waits for that lock while the worker computes. Three settings keep that short:
the worker gives the lock up after half a millisecond instead of five; it pauses between chunks of 500 series; and
full garbage collections, which hold the lock until they have seen every object of a read, are rare.
"""

import asyncio
import gc
import select
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

SWITCH_SECONDS = 0.0005
PAUSE_SECONDS = 0.00005
GARBAGE_OBJECTS = 50_000
"""New objects before a collection. A job of 2,000 rows makes fewer, none of them garbage; a connection leaves 30."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_THREAD = ThreadPoolExecutor(1, "worker")


async def run(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """What the function returns or raises, computed in the worker after what was handed to it before."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, partial(function, *args, **kwargs))


def tune() -> None:
    """Let Python serve the event loop first."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()  # what was imported is never garbage
    gc.set_threshold(GARBAGE_OBJECTS, 10, 10)


def pause() -> None:
    """Sleep a moment, so that the event loop gets its turn."""
    select.select((), (), (), PAUSE_SECONDS)  # `time.sleep` never ends under libfaketime, which tests use
