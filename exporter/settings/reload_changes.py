"""What a reload changes: names of settings, targets and collectors, and no values, which may be secret. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from exporter.jobs import CollectorSettings
from exporter.settings.model import SECTIONS, Settings

FIXED = ("web", "log", "state", "counters", "budget", "limits")
"""The sections that are read only at the start."""

_OF_A_COMMAND = ("config", "plan", "state_command", "healthcheck")
_ABSENT = object()


def changes(old: Settings, new: Settings) -> list[str]:
    """The changes that a reload applies, a text each."""
    return [*_targets(old, new), *_collectors(old, new), *_rest(old, new)]


def fixed_changes(old: Settings, new: Settings) -> list[str]:
    """The names of changed settings that only a restart applies."""
    return list(_names({key: getattr(old, key) for key in FIXED}, {key: getattr(new, key) for key in FIXED}))


def _targets(old: Settings, new: Settings) -> Iterator[str]:
    before, after = ({str(target): target for target in settings.targets()} for settings in (old, new))
    yield from (f"{name} removed" for name in before if name not in after)
    yield from (f"{name} added" for name in after if name not in before)
    yield from (
        f"{name} has another credential"
        for name, target in after.items()
        if name in before and before[name].credential != target.credential
    )


def _collectors(old: Settings, new: Settings) -> Iterator[str]:
    for name, after in new.collectors.items():
        before = old.collectors[name]
        if before.enabled != after.enabled:
            yield f"{name} switched {'on' if after.enabled else 'off'}"
        yield from _names(_keys_of(before), _keys_of(after), f"collectors.{name}.")


def _keys_of(collector: CollectorSettings) -> dict[str, Any]:
    """A collector's keys as in the file, except `enabled`."""
    return {"interval": collector.interval, "max_age": collector.max_age, **_keys(collector.options)}


def _rest(old: Settings, new: Settings) -> Iterator[str]:
    other = {*FIXED, *SECTIONS.values(), *_OF_A_COMMAND, "collectors", "discovered"}
    before, after = (
        {key: value for key, value in _keys(settings).items() if key not in other} for settings in (old, new)
    )
    yield from _names(before, after)


def _names(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted names of the keys whose values differ; a mapping that only one side has is one name."""
    for key in dict.fromkeys((*old, *new)):
        before, after = old.get(key, _ABSENT), new.get(key, _ABSENT)
        if before == after:
            continue
        if after is _ABSENT or before is _ABSENT:
            yield f"{prefix}{key} {'removed' if after is _ABSENT else 'added'}"
        elif isinstance(before, BaseModel | Mapping) and isinstance(after, BaseModel | Mapping):
            yield from _names(_keys(before), _keys(after), f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _keys(value: BaseModel | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    return value
