"""The only door out to GitHub's API: one credential, one API root, nothing unbounded.

A credential is added to each request on its own, and only below its API root. Requests go to httpx' transport: its
client would send default headers to any absolute URL, keep cookies, log URLs and read what redirects say. Foreign
exceptions hold URLs and header values, so they become values of `errors.py` where they are caught, and those are
raised elsewhere: no traceback, not even a suppressed context, leads back to them.
"""

import asyncio
import ipaddress
import logging
import re
import ssl
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import httpx

from exporter.github.credentials import Credential
from exporter.github.errors import GitHubError, Invalid, RateLimited, Unavailable
from exporter.github.pacing import GiveUp, Ok, Pool, WaitUntil, clock_time, http_date, one_line, verdict

Params = Mapping[str, str | int | Sequence[str]]

_CONNECTIONS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}
_PATH = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,=:@%/-]*")
_LINK = re.compile(r"[\x21-\x5b\x5d-\x7e]{1,8192}")
# Dot segments, encoded dots, slashes, percents and controls, empty segments, path parameters: what servers and proxies
# read differently from us.
_TRICKS = re.compile(r"(?:^|/)\.{1,2}(?:/|$)|%(?:2[ef]|5c|25|[01][0-9a-f]|7f)|[^:/]//|///|;", re.IGNORECASE)
_LINK_VALUE = re.compile(r"<([^<>]*)>([^<>]*)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s\";,]+))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request, or one walk over pages, may cost at most. The body's size counts packed and unpacked."""

    request_seconds: float = 30.0
    connect_seconds: float = 5.0
    body_bytes: int = 16 * 1024 * 1024
    pages: int = 1000
    redirects: int = 3


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer. Header names are lower case, the body is unpacked, the path has no query."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    path: str


class GitHub:
    """GitHub's API for one credential. `skew` is GitHub's clock less ours in seconds, 0 until an answer told it."""

    def __init__(
        self,
        credential: Credential,
        pool: Pool,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        observe: Callable[[str, str, float], None] | None = None,
        limits: Limits | None = None,
        proxy: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Connect to nothing yet; raises `GitHubError` for an API root, `ca_file` or proxy that cannot be used.

        `observe` is told pool, status (or `error`) and seconds of each attempt.
        """
        self.skew = 0.0
        self.skew_known = False
        self._credential, self._pool = credential, pool
        self._clock, self._monotonic, self._observe = clock, monotonic, observe
        self._limits = limits or Limits()
        self._root = _api_root(credential)
        self._timeout = httpx.Timeout(self._limits.request_seconds, connect=self._limits.connect_seconds).as_dict()
        _silence()
        self._transport = transport or _transport(credential, self._root, proxy)

    def now(self) -> float:
        """GitHub's clock, epoch seconds."""
        return self._clock() + self.skew

    async def get(self, path: str, params: Params | None = None) -> Reply:
        """One answer with a 2xx status; `path` is below the API root. Raises `GitHubError`."""
        return await self._ask(self._url(path, params))

    async def pages(self, path: str, params: Params | None = None) -> AsyncIterator[Reply]:
        """All pages, by their `Link` headers, one after another. Raises `GitHubError`, then the walk is incomplete."""
        url = self._url(path, params)
        seen = set()
        for _page in range(self._limits.pages):
            seen.add(str(url))
            reply = await self._ask(url)
            yield reply
            link = next_link(reply.headers.get("link", ""))
            if link is None:
                return
            url = confined(self._root, url, link, "next-link")
            if str(url) in seen:
                raise Invalid(f"{path}: the next-link leads to a page that was read already")
        raise Invalid(f"{path}: more than {self._limits.pages} pages")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    def _url(self, path: str, params: Params | None) -> httpx.URL:
        shown = one_line(path.partition("?")[0])
        if not _PATH.fullmatch(path) or _TRICKS.search(path):
            raise Invalid(f"refused to ask for {shown}: it is no plain path below the API root")
        url = _parsed(f"{self._credential.api_url.rstrip('/')}{path}", params=params)
        if url is None:
            raise Invalid(f"refused to ask for {shown}: its parameters are no text that a URL can hold")
        return url

    async def _ask(self, url: httpx.URL) -> Reply:
        blocked = self._pool.blocked(self.now())
        if blocked:
            raise RateLimited(f"quota pool {self._pool.name} waits until {clock_time(blocked)}", blocked)
        answer = await self._follow(url, f"Bearer {self._credential.secret()}")
        if isinstance(answer, GitHubError):
            raise answer
        return answer

    async def _follow(self, url: httpx.URL, authorization: str) -> Reply | GitHubError:
        """Ask, and follow redirects within the root; a failure is returned, for what it comes from must not show."""
        try:
            async with asyncio.timeout(self._limits.request_seconds):
                for _hop in range(self._limits.redirects + 1):
                    reply = await self._attempt(url, authorization)
                    location = reply.headers.get("location") if reply.status in _REDIRECTS else None
                    if location is None:
                        return self._judged(reply)
                    url = confined(self._root, url, location, "redirect")
                return Invalid(f"{_path(url)}: more than {self._limits.redirects} redirects")
        except GitHubError as error:
            return error.with_traceback(None)
        except TimeoutError:
            return Unavailable(f"{_path(url)}: no complete answer within {self._limits.request_seconds:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
            return _failure(error, url)

    async def _attempt(self, url: httpx.URL, authorization: str) -> Reply:
        request = httpx.Request(
            "GET",
            url,
            headers={
                "Accept": "application/vnd.github+json",
                "Accept-Encoding": "gzip",
                "Authorization": authorization,
                "User-Agent": f"github-enterprise-exporter/{_VERSION}",
                "X-GitHub-Api-Version": self._credential.api_version,
            },
            extensions={"timeout": self._timeout},
        )
        status, begun, asked = "error", self._monotonic(), self._clock()
        try:
            response = await self._transport.handle_async_request(request)
            assert isinstance(response.stream, httpx.AsyncByteStream)
            async with aclosing(response.stream):
                self._see_date(response.headers.get("date", ""), asked, self._clock())
                body = await _body(
                    response.stream, response.headers.get("content-encoding", ""), self._limits.body_bytes
                )
            status = str(response.status_code)
            return Reply(response.status_code, dict(response.headers.items()), body, _path(url))
        finally:
            self._pool.requests[status] = self._pool.requests.get(status, 0) + 1
            if self._observe is not None:
                self._observe(self._pool.name, status, max(0.0, self._monotonic() - begun))

    def _judged(self, reply: Reply) -> Reply | GitHubError:
        now = self.now()
        found = verdict(reply.status, reply.headers, reply.body, now, self._pool.limited_in_row)
        self._pool.learn(found, reply.status, reply.headers, now)
        where = f"{reply.path} (credential {self._credential.name})"
        match found:
            case Ok():
                return reply
            case WaitUntil(why=why):
                until = self._pool.blocked_until
                waits = f"quota pool {self._pool.name} waits until {clock_time(until)}"
                return RateLimited(f"{where}: {why}; {waits}", until)
            case GiveUp(error):
                return type(error)(f"{where}: {error}")

    def _see_date(self, text: str, asked: float, answered: float) -> None:
        """Take GitHub's clock from a `Date` header; it has whole seconds, cut off, so half a second is added."""
        instant = http_date(text)
        if instant is None:
            return
        seen = instant + 0.5 - (asked + answered) / 2
        # What the old estimate explains as well is no news: the date's resolution and the way of the answer blur it.
        blur = 1.0 + max(0.0, answered - asked) / 2
        if not self.skew_known or abs(seen - self.skew) > blur:
            self.skew, self.skew_known = seen, True


def next_link(header: str) -> str | None:
    """Find the target of `rel="next"` in a `Link` header (RFC 8288). Never raises."""
    for target, parameters in _LINK_VALUE.findall(header):
        for quoted, bare in _REL.findall(parameters):
            if "next" in (quoted or bare).lower().split():
                return str(target).strip()
    return None


def confined(root: httpx.URL, base: httpx.URL, link: str, kind: str) -> httpx.URL:
    """Where a link of GitHub's leads, if that is below the API root; else raise `Invalid`, which shows no query."""
    url = _parsed(link, base) if _LINK.fullmatch(link) else None
    if url is None:
        raise Invalid(f"refused a {kind} that is no plain URL")
    if _origin(url) != _origin(root) or url.userinfo:
        raise Invalid(f"refused a {kind} to another origin ({one_line(url.scheme + '://' + url.raw_host.decode())})")
    below = _path(root).rstrip("/")
    if _TRICKS.search(re.split("[?#]", link, maxsplit=1)[0]) or not f"{_path(url)}/".startswith(f"{below}/"):
        raise Invalid(f"refused a {kind} outside the API root {root}")
    return url


def _parsed(text: str, base: httpx.URL | None = None, params: Params | None = None) -> httpx.URL | None:
    try:
        # Without parameters none may be given: httpx would drop the query that the text has.
        return (base.join(text) if base else httpx.URL(text)) if not params else httpx.URL(text, params=dict(params))
    except (httpx.InvalidURL, ValueError, TypeError):
        return None


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port or _PORTS.get(url.scheme)


def _path(url: httpx.URL) -> str:
    return url.raw_path.partition(b"?")[0].decode("ascii")


def _api_root(credential: Credential) -> httpx.URL:
    text, whose = credential.api_url.rstrip("/"), f"the api_url of credential {credential.name}"
    url = _parsed(text) if _LINK.fullmatch(text) and not _TRICKS.search(text) else None
    if url is None or url.scheme not in _PORTS or not url.raw_host or url.userinfo or url.query or url.fragment:
        raise Invalid(f"{whose} must be like https://api.github.com or https://HOST/api/v3, without user or query")
    if url.scheme == "http" and not _loopback(url.raw_host.decode()):
        raise Invalid(f"{whose} must be https: a token is sent in clear text to this host only")
    return url


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _transport(credential: Credential, root: httpx.URL, proxy: str | None) -> httpx.AsyncHTTPTransport:
    through = _proxy(proxy)
    return httpx.AsyncHTTPTransport(
        verify=_trust(credential, root),
        # A plain http root is on this host, and a proxy would read the token.
        proxy=through if root.scheme == "https" else None,
        trust_env=False,
        limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
    )


def _trust(credential: Credential, root: httpx.URL) -> ssl.SSLContext:
    """Public authorities and the credential's own; a plain http root trusts nobody, so it costs nothing."""
    if root.scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = httpx.create_ssl_context(trust_env=False)
    problem = ""
    if credential.ca_file is not None:
        try:
            context.load_verify_locations(cafile=credential.ca_file)
        except ssl.SSLError:
            problem = "holds no PEM certificate"
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
    if problem:
        raise Unavailable(f"credential {credential.name}: ca_file {credential.ca_file} {problem}")
    return context


def _proxy(proxy: str | None) -> httpx.Proxy | None:
    url = None if proxy is None else _parsed(proxy)
    if proxy is not None and (url is None or url.scheme not in _PORTS or not url.raw_host):
        raise Invalid("proxy must be like http://HOST:PORT")
    return None if url is None else httpx.Proxy(url)


async def _body(stream: AsyncIterable[bytes], encoding: str, limit: int) -> bytes:
    """Read and unpack a body up to a limit. httpx would unpack 64 kB to 64 MB before anyone could count them."""
    encoding = encoding.strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise Invalid(f"the answer has an encoding that nobody asked for: {one_line(encoding)}")
    inflate = zlib.decompressobj(16 + zlib.MAX_WBITS) if "gzip" in encoding else None
    body, received = bytearray(), 0
    async for chunk in stream:
        received += len(chunk)
        body += chunk if inflate is None else _inflated(inflate, chunk, limit + 1 - len(body))
        if received > limit or len(body) > limit:
            raise Invalid(f"the answer is larger than {limit} bytes")
        if inflate is not None and inflate.unused_data:
            raise Invalid("the answer goes on after its gzip data end")
    if inflate is not None and received and not inflate.eof:
        raise Unavailable("the answer was cut off: its gzip data do not end")
    return bytes(body)


def _inflated(inflate: "zlib._Decompress", chunk: bytes, room: int) -> bytes:
    try:
        return inflate.decompress(chunk, room)
    except zlib.error:
        unpacked = None
    if unpacked is None:
        raise Invalid("the answer is no gzip data though it says so")
    return unpacked


def _failure(error: Exception, url: httpx.URL) -> GitHubError:
    """A foreign exception in our words. Only a failed connection's text is known to hold no header and no URL."""
    host = one_line(url.raw_host.decode())
    match error:
        case httpx.ConnectTimeout():
            return Unavailable(f"no connection to {host} in time")
        case httpx.ConnectError() | httpx.ProxyError():
            return Unavailable(f"no connection to {host}: {one_line(str(error))}")
        case httpx.RemoteProtocolError() | httpx.ReadError() | httpx.WriteError():
            return Unavailable(f"{_path(url)}: the connection broke before the answer was complete")
        case httpx.LocalProtocolError() | httpx.InvalidURL() | ValueError():
            return Invalid(f"{_path(url)}: the request cannot be sent ({type(error).__name__})")
        case _:
            return Unavailable(f"{_path(url)}: no answer from {host} ({type(error).__name__})")


def _silence() -> None:
    """Keep httpx from logging URLs and httpcore from logging headers, whatever the root logger's level is."""
    for name in ("httpx", "httpcore", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _version() -> str:
    try:
        return version("github-enterprise-exporter")
    except PackageNotFoundError:  # from a checkout that is not installed
        return "0"


_VERSION = _version()
_silence()
