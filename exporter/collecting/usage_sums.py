"""Exact sums over the CSV files of a usage report, row by row, in flat memory. Pure; `usage_child` runs it as a child.

Only the standard library is imported, so that the child starts fast and stays small.

https://docs.github.com/enterprise-cloud@latest/billing/reference/billing-reports
"""

import codecs
import csv
import gc
import json
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal, Inexact, InvalidOperation, localcontext
from itertools import compress, repeat
from operator import contains, sub
from typing import Any, BinaryIO

GROUPS = ("organization", "product", "sku", "unit_type", "cost_center")
AMOUNTS = ("quantity", "gross_amount", "discount_amount", "net_amount")
REQUIRED = ("date", "product", "sku", "quantity", "gross_amount", "net_amount")
OTHER = "other"

MOST_BAD = Decimal("0.01")
LONGEST_ROW = 1024 * 1024
LONGEST_KEY = 4096
"""Characters of a group's names together; what has more is summed as `other`."""

EXACT = Context(prec=400, traps=[Inexact, InvalidOperation])
"""No sum is rounded in it: a number is of at most 64 characters with an exponent of two digits, so it lies between
10^163 and 10^-163, which leaves room for 10^70 rows. Should that be wrong it raises, and the report is not used."""

_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?").fullmatch
_LONGEST_NUMBER = 64
_LONGEST_DATE = 40
_BLOCK = 96 * 1024
_MOST_REMEMBERED = 8_000
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
    """The sums of a report by month; `groups` and `letters` count what their keys take of the bounds."""

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
    if header:
        adding = _Adding(_Columns.of(header, wanted), wanted, sums)
        with localcontext(EXACT):
            for block in reading.blocks():
                adding.block(block, reading)


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


def _numbers(columns: Collection[Sequence[str]]) -> list[list[Decimal]]:
    """The columns as numbers, each text read once; raises `ValueError` if any is none."""
    texts = [*set[str]().union(*columns)]
    number = dict(zip(texts, _decimals(texts), strict=True)).__getitem__
    return [list(map(number, column)) for column in columns]


def _decimals(texts: Collection[str]) -> Iterable[Decimal]:
    """Of what `Decimal` takes for a number, only what a report may hold."""
    plain = not "".join(texts).encode().translate(None, b"0123456789.")  # nearly all are: no pattern is needed for each
    if max(map(len, texts)) > _LONGEST_NUMBER or not (plain or all(map(_NUMBER, texts))):
        raise ValueError("no number")
    try:
        return list(map(Decimal, texts))
    except InvalidOperation:
        raise ValueError("no number") from None


class _Days(dict[str, str]):
    """The day of what is written in a row; empty for those of months that are not wanted."""

    def __init__(self, months: Collection[str]) -> None:
        super().__init__()
        self._months = months

    def __missing__(self, text: str) -> str:
        name = text[:10]
        if len(text) > _LONGEST_DATE or text[10:11].isdigit() or date.fromisoformat(name).isoformat() != name:
            raise ValueError("no date")
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        found = self[text] = name if name[:7] in self._months else ""
        return found


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where what is needed stands in a row of `width` values; None for what the file has not."""

    width: int
    date: int
    amounts: tuple[int, ...]  # quantity, gross, net and, if the file has it, discount
    group: tuple[int | None, ...]
    breakdowns: dict[str, int]

    @property
    def places(self) -> set[int]:
        """All that are needed."""
        found = {self.date, *self.amounts, *self.group, *self.breakdowns.values()}
        return {place for place in found if place is not None}

    @classmethod
    def of(cls, header: list[str], wanted: Wanted) -> "_Columns":
        """Find them in a header; raises `Rejected`."""
        places: dict[str, int] = {}
        for place, name in enumerate(header):
            places.setdefault(name.strip().lower(), place)
        missing = [name for name in REQUIRED if name not in places]
        if len(missing) == len(REQUIRED):
            raise Rejected("the report is no CSV with a header")
        if missing:
            raise Rejected(f"the report has no column {', '.join(missing)}")
        names = {name: name for name in GROUPS} | {"cost_center": "cost_center_name"}
        return cls(
            len(header),
            places["date"],
            tuple(places[name] for name in (*REQUIRED[3:], "discount_amount") if name in places),
            tuple(places.get(names[name]) if name in wanted.group_by else None for name in GROUPS),
            {name: places[name] for name in wanted.breakdowns if name in places},
        )


class _Reading:
    """A file's blocks of whole lines; whole rows where lines are none."""

    def __init__(self, part: Iterable[str]) -> None:
        self.taken = 0
        """Of how many lines the last row was."""
        self._blocks = _blocks(part)
        self._lines: list[str] = []
        self._next = self._length = 0
        self._rows = csv.reader(self, strict=True)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._next == len(self._lines):
            self._lines, self._next = next(self._blocks).split("\n")[:-1], 0
        line = self._lines[self._next]
        self._next += 1
        self.taken += 1
        self._length += len(line)
        if self._length > LONGEST_ROW:
            raise Rejected(f"a row of the report has more than {LONGEST_ROW} characters")
        return line + "\n"

    def header(self) -> list[str]:
        """The first row that is not blank; empty if there is none."""
        try:
            return next((row for row in self._rows if any(name.strip() for name in row)), [])
        except csv.Error:
            raise Rejected("the report is no CSV with a header") from None

    def blocks(self) -> Iterator[str]:
        """What comes next, each of whole lines; a row may go on in the next one."""
        if self._next < len(self._lines):
            yield "\n".join(self._lines[self._next :]) + "\n"
        yield from self._blocks

    def rows(self, block: str) -> Iterator[list[str] | None]:
        """The rows of a block, and of the next ones if a row goes on there; None for one that is no row."""
        self._lines, self._next = block.split("\n")[:-1], 0
        while self._next < len(self._lines):
            self.taken = self._length = 0
            try:
                row = next(self._rows)
            except csv.Error:
                yield None
            else:
                if row:
                    yield None if any("\0" in value for value in row) else row


