"""Joins the body of an answer to a scrape from prepared pieces of GitHub's data and the exporter's own metrics."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from exporter.catalogue import Collector
from exporter.exposition.chunks import BodyStart, Chunk, deflate, finish_body, start_body
from exporter.exposition.store import Part, Store
from exporter.exposition.text import END, Format, header

OwnFamily = tuple[str, str, str, bytes]
"""A family of the exporter's own metrics that has samples, as (name, type, help, lines)."""

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
        own: Callable[[], Sequence[OwnFamily]],
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

    def answer(self, form: Format, *, gzip: bool, filters: Filters) -> Answer:
        """The answer to a scrape."""
        if filters != Filters():
            return self._join(form, gzip=gzip, filters=filters)
        answer = self._answers.get((form, gzip))
        if answer is None or not self._is_current(answer, self._clock()):
            answer = self._join(form, gzip=gzip, filters=filters, previous=answer)
            self._keep(form, answer, gzip=gzip)
        return answer

    def _is_current(self, answer: Answer, now: float) -> bool:
        return answer.generation == self._store.generation and now - answer.own_rendered_at < OWN_SECONDS

    def forget(self) -> None:
        """Drop the cached answers and the exporter's own metrics, so that the next answer is up to date."""
        self._answers.clear()
        self._own_rendered = (float("-inf"), ())

    def _own_families(self) -> tuple[float, Sequence[OwnFamily]]:
        """The exporter's own metrics, and when they were rendered (monotonic seconds)."""
        now = self._clock()
        if now - self._own_rendered[0] >= OWN_SECONDS:
            self._own_rendered = now, self._own()
        return self._own_rendered

    def _keep(self, form: Format, answer: Answer, *, gzip: bool) -> None:
        # Outdated answers of other formats are dropped: each is as large as all text and may never be requested again.
        current = {key: kept for key, kept in self._answers.items() if kept.generation == answer.generation}
        self._answers = current | {(form, gzip): answer}

    def _join(self, form: Format, *, gzip: bool, filters: Filters, previous: Answer | None = None) -> Answer:
        """Join an answer; the GitHub part of the `previous` one is used again unless something was published since."""
        generation, (own_rendered_at, own) = self._store.generation, self._own_families()
        parts: Sequence[Part] | None = None
        if previous and previous.start and previous.generation == generation:
            start = previous.start
        else:
            chunks, parts = self._github_part(form, filters)
            start = start_body(chunks, gzip=gzip)
        lines: list[bytes] = []
        for name, kind, text, samples in own:
            if filters.wants(name, kind):
                lines += (header(name, kind, text, form), samples)
        body = finish_body(start, b"".join([*lines, END[form]]), gzip=gzip)
        if filters == Filters():
            parts = None
        return Answer(body, generation, parts, own_rendered_at, start if gzip else None)

    def _github_part(self, form: Format, filters: Filters) -> tuple[list[Chunk], list[Part]]:
        """Headers and samples of GitHub's data, and the pieces that they come from."""
        chunks: list[Chunk] = []
        selected: list[Part] = []
        families = [name for name, (kind, _help) in self._families.items() if filters.wants(name, kind)]
        for name, parts in self._store.parts(families, filters.collectors):
            chunks.append(self._header(name, *self._families[name], form))
            for part in parts:
                chunks += part.piece.chunks
            selected += parts
        return chunks, selected

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
