"""Clients that a server on a network meets, a few seconds each."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from operator import methodcaller
from random import Random

from tests.soak.github import CANARY
from tests.soak.scene import Fault, Scene
from tests.support.harness import get

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
PAGES = ("/", "/api/v1/status", "/-/healthy", "/-/ready", "/metrics?collect[]=summary_stats", "/nowhere")


@contextmanager
def connections(scene: Scene, count: int, received: int = 0) -> Iterator[list[socket.socket]]:
    """Connections to the exporter; as many as it takes while it may be restarting."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            with suppress(OSError):
                client = stack.enter_context(socket.socket())
                if received:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, received)
                client.settimeout(0.5)
                client.connect(("127.0.0.1", scene.exporter.port))
                opened.append(client)
        yield opened


def each(clients: list[socket.socket], act: Callable[[socket.socket], object]) -> None:
    """Do something with each connection that is still there."""
    for client in clients:
        with suppress(OSError):
            act(client)


def slow_readers(scene: Scene, random: Random) -> None:
    scene.say("clients   50 that read a hundred bytes a time")
    with connections(scene, 50, received=2048) as clients:
        each(clients, lambda client: client.sendall(REQUEST))
        for _ in range(random.randint(10, 30)):
            each(clients, lambda client: client.recv(100))
            scene.pause(0.1)


def silent(scene: Scene, random: Random) -> None:
    scene.say("clients   300 that say nothing")
    with connections(scene, 300):
        scene.pause(random.uniform(1.0, 4.0))


def partial_heads(scene: Scene, random: Random) -> None:
    scene.say("clients   100 that send a head byte by byte")
    with connections(scene, 100) as clients:
        for byte in REQUEST[: random.randint(10, len(REQUEST) - 2)]:
            each(clients, methodcaller("sendall", bytes([byte])))
            scene.pause(0.05)


def huge_heads(scene: Scene, random: Random) -> None:
    scene.say("clients   20 with heads of a megabyte")
    head = b"GET /metrics HTTP/1.1\r\nX: " + random.randbytes(1000).hex().encode() * 500
    with connections(scene, 20) as clients:
        each(clients, lambda client: client.sendall(head))


def garbage(scene: Scene, random: Random) -> None:
    scene.say("clients   50 with garbage, some of it like TLS")
    with connections(scene, 50) as clients:
        for client in clients:
            with suppress(OSError):
                client.sendall(
                    random.choice((b"", b"\x16\x03\x01\x02\x00", b"GET ")) + random.randbytes(2000) + b"\r\n\r\n"
                )
        scene.pause(random.uniform(0.1, 1.0))


def resets(scene: Scene, _random: Random) -> None:
    scene.say("clients   100 that ask and reset the connection")
    for _ in range(5):
        with connections(scene, 20) as clients:
            each(clients, lambda client: client.sendall(REQUEST))
            each(
                clients, lambda client: client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            )
        scene.pause(0.1)


def many_at_once(scene: Scene, random: Random) -> None:
    scene.say("clients   24 scrapes at a time")
    rounds = random.randint(2, 5)

    def scrape() -> None:
        for _ in range(rounds):
            get(f"{scene.exporter.url}/metrics", {"Accept-Encoding": "identity"})

    threads = [threading.Thread(target=scrape) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def odd_requests(scene: Scene, random: Random) -> None:
    scene.say("clients   other methods, paths and versions")
    lines = [
        b"POST /metrics",
        b"DELETE /",
        b"GET //etc/passwd",
        b"GET /../..",
        b"HEAD /metrics",
        b"PUT /-/reload",
        b"X Y",
    ]
    random.shuffle(lines)
    with connections(scene, len(lines)) as clients:
        for client, line in zip(clients, lines, strict=False):
            with suppress(OSError):
                client.sendall(
                    line + random.choice((b" HTTP/1.1", b" HTTP/1.0", b" HTTP/9.9")) + b"\r\nHost: x\r\n\r\n"
                )
                client.recv(1000)


def all_pages(scene: Scene, _random: Random) -> None:
    scene.say("clients   every page")
    for path in PAGES:
        status, body = get(f"{scene.exporter.url}{path}")
        if CANARY in body:
            scene.breach(f"a token on {path}")
        if status >= 500 and path != "/-/ready":
            scene.breach(f"{path} gave {status}")
    scene.pause(0.5)


CLIENT_FAULTS: dict[str, Fault] = {
    "slow readers": slow_readers,
    "silent": silent,
    "partial heads": partial_heads,
    "huge heads": huge_heads,
    "garbage from clients": garbage,
    "resets by clients": resets,
    "many at once": many_at_once,
    "odd requests": odd_requests,
    "all pages": all_pages,
}
