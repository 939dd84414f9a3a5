"""The licence of a GHES appliance: its seats and its end. Pure."""

import re
from datetime import datetime
from typing import Any

from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.reading.values import is_number, label_text
from exporter.errors import Invalid
from exporter.github.decoding import decode_json
from exporter.instants import epoch_or_none
from exporter.tables import Figures, Row, Table, gauge, info

UNLIMITED = "unlimited"
_SEATS = ("seats", "seats_used", "seats_available")
_DIGITS = re.compile(r"[0-9]{1,18}")
# The days that are left have no series: they follow from the end.
_FIELDS = {*_SEATS, "kind", "expire_at", "days_until_expiration"}


class License(Figures):
    """The licence's numbers; `unlimited` is 1 or 0."""


class Kind(Row):
    """What kind of licence it is, in GitHub's words; empty where it gives none."""

    kind: str = ""


SEATS = Table(
    row=License,
    families=(
        gauge("github_appliance_license_seats", "seats", "Seats of the licence; absent if they are unlimited."),
        gauge("github_appliance_license_seats_used", "seats_used", "Seats in use."),
        gauge(
            "github_appliance_license_seats_available",
            "seats_available",
            "Seats that are free; absent if they are unlimited.",
        ),
        gauge(
            "github_appliance_license_expiry_timestamp_seconds",
            "expire_at",
            "When the licence ends; absent where the appliance names no date.",
        ),
    ),
)


class Limit(Row):
    """Whether seats are unlimited."""

    unlimited: bool


LIMIT = Table(
    row=Limit,
    computed_from="seats",
    families=(gauge("github_appliance_license_unlimited", "unlimited", "Whether seats are unlimited: 1 or 0."),),
)

KIND = Table(
    row=Kind,
    labels=("kind",),
    computed_from="kind",
    families=(info("github_appliance_license_info", "The kind of the licence, in GitHub's words."),),
)

TABLES = (SEATS, LIMIT, KIND)


def read(body: bytes, unknown: UnknownFields) -> tuple[tuple[Row, ...], int]:
    """The rows of an answer, and how many values cannot be used; raises `Invalid` if none can.

    Seats are numbers, also as text, or the word "unlimited".
    """
    answer = decode_json(body)
    if not isinstance(answer, dict):
        raise Invalid("the answer is no object")
    unknown.take(answer, _FIELDS)
    given = {field: value for field, value in answer.items() if field in _FIELDS and value not in (None, "")}
    figures = {field: number for field in _SEATS if (number := _count(given.get(field))) is not None}
    end = given.get("expire_at")
    if (instant := instant_of(end)) is not None:
        figures["expire_at"] = instant
    unreadable = [field for field in _SEATS if field in given and field not in figures and not _is_word(given[field])]
    rejected = len(unreadable) + (end is not None and instant is None)
    rows: list[Row] = [License(figures=figures)]
    if "seats" in figures or _is_word(given.get("seats")):
        rows.append(Limit(unlimited="seats" not in figures))
    kind = given.get("kind")
    rejected += kind is not None and not isinstance(kind, str)
    if not figures and len(rows) == 1:
        raise Invalid("the answer has neither seats nor an end of the licence")
    rows.append(Kind(kind=label_text(kind) if isinstance(kind, str) else ""))
    return tuple(rows), rejected


def instant_of(text: object) -> float | None:
    """The instant of `2016/02/06 12:41:52 -0600` or `2021-02-28T23:59:59.000-08:00`; None for anything else.

    The first form is that of GitHub's example; the second was observed.
    """
    try:
        return datetime.strptime(text, "%Y/%m/%d %H:%M:%S %z").timestamp() if isinstance(text, str) else None
    except ValueError:
        return epoch_or_none(text)


def _count(value: Any) -> float | None:
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        return float(value)
    return float(value) if is_number(value) else None


def _is_word(value: object) -> bool:
    return isinstance(value, str) and value.strip().lower() == UNLIMITED
