"""Accepting connections by the web configuration of their moment: a new certificate or policy needs no restart.

An SSLContext of a whole server cannot be exchanged while it runs, and versions, suites and the policy for clients
cannot be changed in a connection that has begun. So each connection is accepted here and given the context of the
configuration that holds then.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from exporter.serving.connection import ClientLimits, Connection, Message
from exporter.serving.web_config import WebConfigFile

OUT_OF_FILES_SECONDS = 1.0
"""How long nothing is accepted when the process has no free file descriptor; asyncio's own servers wait as long."""


class TlsConnection(Connection):
    """A connection after its handshake.

    `since` is when it was accepted, and its first deadline runs from then on. `now` is in epoch seconds.
    """

    def __init__(self, *arguments: Any, since: float, now: float, allowed_sans: frozenset[str], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._accepted, self._now, self._allowed_sans = since, now, allowed_sans

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Cut the connection before it is answered, if the client's certificate does not let it in.

        OpenSSL has checked it but for our list of names, and for its end where an older session of TLS 1.2 is resumed.
        """
        session = transport.get_extra_info("ssl_object")
        certificate = session.getpeercert() if session else None
        is_allowed = not self._allowed_sans or not self._allowed_sans.isdisjoint(names_in(certificate))
        if not is_allowed or (session and session.session_reused and has_expired(certificate, self._now)):
            transport.abort()
            return
        super().connection_made(transport)
        self._begin("new", max(0.0, self.limits.header_seconds - (self.loop.time() - self._accepted)))
        self.since = self._accepted

    def data_received(self, data: bytes) -> None:
        """Ignore what comes after the connection was cut."""
        if self in self.connections:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ignore the end of a connection that was never one of ours."""
        if self in self.connections:
            super().connection_lost(exc)

    async def _send(self, send: Any, message: Message) -> None:
        """Let uvicorn know that the client left: a TLS connection closes for a while before it is lost."""
        try:
            await super()._send(send, message)
        except ConnectionResetError:
            self.cycle.disconnected = True
            raise

    async def _wait_until_acknowledged(self) -> None:
        """Give the transport below TLS a turn to write what it holds: nobody can ask it."""
        await super()._wait_until_acknowledged()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await super()._wait_until_acknowledged()


class Handshakes:
    """Accepts, and counts the connections whose handshake is under way among those that are bounded."""

    def __init__(
        self, web: WebConfigFile, limits: ClientLimits, protocol: Callable[..., Connection], connections: set[Any]
    ) -> None:
        """`protocol` makes a `TlsConnection`, but for its own two arguments; `connections` are those it belongs to."""
        self._web, self._limits, self._protocol, self._connections = web, limits, protocol, connections
        self._under_way: dict[asyncio.Task[None], None] = {}  # the oldest first

    @asynccontextmanager
    async def accepting(self, listeners: Sequence[socket.socket]) -> AsyncIterator[None]:
        """Accept while the context is open; at its end handshakes are cut."""
        accepting = [asyncio.create_task(self._accept(listener), name="accept") for listener in listeners]
        try:
            yield
        finally:
            tasks = [*accepting, *self._under_way]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _address = await loop.sock_accept(listener)
            except ConnectionError:  # the client left before it was accepted
                continue
            except OSError:
                await asyncio.sleep(OUT_OF_FILES_SECONDS)
                continue
            if len(self._under_way) + len(self._connections) >= self._limits.connections:
                self._make_room()
            task = loop.create_task(self._open(client, loop.time()), name="handshake")
            self._under_way[task] = None
            task.add_done_callback(lambda ended: self._under_way.pop(ended, None))
            await asyncio.sleep(0)  # a queue full of connections is no reason to let scrapes wait

    def _make_room(self) -> None:
        """Cut the oldest handshake under way if they are many: a scrape's takes milliseconds.

        Beside established connections half of the room is theirs. Whose handshake is over is bounded by `Connection`.
        """
        if len(self._under_way) >= self._limits.connections // 2:
            oldest = next(iter(self._under_way))
            del self._under_way[oldest]
            oldest.cancel()

    async def _open(self, client: socket.socket, since: float) -> None:
        """Shake hands if there is TLS; HTTP begins in the protocol. A failure is the client's affair."""
        try:
            config = await self._web.current()
            seconds, loop = self._limits, asyncio.get_running_loop()
            await loop.connect_accepted_socket(
                partial(
                    self._protocol,
                    since=since,
                    now=self._web.now(),
                    allowed_sans=config.allowed_sans if config.tls else frozenset(),
                ),
                client,
                ssl=config.tls,
                ssl_handshake_timeout=seconds.header_seconds if config.tls else None,
                ssl_shutdown_timeout=seconds.stop_seconds if config.tls else None,
            )
        except OSError:  # ssl.SSLError and TimeoutError are such
            client.close()
        except asyncio.CancelledError:
            client.close()
            raise


def names_in(certificate: Any) -> set[str]:
    """The DNS, IP, e-mail and URI names of a certificate, as `SSLSocket.getpeercert` gives it."""
    alternatives = (certificate or {}).get("subjectAltName", ())
    names = {value for kind, value in alternatives if kind in ("DNS", "email", "URI")}
    for kind, value in alternatives:
        if kind == "IP Address":
            with suppress(ValueError):  # one that OpenSSL calls invalid
                names.add(str(ipaddress.ip_address(value.strip())))
    return names


def has_expired(certificate: Any, now: float) -> bool:
    """Whether a certificate's time is over; none never expires."""
    return bool(certificate) and ssl.cert_time_to_seconds(certificate["notAfter"]) < now
