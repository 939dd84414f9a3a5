"""From when until when figures were shown. Pure; instants are epoch seconds."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Literal, NamedTuple

from exporter.instants import utc_time

MarkKind = Literal["figures", "nothing", "missing"]


class Mark(NamedTuple):
    """What an exporter learned at an instant: new figures, that there was nothing newer, or no answer."""

    at: int
    kind: MarkKind


Marks = Mapping[str, Sequence[tuple[int, MarkKind]]]
"""Marks by thing: what each is about, "" for all of a job."""


def shown_until(at: int, marks: Sequence[Mark], max_age: float, longest: float) -> float:
    """Until when the figures of the instant `at` were shown.

    Until the next figures; until `max_age` after the last answer, as the exporter withdraws them; at most `longest`.
    `marks` are sorted.
    """
    answered_until, is_answered = float(at), True
    for mark in islice(marks, bisect_right(marks, at, key=itemgetter(0)), None):
        if is_answered:
            answered_until = mark.at
        if mark.at > answered_until + max_age:
            break
        if mark.kind == "figures":
            return min(mark.at, at + longest)
        is_answered = mark.kind == "nothing"
    else:
        if is_answered:
            return at + longest
    return min(answered_until + max_age, at + longest)


def instants(begin: float, end: float, step: int) -> range:
    """The multiples of `step` from `begin` on, before `end`."""
    return range(int(-(-begin // step) * step), int(-(-end // 1)), step)


def month_of(instant: float) -> str:
    """The month (UTC) of an instant: `2026-11`."""
    return utc_time(instant)[:7]


def months(begin: float, end: float) -> Iterator[str]:
    """The months from `begin` up to `end`, not including one that begins at `end`."""
    month = month_of(begin)
    last = month_of(end - 1)
    while month <= last:
        yield month
        month = next_month(month)


def next_month(month: str) -> str:
    """The month after one: `2027-01` after `2026-12`."""
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12}-{number % 12 + 1:02}"
