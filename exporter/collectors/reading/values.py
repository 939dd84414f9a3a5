"""Checks and converts values of GitHub's JSON: numbers, labels, and the labels of a row. Pure."""

import hashlib
from typing import TypeGuard

from exporter.counting.keys import Identity
from exporter.github.decoding import REPLACEMENT, readable
from exporter.tables import Row, Table

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


def labels_of(table: Table, row: Row) -> tuple[str, ...]:
    """A row's own label values. If they were those of `other`, the last gets a `~`."""
    labels = tuple(label_text(getattr(row, label)) for label in table.labels)
    is_other = bool(labels) and all(
        word in (None, label) for word, label in zip(table.other or (), labels, strict=False)
    )
    return (*labels[:-1], labels[-1] + "~") if is_other and table.other else labels


def identity_of(table: Table, row: Row) -> Identity:
    """The label values that identify a row: those that are not for display."""
    return labels_of(table, row)[: table.keys]
