"""The file `docs/config.schema.json`, written from the models: editors complete and check a configuration by it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from exporter.catalogue import Collector
from exporter.settings.collectors_section import file_model
from exporter.settings.model import NOT_IN_FILE, Settings, model_within
from exporter.settings.sample_values import is_duration, sample

_DURATION = {"type": "string", "minLength": 1, "pattern": r"^(\d{1,9}d)?(\d{1,9}h)?(\d{1,9}m)?(\d{1,9}s)?$"}
"""Without a lookahead, which Helm's regular expressions do not support."""
_TEXT_TOO = ("listen_address", "no_proxy", "download_hosts", "include", "exclude")
"""Lists that may be written as one text with commas."""


def schema(collectors: Sequence[Collector]) -> str:
    """JSON Schema of the file. It checks single values; only the command `check` checks how they fit together."""
    model = file_model(collectors, Settings)
    result = model.model_json_schema()
    for section in {id(section): section for section in _sections(model)}.values():
        properties = result["properties"] if section is model else result["$defs"][section.__name__]["properties"]
        for name in NOT_IN_FILE & properties.keys():
            del properties[name]
        for name, property_ in properties.items():
            properties[name] = _property(name, section.model_fields[name], property_)
    for name in ("Config", "Plan", "Backfill", "Simulate", "StateCommand", "Healthcheck"):
        del result["$defs"][name]
    for entry in ("TargetEntry", "DiscoverEntry"):
        result["$defs"][entry] = {"anyOf": [{"type": "string"}, result["$defs"][entry]]}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "GitHub Enterprise exporter"}
    return json.dumps({**result, **head}, indent=2, ensure_ascii=False) + "\n"


def _sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for name, field in model.model_fields.items():
        inner = model_within(field.annotation)
        if inner is not None and name not in NOT_IN_FILE:
            yield from _sections(inner)


def _property(name: str, field: FieldInfo, generated: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a key's value in the file."""
    words = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum"}
    result = {words.get(word, word): value for word, value in generated.items() if word not in ("title", "default")}
    if is_duration(field):
        return {**_DURATION, "description": field.description, "default": sample(field)}
    if model_within(field.annotation) is not None:
        kinds = {key: result.pop(key) for key in ("$ref", "type", "items", "additionalProperties") if key in result}
        return {**result, "anyOf": [kinds, {"type": "null"}]}
    if generated.get("default") not in (None, []):
        result["default"] = generated["default"]
    if name in _TEXT_TOO:
        items = {key: result.pop(key) for key in ("type", "items", "minLength") if key in result}
        items.pop("minLength", None)
        return {**result, "anyOf": [items, {"type": "string"}]}
    return result
