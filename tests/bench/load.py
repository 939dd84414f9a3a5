"""The scraper: HTTP/1.1 on a kept connection, bytes read into one buffer and thrown away, so that it costs little.

Several scrapers at once are one thread, too: threads of Python would wait for each other, and that would be measured.
"""

import selectors
import socket
import time
from contextlib import ExitStack, closing

LONGEST_HEADER = 8192
PATIENCE = 300.0
LAST_CHUNK = b"\r\n0\r\n\r\n"  # it could stand in gzip data, once in 2^56 reads

_BUFFER = memoryview(bytearray(4 * 1024 * 1024))


class Answer:
    """What has come of an answer; `closes` tells whether the connection ends with it."""

    def __init__(self) -> None:
        self.header = self.tail = b""
        self.missing: int | None = None
        self.closes = False

    def take(self, came: memoryview) -> bool:
        """Take in what came (nothing: the server has closed); tells whether the answer is whole."""
        body = len(came)
        if not self.header.endswith(b"\r\n\r\n"):
            start = self.header + bytes(came[:LONGEST_HEADER])
            end = start.find(b"\r\n\r\n") + 4
            assert came, "the server closed the connection within a header"
            assert end >= 4 or len(start) < LONGEST_HEADER, "this header does not end"
            if end < 4:
                self.header = start
                return False
            body -= end - len(self.header)
            self._begin(start[:end].lower())
        self.tail = (self.tail + bytes(came[-7:]))[-7:]
        if self.missing is not None:
            self.missing -= body
            return self._whole(came, self.missing == 0)
        if b"transfer-encoding: chunked" in self.header:
            return self._whole(came, self.tail == LAST_CHUNK)
        return not came

    def _begin(self, header: bytes) -> None:
        assert header[9:12] == b"200", header
        self.header, self.closes = header, header.startswith(b"http/1.0")
        if (at := header.find(b"content-length: ")) >= 0:
            self.missing = int(header[at + 16 : header.index(b"\r\n", at)])

    def _whole(self, came: memoryview, whole: bool) -> bool:
        assert came, "the server closed the connection within an answer"
        return whole


class Scraper:
    """One connection; opened anew, at the scrape's cost, where the server closes it after each answer."""

    def __init__(self, port: int, encoding: str) -> None:
        self.port = port
        self.request = f"GET /metrics HTTP/1.1\r\nHost: bench\r\nAccept-Encoding: {encoding}\r\n\r\n".encode()
        self.connection: socket.socket | None = None
        self.answer, self.began = Answer(), 0.0

    def ask(self) -> socket.socket:
        """Send the request; gives where the answer will come."""
        self.answer, self.began = Answer(), time.perf_counter()
        connection = self.connection or self._opened()
        connection.sendall(self.request)
        return connection

    def take(self) -> float | None:
        """Take what has come, or wait until something has: seconds since the request if that is all, else None."""
        assert self.connection is not None
        if not self.answer.take(_BUFFER[: self.connection.recv_into(_BUFFER)]):
            return None
        if self.answer.closes:
            self.close()
        return time.perf_counter() - self.began

    def scrape(self) -> float:
        """Seconds until the last byte was here."""
        self.ask()
        while (seconds := self.take()) is None:
            pass
        return seconds

    def close(self) -> None:
        """End the connection."""
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def _opened(self) -> socket.socket:
        connection = self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


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


def at_once(port: int, encoding: str, scrapers: int, *, seconds: float) -> list[float]:
    """Seconds of each scrape of several scrapers at once, each on its own connection, until the time is over."""
    found: list[float] = []
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for scraper in [stack.enter_context(closing(Scraper(port, encoding))) for _ in range(scrapers)]:
            selector.register(scraper.ask(), selectors.EVENT_READ, scraper)
        ends = time.perf_counter() + seconds
        while selector.get_map():
            for key, _events in selector.select(PATIENCE):
                if (taken := key.data.take()) is None:
                    continue
                found.append(taken)
                selector.unregister(key.fileobj)
                if time.perf_counter() < ends:
                    selector.register(key.data.ask(), selectors.EVENT_READ, key.data)
    return found
