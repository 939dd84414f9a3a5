"""Exact sums over the CSV files of a usage report, in constant memory. `child.py` runs this file as a process.

https://docs.github.com/enterprise-cloud@latest/billing/reference/billing-reports
"""

import codecs
import csv
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal, Inexact, InvalidOperation, localcontext
from functools import lru_cache
from io import StringIO
from operator import add, itemgetter

GROUPS = ("organization", "product", "sku", "unit_type", "cost_center_name")
AMOUNTS = ("quantity", "gross_amount", "discount_amount", "net_amount")
REQUIRED = ("date", "product", "sku", "quantity", "gross_amount", "net_amount")
LONGEST_ROW, LONGEST_COLUMN, MOST_COLUMNS = 1024 * 1024, 60, 100
LONGEST_KEY, AVERAGE_KEY = 4096, 256  # characters; a name that is not all ASCII takes up to four times the memory
EXACT = Context(prec=400, traps=[Inexact, InvalidOperation])  # raises instead of rounding
"""Numbers lie between 10^163 and 10^-163 (64 characters, two of them an exponent), which leaves room for 10^70 rows."""
_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?").fullmatch

Groups = dict[tuple[str, ...], list[Decimal]]


class UnusableReport(ValueError):
    """The report cannot be used; `str()` is one line for the operator."""


@dataclass(slots=True)
class Month:
    """A month's or a day's counts of rows, its newest day ("" without rows), and its groups by breakdown ("": none)."""

    rows: int = 0
    rejected: int = 0
    newest: str = ""
    groups: dict[str, Groups] = field(default_factory=dict)


@dataclass(slots=True)
class Sums:
    """The sums of `AMOUNTS` in a report, by month (or day), breakdown and `group_by`; and the columns of its files.

    By day, a key is one group however many days have it: `keys` are those that are counted.
    """

    months: dict[str, Month]
    group_by: tuple[str, ...]
    groups_left: int
    characters_left: int
    columns: list[str] = field(default_factory=list)
    keys: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def empty(
        cls, months: Iterable[str], group_by: Iterable[str], breakdowns: Iterable[str], most_groups: int
    ) -> "Sums":
        """No sums yet, for months such as 2026-11, or days. Beyond `most_groups` in all, rows are summed as `other`."""
        by_month = {month: Month(groups={name: {} for name in ["", *breakdowns]}) for month in months}
        return cls(by_month, tuple(group_by), most_groups, most_groups * AVERAGE_KEY)

    def new_group(self, groups: Groups, key: tuple[str, ...]) -> list[Decimal]:
        """The amounts of a new group; beyond the bounds, those of the group `other`."""
        known = self.keys.get(key)
        if known is None:
            size = sum(len(name) if name.isascii() else 4 * len(name) for name in key)
            if not self.groups_left or size > min(LONGEST_KEY, self.characters_left):
                return groups.setdefault(("other",) * len(key), [Decimal()] * len(AMOUNTS))
            self.groups_left -= 1
            self.characters_left -= size
            known = tuple(map(sys.intern, key))
            if self.is_by_day:
                self.keys[known] = known
        return groups.setdefault(known, [Decimal()] * len(AMOUNTS))

    @property
    def is_by_day(self) -> bool:
        """Whether there are sums of days, not of months."""
        return len(next(iter(self.months))) == len("YYYY-MM-DD")

    def lines(self) -> Iterator[str]:
        """The sums as lines of JSON, the last of which is `[]`; amounts are strings."""
        yield json.dumps([self.columns])
        for name, month in self.months.items():
            yield json.dumps([name, month.rows, month.rejected, month.newest, list(month.groups)])
            for breakdown, groups in month.groups.items():
                yield from (json.dumps([name, breakdown, key, [*map(str, group)]]) for key, group in groups.items())
        yield "[]"


