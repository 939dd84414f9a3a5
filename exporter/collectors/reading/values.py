"""Checks and converts single values of GitHub's JSON: numbers and labels. Pure."""

import hashlib
from typing import TypeGuard

from exporter.github.decoding import REPLACEMENT, readable

MAX_LABEL_LENGTH = 256


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a count: a number, not negative, that an int64 can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63


def label_text(value: object) -> str:
    """A valid label value from any JSON value.

    A lone surrogate (JSON can have one) or a NUL would fail the whole scrape, so both are replaced. A long value is cut
    and ends in a hash, so that two long values never become one series.
    """
    text = "" if value is None else str(value)
    text = readable(text).replace("\0", REPLACEMENT)
    if len(text) <= MAX_LABEL_LENGTH:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{text[: MAX_LABEL_LENGTH - 13]}~{digest}"
