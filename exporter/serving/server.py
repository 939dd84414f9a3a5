"""The listening side: uvicorn inside the running event loop, with the deadlines uvicorn lacks.

uvicorn alone never closes a connection that sends nothing, half a request or one byte a second, and never gives up on a
client that stops reading. `_Connection` adds that: a connection has exactly one deadline at any moment (to send a
request's header, to take the answer, or for being idle) and is cut when it passes. Installs no signal handlers.
"""

import asyncio
import errno
import fcntl
import math
import os
import select
import socket
import sys
import termios
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from exporter.settings import parse_address

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]

TIOCOUTQ: int | None = getattr(termios, "TIOCOUTQ", None) if sys.platform == "linux" else None
CUT = "exporter.cut"
"""An ASGI extension: a function that ends the request's connection at once, whatever the client has taken."""
UNSENT_BYTES = 128 * 1024
AHEAD_BYTES = 4 * 1024 * 1024
"""Of a body, held by the transport for a client that does not take them; all who are sent it share them."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """What clients may take from us: seconds, bytes and counts."""

    header_seconds: float = 10.0
    """From the connection, or the first byte after an answer, to the end of the request's header."""
    answer_seconds: float = 60.0
    """From the request's header until the client has taken the whole answer."""
    idle_seconds: float = 75.0
    """Between two requests; above Prometheus' default scrape interval of a minute, which then keeps its connection."""
    header_bytes: int = 16 * 1024
    """Request line and headers; more is answered 431, or 400 while the header does not end."""
    connections: int = 512
    """Beyond it a new connection replaces another: `_make_room` says which."""
    backlog: int = 256
    stop_seconds: float = 5.0
    """For answers under way when listening ends."""


DEFAULT_LIMITS = ClientLimits()


@dataclass(frozen=True, slots=True)
class Listening:
    """The addresses as bound, (host, port) in the order asked for: port 0 is resolved here."""

    addresses: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        """The addresses as `parse_address` takes them."""
        return " ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.addresses)


