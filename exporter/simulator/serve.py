"""The simulated GitHub on a real port, beside an exporter in one process or alone."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework

from exporter.simulator.messages import Receive, Send

Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

STOP_WITHIN = 1.0


@asynccontextmanager
async def serving(app: Application, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve while the block runs; gives the base URL. Port 0 takes a free one; raises OSError if one is taken.

    Leaving the block ends requests that still run, hanging ones too.
    """
    listener = _listen(host, port)
    bound = listener.getsockname()[1]
    running: set[asyncio.Task[Any]] = set()

    async def tracked(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        if scope["type"] == "http" and task is not None:
            running.add(task)
            task.add_done_callback(running.discard)
        await app(scope, receive, send)

    stop = asyncio.Event()
    server = asyncio.create_task(
        hypercorn_serve(cast("ASGIFramework", tracked), _config(listener), shutdown_trigger=stop.wait)
    )
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{bound}"
    finally:
        for task in running:
            task.cancel()
        stop.set()
        with suppress(asyncio.CancelledError):
            await server


async def serve(
    app: Application, host: str, port: int, *, stop: asyncio.Event, ready: Callable[[str], None] = lambda _url: None
) -> None:
    """Serve until `stop` is set; `ready` is told the base URL as soon as requests are taken."""
    async with serving(app, host, port) as url:
        ready(url)
        await stop.wait()


def _listen(host: str, port: int) -> socket.socket:
    """Listen at once, so that nobody who knows the port is turned away while the server is still starting."""
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


def _config(listener: socket.socket) -> Config:
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.include_date_header = False  # the application's clock is not ours
    config.include_server_header = False
    config.graceful_timeout = STOP_WITHIN
    config.accesslog = None
    config.errorlog = logging.getLogger("exporter.simulator")  # where hypercorn tells of an application's error
    return config
