"""Accepts each connection with the current web configuration, so that a new certificate or policy needs no restart.

A running server's SSLContext cannot be replaced, and TLS versions, cipher suites and the client policy cannot be
changed in an open connection. So each connection is accepted here and gets the context of the current configuration.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from exporter.serving.connection import ClientLimits, Connection, CutReason, Message
from exporter.serving.web_config import WebConfigFile

OUT_OF_FILES_SECONDS = 1.0
"""Seconds to wait when the process has no free file descriptor, as in asyncio's own servers."""


class TlsConnection(Connection):
    """A connection after its handshake.

    `since` is when it was accepted; its first deadline starts then. `now` is in epoch seconds.
    """

    def __init__(self, *arguments: Any, since: float, now: float, allowed_sans: frozenset[str], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._accepted, self._now, self._allowed_sans = since, now, allowed_sans

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Cut the connection before any request, if the client's certificate is not allowed.

        OpenSSL has checked the certificate, except for our list of names and, in a resumed TLS 1.2 session, its expiry.
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
        """Ignore data after the connection was cut."""
        if self in self.connections:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ignore the end of a connection that was cut before its first request."""
        if self in self.connections:
            super().connection_lost(exc)

    async def _send(self, send: Any, message: Message) -> None:
        """Tell uvicorn at once that the client left: closing a TLS connection takes a while."""
        try:
            await super()._send(send, message)
        except ConnectionResetError:
            self.cycle.disconnected = True
            raise

    async def _wait_until_acknowledged(self) -> None:
        """Give the transport below TLS time to write its buffer, which cannot be inspected."""
        await super()._wait_until_acknowledged()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await super()._wait_until_acknowledged()


class Handshakes:
    """Accepts connections; unfinished handshakes count towards the limit on connections."""

    def __init__(
        self,
        web: WebConfigFile,
        limits: ClientLimits,
        protocol: Callable[..., Connection],
        connections: set[Any],
        count_cut: Callable[[CutReason], None],
    ) -> None:
        """`protocol` makes a `TlsConnection` from its remaining arguments; `connections` are the established ones."""
        self._web, self._limits, self._protocol, self._connections = web, limits, protocol, connections
        self._count_cut = count_cut
        self._under_way: dict[asyncio.Task[None], None] = {}  # unfinished handshakes, the oldest first

    @asynccontextmanager
    async def accepting(self, listeners: Sequence[socket.socket]) -> AsyncIterator[None]:
        """Accept while the context is open; its end cuts unfinished handshakes."""
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
            await asyncio.sleep(0)  # let scrapes run even if many connections are queued

    def _make_room(self) -> None:
        """Cut the oldest unfinished handshake if these fill half of the limit: that of a scrape takes milliseconds.

        Otherwise `Connection` makes room among the established connections.
        """
        if len(self._under_way) >= self._limits.connections // 2:
            oldest = next(iter(self._under_way))
            del self._under_way[oldest]
            oldest.cancel()
            self._count_cut("room")

    async def _open(self, client: socket.socket, since: float) -> None:
        """Do the handshake, if there is TLS, and start the protocol. A failed handshake only closes the connection."""
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
        except OSError:  # includes ssl.SSLError and TimeoutError
            client.close()
            if asyncio.get_running_loop().time() - since >= self._limits.header_seconds:
                self._count_cut("header")
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
    """Whether a certificate has expired; False without a certificate."""
    return bool(certificate) and ssl.cert_time_to_seconds(certificate["notAfter"]) < now
