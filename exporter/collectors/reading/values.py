"""Single values out of GitHub's JSON: what is a number, what can be a label. Pure."""

import hashlib
from typing import TypeGuard

from exporter.github.decoding import REPLACEMENT, readable

MAX_LABEL_LENGTH = 256


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a number that counts something: not negative, and no larger than an int64."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63


def label_text(value: object) -> str:
    """A valid label value from any JSON value.

    A lone surrogate (JSON can carry one) or a NUL fails a whole scrape, so both are replaced. A long value is cut and
    ends in a hash, so that two of them never become the same series.
    """
    text = "" if value is None else str(value)
    text = readable(text).replace("\0", REPLACEMENT)
    if len(text) <= MAX_LABEL_LENGTH:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{text[: MAX_LABEL_LENGTH - 13]}~{digest}"
