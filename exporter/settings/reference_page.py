"""The page `docs/configuration.md`, printed from the models."""

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from exporter.settings.collectors import CollectorDefaults, file_model
from exporter.settings.model import NOT_IN_FILE, model_within
from exporter.settings.names import FLAGS, PREFIX, VARIABLES
from exporter.settings.values import Duration, duration_text


def reference(collectors: Sequence[CollectorDefaults]) -> str:
    """Print the page `docs/configuration.md`: every key, flag and variable, in Markdown."""
    lines = [
        "# Configuration",
        "",
        "Printed from the code. Flags override the environment, the environment overrides the file (YAML), the file",
        "overrides the defaults. Unknown keys, flags and variables are errors. Durations are `5s`, `30m`, `6h`, `7d`",
        "or `1h30m`. Relative paths start at the working directory.",
        "",
        "## File",
        "",
        "| key | type | default | description |",
        "|---|---|---|---|",
        *(_row(*row) for row in _keys(file_model(collectors), "")),
        "",
        "## Flags and environment",
        "",
        "No secret is ever a flag. An empty variable counts as unset; lists are separated by commas.",
        f"`{PREFIX}TOKEN`, `{PREFIX}TOKEN_FILE` and `{PREFIX}API_URL` make or change the credential `default`.",
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
        if name in NOT_IN_FILE or field.annotation == dict[str, Any]:
            continue
        inner = model_within(field.annotation)
        key = prefix + name
        if inner is None:
            yield f"`{key}`", _type_text(field), _default_text(field), field.description or ""
            continue
        kind = "mapping" if field.annotation is inner else "mapping of mappings"
        if "tuple" in str(field.annotation):
            kind = "list"
        if description := field.description:
            yield f"`{key}`", kind, "", description
        yield from _keys(inner, key + {"mapping": ".", "list": "[].", "mapping of mappings": ".NAME."}[kind])


def _type_text(field: FieldInfo) -> str:
    text = str(field.annotation)
    if get_args(Duration)[1] in field.metadata:
        return "duration"
    if "Literal" in text:
        return " or ".join(f"`{value}`" for value in get_args(field.annotation))
    words = {"tuple": "list of text", "list": "list of text", "Path": "path", "bool": "true or false"}
    words |= {"int": "whole number", "float": "number"}
    return next((word for name, word in words.items() if name in text), "text")


def _default_text(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return ""
    if _type_text(field) == "duration":
        return f"`{duration_text(default)}`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{', '.join(default)}`" if isinstance(default, tuple | list) else f"`{default}`"
