"""The listening side over real sockets: deadlines, bounds, stopping, and what "sent in full" means."""

import asyncio
import errno
import gc
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvloop

from exporter.serving.connection import AHEAD_BYTES, ClientLimits, CutReason, Message, Receive, Send, send_body
from exporter.serving.server import listening
from exporter.settings import parse_address

pytestmark = pytest.mark.alone

ROOT = Path(__file__).parents[2]
Run = Callable[[Coroutine[Any, Any, None]], None]

PIECES = [bytes([65 + i % 26]) * 87_000 for i in range(200)]  # 17.4 MB
GET = b"GET /%s HTTP/1.1\r\nHost: exporter\r\n\r\n"
SHORT = ClientLimits(header_seconds=0.3, answer_seconds=0.6, idle_seconds=0.6)


@pytest.fixture(params=["uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a test's coroutine to its end, on uvloop if the test does not ask for other loops."""
    factory = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[request.param]

    def to_the_end(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(main, 30))

    return to_the_end


on_both_loops = pytest.mark.parametrize("run", ["asyncio", "uvloop"], indirect=True)


@dataclass
class App:
    """`/big` 17.4 MB, `/gzip` 1.2 MB, `/held` waits for `release`, all else "hello". Keeps what send_body told."""

    outcomes: asyncio.Queue[bool] = field(default_factory=asyncio.Queue)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    handed_over: int = 0
    cuts: list[CutReason] = field(default_factory=list)

    async def __call__(self, scope: Message, _receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            await send(message)
            self.handed_over += len(message.get("body", b""))

        if scope["path"] == "/held":
            self.held.set()
            await self.release.wait()
        body = {"/big": PIECES, "/gzip": PIECES[:14], "/small": PIECES[:1]}.get(scope["path"], [b"hel", b"lo"])
        self.outcomes.put_nowait(await send_body(counted, 200, [(b"content-type", b"text/plain")], body))


class Client:
    """One raw connection."""

    def __init__(self, address: tuple[str, int], *, window: int | None = None) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        if window is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.setblocking(False)
        self.address = address

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def read(self, size: int) -> bytes:
        """`size` bytes, or fewer if the server closes."""
        got = bytearray()
        with suppress(ConnectionError):
            while len(got) < size and (data := await self.some(min(65536, size - len(got)))):
                got += data
        return bytes(got)

    async def some(self, most: int) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self.socket, most)

    async def answer(self, length: int = 5) -> bytes:
        """One answer with a body of `length` bytes."""
        got = b""
        while b"\r\n\r\n" not in got:
            data = await self.read(1)
            if not data:
                return got
            got += data
        return got + await self.read(length)


@asynccontextmanager
async def dial(address: tuple[str, int], *, window: int | None = None) -> AsyncIterator[Client]:
    client = Client(address, window=window)
    try:
        await asyncio.get_running_loop().sock_connect(client.socket, address)
        yield client
    finally:
        client.socket.close()


@asynccontextmanager
async def serving(
    limits: ClientLimits,
) -> AsyncIterator[tuple[App, Callable[..., AbstractAsyncContextManager[Client]]]]:
    """An app on a free port, and how to dial it."""
    app = App()
    async with listening(app, ["127.0.0.1:0"], limits=limits, count_cut=app.cuts.append) as bound:
        yield app, lambda **options: dial(bound.addresses[0], **options)


async def seconds_to_close(client: Client) -> float:
    clock = asyncio.get_running_loop().time
    before = clock()
    await client.read(1 << 30)
    return clock() - before


@pytest.mark.parametrize(
    ("first", "drip"),
    [
        (b"", b""),
        (b"GET /met", b""),
        (GET[:-2], b""),
        (b"G", b"ET /" + b"x" * 999),
        (GET[:-2], b"X-Padding: " + b"x" * 999),
    ],
    ids=["silent", "half a line", "half a header", "dripping line", "dripping header"],
)
def test_a_request_that_is_not_finished_is_cut_at_the_header_deadline(run: Run, first: bytes, drip: bytes) -> None:
    async def main() -> None:
        async def dripping(client: Client) -> None:
            with suppress(ConnectionError):
                for byte in drip:
                    await client.send(bytes([byte]))
                    await asyncio.sleep(0.02)

        async with serving(SHORT) as (app, dialled), dialled() as client, asyncio.TaskGroup() as group:
            await client.send(first)
            dropper = group.create_task(dripping(client))
            assert 0.2 < await seconds_to_close(client) < 8
            dropper.cancel()
            assert app.outcomes.empty()
            assert app.cuts == ["header"]

    run(main())


def test_an_idle_connection_outlives_the_header_deadline_and_is_cut_at_its_own(run: Run) -> None:
    async def main() -> None:
        async with serving(SHORT) as (app, dialled), dialled() as client:
            await client.send(GET % b"")
            assert (await client.answer()).endswith(b"hello")
            assert 0.5 < await seconds_to_close(client) < 8
            assert app.cuts == []

    run(main())


@pytest.mark.parametrize("together", [True, False], ids=["with the first request", "after the first answer"])
def test_half_a_second_request_is_cut_at_the_header_deadline(run: Run, together: bool) -> None:
    async def main() -> None:
        async with serving(ClientLimits(header_seconds=0.3, idle_seconds=20)) as (_, dialled), dialled() as client:
            await client.send(GET % b"" + (b"GET /ha" if together else b""))
            assert (await client.answer()).endswith(b"hello")
            await client.send(b"lf")
            assert 0.2 < await seconds_to_close(client) < 8

    run(main())


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", {b"431", b"400"}),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", {b"431", b"400"}),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 400_000, {b"400"}),
        (b"\x16\x03\x01 not HTTP\r\n\r\n", {b"400"}),
    ],
    ids=["20 kB of headers", "20 kB of path", "endless header", "no HTTP"],
)
def test_a_giant_or_broken_header_is_refused_and_the_connection_closed(
    run: Run, request_: bytes, status: set[bytes]
) -> None:
    async def main() -> None:
        async with serving(ClientLimits()) as (_, dialled), dialled() as client:
            with suppress(ConnectionError):  # refused before all of it was sent
                await client.send(request_)
            answer = await client.read(1 << 20)
            assert not answer or answer.split(b" ")[1] in status  # a reset may overtake the answer

    run(main())


