"""The newest record of each appliance, from an array that is read record by record."""

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from exporter import worker
from exporter.collectors.reading.leaves import missing, number
from exporter.collectors.reading.records import Records, decode_record
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.reading.values import label_text
from exporter.collectors.server_statistics.families import KEPT_FOR, TABLES
from exporter.collectors.server_statistics.record import RecordReader
from exporter.errors import Invalid
from exporter.fetching import Doubt, Fetched
from exporter.instants import DAY
from exporter.tables import Row, Timestamp

MOST_SERVERS = 1_000

MOST_BYTES = 16 * 1024 * 1024
"""Bytes of the newest records of all appliances together; older records are dropped as they are read."""

NO_SERVERS = (
    "GitHub lists no appliance: turn on GitHub Connect and its Server Statistics on the appliances; where there is "
    "none, switch it off: collectors.server_statistics.enabled: false"
)

_DATE = TypeAdapter(Timestamp)


class _Record(NamedTuple):
    """An appliance's record as text. `rank` is `collected`, or -inf without a readable date, which counts as oldest."""

    rank: float
    text: bytes  # a str takes up to four times as much memory
    collected: float | None


@dataclass(slots=True)
class NewestRecords:
    """The newest record of each appliance over all pages. `now` is GitHub's clock, epoch seconds."""

    now: float
    records: dict[str, _Record] = field(default_factory=dict)
    rejected: int = 0
    _page: Records = field(default_factory=Records)
    _bytes: int = 0

    async def take(self, piece: bytes) -> None:
        """Read a piece of a page, in a thread, because decoding would block the event loop."""
        await worker.run(self._feed, piece)

    def _feed(self, piece: bytes) -> None:
        for record, text in self._page.feed(piece):
            self._add(record, text)

    def end_page(self) -> None:
        """Read the end of a page; raises `Invalid` if its array is incomplete."""
        for record, text in self._page.end():
            self._add(record, text)
        self._page = Records()

    def _add(self, record: Any, text: str) -> None:
        """Keep a record if it is its appliance's newest.

        Records come in any order. Of two with the same date the larger text is kept, whichever comes first.
        """
        server_id = record.get("server_id") if isinstance(record, dict) else None
        if not isinstance(server_id, str) or not server_id:
            self.rejected += 1
            return
        date = record.get("collection_date")
        collected = self._instant(date)
        self.rejected += collected is None and not missing(date)
        newer = _Record(-math.inf if collected is None else collected, text.encode(), collected)
        name = label_text(server_id)
        before = self.records.get(name)
        if before is not None and newer[:2] <= before[:2]:
            return
        self.records[name] = newer
        self._bytes += len(newer.text) - (len(before.text) if before else 0)
        if len(self.records) > MOST_SERVERS or self._bytes > MOST_BYTES:
            raise Invalid(f"the answer has more than {MOST_SERVERS} appliances, or records that are too large")

    def _instant(self, value: object) -> float | None:
        """A collection date in epoch seconds, at most `now`; None if it is unreadable or over a day in the future.

        A date far in the future would stay the newest for ever.
        """
        try:
            collected = number(_DATE.validate_python(value)) if isinstance(value, str) else None
        except ValidationError:
            return None
        return None if collected is None or collected > self.now + DAY else min(collected, self.now)

    def fetched(self) -> Fetched:
        """The rows of all appliances. Raises `Invalid` if there were records and none of them could be used."""
        if self.rejected and not self.records:
            raise Invalid(f"none of {self.rejected} records names its server")
        rows, rejected, unknown = list[Row](), self.rejected, UnknownFields()
        try:
            for server_id, record in sorted(self.records.items()):
                reader = RecordReader(server_id, record.collected, decode_record(record.text.decode()))
                reader.read()
                unknown.join(reader.unknown)
                rows += reader.rows
                rejected += reader.rejected
        except RecursionError:
            raise Invalid("an appliance's record is nested too deeply") from None
        newest = max((record.rank for record in self.records.values()), default=-math.inf)
        is_empty = not self.records
        return Fetched(
            tuple(rows),
            rejected,
            min(newest, self.now) if newest > self.now - KEPT_FOR else None,
            unknown=unknown,
            note=NO_SERVERS if is_empty else None,
            doubts=tuple(Doubt(table, NO_SERVERS) for table in TABLES) if is_empty else (),
        )
