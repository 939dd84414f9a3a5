"""From GitHub's answers to rows: decoding that survives a bad row, and walks over pages that must not move."""

import hashlib
import json
from collections.abc import Hashable
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeGuard, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from exporter.catalogue import PAGE_SIZE, Api, Ask, Fetched, Row, Table
from exporter.github.errors import Invalid

AnyRow = TypeVar("AnyRow", bound=Row)

MAX_LABEL_LENGTH = 256


def github_time(instant: float) -> str:
    """Epoch seconds as GitHub wants them in a query: `2026-11-21T09:00:00Z`."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def window(ask: Ask) -> dict[str, str | int]:
    """The window as query parameters. Both are always sent: what GitHub does without `max_timestamp` is unclear."""
    return {"min_timestamp": github_time(ask.start), "max_timestamp": github_time(ask.end)}


def whose(ask: Ask) -> str:
    """The end of a path that asks about a user or an actor: `/users/7`, `/installation/954453`; empty for all."""
    kind = ("users",) if len(ask.subject) == 1 else ()
    return "".join(f"/{part}" for part in (*kind, *ask.subject))


def decode_one(model: type[AnyRow], body: bytes) -> AnyRow:
    """Read an object; `Invalid` if it is none, or misses what we need."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise Invalid(f"the answer is no {model.__name__}: {_first_complaint(error)}") from None


def decode_list(model: type[AnyRow], body: bytes) -> tuple[list[AnyRow], int]:
    """Read an array: its rows, and how many of them were left out because they could not be read.

    The usual case is one call into pydantic; only an array with a bad row is gone through row by row.
    """
    try:
        return _list_of(model).validate_json(body), 0
    except ValidationError as error:
        complaint = _first_complaint(error)
    try:
        items: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise Invalid(f"the answer is no JSON: {complaint}") from None
    if not isinstance(items, list):
        raise Invalid(f"the answer is no array of {model.__name__}: {complaint}")
    rows = []
    for item in items:
        try:
            rows.append(model.model_validate(item))
        except (ValidationError, RecursionError):
            continue
    if not rows:
        raise Invalid(f"none of {len(items)} rows is a {model.__name__}: {complaint}")
    return rows, len(items) - len(rows)


@cache
def _list_of(model: type[AnyRow]) -> TypeAdapter[list[AnyRow]]:
    """Made once for each kind of row: it takes a third as long as reading a page."""
    return TypeAdapter(list[model])  # type: ignore[valid-type] # a class held in a variable


def decode_json(body: bytes) -> Any:
    """Read any JSON; `Invalid` if it is none. A NaN is no number to `is_number`, so it costs its own value only."""
    try:
        return from_json(body)
    except ValueError:
        raise Invalid("the answer is no JSON") from None


def figures(item: object, table: Table) -> tuple[dict[str, float], int]:
    """Find the numbers of an object that a table has families for, and count those that it has none for.

    A field that is missing or null is absent. One that is no number, or a negative one, is absent and counted.
    """
    if not isinstance(item, dict):
        return {}, 0
    known = {family.field for family in table.families}
    found = {field: value for field, value in item.items() if is_number(value)}
    unusable = sum(field in known and value is not None and field not in found for field, value in item.items())
    return {field: value for field, value in found.items() if field in known}, unusable + len(found.keys() - known)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a number as GitHub counts: none below 0, none too large to be told exactly as an int64."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63


def label_text(value: object) -> str:
    """A label value that no scrape can stumble over, from whatever GitHub sent.

    A lone surrogate (JSON can carry one) or a NUL fails a whole scrape; a very long value is cut and told apart by
    a hash, so that two of them never become one series.
    """
    text = "" if value is None else str(value)
    text = text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    if len(text) <= MAX_LABEL_LENGTH:
        return text
    mark = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{text[: MAX_LABEL_LENGTH - 13]}~{mark}"


async def walk(api: Api, path: str, params: dict[str, str | int], table: Table) -> Fetched:
    """Read all pages of a list, each row once.

    Ask in an order that does not move while it is read. A row that comes twice means that pages shifted all the
    same: the walk starts over once and then fails, for a row counted twice would stay in a counter for ever.
    """
    for _attempt in range(2):
        fetched = await _walk_once(api, path, params, table)
        if fetched is not None:
            return fetched
    raise Invalid(f"{path}: rows moved between pages during two walks")


async def _walk_once(api: Api, path: str, params: dict[str, str | int], table: Table) -> Fetched | None:
    rows: list[Row] = []
    seen: set[Hashable] = set()
    rejected = 0
    async for reply in api.pages(path, {**params, "per_page": PAGE_SIZE}):
        page, left_out = decode_list(table.row, reply.body)
        rejected += left_out
        for row in page:
            identity = tuple(getattr(row, label) for label in table.identity)
            if identity in seen:
                return None
            seen.add(identity)
            rows.append(row)
    return Fetched(tuple(rows), rejected)


def _first_complaint(error: ValidationError) -> str:
    """Where and what, without the value: an answer's text does not belong in a log."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "body"
    return f"{where}: {first['msg']}"[:200]
