"""The ASGI application: `/metrics`, `/`, `/api/v1/status`, `/-/healthy`, `/-/ready`, `/-/reload`.

A scrape never fetches and never renders GitHub's data; the exporter's own metrics are rendered once a second at most.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from exporter.exposition.answers import Exposition, Filters
from exporter.exposition.store import Store
from exporter.exposition.text import CONTENT_TYPES
from exporter.serving.connection import CUT, TAKEN, Receive, Send, send_body
from exporter.serving.negotiation import accepted_format, accepts_gzip
from exporter.serving.page.style import CSP

Scope = dict[str, Any]
Headers = list[tuple[bytes, bytes]]

NOSNIFF = (b"x-content-type-options", b"nosniff")
PLAIN: Headers = [(b"content-type", b"text/plain; charset=utf-8"), NOSNIFF]
HTML: Headers = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", CSP.encode()),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    NOSNIFF,
]
JSON: Headers = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    NOSNIFF,
]

GRACE = 0.1
"""Seconds that a scrape may take before another one can end it. A client that reads has its answer in milliseconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Scrape:
    """A scrape that is being answered: since when (loop's clock), and the extensions of its connection."""

    began: float
    cut: Callable[[], None]
    is_taken: Callable[[], bool]


@dataclass(slots=True)
class Web:
    """The application. `ready`, `page` and `status` are called at each request; `clock` is monotonic.

    `page` takes the target that is asked for, as `organization/acme`; it is empty if all are.

    `count_rejected` is called for each scrape that is cut. `reload` reloads the configuration and returns why it was
    refused, empty if it was not; `reload` is None where that is switched off.
    """

    exposition: Exposition
    store: Store
    known_collectors: frozenset[str]
    telemetry_path: str
    max_requests: int
    count_rejected: Callable[[], None]
    ready: Callable[[], bool]
    page: Callable[[str], Awaitable[str]]
    status: Callable[[], Awaitable[str]]
    clock: Callable[[], float]
    reload: Callable[[], Awaitable[str]] | None = None
    scrapes: dict[Scrape, None] = field(default_factory=dict)
    """Those that have a place, the oldest first."""
    _places: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        """Make the places."""
        self._places = asyncio.Semaphore(self.max_requests)

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"] == "/-/reload":
            await self._reload(scope, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await self._answer_text(send, scope, 405, "only GET and HEAD\n", [(b"allow", b"GET, HEAD")])
        elif scope["path"] == self.telemetry_path:
            await self._metrics(scope, send)
        elif scope["path"] == "/":
            await _answer(send, scope, 200, HTML, _utf8(await self.page(_target(scope["query_string"]))))
        elif scope["path"] == "/api/v1/status":
            await _answer(send, scope, 200, JSON, _utf8(await self.status()))
        elif scope["path"] == "/-/healthy":
            await self._answer_text(send, scope, 200, "healthy\n")
        elif scope["path"] == "/-/ready":
            ready = self.ready()
            await self._answer_text(
                send, scope, 200 if ready else 503, "ready\n" if ready else "collectors have not tried yet\n"
            )
        else:
            await self._answer_text(
                send, scope, 404, f"not found; metrics are at {scope['root_path']}{self.telemetry_path}\n"
            )

    async def _metrics(self, scope: Scope, send: Send) -> None:
        filters = _filters(scope["query_string"])
        if filters.collectors and (unknown := filters.collectors - self.known_collectors):
            known = ", ".join(sorted(self.known_collectors))
            text = f"no collector {', '.join(sorted(unknown))}; there are: {known}\n"
            await self._answer_text(send, scope, 400, text)
            return
        scrape = await self._placed(scope["extensions"])
        try:
            form, gzip = accepted_format(_header(scope, b"accept")), accepts_gzip(_header(scope, b"accept-encoding"))
            answer = await self.exposition.answer(form, gzip=gzip, filters=filters)
            headers = [(b"content-type", CONTENT_TYPES[form].encode()), (b"vary", b"accept, accept-encoding")]
            if gzip:
                headers.append((b"content-encoding", b"gzip"))
            if scope["method"] == "HEAD":
                await _answer(send, scope, 200, headers, b"".join(answer.body))
            elif await send_body(send, 200, headers, answer.body):
                if answer.parts is None:
                    self.store.sent(answer.generation, self.clock())
                else:
                    self.store.sent_parts(answer.parts, self.clock())
        finally:
            self._leave(scrape)

    async def _reload(self, scope: Scope, send: Send) -> None:
        """Reload the configuration. The request's body is ignored."""
        if scope["method"] not in ("POST", "PUT"):
            await self._answer_text(send, scope, 405, "only POST and PUT\n", [(b"allow", b"POST, PUT")])
        elif self.reload is None:
            await self._answer_text(send, scope, 403, "switched off: start the exporter with --web.enable-lifecycle\n")
        elif problem := await self.reload():
            await self._answer_text(send, scope, 500, f"not reloaded, the old configuration stays:\n{problem}\n")
        else:
            await self._answer_text(send, scope, 200, "reloaded\n")

    async def _placed(self, extensions: dict[str, Any]) -> Scrape:
        """Wait for one of the places; where a scrape takes longer than `GRACE`, it is cut."""
        while self.max_requests:
            if self._places.locked():
                self._make_room()
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE):
                    await self._places.acquire()
                    break
        scrape = Scrape(asyncio.get_running_loop().time(), extensions[CUT], extensions[TAKEN])
        self.scrapes[scrape] = None
        return scrape

    def _make_room(self) -> None:
        """Cut the oldest scrape, so that clients that do not read their answer cannot block others.

        One whose answer the kernel has needs no place.
        """
        for scrape in [scrape for scrape in self.scrapes if scrape.is_taken()]:
            self._leave(scrape)
        oldest = next(iter(self.scrapes), None)
        if self._places.locked() and oldest and asyncio.get_running_loop().time() - oldest.began >= GRACE:
            self.count_rejected()
            oldest.cut()
            self._leave(oldest)

    def _leave(self, scrape: Scrape) -> None:
        if self.scrapes.pop(scrape, scrape) is None:
            self._places.release()

    async def _answer_text(
        self, send: Send, scope: Scope, status: int, text: str, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        await _answer(send, scope, status, [*PLAIN, *headers], _utf8(text))


async def _answer(send: Send, scope: Scope, status: int, headers: Headers, body: bytes) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _utf8(text: str) -> bytes:
    """The text as bytes. Paths of files that are not UTF-8 have lone surrogates, as Python reads them."""
    return text.encode(errors="backslashreplace")


def _filters(query: bytes) -> Filters:
    """The filters of a query: `collect[]` and `name[]`; other parameters and empty values are ignored."""
    pairs = parse_qsl(query.decode("latin-1"))
    collectors = frozenset(value for name, value in pairs if name == "collect[]")
    names = frozenset(value for name, value in pairs if name == "name[]")
    return Filters(collectors or None, names or None)


def _target(query: bytes) -> str:
    """The target whose sources the page shows, in the form of the label `target`; empty for all."""
    return dict(parse_qsl(query.decode("latin-1"))).get("target", "")


def _header(scope: Scope, name: bytes) -> str:
    return ",".join(value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name)
