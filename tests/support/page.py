"""The status page of some entries, parsed."""

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from exporter.collectors import summary_stats
from exporter.errors import Reason
from exporter.exposition.chunks import deflate
from exporter.exposition.render import Piece
from exporter.exposition.snapshot import Outcome, Snapshot, status_of
from exporter.exposition.store import Entry
from exporter.jobs import Target
from exporter.serving.page.page import status_page
from exporter.serving.page.quotas import Quota
from exporter.settings.web import DOCS_URL
from tests.support.jobs import job_of

NOW = 1_795_273_200.0


FINE = Snapshot(outcome=Outcome(NOW - 60, 1.0), last_success=NOW - 60, data_time=NOW - 7_200, next_run=NOW + 1_740)
WAITING = Snapshot(next_run=NOW)


def failed(reason: Reason, message: str = "GitHub answers 503", **more: Any) -> Snapshot:
    state = "forbidden" if reason == "credential" else reason
    return replace(FINE, outcome=Outcome(NOW - 60, 1.0, state, reason, message), failures=3, **more)


def entry(snapshot: Snapshot, collector: Any = summary_stats.COLLECTOR, target: str = "acme", **job: Any) -> Entry:
    made = replace(job_of(collector), target=Target(collector.scope, target, job.pop("credential", "token")), **job)
    return Entry(made, status_of(snapshot), {"a": Piece((deflate(b"a 1\n"),), 1_234, 1)})


def page_of(*entries: Entry, quotas: tuple[Quota, ...] = (), **more: Any) -> str:
    docs = more.pop("docs", DOCS_URL)
    return status_page(entries, quotas, version="1.2.3", telemetry_path="/metrics", docs=docs, now=NOW, **more)


class Parsed(HTMLParser):
    """Tags in order, each closed where it must be, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())
