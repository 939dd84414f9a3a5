"""Downloads of signed files: a client without credentials, which connects to allowed hosts only.

GitHub answers some requests with links to files on storage hosts. Such a link is a secret and valid for minutes: it is
followed at once, and never logged, stored or shown. A forged link must not reach the operator's network (SSRF):
`allowed` checks the host against the settings, and before anything is sent its name must resolve to public addresses.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx

from exporter.errors import GitHubError, HostRefused, Invalid, LinkExpired, Unavailable
from exporter.github.bodies import unpacked
from exporter.github.links import REDIRECTS
from exporter.github.network import Network
from exporter.github.network.connection_errors import as_github_error
from exporter.github.network.hosts import PORTS, address_of, is_public, port_of
from exporter.github.network.names import OF_FILES, NoAnswer
from exporter.github.network.transport import open_transport
from exporter.github.redaction import one_line

Resolve = Callable[[str, int], Awaitable[list[str]]]

_EXPIRED = {401, 403, 404, 410}
_LINK = re.compile(r"[\x21-\x5b\x5d-\x7e]{1,16384}")
_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_BOM = b"\xef\xbb\xbf"
# The parameters that sign a link to Azure's blob storage:
# https://learn.microsoft.com/rest/api/storageservices/create-service-sas and …/create-user-delegation-sas.
_SIGNATURE = re.compile(r"(?:sv|ss|srt|sr|sp|st|se|sip|spr|sig|skoid|sktid|skt|ske|sks|skv)=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DownloadBounds:
    """Bounds of one download. `connect` is a timeout in seconds, `idle` that between two pieces."""

    idle: float = 30.0
    connect: float = 10.0
    redirects: int = 3


def distinct(links: Iterable[str]) -> list[str]:
    """One link for each file: of links that differ only in their signature, the first."""
    files: dict[tuple[str, ...], str] = {}
    for link in links:
        place, _, query = link.partition("?")
        rest = (part for part in query.split("&") if part and not _SIGNATURE.match(part))
        files.setdefault((place, *rest), link)
    return list(files.values())


def allowed(link: str, hosts: Sequence[str], source: str = "") -> tuple[httpx.URL, bool]:
    """The URL of a link that may be followed, and whether its host is literally in `hosts`.

    `*.example.com` allows https to every host below that domain, on port 443 and at public addresses. A host, or
    `HOST:PORT`, that is listed literally may have any address, and use http. `source` is the host that redirected to
    the link; it is empty if the link is GitHub's own. Raises `Invalid`, which names the host and never shows the link.
    """
    try:
        url = httpx.URL(link) if _LINK.fullmatch(link) else None
    except (httpx.InvalidURL, ValueError):
        url = None
    host = url.raw_host.decode() if url else ""
    port = port_of(url) if url else 0
    address = address_of(host) if "%" not in host else None
    if url is None or not 0 < port < 65536 or url.userinfo or (address is None and not _NAME.fullmatch(host)):
        raise Invalid("refused a download link that is no plain URL")
    host = host if address is None else str(address)  # as the setting has it
    bracketed = f"[{host}]" if ":" in host else host
    if {host, bracketed, f"{bracketed}:{port}"} & {entry.lower() for entry in hosts}:
        return url, True
    below = any(host.endswith(entry[1:].lower()) for entry in hosts if entry.startswith("*."))
    if below and address is None and url.scheme == "https" and port == PORTS["https"]:
        return url, False
    route = f", to which {source} redirects" if source else ""
    raise HostRefused(
        f"refused a download link to {one_line(f'{url.scheme}://{bracketed}:{port}')}{route}: "
        "download_hosts does not allow it",
        bracketed if port == PORTS["https"] else f"{bracketed}:{port}",
        hosts,
    )


class Downloads:
    """Reads signed files, each over a connection of its own."""

    def __init__(
        self,
        network: Network | None = None,
        *,
        bounds: DownloadBounds | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        """Open no connection yet. `transport` and `resolve` (addresses of a name and port) are for tests.

        Raises `GitHubError` for a `ca_file` or proxy that cannot be used. A proxy resolves names itself; then their
        addresses are not checked.
        """
        self._bounds, self._resolve = bounds or DownloadBounds(), resolve or _resolve
        self._network = network or Network()
        # Keep no connection: it would be reused for another host at the same address.
        self._direct = transport or open_transport(self._network, None, "download")
        proxy = self._network.proxy
        self._proxied = transport or (open_transport(self._network, proxy, "download") if proxy else self._direct)

    async def read(self, link: str, hosts: Sequence[str], most: int) -> AsyncGenerator[bytes, None]:
        """The decompressed pieces of a file, which may have `most` bytes, as sent and as decompressed.

        Raises `LinkExpired` when the host refuses the link, `Unavailable` for temporary faults, and `Invalid` for a
        link or a file that is not allowed. After an error the pieces are incomplete.
        """
        source = ""
        for _hop in range(self._bounds.redirects + 1):
            url, literal = allowed(link, hosts, source)
            response = await self._open(url, hosts, literal=literal)
            assert isinstance(response.stream, httpx.AsyncByteStream)
            async with aclosing(response.stream):
                location = response.headers.get("location")
                if response.status_code not in REDIRECTS or location is None:
                    self._check(response.status_code, url)
                    async for piece in self._pieces(response, url, most):
                        yield piece
                    return
            source = _host(url)
            try:
                link = str(url.join(location)) if _LINK.fullmatch(location) else ""
            except (httpx.InvalidURL, ValueError):
                link = ""
        raise Invalid(f"{_host(url)}: more than {self._bounds.redirects} redirects of a download")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._direct.aclose()
        await self._proxied.aclose()

    async def _open(self, url: httpx.URL, hosts: Sequence[str], *, literal: bool) -> httpx.Response:
        is_direct = self._network.proxy_for(url) is None
        transport = self._direct if is_direct else self._proxied
        failure: GitHubError | None = None
        try:
            async with asyncio.timeout(self._bounds.connect + self._bounds.idle):
                is_checked = is_direct and not literal
                addresses = await self._public_addresses(url.raw_host.decode(), hosts) if is_checked else [None]
                for address in addresses:
                    try:
                        return await transport.handle_async_request(self._request(url, address))
                    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                        failure = failure or _without_link(error, url)
        except TimeoutError:
            failure = failure or Unavailable(f"{_host(url)}: no answer to a download in time")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            failure = _without_link(error, url)
        assert failure is not None
        raise failure

    def _request(self, url: httpx.URL, address: str | None) -> httpx.Request:
        """A request to the checked address, if any: a second lookup of the name could give another address."""
        headers = {
            "Host": url.netloc.decode(),
            "Accept-Encoding": "gzip",
            "User-Agent": "github-enterprise-exporter",
        }
        extensions: dict[str, Any] = {
            "timeout": httpx.Timeout(self._bounds.idle, connect=self._bounds.connect).as_dict()
        }
        if address is None:
            return httpx.Request("GET", url, headers=headers, extensions=extensions)
        extensions["sni_hostname"] = url.raw_host.decode()
        return httpx.Request("GET", url.copy_with(host=address), headers=headers, extensions=extensions)

    async def _addresses(self, host: str) -> list[str]:
        failure: Unavailable
        try:
            return await self._resolve(host, PORTS["https"])
        except NoAnswer as error:
            failure = Unavailable(f"{one_line(host)}: {error.strerror}; check DNS, or set proxy where one leads out")
        except (OSError, ValueError):  # Python itself rejects some names
            return []
        raise failure

    async def _public_addresses(self, host: str, hosts: Sequence[str]) -> list[str]:
        addresses = await self._addresses(host)
        if not addresses:
            raise Unavailable(f"{one_line(host)}: the name of the download's host leads to no address")
        if not all(is_public(address) for address in addresses):
            why = f"refused a download: {one_line(host)} leads to an address that is not public"
            raise HostRefused(why, host, hosts)
        return addresses

    def _check(self, status: int, url: httpx.URL) -> None:
        if status == httpx.codes.OK:
            return
        if status in _EXPIRED:
            raise LinkExpired(f"{_host(url)} answers {status} to a download", _host(url))
        raise Unavailable(f"{_host(url)} answers {status} to a download")

    async def _pieces(self, response: httpx.Response, url: httpx.URL, most: int) -> AsyncIterator[bytes]:
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        failure: GitHubError
        try:
            encoding = response.headers.get("content-encoding", "")
            is_first = True
            async for piece in unpacked(stream, encoding, most=most):
                if is_first and piece.removeprefix(_BOM).lstrip().startswith(b"<"):  # neither JSON nor CSV
                    raise Invalid("a page instead of a file: does a firewall or proxy answer in place of the host?")
                is_first = False
                yield piece
        except GitHubError as error:
            failure = type(error)(f"{_host(url)}: {error}")
        except (httpx.HTTPError, httpx.StreamError, OSError, ValueError) as error:
            failure = _without_link(error, url)
        else:
            return
        raise failure


def _host(url: httpx.URL) -> str:
    return one_line(url.raw_host.decode())


def _without_link(error: Exception, url: httpx.URL) -> GitHubError:
    """The failure, without the link's path, which is as secret as its query."""
    if isinstance(error, httpx.ProxyError) and str(error).startswith("403"):
        return LinkExpired(f"the proxy answers 403 to a download from {_host(url)}", _host(url))
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError | httpx.ProxyError):
        return as_github_error(error, url)  # its text names the host only
    return Unavailable(f"{_host(url)}: a download broke off ({type(error).__name__})")


async def _resolve(host: str, _port: int) -> list[str]:
    return await OF_FILES.addresses(host)
