"""The file `docs/config.example.yaml`, written from the models: every key with its default, commented out."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from exporter.catalogue import Collector
from exporter.settings.collectors_section import file_model
from exporter.settings.model import NOT_IN_FILE, CredentialSection, Settings, model_within
from exporter.settings.sample_values import flow, sample

_WIDTH = 110
_HEAD = """\
# yaml-language-server: $schema=config.schema.json
#
# Every key of the file, with its default, or with an example where it has none. Remove the # before a key to set it:
# comments have a blank behind the #, keys have none. Written by `make docs`.
"""
_APP = ("app_client_id", "private_key_file")
_CREDENTIALS: Mapping[str, Mapping[str, Any]] = {
    "default": {key: None for key in CredentialSection.model_fields if key not in (*_APP, *NOT_IN_FILE)},
    "app": dict.fromkeys(_APP),
    "ghes": {"api_url": "https://ghes.example.com/api/v3", "token_file": "/run/secrets/ghes.token"},
}
_TARGETS: Mapping[str, Mapping[str, Any]] = {
    "organizations": {"name": "acme", "credential": "app"},
    "enterprises": {"name": "acme-corp", "credential": "default"},
    "appliances": {"name": "ghes-eu", "credential": "ghes"},
    "discover": {
        "credential": "default",
        "enterprise": "acme-corp",
        "include": ["acme-*"],
        "exclude": ["*-sandbox"],
        "interval": None,
        "max_targets": None,
    },
}


def example(collectors: Sequence[Collector]) -> str:
    """Every key of the file, commented out."""
    return _HEAD + "\n".join(_keys(file_model(collectors, Settings), "")) + "\n"


def _keys(model: type[BaseModel], indent: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name in NOT_IN_FILE:
            continue
        inner = model_within(field.annotation)
        if not indent:
            yield ""
        yield from _comment(field, indent)
        if inner is None:
            yield f"{indent}#{name}: {flow(sample(field))}"
            continue
        yield f"{indent}#{name}:"
        if inner is CredentialSection:
            for credential, values in _CREDENTIALS.items():
                yield f"{indent}  #{credential}:"
                yield from _values(inner, values, f"{indent}    ")
        elif isinstance(field.annotation, type):
            yield from _keys(inner, f"{indent}  ")
        else:
            yield from _values(inner, _TARGETS.get(name) or dict.fromkeys(inner.model_fields), f"{indent}  ", "- ")


def _values(model: type[BaseModel], values: Mapping[str, Any], indent: str, first: str = "") -> Iterator[str]:
    """The keys of a mapping that the operator names, or that is an item of a list."""
    for number, (key, value) in enumerate(values.items()):
        field = model.model_fields[key]
        begin = f"{indent}#{first}" if number == 0 else f"{indent}{' ' * len(first)}#"
        yield from _comment(field, indent)
        yield f"{begin}{key}: {flow(sample(field) if value is None else value)}"


def _comment(field: FieldInfo, indent: str) -> Iterator[str]:
    text = field.description or ""
    no_default = field.examples and not field.is_required()
    lines = wrap(f"{text} No default." if no_default else text, _WIDTH - len(indent), break_on_hyphens=False)
    yield from (f"{indent}# {line}" for line in lines)
