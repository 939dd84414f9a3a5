"""One client's connection: uvicorn's HTTP protocol, with deadlines and a check that answers were delivered.

uvicorn alone never closes a connection that sends nothing, half a request or one byte a second, and never gives up on a
client that stops reading. A `Connection` always has exactly one deadline (to send a request's header, to read the
answer, or to send the next request) and is cut when the deadline passes.
"""

import asyncio
import fcntl
import select
import sys
import termios
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from uvicorn.protocols.http.h11_impl import H11Protocol

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]

TIOCOUTQ: int | None = getattr(termios, "TIOCOUTQ", None) if sys.platform == "linux" else None
CUT = "exporter.cut"
"""An ASGI extension: a function that cuts the request's connection at once, even if the answer is incomplete."""
TAKEN = "exporter.taken"
"""An ASGI extension: a function that tells whether the kernel has the whole answer."""
AHEAD_BYTES = 4 * 1024 * 1024
AHEAD_BYTES_TLS = 64 * 1024
"""How much of a body the transport buffers for a client that does not read. With TLS each client has its own bytes."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """How many seconds, bytes and connections a client may use."""

    header_seconds: float = 10.0
    """From the start of the connection, or the first byte after an answer, to the end of the request's header."""
    answer_seconds: float = 60.0
    """From the request's header until the client has taken the whole answer."""
    idle_seconds: float = 75.0
    """Between two requests; above Prometheus' default scrape interval of a minute, which then keeps its connection."""
    header_bytes: int = 16 * 1024
    """Request line and headers. A longer header gets 431, or 400 if it is still incomplete."""
    connections: int = 512
    """When there are more, a new connection replaces another: see `Connection._make_room`."""
    backlog: int = 1024
    """Connections that the kernel completes before they are accepted. When there are more, it drops the packet that
    opens one, and the client sends it again after a second: https://man7.org/linux/man-pages/man2/listen.2.html"""
    stop_seconds: float = 5.0
    """For unfinished answers when the server stops."""


DEFAULT_LIMITS = ClientLimits()


