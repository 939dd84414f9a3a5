"""The page `docs/configuration.md`, written from the models."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from exporter.catalogue import Collector
from exporter.options import duration_text
from exporter.settings.collectors_section import file_model
from exporter.settings.model import NOT_IN_FILE, Settings, model_within
from exporter.settings.names import FLAGS, PREFIX, VARIABLES
from exporter.settings.sample_values import is_duration


def reference(collectors: Sequence[Collector]) -> str:
    """Every key, flag and variable, in Markdown."""
    lines = [
        "# Configuration",
        "",
        "Written by `make docs`. Flags override the environment, the environment overrides the file (YAML), the file",
        "overrides the defaults. Unknown keys, flags and variables are errors. Durations are `5s`, `30m`, `6h`, `7d`",
        "or `1h30m`. Relative paths in the file start at the file's folder, others at the working directory.",
        "",
        "## File",
        "",
        "[config.example.yaml](config.example.yaml) has every key with its default. Editors with a YAML language",
        "server (VS Code's YAML extension, Neovim, Emacs) complete and check a file that begins with",
        "`# yaml-language-server: $schema=URL`: the URL, or the path from that file, of",
        "[config.schema.json](config.schema.json). How values fit together only the command `check` knows.",
        "",
        "| key | type | default | description |",
        "|---|---|---|---|",
        *(_row(*row) for row in _keys(file_model(collectors, Settings), "")),
        "",
        "## Flags and environment",
        "",
        "No secret is ever a flag. An empty variable counts as unset; lists are separated by commas.",
        f"`{PREFIX}TOKEN`, `{PREFIX}TOKEN_FILE` and `{PREFIX}API_URL` make or change the credential `default`.",
        "Every key of a collector has a variable: `collectors.copilot_seats.enabled` is",
        f"`{PREFIX}COLLECTORS_COPILOT_SEATS_ENABLED`. Other settings without one are the file's alone.",
        "",
        "| setting | flag | variable |",
        "|---|---|---|",
        *(
            _row(f"`{'.'.join(path)}`", f"`{FLAGS[path]}`" if path in FLAGS else "", f"`{variable}`")
            for path, variable in VARIABLES.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _keys(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in model.model_fields.items():
        if name in NOT_IN_FILE:
            continue
        inner = model_within(field.annotation)
        key = prefix + name
        if inner is None:
            yield f"`{key}`", _type_text(field), _default_text(field), field.description or ""
            continue
        kind, dots = _kind_of_section(field.annotation)
        if description := field.description:
            yield f"`{key}`", kind, "", description
        yield from _keys(inner, key + dots)


def _kind_of_section(annotation: Any) -> tuple[str, str]:
    """The kind of section that a model stands for, and what separates its key from the keys below it."""
    if isinstance(annotation, type):
        return "mapping", "."
    return ("list", "[].") if get_origin(annotation) is tuple else ("mapping of mappings", ".NAME.")


def _type_text(field: FieldInfo) -> str:
    return "duration" if is_duration(field) else _words_of(field.annotation)


def _words_of(annotation: Any) -> str:
    """A type in words. Raises TypeError for an unknown type, so that `make docs` fails."""
    if word := _WORDS.get(annotation):
        return word
    parts = [part for part in get_args(annotation) if part not in (Ellipsis, NoneType)]
    origin = get_origin(annotation)
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in parts)
    if origin is tuple and get_origin(parts[0]) is Literal:
        return "list of: " + ", ".join(f"`{choice}`" for choice in get_args(parts[0]))
    if origin is tuple:
        return f"list of {_words_of(parts[0])}"
    if not parts:
        raise TypeError(f"{annotation} has no words in _WORDS")
    return _words_of(parts[0])  # of Annotated[X, …] and X | None


_WORDS: Mapping[Any, str] = {str: "text", bool: "true or false", int: "whole number", float: "number", Path: "path"}


def _default_text(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return "required"
    if default is None or default in ((), ""):
        return ""
    if is_duration(field):
        return f"`{duration_text(default)}`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{', '.join(default)}`" if isinstance(default, tuple) else f"`{default}`"
