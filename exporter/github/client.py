"""GitHub's API for one credential: single requests, lists of pages, files. Failures are errors of `errors.py`.

`sender.py` adds the token to each request, and sends it to its API root only. A credential that gets its token from
GitHub uses the same client (`exchange.py`).
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import httpx
from pydantic import SecretStr

from exporter.errors import CredentialRejected, GitHubError, Invalid, RateLimited, Refused
from exporter.fetching import Reply
from exporter.github.credentials import Credential
from exporter.github.dates import token_expiry
from exporter.github.downloads import Downloads
from exporter.github.exchange import Method, Sink
from exporter.github.links import Params, api_root, below, confined, next_link, path_of, wrong_api_url
from exporter.github.network import Network
from exporter.github.network.transport import open_transport
from exporter.github.pacing import Pool
from exporter.github.refusals import NOT_THE_API, OLDEST_VERSION, VERSION_UNKNOWN, may_be_temporary
from exporter.github.responses import RateLimit, RequestFailure, Success, meaning_of
from exporter.github.sender import AnswerBounds, Observe, Sender
from exporter.github.server_clock import ServerClock
from exporter.instants import utc_time


class GitHub:
    """GitHub's API for one credential.

    `token_expiry` is when the token expires (epoch seconds), by the headers of its responses; None where they do not
    say it, and for tokens of Apps, which are renewed all the time.
    """

    def __init__(
        self,
        credential: Credential,
        pool: Pool,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        observe: Observe | None = None,
        bounds: AnswerBounds | None = None,
        quoted: bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
        downloads: Downloads | None = None,
    ) -> None:
        """Open no connection yet; raises `GitHubError` for an API root, `ca_file` or proxy that cannot be used.

        Unless `quoted`, errors leave out GitHub's messages, which may name a person.
        """
        self.quoted = quoted
        self.token_expiry: float | None = None
        self._credential, self._pool, self._bounds = credential, pool, bounds or AnswerBounds()
        self._expiring = SecretStr("")
        self._accepted: SecretStr | None = None
        self._root = api_root(credential.api_url, f"the api_url of credential {credential.name}")
        advice = wrong_api_url(credential.api_url)
        self._misplaced = f"change the api_url of credential {credential.name}: {advice}" if advice else ""
        network = credential.network or Network()
        self._downloads = downloads or Downloads(network)
        self._sender = Sender(
            self._root,
            credential.api_version,
            pool,
            transport or open_transport(network, network.proxy_for(self._root), "API", keep=1),
            clock=clock,
            monotonic=monotonic,
            observe=observe,
            bounds=self._bounds,
            misplaced=self._misplaced,
        )

    @property
    def server_clock(self) -> ServerClock:
        """What is known of GitHub's clock; of another client of the same API it may be set."""
        return self._sender.server_clock

    @server_clock.setter
    def server_clock(self, clock: ServerClock) -> None:
        self._sender.server_clock = clock

    @property
    def skew(self) -> float:
        """GitHub's clock less ours in seconds; 0 until the first response."""
        return self._sender.server_clock.offset

    def clock_was_set(self) -> None:
        """Correct the skew after our wall clock was set."""
        self._sender.clock_was_set()

    def now(self) -> float:
        """GitHub's clock, epoch seconds."""
        return self._sender.now()

    def replaced_token(self) -> SecretStr | None:
        """The token that expires at `token_expiry`, if the credential has another one by now.

        It reads the credential's file: call it in the worker.
        """
        token = self._expiring
        is_replaced = self.token_expiry is not None and not self._credential.sends(token.get_secret_value())
        return token if is_replaced else None

    def forget_expiry(self, token: SecretStr | None) -> None:
        """Forget the expiry of a replaced token, unless `token_expiry` is already that of another one."""
        if token is not None and token == self._expiring:
            self.token_expiry = None

    async def post(self, path: str, content: Mapping[str, Any]) -> Reply:
        """The reply to a request that creates something. Raises `GitHubError`; GitHub may have created it anyway.

        It is sent once, and repeated only after a 401, when GitHub has created nothing.
        """
        return await self._ask(below(self._credential.api_url, path, None), "POST", json.dumps(content).encode())

    async def get(self, path: str, params: Params | None = None) -> Reply:
        """The reply, with a 2xx status; `path` is below the API root. Raises `GitHubError`."""
        return await self._ask(below(self._credential.api_url, path, params))

    def pages(self, path: str, params: Params | None = None) -> AsyncIterator[Reply]:
        """All pages, by their `Link` headers, one after another. After a `GitHubError` the walk is incomplete."""
        return self._pages(path, params)

    def stream(
        self, path: str, params: Params | None, take: Callable[[bytes], Awaitable[None]], most: int
    ) -> AsyncGenerator[Reply, None]:
        """All pages as `pages` gives them, for bodies too large for memory: `take` gets them, the replies have none.

        `take` gets each body decompressed, in pieces of at most 256 KiB, before its reply follows. A body may have
        `most` bytes, as sent and as decompressed. If no reply follows, the pieces are incomplete.
        """
        return self._pages(path, params, Sink(take, most))

    async def _pages(self, path: str, params: Params | None, sink: Sink | None = None) -> AsyncGenerator[Reply, None]:
        url = below(self._credential.api_url, path, params)
        visited = set()
        for _page in range(self._bounds.pages):
            visited.add(str(url))
            reply = await self._ask(url, sink=sink)
            yield reply
            following = self.next_page(reply)
            if following is None:
                return
            url = following
            if str(url) in visited:
                raise Invalid(f"{path}: the next-link leads to a page that was read already")
        raise Invalid(f"{path}: more than {self._bounds.pages} pages")

    def next_page(self, reply: Reply) -> httpx.URL | None:
        """The next page of a list; None if there is none. Raises `Invalid` for a link outside the API root."""
        link = next_link(reply.headers.get("link", ""))
        if link is None:
            return None
        # GitHub sends absolute URLs: they need no base.
        base = self._root if link.startswith("http") else self._root.join(reply.path)
        return confined(self._root, base, link, "next-link")

    def download(self, url: str, hosts: Sequence[str], most: int) -> AsyncGenerator[bytes, None]:
        """The decompressed pieces of a signed file, requested without any credential; see `downloads.py`."""
        return self._downloads.read(url, hosts, most)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._sender.aclose()
        await self._downloads.aclose()

    async def __call__(self, method: Method, path: str, bearer: str) -> Reply:
        """Send a request of a credential that gets its token from GitHub; see `exchange.py`. Raises `GitHubError`."""
        secret = SecretStr(bearer)
        del bearer  # a traceback with variables would show it
        result = await self._send(method, below(self._credential.api_url, path, None), secret, as_app=True)
        if isinstance(result, GitHubError):
            raise result
        return result

    async def _ask(
        self, url: httpx.URL, method: Method = "GET", content: bytes = b"", sink: Sink | None = None
    ) -> Reply:
        """The reply; after a 401 the request is repeated once if the credential has another token by then."""
        for may_renew in (True, False):
            token = SecretStr(await self._credential.token(self))
            result = await self._wait_for_acceptance(token, partial(self._send, method, url, token, content, sink))
            rejected = isinstance(result, CredentialRejected)
            if not (rejected and may_renew and await self._credential.renew(token.get_secret_value())):
                break
        if isinstance(result, GitHubError):
            raise result
        return result

    async def _wait_for_acceptance(
        self, token: SecretStr, send: Callable[[], Awaitable[Reply | GitHubError]]
    ) -> Reply | GitHubError:
        """The reply; a refused fresh token is tried again until GitHub's servers had time to learn of it."""
        result = await send()
        if may_be_temporary(result) and self._credential.is_fresh(token.get_secret_value(), self.now()):
            # A token that was accepted before is known everywhere: a later 403 is real.
            is_unknown = isinstance(result, CredentialRejected) or self._accepted != token
            for seconds in self._bounds.fresh_waits if is_unknown else ():
                await asyncio.sleep(seconds)
                result = await send()
                if not may_be_temporary(result):
                    break
        if not isinstance(result, CredentialRejected):
            self._accepted = token
        return result

    async def _send(
        self,
        method: Method,
        url: httpx.URL,
        bearer: SecretStr,
        content: bytes = b"",
        sink: Sink | None = None,
        *,
        as_app: bool = False,
    ) -> Reply | GitHubError:
        """The reply or the error, which is returned: a traceback would show a reply that echoes the token."""
        reply = await self._sender.send(method, url, bearer, content, sink)
        return reply if isinstance(reply, GitHubError) else self._judge(reply, bearer, as_app)

    def _judge(self, reply: Reply, bearer: SecretStr, as_app: bool) -> Reply | GitHubError:
        """The reply if it holds data, else an error for the operator; updates the pool."""
        now = self.now()
        # Redact the token in case the server echoes it.
        body = reply.body if reply.status < 300 else reply.body.replace(bearer.get_secret_value().encode(), b"<token>")
        limited_in_row, quoted = self._pool.limited_in_row, self.quoted or as_app
        meaning = meaning_of(reply.status, reply.headers, body, now, limited_in_row, quoted=quoted)
        if not as_app:
            self._note_expiry(reply, bearer)
            self._pool.learn(meaning, reply.status, reply.headers, now)
        elif not isinstance(meaning, Success):
            self._pool.learn(meaning, reply.status, {}, now)  # the App itself has another quota
        where = f"{reply.path} (credential {self._credential.name})"
        match meaning:
            case Success():
                return reply
            case RateLimit(reason=reason):
                return RateLimited(f"{where}: {reason}; {self._pause()}", self._pool.blocked_until)
            case RequestFailure(error=error, retry_at=retry_at):
                pause = f" (Retry-After); {self._pause()}" if retry_at else ""
                return type(error)(f"{where}: {error}{pause}", self._hint(reply.status, error))

    def _pause(self) -> str:
        return f"quota pool {self._pool.name} waits until {utc_time(self._pool.blocked_until)}"

    def _hint(self, status: int, error: GitHubError) -> str:
        """What to do about a failure: the error's own hint, or a better one that the settings suggest."""
        if self._misplaced and (status == 404 or error.hint == NOT_THE_API.hint):
            return self._misplaced
        # An appliance may reject an unknown API version without saying so.
        newer = self._credential.api_version != OLDEST_VERSION and path_of(self._root).endswith("/api/v3")
        return VERSION_UNKNOWN.hint if newer and status == 400 and error.hint == Refused.hint else error.hint

    def _note_expiry(self, reply: Reply, bearer: SecretStr) -> None:
        """Note when the token expires; a response without the header, such as a 401, changes nothing for that token."""
        expiry = token_expiry(reply.headers, self.now())
        if self._credential.token_kind() == "app" or (expiry is None and self._expiring == bearer):
            return
        self.token_expiry, self._expiring = expiry, bearer
