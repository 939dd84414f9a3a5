"""The section `collectors`: its keys come from the collectors there are, so the model of a file is made for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, create_model

from exporter.settings.model import Section, Settings
from exporter.settings.values import Duration


@dataclass(frozen=True)
class CollectorDefaults:
    """What settings need to know of a collector; seconds. `options` says which keys it has besides the common ones."""

    name: str
    enabled: bool
    interval: float
    max_age: float
    options: type[BaseModel]


def _collector_section(collector: CollectorDefaults) -> Any:
    common: dict[str, Any] = {
        "enabled": (bool, Field(collector.enabled, description="Whether it runs.")),
        "interval": (Duration, Field(collector.interval, description="How often it asks.")),
        "max_age": (
            Duration,
            Field(collector.max_age, description="How long after the last success its gauges are shown."),
        ),
    }
    return create_model(collector.name, __base__=collector.options, **common)


def file_model(collectors: Sequence[CollectorDefaults]) -> type[Settings]:
    """`Settings` as the layers are validated: the section `collectors` has a key for each collector."""
    known = {c.name: _collector_section(c) for c in collectors}
    fields: dict[str, Any] = {name: (section, section()) for name, section in known.items()}
    section: Any = create_model("Collectors", __base__=Section, **fields)
    description = Settings.model_fields["collectors"].description
    shape: dict[str, Any] = {"collectors": (section, Field(section(), description=description))}
    return create_model("File", __base__=Settings, **shape)
