"""The only door out to GitHub's API: one credential, one API root, nothing unbounded.

A credential is added to each request on its own, and only below its API root. Requests go to httpx' transport: its
client would send default headers to any absolute URL, keep cookies, log URLs and read what redirects say. Foreign
exceptions hold URLs and header values, so they become values of `errors.py` where they are caught, and those are
raised elsewhere: no traceback, not even a suppressed context, leads back to them.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import httpx

from exporter.github.bodies import read_body
from exporter.github.credentials import Credential
from exporter.github.errors import GitHubError, Invalid, RateLimited, Unavailable
from exporter.github.links import Params, api_root, below, confined, next_link, path_of, proxy_url
from exporter.github.pacing import GiveUp, Ok, Pool, WaitUntil, clock_time, http_date, one_line, verdict

_CONNECTIONS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


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
        self._root = api_root(credential.api_url, f"the api_url of credential {credential.name}")
        self._timeout = httpx.Timeout(self._limits.request_seconds, connect=self._limits.connect_seconds).as_dict()
        _silence()
        self._transport = transport or _transport(credential, self._root, proxy)

    def now(self) -> float:
        """GitHub's clock, epoch seconds."""
        return self._clock() + self.skew

    async def get(self, path: str, params: Params | None = None) -> Reply:
        """One answer with a 2xx status; `path` is below the API root. Raises `GitHubError`."""
        return await self._ask(below(self._credential.api_url, path, params))

    async def pages(self, path: str, params: Params | None = None) -> AsyncIterator[Reply]:
        """All pages, by their `Link` headers, one after another. Raises `GitHubError`, then the walk is incomplete."""
        url = below(self._credential.api_url, path, params)
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
                return Invalid(f"{path_of(url)}: more than {self._limits.redirects} redirects")
        except GitHubError as error:
            return error.with_traceback(None)
        except TimeoutError:
            return Unavailable(f"{path_of(url)}: no complete answer within {self._limits.request_seconds:g} s")
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
                body = await read_body(
                    response.stream, response.headers.get("content-encoding", ""), self._limits.body_bytes
                )
            status = str(response.status_code)
            return Reply(response.status_code, dict(response.headers.items()), body, path_of(url))
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


def _transport(credential: Credential, root: httpx.URL, proxy: str | None) -> httpx.AsyncHTTPTransport:
    through = None if proxy is None else httpx.Proxy(proxy_url(proxy))
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


def _failure(error: Exception, url: httpx.URL) -> GitHubError:
    """A foreign exception in our words. Only a failed connection's text is known to hold no header and no URL."""
    host = one_line(url.raw_host.decode())
    match error:
        case httpx.ConnectTimeout():
            return Unavailable(f"no connection to {host} in time")
        case httpx.ConnectError() | httpx.ProxyError():
            return Unavailable(f"no connection to {host}: {one_line(str(error))}")
        case httpx.RemoteProtocolError() | httpx.ReadError() | httpx.WriteError():
            return Unavailable(f"{path_of(url)}: the connection broke before the answer was complete")
        case httpx.LocalProtocolError() | httpx.InvalidURL() | ValueError():
            return Invalid(f"{path_of(url)}: the request cannot be sent ({type(error).__name__})")
        case _:
            return Unavailable(f"{path_of(url)}: no answer from {host} ({type(error).__name__})")


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
