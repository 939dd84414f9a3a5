"""Joins the body of an answer to a scrape from prepared pieces of GitHub's data and the exporter's own metrics.

With a thousand organizations that takes half a second, so it is done in steps of some milliseconds, between which the
event loop does other things. An answer of a few thousand pieces takes one step.
"""

import asyncio
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TypeVar

from exporter.catalogue import Collector
from exporter.exposition.chunks import BodyStart, Chunk, deflate, finish_body, start_body, with_text
from exporter.exposition.store import Entry, Part, Store, add_entries, parts_of
from exporter.exposition.text import END, Format, header

Result = TypeVar("Result")
OwnFamily = tuple[str, str, str, bytes]
"""A family of the exporter's own metrics that has samples, as (name, type, help, lines)."""

OwnParts = Callable[[], Iterable[Sequence[OwnFamily]]]
"""Gives all families in parts, each of which takes some milliseconds at most to render."""
Steps = Generator[None, None, Result]
"""Steps to a result. It yields where others may have their turn, a few times or never."""

ENTRIES_AT_ONCE = 2_000
CHUNKS_AT_ONCE = 5_000
BYTES_AT_ONCE = 1024 * 1024
OWN_BYTES_AT_ONCE = 256 * 1024
"""How much is joined, or compressed, in one step: it takes some milliseconds."""
OWN_SECONDS = 1.0
"""For how many seconds the exporter's own metrics are served before they are rendered again."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a scrape asks for; None is everything. `names` are names of samples or of families."""

    collectors: frozenset[str] | None = None
    names: frozenset[str] | None = None

    def wants(self, family: str, kind: str) -> bool:
        """Whether a family is asked for."""
        return self.names is None or not self.names.isdisjoint(_names(family, kind))


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes of `/metrics`, in slices that are sent one after another, and what they show.

    That is everything in a generation of the store (`parts` is None), or the `parts` that the filters select.
    `own_rendered_at` is when the exporter's own metrics were rendered (monotonic seconds). `start` is the GitHub part
    of a compressed answer, for the next answer; None if uncompressed, because the text would be stored twice.
    """

    body: Sequence[bytes]
    generation: int
    parts: Sequence[Part] | None
    own_rendered_at: float
    start: BodyStart | None = None


class Exposition:
    """Joins ready pieces into answers, family by family, one header each.

    `own` renders the exporter's own metrics. The last unfiltered answer of each format and encoding is served again
    until something is published or the exporter's own metrics are a second old.
    """

    def __init__(
        self,
        store: Store,
        collectors: Iterable[Collector],
        own: OwnParts,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._own, self._clock = store, own, clock
        self._families: dict[str, tuple[str, str]] = {}
        for collector in collectors:
            for table in collector.tables:
                for family in table.families:  # where several collectors fill a family, the first one's help is shown
                    self._families.setdefault(family.name, (family.kind, collector.help(table, family)))
        self._headers: dict[tuple[str, Format], Chunk] = {}
        self._own_rendered: tuple[float, Sequence[OwnFamily]] = (float("-inf"), ())
        self._answers: dict[tuple[Format, bool], Answer] = {}
        self._forgotten = 0

    async def answer(self, form: Format, *, gzip: bool, filters: Filters) -> Answer:
        """The answer to a scrape."""
        steps = self._answer(form, gzip=gzip, filters=filters)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                answer: Answer = end.value
                return answer
            await asyncio.sleep(0)

    def _answer(self, form: Format, *, gzip: bool, filters: Filters) -> Steps[Answer]:
        if filters != Filters():
            return (yield from self._join(form, gzip=gzip, filters=filters))
        answer = self._answers.get((form, gzip))
        if answer is None or not self._is_current(answer, self._clock()):
            times = self._forgotten
            answer = yield from self._join(form, gzip=gzip, filters=filters, previous=answer)
            if times == self._forgotten:
                self._keep(form, answer, gzip=gzip)
        return answer

    def _is_current(self, answer: Answer, now: float) -> bool:
        return answer.generation == self._store.generation and now - answer.own_rendered_at < OWN_SECONDS

    def forget(self) -> None:
        """Drop the cached answers and the exporter's own metrics, so that the next answer is up to date."""
        self._answers.clear()
        self._own_rendered = (float("-inf"), ())
        self._forgotten += 1

    def _own_families(self) -> Steps[tuple[float, Sequence[OwnFamily]]]:
        """The exporter's own metrics, and when they were rendered (monotonic seconds)."""
        now, times = self._clock(), self._forgotten
        if now - self._own_rendered[0] < OWN_SECONDS:
            return self._own_rendered
        families: list[OwnFamily] = []
        size = 0
        for part in self._own():
            families += part
            size += sum(len(lines) for _name, _kind, _help, lines in part)
            if size > OWN_BYTES_AT_ONCE or not part:
                size = 0
                yield
        rendered = now, sorted(families, key=itemgetter(0))
        if times == self._forgotten:
            self._own_rendered = rendered
        return rendered

    def _keep(self, form: Format, answer: Answer, *, gzip: bool) -> None:
        # Outdated answers of other formats are dropped: each is as large as all text and may never be requested again.
        current = {key: kept for key, kept in self._answers.items() if kept.generation == answer.generation}
        self._answers = current | {(form, gzip): answer}

    def _join(self, form: Format, *, gzip: bool, filters: Filters, previous: Answer | None = None) -> Steps[Answer]:
        """Join an answer; the GitHub part of the `previous` one is used again unless something was published since."""
        own_rendered_at, own = yield from self._own_families()
        generation, parts = self._store.generation, None
        if previous and previous.start and previous.generation == generation:
            start = previous.start
        else:
            start, parts = yield from self._github_part(form, filters, gzip=gzip)
        body, lines = start, bytearray()
        for name, kind, text, samples in own:
            if filters.wants(name, kind):
                lines += header(name, kind, text, form) + samples
            if len(lines) > BYTES_AT_ONCE:
                body, lines = with_text(body, bytes(lines), gzip=gzip), bytearray()
                yield
        whole = finish_body(body, bytes(lines) + END[form], gzip=gzip)
        return Answer(whole, generation, parts, own_rendered_at, start if gzip else None)

    def _github_part(
        self, form: Format, filters: Filters, *, gzip: bool
    ) -> Steps[tuple[BodyStart, Sequence[Part] | None]]:
        """Headers and samples of GitHub's data, and the pieces that the filters select, None for all."""
        entries = list(self._store)  # what is published meanwhile is in the next answer
        by_family: dict[str, list[Entry]] = {
            name: [] for name, (kind, _help) in self._families.items() if filters.wants(name, kind)
        }
        for at in range(0, len(entries), ENTRIES_AT_ONCE):
            add_entries(by_family, entries[at : at + ENTRIES_AT_ONCE], filters.collectors)
            if at + ENTRIES_AT_ONCE < len(entries):
                yield
        start, chunks = start_body((), gzip=gzip), list[Chunk]()
        for name, shown in by_family.items():
            if shown:
                chunks.append(self._header(name, *self._families[name], form))
            for entry in shown:
                chunks += entry.pieces[name].chunks
                if len(chunks) >= CHUNKS_AT_ONCE:
                    start, chunks = start_body(chunks, gzip=gzip, before=start), []
                    yield
        parts = None if filters == Filters() else parts_of(by_family)
        return start_body(chunks, gzip=gzip, before=start), parts

    def _header(self, name: str, kind: str, text: str, form: Format) -> Chunk:
        chunk = self._headers.get((name, form))
        if chunk is None:
            chunk = self._headers[name, form] = deflate(header(name, kind, text, form))
        return chunk


def _names(family: str, kind: str) -> set[str]:
    """The names by which a family can be asked for: its own, and those of its samples."""
    if kind == "counter":
        return {family, family.removesuffix("_total")}
    if kind == "histogram":
        return {family, *(family + suffix for suffix in ("_bucket", "_sum", "_count"))}
    return {family}
