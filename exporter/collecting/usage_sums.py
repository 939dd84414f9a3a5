"""Exact sums over the CSV files of a usage report, row by row, in flat memory. Pure; `usage_child` runs it as a child.

Only the standard library is imported, so that the child starts fast and stays small.

https://docs.github.com/enterprise-cloud@latest/billing/reference/billing-reports
"""

import codecs
import csv
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal, Inexact, localcontext
from operator import itemgetter
from typing import Any, BinaryIO, TextIO

GROUPS = ("organization", "product", "sku", "unit_type", "cost_center")
AMOUNTS = ("quantity", "gross_amount", "discount_amount", "net_amount")
REQUIRED = ("date", "product", "sku", "quantity", "gross_amount", "net_amount")
OTHER = "other"

MOST_BAD = Decimal("0.01")
NICENESS = 5
"""Of the child: a scrape is more important."""

LONGEST_ROW = 1024 * 1024
LONGEST_KEY = 4096
"""Characters of a group's names together; what has more is summed as `other`."""

EXACT = Context(prec=400, traps=[Inexact])
"""No sum is rounded in it: a number is of at most 64 characters with an exponent of two digits, so it lies between
10^163 and 10^-163, which leaves room for 10^70 rows. Should that be wrong it raises, and the report is not used."""

_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?").fullmatch
_LONGEST_NUMBER = 64
_MOST_REMEMBERED = 20_000
_KEY_LENGTH = 256  # characters that a group's names may have on average

Key = tuple[str, ...]
Groups = dict[Key, list[Decimal]]


class Rejected(ValueError):
    """The report is not used; `str()` is one line for the operator."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is summed: `months` such as 2026-11, told apart by `group_by`; `breakdowns` are sums of their own.

    `most_groups` bounds the groups of all sums together; what comes later is summed as `other`.
    """

    months: tuple[str, ...]
    group_by: tuple[str, ...]
    breakdowns: tuple[str, ...] = ()
    most_groups: int = 20_000

    def __post_init__(self) -> None:
        if not self.months:
            raise ValueError("no month is wanted")


@dataclass(slots=True)
class Month:
    """A month's rows, those that could not be read, the newest day ("" if none), and the sums.

    A key of `groups` is (organization, product, sku, unit_type, cost_center), the values are quantity, gross, discount
    and net amount. A key of a breakdown has its value behind the five.
    """

    rows: int = 0
    rejected: int = 0
    newest: str = ""
    groups: Groups = field(default_factory=dict)
    breakdowns: dict[str, Groups] = field(default_factory=dict)


@dataclass(slots=True)
class Sums:
    """The sums of a report by month; `full` counts what the groups take of their bounds."""

    months: dict[str, Month] = field(default_factory=dict)
    groups: int = 0
    letters: int = 0

    @classmethod
    def of(cls, wanted: Wanted) -> "Sums":
        """Empty sums of the months that are wanted."""
        return cls({name: Month(breakdowns={one: {} for one in wanted.breakdowns}) for name in wanted.months})

    def place(self, groups: Groups, key: Key, most: int) -> list[Decimal]:
        """Where the amounts of a key that is not there yet go."""
        length = sum(map(len, key))
        if self.groups >= most or length > LONGEST_KEY or self.letters + length > most * _KEY_LENGTH:
            key = (OTHER,) * len(key)
            known = groups.get(key)
            if known is not None:
                return known
        else:
            self.groups += 1
            self.letters += length
        amounts = [Decimal(0)] * len(AMOUNTS)
        groups[tuple(map(sys.intern, key))] = amounts
        return amounts


def sum_up(part: Iterable[str], wanted: Wanted, sums: Sums) -> None:
    """Add a part of a report, a whole CSV file in pieces cut anywhere; raises `Rejected`.

    A row of which a needed value cannot be read is left out and counted, as many times as it has lines: a quote that
    is never closed swallows rows.
    """
    reading = _Reading(part)
    header = reading.header()
    if header is None:
        return
    with localcontext(EXACT):
        _add(reading, _Columns.of(header, wanted), wanted, sums)


def finish(sums: Sums) -> None:
    """After the last part: raises `Rejected` if too much of the report could not be read."""
    rows = sum(month.rows for month in sums.months.values())
    rejected = sum(month.rejected for month in sums.months.values())
    if rejected > (rows + rejected) * MOST_BAD:
        raise Rejected(f"{rejected} of {rows + rejected} rows of the report cannot be read")


def dumped(sums: Sums) -> Iterator[str]:
    """The sums as lines of JSON, the last of which is `[]`; amounts are text."""
    for name, month in sums.months.items():
        yield _json([name, month.rows, month.rejected, month.newest, list(month.breakdowns)])
        for breakdown, groups in (("", month.groups), *month.breakdowns.items()):
            for key, amounts in groups.items():
                yield _json([name, breakdown, key, [str(amount) for amount in amounts]])
    yield "[]"


