"""The flags of the command `backfill`."""

import re
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from exporter.options import Duration, split_list
from exporter.settings.section import Section
from exporter.settings.value_types import FilePath

_LABEL = re.compile(
    r'([a-zA-Z_][a-zA-Z0-9_]*)=([^\n"\\\0\ud800-\udfff]{1,200})'
)  # what UTF-8 cannot have, a file cannot


def _day(value: str) -> str:
    try:
        if date.fromisoformat(value).isoformat() == value:
            return value
    except ValueError:
        pass
    raise ValueError("must be a day such as 2026-01-31")


def _label(value: str) -> str:
    name = _LABEL.fullmatch(value)
    if name is None or name[1].startswith("__"):
        raise ValueError("must be NAME=VALUE, such as job=github")
    return value


Day = Annotated[str, AfterValidator(_day)]
Words = Annotated[tuple[str, ...], BeforeValidator(split_list)]
Labels = Annotated[tuple[Annotated[str, AfterValidator(_label)], ...], BeforeValidator(split_list)]


class Backfill(Section):
    """The flags of the command `backfill`."""

    from_day: Day = Field("", description="First day (UTC), such as 2026-01-31; required.")
    to_day: Day = Field(
        "", description="Last day (UTC); by default up to where the exporter with this state began, or up to now."
    )
    collectors: Words = Field((), description="Only these collectors, separated by commas.")
    targets: Words = Field((), description="Only these targets, such as organization/acme, separated by commas.")
    step: Duration = Field(
        300.0, description="Time between two samples of a series; Prometheus looks back five minutes."
    )
    labels: Labels = Field(
        (), description="NAME=VALUE that each series gets, such as job=github; the flag may be repeated."
    )
    output: FilePath | None = Field(None, description="Folder that the files are written to; required.")
    dry_run: bool = Field(False, description="Say what it would ask and write, and end.")

    @property
    def extra_labels(self) -> tuple[tuple[str, str], ...]:
        """The labels as pairs, by name."""
        return tuple(sorted((name, value) for name, _, value in (label.partition("=") for label in self.labels)))
