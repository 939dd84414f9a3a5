"""The worker thread, for work that computes or blocks briefly: files, SQLite, decoding, counting, rendering.

There is only one. A second thread would only compete with it for the GIL, and functions that change the same state
would run at the same time. Waits without a time limit (a pipe, a child's exit, a name server) have
threads of their own, because every job waits for this one.

The event loop answers scrapes, and waits for the GIL while the worker computes. A full garbage collection holds the GIL
until it has visited every object, so these are rare. At 100,000 series, while jobs run without a break, one scrape in a
hundred takes longer than 6 ms instead of 50 (`docs/decisions.md`).
"""

import asyncio
import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

GARBAGE_OBJECTS = 50_000
"""New objects before a garbage collection. A job of 2,000 rows makes fewer, and no garbage; a connection leaves 30."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_THREAD = ThreadPoolExecutor(1, "worker")


async def run(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Run the function in the worker, after earlier calls; returns its result, or raises its exception."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, partial(function, *args, **kwargs))


def tune() -> None:
    """Make garbage collections rare."""
    gc.collect()
    gc.freeze()  # imported objects are never garbage
    gc.set_threshold(GARBAGE_OBJECTS, 10, 10)
