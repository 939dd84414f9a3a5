"""The words in which collectors declare their metrics. Pure data; a wrong declaration fails at import.

A collector file says, side by side, what a row of GitHub's answer looks like (a pydantic model), how to fetch
rows, and which families they fill:

    Table(
        row=Subject,
        labels=("subject_type", "subject_id", "subject_name"),
        display=("subject_name",),                    # can change; the rest identifies the row
        families=(counter("github_…_requests_total", "total_request_count", "Requests …"),),
    )

A label is called as the row's field that fills it. The target (`organization="acme"`) and a drill-down's subject
stand in front; the frame adds them.
"""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Protocol, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from exporter.github.errors import GitHubError

Scope = Literal["organization", "enterprise", "appliance"]
TokenKind = Literal["classic", "fine_grained", "app"]
Labels = tuple[str, ...]
Subject = tuple[str, ...]
"""Whom a drill-down job asks about: `(user_id,)` or `(actor_type, actor_id)`; empty for the whole target."""

HOUR = 3600.0
PAGE_SIZE = 100
"""Rows of a page, the most that GitHub gives."""

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+\Z")
_LABEL = re.compile(r"[a-z][a-z0-9_]*\Z")
_GAUGE_MUST_NOT_END = ("_total", "_sum", "_count", "_bucket")
_RESERVED_LABELS = {"le", "quantile", "job", "instance"}


def _instant(value: object) -> object:
    if not isinstance(value, str):
        return value
    instant = datetime.fromisoformat(value)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


Timestamp = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_instant)]
"""GitHub's ISO 8601 text (UTC) as epoch seconds."""

Amount = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
"""A count as GitHub's int64; text, fractions and negative numbers do not pass."""


class Row(BaseModel):
    """One item as GitHub words it. Fields that GitHub adds later are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def people(self) -> tuple[str, ...]:
        """The fields that name a person; `privacy.user_names` says how they are shown."""
        return ()

    def value(self, field: str) -> float | None:
        """The value of a family that shows this field; None if GitHub gave none."""
        return cast("float | None", getattr(self, field))


class Figures(Row):
    """A row of many numbers, any of which GitHub may leave out: those that the table has families for, by field.

    A subclass has the labels as fields; the families alone declare the numbers.
    """

    figures: Mapping[str, float] = Field(default_factory=dict)

    def value(self, field: str) -> float | None:
        """The number of that name, if GitHub gave it."""
        return self.figures.get(field)


class NoOptions(BaseModel):
    """The settings of a collector that has none of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family: its name, its type and the row's field that gives the value."""

    name: str
    kind: Literal["counter", "gauge"]
    field: str
    help: str

    def __post_init__(self) -> None:
        """Refuse what promtool or OpenMetrics would refuse, before anything runs."""
        if not _NAME.match(self.name) or not self.name.startswith("github_"):
            raise TypeError(f"{self.name}: a family's name is github_… in snake_case")
        if not self.help.strip():
            raise TypeError(f"{self.name}: the help text is empty")
        if self.kind == "counter" and not self.name.endswith("_total"):
            raise TypeError(f"{self.name}: a counter's name ends in _total")
        if self.kind == "gauge" and self.name.endswith(_GAUGE_MUST_NOT_END):
            raise TypeError(f"{self.name}: a gauge's name does not end in {', '.join(_GAUGE_MUST_NOT_END)}")

    def of(self, row: Row) -> float | None:
        """The value that a row gives; 1 of an info family, None if GitHub gave none."""
        return row.value(self.field) if self.field else 1.0


def counter(name: str, field: str, help: str) -> Family:  # noqa: A002 - Prometheus' own word
    """Declare a counter: the field is a sum over the window asked for, counted on as `collecting/counters.py` says."""
    return Family(name, "counter", field, help)


def gauge(name: str, field: str, help: str) -> Family:  # noqa: A002 - Prometheus' own word
    """Declare a gauge: the field as it is in the newest answer; absent where GitHub gives none."""
    return Family(name, "gauge", field, help)


def info(name: str, help: str) -> Family:  # noqa: A002 - Prometheus' own word
    """Declare an info family: the value is 1, the labels tell."""
    if not name.endswith("_info"):
        raise TypeError(f"{name}: an info family's name ends in _info")
    return Family(name, "gauge", "", help)


