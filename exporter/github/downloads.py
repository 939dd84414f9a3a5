"""Signed files: a client of its own, that knows no credential and goes to allowed hosts only.

GitHub answers some questions with links to files on storage hosts. Such a link is a secret and lives for minutes: it is
followed at once, never logged, kept or shown. Whoever could make GitHub, or something on the way, answer with another
link must not reach into our network with it: `allowed` says which hosts may be asked, and what their names lead to is
looked at before anything is sent.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import httpx

from exporter.github.bodies import unpacked
from exporter.github.errors import GitHubError, Invalid, LinkExpired, Unavailable
from exporter.github.pacing import one_line
from exporter.github.transport import in_our_words, open_downloads

Resolve = Callable[[str, int], Awaitable[list[str]]]

_REDIRECTS = {301, 302, 303, 307, 308}
_EXPIRED = {401, 403, 404, 410}
_LINK = re.compile(r"[\x21-\x5b\x5d-\x7e]{1,16384}")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one file, in seconds; `idle` is how long nothing may come."""

    idle: float = 30.0
    connect: float = 10.0
    redirects: int = 3


def allowed(link: str, hosts: Sequence[str]) -> tuple[httpx.URL, bool]:
    """Read a link that may be followed, and say whether `hosts` name its host literally.

    `*.example.com` allows https to every host below that domain, on its usual port and at public addresses. A host, or
    `HOST:PORT`, that is named literally may be anywhere, and be asked over http. Raises `Invalid`, which tells the host
    and never the link.
    """
    try:
        url = httpx.URL(link) if _LINK.fullmatch(link) else None
    except (httpx.InvalidURL, ValueError):
        url = None
    if url is None or url.scheme not in _PORTS or not url.raw_host or url.userinfo:
        raise Invalid("refused a download link that is no plain URL")
    host = url.raw_host.decode().lower().rstrip(".")
    port = url.port or _PORTS[url.scheme]
    shown = f"[{host}]" if ":" in host else host
    if {host, shown, f"{shown}:{port}"} & {entry.lower() for entry in hosts}:
        return url, True
    below = any(host.endswith(entry[1:].lower()) for entry in hosts if entry.startswith("*."))
    if below and url.scheme == "https" and port == _PORTS["https"] and not _is_address(host):
        return url, False
    raise Invalid(
        f"refused a download link to {one_line(f'{url.scheme}://{shown}:{port}')}: "
        "if GitHub's files are there, add the host to download_hosts"
    )


class Downloads:
    """Reads signed files, each over a connection of its own."""

    def __init__(
        self,
        *,
        proxy: str | None = None,
        limits: Limits | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        """Connect to nothing yet. `transport` and `resolve` (addresses of a name and port) are for tests.

        With a `proxy` it is the proxy that resolves names; then addresses cannot be looked at.
        """
        self._limits, self._resolve = limits or Limits(), resolve or _resolve
        self._through_proxy = proxy is not None
        self._transport = transport or open_downloads(proxy)
        self._direct = transport or (open_downloads(None) if proxy else self._transport)

    async def read(self, link: str, hosts: Sequence[str], most: int) -> AsyncIterator[bytes]:
        """The file, unpacked, piece by piece; packed and unpacked it may have `most` bytes.

        Raises `LinkExpired` when the host takes the link no more, `Unavailable` for faults that may pass, and `Invalid`
        for what is refused or too large. After a failure what was read is no whole file.
        """
        for _hop in range(self._limits.redirects + 1):
            url, literal = allowed(link, hosts)
            response = await self._open(url, literal=literal)
            assert isinstance(response.stream, httpx.AsyncByteStream)
            async with aclosing(response.stream):
                location = response.headers.get("location")
                if response.status_code not in _REDIRECTS or location is None:
                    self._check(response.status_code, url)
                    async for piece in self._pieces(response, url, most):
                        yield piece
                    return
            try:
                link = str(url.join(location))
            except (httpx.InvalidURL, ValueError):
                link = ""
        raise Invalid(f"{_host(url)}: more than {self._limits.redirects} redirects of a download")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()
        await self._direct.aclose()

    async def _open(self, url: httpx.URL, *, literal: bool) -> httpx.Response:
        host = url.raw_host.decode()
        headers = {
            "Host": url.netloc.decode(),
            "Accept-Encoding": "gzip",
            "User-Agent": "github-enterprise-exporter",
        }
        timeout = httpx.Timeout(self._limits.idle, connect=self._limits.connect).as_dict()
        extensions: dict[str, object] = {"timeout": timeout}
        asked, transport = url, self._transport
        if literal:
            transport = self._direct  # whoever names a host itself means one in their own network
        elif not self._through_proxy:
            # What was looked at is what is connected to: a name could lead elsewhere a moment later.
            asked = url.copy_with(host=await self._public_address(host))
            extensions["sni_hostname"] = host
        failed: GitHubError
        try:
            async with asyncio.timeout(self._limits.connect + self._limits.idle):
                return await transport.handle_async_request(
                    httpx.Request("GET", asked, headers=headers, extensions=extensions)
                )
        except TimeoutError:
            failed = Unavailable(f"{_host(url)}: no answer to a download in time")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            failed = _hidden(error, url)
        raise failed

    async def _public_address(self, host: str) -> str:
        try:
            addresses = await self._resolve(host, _PORTS["https"])
        except OSError:
            addresses = []
        if not addresses:
            raise Unavailable(f"{one_line(host)}: the name of the download's host leads to no address")
        if not all(_is_public(address) for address in addresses):
            raise Invalid(f"refused a download: {one_line(host)} leads to an address that is not public")
        return addresses[0]

    def _check(self, status: int, url: httpx.URL) -> None:
        if status == httpx.codes.OK:
            return
        if status in _EXPIRED:
            raise LinkExpired(f"{_host(url)} answers {status} to a download: the link is no longer valid")
        raise Unavailable(f"{_host(url)} answers {status} to a download")

    async def _pieces(self, response: httpx.Response, url: httpx.URL, most: int) -> AsyncIterator[bytes]:
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        failed: GitHubError
        try:
            encoding = response.headers.get("content-encoding", "")
            async for piece in unpacked(stream, encoding, most=most):
                yield piece
        except GitHubError as error:
            failed = type(error)(f"{_host(url)}: {error}")
        except (httpx.HTTPError, httpx.StreamError, OSError, ValueError) as error:
            failed = _hidden(error, url)
        else:
            return
        raise failed


def _host(url: httpx.URL) -> str:
    return one_line(url.raw_host.decode())


def _hidden(error: Exception, url: httpx.URL) -> GitHubError:
    """The failure without the link's path, which is as secret as its query."""
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError | httpx.ProxyError):
        return in_our_words(error, url)  # it tells the host only
    return Unavailable(f"{_host(url)}: a download broke off ({type(error).__name__})")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_global and not (mapped or found).is_multicast


async def _resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
