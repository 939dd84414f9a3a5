"""Servers beside the test, in a thread with an event loop of its own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from typing import TypeVar

Served = TypeVar("Served")


@contextmanager
def in_thread(*servers: AbstractAsyncContextManager[Served]) -> Iterator[list[Served]]:
    """Run the servers; gives what each of them gives."""
    loop, stop, started = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    served: list[Served] = []

    async def serve() -> None:
        async with AsyncExitStack() as stack:
            served.extend([await stack.enter_async_context(server) for server in servers])
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert started.wait(10)
        yield served
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


@contextmanager
def repeating(look: Callable[[], None], every: float) -> Iterator[None]:
    """Call this in a thread, with so many seconds between two calls, while the block runs."""
    end = threading.Event()

    def repeat() -> None:
        while not end.wait(every):
            look()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
