"""HTTP basic authentication (RFC 7617) with bcrypt hashes.

bcrypt is slow on purpose: 60 ms at cost 10, 15 s at cost 18. It runs in a thread of its own, one check at a time: in
the worker every collector would wait for it. It releases the GIL, so it delays the event loop only on a single core,
and there little, because its priority is lower.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import os
import secrets
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal

import bcrypt

from exporter.serving.threads import in_thread

REMEMBERED = 200
"""How many outcomes are remembered for correct passwords, and as many for wrong ones."""
WAITING, WAITING_OF_CLIENT = 16, 8
"""How many different logins may wait for their check: in all, and of one client (IPv4 address or IPv6 /64 network)."""
NICENESS = 10
"""The thread's nice value: https://man7.org/linux/man-pages/man2/setpriority.2.html."""
LONGEST = 72
"""bcrypt uses only this many bytes of a password."""

Outcome = Literal["right", "wrong", "busy"]


class Login:
    """Checks passwords, and remembers outcomes by a keyed hash of user, bcrypt hash and password."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, bytes] = OrderedDict()  # digests by user
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._waiting: dict[bytes, tuple[str, asyncio.Task[bool]]] = {}  # the first one is being checked
        self._turn = asyncio.Lock()

    async def outcome(self, users: Mapping[bytes, bytes], authorization: bytes, client: str) -> Outcome:
        """Check an `Authorization` header; `client` is the address that sent it, `users` maps users to their hashes."""
        user, password = credentials_in(authorization)
        if user is None:
            return "wrong"
        expected = users.get(user)
        digest = self._digest(user, expected or b"", password)
        if expected is not None and hmac.compare_digest(self._right.get(user, b""), digest):
            return "right"
        if digest in self._wrong:
            return "wrong"
        entry = self._waiting.get(digest)
        if entry is None:
            if not self._has_room(network := network_of(client)):
                return "busy"
            check = asyncio.create_task(self._check(users, user, password, digest))
            entry = self._waiting[digest] = (network, check)
        # The check goes on if the client leaves: others may wait for it, and its outcome is worth remembering.
        try:
            return "right" if await asyncio.shield(entry[1]) else "wrong"
        except asyncio.CancelledError:
            if entry[1].cancelled():  # another client's login took its place
                return "busy"
            raise

    def _has_room(self, network: str) -> bool:
        """Whether one more login of a client may wait. A client without any takes a place from the one with most."""
        waiting = Counter(other for other, _ in self._waiting.values())
        if waiting[network] >= WAITING_OF_CLIENT:
            return False
        if len(self._waiting) < WAITING:
            return True
        busiest, most = waiting.most_common(1)[0]
        if waiting[network] or most == 1:
            return False
        newest = next(digest for digest, (other, _) in reversed(self._waiting.items()) if other == busiest)
        self._waiting.pop(newest)[1].cancel()
        return True

    async def _check(self, users: Mapping[bytes, bytes], user: bytes, password: bytes, digest: bytes) -> bool:
        try:
            expected = users.get(user)
            async with self._turn:
                matches = await in_thread("login", _matches, password, expected or _decoy(users))
            is_right = matches and expected is not None
            if is_right:
                _remember(self._right, user, digest)
            else:
                _remember(self._wrong, digest, None)
            return is_right
        finally:
            self._waiting.pop(digest, None)

    def _digest(self, *parts: bytes) -> bytes:
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()


def credentials_in(authorization: bytes) -> tuple[bytes | None, bytes]:
    """User and password from the header's value; the user is None if there is none."""
    scheme, _, text = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None, b""
    try:
        user, colon, password = base64.b64decode(text.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None, b""
    return (user if colon else None), password


def network_of(address: str) -> str:
    """The client that an address belongs to: for IPv6 the /64 network, because one machine may use all of it."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:  # a Unix socket has none
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _decoy(users: Mapping[bytes, bytes]) -> bytes:
    """A hash for unknown users: it matches no password, and its check takes as long as for most users."""
    ((cost, _),) = Counter(expected[4:6] for expected in users.values()).most_common(1)
    return b"$2b$" + cost + b"$" + b"." * 53


def _remember(outcomes: OrderedDict[bytes, bytes] | OrderedDict[bytes, None], key: bytes, value: bytes | None) -> None:
    outcomes.pop(key, None)
    outcomes[key] = value  # type: ignore[assignment]  # one function for both kinds of values
    if len(outcomes) > REMEMBERED:
        outcomes.popitem(last=False)


def _matches(password: bytes, expected: bytes) -> bool:
    """Whether a password matches a bcrypt hash. Lowers the priority of its thread: call it in one of its own."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
    try:
        return bcrypt.checkpw(password[:LONGEST], expected)
    except ValueError:  # a NUL in the password
        return False
