"""Values by family, apart from the label sets that they belong to: what is rendered, and what is kept of gauges.

A tick works on a Python object for each series. A hundred thousand of them that stayed would be 100 MB, and every full
garbage collection would walk over them; as columns they are a few blocks of memory.
"""

import marshal
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from exporter.tables import Labels

CHUNK = 500
"""Series whose text is made, deflated and kept as one."""

Values: TypeAlias = "array[Any]"

_DETERMINISTIC = 2  # the newest form of marshal in which equal label sets are equal bytes
_LARGEST = 2**63


@dataclass(frozen=True, slots=True)
class Column:
    """One family's samples: label sets, `CHUNK` of them packed in each bytes, and values in the same order.

    The values are whole numbers (typecode q) or floats (typecode d). Columns of one job and family that have the same
    `shape` have the same labels; None says nothing. `dates` holds the instant that each sample describes (epoch
    seconds, our clock) where samples differ in that.
    """

    labels: tuple[bytes, ...]
    values: Values
    shape: int | None = None
    dates: "Values | None" = None

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[tuple[Labels, float]]:
        return zip((one for chunk in self.labels for one in unpacked(chunk)), self.values, strict=True)


def column(
    samples: Iterable[tuple[Labels, float]],
    known: dict[bytes, bytes] | None = None,
    dates: Sequence[float] | None = None,
) -> Column:
    """The column of samples; columns with one `known` share label sets that are equal."""
    rows = list(samples)
    if dates is not None and len(dates) != len(rows):
        raise ValueError("each sample has a date, or none has")
    chunks = packed([labels for labels, _ in rows])
    if known is not None:
        chunks = tuple(known.setdefault(one, one) for one in chunks)
    values = numbers([value for _, value in rows])
    return Column(chunks, values, dates=None if dates is None else array("d", dates))


def younger(dated: Column, age: float, now: float) -> Column:
    """The samples of a column with dates that are at most so old (seconds)."""
    dates = dated.dates or array("d")
    if all(date + age >= now for date in dates):
        return dated
    shown = [(sample, date) for sample, date in zip(dated, dates, strict=True) if date + age >= now]
    return column([sample for sample, _ in shown], dates=[date for _, date in shown])


def not_dated_after(now: float, samples: Column) -> Column:
    """The column with no date later than `now`."""
    if samples.dates is None or max(samples.dates, default=now) <= now:
        return samples
    return replace(samples, dates=array("d", [min(date, now) for date in samples.dates]))


def packed(labels: Sequence[Labels]) -> tuple[bytes, ...]:
    """Label sets as `Column` has them; of equal ones the bytes are equal."""
    return tuple(marshal.dumps(tuple(labels[at : at + CHUNK]), _DETERMINISTIC) for at in range(0, len(labels), CHUNK))


def unpacked(chunk: bytes) -> tuple[Labels, ...]:
    """The label sets of one of `Column.labels`."""
    labels: tuple[Labels, ...] = marshal.loads(chunk)  # noqa: S302 - made by `packed`, and never leaves the process
    return labels


def numbers(values: Sequence[float]) -> Values:
    """Values as `Column` has them: whole numbers stay whole."""
    try:
        return array("q", values)
    except (TypeError, OverflowError):
        floats = array("d", values)
    whole = all(map(float.is_integer, floats)) and max(map(abs, floats)) < _LARGEST
    return array("q", map(int, values)) if whole else floats
