"""A server by a web configuration file, its certificates, and clients of several kinds."""

import asyncio
import base64
import http.client
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt
import trustme
import uvloop

from exporter.serving.connection import ClientLimits, CutReason, Message, Receive, Send, send_body
from exporter.serving.guard import Guard
from exporter.serving.server import listening
from exporter.serving.web_config import WebConfigFile

PASSWORD = "correct horse"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
CERTIFIED = "cert_file: cert.pem, key_file: key.pem"
BIG = 5_000_000
"""Bytes of the answer at `/big`."""


@dataclass
class Certificates:
    """A folder with a server's certificate and what clients show, all by one authority; and a web configuration."""

    folder: Path
    authority: trustme.CA = field(default_factory=trustme.CA)

    def __post_init__(self) -> None:
        self.authority.cert_pem.write_to_path(self.folder / "ca.pem")
        self.renew()

    def renew(self, name: str = "localhost", key_type: trustme.KeyType = trustme.KeyType.ECDSA) -> None:
        """A new certificate and key for the server; the key is replaced first, as by two copies."""
        issued = self.authority.issue_cert(name, "127.0.0.1", key_type=key_type)
        for file, blob in (("key.pem", issued.private_key_pem), ("cert.pem", issued.cert_chain_pems[0])):
            (self.folder / f"{file}.new").write_bytes(blob.bytes())
            (self.folder / f"{file}.new").chmod(0o600)
            (self.folder / f"{file}.new").rename(self.folder / file)

    def client(self, *names: str, authority: trustme.CA | None = None) -> Path:
        """A file with a client's certificate and key."""
        issued = (authority or self.authority).issue_cert(*names)
        path = self.folder / f"client-{len(list(self.folder.iterdir()))}.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(path)
        return path

    def configure(self, text: str) -> Path:
        """Replace the web configuration."""
        new = self.folder / "web.yml.new"
        new.write_text(text)
        return new.rename(self.folder / "web.yml")


def client_context(
    certificate: Path | None = None,
    ciphers: str = "",
    curve: str = "",
    version: ssl.TLSVersion | None = None,
    preferred: Sequence[str] = (),
) -> ssl.SSLContext:
    """What a client offers; it takes any certificate of the server's."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate)
    if ciphers or preferred:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers or ":".join(preferred))
    if curve:
        context.set_ecdh_curve(curve)
    if version:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
            if version < ssl.TLSVersion.TLSv1_2:
                context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@dataclass
class Reply:
    """An answer, and the TLS that it came through."""

    status: int
    headers: dict[str, str]
    body: bytes
    cipher: str = ""
    version: str = ""
    serial: str = ""


def ask(
    port: int, path: str = "/", tls: ssl.SSLContext | None = None, login: str = "", timeout: float = 10.0
) -> Reply | None:
    """One request on a new connection; None if the connection is cut or refused."""
    connection: http.client.HTTPConnection
    if tls:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=tls)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}
    try:
        connection.request("GET", path, headers=headers)
        secured = connection.sock if isinstance(connection.sock, ssl.SSLSocket) else None
        cipher = secured.cipher() if secured else None
        version = secured.version() if secured else None
        der = secured.getpeercert(binary_form=True) if secured else None
        answer = connection.getresponse()
        received = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(
            answer.status,
            received,
            answer.read(),
            cipher[0] if cipher else "",
            version or "",
            der.hex() if der else "",
        )
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


@dataclass
class Served:
    """A server in a thread."""

    port: int
    web: WebConfigFile
    failures: list[float] = field(default_factory=list)
    cuts: list[CutReason] = field(default_factory=list)
    limited: list[float] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    delivered: list[bool] = field(default_factory=list)


@contextmanager
def serving_by(path: Path, *, limits: ClientLimits | None = None, loop: str = "uvloop") -> Iterator[Served]:
    """Serve a small application by a web configuration file; `/big` has 5 MB."""
    started = threading.Event()
    served: list[Served] = []
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def application(scope: Message, _receive: Receive, send: Send) -> None:
        served[0].asked.append(scope["path"])
        body = [bytes(BIG // 50)] * 50 if scope["path"] == "/big" else [b"hello"]
        headers = [(b"content-type", b"text/plain"), (b"x-frame-options", b"ours")]
        served[0].delivered.append(await send_body(send, 200, headers, body))

    async def serve() -> None:
        web, end = WebConfigFile(path, time.time), asyncio.Event()
        failures: list[float] = []
        cuts: list[CutReason] = []
        limited: list[float] = []
        guard = Guard(
            application,
            web,
            time.monotonic,
            lambda: failures.append(time.monotonic()),
            lambda: limited.append(time.monotonic()),
        )
        async with listening(
            guard, ["127.0.0.1:0"], limits=limits or ClientLimits(), web=web, count_cut=cuts.append
        ) as bound:
            served.append(Served(bound.addresses[0][1], web, failures, cuts, limited))
            stop.append((asyncio.get_running_loop(), end))
            started.set()
            await end.wait()

    def run() -> None:
        factory = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}[loop]
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert started.wait(20), "the server did not start"
        yield served[0]
    finally:
        if stop:
            stop[0][0].call_soon_threadsafe(stop[0][1].set)
        thread.join(20)
        assert not thread.is_alive()


def silent(port: int, count: int) -> list[socket.socket]:
    """Connections that say nothing."""
    return [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
