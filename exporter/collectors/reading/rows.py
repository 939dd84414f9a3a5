"""Reads rows from response bodies; a row that cannot be read is left out and counted. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import FailFast, TypeAdapter, ValidationError

from exporter.catalogue import PAGE_SIZE
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.reading.values import is_number
from exporter.errors import Invalid
from exporter.github.decoding import decode_json
from exporter.tables import Row, Table

AnyRow = TypeVar("AnyRow", bound=Row)

MOST_ROWS = 10 * PAGE_SIZE
"""Rows of one page; GitHub sends at most 100: https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api"""


def decode_one(model: type[AnyRow], body: bytes, unknown: UnknownFields | None = None) -> AnyRow:
    """Read an object; raises `Invalid` if it does not fit the model. `unknown` counts the fields the model lacks."""
    item = decode_json(body)
    try:
        row = model.model_validate(item, extra="allow")
    except ValidationError as error:
        raise Invalid(f"the answer is no {model.__name__}: {_first_complaint(error)}") from None
    _move_extras([row], unknown)
    return row


def decode_list(
    model: type[AnyRow], body: bytes, unknown: UnknownFields | None = None, most: int = MOST_ROWS
) -> tuple[list[AnyRow], int]:
    """Read an array: its rows, and how many rows were left out because they cannot be read.

    The usual case is one call into pydantic, which ends at the first bad row; only then each row is read on its own.
    `unknown` counts the fields that the model lacks. Raises `Invalid` for no array, for more than `most` rows, and if
    no row can be read.
    """
    items = decode_json(body)
    if not isinstance(items, list):
        raise Invalid(f"the answer is no array of {model.__name__}")
    if len(items) > most:
        raise Invalid(f"a page of {len(items)} rows; at most {most} are read")
    try:
        rows = _list_of(model).validate_python(items, extra="allow")
    except ValidationError as error:
        rows, complaint = list(_good_rows(model, items)), _first_complaint(error)
        if not rows:
            raise Invalid(f"none of {len(items)} rows is a {model.__name__}: {complaint}") from None
    _move_extras(rows, unknown)
    return rows, len(items) - len(rows)


def _good_rows(model: type[AnyRow], items: Iterable[object]) -> Iterator[AnyRow]:
    for item in items:
        with suppress(ValidationError):
            yield model.model_validate(item, extra="allow")


def _move_extras(rows: Iterable[Row], unknown: UnknownFields | None) -> None:
    """Count the fields that the rows' model lacks, and drop them: a value may name a person."""
    for row in rows:
        if extra := row.__pydantic_extra__:
            if unknown is not None:
                unknown.take(extra, ())
            extra.clear()


@cache
def _list_of(model: type[AnyRow]) -> TypeAdapter[list[AnyRow]]:
    """The validator of a list, cached: building it takes a third as long as reading a page."""
    return TypeAdapter(Annotated[list[model], FailFast()])  # type: ignore[arg-type, valid-type] # a class held in a variable


def figures(
    item: Mapping[str, Any], table: Table, unknown: UnknownFields, besides: Collection[str] = (), place: str = ""
) -> tuple[dict[str, float], int]:
    """The numbers of an object that a table has families for, by field, and how many could not be read.

    Fields that are missing or null are left out. Fields that are not numbers, or negative, are left out and counted.
    `unknown` counts the fields that are neither the table's nor in `besides`.
    """
    known = {family.field for family in table.families}
    given = {field: value for field, value in item.items() if field in known and value is not None}
    numbers = {field: value for field, value in given.items() if is_number(value)}
    unknown.take(item, known.union(besides), place)
    return numbers, len(given) - len(numbers)


def _first_complaint(error: ValidationError) -> str:
    """The place and kind of the first error, without the value: it does not belong in a log."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "body"
    return f"{place}: {first['msg']}"[:200]
