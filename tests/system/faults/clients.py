"""What clients do to the port, each for as long as its row lasts, beside a Prometheus that scrapes on."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

from tests.system.faults.row import Row, nothing
from tests.system.faults.scene import Place

SECONDS = 8.0
Talk = Callable[[socket.socket], None]


def attack(name: str, talk: Talk, connections: int = 1, shows: str = "") -> Row:
    """So many connections at once, each of which talks like this, again and again."""

    def begin(place: Place) -> None:
        port = place.scene.exporter.port
        for _ in range(connections):
            threading.Thread(target=_again, args=(port, talk), daemon=True).start()

    return Row(name, "client", begin, nothing, None, lasts=SECONDS, shows=shows)


def _again(port: int, talk: Talk) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        with suppress(OSError), ExitStack() as stack:
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
            client.settimeout(max(0.1, end - time.monotonic()))
            talk(client)
        time.sleep(0.05)  # a client that is cut off comes again, but takes no processor from the exporter


def say(*words: bytes, pause: float = 0.0) -> Talk:
    """Send this, piece by piece, then read until the other side closes."""

    def talk(client: socket.socket) -> None:
        for word in words:
            client.sendall(word)
            time.sleep(pause)
        while client.recv(65536):
            pass

    return talk


def read_slowly(client: socket.socket) -> None:
    """Ask for everything and read a kilobyte a second."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    while client.recv(1024):
        time.sleep(1)


def leave(client: socket.socket) -> None:
    """Ask, and be gone before the answer."""
    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")


SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
ODD = (
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: ;q=,,\xff*/;;\r\nAccept-Encoding: ,;q=9\r\nConnection: close\r\n\r\n"
)
OTHER = b"".join(
    b"%s /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}" % method
    for method in (b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PATCH")
)
SLOWLY = [bytes([one]) for one in b"GET /metrics HTTP/1.1\r\nHost: example\r\n\r\n"]

CLIENTS = (
    attack("connections that say nothing", say(), 100),
    attack("requests that come byte by byte", say(*SLOWLY, pause=0.5), 50),
    attack("requests that never end", say(b"GET /metrics HTTP/1.1\r\n", *[b"X-Y: z\r\n"] * 100, pause=0.1), 20),
    attack("answers that are read a kilobyte a second", read_slowly, 20),
    attack("clients that leave before the answer", leave, 5),
    attack("thirty scrapes at a time", say(SCRAPE), 30),
    attack("a header of a megabyte", say(b"GET / HTTP/1.1\r\nX: ", b"x" * 1_000_000, b"\r\n\r\n"), 3),
    attack("bytes that are no HTTP", say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 50), 3),
    attack("headers of nonsense", say(ODD), 3),
    attack("methods that are not allowed", say(OTHER), 3),
    attack("a path of a hundred thousand characters", say(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n"), 3),
)
