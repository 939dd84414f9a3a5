"""Reads an array of JSON objects one at a time, so that memory does not grow with the array. Pure.

The standard library's parser decodes each object as soon as it is complete.
"""

import codecs
import json
import math
import re
from collections.abc import Iterator
from typing import Any

from exporter.errors import Invalid

MOST_CHARACTERS = 1024 * 1024
"""Characters of one record; GitHub's have a few thousand."""

MOST_VALUES = 20_000
"""Commas, colons and opening brackets of one record, those in strings included; GitHub's have a few hundred."""

MOST_RECORDS = 200_000
"""Records of one array: a year of 500 appliances, one a day."""

_STEP = 64 * 1024  # characters; fewer are not parsed until the array ends
_SPACE = re.compile(r"[ \t\n\r]*")
_MOST_DIGITS = 19  # of 2**63, from which on `is_number` accepts none


def _parse_int(text: str) -> float:
    """An integer; infinity if an int64 cannot hold it, because parsing very long ones is slow."""
    return int(text) if len(text) <= _MOST_DIGITS else math.inf


_DECODER = json.JSONDecoder(parse_int=_parse_int, strict=False)  # accepts control characters in texts


def decode_record(text: str) -> Any:
    """A record from its text, which `Records` has checked."""
    return _DECODER.decode(text)


class Records:
    """The records of one array, whose text arrives in pieces. A single object counts as an array of one."""

    def __init__(self) -> None:
        self._bytes = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._text, self._count = "", 0
        self._unread: list[str] = []
        self._unread_length = 0
        # Expected next: the array's "start", its "first" item or "]", an "item", a "separator" or "]", nothing ("end").
        self._next, self._is_array = "start", False

    def feed(self, piece: bytes) -> Iterator[tuple[Any, str]]:
        """The records that are complete now, each with its text; raises `Invalid`."""
        self._add(piece)
        # An incomplete record is parsed from its start again, so wait until the text has doubled.
        if self._unread_length >= max(_STEP, len(self._text)):
            yield from self._read(last=False)

    def end(self) -> Iterator[tuple[Any, str]]:
        """The remaining records; raises `Invalid` if the array is incomplete."""
        self._add(b"", last=True)
        yield from self._read(last=True)
        if self._next != "end" or self._text:
            raise Invalid("the answer is no JSON, or is cut off")

    def _add(self, piece: bytes, *, last: bool = False) -> None:
        text = self._bytes.decode(piece, last)
        self._unread.append(text)
        self._unread_length += len(text)

    def _read(self, *, last: bool) -> Iterator[tuple[Any, str]]:
        text, at = "".join((self._text, *self._unread)), 0
        self._unread, self._unread_length = [], 0
        while (at := after_space(text, at)) < len(text):
            if self._next not in ("first", "item") or (self._next == "first" and text[at] == "]"):
                at = self._skip_mark(text[at], at)
                continue
            value = value_at(text, at)
            if value is None or (value[1] == len(text) and not last):  # a number could go on in the next piece
                break
            record, end = value
            self._count += 1
            if self._count > MOST_RECORDS:
                raise Invalid(f"the answer has more than {MOST_RECORDS} records")
            if sum(text.count(mark, at, end) for mark in ",:[{") > MOST_VALUES:
                raise Invalid(f"the answer has a record of more than {MOST_VALUES} values")
            yield record, text[at:end]
            self._next, at = "separator" if self._is_array else "end", end
        self._text = text[at:]
        if len(self._text) > MOST_CHARACTERS:
            raise Invalid(f"the answer is no JSON, or has a record of more than {MOST_CHARACTERS} characters")

    def _skip_mark(self, mark: str, at: int) -> int:
        """Check a bracket or comma of the array; returns the position after it. Raises `Invalid`."""
        if self._next == "end":
            raise Invalid("the answer goes on after its JSON")
        if self._next == "start":
            self._is_array = mark == "["
            if mark not in "[{":
                raise Invalid("the answer is neither a list of records nor a record")
            self._next = "first" if self._is_array else "item"
            return at + self._is_array
        if mark not in ",]":
            raise Invalid("the answer is no JSON")
        self._next = "item" if mark == "," else "end"
        return at + 1


def after_space(text: str, at: int) -> int:
    """The next position that is no white space."""
    space = _SPACE.match(text, at)
    return space.end() if space else at


def value_at(text: str, at: int) -> tuple[Any, int] | None:
    """The JSON value at a position and its end; None if it is incomplete, or no JSON. Raises `Invalid`."""
    try:
        return _DECODER.raw_decode(text, at)
    except RecursionError:
        pass
    except ValueError:
        return None
    raise Invalid("the answer has a record that is nested too deeply")
