"""A network backend for httpcore: own name resolution, and errors that name who failed, why, and what to do.

httpcore has this extension point (https://www.encode.io/httpcore/network-backends/). Its default backend resolves
names in asyncio's few threads, which a silent name server blocks for minutes. Its errors do not distinguish a proxy
that does not answer from a host, nor a kept connection that had ended from an interrupted response.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Iterable
from typing import Any

import httpcore
import httpx

from exporter.github.network.connection_errors import Purpose, connection_failure, proxy_silence
from exporter.github.network.happy_eyeballs import first_connection
from exporter.github.network.names import LOOK_UP_SECONDS, OF_APIS, OF_FILES


class KeptConnectionEnded(httpcore.ReadError):
    """A reused connection ended before the first byte of the response."""


class Sockets(httpcore.AsyncNetworkBackend):
    """Opens connections to hosts, or to the proxy."""

    def __init__(self, proxy: httpx.URL | None, purpose: Purpose) -> None:
        self.proxy, self._purpose = proxy, purpose
        self._names = OF_APIS if purpose == "API" else OF_FILES
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> "TrackedStream":
        """Connect to the host or to the proxy."""
        options = list(socket_options or ())

        async def connect(address: str) -> httpcore.AsyncNetworkStream:
            return await self._sockets.connect_tcp(address, port, timeout, local_address, options)

        async def look_up_and_connect() -> httpcore.AsyncNetworkStream:
            seconds = LOOK_UP_SECONDS if timeout is None else timeout
            addresses = await self._names.addresses(host, seconds)
            async with asyncio.timeout(timeout):
                return await first_connection(addresses, connect)

        stream = await self.explained(look_up_and_connect(), host)
        return TrackedStream(stream, self, timeout)

    async def explained(
        self, connecting: Awaitable[httpcore.AsyncNetworkStream], host: str
    ) -> httpcore.AsyncNetworkStream:
        """The connection; a failure of TCP or TLS is raised as `httpcore.ConnectError` with a text for the operator."""
        cause: BaseException
        try:
            return await connecting
        except httpcore.ConnectTimeout:
            cause = TimeoutError()
        except (httpcore.ConnectError, OSError) as error:
            cause = error
        raise httpcore.ConnectError(connection_failure(cause, host, self.proxy, self._purpose))


class TrackedStream(httpcore.AsyncNetworkStream):
    """A connection that tracks whether it has carried a response, and whether the next one has begun."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, sockets: Sockets, connect_seconds: float | None) -> None:
        self._stream, self._sockets, self._connect_seconds = stream, sockets, connect_seconds
        self._had_answer = self._in_answer = self._in_connect = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's
        """The next bytes; raises `KeptConnectionEnded`, or `httpcore.ConnectError` for a CONNECT without an answer."""
        if self._in_answer:
            return await self._stream.read(max_bytes, timeout)
        late = False
        try:
            data = await self._stream.read(max_bytes, self._connect_seconds if self._in_connect else timeout)
        except httpcore.ReadTimeout:
            if not self._in_connect:
                raise
            data, late = b"", True
        except httpcore.ReadError:
            if not (self._in_connect or self._had_answer):
                raise
            data = b""
        self._in_answer = bool(data)
        if self._in_connect and not (data and b"HTTP/".startswith(data[:5])):
            assert self._sockets.proxy is not None
            raise httpcore.ConnectError(proxy_silence(self._sockets.proxy, data, late=late))
        if not data and self._had_answer:
            raise KeptConnectionEnded
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's
        """Send a piece of a request."""
        if not buffer:
            return
        self._had_answer, self._in_answer = self._had_answer or self._in_answer, False
        self._in_connect = buffer.startswith(b"CONNECT ")
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> "TrackedStream":
        """Start TLS on the connection; returns the encrypted stream."""
        handshake = self._stream.start_tls(ssl_context, server_hostname, timeout)
        stream = await self._sockets.explained(handshake, server_hostname or "")
        return TrackedStream(stream, self._sockets, self._connect_seconds)

    def get_extra_info(self, info: str) -> Any:
        """Information about the underlying connection, as httpcore defines it; None if that has ended already."""
        try:
            return self._stream.get_extra_info(info)
        except AttributeError:  # anyio asks for the addresses of a socket that asyncio no longer has
            return None
