"""The transport against real sockets: what is kept, what is refused, what is bounded."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx
import pytest
import uvloop

from exporter.github.network.transport import Transport

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"
RUNNERS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


@dataclass
class Server:
    """Answers each request with the next of its answers, the last one again and again."""

    answers: list[bytes | Answer]
    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    answered: int = 0
    opened: int = 0
    open: int = 0
    most: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.opened += 1
        self.open += 1
        self.most = max(self.most, self.open)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if isinstance(answer, bytes):
                    writer.write(answer)
                else:
                    await answer(writer)
                self.answered += 1
                await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        self.open -= 1


@asynccontextmanager
async def answering(*answers: bytes | Answer) -> AsyncIterator[Server]:
    server = Server(list(answers))
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await until(lambda: server.open == 0)


@asynccontextmanager
async def connections(kept_seconds: float = 60.0) -> AsyncIterator[Transport]:
    transport = Transport(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), None, "API", 1, kept_seconds)
    try:
        yield transport
    finally:
        await transport.aclose()


def request(server: Server, host: str = "127.0.0.1", **given: str) -> httpx.Request:
    timeout = {"timeout": {"connect": 5.0}}
    return httpx.Request("GET", f"http://{host}:{server.port}/list?page=1", headers=given, extensions=timeout)


async def asked(of: Transport, server: Server, host: str = "127.0.0.1", **given: str) -> tuple[int, bytes]:
    answer = await of.handle_async_request(request(server, host, **given))
    try:
        return answer.status_code, await answer.aread()
    finally:
        await answer.aclose()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - the other side of a socket tells nobody
            await asyncio.sleep(0.005)


@RUNNERS
def test_a_connection_is_kept_for_the_next_request(run: Callable[..., None]) -> None:
    async def check() -> None:
        async with answering(SHORT) as server, connections() as ours:
            for _ in range(3):
                assert await asked(ours, server, accept="text/plain") == (200, b"ok")
            assert (server.opened, len(server.heads)) == (1, 3)
            assert server.heads[0].startswith(b"GET /list?page=1 HTTP/1.1\r\n")
            assert b"\r\naccept: text/plain\r\n" in server.heads[0]
            assert f"\r\nHost: 127.0.0.1:{server.port}\r\n".encode() in server.heads[0]

    run(check())


async def _then_gone(writer: asyncio.StreamWriter) -> None:
    writer.write(SHORT)
    await writer.drain()
    writer.close()


async def _said_unasked(writer: asyncio.StreamWriter) -> None:
    writer.write(SHORT)
    await writer.drain()
    await asyncio.sleep(0.05)  # the answer is read by then, or else these are bytes behind it
    writer.write(SHORT.replace(b"ok", b"no"))


@RUNNERS
@pytest.mark.parametrize(
    "first",
    [
        pytest.param(_then_gone, id="closed by the server"),
        pytest.param(_said_unasked, id="more comes unasked"),
        pytest.param(SHORT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), id="Connection: close"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", id="HTTP/1.0"),
    ],
)
def test_a_connection_is_not_kept(run: Callable[..., None], first: bytes | Answer) -> None:
    async def check() -> None:
        async with answering(first, SHORT) as server, connections() as ours:
            assert await asked(ours, server) == (200, b"ok")
            await until(lambda: server.answered == 1)
            assert await asked(ours, server) == (200, b"ok")
            assert server.opened == 2

    run(check())


@RUNNERS
def test_an_idle_connection_is_closed_after_a_while(run: Callable[..., None]) -> None:
    async def check() -> None:
        async with answering(SHORT) as server, connections(kept_seconds=0.05) as ours:
            assert await asked(ours, server) == (200, b"ok")
            await until(lambda: server.open == 0)

    run(check())


@RUNNERS
@pytest.mark.parametrize(
    ("sent", "status", "body"),
    [
        (
            CHUNKED + b"1;x=y\r\nc\r\n0\r\nLater: x\r\n\r\n",
            200,
            b"abc",
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + SHORT, 200, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304, b""),
    ],
    ids=["chunks", "informational", "204", "304"],
)
def test_how_an_answer_may_be_framed(run: Callable[..., None], sent: bytes, status: int, body: bytes) -> None:
    async def check() -> None:
        async with answering(sent, SHORT) as server, connections() as ours:
            assert await asked(ours, server) == (status, body)
            assert await asked(ours, server) == (200, b"ok")
            assert server.opened == 1

    run(check())


@RUNNERS
def test_a_body_may_last_until_the_connection_ends(run: Callable[..., None]) -> None:
    async def ends(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        await writer.drain()
        writer.close()

    async def check() -> None:
        async with answering(ends) as server, connections() as ours:
            assert await asked(ours, server) == (200, b"all of it")

    run(check())


def _closing(sent: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        writer.close()

    return answer


def _resetting(sent: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return answer


def _endless(head: bytes, more: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for _ in range(100_000):
            writer.write(more)
            await writer.drain()
            if writer.is_closing():
                return

    return answer


@RUNNERS
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(_closing(b""), id="nothing"),
        pytest.param(_closing(b"HTTP/1.1 200 OK\r\nContent-Le"), id="half a head"),
        pytest.param(_closing(SHORT[:-1]), id="cut off"),
        pytest.param(_closing(CHUNKED), id="cut off chunks"),
        pytest.param(_closing(b"HTTP/1.1 100 Continue\r\n\r\n"), id="informational only"),
        pytest.param(_resetting(b"HTTP/1.1 200 OK\r\n\r\nhalf of it"), id="reset"),
        pytest.param(_closing(b"SSH-2.0-OpenSSH_9.2\r\n"), id="another protocol"),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", id="101"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", id="two lengths"),
        pytest.param(_endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 9000), id="a header without end"),
        pytest.param(_endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 900), id="headers without end"),
        pytest.param(
            _endless(CHUNKED + b"0\r\n", b"X: y\r\n" * 900),
            id="trailers without end",
        ),
    ],
)
def test_what_is_no_whole_answer_fails_and_frees_its_place(run: Callable[..., None], answer: bytes | Answer) -> None:
    async def check() -> None:
        async with answering(answer, SHORT) as server, connections() as ours, asyncio.timeout(20):
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                await asked(ours, server)
            assert await asked(ours, server) == (200, b"ok")
            await until(lambda: server.open == 1)

    run(check())


@RUNNERS
def test_no_more_connections_than_allowed(run: Callable[..., None]) -> None:
    async def check() -> None:
        async with answering(SHORT) as server, connections() as ours:
            await asyncio.gather(*(asked(ours, server) for _ in range(40)))
            assert (server.most, len(server.heads)) == (10, 40)

    run(check())


@RUNNERS
def test_a_reader_that_takes_nothing_is_sent_little(run: Callable[..., None]) -> None:
    size, written = 64 * 1024 * 1024, 0

    async def much(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while written < size:
            writer.write(b"x" * 65536)
            await writer.drain()
            written += 65536

    async def check() -> None:
        async with answering(much) as server, connections() as ours:
            answer = await ours.handle_async_request(request(server))
            before = -1
            while before != written:  # what the kernel holds, too, is full at some time
                before = written
                await asyncio.sleep(0.2)
            assert 0 < written < size / 2
            assert len(await answer.aread()) == size
            await answer.aclose()

    run(check())


@RUNNERS
def test_a_cancelled_request_frees_its_place_and_its_connection(run: Callable[..., None]) -> None:
    async def silent(_writer: asyncio.StreamWriter) -> None:
        pass

    async def check() -> None:
        async with answering(silent, _endless(SHORT[:-1], b""), SHORT) as server, connections() as ours:
            waits = asyncio.create_task(asked(ours, server))
            await until(lambda: len(server.heads) == 1)
            waits.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waits
            half = await ours.handle_async_request(request(server))
            await half.aclose()
            await until(lambda: server.open == 0)
            assert await asked(ours, server) == (200, b"ok")

    run(check())


@RUNNERS
@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "a\0b"])
def test_a_header_is_one_line(run: Callable[..., None], value: str) -> None:
    async def check() -> None:
        async with answering(SHORT) as server, connections() as ours:
            with pytest.raises(httpx.LocalProtocolError):
                await asked(ours, server, authorization=value)
            assert server.heads == []

    run(check())


@RUNNERS
def test_another_address_is_tried_where_one_refuses(run: Callable[..., None]) -> None:
    async def check() -> None:
        async with answering(SHORT) as server, connections() as ours:
            assert await asked(ours, server, host="localhost") == (200, b"ok")  # ::1 comes first where there is one
        async with connections() as ours:
            with pytest.raises(httpx.ConnectError):
                await asked(ours, server)

    run(check())
