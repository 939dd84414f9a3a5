"""Counters and histograms of the exporter itself that have many label sets, kept as ready lines.

With a thousand organizations they have 70,000 samples, of which hardly any changes between two scrapes. A line is
written when its value changes; a scrape only joins the lines.
"""

from bisect import bisect_left
from collections.abc import Sequence

from exporter.exposition.answers import OwnFamily
from exporter.exposition.text import number, series
from exporter.tables import Labels


class CounterLines:
    """A counter with labels; `name` ends in `_total`."""

    kind = "counter"

    def __init__(self, name: str, text: str, labels: Sequence[str]) -> None:
        self.name, self.help, self._labels = name, text, labels
        self._values: dict[Labels, float] = {}
        self._lines: dict[Labels, str] = {}

    def begin(self, *values: str) -> None:
        """Let the series with these label values begin at 0, unless it has begun."""
        if values not in self._values:
            self._set(values, 0)

    def inc(self, *values: str, by: float = 1) -> None:
        """Add to the series with these label values."""
        self._set(values, self._values.get(values, 0) + by)

    def _set(self, values: Labels, value: float) -> None:
        self._values[values] = value
        self._lines[values] = f"{series(self.name, self._labels, values)} {number(value)}\n"

    def render(self) -> OwnFamily:
        """The family with all samples."""
        return self.name, self.kind, self.help, "".join(self._lines.values()).encode()


class HistogramLines:
    """A histogram with labels; `bounds` are the upper ends of its buckets, without the last."""

    kind = "histogram"

    def __init__(self, name: str, text: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self.name, self.help, self._labels, self._bounds = name, text, labels, bounds
        self._ends = [*map(str, bounds), "+Inf"]
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}
        self._lines: dict[Labels, str] = {}

    def begin(self, *values: str) -> None:
        """Let the histogram with these label values begin, unless it has begun."""
        if values not in self._counts:
            self._counts[values], self._sums[values] = [0] * len(self._ends), 0.0
            self._lines[values] = self._text(values)

    def observe(self, *values: str, value: float) -> None:
        """Count a value."""
        self.begin(*values)
        self._counts[values][bisect_left(self._bounds, value)] += 1
        self._sums[values] += value
        self._lines[values] = self._text(values)

    def _text(self, values: Labels) -> str:
        total, lines = 0, []
        for end, count in zip(self._ends, self._counts[values], strict=True):
            total += count
            lines.append(f"{series(f'{self.name}_bucket', (*self._labels, 'le'), (*values, end))} {total}\n")
        lines.append(f"{series(f'{self.name}_count', self._labels, values)} {total}\n")
        lines.append(f"{series(f'{self.name}_sum', self._labels, values)} {number(self._sums[values])}\n")
        return "".join(lines)

    def render(self) -> OwnFamily:
        """The family with all samples."""
        return self.name, self.kind, self.help, "".join(self._lines.values()).encode()