def test_head_is_answered_with_the_length_and_without_the_body(run: Run) -> None:
    async def main() -> None:
        async with serving(ClientLimits()) as (_, dialled), dialled() as client:
            await client.send(b"HEAD /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            header, _, body = (await client.read(1 << 20)).partition(b"\r\n\r\n")
            assert b"content-length: 17400000" in header.lower()
            assert b"\r\nserver:" not in header.lower()
            assert body == b""

    run(main())


def test_requests_of_one_connection_are_answered_in_order_also_when_sent_at_once(run: Run) -> None:
    async def main() -> None:
        async with serving(ClientLimits()) as (_, dialled), dialled() as client:
            await client.send(GET % b"" + GET % b"gzip" + GET % b"")
            assert (await client.answer()).endswith(b"hello")
            assert (await client.answer(14 * 87_000)).endswith(b"N" * 87_000)
            assert (await client.answer()).endswith(b"hello")
            await client.send(GET % b"")
            assert (await client.answer()).endswith(b"hello")

    run(main())


@pytest.mark.parametrize(("limit", "left"), [(512, 50), (20, 19)], ids=["below the bound", "above the bound"])
def test_half_open_connections_do_not_stand_in_the_way_of_a_scrape(run: Run, limit: int, left: int) -> None:
    """Above the bound some of them give way."""

    async def main() -> None:
        async with serving(ClientLimits(connections=limit)) as (app, dialled), AsyncExitStack() as stack:
            half_open = [await stack.enter_async_context(dialled()) for _ in range(50)]
            for client in half_open:
                with suppress(ConnectionError):  # it gave way already
                    await client.send(b"GET /met")
            scraper = await stack.enter_async_context(dialled())
            async with asyncio.timeout(1):
                await scraper.send(GET % b"")
                assert (await scraper.answer()).endswith(b"hello")
            assert [await is_closed(client) for client in half_open].count(False) == left
            assert app.cuts == ["room"] * (50 - left)

    run(main())


async def is_closed(client: Client) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            return await client.read(1) == b""
    return False


def test_while_all_connections_take_answers_the_one_that_began_first_gives_way(run: Run) -> None:
    async def main() -> None:
        async with serving(ClientLimits(connections=2)) as (app, dialled), dialled() as first, dialled() as second:
            await first.send(GET % b"held")
            await app.held.wait()
            app.held.clear()
            await asyncio.sleep(0.01)  # the clock of uvloop has milliseconds
            await second.send(GET % b"held")
            await app.held.wait()
            async with dialled() as third:
                await third.send(GET % b"")
                assert (await third.answer()).endswith(b"hello")
            assert await first.read(1) == b""
            app.release.set()
            assert (await second.answer()).endswith(b"hello")

    run(main())


@on_both_loops
def test_of_a_flood_of_new_connections_those_that_have_sent_a_request_go_last(run: Run) -> None:
    """Neither may lose its place: who sent it before the server had the connection, and who sends it in two parts."""

    async def main() -> None:
        async with serving(ClientLimits(connections=8)) as (_, dialled), AsyncExitStack() as stack:
            half = await stack.enter_async_context(dialled())
            await half.send(GET[:5])
            await asyncio.sleep(0.05)  # the server has read it
            address = half.address
            # While the loop stands still they all wait in the kernel: the scrape first, then the flood.
            sockets = [stack.enter_context(closing(socket.create_connection(address))) for _ in range(10)]
            scraper = stack.enter_context(closing(socket.create_connection(address)))
            scraper.sendall(GET % b"")
            sockets += [stack.enter_context(closing(socket.create_connection(address))) for _ in range(50)]
            scraper.setblocking(False)
            async with asyncio.timeout(1):
                answer = await asyncio.get_running_loop().sock_recv(scraper, 65536)
                assert answer.endswith(b"hello")
                await half.send((GET % b"")[5:])
                assert (await half.answer()).endswith(b"hello")

    run(main())


@on_both_loops
def test_a_connection_that_its_client_resets_leaves_nothing_behind(run: Run) -> None:
    async def main() -> None:
        async with serving(ClientLimits()) as (_, dialled):
            for _ in range(200):
                async with dialled() as client:
                    await client.send(GET % b"")
                    assert (await client.answer()).endswith(b"hello")
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            for _ in range(100):
                if kept_connections() <= 5:
                    break
                await asyncio.sleep(0.05)
            assert kept_connections() <= 5

    run(main())


@on_both_loops
def test_a_client_that_resets_before_its_answer_is_no_error_in_the_log(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving(ClientLimits()) as (app, dialled):
            for path in (b"", b"small", b"gzip", b"big"):
                for number in range(40):
                    async with dialled() as client:
                        await client.send(GET % path)
                        for _ in range(number % 4):  # some are reset when the answer has begun
                            await asyncio.sleep(0)
                        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            for _ in range(100):
                if kept_connections() <= 5:
                    break
                await asyncio.sleep(0.05)
            told = [app.outcomes.get_nowait() for _ in range(app.outcomes.qsize())]
            assert told.count(False) > 10, "the answer was not delivered"

    run(main())
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []


def kept_connections() -> int:
    gc.collect()
    return sum(type(found).__name__ == "Connection" for found in gc.get_objects())


@on_both_loops
@pytest.mark.parametrize("path", [b"big", b"gzip"])
def test_a_client_that_stops_reading_is_cut_at_the_answer_deadline_and_holds_little_memory(
    run: Run, path: bytes
) -> None:
    async def main() -> None:
        async with serving(SHORT) as (app, dialled), dialled(window=4096) as client:
            await client.send(GET % path)
            assert await app.outcomes.get() is False
            assert app.cuts == ["answer"]
            assert app.handed_over < AHEAD_BYTES + (1 << 20)

    run(main())


@on_both_loops
@pytest.mark.parametrize("path", [b"big", b"gzip"])
def test_a_client_that_leaves_midway_did_not_get_the_whole_answer(run: Run, path: bytes) -> None:
    async def main() -> None:
        async with serving(ClientLimits()) as (app, dialled):
            async with dialled(window=65536) as client:
                await client.send(GET % path)
                assert await client.read(64_000)
            assert await app.outcomes.get() is False

    run(main())


@on_both_loops
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what the client's machine has acknowledged")
def test_an_answer_that_waits_in_the_kernel_was_not_sent(run: Run) -> None:
    """87 kB fit into the kernel's buffer at once; a client that never reads them was served nothing."""

    async def main() -> None:
        async with serving(ClientLimits()) as (app, dialled):
            async with dialled(window=4096) as client:
                await client.send(GET % b"small")
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(app.outcomes.get(), 0.3)
                assert app.handed_over == len(PIECES[0])
            assert await app.outcomes.get() is False

    run(main())


@on_both_loops
@pytest.mark.parametrize("request_", [GET, GET[:-2] + b"Connection: close\r\n\r\n"], ids=["keep-alive", "close"])
@pytest.mark.parametrize(("path", "length"), [(b"big", 17_400_000), (b"gzip", 14 * 87_000), (b"", 5)])
def test_a_client_that_leaves_as_soon_as_it_has_everything_got_the_whole_answer(
    run: Run, request_: bytes, path: bytes, length: int
) -> None:
    def fetch(address: tuple[str, int]) -> None:
        """In a thread, so that the client closes at the very moment the kernel has its last byte."""
        with socket.create_connection(address) as client:
            client.sendall(request_ % path)
            got = b""
            while b"\r\n\r\n" not in got:
                got += client.recv(1)
            left = length
            while left:
                left -= len(client.recv(left))

    async def main() -> None:
        app = App()
        async with listening(app, ["127.0.0.1:0"]) as bound:
            for _ in range(5):
                await asyncio.to_thread(fetch, bound.addresses[0])
                assert await app.outcomes.get() is True

    run(main())


@on_both_loops
@pytest.mark.parametrize(("path", "length"), [(b"big", 17_400_000), (b"gzip", 14 * 87_000), (b"", 5)])
def test_a_client_that_reads_everything_got_the_whole_answer(run: Run, path: bytes, length: int) -> None:
    async def main() -> None:
        async with serving(ClientLimits()) as (app, dialled), dialled() as client:
            await client.send(GET % path)
            answer = await client.answer(length)
            assert await app.outcomes.get() is True
            body = answer.partition(b"\r\n\r\n")[2]
            assert body == (b"".join(PIECES)[:length] if path else b"hello")

    run(main())


def test_stopping_lets_an_answer_under_way_finish_and_accepts_nothing_new(run: Run) -> None:
    async def main() -> None:
        async with AsyncExitStack() as clients:
            async with serving(ClientLimits()) as (app, dialled):
                idle = await clients.enter_async_context(dialled())
                client = await clients.enter_async_context(dialled())
                await client.send(GET % b"held")
                await app.held.wait()

                async def after_the_stop() -> bytes:
                    assert await idle.read(1) == b""  # so the server is stopping
                    with pytest.raises(ConnectionRefusedError):
                        await clients.enter_async_context(dialled())
                    app.release.set()
                    return await client.answer()

                finishing = asyncio.create_task(after_the_stop())
            assert (await finishing).endswith(b"hello")
            assert app.outcomes.get_nowait() is True

    run(main())


def test_stopping_cuts_a_client_that_does_not_read_at_the_stop_deadline(run: Run) -> None:
    async def main() -> None:
        clock = asyncio.get_running_loop().time
        async with AsyncExitStack() as clients:
            async with serving(ClientLimits(stop_seconds=0.2)) as (app, dialled):
                client = await clients.enter_async_context(dialled(window=4096))
                await client.send(GET % b"big")
                await client.read(1)
                before = clock()
            assert clock() - before < 1
            assert app.outcomes.get_nowait() is False

    run(main())


def test_signals_stay_with_the_caller(run: Run) -> None:
    async def main() -> None:
        watched = (signal.SIGTERM, signal.SIGINT)
        before = [signal.getsignal(number) for number in watched]
        async with serving(ClientLimits()):
            assert [signal.getsignal(number) for number in watched] == before

    run(main())


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        (":10171", ("", 10171)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("0.0.0.0:65535", ("0.0.0.0", 65535)),
        ("[::1]:0", ("::1", 0)),
        ("[::]:10171", ("::", 10171)),
        ("localhost:10171", ("localhost", 10171)),
    ],
)
def test_an_address_is_parsed(text: str, parsed: tuple[str, int]) -> None:
    assert parse_address(text) == parsed


@pytest.mark.parametrize("text", ["", "10171", ":", "localhost", "::1:80", "[::1]", "[x]:80", ":65536", ":-1", ":8a"])
def test_what_is_no_address_is_refused_by_name(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"is not a listen address: write :PORT, HOST:PORT or \[IPV6\]:PORT"
    ) as refused:
        parse_address(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("127.0.0.1:0", ["127.0.0.1"]),
        ("localhost:0", ["127.0.0.1"]),
        ("[::1]:0", ["::1"]),
        (":0", ["127.0.0.1", "::1"]),
    ],
)
def test_every_form_of_address_answers_where_it_says(run: Run, text: str, hosts: list[str]) -> None:
    if "::1" in hosts and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 on this machine")

    async def main() -> None:
        async with listening(App(), [text, "127.0.0.1:0"]) as bound:
            assert len(bound.addresses) == 2
            for address in [*((host, bound.addresses[0][1]) for host in hosts), bound.addresses[1]]:
                async with dial(address) as client:
                    await client.send(GET % b"")
                    assert (await client.answer()).endswith(b"hello")

    run(main())


