"""An internet of a few hosts on loopback: a proxy leads to them, with TLS by an authority of its own."""

import asyncio
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter


@dataclass
class Internet:
    """Its proxy, the authority's certificate, hosts that the proxy forbids, and which hosts were asked for."""

    proxy: str
    ca_file: Path
    forbidden: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    @property
    def trusting(self) -> str:
        """A script that runs the exporter with this authority as the only public one."""
        store = {"SSL_CERT_FILE": str(self.ca_file), "SSL_CERT_DIR": "/nonexistent"}
        environ = f"import os; os.environ.update({store!r})"
        return f"{environ}; import runpy; runpy.run_module('exporter', run_name='__main__', alter_sys=True)"


@contextmanager
def internet(folder: Path, hosts: Sequence[str], upstream: str) -> Iterator[Internet]:
    """All hosts speak TLS on port 443 and are one plain http server, `upstream`, behind it."""
    ca_file, tls = _certificates(folder, hosts)
    behind = urlsplit(upstream)
    made = Internet("", ca_file)
    loop, started = asyncio.new_event_loop(), threading.Event()
    stop = asyncio.Event()

    async def serve() -> None:
        async def host(reader: Reader, writer: Writer) -> None:
            await _tunnel(reader, writer, str(behind.hostname), behind.port or 80)

        async def proxy(reader: Reader, writer: Writer) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            name, _, port = head.split(b" ")[1].decode().rpartition(":")
            made.asked.append(name)
            if name in made.forbidden or name not in hosts or port != "443":
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                writer.close()
                return
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _tunnel(reader, writer, "127.0.0.1", servers[0].sockets[0].getsockname()[1])

        servers = [await asyncio.start_server(host, "127.0.0.1", 0, ssl=tls)]
        servers.append(await asyncio.start_server(proxy, "127.0.0.1", 0))
        made.proxy = f"http://127.0.0.1:{servers[1].sockets[0].getsockname()[1]}"
        started.set()
        await stop.wait()
        for server in servers:
            server.close()
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert started.wait(10)
        yield made
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


async def _tunnel(reader: Reader, writer: Writer, host: str, port: int) -> None:
    there_reader, there_writer = await asyncio.open_connection(host, port)
    await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))


async def _pump(reader: Reader, writer: Writer) -> None:
    try:
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


def _certificates(folder: Path, hosts: Sequence[str]) -> tuple[Path, ssl.SSLContext]:
    """An authority's certificate in a file, and what shows a certificate of all hosts that it signed."""
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name, name = (
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, word)]) for word in ("an authority", "a host")
    )

    def certificate(subject: x509.Name, public: ec.EllipticCurvePublicKey, *, ca: bool) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder(ca_name, subject, public, x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )

    no = dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"), False)
    no |= dict.fromkeys(("key_agreement", "encipher_only", "decipher_only"), False)
    usage = x509.KeyUsage(key_cert_sign=True, crl_sign=True, **no)
    authority = certificate(ca_name, ca_key.public_key(), ca=True).add_extension(usage, critical=True)
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    leaf = certificate(name, key.public_key(), ca=False).add_extension(names, critical=False)
    ca_file, host_file = folder / "ca.pem", folder / "host.pem"
    ca_file.write_bytes(authority.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    host_file.write_bytes(leaf.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(host_file)
    return ca_file, context