def load(line: str | bytes, sums: Sums) -> bool:
    """Take a line of `dumped` in; whether it was the last one. Raises `ValueError` if it is no such line."""
    found = json.loads(line)
    try:
        match found:
            case []:
                return True
            case [str(name), int(rows), int(rejected), str(newest), list(breakdowns)]:
                sums.months[name] = Month(rows, rejected, newest, {}, {one: {} for one in breakdowns})
                return False
            case [str(name), str(breakdown), list(key), list(amounts)]:
                month = sums.months[name]
                groups = month.breakdowns[breakdown] if breakdown else month.groups
                groups[tuple(map(sys.intern, key))] = [Decimal(amount) for amount in amounts]
                return False
    except (KeyError, TypeError, ArithmeticError):
        pass
    raise ValueError("no line of sums")


def loaded(lines: Iterable[str | bytes]) -> Sums:
    """The sums of `dumped`; raises `ValueError` if they are not complete."""
    sums = Sums()
    complete = False
    for line in lines:
        complete = load(line, sums)
    if not complete:
        raise ValueError("the sums are cut off")
    return sums


class _Numbers(dict[str, Decimal]):
    """Numbers by their text: most come again and again."""

    def __missing__(self, text: str) -> Decimal:
        if len(text) > _LONGEST_NUMBER or _NUMBER(text) is None:
            raise ValueError("no number")
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        self[text] = number = Decimal(text)
        return number


@dataclass(slots=True)
class _Day:
    """Rows of a day of a wanted month."""

    name: str
    month: Month
    rows: int = 0


