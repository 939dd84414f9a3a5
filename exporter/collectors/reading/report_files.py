"""The files of a Copilot report, parsed piece by piece while they are downloaded. Pure.

A file is an object, an array of objects, or an object per line; `day_totals` may wrap records anywhere.
"""

from decimal import Decimal
from typing import Any

import ijson  # type: ignore[import-untyped] # it has no type hints

from exporter.collectors.reading.reports import DayFigures, Report
from exporter.collectors.reading.values import is_number
from exporter.errors import Invalid
from exporter.github.decoding import Repair

_MOST_EVENTS = 10_000  # of one row or object
_MOST_DEPTH = 20
_LONGEST_TOKEN = 1024 * 1024
_STEP = 32 * 1024
_LONGEST_TEXT = 1024  # a longer name or value counts as empty
_BOM = b"\xef\xbb\xbf"
_UNREADABLE_NUMBER = (ValueError, ArithmeticError, SystemError)  # of many digits, or with a huge exponent
_OPENING, _CLOSING = ("start_map", "start_array"), ("end_map", "end_array")


class File:
    """One file of a report, fed piece by piece."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._events: list[tuple[str, Any]] = ijson.sendable_list()
        # With `use_float`, one number too large for a float would make the whole file unreadable.
        self._parser = ijson.basic_parse_coro(self._events, multiple_values=True, use_float=False)
        self._repair = Repair()
        self._head, self._is_started, self._is_empty, self._without_event = b"", False, True, 0
        # The open JSON values, innermost last: "root", "records" (a list), "record", "rows" (a list in a record).
        # A record in which `day_totals` is found becomes a "wrapper".
        self._open = ["root"]
        self._key = ""
        self._scalars: dict[str, Any] = {}
        self._day = DayFigures()
        self._member: ijson.ObjectBuilder | None = None
        self._is_skipping = False
        self._numbers = 0  # in the skipped member
        self._depth = self._events_of_member = 0

    def feed(self, piece: bytes) -> None:
        """Parse a piece; raises `Invalid`."""
        if not self._is_started:
            self._head += piece
            if len(self._head) < len(_BOM):
                return
            piece, self._is_started = self._head.removeprefix(_BOM), True
        self._is_empty = self._is_empty and not piece.strip()
        self._parse(self._repair.feed(piece))

    def end(self) -> None:
        """Parse the end of the file; raises `Invalid` if it is incomplete."""
        if not self._is_started:
            self.feed(b"   ")
        if self._is_empty:
            return
        self._parse(self._repair.feed(b"", last=True))
        try:
            self._parser.close()
        except ijson.JSONError:
            raise Invalid("a file of the report is cut off") from None
        except _UNREADABLE_NUMBER:  # the last number is parsed when the file ends
            raise Invalid("a file of the report is no JSON") from None
        self._handle()

    def _parse(self, piece: bytes) -> None:
        for at in range(0, len(piece), _STEP):  # in steps: two bytes may become an event (`0,`)
            self._parse_step(piece[at : at + _STEP])

    def _parse_step(self, piece: bytes) -> None:
        try:
            self._parser.send(piece)
        except (ijson.JSONError, *_UNREADABLE_NUMBER):
            raise Invalid("a file of the report is no JSON") from None
        self._without_event = 0 if self._events else self._without_event + len(piece)
        if self._without_event > _LONGEST_TOKEN:
            raise Invalid("a file of the report has a value that is too long")
        self._handle()

    def _handle(self) -> None:
        for event, parsed in self._events:
            value = parsed
            if isinstance(value, str):
                value = value if len(value) <= _LONGEST_TEXT else ""
            elif isinstance(value, Decimal):
                value = float(value)
            if self._is_skipping:
                self._skip(event, value)
            elif self._member is not None:
                self._build(event, value)
            else:
                self._step(event, value)
        self._events.clear()

    def _step(self, event: str, value: Any) -> None:
        place = self._open[-1]
        if event == "map_key":
            self._key = value
        elif event in _CLOSING:
            self._end(self._open.pop())
        elif place in ("root", "records"):
            self._begin(event, place)
        elif place == "rows":
            self._begin_member(event, value)
        elif event in _OPENING and self._key == "day_totals":
            self._open[-1] = "wrapper"  # its own figures are sums over days
            self._end_wrapper()
            self._begin(event, "root")
        elif event == "start_array" and self._key in self._report.selected:
            self._open.append("rows")
        elif event in _OPENING:
            self._begin_member(event, value)
        else:
            self._scalars[self._key] = value
            if len(self._scalars) > _MOST_EVENTS:
                raise Invalid(f"a file of the report has a record with more than {_MOST_EVENTS} values")

    def _begin(self, event: str, place: str) -> None:
        if event == "start_map":
            self._open.append("record")
            self._scalars, self._day = {}, DayFigures()
        elif event == "start_array" and place == "root":
            self._open.append("records")
        else:
            raise Invalid("a file of the report holds something else than records")
        if len(self._open) > _MOST_DEPTH:
            raise Invalid("a file of the report is nested too deeply")

    def _end(self, place: str) -> None:
        if place == "record":
            self._end_record()
        elif place == "wrapper":
            self._end_wrapper()

    def _begin_member(self, event: str, value: Any) -> None:
        self._depth = self._events_of_member = 0
        if self._key in self._report.selected and event == "start_map":
            self._member = ijson.ObjectBuilder()
            self._build(event, value)
        else:
            self._is_skipping, self._numbers = True, 0
            self._skip(event, value)

    def _end_wrapper(self) -> None:
        """Count the unknown fields of a wrapper; its figures belong to no day and are dropped."""
        for _row in self._report.read("", self._scalars, self._day.unknown):
            pass
        self._report.unknown.join(self._day.unknown)
        self._scalars, self._day = {}, DayFigures()

    def _end_record(self) -> None:
        self._day.add(self._report.read("", self._scalars, self._day.unknown))
        self._report.take(self._scalars.get("day"), self._day)
        self._scalars, self._day = {}, DayFigures()

    def _build(self, event: str, value: Any) -> None:
        assert self._member is not None
        self._member.event(event, value)
        self._events_of_member += 1
        if self._events_of_member > _MOST_EVENTS:
            raise Invalid(f"a file of the report has a row with more than {_MOST_EVENTS} values")
        if self._update_depth(event) == 0:
            member, self._member = self._member.value, None
            figures = self._report.span if self._key in self._report.spanning else self._day
            figures.add(self._report.read(self._key, member, figures.unknown))

    def _skip(self, event: str, value: Any) -> None:
        self._numbers += event == "number" and is_number(value)
        self._is_skipping = self._update_depth(event) > 0
        if not self._is_skipping and event != "null":
            if self._key in self._report.selected or self._key in self._report.own:
                self._day.rejected += max(1, self._numbers)
            elif self._key not in self._report.known:
                self._day.unknown.add(self._key, max(1, self._numbers))

    def _update_depth(self, event: str) -> int:
        self._depth += (event in _OPENING) - (event in _CLOSING)
        if self._depth > _MOST_DEPTH:
            raise Invalid("a file of the report is nested too deeply")
        return self._depth
