"""Pydantic's validation errors as messages for operators; no message repeats a value."""

from collections.abc import Iterable, Iterator, Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from exporter.settings.model import NOT_IN_FILE, model_within
from exporter.settings.problems import NO_CLEAR_TOKEN, SECRET_KEY, Where, hint

_SECTION = ("model_type", "model_attributes_type")
_WORDS = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("tuple_type", "list_type", "set_type", "frozen_set_type"), "must be a list, such as [a, b]"),
    **dict.fromkeys(("dict_type", "mapping_type"), "must be a mapping (key: value)"),
    "missing": "is required",
    "string_type": "must be text; put it in quotes",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "invalid_key": "must have names as keys; put them in quotes",
    "string_pattern_mismatch": "does not have the right form, {pattern}",
    "literal_error": "must be one of {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "value_error": "{error}",
}


def explained(error: ValidationError, model: type[BaseModel], collectors: Sequence[str]) -> Iterator[tuple[Where, str]]:
    """Each error as its place and a message of one line; `collectors` are the names of all collectors."""
    for details in error.errors(include_url=False, include_input=False):
        where = tuple(part for part in details["loc"] if part != "[key]")
        if details["type"] == "extra_forbidden":
            yield where, _unknown_key(where, model, collectors)
        elif details["type"] in _SECTION:
            yield where, "must be a mapping with its keys indented below it" + _keys_of(_model_at(model, where))
        else:
            yield where, _wrong_value(details)


def _wrong_value(details: ErrorDetails) -> str:
    words = _WORDS.get(details["type"])
    if words is None:
        words = details["msg"].replace("Input should be", "must be")
        return words[:1].lower() + words[1:]
    return words.format(**details.get("ctx", {}))


def _unknown_key(where: Where, model: type[BaseModel], collectors: Sequence[str]) -> str:
    *path, last = where
    key = str(last)
    if path == ["collectors"]:
        return "there is no such collector" + hint(key, collectors, list_all=True)
    section = _model_at(model, path)
    meant = hint(key, _known(section))
    if path and path[0] == "credentials" and not meant and SECRET_KEY.search(key):
        return NO_CLEAR_TOKEN
    return "unknown key" + (meant or _keys_of(section))


def _keys_of(section: type[BaseModel]) -> str:
    return hint("", _known(section), list_all=True)


def _known(section: type[BaseModel]) -> list[str]:
    return [name for name in section.model_fields if name not in NOT_IN_FILE]


def _model_at(model: type[BaseModel], path: Iterable[str | int]) -> type[BaseModel]:
    for part in path:
        field = model.model_fields.get(str(part))
        model = (model_within(field.annotation) if field else None) or model
    return model
