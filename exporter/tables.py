"""Tables: rows of GitHub's answers and the metric families that they fill. Pure data; a wrong one fails at import.

A collector file says, side by side, what a row of GitHub's answer looks like (a pydantic model), how to fetch
rows, and which families they fill:

    Table(
        row=Subject,
        labels=("subject_type", "subject_id", "subject_name"),
        display=("subject_name",),                    # can change; the rest identifies the row
        families=(counter("github_…_requests_total", "total_request_count", "Requests …"),),
    )

A label has the name of the row's field that fills it. Each series also has the labels of the target
(`organization="acme"`) and of a drill-down's subject, before the table's own: `Collector.labels`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from exporter.instants import epoch

Labels = tuple[str, ...]

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+\Z")
_LABEL = re.compile(r"[a-z][a-z0-9_]*\Z")
_GAUGE_MUST_NOT_END = ("_total", "_sum", "_count", "_bucket")
_RESERVED_LABELS = {"le", "quantile", "job", "instance"}


def _epoch(value: object) -> object:
    return epoch(value) if isinstance(value, str) else value


Timestamp = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_epoch)]
"""Epoch seconds, from GitHub's ISO 8601 text (UTC)."""

Amount = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
"""A count, GitHub's int64; text, fractions and negative numbers are refused."""


class Row(BaseModel):
    """One item of a response, with GitHub's field names. Fields that it does not declare count in `Fetched.unknown`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def people(self) -> tuple[str, ...]:
        """The fields that name a person; `privacy.user_names` says in which form they are exported."""
        return ()

    def value(self, field: str) -> float | None:
        """The value of a field; None if GitHub gave none."""
        return cast("float | None", getattr(self, field))


class Figures(Row):
    """A row of many numbers by field, any of which GitHub may leave out.

    A subclass has the labels as fields; the table's families declare the numbers.
    """

    figures: Mapping[str, float] = Field(default_factory=dict)

    def value(self, field: str) -> float | None:
        """The number with this name; None if GitHub gave none."""
        return self.figures.get(field)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family: its name, its type and the row's field that gives the value."""

    name: str
    kind: Literal["counter", "gauge"]
    field: str
    help: str

    def __post_init__(self) -> None:
        """Raise `TypeError` for names and help texts that promtool or OpenMetrics would refuse."""
        if not _NAME.match(self.name) or not self.name.startswith("github_"):
            raise TypeError(f"{self.name}: a family's name is github_… in snake_case")
        if not self.help.strip():
            raise TypeError(f"{self.name}: the help text is empty")
        if self.kind == "counter" and not self.name.endswith("_total"):
            raise TypeError(f"{self.name}: a counter's name ends in _total")
        if self.kind == "gauge" and self.name.endswith(_GAUGE_MUST_NOT_END):
            raise TypeError(f"{self.name}: a gauge's name does not end in {', '.join(_GAUGE_MUST_NOT_END)}")

    def of(self, row: Row) -> float | None:
        """The family's value in a row: 1 for an info family, None if GitHub gave none."""
        return row.value(self.field) if self.field else 1.0


def counter(name: str, field: str, help: str) -> Family:  # noqa: A002 - Prometheus' own word
    """Declare a counter: the field is a sum over the window that was read; `counting/counters.py` adds windows up."""
    return Family(name, "counter", field, help)


def gauge(name: str, field: str, help: str) -> Family:  # noqa: A002 - Prometheus' own word
    """Declare a gauge: the field of the newest response; absent where GitHub gives none."""
    return Family(name, "gauge", field, help)


def info(name: str, help: str) -> Family:  # noqa: A002 - Prometheus' own word
    """Declare an info family: the value is 1, the information is in the labels."""
    if not name.endswith("_info"):
        raise TypeError(f"{name}: an info family's name ends in _info")
    return Family(name, "gauge", "", help)


@dataclass(frozen=True, slots=True)
class Table:
    """Labels and families over one kind of row.

    - `display`: the labels that can change while the row stays the same; the other labels are its identity.
    - `last_seen`: the field with the instant of the last activity, if GitHub gives one.
    - `other`: the label values under which rows beyond `max_series` are summed, for counters and for gauges that may be
      added up. In a table of gauges, None keeps the row's own value, and `max_series` applies to each value.
    - `computed_from`: GitHub's fields that the rows are computed from, if they are not rows of GitHub's.
    - `shared`: the rows belong to the target, whichever job reads them: they have no labels of a subject, and of rows
      with one identity the newest is exported.
    - `endpoints`: where the rows come from, if that is not the collector's one endpoint.
    - `dated`: the field with the instant that a row describes, if it differs between the rows of one response. Each
      row is withdrawn `max_age` after its own instant, or `stays` seconds after it if that is later.
    """

    row: type[Row]
    families: tuple[Family, ...]
    labels: tuple[str, ...] = ()
    display: tuple[str, ...] = ()
    last_seen: str | None = None
    other: tuple[str | None, ...] | None = None
    computed_from: str = ""
    shared: bool = False
    endpoints: str = ""
    dated: str = ""
    stays: float = 0.0

    def __post_init__(self) -> None:
        """Raise `TypeError` for fields that the row lacks, and for labels that are reserved or inconsistent."""
        for family in self.families:
            declared = issubclass(self.row, Figures) or family.field in self.row.model_fields
            if family.field and not declared:
                raise TypeError(f"{family.name}: {self.row.__name__} has no field {family.field!r}")
        for label in (*self.labels, *self.display, *filter(None, (self.last_seen, self.dated))):
            if label not in self.row.model_fields:
                raise TypeError(f"{self.families[0].name}: {self.row.__name__} has no field {label!r}")
        for label in self.labels:
            if label in _RESERVED_LABELS or not _LABEL.match(label):
                raise TypeError(f"{self.families[0].name}: the label {label!r} is reserved or no label name")
        self._check_identity()

    def _check_identity(self) -> None:
        if len(set(self.labels)) != len(self.labels) or not set(self.display) <= set(self.labels):
            raise TypeError(f"{self.families[0].name}: labels repeat, or display names no label")
        if self.labels and self.counters and (self.other is None or len(self.other) != len(self.labels)):
            raise TypeError(f"{self.families[0].name}: a table that counts needs `other`, one value per label")
        if self.labels[: self.keys] != self.identity:
            raise TypeError(f"{self.families[0].name}: labels that can change stand behind those that identify")
        if self.shared and self.counters:
            raise TypeError(f"{self.families[0].name}: what counts belongs to one job")
        if self.dated and (self.shared or self.counters or self.other):
            raise TypeError(
                f"{self.families[0].name}: rows with instants of their own cannot count, be shared or summed"
            )
        if self.stays and not self.dated:
            raise TypeError(f"{self.families[0].name}: `stays` counts from the instant that `dated` names")

    @property
    def counters(self) -> tuple[Family, ...]:
        """The counters, in order; the first one ranks the rows."""
        return tuple(family for family in self.families if family.kind == "counter")

    @property
    def gauges(self) -> tuple[Family, ...]:
        """The gauges, in order."""
        return tuple(family for family in self.families if family.kind == "gauge")

    @property
    def sums(self) -> bool:
        """Whether gauges of rows beyond `max_series` are summed."""
        return self.other is not None and not self.counters

    @property
    def identity(self) -> tuple[str, ...]:
        """The labels that identify a row."""
        return tuple(label for label in self.labels if label not in self.display)

    @property
    def keys(self) -> int:
        """How many labels identify a row."""
        return len(self.labels) - len(self.display)