def _blocks(part: Iterable[str]) -> Iterator[str]:
    """Whole lines, a few hundred at once; the last one is ended if it is not."""
    rest, first = "", True
    for piece in part:
        for start in range(0, len(piece), _BLOCK):
            text = piece[start : start + _BLOCK]
            if first:
                text, first = text.removeprefix("\ufeff"), False
            end = text.rfind("\n") + 1
            if end:
                yield rest + text[:end]
                rest = text[end:]
            else:
                rest += text
            if len(rest) > LONGEST_ROW:
                raise Rejected(f"a row of the report has more than {LONGEST_ROW} characters")
    if rest:
        yield rest + "\n"


def _split(block: str, places: Collection[int], width: int) -> dict[int, list[str]] | None:
    """Columns of a block in which all rows are alike, much faster than the csv module; None for any other block.

    Alike means: `width` values, either all in quotes without a quote in them, or none in quotes.
    """
    if "\0" in block or len(block) > csv.field_size_limit():
        return None
    return _quoted(block, places, width) if block[0] == '"' else _unquoted(block, places, width)


def _quoted(block: str, places: Collection[int], width: int) -> dict[int, list[str]] | None:
    """What stands between quotes are values and, in turn, what separates them: commas, and an end after each row."""
    parts, step = block.split('"'), 2 * width
    ends, separators = parts[step::step], parts[2::2]
    rows, end = len(ends), parts[-1]
    if len(parts) != rows * step + 1 or end not in ("\n", "\r\n"):
        return None
    if ends.count(end) != rows or separators.count(",") != rows * (width - 1):
        return None
    return {place: parts[2 * place + 1 :: step] for place in places}


def _unquoted(block: str, places: Collection[int], width: int) -> dict[int, list[str]] | None:
    """Lines are rows."""
    rows = block.count("\n")
    end = "\r\n" if "\r" in block else "\n"
    if '"' in block or not block.endswith(end) or ("\r" in end and block.count("\r") != rows):
        return None
    values, step = block[: -len(end)].split(","), width - 1
    # Every row's last value is still one with the next row's first: they must be where `width` says, and nowhere else.
    joints = values[step:-1:step]
    edges = end.join(joints).split(end) if joints else []
    if len(values) != rows * step + 1 or len(edges) != 2 * len(joints) or not all(map(contains, joints, repeat(end))):
        return None
    columns = {place: values[place::step] for place in places if 0 < place < step}
    return columns | {0: [values[0], *edges[1::2]], step: [*edges[::2], values[-1]]}


