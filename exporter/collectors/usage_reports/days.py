"""The sums of a month by day, and from them what was shown at the end of each day. Pure.

20,000 groups on each of 31 days are 620,000 sums, so they are kept as the child process writes them, compressed.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from exporter.collectors.usage_reports.child import Selection, load
from exporter.collectors.usage_reports.ledger import Totals, add_up, labels_of_key
from exporter.collectors.usage_reports.sums import Sums


@dataclass(slots=True)
class DaySums:
    """The sums of single days: `counts` of rows without groups, and the lines of the groups of each day."""

    counts: Sums
    _lines: dict[str, bytes] = field(default_factory=dict)
    _packer: Any = None
    _packed: bytearray = field(default_factory=bytearray)

    @classmethod
    def empty(cls, selection: Selection) -> "DaySums":
        """No sums yet."""
        return cls(Sums.empty(*selection))

    def take(self, line: bytes) -> bool:
        """Add a line of `Sums.lines`; returns whether it was the last. Raises `ValueError` for any other line."""
        match json.loads(line):
            case [str(), str(), list(), list()] if self._packer:
                self._packed += self._packer.compress(line)
                return False
            case [str(day), int(), *_] if day in self.counts.months:
                self._end_day()
                self._lines[day] = b""
                self._packer = zlib.compressobj(1)
            case []:
                self._end_day()
        return load(line, self.counts)

    def _end_day(self) -> None:
        """The lines of a day follow those of the day before."""
        if self._packer:
            day = next(reversed(self._lines))
            self._lines[day] = bytes(self._packed) + self._packer.flush()
            self._packer, self._packed = None, bytearray()

    def to_date(self, person: Callable[[str], str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each day with the month's figures up to its end, as `figures_of` has them, but with exact amounts.

        They change from day to day. `person` gives the name by which a user is shown.
        """
        totals: dict[str, Totals] = {}
        rows, rejected, newest = 0, 0, ""
        for day, counts in self.counts.months.items():
            for line in zlib.decompress(self._lines[day]).splitlines():
                _, breakdown, key, amounts = json.loads(line)
                labels = labels_of_key(breakdown, key, person)
                add_up(totals.setdefault(breakdown, {}), labels, [*map(Decimal, amounts)])
            rows, rejected, newest = rows + counts.rows, rejected + counts.rejected, max(newest, counts.newest)
            sums = {breakdown: groups.items() for breakdown, groups in totals.items()}
            yield day, {"rows": rows, "rejected": rejected, "newest": newest, "sums": sums}
