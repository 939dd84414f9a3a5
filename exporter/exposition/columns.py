"""Samples as columns: values in arrays, and label sets packed. They are rendered; gauges are kept as columns only.

A tick works on a Python object for each series. A hundred thousand of them, kept, would take 100 MB, and every full
garbage collection would visit them; as columns they are a few blocks of memory.
"""

import marshal
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from exporter.tables import Labels

CHUNK_SIZE = 500
"""Series of a chunk: their labels are packed, and their lines rendered, deflated and kept together."""

Values: TypeAlias = "array[Any]"

_DETERMINISTIC = 2  # the newest form of marshal in which equal label sets are equal bytes
_INT64_LIMIT = 2**63


@dataclass(frozen=True, slots=True)
class Column:
    """One family's samples: label sets, `CHUNK_SIZE` of them packed in each bytes object, and values in the same order.

    The values are integers (typecode q) or floats (typecode d). Columns of one job and family with equal `shape` have
    equal labels; None is equal to no other. `dates` has the instant that each sample describes (epoch seconds, our
    clock), where the samples differ in it.
    """

    labels: tuple[bytes, ...]
    values: Values
    shape: int | None = None
    dates: "Values | None" = None

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[tuple[Labels, float]]:
        return zip((labels for chunk in self.labels for labels in unpacked(chunk)), self.values, strict=True)


def column(
    samples: Iterable[tuple[Labels, float]],
    known: dict[bytes, bytes] | None = None,
    dates: Sequence[float] | None = None,
) -> Column:
    """The samples as a column. Columns that get the same `known` mapping share the bytes of equal label sets."""
    rows = list(samples)
    if dates is not None and len(dates) != len(rows):
        raise ValueError("each sample has a date, or none has")
    chunks = packed([labels for labels, _ in rows])
    if known is not None:
        chunks = tuple(known.setdefault(chunk, chunk) for chunk in chunks)
    values = numbers([value for _, value in rows])
    return Column(chunks, values, dates=None if dates is None else array("d", dates))


def younger(dated: Column, age: float, now: float) -> Column:
    """The samples of a dated column whose dates are at most `age` seconds before `now`."""
    dates = dated.dates or array("d")
    if all(date + age >= now for date in dates):
        return dated
    young = [(sample, date) for sample, date in zip(dated, dates, strict=True) if date + age >= now]
    return column([sample for sample, _ in young], dates=[date for _, date in young])


def not_dated_after(now: float, samples: Column) -> Column:
    """The column with no date later than `now`."""
    if samples.dates is None or max(samples.dates, default=now) <= now:
        return samples
    return replace(samples, dates=array("d", [min(date, now) for date in samples.dates]))


def packed(labels: Sequence[Labels]) -> tuple[bytes, ...]:
    """Label sets as `Column.labels` has them; equal sets give equal bytes."""
    return tuple(
        marshal.dumps(tuple(labels[at : at + CHUNK_SIZE]), _DETERMINISTIC) for at in range(0, len(labels), CHUNK_SIZE)
    )


def unpacked(chunk: bytes) -> tuple[Labels, ...]:
    """The label sets in one item of `Column.labels`."""
    labels: tuple[Labels, ...] = marshal.loads(chunk)  # noqa: S302 - written by `packed`, and never leaves the process
    return labels


def numbers(values: Sequence[float]) -> Values:
    """Values as `Column.values` has them: an array of integers if all values are, else of floats."""
    try:
        return array("q", values)
    except (TypeError, OverflowError):
        floats = array("d", values)
    are_integers = all(map(float.is_integer, floats)) and max(map(abs, floats)) < _INT64_LIMIT
    return array("q", map(int, values)) if are_integers else floats
