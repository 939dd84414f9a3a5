"""A company's network for tests: its certificate authority, and a proxy that tunnels, refuses or re-signs TLS."""

import asyncio
import base64
import ipaddress
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Authority:
    """A certificate authority; `strict` as Python 3.13 wants it, or as many companies have it. `pem` is its file."""

    def __init__(
        self, folder: Path, name: str = "Corp CA", *, strict: bool = True, by: "Authority | None" = None
    ) -> None:
        self.key, self.strict, self.folder, self._by = ec.generate_private_key(ec.SECP256R1()), strict, folder, by
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self.builder(self.name, self.key, (by or self).name).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=strict
        )
        if strict:
            usage = dict.fromkeys(
                ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
            )
            usage |= {"digital_signature": False, "encipher_only": False, "decipher_only": False}
            builder = builder.add_extension(
                x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True
            ).add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            if by is not None:
                builder = builder.add_extension(
                    x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key()), critical=False
                )
        self.certificate = builder.sign((by or self).key, hashes.SHA256())
        self.pem = folder / f"{name.replace(' ', '-').lower()}.pem"
        self.pem.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    @staticmethod
    def builder(
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        issuer: x509.Name,
        days: tuple[int, int] = (-1, 2),
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now + days[0] * DAY)
            .not_valid_after(now + days[1] * DAY)
        )

    def server(self, *hosts: str, days: tuple[int, int] = (-1, 2), by_itself: bool = False) -> ssl.SSLContext:
        """TLS of a server with a certificate of these hosts; `by_itself` signed by no authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server")])
        builder = self.builder(subject, key, subject if by_itself else self.name, days).add_extension(
            x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
        )
        if self.strict:
            builder = builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
        certificate = builder.sign(key if by_itself else self.key, hashes.SHA256())
        chain = [certificate, *([] if self._by is None else [self.certificate])]
        path = self.folder / f"server-{certificate.serial_number}.pem"
        path.write_bytes(
            b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None, port: int = 0) -> AsyncIterator[int]:
    """A server of one handler; gives its port, and leaves no connection behind."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await serve(reader, writer)
        writer.close()
        with suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()
        tasks.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        while tasks:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


@dataclass
class Proxy:
    """Answers CONNECT by a tunnel to `upstream`, a port on loopback, whatever host is asked for.

    With `resigns` it ends TLS itself, as the host, and speaks plain text to the upstream. `answer` refuses instead;
    None is silence. `tls` is for an https:// proxy, `password` the Basic credentials that it wants.
    """

    upstream: int = 0
    resigns: Authority | None = None
    answer: bytes | None = b""
    tls: ssl.SSLContext | None = None
    password: str = ""
    port: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Proxy"]:
        async with listening(self._serve, self.tls) as self.port:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b" ", 2)
        self.asked.append(f"{method.decode()} {target.decode()}")
        wanted = b"Proxy-Authorization: Basic " + base64.b64encode(self.password.encode()) + b"\r\n"
        if self.answer is None:
            await reader.read()
        elif self.answer:
            writer.write(self.answer)
        elif self.password and wanted not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        else:
            await self._tunnel(target.decode().rpartition(":")[0], reader, writer)

    async def _tunnel(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        if self.resigns is not None:
            await writer.start_tls(self.resigns.server(host))
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(pump(there_reader, writer))
                both.create_task(pump(reader, there_writer))
        finally:
            there_writer.close()
            with suppress(OSError):
                await there_writer.wait_closed()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


Answer = bytes | Callable[[asyncio.StreamWriter], None] | None


def reply(body: bytes = b"[]", status: bytes = b"200 OK", *headers: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers, b"", body])


def reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection off with RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@dataclass
class Site:
    """A server that gives each request the next of its answers, the last one again and again; None closes.

    Instead of a list there may be a function of the request's path.
    """

    answers: Sequence[Answer] | Callable[[str], bytes]
    tls: ssl.SSLContext | None = None
    port: int = 0
    heads: list[str] = field(default_factory=list)
    connections: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Site"]:
        async with listening(self._serve, self.tls) as self.port:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head.decode())
            if callable(self.answers):
                answer: Answer = self.answers(self.heads[-1].split()[1])
            else:
                answer = self.answers[min(len(self.heads), len(self.answers)) - 1]
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
                continue
            if answer is not None:
                answer(writer)
            return