def sum_up(file: Iterable[bytes], sums: Sums) -> None:
    """Add a CSV file of a report, given in pieces cut anywhere; raises `UnusableReport`.

    A row with an unreadable value is rejected, and counted once per line: a quote left open joins many lines.
    """
    rows = _rows(codecs.iterdecode(file, "utf-8-sig", errors="replace"))
    header = next((row for row, _ in rows if not row or "".join(row).strip()), [*REQUIRED])  # an empty file has no rows
    place, width = _places(header), len(header)
    date_place = place["date"]
    sums.columns = list(dict.fromkeys([*sums.columns, *(name[:LONGEST_COLUMN] for name in place)]))[:MOST_COLUMNS]
    amounts_in = itemgetter(*(place[name] for name in AMOUNTS if name in place))
    group = [place.get(name, width) if name in sums.group_by else width for name in GROUPS]
    undated = next(iter(sums.months.values()))  # where rows without a date count
    length = len(next(iter(sums.months)))
    breakdowns = [name for name in undated.groups if name and name in place]
    keys_in = {"": itemgetter(*group), **{name: itemgetter(*group, place[name]) for name in breakdowns}}
    with localcontext(EXACT):
        for row, lines in rows:
            month = undated
            try:
                day = _day(row[date_place] if date_place < len(row) else "")
                if day[:length] not in sums.months:
                    continue
                month = sums.months[day[:length]]
                amounts = [*map(_number, amounts_in(row) if len(row) == width else [""])]
            except ValueError:
                month.rejected += lines
                continue
            month.rows += 1
            month.newest = max(month.newest, day)
            row.append("")  # the value, at `width`, of columns that the file lacks
            if len(amounts) < len(AMOUNTS):
                amounts.insert(2, amounts[1] - amounts[2])
            for breakdown, key_in in keys_in.items():
                groups, key = month.groups[breakdown], key_in(row)
                totals = groups.get(key) or sums.new_group(groups, key)
                totals[:] = map(add, totals, amounts)


def _rows(text: Iterable[str]) -> Iterator[tuple[list[str], int]]:
    """Rows that are not blank, each with its number of lines; an unreadable row is []. Raises `UnusableReport`."""
    length, rest, has_nul = 0, "", False  # characters read since the last row, the incomplete line, any NUL so far

    def lines() -> Iterator[str]:
        nonlocal length, rest, has_nul
        for piece in text:
            if length > LONGEST_ROW:
                raise UnusableReport(f"a row of the report has more than {LONGEST_ROW} characters")
            length += len(piece)
            has_nul = has_nul or "\0" in piece
            *complete, rest = StringIO(rest + piece, newline="\n")
            yield from complete
        yield from filter(None, [rest])

    reader = csv.reader(lines(), strict=True)
    while True:
        first_line, length = reader.line_num, 0
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            row, has_nul = ["\0"], True  # as unreadable as a row with a NUL
        if row:
            yield [] if has_nul and "\0" in "".join(row) else row, reader.line_num - first_line


def _places(header: list[str]) -> dict[str, int]:
    """The index of each column; raises `UnusableReport` if a required one is missing."""
    place: dict[str, int] = {}
    for number, name in enumerate(header):
        place.setdefault(name.strip().lower(), number)
    missing = [name for name in REQUIRED if name not in place]
    if missing:
        problem = f"has no column {', '.join(missing)}" if len(missing) < len(REQUIRED) else "is no CSV with a header"
        raise UnusableReport(f"the report {problem}")
    return place


@lru_cache(8_192)
def _day(text: str) -> str:
    """`2026-11-01` of a date, which may be followed by a time; raises `ValueError`."""
    if len(text) > 40 or text[10:11].isdigit() or date.fromisoformat(text[:10]).isoformat() != text[:10]:
        raise ValueError("no date")
    return text[:10]


@lru_cache(8_192)
def _number(text: str) -> Decimal:
    if len(text) > 64 or not _NUMBER(text):
        raise ValueError("no number")
    return Decimal(text)


def main() -> None:
    """Read frames, write lines of JSON: those of `Sums.lines` or `{"unusable": "why"}`.

    A frame is its length (4 bytes, big endian) and that many bytes. The first frame is JSON: [arguments of
    `Sums.empty`, number of files]. The files follow; an empty frame ends each of them.
    """
    os.nice(19)  # scrapes have priority
    arguments, file_count = json.loads(_frame())
    sums = Sums.empty(*arguments)
    try:
        for _ in range(file_count):
            sum_up(iter(_frame, b""), sums)
        sys.stdout.writelines(f"{line}\n" for line in sums.lines())
    except UnusableReport as error:
        sys.stdout.write(json.dumps({"unusable": str(error)}) + "\n")


def _frame() -> bytes:
    head = sys.stdin.buffer.read(4)
    content = sys.stdin.buffer.read(int.from_bytes(head, "big"))
    if len(head) < 4 or len(content) < int.from_bytes(head, "big"):
        sys.exit()  # the exporter has ended
    return content


if __name__ == "__main__":
    main()
