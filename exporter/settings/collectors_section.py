"""Builds the section `collectors`, and the model of a file with it, from the declared collectors."""

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar, get_origin

from pydantic import Field, create_model

from exporter.catalogue import Collector
from exporter.options import CollectorOptions, Duration
from exporter.settings.model import Settings
from exporter.settings.names import collector_variable
from exporter.settings.section import Section

AnySettings = TypeVar("AnySettings", bound=Settings)


def by_name(collectors: Iterable[Collector]) -> dict[str, Collector]:
    """One collector for each name in the configuration: those that share a name have the same options."""
    return {collector.name: collector for collector in collectors}


def section_of(collector: Collector) -> type[CollectorOptions]:
    """The model of a collector's section: its own options, and the keys that every collector has."""
    since = "the date of each thing" if collector.dated else "the last success"
    common: dict[str, Any] = {
        "enabled": (bool, Field(collector.enabled, description="Whether it runs.")),
        "interval": (Duration, Field(collector.interval, description="How often it reads from GitHub.")),
        "max_age": (
            Duration,
            Field(collector.max_age, description=f"How long after {since} its gauges are shown."),
        ),
    }
    return create_model(collector.name, __base__=collector.options, **common)


def file_model(collectors: Iterable[Collector], base: type[AnySettings]) -> type[AnySettings]:
    """The model of a file: `Settings` with a key for each collector in the section `collectors`."""
    sections = {name: section_of(collector) for name, collector in by_name(collectors).items()}
    fields: dict[str, Any] = {name: (section, section()) for name, section in sections.items()}
    section: Any = create_model("Collectors", __base__=Section, **fields)
    description = Settings.model_fields["collectors"].description
    shape: dict[str, Any] = {"collectors": (section, Field(section(), description=description))}
    return create_model("File", __base__=base, **shape)


class Variable(NamedTuple):
    """The setting that a variable sets, and whether its text is a list, separated by commas."""

    path: tuple[str, ...]
    is_list: bool


def variables_of(collectors: Iterable[Collector]) -> dict[str, Variable]:
    """The variables of all keys of all collectors, by name."""
    return {
        collector_variable(name, key): Variable(("collectors", name, key), get_origin(field.annotation) is tuple)
        for name, collector in by_name(collectors).items()
        for key, field in section_of(collector).model_fields.items()
    }