class _Days(dict[str, _Day | None]):
    """Days by what is written in a row; None for those of other months."""

    def __init__(self, sums: Sums) -> None:
        super().__init__()
        self.known: dict[str, _Day] = {}
        self._months = sums.months

    def __missing__(self, text: str) -> _Day | None:
        name = text[:10]
        if date.fromisoformat(name).isoformat() != name or text[10:11].isdecimal():
            raise ValueError("no date")
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        month = self._months.get(name[:7])
        found = self[text] = self.known.setdefault(name, _Day(name, month)) if month else None
        return found


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where what is needed stands in a row of `width` values; what the file has not stands behind them, empty."""

    width: int
    date: int
    amounts: tuple[int, ...]
    group: tuple[int, ...]
    breakdowns: dict[str, int]

    @classmethod
    def of(cls, header: list[str], wanted: Wanted) -> "_Columns":
        """Find them in a header; raises `Rejected`."""
        names = [name.strip().lower() for name in header]
        places = {name: names.index(name) for name in names}
        missing = [name for name in REQUIRED if name not in places]
        if len(missing) == len(REQUIRED):
            raise Rejected("the report is no CSV with a header")
        if missing:
            raise Rejected(f"the report has no column {', '.join(missing)}")
        places["cost_center"] = places.get("cost_center_name", places.get("cost_center", len(names)))
        return cls(
            len(names),
            places["date"],
            tuple(places.get(name, len(names)) for name in AMOUNTS),
            tuple(places.get(name, len(names)) if name in wanted.group_by else len(names) for name in GROUPS),
            {name: places[name] for name in wanted.breakdowns if name in places},
        )


class _Reading:
    """The lines of a file, and whole rows where a line alone is none."""

    def __init__(self, part: Iterable[str]) -> None:
        self.lines = _lines(part)
        self.taken = 0
        """Of how many lines the last row was."""
        self._line: str | None = None
        self._length = 0
        self._rows = csv.reader(self, strict=True)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self.lines) if self._line is None else self._line
        self._line = None
        self.taken += 1
        self._length += len(line)
        if self._length > LONGEST_ROW:
            raise Rejected(f"a row of the report has more than {LONGEST_ROW} characters")
        return line + "\n"

    def row(self, line: str) -> list[str]:
        """The row that begins with this line; raises `csv.Error`."""
        self._line, self.taken, self._length = line, 0, 0
        return next(self._rows)

    def header(self) -> list[str] | None:
        """The first row that is not empty; None if there is none."""
        for line in self.lines:
            if line.strip():
                try:
                    return self.row(line)
                except csv.Error:
                    raise Rejected("the report is no CSV with a header") from None
        return None


def _lines(part: Iterable[str]) -> Iterator[str]:
    rest, first = "", True
    for piece in part:
        lines = (rest + piece).split("\n")
        if first and lines[0]:
            lines[0], first = lines[0].removeprefix("\ufeff"), False
        rest = lines.pop()
        if len(rest) > LONGEST_ROW:
            raise Rejected(f"a row of the report has more than {LONGEST_ROW} characters")
        yield from lines
    if rest:
        yield rest


def _add(reading: _Reading, columns: _Columns, wanted: Wanted, sums: Sums) -> None:  # noqa: C901 - a call costs as much as a step
    """The loop over rows: what is in it is paid for millions of times."""
    numbers, days, most = _Numbers(), _Days(sums), wanted.most_groups
    width, quotes, longest = columns.width, 2 * columns.width, csv.field_size_limit()
    figures = itemgetter(columns.date, *columns.amounts)
    no_discount = columns.amounts[2] == width
    key_of = itemgetter(*columns.group)
    breakdowns = [(name, itemgetter(*columns.group, place)) for name, place in columns.breakdowns.items()]
    for line in reading.lines:
        row: list[str] = []
        reading.taken = 1
        try:
            # Most lines are a row of values without any quote, or all in quotes; others are for the csv module.
            plain = line[:-1] if line[-1:] == "\r" else line
            if '"' not in plain and "\r" not in plain and len(plain) <= longest:
                if not plain:
                    continue
                row = plain.split(",")
            elif plain.count('"') == quotes and plain[0] == plain[-1] == '"' and len(plain) <= longest:
                row = plain[1:-1].split('","')
            if len(row) != width:
                row = reading.row(line)
            if "\0" in line:
                raise ValueError("a NUL")  # noqa: TRY301 - the row is left out, as for all else that is wrong with it
            if len(row) != width:
                raise ValueError("short or long")  # noqa: TRY301 - the same
            row.append("")
            when, quantity_text, gross_text, discount_text, net_text = figures(row)
            day = days[when]
            if day is None:
                continue
            quantity, gross, net = numbers[quantity_text], numbers[gross_text], numbers[net_text]
            discount = gross - net if no_discount else numbers[discount_text]
        except (ValueError, csv.Error):
            _blame(sums, wanted, days, row[columns.date] if len(row) > columns.date else "", reading.taken)
            continue
        day.rows += 1
        month = day.month
        key = key_of(row)
        amounts = month.groups.get(key) or sums.place(month.groups, key, most)
        amounts[0] += quantity
        amounts[1] += gross
        amounts[2] += discount
        amounts[3] += net
        for name, wider_key_of in breakdowns:
            groups, key = month.breakdowns[name], wider_key_of(row)
            amounts = groups.get(key) or sums.place(groups, key, most)
            amounts[0] += quantity
            amounts[1] += gross
            amounts[2] += discount
            amounts[3] += net
    for day in days.known.values():
        day.month.rows += day.rows
        if day.rows:
            day.month.newest = max(day.month.newest, day.name)


def _blame(sums: Sums, wanted: Wanted, days: _Days, when: str, lines: int) -> None:
    """Count what could not be read: in its month, or in the first one if it does not say."""
    try:
        day = days[when]
    except ValueError:
        sums.months[wanted.months[0]].rejected += lines
        return
    if day is not None:
        day.month.rejected += lines


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class _CutOffError(Exception):
    """The parent is gone."""


def main(frames: BinaryIO, answer: TextIO) -> None:
    """The child: frames in, lines of JSON out.

    A frame is its length (4 bytes, big endian) and so many bytes. The first one is `Wanted`, an empty one ends a part.
    """
    with suppress(OSError):
        os.nice(NICENESS)
    given = json.loads(_frame(frames) or b"")
    months, group_by, breakdowns = (tuple(given[name]) for name in ("months", "group_by", "breakdowns"))
    wanted = Wanted(months, group_by, breakdowns, given["most_groups"])
    sums = Sums.of(wanted)
    try:
        while (first := _frame(frames)) is not None:
            sum_up(_text(first, frames), wanted, sums)
        finish(sums)
    except Rejected as error:
        answer.write(_json({"rejected": str(error)}) + "\n")
    except _CutOffError:
        return
    else:
        answer.writelines(line + "\n" for line in dumped(sums))
    answer.flush()


def _frame(frames: BinaryIO) -> bytes | None:
    """The next frame; None at the end."""
    head = frames.read(4)
    if not head:
        return None
    length = int.from_bytes(head, "big")
    content = frames.read(length)
    if len(head) < 4 or len(content) < length:
        raise _CutOffError
    return content


def _text(first: bytes, frames: BinaryIO) -> Iterator[str]:
    """The text of a part, whose first frame was read already."""
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    content: bytes | None = first
    while content:
        yield decode(content)
        content = _frame(frames)
    if content is None:
        raise _CutOffError
    yield decode(b"", final=True)


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout)
