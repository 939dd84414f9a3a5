"""How a collector's past is asked, and what GitHub's answers show of it: the nouns of `backfill`. Pure.

Instants are whole epoch seconds (UTC).
"""

from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from exporter.fetching import Api, Ask
from exporter.instants import DAY, HOUR
from exporter.tables import Labels, Row


@dataclass(frozen=True, slots=True)
class Part:
    """What is asked at once: the time from `start` up to `end`; of one `subject` where subjects are asked one by one.

    `requests` is how many that needs.
    """

    start: int
    end: int
    subject: Labels = ()
    requests: int = 1


@dataclass(frozen=True, slots=True)
class Shown:
    """The rows that an exporter would have shown from the instant `at` on, until newer ones of the same `thing`.

    At `until` they were withdrawn in any case. Rows may be made each time they are iterated, so that a year's need not
    be in memory at once. Without rows GitHub had nothing newer: what was shown before goes on.
    """

    at: int
    rows: Iterable[Row] = ()
    thing: str = ""
    until: float = inf


@dataclass(frozen=True, slots=True)
class CountedHours:
    """What GitHub counted of a row in each hour: the numbers of its table's counters, by the hour's end.

    `row` has the labels; names of people in it have the form of `Ask.name_form`. Where it `is_total`, it stands for
    what no other row of the same hours has.
    """

    row: Row
    hours: Mapping[int, tuple[int, ...]]
    is_total: bool = False


@dataclass(frozen=True, slots=True)
class PastAnswer:
    """What a part of the past shows; `rejected` is how many values could not be read, `missing` what GitHub lacks.

    `shown` may make its items anew whenever it is iterated, so that they need not be in memory together.
    """

    shown: Collection[Shown] = ()
    counted: tuple[CountedHours, ...] = ()
    rejected: int = 0
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Past:
    """How the past of a collector is asked.

    - `fetch`: reads one part. `Ask.start` and `Ask.end` are those of the part, `Ask.subject` is the job's.
    - `part`: what one part is: a day, a month, or the whole time; for `list_parts` says it by GitHub's answers.
    - `reach`: how far back GitHub has it, in seconds, and `first_day`, since when at the earliest.
    - `margin`: how much of the reach is not asked for, because it vanishes at GitHub while a run waits for its budget.
    - `requests`: how many a part needs.
    - `shown_after`: seconds from the start of a day or month until its figures were shown.
    - `has_any`: raises `NotFound` where GitHub has nothing of this kind, or shows nothing of it to this credential; it
      is asked once, if the first part has nothing.
    - `longest`: the most seconds that figures were shown while GitHub had nothing newer.
    """

    fetch: Callable[[Api, Ask, Part], Coroutine[Any, Any, PastAnswer]]
    part: Literal["day", "month", "whole"]
    reach: int
    first_day: str = ""
    requests: int = 1
    shown_after: int = 0
    longest: float = inf
    margin: int = 2 * HOUR
    list_parts: Callable[[Api, Ask], Coroutine[Any, Any, tuple[Part, ...]]] | None = None
    has_any: Callable[[Api, Ask], Coroutine[Any, Any, object]] | None = None


YEAR = 365 * DAY