@dataclass(frozen=True, slots=True)
class Table:
    """Labels and families over one kind of row.

    `display` names the labels that can change for the same thing; the others are its identity. `last_seen` names the
    field that tells when the row's thing last did anything, if GitHub says so. `other` gives the label values under
    which rows beyond `max_series` are summed: for tables that count, and for gauges that may be added up; for those a
    None keeps the row's own value, and each value of it has so many rows.
    `computed_from` names GitHub's fields where the row is not GitHub's own. `shared` rows tell of the target, whichever
    job brought them: no subject stands in front, and of rows with one identity the newest is shown. `endpoints` names
    where they come from, if that is more than one.
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

    def __post_init__(self) -> None:
        """Refuse fields that the row does not have, and labels that mean something else."""
        for family in self.families:
            declared = issubclass(self.row, Figures) or family.field in self.row.model_fields
            if family.field and not declared:
                raise TypeError(f"{family.name}: {self.row.__name__} has no field {family.field!r}")
        for label in (*self.labels, *self.display, *((self.last_seen,) if self.last_seen else ())):
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

    @property
    def counters(self) -> tuple[Family, ...]:
        """The families that count, in order; the first one ranks the rows."""
        return tuple(family for family in self.families if family.kind == "counter")

    @property
    def gauges(self) -> tuple[Family, ...]:
        """The families that show the newest answer."""
        return tuple(family for family in self.families if family.kind == "gauge")

    @property
    def sums(self) -> bool:
        """Whether gauges of rows without a place are summed."""
        return self.other is not None and not self.counters

    @property
    def identity(self) -> tuple[str, ...]:
        """The labels that identify a row."""
        return tuple(label for label in self.labels if label not in self.display)

    @property
    def keys(self) -> int:
        """How many labels identify a row."""
        return len(self.labels) - len(self.display)


class Reply(Protocol):
    """What a collector reads of an answer."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def body(self) -> bytes:
        """The body, decompressed."""


class Api(Protocol):
    """What a collector may ask: paths below the credential's API root. GitHub's failures are `GitHubError`s."""

    @property
    def skew(self) -> float:
        """GitHub's clock less ours, in seconds, as its answers told."""

    def now(self) -> float:
        """GitHub's clock, epoch seconds."""

    async def get(self, path: str, params: dict[str, str | int] | None = None) -> Reply:
        """One answer."""

    async def post(self, path: str, content: Mapping[str, Any]) -> Reply:
        """The answer to a request that makes something; it is sent once, and after a failure may have been done."""

    def pages(self, path: str, params: dict[str, str | int] | None = None) -> Any:
        """All pages of an answer, one after another (an async iterator of `Reply`)."""

    def download(self, url: str, hosts: Sequence[str], most: int) -> AsyncGenerator[bytes, None]:
        """A signed file, unpacked, piece by piece, of at most so many bytes; no credential is sent.

        `hosts` are those that may be asked. Raises `LinkExpired` when the link is no longer taken.
        """


@dataclass(slots=True)
class Memory:
    """What a collector remembers between its runs, as JSON data; it survives a restart. At first it is None."""

    value: Any = None
    save: Callable[[Any], Awaitable[bool]] | None = None

    async def keep(self, value: Any) -> bool:
        """Remember this from now on; True once it is saved, so that even kill -9 does not lose it."""
        self.value = value
        return await self.save(value) if self.save else False


@dataclass(frozen=True, slots=True)
class Ask:
    """One question of a job. Instants are whole epoch seconds by GitHub's clock.

    A counting collector is asked for the window `[start, end]`; the others may take `end` as "now". `partial` tells
    that the window is one of a fold's, of which only the counts are used. `shown` is the instant that the values shown
    now describe. `named` says how a person is named; nothing else may be remembered of one. `interval` is in seconds.
    """

    target: str
    subject: Subject
    options: Any
    start: int
    end: int
    partial: bool = False
    shown: float | None = None
    memory: Memory = field(default_factory=Memory)
    named: Callable[[str], str] = str
    interval: float = HOUR


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch brought: rows of any of the collector's tables, and how many rows could not be read.

    `rejected` counts single values, too. `data_time` is the instant that the values describe; where it is None the
    frame takes the end of the window of what counts. `again` is in how many seconds to come back, if that is before
    the interval ends. `fault` tells that the rows are good as far as they go, but that something failed besides.
    """

    rows: tuple[Row, ...]
    rejected: int = 0
    data_time: float | None = None
    again: float | None = None
    fault: GitHubError | None = None


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is to list; what a plan assumes where it does not ask GitHub."""

    subjects: int = 1_000
    actors_of_a_user: int = 20
    routes_of_an_actor: int = 100


