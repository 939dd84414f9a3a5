"""The one thread in which everything blocks or computes: files, SQLite, decoding, counting, rendering.

`asyncio.to_thread` runs a function in it once `start` was called. It is one thread, for a second one would only take
turns with it at Python's global lock, and functions that change the same state can never run at the same time.

The event loop answers scrapes, and waits for that lock while the worker computes. Three settings keep that short:
the worker gives the lock up after half a millisecond instead of five; it pauses between chunks of 500 series; and
full garbage collections, which hold the lock until they have seen every object of a read, are rare. A scrape beside
jobs that read 34,000 subjects without end then takes 64 ms at the 99th percentile, and 195 ms with Python's defaults
for the collections (one noisy run each).
"""

import asyncio
import gc
import select
import sys
from concurrent.futures import ThreadPoolExecutor

SWITCH_SECONDS = 0.0005
PAUSE_SECONDS = 0.00005
GARBAGE_OBJECTS = 50_000
"""New objects before a collection. A job of 2,000 rows makes fewer, none of them garbage; a connection leaves 30."""


def start() -> None:
    """Make the thread the one that the running loop's `asyncio.to_thread` uses."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1, "worker"))
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()  # what was imported is never garbage
    gc.set_threshold(GARBAGE_OBJECTS, 10, 10)


def pause() -> None:
    """Sleep a moment, so that the event loop gets its turn."""
    select.select((), (), (), PAUSE_SECONDS)  # `time.sleep` never ends under libfaketime, which tests use
