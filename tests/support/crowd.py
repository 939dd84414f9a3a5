"""Clients that a server could do without, as a process of their own.

`python -m tests.support.crowd KIND NUMBER PORT LOGIN`:

    scrapers   all of them scrape at the same moment, once a second, each on a new connection
    silent     connections that send nothing; one that is closed is opened again
    slow       scrapes that are not compressed, of which 1 kB a second is read
    passwords  requests with a wrong password, each with another one, without a pause

It says "ready" once all are there. When its standard input ends, it says how often each thing happened: a status, `cut`
(closed before the whole answer), `refused` (no connection).
"""

import asyncio
import json
import socket
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path

WINDOW = 4096
"""Receive buffer of a slow reader, in bytes."""
PATIENCE = 30.0


class Crowd:
    """What happened to the clients of one server."""

    def __init__(self, number: int, port: int, login: str) -> None:
        self.number, self.port, self.login = number, port, login
        self.happened: Counter[str] = Counter()
        self.connected = 0
        self.all_there = asyncio.Event()

    def _arrived(self) -> None:
        self.connected += 1
        if self.connected == self.number:
            self.all_there.set()

    async def scraper(self) -> None:
        """One of many that scrape at the same moment."""
        loop = asyncio.get_running_loop()
        self._arrived()
        while True:
            await asyncio.sleep(1.0 - loop.time() % 1.0)
            await self._request(self.login, "gzip")

    async def silent(self) -> None:
        """A connection that sends nothing."""
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                self.happened["refused"] += 1
            else:
                self._arrived()
                with suppress(OSError):
                    await reader.read(1)
                self.happened["cut"] += 1
                writer.close()
            await asyncio.sleep(0.1)

    async def slow(self) -> None:
        """A reader of 1 kB a second."""
        loop = asyncio.get_running_loop()
        while True:
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
                client.setblocking(False)
                with suppress(OSError):
                    await loop.sock_connect(client, ("127.0.0.1", self.port))
                    await loop.sock_sendall(client, request(self.login, "identity"))
                    self._arrived()
                    while await loop.sock_recv(client, 1024):  # noqa: ASYNC110 - it is slow on purpose
                        await asyncio.sleep(1.0)
                self.happened["cut"] += 1
            await asyncio.sleep(0.1)

    async def password(self, number: int) -> None:
        """Wrong passwords without end."""
        user = self.login.partition(":")[0]
        self._arrived()
        for attempt in count():
            await self._request(f"{user}:{number}-{attempt}", "gzip")

    async def _request(self, login: str, encoding: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    writer.write(request(login, encoding, "Connection: close\r\n"))
                    self.happened[status_of(await reader.read())] += 1
                finally:
                    writer.close()
        except TimeoutError:
            self.happened["timeout"] += 1
        except ConnectionResetError:
            self.happened["cut"] += 1
        except OSError:
            self.happened["refused"] += 1


def request(login: str, encoding: str, more: str = "") -> bytes:
    """A scrape."""
    basic = b64encode(login.encode()).decode()
    return (
        f"GET /metrics HTTP/1.1\r\nHost: crowd\r\nAccept-Encoding: {encoding}\r\n"
        f"Authorization: Basic {basic}\r\n{more}\r\n"
    ).encode()


def status_of(answer: bytes) -> str:
    """The status of an answer that is whole, else `cut`."""
    head, _, body = answer.partition(b"\r\n\r\n")
    words, length = head.split(None, 2), head.lower().partition(b"content-length:")[2].split()
    whole = len(body) == int(length[0]) if length else body.endswith(b"0\r\n\r\n")
    return words[1].decode() if whole else "cut"


async def main(kind: str, number: int, port: int, login: str) -> None:
    """Disturb until standard input ends."""
    crowd = Crowd(number, port, login)
    clients: dict[str, Callable[[], Coroutine[None, None, None]]] = {
        "scrapers": crowd.scraper,
        "silent": crowd.silent,
        "slow": crowd.slow,
    }
    async with asyncio.TaskGroup() as group:
        made = [
            group.create_task(partial(crowd.password, one)() if kind == "passwords" else clients[kind]())
            for one in range(number)
        ]
        await crowd.all_there.wait()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        for task in made:
            task.cancel()
    print(json.dumps(crowd.happened), flush=True)


class Happened(dict[str, int]):
    """How often each thing happened to a crowd; filled when it has left."""


@contextmanager
def crowd(kind: str, number: int, port: int, login: str) -> Iterator[Happened]:
    """A crowd while the context is open."""
    command = [sys.executable, "-m", "tests.support.crowd", kind, str(number), str(port), login]
    happened = Happened()
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield happened
            process.stdin.close()
            happened.update(json.loads(process.stdout.readline()))
        finally:
            process.kill()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