async def send_body(send: Send, status: int, headers: Sequence[tuple[bytes, bytes]], body: Sequence[bytes]) -> bool:
    """Send an answer with its Content-Length, and return whether all of it was delivered.

    The slices of `body` are not copied: the transport holds them until the kernel has taken them.

    True: the client's machine has acknowledged every byte (on systems other than Linux: our kernel has taken every
    byte), and the connection had not been reset by then. False: the client left before that or missed its deadline, and
    lacks at least the end. No server can know whether the client used what it received.
    """
    start = {"type": "http.response.start", "status": status}
    try:
        await send({**start, "headers": [*headers, (b"content-length", b"%d" % sum(map(len, body)))]})
        for slice_ in body:
            await send({"type": "http.response.body", "body": slice_, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except OSError:  # how ASGI reports a client that left; see `Connection._send`
        return False
    return True


CutReason = Literal["header", "answer", "room"]
"""A client missed the deadline of a request's header, or of taking its answer; or others needed its place."""
Phase = Literal["new", "idle", "requesting", "answering"]
"""Nothing received yet; idle since the last answer; a part of a request received; an answer is being sent."""

_CUT_ORDER: tuple[Phase, ...] = ("new", "idle", "requesting", "answering")


class Connection(H11Protocol):
    """A client's connection, its phase, and the deadline of that phase."""

    def __init__(
        self, *arguments: Any, limits: ClientLimits, count_cut: Callable[[CutReason], None], **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self.limits, self.count_cut = limits, count_cut
        self.phase: Phase = "new"
        self.since = 0.0  # when the phase began, by the loop's clock
        self.deadline: asyncio.TimerHandle | None = None
        self.unsent = False  # the transport holds more bytes than its limit that the kernel has not taken
        self.broken = False  # bytes were lost: reset by the client, or cut by us
        self.handed_over = False  # the transport has the whole answer
        self.received = asyncio.Event()  # the client sent data, and with them an acknowledgement
        self.application, self.app = self.app, self._answer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start the deadline for the first request's header."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=self._ahead_bytes)
        self._begin("new", self.limits.header_seconds)
        if len(self.connections) > self.limits.connections:
            self._make_room()

    @property
    def _ahead_bytes(self) -> int:
        """How many bytes to buffer: many without TLS, where all clients share the slices, few with it."""
        return AHEAD_BYTES_TLS if self.scheme == "https" else AHEAD_BYTES

    def data_received(self, data: bytes) -> None:
        """Start the deadline of the next request's header, at its first byte."""
        if self.phase == "idle":
            self._begin("requesting", self.limits.header_seconds)
        elif self.phase == "new":
            self.phase = "requesting"  # the deadline stays: it counts from the connection
        self.received.set()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Record whether bytes were lost, and cancel the deadline."""
        self.broken = self.broken or self.unsent or exc is not None
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # uvicorn forgets to after a reset; its timer would keep this object alive
        if self.deadline is not None:
            self.deadline.cancel()

    def pause_writing(self) -> None:
        """Record that the transport's buffer is full."""
        self.unsent = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """Record that the transport's buffer has room again."""
        self.unsent = False
        super().resume_writing()

    def cut(self) -> None:
        """Close the connection at once; what the kernel has not sent is lost."""
        self.broken = True
        self.transport.abort()

    def is_taken(self) -> bool:
        """Whether the kernel has the whole answer: the client can get it without us."""
        return self.handed_over and not self.transport.get_write_buffer_size()

    def _miss_deadline(self) -> None:
        if self.phase != "idle":
            self.count_cut("answer" if self.phase == "answering" else "header")
        self.cut()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        self._begin("answering", self.limits.answer_seconds)
        self.handed_over = False
        scope["extensions"] = {CUT: self.cut, TAKEN: self.is_taken}
        header_bytes = len(scope["raw_path"]) + len(scope["query_string"])
        header_bytes += sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        try:
            if header_bytes > self.limits.header_bytes:  # h11 limits only incomplete headers
                await send_body(partial(self._send, send), 431, [(b"connection", b"close")], [])
            else:
                await self.application(scope, receive, partial(self._send, send))
        except ConnectionResetError:
            pass  # the client left before it had its answer
        finally:
            if self.conn.trailing_data[0]:  # the beginning of the next request is already here
                self._begin("requesting", self.limits.header_seconds)
            else:
                self._begin("idle", self.limits.idle_seconds)

    async def _send(self, send: Any, message: Message) -> None:
        """Send an ASGI message; raises OSError, as ASGI requires, if the client leaves before it has everything.

        A slice of a body waits only while the transport buffers more than `_ahead_bytes`. The empty message that ends a
        body waits until the client's machine has acknowledged the rest: uvicorn neither waits for that nor reports a
        loss. It is no failure if a client that has everything closes the connection before we check.
        """
        if message.get("more_body"):
            if self.transport.is_closing():
                raise self._client_left("before it was sent everything")
        elif message["type"] == "http.response.body" and not message.get("body"):
            self.handed_over = True
            await self._wait_until_written()
            await self._wait_until_acknowledged()
        await send(message)

    async def _wait_until_written(self) -> None:
        """Wait until the kernel has taken all that was sent."""
        with suppress(RuntimeError):  # what uvloop raises when the connection is closed
            # At 0 asyncio's TLS transports would pause for ever.
            self.transport.set_write_buffer_limits(high=1 if self.scheme == "https" else 0)
            await self.flow.drain()
            self.transport.set_write_buffer_limits(high=self._ahead_bytes)

    async def _wait_until_acknowledged(self) -> None:
        """Wait until the client's machine has all that was sent; OSError if the connection was lost before."""
        pause = 0.001
        while not self.transport.is_closing() and _unacknowledged(self.transport):
            self.received.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self.received.wait()
            pause = min(2 * pause, 0.05)
        if self.transport.is_closing():
            await asyncio.sleep(0)  # the loop calls `connection_lost` with the cause in its next iteration
        if self.broken or self.unsent:
            raise self._client_left("before it had everything")

    def _client_left(self, when: str) -> ConnectionResetError:
        """The error of a client that left. The loop tells uvicorn later, which until then would log an error itself."""
        self.cycle.disconnected = True
        return ConnectionResetError(f"the client left {when}")

    def _begin(self, phase: Phase, seconds: float) -> None:
        self.phase, self.since = phase, self.loop.time()
        if self.deadline is not None:
            self.deadline.cancel()
        if self in self.connections:  # not lost in the meantime
            self.deadline = self.loop.call_later(seconds, self._miss_deadline)

    def _make_room(self) -> None:
        """Cut the least useful connection: the oldest one in the first phase of `_CUT_ORDER` that any is in.

        Connections with data that the loop has not read yet are spared: under a flood of connections that send nothing,
        a scrape's request is read before its connection is the oldest.
        """
        others = [
            other
            for other in self.connections
            if isinstance(other, Connection) and other is not self and not other.transport.is_closing()
        ]
        others.sort(key=lambda other: (_CUT_ORDER.index(other.phase), other.since))
        without_data = (other for other in others if other.phase == "answering" or not _unread(other.transport))
        self.count_cut("room")
        next(without_data, others[0] if others else self).cut()


def _unacknowledged(transport: asyncio.Transport) -> int:
    """Bytes that the kernel has taken and the client's machine has not acknowledged; 0 where the system cannot say."""
    connection = transport.get_extra_info("socket")
    if TIOCOUTQ is None or connection is None:
        return 0
    try:
        return int.from_bytes(fcntl.ioctl(connection.fileno(), TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, ValueError):  # closed in the meantime
        return 0


def _unread(transport: asyncio.Transport) -> bool:
    """Whether the client has sent something that the loop has not read yet."""
    connection = transport.get_extra_info("socket")
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return any(event & select.POLLIN for _, event in poll.poll(0))