def test_an_address_in_use_is_named_and_the_others_are_given_back(run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
            free_port = free.getsockname()[1]
            free.close()
            text = f"127.0.0.1:{taken.getsockname()[1]}"
            with pytest.raises(OSError, match=f"cannot listen on '{text}': Address already in use"):
                await listening(App(), [f"127.0.0.1:{free_port}", text]).__aenter__()
            socket.create_server(("127.0.0.1", free_port)).close()

    run(main())


def test_an_address_of_another_machine_is_named(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(OSError, match=r"cannot listen on '192\.0\.2\.1:0': Cannot assign requested address"):
            await listening(App(), ["192.0.2.1:0"]).__aenter__()

    run(main())


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("TAKEN", "another program has this port: end it, or choose another one by --web.listen-address"),
        ("192.0.2.1:0", "Cannot assign requested address; this machine has no such address: name one of its own"),
        ("no-such-name.invalid:0", "; the name has no address: name an address, or :PORT for all"),
    ],
)
def test_why_an_address_cannot_be_listened_on_comes_with_its_own_fix(run: Run, address: str, words: str) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            text = f"127.0.0.1:{taken.getsockname()[1]}" if address == "TAKEN" else address
            with pytest.raises(OSError, match=re.escape(words)):
                await listening(App(), [text]).__aenter__()

    run(main())


@pytest.mark.parametrize(
    ("error", "address", "words"),
    [
        (
            errno.EACCES,
            "127.0.0.1:443",
            "Permission denied; ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher",
        ),
        (errno.EACCES, "127.0.0.1:9100", "Permission denied; a security policy of this machine (SELinux, AppArmor)"),
        (errno.EAFNOSUPPORT, "127.0.0.1:0", "not supported by protocol; this kind of address is switched off here"),
    ],
)
def test_a_port_that_the_kernel_refuses_says_what_is_missing(error: int, address: str, words: str) -> None:
    script = (
        f"from tests.support.kernel import refuse\nimport asyncio\nfrom exporter.serving.server import listening\n"
        f"refuse({error}, ['bind'])\n"
        f"asyncio.run(listening(None, [{address!r}]).__aenter__())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
    )
    assert done.returncode == 1
    assert words in done.stderr
