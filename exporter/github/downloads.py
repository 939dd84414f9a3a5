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
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
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
_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST, _6TO4 = ipaddress.IPv6Network("2000::/3"), ipaddress.IPv6Network("2002::/16")


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
    host = url.raw_host.decode() if url else ""
    is_name = _NAME.fullmatch(host) is not None
    port = _port(url) if url else 0
    if url is None or not 0 < port < 65536 or url.userinfo or not (is_name or _is_address(host)):
        raise Invalid("refused a download link that is no plain URL")
    shown = f"[{host}]" if ":" in host else host
    if {host, shown, f"{shown}:{port}"} & {entry.lower() for entry in hosts}:
        return url, True
    below = any(host.endswith(entry[1:].lower()) for entry in hosts if entry.startswith("*."))
    if below and is_name and not _is_address(host) and url.scheme == "https" and port == _PORTS["https"]:
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

    async def read(self, link: str, hosts: Sequence[str], most: int) -> AsyncGenerator[bytes, None]:
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
                link = str(url.join(location)) if _LINK.fullmatch(location) else ""
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
        requests = [httpx.Request("GET", url, headers=headers, extensions={"timeout": timeout})]
        # Whoever names a host itself means one in their own network.
        transport = self._direct if literal else self._transport
        failed: GitHubError | None = None
        try:
            async with asyncio.timeout(self._limits.connect + self._limits.idle):
                if not literal and not self._through_proxy:
                    # What was looked at is what is connected to: a name could lead elsewhere a moment later.
                    extensions = {"timeout": timeout, "sni_hostname": host}
                    requests = [
                        httpx.Request("GET", url.copy_with(host=address), headers=headers, extensions=extensions)
                        for address in await self._public_addresses(host)
                    ]
                for request in requests:
                    try:
                        return await transport.handle_async_request(request)
                    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                        failed = failed or _hidden(error, url)
        except TimeoutError:
            failed = failed or Unavailable(f"{_host(url)}: no answer to a download in time")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            failed = _hidden(error, url)
        assert failed is not None
        raise failed

    async def _public_addresses(self, host: str) -> list[str]:
        try:
            addresses = await self._resolve(host, _PORTS["https"])
        except (OSError, ValueError):  # Python refuses some names on its own
            addresses = []
        if not addresses:
            raise Unavailable(f"{one_line(host)}: the name of the download's host leads to no address")
        if not all(_is_public(address) for address in addresses):
            raise Invalid(f"refused a download: {one_line(host)} leads to an address that is not public")
        return addresses

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


def _port(url: httpx.URL) -> int:
    """The port of a link, 0 if its scheme is none of ours."""
    return 0 if url.scheme not in _PORTS else _PORTS[url.scheme] if url.port is None else url.port


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_public(address: str) -> bool:
    """Whether an address is one of the internet; one that carries an IPv4 address to be gone to is what that is."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None or found in _NAT64:
            found = ipaddress.IPv4Address(found.packed[-4:])
        elif found not in _UNICAST or found in _6TO4:  # Python calls all global that it has no other name for
            return False
    return found.is_global and not found.is_multicast


async def _resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
