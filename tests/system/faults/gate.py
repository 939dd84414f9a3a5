"""The way to GitHub of one organization: a port that forwards, refuses, says nothing, or breaks off."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Literal

from tests.support.company import listening, reset

GateState = Literal["open", "closed", "silent", "reset", "cut", "plain"]
"""`closed` refuses connections, `silent` accepts and says nothing, `reset` breaks off at once, `cut` within the
answer, `plain` speaks no TLS."""


class Gate:
    """Forwards what comes to its port to another one on loopback. `change` may be called from any thread."""

    def __init__(self, upstream: int, tls: ssl.SSLContext | None = None) -> None:
        self.upstream, self.tls, self.port = upstream, tls, 0
        self._state: GateState = "open"
        self._server = AsyncExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}" if self.tls else f"http://127.0.0.1:{self.port}"

    def change(self, state: GateState, tls: ssl.SSLContext | None = None) -> None:
        """Be in another state from now on; connections of before are cut off."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._change(state, tls or self.tls), self._loop).result(10)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Gate"]:
        self._loop = asyncio.get_running_loop()
        await self._change("open", self.tls)
        try:
            yield self
        finally:
            await self._server.aclose()

    async def _change(self, state: GateState, tls: ssl.SSLContext | None) -> None:
        await self._server.aclose()
        self._state = state
        if state != "closed":
            tls = None if state in ("plain", "silent") else tls
            self.port = await self._server.enter_async_context(listening(self._serve, tls, self.port))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match self._state:
            case "reset":
                reset(writer)
            case "plain":
                writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
                await writer.drain()
            case "silent":
                await reader.read(-1)
            case _:
                await self._forward(reader, writer)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, there = await asyncio.open_connection("127.0.0.1", self.upstream)
        pipes = [asyncio.ensure_future(_pipe(reader, there)), asyncio.ensure_future(self._answer(answers, writer))]
        try:
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pipe in pipes:
                pipe.cancel()
            await asyncio.gather(*pipes, return_exceptions=True)
            there.close()
            with suppress(OSError):
                await there.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._state == "cut":
            piece = await reader.read(65536)
            writer.write(piece[: len(piece) // 2])
            await writer.drain()
            reset(writer)
        else:
            await _pipe(reader, writer)


async def _pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
