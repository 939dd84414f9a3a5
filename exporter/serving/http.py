"""What the exporter answers: `/metrics`, `/`, `/api/v1/status`, `/-/healthy`, `/-/ready`, `/-/reload`.

An ASGI application over ready bytes.

A scrape never fetches and never renders GitHub's data; the exporter's own metrics are rendered once a second at most.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from exporter.catalogue import Collector
from exporter.exposition.render import CONTENT_TYPES, Chunk, Format, Opening, chunk, header, opening, whole
from exporter.exposition.store import Part, Store
from exporter.serving.negotiation import wanted_format, wants_gzip
from exporter.serving.page.style import CSP
from exporter.serving.server import CUT, send_body

OwnFamilies = Sequence[tuple[str, str, str, bytes]]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

OWN_SECONDS = 1.0
"""How old our own metrics may be."""
PLAIN = (b"content-type", b"text/plain; charset=utf-8")
HTML: Headers = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", CSP.encode()),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
JSON: Headers = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]


@dataclass(frozen=True, slots=True)
class Filters:
    """What a scrape asked for; None is everything. `names` are of samples or of families."""

    collectors: frozenset[str] | None = None
    names: frozenset[str] | None = None

    def wants(self, family: str, kind: str) -> bool:
        """Whether a family is asked for."""
        return self.names is None or not self.names.isdisjoint(_names(family, kind))


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes of `/metrics`, in slices that are sent one after another, and what they show.

    That is everything of a generation of the store, or `parts` of it. `second` is when our own part was rendered
    (monotonic). `opening` is GitHub's part of a deflated answer; None of any other, which would hold its text twice.
    """

    body: Sequence[bytes]
    generation: int
    parts: Sequence[Part] | None
    second: float
    opening: Opening | None = None


class Exposition:
    """Joins ready pieces into answers, family by family, one header each.

    The last answer of each form is served again until something is published or our own metrics are a second old.
    """

    def __init__(
        self, store: Store, collectors: Iterable[Collector], own: Callable[[], OwnFamilies], clock: Callable[[], float]
    ) -> None:
        self._store, self._own, self._clock = store, own, clock
        self._families: dict[str, tuple[str, str]] = {}
        for collector in collectors:
            for table in collector.tables:
                for family in table.families:  # of a family that several collectors fill, the first one tells
                    self._families.setdefault(family.name, (family.kind, collector.help(table, family)))
        self._headers: dict[tuple[str, Format], Chunk] = {}
        self._rendered: tuple[float, OwnFamilies] = (float("-inf"), ())
        self._ready: dict[tuple[Format, bool], Answer] = {}

    def answer(self, form: Format, *, gzip: bool, filters: Filters) -> Answer:
        """The whole answer; made anew after something was published, and our own part of it every second."""
        if filters != Filters():
            return self._join(form, gzip=gzip, filters=filters)
        now, ready = self._clock(), self._ready.get((form, gzip))
        if ready is None or not self._is_current(ready, now):
            ready = self._keep(form, self._join(form, gzip=gzip, filters=filters, before=ready), gzip=gzip)
        return ready

    def _is_current(self, answer: Answer, now: float) -> bool:
        return answer.generation == self._store.generation and now - answer.second < OWN_SECONDS

    def forget(self) -> None:
        """Give no answer again that was given before."""
        self._ready.clear()

    def _own_part(self) -> tuple[float, OwnFamilies]:
        """Our own metrics, and when they were rendered (monotonic)."""
        now = self._clock()
        if now - self._rendered[0] >= OWN_SECONDS:
            self._rendered = now, self._own()
        return self._rendered

    def _keep(self, form: Format, answer: Answer, *, gzip: bool) -> Answer:
        # What is out of date in another form is dropped: it is as large as all text, and may never be wanted again.
        fresh = {key: one for key, one in self._ready.items() if one.generation == answer.generation}
        self._ready = fresh | {(form, gzip): answer}
        return answer

    def _join(self, form: Format, *, gzip: bool, filters: Filters, before: Answer | None = None) -> Answer:
        """Join an answer; GitHub's part of one that was joined `before` serves again until something is published."""
        generation, (second, own) = self._store.generation, self._own_part()
        parts: Sequence[Part] | None = None
        if before and before.opening and before.generation == generation:
            first = before.opening
        else:
            chunks, parts = self._of_github(form, filters)
            first = opening(chunks, gzip=gzip)
        lines: list[bytes] = []
        for name, kind, text, samples in own:
            if filters.wants(name, kind):
                lines += (header(name, kind, text, form), samples)
        if form == "openmetrics":
            lines.append(b"# EOF\n")
        body = whole(first, b"".join(lines), gzip=gzip)
        return Answer(body, generation, None if filters == Filters() else parts, second, first if gzip else None)

    def _of_github(self, form: Format, filters: Filters) -> tuple[list[Chunk], list[Part]]:
        chunks: list[Chunk] = []
        shown: list[Part] = []
        wanted = [name for name, (kind, _help) in self._families.items() if filters.wants(name, kind)]
        for name, parts in self._store.parts(wanted, filters.collectors):
            chunks.append(self._header(name, *self._families[name], form))
            for part in parts:
                chunks += part.piece.chunks
            shown += parts
        return chunks, shown

    def _header(self, name: str, kind: str, text: str, form: Format) -> Chunk:
        header_chunk = self._headers.get((name, form))
        if header_chunk is None:
            header_chunk = self._headers[name, form] = chunk(header(name, kind, text, form))
        return header_chunk


