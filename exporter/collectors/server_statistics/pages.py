"""GitHub's records of appliances, from an array that is read record by record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from exporter import worker
from exporter.collectors.reading.leaves import missing, number
from exporter.collectors.reading.records import Records
from exporter.collectors.reading.values import label_text
from exporter.errors import Invalid
from exporter.fetching import Api
from exporter.instants import DAY
from exporter.tables import Timestamp

MOST_BYTES = 256 * 1024 * 1024
"""The most bytes of a page, which is never complete in memory: a year of 200 appliances."""

_DATE = TypeAdapter(Timestamp)


class Record(NamedTuple):
    """An appliance's record, decoded and as text; `collected` is None without a readable date."""

    server_id: str
    collected: float | None
    content: dict[str, Any]
    text: str


@dataclass(slots=True)
class Pages:
    """All pages of an answer; `add` gets each record. `now` is GitHub's clock, epoch seconds.

    `rejected` counts records without a server, and dates that cannot be read.
    """

    now: float
    add: Callable[[Record], None]
    rejected: int = 0
    _are_useful: bool = False
    _page: Records = field(default_factory=Records)

    async def read(self, api: Api, path: str, dates: Mapping[str, str]) -> None:
        """Read all pages. Raises `Invalid` if there were records and none of them could be used."""
        async for _page in api.stream(path, {**dates}, self._take, MOST_BYTES):
            await worker.run(self.end_page)
        if self.rejected and not self._are_useful:
            raise Invalid(f"none of {self.rejected} records names its server")

    async def _take(self, piece: bytes) -> None:
        """Read a piece of a page, in a thread, because decoding would block the event loop."""
        await worker.run(self.feed, piece)

    def feed(self, piece: bytes) -> None:
        """Read a piece of a page."""
        for content, text in self._page.feed(piece):
            self._add(content, text)

    def end_page(self) -> None:
        """Read the end of a page; raises `Invalid` if its array is incomplete."""
        for content, text in self._page.end():
            self._add(content, text)
        self._page = Records()

    def _add(self, content: Any, text: str) -> None:
        server_id = content.get("server_id") if isinstance(content, dict) else None
        if not isinstance(server_id, str) or not server_id:
            self.rejected += 1
            return
        self._are_useful = True
        date = content.get("collection_date")
        collected = self._instant(date)
        self.rejected += collected is None and not missing(date)
        self.add(Record(label_text(server_id), collected, content, text))

    def _instant(self, value: object) -> float | None:
        """A collection date in epoch seconds, at most `now`; None if it is unreadable or over a day in the future.

        A date far in the future would stay the newest for ever.
        """
        try:
            collected = number(_DATE.validate_python(value)) if isinstance(value, str) else None
        except ValidationError:
            return None
        return None if collected is None or collected > self.now + DAY else min(collected, self.now)
