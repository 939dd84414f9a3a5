"""The simulated GitHub on a real port, beside an exporter in one process or alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from exporter.serving.connection import ClientLimits
from exporter.serving.server import listening
from exporter.simulator.messages import Receive, Send

Application = Callable[[Any, Receive, Send], Awaitable[None]]

LIMITS = ClientLimits(answer_seconds=600.0, stop_seconds=1.0)
"""A simulated answer may drip for minutes; none may hold up the end."""


@asynccontextmanager
async def serving(app: Application, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve while the block runs; gives the base URL. Port 0 takes a free one; raises OSError if one is taken.

    Leaving the block ends requests that still run, hanging ones too.
    """
    running: set[asyncio.Task[Any]] = set()

    async def tracked(scope: Any, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        if task is not None:
            running.add(task)
            task.add_done_callback(running.discard)
        await app(scope, receive, send)

    bracketed = f"[{host}]" if ":" in host else host
    async with listening(tracked, [f"{bracketed}:{port}"], limits=LIMITS, date_header=False) as bound:
        try:
            yield f"http://{bracketed}:{bound.addresses[0][1]}"
        finally:
            for task in running:
                task.cancel()
