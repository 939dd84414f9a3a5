"""The HTTP server: uvicorn in the running event loop, with `Connection` as its protocol.

Installs no signal handlers.
"""

import asyncio
import errno
import math
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from typing import cast

import uvicorn

from exporter.serving.connection import DEFAULT_LIMITS, ASGIApp, ClientLimits, Connection, CutReason
from exporter.serving.handshakes import Handshakes, TlsConnection
from exporter.serving.systemd_socket import inherited
from exporter.serving.web_config import WebConfigFile
from exporter.settings import parse_address

UNSENT_BYTES = 128 * 1024
"""How much of an answer the kernel buffers for a slow client; the rest stays in the body that all clients share."""


@dataclass(frozen=True, slots=True)
class Listening:
    """The bound addresses, as (host, port) in the order of the settings; port 0 is replaced by the port in use."""

    addresses: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        """The addresses as `parse_address` takes them."""
        return " ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.addresses)


@asynccontextmanager
async def listening(
    app: ASGIApp,
    addresses: Sequence[str | int],
    *,
    limits: ClientLimits = DEFAULT_LIMITS,
    date_header: bool = True,
    web: WebConfigFile | None = None,
    count_cut: Callable[[CutReason], None] = lambda _reason: None,
) -> AsyncIterator[Listening]:
    """Serve `app` on `addresses` (see `parse_address`) while the context is open, over TLS if `web` has it.

    An address that is a number is the descriptor of an `inherited` socket.

    `count_cut` is called for each connection that a limit ends, but not for idle ones.

    Without `date_header` the app's own Date header is the only one.

    When the context closes, no connection is accepted any more, idle ones are closed, unfinished answers get
    `limits.stop_seconds`, and the rest is cut. Raises ValueError for an invalid address, and OSError with the address
    if it cannot be bound.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(await _listen(address, limits.backlog))) for address in addresses]
        server = _server(app, limits, count_cut, date_header=date_header)
        await server.startup(sockets=[] if web else sockets)
        accepting = AsyncExitStack()
        if web:
            await accepting.enter_async_context(_handshakes(server, web, limits, count_cut).accepting(sockets))
        ticking = asyncio.create_task(server.main_loop(), name="uvicorn")  # keeps the time of the Date header
        try:
            yield Listening(tuple(listener.getsockname()[:2] for listener in sockets))
        finally:
            server.should_exit = True
            await ticking
            await accepting.aclose()
            cut = asyncio.get_running_loop().call_later(limits.stop_seconds, _cut_all, server)
            try:
                await server.shutdown(sockets=sockets)
            finally:
                cut.cancel()
                _cut_all(server)


async def _listen(address: str | int, backlog: int) -> socket.socket:
    """A listening socket whose connections send without delay, and buffer little in the kernel for a slow client."""
    listener = inherited(address) if isinstance(address, int) else await _bind(address, backlog)
    # Connections inherit both options. asyncio sets NODELAY itself only on sockets whose protocol number is given.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    return listener


async def _bind(text: str, backlog: int) -> socket.socket:
    """Listen on an address as `parse_address` takes it.

    For all interfaces: IPv6 and IPv4 on one socket where possible. For a name: its first address, IPv4 before IPv6.
    """
    host, port = parse_address(text)
    dualstack = host in {"", "::"} and socket.has_dualstack_ipv6()
    wildcard = "::" if dualstack else "0.0.0.0"  # noqa: S104 -- the operator asked for all interfaces
    try:
        results = await asyncio.get_running_loop().getaddrinfo(host or wildcard, port, type=socket.SOCK_STREAM)
        family, _, _, _, address = min(results, key=lambda result: result[0] != socket.AF_INET)
        return socket.create_server(address[:2], family=family, backlog=backlog, dualstack_ipv6=dualstack)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {text!r}: {_reason_and_fix(error, port)}") from None


def _reason_and_fix(error: OSError, port: int) -> str:
    """Why an address cannot be bound, and what the operator does about it."""
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


def _handshakes(
    server: uvicorn.Server, web: WebConfigFile, limits: ClientLimits, count_cut: Callable[[CutReason], None]
) -> Handshakes:
    """Accepts connections in place of uvicorn, with the same arguments for their protocol."""
    state = server.server_state
    protocol = partial(
        TlsConnection, limits=limits, count_cut=count_cut, config=server.config, server_state=state, app_state={}
    )
    return Handshakes(web, limits, protocol, state.connections, count_cut)


def _server(
    app: ASGIApp, limits: ClientLimits, count_cut: Callable[[CutReason], None], *, date_header: bool
) -> uvicorn.Server:
    protocol = partial(Connection, limits=limits, count_cut=count_cut)
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", protocol),  # uvicorn only ever calls it
        ws="none",
        lifespan="off",
        interface="asgi3",
        backlog=limits.backlog,
        h11_max_incomplete_event_size=limits.header_bytes,
        timeout_keep_alive=math.ceil(limits.idle_seconds) + 1,  # our own deadline passes earlier
        timeout_graceful_shutdown=math.ceil(limits.stop_seconds) + 1,  # reached only if the app hangs
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=date_header,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)  # as Server.serve() does, which would also install signal handlers
    return server


def _cut_all(server: uvicorn.Server) -> None:
    for connection in list(server.server_state.connections):
        if isinstance(connection, Connection):
            connection.cut()
