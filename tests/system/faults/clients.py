"""What clients do to the port, each for as long as its row lasts, beside a Prometheus that scrapes on."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.system.faults.row import Row
from tests.system.faults.scene import Place

SECONDS = 14.0
"""How long an attack lasts: longer than a client may take for a request's header."""
Talk = Callable[[socket.socket], Iterator[bytes]]
"""Says something, and yields what is answered."""
LIMIT = rb"HTTP/1\.1 4(00|31) "


@dataclass
class Met:
    """What the clients of an attack met: how each answer began, and how many connections the server ended."""

    answers: list[bytes] = field(default_factory=list)
    ended: int = 0


def attack(
    name: str, talk: Talk, connections: int, status: bytes = b"", *, ends: bool = False, buffer: int = 65536
) -> Row:
    """So many connections at once, each of which talks like this, again and again; `buffer` is for what it receives.

    Each answer must begin with `status`. `ends`: the server must end connections; else it must answer, if there is a
    `status`.
    """
    met = Met()

    def begin(place: Place) -> None:
        port = place.scene.exporter.port
        for _ in range(connections):
            threading.Thread(target=_again, args=(port, talk, met, buffer), daemon=True).start()

    def end(_place: Place) -> None:
        wrong = {answer for answer in met.answers if not re.match(status, answer)}
        assert not wrong, f"answered {wrong}"
        assert met.ended or not ends, "the server ends no connection"
        assert met.answers or ends or not status, "the server does not answer"

    return Row(name, "client", begin, end, None, lasts=SECONDS)


def _again(port: int, talk: Talk, met: Met, buffer: int) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        with ExitStack() as stack:
            try:
                client = stack.enter_context(socket.socket())
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
                client.settimeout(5)
                client.connect(("127.0.0.1", port))
                client.settimeout(max(0.1, end - time.monotonic()))
                for number, piece in enumerate(talk(client)):
                    if number == 0:
                        met.answers.append(piece[:13])
                met.ended += 1
            except TimeoutError:
                pass
            except OSError:
                met.ended += 1
        time.sleep(0.05)  # a client that is cut off comes again, but takes no processor from the exporter


def say(*words: bytes, pause: float = 0.0) -> Talk:
    """Send this, piece by piece, then read until the other side closes."""

    def talk(client: socket.socket) -> Iterator[bytes]:
        for word in words:
            client.sendall(word)
            time.sleep(pause)  # the pace is what is tried
        while piece := client.recv(65536):
            yield piece

    return talk


def read_slowly(client: socket.socket) -> Iterator[bytes]:
    """Ask for everything and read a kilobyte a second."""
    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    while piece := client.recv(1024):
        yield piece
        time.sleep(1)  # the pace is what is tried


def leave(client: socket.socket) -> Iterator[bytes]:
    """Ask, and be gone before the answer."""
    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    yield from ()


SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
ODD = (
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: ;q=,,\xff*/;;\r\nAccept-Encoding: ,;q=9\r\nConnection: close\r\n\r\n"
)
OTHER = b"".join(
    b"%s /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}" % method
    for method in (b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PATCH")
)
SLOWLY = [bytes([one]) for one in b"GET /metrics HTTP/1.1\r\nHost: example\r\n\r\n"]
ENDLESS = [b"GET /metrics HTTP/1.1\r\n", *[b"X-Y: z\r\n"] * 140]
LARGE = [b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"x" * 1_000_000, b"\r\n\r\n"]
LONG = b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"

CLIENTS = (
    attack("connections that say nothing", say(), 100, ends=True),
    attack("requests that come byte by byte", say(*SLOWLY, pause=0.5), 50, ends=True),
    attack("requests that never end", say(*ENDLESS, pause=0.1), 20, ends=True),
    attack("answers that are read a kilobyte a second", read_slowly, 60, buffer=2048),
    attack("clients that leave before the answer", leave, 5),
    attack("fifty scrapes at a time", say(SCRAPE), 50, rb"HTTP/1\.1 200 "),
    attack("a header of a megabyte", say(*LARGE), 3, LIMIT, ends=True),
    attack("bytes that are no HTTP", say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 50), 3, LIMIT, ends=True),
    attack("headers of nonsense", say(ODD), 3, rb"HTTP/1\.1 200 "),
    attack("methods that are not allowed", say(OTHER), 3, rb"HTTP/1\.1 405 "),
    attack("a path of a hundred thousand characters", say(LONG), 3, LIMIT, ends=True),
)