@dataclass(frozen=True, slots=True)
class Calls:
    """What one run costs: single calls, and a walk over the list whose length is a field of `Sizes`."""

    single: int = 0
    listed: str = ""

    def of(self, sizes: Sizes) -> int:
        """Requests of one run."""
        return self.single + (max(1, -(-self.rows(sizes) // PAGE_SIZE)) if self.listed else 0)

    def rows(self, sizes: Sizes) -> int:
        """Rows that one run brings."""
        return int(getattr(sizes, self.listed)) if self.listed else 1


@dataclass(frozen=True, slots=True)
class Collector:
    """One endpoint: where it lives, how often it is asked, how to fetch it and what it fills.

    Endpoints that answer the same of a whole target, a user and an actor share a `name` and differ in `subject`, the
    labels of whom they are asked about, or in `scope`. `needs` is the permission in GitHub's words, `accepts` the kinds
    of credential that GitHub takes. `switch` names the option without which it does not run; `target_label` is how
    series name the target, if not by its kind. `deadline` is how long a run may take, if that is longer than usual.

    How a drill-down finds its subjects: `leads` gives, for a row's identity and the field that ranks it, the subject
    that can be asked about, and `top` names the option with how many of the busiest are. `filters` names the options
    that narrow the answer, so that other values are another source. `still` names the collector of the whole target
    whose unchanged counters prove that nothing new is visible here.
    """

    name: str
    scope: Scope
    endpoint: str
    page: str
    lateness: str
    fetch: Callable[[Api, Ask], Awaitable[Fetched]]
    tables: tuple[Table, ...]
    interval: float = HOUR / 2
    max_age: float = 12 * HOUR
    subject: tuple[str, ...] = ()
    options: type[BaseModel] = NoOptions
    enabled: bool = True
    needs: str = ""
    accepts: tuple[TokenKind, ...] = ("classic", "fine_grained", "app")
    switch: str = ""
    target_label: str = ""
    calls: Calls = Calls(single=1)
    top: str = ""
    leads: Callable[[Labels], Subject | None] | None = None
    filters: tuple[str, ...] = ()
    still: str = ""
    deadline: float = 0.0
    counting: Table | None = field(init=False)

    def __post_init__(self) -> None:
        """Find the table that counts; there is at most one, since a window is asked for one set of rows."""
        counting = [table for table in self.tables if table.counters]
        if len(counting) > 1:
            raise TypeError(f"{self.name}: at most one table counts")
        names = [family.name for table in self.tables for family in table.families]
        if len(set(names)) != len(names):
            raise TypeError(f"{self.name}: a family is declared twice")
        if counting and counting[0].labels and "max_series" not in self.options.model_fields:
            raise TypeError(f"{self.name}: a table that counts by labels needs the option max_series")
        for one in self.tables:
            if taken := set(one.labels) & set(self.labels(one)[: -len(one.labels) or None]):
                raise TypeError(f"{self.name}: the label {taken.pop()!r} is that of the target")
        for option in (*self.filters, *filter(None, (self.top, self.switch))):
            if option not in self.options.model_fields:
                raise TypeError(f"{self.name}: there is no option {option!r}")
        object.__setattr__(self, "counting", counting[0] if counting else None)

    def labels(self, table: Table) -> tuple[str, ...]:
        """All label names of a table's series, in the order in which they are written."""
        return (self.target_label or self.scope, *(() if table.shared else self.subject), *table.labels)

    def runs(self, scope: Scope, options: BaseModel) -> bool:
        """Whether there is anything to ask at a target of this kind, by the collector's own options."""
        return self.scope == scope and (not self.switch or bool(getattr(options, self.switch)))

    def help(self, table: Table, family: Family) -> str:
        """HELP: what it is, where it comes from, that it is cached, and how old GitHub lets it be."""
        fields = table.computed_from or family.field
        endpoint = table.endpoints or self.endpoint
        source = f"{endpoint}, {fields}" if fields else endpoint
        return f"{family.help} From {source}; cached, asked anew every {self.name} interval. {self.lateness}"
