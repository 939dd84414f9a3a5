"""Sends requests below one API root and reads their responses; time, size and redirects are bounded.

Requests go to an httpx transport, not to httpx's client, which would send its default headers to any absolute URL, keep
cookies, and follow redirects to hosts that must not see the token. Exceptions of httpx hold URLs and header values:
they are converted to errors of `errors.py`, which are returned and raised elsewhere, so that no traceback leads back to
them, not even through a suppressed context.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

import httpx
from pydantic import SecretStr

from exporter.errors import GitHubError, Invalid, OverBudget, RateLimited, Unavailable
from exporter.fetching import Reply
from exporter.github.bodies import read_body, read_start, unpacked
from exporter.github.dates import http_date
from exporter.github.decoding import LARGEST
from exporter.github.exchange import Method, Sink
from exporter.github.hour import REQUEST_TIMEOUT
from exporter.github.links import REDIRECTS, below, confined, path_of
from exporter.github.network.connection_errors import StaleConnection, as_github_error
from exporter.github.pacing import Pool
from exporter.github.refusals import NOT_THE_API
from exporter.github.server_clock import ServerClock, is_of_github
from exporter.instants import utc_time

Observe = Callable[[str, str, float], None]
"""Called after each attempt with the name of the pool, the status (or `error`) and the duration in seconds."""

_SAME_METHOD = frozenset({307, 308})
_MAY_BE_LIMITED = frozenset({403, 429})


@dataclass(frozen=True, slots=True)
class AnswerBounds:
    """Bounds of one request, or of one walk over pages.

    - `body_bytes`: for the body as sent, and as decompressed.
    - `fresh_waits`: seconds before each retry with a token so new that some of GitHub's servers may not know it.
    - `stream_seconds`: the timeout of a response that is read piece by piece.
    """

    request_seconds: float = REQUEST_TIMEOUT
    stream_seconds: float = 120.0
    connect_seconds: float = 5.0
    body_bytes: int = LARGEST
    pages: int = 1000
    redirects: int = 3
    fresh_waits: Sequence[float] = (1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, slots=True)
class _ApiRequest:
    method: Method
    url: httpx.URL
    bearer: SecretStr
    content: bytes = b""
    sink: Sink | None = None

    @property
    def path(self) -> str:
        return path_of(self.url)


class Sender:
    """Sends the requests of one quota pool. `misplaced` is the hint for a probably wrong `api_url`, or empty."""

    def __init__(
        self,
        root: httpx.URL,
        api_version: str,
        pool: Pool,
        transport: httpx.AsyncBaseTransport,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        observe: Observe | None,
        bounds: AnswerBounds,
        misplaced: str,
    ) -> None:
        """Open no connection yet."""
        self.server_clock = ServerClock()
        self._root, self._api_version, self._pool, self._transport = root, api_version, pool, transport
        self._clock, self._monotonic, self._observe = clock, monotonic, observe
        self._bounds, self._misplaced = bounds, misplaced
        self._lead = clock() - monotonic()  # wall clock less monotonic clock, when the offset was last right
        self._timeout = httpx.Timeout(bounds.request_seconds, connect=bounds.connect_seconds).as_dict()

    def clock_was_set(self) -> None:
        """Correct the offset after our wall clock was set, unless a later response has corrected it already."""
        lead = self._clock() - self._monotonic()
        self.server_clock = self.server_clock.moved(self._lead - lead)
        self._lead = lead

    def now(self) -> float:
        """GitHub's clock, epoch seconds."""
        return self._clock() + self.server_clock.offset

    async def send(
        self, method: Method, url: httpx.URL, bearer: SecretStr, content: bytes = b"", sink: Sink | None = None
    ) -> Reply | GitHubError:
        """The response, whatever its status. An error is returned, not raised: no traceback shows URL or headers."""
        reply = await self._complete(_ApiRequest(method, url, bearer, content, sink))
        if isinstance(reply, Reply) and self.server_clock.doubtful and reply.status not in _MAY_BE_LIMITED:
            # Get a second `Date` before the clock is used. This request uses no quota; any response will do.
            await self._complete(_ApiRequest("GET", below(str(self._root), "/rate_limit", None), bearer))
        return reply

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def _complete(self, request: _ApiRequest) -> Reply | GitHubError:
        """The response after redirects within the root, or the error; bounded in time."""
        seconds = self._bounds.stream_seconds if request.sink else self._bounds.request_seconds
        try:
            async with asyncio.timeout(seconds):
                for _hop in range(self._bounds.redirects + 1):
                    reply = await self._retried(request)
                    redirected = self._redirected(request, reply)
                    if redirected is None:
                        return reply
                    request = redirected
                return Invalid(f"{request.path}: more than {self._bounds.redirects} redirects", self._misplaced)
        except GitHubError as error:
            return error.with_traceback(None)
        except TimeoutError:
            return Unavailable(f"{request.path}: no complete answer within {seconds:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
            return as_github_error(error, request.url)

    def _redirected(self, request: _ApiRequest, reply: Reply) -> _ApiRequest | None:
        """The request that a redirect asks for; None if the reply is no redirect. Raises `Invalid`."""
        location = reply.headers.get("location") if reply.status in REDIRECTS else None
        if location is None:
            return None
        if request.method != "GET" and reply.status not in _SAME_METHOD:
            raise Invalid(f"{request.path}: refused a redirect ({reply.status}) of a {request.method}")
        try:
            return replace(request, url=confined(self._root, request.url, location, "redirect"))
        except Invalid as error:
            error.hint = self._misplaced or NOT_THE_API.hint
            raise

    async def _retried(self, request: _ApiRequest) -> Reply:
        """The response; a GET is sent once more if it was sent over a kept connection that had ended."""
        try:
            return await self._attempt(request)
        except StaleConnection:
            if request.method != "GET":
                raise
        return await self._attempt(request)

    async def _attempt(self, request: _ApiRequest) -> Reply:
        """Send one request, unless the pool must wait; count and observe it."""
        self._check_pool()
        status, begun, sent_at = "error", self._monotonic(), self._clock()
        self._pool.sending(begun)
        try:
            response = await self._transport.handle_async_request(self._http_request(request))
            assert isinstance(response.stream, httpx.AsyncByteStream)
            async with aclosing(response.stream):
                headers = dict(response.headers.items())
                self._hear_date(response.status_code, headers, sent_at)
                body = await self._body(response, response.stream, request.sink)
            status = str(response.status_code)
            return Reply(response.status_code, headers, body, request.path)
        finally:
            self._pool.requests[status] = self._pool.requests.get(status, 0) + 1
            if self._observe is not None:
                self._observe(self._pool.name, status, max(0.0, self._monotonic() - begun))

    def _check_pool(self) -> None:
        """Raises `RateLimited` or `OverBudget` while nothing may be sent."""
        now, pool = self.now(), self._pool
        if blocked := pool.blocked(now):
            raise RateLimited(f"quota pool {pool.name} waits until {utc_time(blocked)}", blocked)
        if reserved := pool.reserved(now):
            why = f"only {pool.remaining:.0f} requests remain of the limit of quota pool {pool.name}"
            raise OverBudget(f"{why}; they are left to others until {utc_time(reserved)}", reserved)
        if spent := pool.spent(self._monotonic()):
            why = f"the budget of quota pool {pool.name} is spent"
            raise OverBudget(f"{why}; it waits until {utc_time(now + spent)}", now + spent)

    def _http_request(self, request: _ApiRequest) -> httpx.Request:
        return httpx.Request(
            request.method,
            request.url,
            headers={
                "Accept": "application/vnd.github+json",
                "Accept-Encoding": "gzip",
                "Authorization": f"Bearer {request.bearer.get_secret_value()}",
                "User-Agent": f"github-enterprise-exporter/{_VERSION}",
                "X-GitHub-Api-Version": self._api_version,
            },
            content=request.content or None,
            extensions={"timeout": self._timeout},
        )

    def _hear_date(self, status: int, headers: Mapping[str, str], sent_at: float) -> None:
        if is_of_github(status, headers):
            date = http_date(headers.get("date", ""))
            self.server_clock = self.server_clock.heard(date, sent_at, self._clock())
            if date is not None and not self.server_clock.doubtful:
                self._lead = self._clock() - self._monotonic()

    async def _body(self, response: httpx.Response, stream: httpx.AsyncByteStream, sink: Sink | None) -> bytes:
        """The decompressed body; empty if it went into the sink."""
        encoding = response.headers.get("content-encoding", "")
        if sink and response.is_success:
            async for piece in unpacked(stream, encoding, most=sink.most):
                await sink.take(piece)
            return b""
        read = read_body if response.is_success else read_start
        return await read(stream, encoding, self._bounds.body_bytes)


def _version() -> str:
    try:
        return version("github-enterprise-exporter")
    except PackageNotFoundError:  # from a checkout that is not installed
        return "0"


_VERSION = _version()
