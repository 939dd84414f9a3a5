"""A connection to the first of a host's addresses that accepts one (Happy Eyeballs).

https://www.rfc-editor.org/rfc/rfc8305: an address that does not answer delays the next one only briefly.
"""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, zip_longest
from typing import Protocol, TypeVar

HEAD_START = 0.25
"""Seconds after which the next address is tried as well."""


class Closable(Protocol):
    """A connection that can be closed."""

    async def aclose(self) -> None:
        """Close it."""


Connection = TypeVar("Connection", bound=Closable)


def interleaved(addresses: Sequence[str]) -> list[str]:
    """Addresses in the order in which they are tried: the two families by turns, IPv6 first."""
    by_version: dict[int, list[str]] = {6: [], 4: []}
    for address in addresses:
        by_version[ipaddress.ip_address(address.partition("%")[0]).version].append(address)
    pairs = zip_longest(by_version[6], by_version[4])
    return [address for address in chain.from_iterable(pairs) if address is not None]


async def first_connection(
    addresses: Sequence[str], connect: Callable[[str], Awaitable[Connection]], head_start: float = HEAD_START
) -> Connection:
    """The first connection that succeeds; raises the failure of the first address if none does."""
    attempts: list[asyncio.Future[Connection]] = []
    winner: asyncio.Future[Connection] | None = None
    try:
        for address in interleaved(addresses):
            attempts.append(asyncio.ensure_future(connect(address)))
            if winner := await _winner(attempts, head_start):
                return winner.result()
        while any(not attempt.done() for attempt in attempts):
            if winner := await _winner(attempts, None):
                return winner.result()
        return attempts[0].result()
    finally:
        await _abandon([attempt for attempt in attempts if attempt is not winner])


async def _winner(
    attempts: Sequence[asyncio.Future[Connection]], seconds: float | None
) -> asyncio.Future[Connection] | None:
    """The attempt that succeeded; None if none did within `seconds`, or if the one that ended next failed."""
    running = [attempt for attempt in attempts if not attempt.done()]
    if running:
        await asyncio.wait(running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finished = (attempt for attempt in attempts if attempt.done() and not attempt.cancelled())
    return next((attempt for attempt in finished if not attempt.exception()), None)


async def _abandon(attempts: Sequence[asyncio.Future[Connection]]) -> None:
    """Cancel attempts, and close the connections of those that had succeeded."""
    for attempt in attempts:
        attempt.cancel()
    for result in await asyncio.gather(*attempts, return_exceptions=True):
        if not isinstance(result, BaseException):
            await result.aclose()