@asynccontextmanager
async def listening(
    app: ASGIApp, addresses: Sequence[str], *, limits: ClientLimits = DEFAULT_LIMITS, date_header: bool = True
) -> AsyncIterator[Listening]:
    """Serve `app` on `addresses` (see `parse_address`) while the context is open.

    Without `date_header` the app's own Date header is the only one.

    At its end nothing more is accepted, idle connections are closed, answers under way get `limits.stop_seconds`, then
    the rest is cut. ValueError for an address that is none, OSError naming the address if it cannot be listened on.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(await _listen(address, limits.backlog))) for address in addresses]
        server = _server(app, limits, date_header=date_header)
        await server.startup(sockets=sockets)
        ticking = asyncio.create_task(server.main_loop(), name="uvicorn")  # keeps the time of the Date header
        try:
            yield Listening(tuple(listener.getsockname()[:2] for listener in sockets))
        finally:
            server.should_exit = True
            await ticking
            cut = asyncio.get_running_loop().call_later(limits.stop_seconds, _cut_all, server)
            try:
                await server.shutdown(sockets=sockets)
            finally:
                cut.cancel()
                _cut_all(server)


async def send_body(send: Send, status: int, headers: Sequence[tuple[bytes, bytes]], body: Sequence[bytes]) -> bool:
    """Send a whole answer with its Content-Length, and tell whether it was sent in full.

    `body` is slices. They are not copied: the transport holds them until the kernel has taken them.

    True: the client's machine has every byte (elsewhere than on Linux: ours has handed every byte to its kernel), and
    the connection had not been reset by then. False: the client left before that or missed its deadline, and lacks at
    least the end. What no server can tell is whether the client used what it was sent.
    """
    start = {"type": "http.response.start", "status": status}
    try:
        await send({**start, "headers": [*headers, (b"content-length", b"%d" % sum(map(len, body)))]})
        for slice_ in body:
            await send({"type": "http.response.body", "body": slice_, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except OSError:  # ASGI's word for a client that left; see `_Connection._send`
        return False
    return True


async def _listen(text: str, backlog: int) -> socket.socket:
    """All interfaces: IPv6 and IPv4 on one socket where possible. A name: its first address, IPv4 before IPv6."""
    host, port = parse_address(text)
    dualstack = host in {"", "::"} and socket.has_dualstack_ipv6()
    wildcard = "::" if dualstack else "0.0.0.0"  # noqa: S104 -- the operator asked for all interfaces
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host or wildcard, port, type=socket.SOCK_STREAM)
        family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        listener = socket.create_server(address[:2], family=family, backlog=backlog, dualstack_ipv6=dualstack)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {text!r}: {_reason_and_fix(error, port)}") from None
    # Connections inherit both. asyncio sets NODELAY itself only on sockets whose protocol number is given.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    return listener


def _reason_and_fix(error: OSError, port: int) -> str:
    """Why an address cannot be listened on, and what the operator does."""
    if isinstance(error, socket.gaierror):
        return f"{error.strerror}; the name has no address: name an address, or :PORT for all"
    match error.errno:
        case errno.EADDRINUSE:
            fix = "another program has this port: end it, or choose another one by --web.listen-address"
        case errno.EADDRNOTAVAIL:
            fix = "this machine has no such address: name one of its own, or :PORT for all"
        case errno.EACCES | errno.EPERM if 0 < port < 1024:
            fix = "ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher one, or give that capability"
        case errno.EACCES | errno.EPERM:
            fix = "a security policy of this machine (SELinux, AppArmor) forbids it: allow it, or choose another port"
        case errno.EAFNOSUPPORT:
            fix = "this kind of address is switched off here: name an IPv4 address, or an IPv6 one"
        case errno.EMFILE | errno.ENFILE:
            fix = "raise the limit on open files (ulimit -n)"
        case _:
            fix = "choose another address of this machine"
    return f"{os.strerror(error.errno) if error.errno else error}; {fix}"


def _server(app: ASGIApp, limits: ClientLimits, *, date_header: bool) -> uvicorn.Server:
    protocol = partial(_Connection, limits=limits)
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", protocol),  # uvicorn only ever calls it
        ws="none",
        lifespan="off",
        interface="asgi3",
        backlog=limits.backlog,
        h11_max_incomplete_event_size=limits.header_bytes,
        timeout_keep_alive=math.ceil(limits.idle_seconds) + 1,  # ours comes first
        timeout_graceful_shutdown=math.ceil(limits.stop_seconds) + 1,  # only an app that hangs gets that far
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=date_header,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)  # Server.serve() does it, and would take the signals too
    return server


def _unacknowledged(transport: asyncio.Transport) -> int:
    """Bytes that the kernel has taken and the client's machine has not acknowledged; 0 where that cannot be told."""
    connection = transport.get_extra_info("socket")
    if TIOCOUTQ is None or connection is None:
        return 0
    try:
        return int.from_bytes(fcntl.ioctl(connection.fileno(), TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, ValueError):  # closed meanwhile
        return 0


def _unread(transport: asyncio.Transport) -> bool:
    """Whether the client has sent something that the loop has not read yet."""
    connection = transport.get_extra_info("socket")
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return any(event & select.POLLIN for _, event in waiting.poll(0))


def _cut_all(server: uvicorn.Server) -> None:
    for connection in list(server.server_state.connections):
        if isinstance(connection, _Connection):
            connection.cut()


Doing = Literal["silent", "idling", "asking", "taking"]
"""What a client does: has sent nothing yet, nothing since the last answer, a part of a request, or takes an answer."""

_FIRST_TO_GO: tuple[Doing, ...] = ("silent", "idling", "asking", "taking")


class _Connection(H11Protocol):
    """One client, what it is doing, and the deadline for that."""

    def __init__(self, *arguments: Any, limits: ClientLimits, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.limits = limits
        self.doing: Doing = "silent"
        self.since = 0.0  # when it began to do that, by the loop's clock
        self.deadline: asyncio.TimerHandle | None = None
        self.unsent = False  # the transport has more than its limit of bytes that the kernel has not taken
        self.broken = False  # bytes were lost: reset by the client, or cut by us
        self.heard = asyncio.Event()  # the client sent something, and with it an acknowledgement
        self.served, self.app = self.app, self._answer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=AHEAD_BYTES)  # a body is written whole: its slices are ours already
        self._begin("silent", self.limits.header_seconds)
        if len(self.connections) > self.limits.connections:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        if self.doing == "idling":
            self._begin("asking", self.limits.header_seconds)
        elif self.doing == "silent":
            self.doing = "asking"  # the deadline runs on: it counts from the connection
        self.heard.set()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.broken = self.broken or self.unsent or exc is not None
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # uvicorn forgets it after a reset; the timer would keep all this alive
        if self.deadline is not None:
            self.deadline.cancel()

    def pause_writing(self) -> None:
        self.unsent = True
        super().pause_writing()

    def resume_writing(self) -> None:
        self.unsent = False
        super().resume_writing()

    def cut(self) -> None:
        self.broken = True
        self.transport.abort()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        self._begin("taking", self.limits.answer_seconds)
        scope["extensions"] = {CUT: self.cut}
        header_bytes = len(scope["raw_path"]) + len(scope["query_string"])
        header_bytes += sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        try:
            if header_bytes > self.limits.header_bytes:  # h11 bounds only a header that does not end
                await send_body(partial(self._send, send), 431, [(b"connection", b"close")], [])
            else:
                await self.served(scope, receive, partial(self._send, send))
        finally:
            if self.conn.trailing_data[0]:  # the beginning of the next request came early
                self._begin("asking", self.limits.header_seconds)
            else:
                self._begin("idling", self.limits.idle_seconds)

    async def _send(self, send: Any, message: Message) -> None:
        """Send of an unfinished body waits only for a client that is far behind: the rest goes without the interpreter.

        The empty end of a body waits until the client's machine has acknowledged the rest, and raises if it never does,
        as ASGI asks; uvicorn neither waits nor tells. A client that has everything may close before we look: that is no
        failure.
        """
        if message.get("more_body"):
            if self.transport.is_closing():
                raise ConnectionResetError("the client left before it was sent everything")
        elif message["type"] == "http.response.body" and not message.get("body"):
            await self._taken()
            await self._acknowledged()
        await send(message)

    async def _taken(self) -> None:
        """Wait until the kernel has all that was sent."""
        with suppress(RuntimeError):  # what uvloop raises when the connection is closed
            # At 0 asyncio's TLS transports would pause for ever.
            self.transport.set_write_buffer_limits(high=1 if self.scheme == "https" else 0)
            await self.flow.drain()
            self.transport.set_write_buffer_limits(high=AHEAD_BYTES)

    async def _acknowledged(self) -> None:
        """Wait until the client's machine has all that was sent; raises if it was lost."""
        pause = 0.001
        while not self.transport.is_closing() and _unacknowledged(self.transport):
            self.heard.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self.heard.wait()
            pause = min(2 * pause, 0.05)
        if self.transport.is_closing():
            await asyncio.sleep(0)  # why is told in the next turn of the loop
        if self.broken or self.unsent:
            raise ConnectionResetError("the client left before it had everything")

    def _begin(self, doing: Doing, seconds: float) -> None:
        self.doing, self.since = doing, self.loop.time()
        if self.deadline is not None:
            self.deadline.cancel()
        if self in self.connections:  # not lost meanwhile
            self.deadline = self.loop.call_later(seconds, self.cut)

    def _make_room(self) -> None:
        """Cut the connection that a scrape needs least: the oldest of the first kind in `_FIRST_TO_GO`.

        A request that has arrived and was not read yet counts as sent: under a flood of connections that say nothing,
        a scrape is read before its connection is the oldest.
        """
        others = [
            other
            for other in self.connections
            if isinstance(other, _Connection) and other is not self and not other.transport.is_closing()
        ]
        others.sort(key=lambda other: (_FIRST_TO_GO.index(other.doing), other.since))
        quiet = (other for other in others if other.doing == "taking" or not _unread(other.transport))
        next(quiet, others[0] if others else self).cut()
