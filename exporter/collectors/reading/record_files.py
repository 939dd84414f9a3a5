"""The records of a report's file, one at a time while it is downloaded: memory does not grow with the file. Pure.

A file is an object, an array of objects, or an object per line; `day_totals` may wrap records.
"""

import codecs
import re
from collections.abc import Callable
from typing import Any

from exporter.collectors.reading.records import MOST_CHARACTERS, MOST_VALUES, after_space, value_at
from exporter.errors import Invalid

MOST_RECORDS = 5_000_000
"""Records of one file: 100,000 people in 50 teams each."""

_STEP = 64 * 1024  # characters; fewer are not parsed until the file ends
_DEEPEST = 8
_TEXT, _SCALAR = r'"(?:[^"\\]|\\.)*"', r"[^\s,:{}\[\]\"]+"
# The beginning of an object whose list `day_totals` holds the records, if only plain values stand before the list.
_WRAPPER = re.compile(rf'\{{(?:\s*{_TEXT}\s*:\s*(?:{_TEXT}|{_SCALAR})\s*,)*\s*"day_totals"\s*:\s*(?=\[)')
_NEAR = 4096  # characters: how far from an object's beginning its `day_totals` is looked for


class RecordFile:
    """One file, fed piece by piece; `take` gets each record, which may be any JSON value."""

    def __init__(self, take: Callable[[Any], None]) -> None:
        self._take = take
        self._bytes = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._text, self._unread, self._unread_length = "", list[str](), 0
        self._open = ""  # the open brackets, "{" for a wrapper
        self._records = 0

    def feed(self, piece: bytes) -> None:
        """Read a piece; raises `Invalid`."""
        self._add(piece)
        # An incomplete record is parsed from its start again, so wait until the text has doubled.
        if self._unread_length >= max(_STEP, len(self._text)):
            self._read(last=False)

    def end(self) -> None:
        """Read the end of the file; raises `Invalid` if it is incomplete."""
        self._add(b"", last=True)
        self._read(last=True)
        if self._open or self._text:
            raise Invalid("a file of the report is no JSON, or is cut off")

    def _add(self, piece: bytes, *, last: bool = False) -> None:
        text = self._bytes.decode(piece, last)
        self._unread.append(text)
        self._unread_length += len(text)

    def _read(self, *, last: bool) -> None:
        text, at = "".join((self._text, *self._unread)), 0
        self._unread, self._unread_length = [], 0
        while (at := after_space(text, at)) < len(text):
            following = self._step(text, at) or self._record(text, at, last=last)
            if following is None:
                break
            at = following
        self._text = text[at:]
        if len(self._text) > MOST_CHARACTERS:
            raise Invalid(f"a file of the report has a record of more than {MOST_CHARACTERS} characters, or is no JSON")

    def _step(self, text: str, at: int) -> int | None:
        """Step over a bracket or comma between records, or into a wrapper; None if there is a record."""
        mark = text[at]
        if self._open.endswith("{"):
            return self._after_list(text, at)
        if mark == "[" or (mark == "]" and self._open) or (mark == "," and self._open):
            self._open = self._open + mark if mark == "[" else self._open[:-1] if mark == "]" else self._open
            if len(self._open) > _DEEPEST:
                raise Invalid("a file of the report is nested too deeply")
            return at + 1
        if mark == "{" and text.find('"day_totals"', at, at + _NEAR) > 0 and (wrapper := _WRAPPER.match(text, at)):
            self._open += "{"
            return self._enter(text, wrapper.end())
        return None

    def _after_list(self, text: str, at: int) -> int | None:
        """Step over a part of what a wrapper has behind its list."""
        if text[at] == "}":
            self._open = self._open[:-1]
        if text[at] in ",:}":
            return at + 1
        value = value_at(text, at)
        return value[1] if value else None

    def _enter(self, text: str, at: int) -> int:
        """Step into the list of a wrapper."""
        self._open += text[at]
        return at + 1

    def _record(self, text: str, at: int, *, last: bool) -> int | None:
        """Take the record at a position; returns its end, None if it is incomplete."""
        if self._open.endswith("{"):
            return None
        value = value_at(text, at)
        if value is None or (value[1] == len(text) and not last and text[at] != "{"):  # a number could go on
            return None
        record, end = value
        if sum(text.count(mark, at, end) for mark in ",:[{") > MOST_VALUES:
            raise Invalid(f"a file of the report has a record of more than {MOST_VALUES} values")
        records = record["day_totals"] if isinstance(record, dict) and "day_totals" in record else [record]
        for one in records if isinstance(records, list) else [records]:
            self._records += 1
            if self._records > MOST_RECORDS:
                raise Invalid(f"a file of the report has more than {MOST_RECORDS} records")
            self._take(one)
        return end
