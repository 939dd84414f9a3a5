"""The newest record of each appliance."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.collectors.reading.records import decode_record
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.server_statistics.families import KEPT_FOR, TABLES
from exporter.collectors.server_statistics.pages import Record
from exporter.collectors.server_statistics.record import RecordReader
from exporter.errors import Invalid
from exporter.fetching import Doubt, Fetched
from exporter.tables import Row

MOST_SERVERS = 1_000

MOST_BYTES = 16 * 1024 * 1024
"""Bytes of the newest records of all appliances together; older records are dropped as they are read."""

NO_SERVERS = (
    "GitHub lists no appliance: turn on GitHub Connect and its Server Statistics on the appliances; where there is "
    "none, switch it off: collectors.server_statistics.enabled: false"
)


class _Record(NamedTuple):
    """An appliance's record as text. `rank` is `collected`, or -inf without a readable date, which counts as oldest."""

    rank: float
    text: bytes  # a str takes up to four times as much memory
    collected: float | None


@dataclass(slots=True)
class NewestRecords:
    """The newest record of each appliance over all pages."""

    records: dict[str, _Record] = field(default_factory=dict)
    _bytes: int = 0

    def add(self, record: Record) -> None:
        """Keep a record if it is its appliance's newest.

        Records come in any order. Of two with the same date the larger text is kept, whichever comes first.
        """
        collected = record.collected
        newer = _Record(-math.inf if collected is None else collected, record.text.encode(), collected)
        before = self.records.get(record.server_id)
        if before is not None and newer[:2] <= before[:2]:
            return
        self.records[record.server_id] = newer
        self._bytes += len(newer.text) - (len(before.text) if before else 0)
        if len(self.records) > MOST_SERVERS or self._bytes > MOST_BYTES:
            raise Invalid(f"the answer has more than {MOST_SERVERS} appliances, or records that are too large")

    def fetched(self, now: float, rejected: int = 0) -> Fetched:
        """The rows of all appliances, by GitHub's clock `now`; `rejected` records and dates could not be used."""
        rows, unknown = list[Row](), UnknownFields()
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
            min(newest, now) if newest > now - KEPT_FOR else None,
            unknown=unknown,
            note=NO_SERVERS if is_empty else None,
            doubts=tuple(Doubt(table, NO_SERVERS) for table in TABLES) if is_empty else (),
        )