class _Adding:
    """Adds the rows of a part up, column by column: what is done per row is paid for millions of times."""

    def __init__(self, columns: _Columns, wanted: Wanted, sums: Sums) -> None:
        self._columns, self._wanted, self._sums = columns, wanted, sums
        self._days = _Days(sums.months)

    def block(self, block: str, reading: _Reading) -> None:
        """Add the rows of a block; if any is out of the usual they are read one by one."""
        columns = _split(block, self._columns.places, self._columns.width)
        if columns is not None:
            try:
                self._add(columns)
            except ValueError:
                columns = None
        if columns is None:
            rows = [row for row in reading.rows(block) if self._is_good(row, reading.taken)]
            if rows:
                self._add(dict(enumerate(zip(*rows, strict=True))))

    def _is_good(self, row: list[str] | None, lines: int) -> bool:
        """Whether a row can be used. If not it is counted in its month, or in the first one if it does not say."""
        places = self._columns
        row = row or []
        try:
            day = self._days[row[places.date]] if len(row) > places.date else self._days[""]
        except ValueError:
            self._sums.months[self._wanted.months[0]].rejected += lines
            return False
        if not day:
            return False
        if len(row) == places.width:
            try:
                _decimals([row[place] for place in places.amounts])
            except ValueError:
                pass
            else:
                return True
        self._sums.months[day[:7]].rejected += lines
        return False

    def _add(self, columns: Mapping[int, Sequence[str]]) -> None:
        """Add rows, given as columns; raises `ValueError`, before anything is added, if a value cannot be read."""
        places = self._columns
        dates = columns[places.date]
        days = {self._days[date] for date in set(dates)}
        quantity, gross, net, *rest = _numbers([columns[place] for place in places.amounts])
        discount = rest[0] if rest else list(map(sub, gross, net))
        blank = [""] * len(dates)
        names = [blank if place is None else columns[place] for place in places.group]
        for month in {day[:7] for day in days if day}:
            sums = self._sums.months[month]
            wanted = None
            if any(day[:7] != month for day in days):
                wanted = [self._days[date][:7] == month for date in dates]
            sums.rows += len(dates) if wanted is None else sum(wanted)
            sums.newest = max(sums.newest, *(day for day in days if day[:7] == month))
            for breakdown, groups in ({"": sums.groups} | sums.breakdowns).items():
                if not breakdown or breakdown in places.breakdowns:
                    wider = [columns[places.breakdowns[breakdown]]] if breakdown else []
                    found = zip(zip(*names, *wider, strict=True), quantity, gross, discount, net, strict=True)
                    self._add_to(groups, found if wanted is None else compress(found, wanted))

    def _add_to(self, groups: Groups, rows: Iterable[tuple[Key, Decimal, Decimal, Decimal, Decimal]]) -> None:
        """The only step that is taken for each row by itself."""
        known, place, most = groups.get, self._sums.place, self._wanted.most_groups
        for key, quantity, gross, discount, net in rows:
            amounts = known(key) or place(groups, key, most)
            amounts[0] += quantity
            amounts[1] += gross
            if discount:
                amounts[2] += discount
            if net:
                amounts[3] += net


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class _CutOffError(Exception):
    """The parent is gone."""


def main(frames: BinaryIO, answer: BinaryIO) -> None:
    """The child: frames in, lines of JSON out, either those of `dumped` or one that says why the report is rejected.

    A frame is its length (4 bytes, big endian) and so many bytes. The first one is `Wanted`, an empty one ends a part.
    """
    gc.disable()  # nothing here is a cycle
    os.nice(19)  # scrapes go first; SCHED_IDLE would be moved about between processors and take a tenth longer
    with suppress(_CutOffError, BrokenPipeError):
        answer.writelines(f"{line}\n".encode() for line in _answer(frames))
        answer.flush()


def _answer(frames: BinaryIO) -> Iterator[str]:
    given = json.loads(_frame(frames) or b"{}")
    months, group_by, breakdowns = (tuple(given[name]) for name in ("months", "group_by", "breakdowns"))
    wanted = Wanted(months, group_by, breakdowns, given["most_groups"])
    sums = Sums.of(wanted)
    try:
        while (first := _frame(frames)) is not None:
            sum_up(_text(first, frames), wanted, sums)
        finish(sums)
    except Rejected as error:
        yield _json({"rejected": str(error)})
    else:
        yield from dumped(sums)


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
    main(sys.stdin.buffer, sys.stdout.buffer)
