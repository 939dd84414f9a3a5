"""HTTP/1.1 for httpx over connections that are kept: httptools reads the protocol, asyncio has the sockets.

httpx' own transport takes twice the time for a page (docs/decisions.md); proxies and files are reached through it.
Failures are httpx' exceptions, as its transports raise them; the deadline of whoever asks bounds the whole.
"""

import asyncio
import re
import select
import socket
import ssl
from asyncio.staggered import staggered_race
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from itertools import chain, zip_longest
from typing import Any, cast

import httptools
import httpx

KEPT_SECONDS = 5.0
"""An idle connection is closed after so long: what lies between drops it some day, and tells nobody."""

_HEADER_BYTES = 100 * 1024
_AHEAD_BYTES = 256 * 1024  # of a body that nobody took yet
_NEXT_ADDRESS_SECONDS = 0.25  # that an address has to itself before the next one is tried too (RFC 8305)
_PORTS = {"http": 80, "https": 443}
_LENGTHS = (b"content-length", b"transfer-encoding")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

Origin = tuple[str, str, int]


class Connections(httpx.AsyncBaseTransport):
    """Asks whatever hosts it is told to, over at most `most` connections at once."""

    def __init__(self, trust: ssl.SSLContext, most: int, kept_seconds: float = KEPT_SECONDS) -> None:
        """Connect to nothing yet."""
        self._trust, self._free, self._kept_seconds = trust, asyncio.Semaphore(most), kept_seconds
        self._idle: dict[Origin, list[_Connection]] = {}
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, whose body is still to be read and closed. Raises `httpx.TransportError`."""
        await self._free.acquire()
        connection = None
        try:
            connection = self._kept(_origin(request.url)) or await self._opened(request)
            status, headers = await connection.ask(request)
            return httpx.Response(status, headers=headers, stream=_Body(self, connection))
        except BaseException:
            self.give_back(connection)
            raise

    async def aclose(self) -> None:
        """Close what is idle now, and the others when they are given back."""
        self._closed = True
        for connection in chain(*self._idle.values()):
            connection.close()

    def give_back(self, connection: "_Connection | None") -> None:
        """Keep a connection whose answer was read to its end, and close any other."""
        self._free.release()
        if connection is None:
            return
        if connection.rest(self._kept_seconds) and not self._closed:
            self._idle.setdefault(connection.origin, []).append(connection)
        else:
            connection.close()

    def _kept(self, origin: Origin) -> "_Connection | None":
        idle = self._idle.get(origin, [])
        while idle:
            connection = idle.pop()
            if connection.wake():
                return connection
            connection.close()
        return None

    async def _opened(self, request: httpx.Request) -> "_Connection":
        origin = scheme, host, port = _origin(request.url)
        trust, name = (self._trust, host) if scheme == "https" else (None, None)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(request.extensions["timeout"]["connect"]):
                reached = await _reached(host, port)
                try:
                    _, connection = await loop.create_connection(
                        lambda: _Connection(origin), sock=reached, ssl=trust, server_hostname=name
                    )
                except BaseException:
                    with suppress(OSError, RuntimeError):  # uvloop's transport may have it, and closes it then
                        reached.close()
                    raise
        except TimeoutError:
            raise httpx.ConnectTimeout("", request=request) from None
        except OSError as error:
            raise httpx.ConnectError(str(error), request=request) from None
        return connection


class _Body(httpx.AsyncByteStream):
    """What follows the head of an answer."""

    def __init__(self, connections: Connections, connection: "_Connection") -> None:
        self._connections = connections
        self._connection: _Connection | None = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._connection is not None and (piece := await self._connection.piece()):
            yield piece

    async def aclose(self) -> None:
        if self._connection is not None:
            self._connections.give_back(self._connection)
            self._connection = None


class _Connection(asyncio.Protocol):
    """One connection, one request at a time. The methods `on_…` are called by httptools."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self._ended = self._paused = False
        self._more: asyncio.Future[None] | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._begin()

    def _begin(self) -> None:
        """What is known of the next answer: nothing."""
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: deque[bytes] = deque()
        self._status = self._waiting = self._framing = 0
        self._has_head = self._until_end = self._is_whole = self._stays = False
        self._failure = ""

    async def ask(self, request: httpx.Request) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Send a request, and wait for the status and the headers of its answer."""
        self._transport.write(_written(request))
        while not self._has_head:
            await self._news()
        return self._status, self._headers

    async def piece(self) -> bytes:
        """What comes next of the body; empty at its end."""
        while not self._pieces:
            if self._is_whole:
                return b""
            await self._news()
        piece = self._pieces.popleft()
        self._waiting -= len(piece)
        return piece

    async def _news(self) -> None:
        """Wait until something came; raises `httpx.RemoteProtocolError` if nothing more will."""
        if self._failure or self._ended:
            raise httpx.RemoteProtocolError(self._failure or "the connection ended before the answer did")
        if self._paused:
            self._transport.resume_reading()
            self._paused = False
        self._more = asyncio.get_running_loop().create_future()
        await self._more

    def rest(self, seconds: float) -> bool:
        """Whether another request can follow; if so it is idle, and closes by itself after some seconds."""
        if self._ended or self._failure or not (self._is_whole and self._stays):
            return False
        self._begin()
        self._expiry = asyncio.get_running_loop().call_later(seconds, self.close)
        return True

    def wake(self) -> bool:
        """Whether an idle connection is still there; if so it is idle no more."""
        self._cancel_expiry()
        if self._ended:
            return False
        unread = select.poll()  # the loop may not have come to its end yet
        unread.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not unread.poll(0)

    def _cancel_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def close(self) -> None:
        """Close it at once."""
        self._cancel_expiry()
        self._ended = True
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are not registered as such

    def data_received(self, data: bytes) -> None:
        if self._expiry is not None or self._failure:  # nobody asked for it
            self.close()
            return
        self._framing += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(type(error).__name__)
        if self._framing > _HEADER_BYTES:
            self._fail(f"the answer has more than {_HEADER_BYTES} bytes of headers")
        if self._waiting > _AHEAD_BYTES and not self._paused:
            self._transport.pause_reading()
            self._paused = True
        self._tell()

    def _fail(self, why: str) -> None:
        """What came is no answer; if it came after a whole one, that is good, and the last one."""
        self._stays = False
        if not self._is_whole:
            self._failure = why

    def on_message_begin(self) -> None:
        if self._is_whole:
            raise ValueError("nobody asked for a second answer")
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:  # after it are trailers
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        if self._status >= 200:  # those below are informational
            self._has_head = True
            self._until_end = not any(name.lower() in _LENGTHS for name, _ in self._headers)

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        self._waiting += len(body)
        self._framing -= 2 * len(body)  # as much may be around it: chunks' lengths, and trailers

    def on_message_complete(self) -> None:
        if self._has_head:
            self._is_whole, self._stays = True, self._parser.should_keep_alive()

    def eof_received(self) -> None:
        self._end()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:  # that is not how a body ends
            self._until_end = False
        self._end()

    def _end(self) -> None:
        self._ended = True
        self._is_whole = self._is_whole or self._until_end
        self._tell()

    def _tell(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)


def _written(request: httpx.Request) -> bytes:
    """A request as it is sent; raises `httpx.LocalProtocolError` for a value that would be more than one line."""
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    if any(_CONTROL.search(line) for line in lines):
        raise httpx.LocalProtocolError("a header holds a control character", request=request)
    return b"\r\n".join((*lines, b"", request.content))


def _origin(url: httpx.URL) -> Origin:
    return url.scheme, url.raw_host.decode(), url.port or _PORTS[url.scheme]


async def _reached(host: str, port: int) -> socket.socket:
    """A socket that is connected to the first address that answers; raises `OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # Families take turns, so that one which leads nowhere costs a quarter of a second.
    first = [one for one in found if one[0] == found[0][0]]
    other = [one for one in found if one[0] != found[0][0]]
    turns = [one for pair in zip_longest(first, other) for one in pair if one is not None]
    reached, _, failures = await staggered_race(
        [partial(_connected, family, kind, number, address) for family, kind, number, _, address in turns],
        _NEXT_ADDRESS_SECONDS,
    )
    if not isinstance(reached, socket.socket):
        raise next((one for one in failures if isinstance(one, OSError)), OSError(f"{host} has no address"))
    return reached


async def _connected(family: int, kind: int, number: int, address: Any) -> socket.socket:
    made = socket.socket(family, kind, number)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(made, address)
    except BaseException:
        made.close()
        raise
    return made
