"""An internet of a few hosts on loopback: a proxy leads to them, with TLS by an authority of its own."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from tests.support.company import Authority, listening, pump
from tests.support.threads import in_thread

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
    folder.mkdir(exist_ok=True)
    authority = Authority(folder)
    made = Internet("", authority.pem)
    with in_thread(_running(made, hosts, authority.server(*hosts), upstream)):
        yield made


@asynccontextmanager
async def _running(made: Internet, hosts: Sequence[str], tls: ssl.SSLContext, upstream: str) -> AsyncIterator[None]:
    behind = urlsplit(upstream)

    async def host(reader: Reader, writer: Writer) -> None:
        await _tunnel(reader, writer, str(behind.hostname), behind.port or 80)

    async with listening(host, tls) as port:

        async def proxy(reader: Reader, writer: Writer) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            name, _, asked_port = head.split(b" ")[1].decode().rpartition(":")
            made.asked.append(name)
            if name in made.forbidden or name not in hosts or asked_port != "443":
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _tunnel(reader, writer, "127.0.0.1", port)

        async with listening(proxy, None) as proxy_port:
            made.proxy = f"http://127.0.0.1:{proxy_port}"
            yield


async def _tunnel(reader: Reader, writer: Writer, host: str, port: int) -> None:
    there_reader, there_writer = await asyncio.open_connection(host, port)
    await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))
