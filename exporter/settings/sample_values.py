"""Sample values of the file's keys, for the example file, the schema and messages that quote YAML."""

from collections.abc import Iterator
from functools import reduce
from typing import Any, get_args

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from exporter.options import Duration, duration_text
from exporter.settings.model import NOT_IN_FILE, Settings, model_within
from exporter.settings.names import FLAGS, PREFIX, VARIABLES

_WIDEST = 10_000


def sample(field: FieldInfo) -> Any:
    """The default as it is written in the file, or the field's example if it has no default."""
    if field.examples:
        return field.examples[0]
    default = field.get_default(call_default_factory=True)
    if default is None or default is PydanticUndefined:
        raise ValueError(f"a key without a default needs an example: {field.description}")
    if is_duration(field):
        return duration_text(default)
    if isinstance(default, tuple):
        return list(default)
    return default if isinstance(default, bool | int | float) else str(default)


def is_duration(field: FieldInfo) -> bool:
    """Whether the field is a duration, written as `30m`."""
    return get_args(Duration)[1] in field.metadata


def flow(value: Any) -> str:
    """The value as YAML in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=_WIDEST, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def in_file_only(word: str) -> str:
    """The end of a message about an unknown flag or variable: the file's line, if only the file has that setting."""
    name = word.lstrip("-").removeprefix(PREFIX).replace("-", "_").replace(".", "_").lower()
    line = _file_only().get(name)
    return f"; it is set in the file (--config.file): {line}" if line else ""


def _file_only() -> dict[str, str]:
    """The line of each setting that has neither flag nor variable, by its name as a variable would have it."""
    lines: dict[str, str] = {}
    for path, value in _settings_of_file(Settings, ()):
        if path in FLAGS or path in VARIABLES:
            continue
        top, *rest = path
        lines["_".join(path)] = f"{top}: {flow(reduce(lambda inner, key: {key: inner}, reversed(rest), value))}"
        lines.setdefault(top, lines["_".join(path)])  # of the section's name alone: its first key
    credential = {key: sample(field) for key, field in _fields(Settings, "credentials") if key not in NOT_IN_FILE}
    for key, value in credential.items():
        lines.setdefault(key, f"credentials: {flow({'NAME': {key: value}})}")
    lines["credentials"] = lines["token_file"]
    return lines


def _fields(model: type[BaseModel], section: str) -> Iterator[tuple[str, FieldInfo]]:
    inner = model_within(model.model_fields[section].annotation)
    return iter(inner.model_fields.items() if inner else ())


def _settings_of_file(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The path and a sample value of each key; a list of mappings is one key."""
    for name, field in model.model_fields.items():
        inner = model_within(field.annotation)
        if name in NOT_IN_FILE or name in ("credentials", "collectors"):
            continue
        if inner is None:
            yield (*path, name), sample(field)
        elif isinstance(field.annotation, type):
            yield from _settings_of_file(inner, (*path, name))
        else:
            yield (*path, name), [{key: sample(item) for key, item in inner.model_fields.items()}]
