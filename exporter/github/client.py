"""The only door out to GitHub's API: one credential, one API root, nothing unbounded.

A credential is added to each request on its own, and only below its API root. What it must ask GitHub for its token
goes through the same client (`exchange.py`). Requests go to httpx' transport: its client would send default headers to
any absolute URL, keep cookies, log URLs and read what redirects say. Foreign exceptions hold URLs and header values,
so they become values of `errors.py` where they are caught, and those are raised elsewhere: no traceback, not even a
suppressed context, leads back to them.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import httpx
from pydantic import SecretStr

from exporter.github.bodies import read_body
from exporter.github.budget import TRAVEL
from exporter.github.credentials import Credential
from exporter.github.dates import clock_time, http_date
from exporter.github.downloads import Downloads
from exporter.github.errors import CredentialRejected, GitHubError, Invalid, OverBudget, RateLimited, Unavailable
from exporter.github.exchange import Method, Reply
from exporter.github.links import Params, api_root, below, confined, next_link, path_of
from exporter.github.pacing import GiveUp, Ok, Pool, WaitUntil, verdict
from exporter.github.transport import in_our_words, open_transport, silence

__all__ = ["GitHub", "Limits", "Reply"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD = frozenset({307, 308})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request, or one walk over pages, may cost at most. The body's size counts packed and unpacked."""

    request_seconds: float = TRAVEL
    connect_seconds: float = 5.0
    body_bytes: int = 16 * 1024 * 1024
    pages: int = 1000
    redirects: int = 3


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
        quoted: bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
        downloads: Downloads | None = None,
    ) -> None:
        """Connect to nothing yet; raises `GitHubError` for an API root, `ca_file` or proxy that cannot be used.

        `observe` is told pool, status (or `error`) and seconds of each attempt. Unless `quoted`, GitHub's messages,
        which may name a person, are not repeated.
        """
        self.skew = 0.0
        self.skew_known = False
        self._credential, self._pool = credential, pool
        self._clock, self._monotonic, self._observe = clock, monotonic, observe
        self._limits, self._quoted = limits or Limits(), quoted
        self._root = api_root(credential.api_url, f"the api_url of credential {credential.name}")
        self._timeout = httpx.Timeout(self._limits.request_seconds, connect=self._limits.connect_seconds).as_dict()
        silence()
        self._transport = transport or open_transport(credential, self._root, proxy)
        self._downloads = downloads or Downloads(proxy=proxy)

    def now(self) -> float:
        """GitHub's clock, epoch seconds."""
        return self._clock() + self.skew

    async def post(self, path: str, content: Mapping[str, Any]) -> Reply:
        """The answer to a request that makes something. Raises `GitHubError`; it may have been done all the same.

        It is sent once: again only after a 401, when GitHub did nothing.
        """
        return await self._ask(below(self._credential.api_url, path, None), "POST", json.dumps(content).encode())

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

    def download(self, url: str, hosts: Sequence[str], most: int) -> AsyncGenerator[bytes, None]:
        """A signed file, unpacked, piece by piece, as `downloads.py` says: without this or any other credential."""
        return self._downloads.read(url, hosts, most)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()
        await self._downloads.aclose()

    async def __call__(self, method: Method, path: str, bearer: str) -> Reply:
        """Ask what a credential needs to make its token, as `exchange.py` says. Raises `GitHubError`."""
        secret = SecretStr(bearer)
        del bearer  # a traceback with variables would show it
        answer = await self._follow(method, below(self._credential.api_url, path, None), secret, as_app=True)
        if isinstance(answer, GitHubError):
            raise answer
        return answer

    async def _ask(self, url: httpx.URL, method: Method = "GET", content: bytes = b"") -> Reply:
        """One answer; after a 401 it is asked for once more if the credential has another token by then."""
        for may_renew in (True, False):
            token = SecretStr(await self._credential.token(self))
            answer = await self._follow(method, url, token, as_app=False, content=content)
            rejected = isinstance(answer, CredentialRejected)
            if not (rejected and may_renew and self._credential.renew(token.get_secret_value())):
                break
        if isinstance(answer, GitHubError):
            raise answer
        return answer

    def _heed_limits(self) -> None:
        """Before each request: what GitHub wants, what is left to others, what our budget allows."""
        now, pool = self.now(), self._pool
        if blocked := pool.blocked(now):
            raise RateLimited(f"quota pool {pool.name} waits until {clock_time(blocked)}", blocked)
        if reserved := pool.reserved(now):
            why = f"only {pool.remaining:.0f} requests remain of the limit of quota pool {pool.name}"
            raise OverBudget(f"{why}; they are left to others until {clock_time(reserved)}", reserved)
        if spent := pool.spent(self._monotonic()):
            why = f"the budget of quota pool {pool.name} is spent"
            raise OverBudget(f"{why}; it waits until {clock_time(now + spent)}", now + spent)

    async def _follow(
        self, method: Method, url: httpx.URL, bearer: SecretStr, as_app: bool, content: bytes = b""
    ) -> Reply | GitHubError:
        """Ask, and follow redirects within the root; a failure is returned, for what it comes from must not show."""
        try:
            async with asyncio.timeout(self._limits.request_seconds):
                for _hop in range(self._limits.redirects + 1):
                    reply = await self._attempt(method, url, bearer, content)
                    location = reply.headers.get("location") if reply.status in _REDIRECTS else None
                    if location is None:
                        return self._judged(reply, bearer, as_app)
                    if method != "GET" and reply.status not in _SAME_METHOD:
                        return Invalid(f"{path_of(url)}: refused a redirect ({reply.status}) of a {method}")
                    url = confined(self._root, url, location, "redirect")
                return Invalid(f"{path_of(url)}: more than {self._limits.redirects} redirects")
        except GitHubError as error:
            return error.with_traceback(None)
        except TimeoutError:
            return Unavailable(f"{path_of(url)}: no complete answer within {self._limits.request_seconds:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
            return in_our_words(error, url)

    async def _attempt(self, method: Method, url: httpx.URL, bearer: SecretStr, content: bytes) -> Reply:
        request = httpx.Request(
            method,
            url,
            headers={
                "Accept": "application/vnd.github+json",
                "Accept-Encoding": "gzip",
                "Authorization": f"Bearer {bearer.get_secret_value()}",
                "User-Agent": f"github-enterprise-exporter/{_VERSION}",
                "X-GitHub-Api-Version": self._credential.api_version,
            },
            content=content or None,
            extensions={"timeout": self._timeout},
        )
        self._heed_limits()
        status, begun, asked = "error", self._monotonic(), self._clock()
        self._pool.sending(begun)
        try:
            response = await self._transport.handle_async_request(request)
            assert isinstance(response.stream, httpx.AsyncByteStream)
            async with aclosing(response.stream):
                headers = dict(response.headers.items())
                self._see_date(headers.get("date", ""), asked, self._clock())
                body = await read_body(response.stream, headers.get("content-encoding", ""), self._limits.body_bytes)
            status = str(response.status_code)
            return Reply(response.status_code, headers, body, path_of(url))
        finally:
            self._pool.requests[status] = self._pool.requests.get(status, 0) + 1
            if self._observe is not None:
                self._observe(self._pool.name, status, max(0.0, self._monotonic() - begun))

    def _judged(self, reply: Reply, bearer: SecretStr, as_app: bool) -> Reply | GitHubError:
        now = self.now()
        # GitHub's words are shown; whoever echoes the bearer shall not bring it into a message.
        body = reply.body if reply.status < 300 else reply.body.replace(bearer.get_secret_value().encode(), b"<token>")
        found = verdict(
            reply.status, reply.headers, body, now, self._pool.limited_in_row, quoted=self._quoted or as_app
        )
        if not as_app:
            self._pool.learn(found, reply.status, reply.headers, now)
        elif isinstance(found, WaitUntil):
            self._pool.learn(found, reply.status, {}, now)  # the App's own quota is not the pool's
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


def _version() -> str:
    try:
        return version("github-enterprise-exporter")
    except PackageNotFoundError:  # from a checkout that is not installed
        return "0"


_VERSION = _version()
