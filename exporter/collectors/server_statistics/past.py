"""The past of appliances: all records that GitHub has, each shown from its own date on.

One request reads a year, so all of the time is one part: a filter that GitHub refuses or ignores costs one more request
at most. Records are kept as compressed text, and read into rows one at a time: a year of 200 appliances has millions
of numbers.
"""

import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from exporter.collectors.reading.leaves import missing
from exporter.collectors.reading.records import decode_record
from exporter.collectors.server_statistics.families import KEPT_FOR
from exporter.collectors.server_statistics.pages import Pages, Record
from exporter.collectors.server_statistics.record import RecordReader
from exporter.errors import Invalid, Refused
from exporter.fetching import Api, Ask
from exporter.instants import DAY, day_of, utc_time
from exporter.past import YEAR, Part, PastAnswer, Shown
from exporter.tables import Row

REACH = YEAR - DAY
"""How long GitHub keeps records, in seconds: a request spans up to 365 days."""
MOST_BYTES = 128 * 1024 * 1024
"""Bytes of all compressed records together: a year of 200 appliances has 40 MB."""
NOTHING = "GitHub has no statistics of an appliance"

_TOO_DEEP = "an appliance's record is nested too deeply"
_LONGEST_SAMPLE = 32 * 1024  # of text that compression refers back to


@dataclass(frozen=True, slots=True)
class RowsOfRecord:
    """The rows of one record, which is decoded each time they are iterated."""

    server_id: str
    collected: float
    packed: bytes
    sample: bytes

    def __iter__(self) -> Iterator[Row]:
        try:  # the stack may be deeper than when the record was read first
            reader = RecordReader(self.server_id, self.collected, decode_record(self.text().decode()))
            reader.read()
        except RecursionError:
            raise Invalid(_TOO_DEEP) from None
        return iter(reader.rows)

    def text(self) -> bytes:
        """The record."""
        unpacking = zlib.decompressobj(zdict=self.sample)
        return unpacking.decompress(self.packed) + unpacking.flush()


@dataclass(slots=True)
class PastRecords:
    """The records from `start` up to `end`, by appliance and date. The first text is what the others refer to."""

    start: float
    end: float
    rejected: int = 0
    is_empty: bool = True
    records: dict[tuple[str, int], RowsOfRecord] = field(default_factory=dict)
    _bytes: int = 0
    _sample: bytes = b""

    def add(self, record: Record) -> None:
        """Keep a record of the time. Of two with the same date the larger text is kept."""
        self.is_empty = False
        if record.collected is None:
            # It cannot be placed; a date that cannot be read is counted by `Pages`.
            self.rejected += missing(record.content.get("collection_date"))
            return
        if not self.start <= record.collected < self.end:
            return
        text, key = record.text.encode(), (record.server_id, int(record.collected))
        if key in self.records and self.records[key].text() >= text:
            return
        reader = RecordReader(record.server_id, record.collected, record.content)
        try:
            reader.read()
        except RecursionError:
            raise Invalid(_TOO_DEEP) from None
        self.rejected += reader.rejected
        self._sample = self._sample or text[-_LONGEST_SAMPLE:]
        packing = zlib.compressobj(zdict=self._sample)
        packed = packing.compress(text) + packing.flush()
        self._bytes += len(packed)
        if self._bytes > MOST_BYTES:
            raise Invalid("the answer has too many records")
        self.records[key] = RowsOfRecord(record.server_id, record.collected, packed, self._sample)

    def in_order(self) -> Iterator[tuple[tuple[str, int], RowsOfRecord]]:
        """The records appliance by appliance, by date."""
        return ((key, self.records[key]) for key in sorted(self.records))


async def fetch_records(api: Api, ask: Ask, part: Part, path: str) -> PastAnswer:
    """All records of a part, and those before it that were still shown when it began.

    GitHub does not say which form its dates have: if it refuses one, or has no record since then, it is left out.
    """
    shown_for = max(KEPT_FOR, ask.max_age)
    begin = partial(PastRecords, part.start - shown_for, part.end)
    since = day_of(max(part.start - shown_for, api.now() - REACH))
    records = begin()
    with suppress(Refused):
        records = await _read(api, path, {"date_start": since}, begin())
    if records.is_empty:
        records = await _read(api, path, {}, begin())
    # Appliance by appliance: series that stand together are saved much faster.
    shown = tuple(Shown(at, rows, thing=server_id) for (server_id, at), rows in records.in_order())
    return PastAnswer(shown, rejected=records.rejected, missing=_lacking(shown, part))


async def _read(api: Api, path: str, dates: dict[str, str], records: PastRecords) -> PastRecords:
    pages = Pages(api.now(), records.add)
    await pages.read(api, path, dates)
    records.rejected += pages.rejected
    return records


def _lacking(shown: tuple[Shown, ...], part: Part) -> str:
    """What of the part GitHub has no record of, as far as the records tell."""
    if not shown:
        return NOTHING
    oldest = min(one.at for one in shown)
    return f"before {utc_time(oldest)}: {NOTHING}" if oldest > part.start + DAY else ""
