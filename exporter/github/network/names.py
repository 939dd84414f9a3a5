"""Resolves host names. A name server that hangs delays only the requests that need that name.

A lookup of the C library cannot be cancelled and takes half a minute if no name server answers. A few such lookups fill
the threads of asyncio's executor, or the four of libuv below uvloop; then all other lookups and work have to wait, and
so does the exit of the process. Here the lookup of each host has a thread of its own, which all callers share. The
threads are daemons, so no exit waits for them.
"""

import asyncio
import errno
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from exporter.github.network.hosts import address_of

LOOK_UP_SECONDS = 10.0
"""Seconds; the timeout of a lookup."""
MOST_ADDRESSES = 32
"""Addresses of one name that are used: each is checked, and may be tried."""

LookUp = Callable[[str], Sequence[str]]


def _look_up(host: str) -> list[str]:
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError:  # Python refuses some names on its own
        raise socket.gaierror(socket.EAI_NONAME, "this is no host name") from None
    return [str(address[0]) for *_, address in entries]


class NoAnswer(TimeoutError):
    """The name server does not answer in time."""


class Names:
    """Resolves names, at most `most` at the same time. `look_up` may block for long."""

    def __init__(self, most: int, look_up: LookUp | None = None) -> None:
        self._most, self._look_up = most, look_up or _look_up
        self._running: dict[str, Future[list[str]]] = {}
        self._lock = threading.Lock()

    async def addresses(self, host: str, seconds: float = LOOK_UP_SECONDS) -> list[str]:
        """The addresses of a host, in the system's order. Raises `OSError`, also `NoAnswer`."""
        if address_of(host) is not None:
            return [host]
        look_up = self._shared_look_up(host)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(look_up)
        except TimeoutError:
            raise NoAnswer(errno.ETIMEDOUT, "the name server does not answer in time") from None

    def _shared_look_up(self, host: str) -> Future[list[str]]:
        """The running lookup of a host, or a new one."""
        with self._lock:
            look_up = self._running.get(host)
            if look_up is None:
                if len(self._running) >= self._most:
                    raise NoAnswer(errno.EAGAIN, f"the name server leaves {self._most} other names unanswered")
                look_up = self._running[host] = Future()
                look_up.set_running_or_notify_cancel()  # from now on, no caller that leaves can cancel it
                threading.Thread(target=self._run, args=(host, look_up), name=f"name {host}", daemon=True).start()
            return look_up

    def _run(self, host: str, result: Future[list[str]]) -> None:
        try:
            addresses = list(dict.fromkeys(self._look_up(host)))[:MOST_ADDRESSES]
        except Exception as error:  # noqa: BLE001 - the callers handle it
            self._forget(host)
            result.set_exception(error)
        else:
            self._forget(host)
            result.set_result(addresses)

    def _forget(self, host: str) -> None:
        with self._lock:
            del self._running[host]


# The operator configures how many APIs and proxies there are; links to files may name any number of hosts.
OF_APIS = Names(most=1_000)
OF_FILES = Names(most=16)
