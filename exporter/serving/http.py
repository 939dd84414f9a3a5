"""What the exporter answers: `/metrics`, `/`, `/-/healthy`, `/-/ready`. An ASGI application over ready bytes.

A scrape never fetches and never renders GitHub's data; the exporter's own metrics are rendered once a second at most.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl

from prometheus_client import Counter

from exporter.catalogue import Collector
from exporter.serving.naps import ANSWER, pause
from exporter.serving.negotiation import Format, wanted_format, wants_gzip
from exporter.serving.page_style import CSP
from exporter.serving.render import CONTENT_TYPES, Chunk, Opening, chunk, header, opening, whole
from exporter.serving.server import send_body
from exporter.serving.store import Part, Store

OwnFamilies = Sequence[tuple[str, str, str, bytes]]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

OWN_SECONDS = 1.0
"""How old our own metrics may be."""
YOUNG = 0.1
"""Seconds for which an answer that was right may be given while the next is being joined."""
PLAIN = (b"content-type", b"text/plain; charset=utf-8")
HTML: Headers = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", CSP.encode()),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
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
    (monotonic), `opening` GitHub's part of an answer that is deflated: of another it is all of the text once more.
    """

    body: Sequence[bytes]
    generation: int
    parts: Sequence[Part] | None
    second: float
    opening: Opening | None = None


class Exposition:
    """Joins ready pieces into answers, family by family, one header each.

    Answers are kept. What was right a tenth of a second ago is given once more while a worker thread joins the next:
    that touches every piece, or renders our own part, and takes longer than all else in a scrape.
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
        self._rendering = Lock()
        self._ready: dict[tuple[Format, bool], Answer] = {}
        self._right_at: dict[Format, float] = {}
        self._renewing: asyncio.Future[Answer] | None = None

    def answer(self, form: Format, *, gzip: bool, filters: Filters) -> Answer:
        """The whole answer; made anew after something was published, and our own part of it every second."""
        if filters != Filters():
            return self._join(form, gzip=gzip, filters=filters)
        now, ready = self._clock(), self._ready.get((form, gzip))
        if ready and ready.opening and not self._right(ready, now) and now - self._right_at[form] < YOUNG:
            self._renew(form, ready)
            return ready
        self._right_at[form] = now
        if ready is None or not self._right(ready, now):
            ready = self._keep(form, self._join(form, gzip=gzip, filters=filters, before=ready), gzip=gzip)
        return ready

    def _right(self, answer: Answer, now: float) -> bool:
        return answer.generation == self._store.generation and now - answer.second < OWN_SECONDS

    def last(self) -> bytes:
        """What is true after a restart, too, as text in gzip: GitHub's samples and our gauges, but not our counts."""
        with self._rendering:
            own = [one for one in self._own() if one[0].startswith("github_") and one[1] == "gauge"]
            self._rendered = self._clock(), own
        return b"".join(self._join("text", gzip=True, filters=Filters()).body)

    def _own_part(self) -> tuple[float, OwnFamilies]:
        """When our own metrics were rendered (monotonic), and they."""
        with self._rendering:  # two threads that did it at once could put the older ones last, and counters would fall
            now = self._clock()
            if now - self._rendered[0] >= OWN_SECONDS:
                self._rendered = now, self._own()
            return self._rendered

    def _keep(self, form: Format, answer: Answer, *, gzip: bool) -> Answer:
        # What is out of date in another form is dropped: it is as large as all text, and may never be wanted again.
        fresh = {key: one for key, one in self._ready.items() if one.generation == answer.generation}
        self._ready = fresh | {(form, gzip): answer}
        return answer

    def _renew(self, form: Format, before: Answer) -> None:
        """Let a worker thread join the answer, if it does not yet."""
        if self._renewing is None:

            def work() -> Answer:
                pause(ANSWER)  # who asked takes the answer now, and may need the processor that this would take
                return self._join(form, gzip=True, filters=Filters(), before=before)

            self._renewing = asyncio.get_running_loop().run_in_executor(None, work)
            self._renewing.add_done_callback(partial(self._renewed, form))

    def _renewed(self, form: Format, made: "asyncio.Future[Answer]") -> None:
        self._renewing = None
        if made.cancelled() or made.exception():  # whoever asks next will see
            return
        answer, ready = made.result(), self._ready.get((form, True))
        if answer.generation == self._store.generation and (ready is None or ready.second <= answer.second):
            self._keep(form, answer, gzip=True)  # nothing was published while it was joined, nor a newer one made

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
        made = self._headers.get((name, form))
        if made is None:
            made = self._headers[name, form] = chunk(header(name, kind, text, form))
        return made


@dataclass(slots=True)
class Web:
    """The application. `ready` and `page` are asked at each request; `clock` is monotonic."""

    exposition: Exposition
    store: Store
    known_collectors: frozenset[str]
    telemetry_path: str
    max_requests: int
    rejected: Counter
    ready: Callable[[], bool]
    page: Callable[[], str]
    clock: Callable[[], float]
    in_flight: int = 0

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] not in ("GET", "HEAD"):
            await self._say(send, scope, 405, "only GET and HEAD\n", [(b"allow", b"GET, HEAD")])
        elif scope["path"] == self.telemetry_path:
            await self._metrics(scope, send)
        elif scope["path"] == "/":
            await _answer(send, scope, 200, HTML, self.page().encode())
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
        if self.max_requests and self.in_flight >= self.max_requests:
            self.rejected.inc()
            await self._say(send, scope, 503, f"{self.in_flight} scrapes are being answered (--web.max-requests)\n")
            return
        filters = _filters(scope["query_string"])
        if filters.collectors and (unknown := filters.collectors - self.known_collectors):
            known = ", ".join(sorted(self.known_collectors))
            await self._say(send, scope, 400, f"no collector {', '.join(sorted(unknown))}; there are: {known}\n")
            return
        self.in_flight += 1
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
            self.in_flight -= 1

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