@dataclass(slots=True)
class Web:
    """The application. `ready`, `page` and `status` are asked at each request; `clock` is monotonic.

    `reject` notes that a scrape was cut. `reload` reloads the configuration and gives why it was refused, or the empty
    text; None where that is switched off.
    """

    exposition: Exposition
    store: Store
    known_collectors: frozenset[str]
    telemetry_path: str
    max_requests: int
    reject: Callable[[], None]
    ready: Callable[[], bool]
    page: Callable[[], Awaitable[str]]
    status: Callable[[], Awaitable[str]]
    clock: Callable[[], float]
    reload: Callable[[], Awaitable[str]] | None = None
    taking: dict[object, Callable[[], None]] = field(default_factory=dict)
    """Who takes an answer of `/metrics` now, the longest first, and how to cut each of them."""

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"] == "/-/reload":
            await self._reload(scope, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await self._say(send, scope, 405, "only GET and HEAD\n", [(b"allow", b"GET, HEAD")])
        elif scope["path"] == self.telemetry_path:
            await self._metrics(scope, send)
        elif scope["path"] == "/":
            await _answer(send, scope, 200, HTML, (await self.page()).encode())
        elif scope["path"] == "/api/v1/status":
            await _answer(send, scope, 200, JSON, (await self.status()).encode())
        elif scope["path"] == "/-/healthy":
            await self._say(send, scope, 200, "healthy\n")
        elif scope["path"] == "/-/ready":
            ready = self.ready()
            await self._say(
                send, scope, 200 if ready else 503, "ready\n" if ready else "collectors have not tried yet\n"
            )
        else:
            await self._say(send, scope, 404, f"not found; metrics are at {self.telemetry_path}\n")

    async def _metrics(self, scope: Scope, send: Send) -> None:
        filters = _filters(scope["query_string"])
        if filters.collectors and (unknown := filters.collectors - self.known_collectors):
            known = ", ".join(sorted(self.known_collectors))
            await self._say(send, scope, 400, f"no collector {', '.join(sorted(unknown))}; there are: {known}\n")
            return
        if self.max_requests and len(self.taking) >= self.max_requests:
            self._cut_slowest()
        scrape = object()
        self.taking[scrape] = scope["extensions"][CUT]
        try:
            form, gzip = wanted_format(_header(scope, b"accept")), wants_gzip(_header(scope, b"accept-encoding"))
            answer = self.exposition.answer(form, gzip=gzip, filters=filters)
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
            self.taking.pop(scrape, None)

    async def _reload(self, scope: Scope, send: Send) -> None:
        """Reload; what the request's body holds is not read."""
        if scope["method"] not in ("POST", "PUT"):
            await self._say(send, scope, 405, "only POST and PUT\n", [(b"allow", b"POST, PUT")])
        elif self.reload is None:
            await self._say(send, scope, 403, "switched off: start the exporter with --web.enable-lifecycle\n")
        elif problem := await self.reload():
            await self._say(send, scope, 500, f"not reloaded, the old configuration stays:\n{problem}\n")
        else:
            await self._say(send, scope, 200, "reloaded\n")

    def _cut_slowest(self) -> None:
        """End the scrape that has been taking its answer the longest, so that clients that do not read lock nobody out.

        A scrape that reads is done within milliseconds.
        """
        self.reject()
        slowest = next(iter(self.taking))
        self.taking.pop(slowest)()

    async def _say(
        self, send: Send, scope: Scope, status: int, text: str, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        await _answer(send, scope, status, [PLAIN, *headers], text.encode())


async def _answer(send: Send, scope: Scope, status: int, headers: Headers, body: bytes) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _filters(query: bytes) -> Filters:
    """`collect[]` and `name[]`; other parameters are ignored, as are empty values."""
    pairs = parse_qsl(query.decode("latin-1"))
    collectors = frozenset(value for name, value in pairs if name == "collect[]")
    names = frozenset(value for name, value in pairs if name == "name[]")
    return Filters(collectors or None, names or None)


def _names(family: str, kind: str) -> set[str]:
    if kind == "counter":
        return {family, family.removesuffix("_total")}
    if kind == "histogram":
        return {family, *(family + suffix for suffix in ("_bucket", "_sum", "_count"))}
    return {family}


def _header(scope: Scope, name: bytes) -> str:
    return ",".join(value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name)
