"""The scraper: HTTP/1.1 on a kept connection, bytes read into one buffer and thrown away, so that it costs little."""

import socket
import threading
import time
from contextlib import closing

BUFFER = 4 * 1024 * 1024
LONGEST_HEADER = 8192
LAST_CHUNK = b"\r\n0\r\n\r\n"  # it could stand in gzip data, once in 2^56 reads


class Scraper:
    """One connection; opened anew, at the scrape's cost, where the server closes it after each answer."""

    def __init__(self, port: int, encoding: str) -> None:
        self.port = port
        self.request = f"GET /metrics HTTP/1.1\r\nHost: bench\r\nAccept-Encoding: {encoding}\r\n\r\n".encode()
        self.buffer = memoryview(bytearray(BUFFER))
        self.connection: socket.socket | None = None

    def scrape(self) -> float:
        """Seconds until the last byte was here."""
        began = time.perf_counter()
        connection = self.connection or self._opened()
        connection.sendall(self.request)
        if not self._read(connection):
            self.close()
        return time.perf_counter() - began

    def close(self) -> None:
        """End the connection."""
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def _opened(self) -> socket.socket:
        connection = self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=300)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _read(self, connection: socket.socket) -> bool:
        """Read an answer to its end; false if the connection ended with it."""
        got, end = 0, -1
        while end < 0:
            got += _received(connection, self.buffer[got:])
            end = bytes(self.buffer[: min(got, LONGEST_HEADER)]).find(b"\r\n\r\n")
        header = bytes(self.buffer[: end + 4]).lower()
        assert header[9:12] == b"200", header
        got -= end + 4
        if (at := header.find(b"content-length: ")) >= 0:
            rest = int(header[at + 16 : header.index(b"\r\n", at)]) - got
            while rest:
                rest -= _received(connection, self.buffer)
            return header.startswith(b"http/1.1")
        if header.startswith(b"http/1.0"):
            while connection.recv_into(self.buffer):
                pass
            return False
        tail = bytes(self.buffer[end + 4 : end + 4 + got])[-7:]
        while not tail.endswith(LAST_CHUNK):
            more = _received(connection, self.buffer)
            tail = (tail + bytes(self.buffer[max(0, more - 7) : more]))[-7:]
        return True


def _received(connection: socket.socket, buffer: memoryview) -> int:
    more = connection.recv_into(buffer)
    assert more, "the server closed the connection within an answer"
    return more


def scrapes(
    port: int, encoding: str, *, seconds: float, least: int, most: int, apart: float = 0.0, warm: bool = True
) -> list[float]:
    """Seconds of each scrape over one connection; unless `warm` is false the first one is not counted."""
    with closing(Scraper(port, encoding)) as scraper:
        if warm:
            scraper.scrape()
        found: list[float] = []
        ends = time.perf_counter() + seconds
        while len(found) < least or (len(found) < most and time.perf_counter() < ends):
            found.append(scraper.scrape())
            if apart:
                time.sleep(apart)
        return found


def at_once(port: int, encoding: str, scrapers: int, *, seconds: float, least: int) -> list[float]:
    """Seconds of each scrape of several scrapers at once, each on its own connection."""
    begin = threading.Barrier(scrapers)
    found: list[float] = []

    def work() -> None:
        with closing(Scraper(port, encoding)) as scraper:
            begin.wait(60)
            ends = time.perf_counter() + seconds
            for number in range(100_000):
                if number >= least and time.perf_counter() >= ends:
                    break
                found.append(scraper.scrape())

    threads = [threading.Thread(target=work) for _ in range(scrapers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
