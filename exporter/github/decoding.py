"""Decodes GitHub's JSON within bounds of time and memory, and repairs broken characters. Pure.

A megabyte of `0,` or `[],` becomes a hundred megabytes of objects, so values are counted in the bytes before any object
is created. Decoding blocks: call it from a thread, unless the text is short.
"""

import codecs
import re
from typing import Any

from pydantic_core import from_json

from exporter.errors import Invalid

LARGEST = 8 * 1024 * 1024
"""Bytes of a response; a page of a hundred rows has some fifty thousand."""
MOST_VALUES = 200_000
"""Values of a response, counted by `,`, `:`, `[` and `{`, those in strings included; a page has two thousand."""
LONGEST_TEXT = 1024 * 1024
"""Bytes of one string in a response."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_LARGEST_OF_WIDE = LARGEST // 4 * 3
_STEP = 64 * 1024
_WIDE = re.compile(rb"[\xf0-\xf4]|\\u[dD][89abAB]")  # Python stores a string with one of these in 4 bytes per character
_CONTROLS = bytes.maketrans(bytes(range(32)), b"".join(b" " if code in b"\t\n\r" else b"?" for code in range(32)))
_BACKSLASH, _PLACE = b"\\\\", b"\0\0"
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE = re.compile(rb"%b(?!%b)|(?<!%b)%b" % (_HIGH, _LOW, _HIGH, _LOW))
_UNFINISHED = re.compile(rb"(?:%b)?(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z" % _HIGH)
_LONGEST_UNFINISHED = 11
_SURROGATE = re.compile("[\ud800-\udfff]")


def decode_json(body: bytes) -> Any:
    """The value of a JSON text; raises `Invalid` if it is not JSON, or too large for a response of GitHub."""
    _check_size(body)
    try:
        return from_json(body)
    except ValueError:
        pass
    repaired = _repaired(body)
    try:
        if repaired != body:
            return from_json(repaired)
    except ValueError:
        pass
    raise Invalid("the answer is no JSON")


def readable(text: str) -> str:
    """The text without lone surrogates, which JSON can represent and UTF-8 cannot."""
    return text if text.isascii() else _SURROGATE.sub(REPLACEMENT, text)


class Repair:
    r"""Replaces what parsers reject in the strings of JSON; the JSON is given in pieces.

    Replaced are half surrogate pairs (`\ud800`), bytes that are not UTF-8, and bare control characters. Other syntax
    errors stay.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = b""

    def feed(self, piece: bytes, *, last: bool = False) -> bytes:
        """The repaired JSON, without an incomplete end, which is returned with the next piece."""
        text = self._decoder.decode(piece.translate(_CONTROLS), last).encode()
        text = (self._rest + text).replace(_BACKSLASH, _PLACE)  # now each backslash begins an escape
        end = len(text)
        if not last and (unfinished := _UNFINISHED.search(text, max(0, end - _LONGEST_UNFINISHED))):
            end = unfinished.start()
        self._rest = text[end:].replace(_PLACE, _BACKSLASH)
        return _LONE.sub(rb"\\ufffd", text[:end]).replace(_PLACE, _BACKSLASH)


def _repaired(body: bytes) -> bytes:
    """The repaired body; raises `Invalid` if that is too large."""
    repair, pieces, length = Repair(), list[bytes](), 0
    for at in range(0, len(body), _STEP):
        pieces.append(repair.feed(body[at : at + _STEP], last=at + _STEP >= len(body)))
        length += len(pieces[-1])
        if length > LARGEST:
            raise Invalid("the answer is no JSON: much of it is no UTF-8")
    return b"".join(pieces)


def _check_size(body: bytes) -> None:
    """Raises `Invalid` for a body that would be too large in memory."""
    if len(body) > LARGEST or (len(body) > _LARGEST_OF_WIDE and _WIDE.search(body)):
        raise Invalid(f"the answer is larger than {LARGEST} bytes, or would be in memory")
    if sum(map(body.count, (b",", b":", b"[", b"{"))) > MOST_VALUES:
        raise Invalid(f"the answer has more than {MOST_VALUES} values")
    at = 0
    while len(body) - at > LONGEST_TEXT:
        at = body.rfind(b'"', at, at + LONGEST_TEXT + 1) + 1
        if not at:
            raise Invalid(f"the answer has a text of more than {LONGEST_TEXT} bytes")
