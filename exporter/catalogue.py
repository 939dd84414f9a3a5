"""What a collector declares: its endpoint, permission, cost, intervals and tables. Pure.

A wrong declaration fails at import. `collectors/__init__.py` lists the collectors.
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from exporter.fetching import Api, Ask, Fetched, Subject
from exporter.instants import HOUR
from exporter.lateness import Late
from exporter.options import BoundedOptions, CollectorOptions
from exporter.past import Past
from exporter.tables import Family, Labels, Table

Scope = Literal["organization", "enterprise", "appliance"]
TokenKind = Literal["classic", "fine_grained", "app"]

PAGE_SIZE = 100
"""Rows of a page, the most that GitHub gives."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The lengths of GitHub's lists; `plan` assumes the defaults unless it reads GitHub (`--live`)."""

    subjects: int = 1_000
    actors_of_a_user: int = 20
    routes_of_an_actor: int = 100
    seats: int = 1_000
    users: int = 5_000
    budgets: int = 20


@dataclass(frozen=True, slots=True)
class Calls:
    """The requests of a run: `single` ones, the pages of a list, and one for `each` item of a list.

    The length of a list is a field of `Sizes`. `by_choice` are more requests, by the option that asks for them.
    `is_daily`: the list is read once a day, by the first run of the day.
    """

    single: int = 0
    listed: str = ""
    is_daily: bool = False
    each: str = ""
    by_choice: Mapping[str, "Calls"] = field(default_factory=dict)

    def requests(self, sizes: Sizes, options: CollectorOptions | None = None) -> int:
        """How many requests one run sends."""
        pages = max(1, -(-self.rows(sizes) // PAGE_SIZE)) if self.listed else 0
        chosen = (calls for option, calls in self.by_choice.items() if getattr(options, option, False))
        items = int(getattr(sizes, self.each)) if self.each else 0
        return self.single + pages + items + sum(calls.requests(sizes) for calls in chosen)

    def rows(self, sizes: Sizes) -> int:
        """How many rows one run reads."""
        return int(getattr(sizes, self.listed)) if self.listed else 1


@dataclass(frozen=True, slots=True)
class Permission:
    """The permission that an endpoint needs, in GitHub's words, by kind of credential; "" if it refuses that kind.

    `app` is the permission of a GitHub App, and of a fine-grained token if `fine_grained`. `classic` is the scope of a
    classic token and who must own it. `besides` is what every kind needs. If both `app` and `classic` are empty, the
    endpoint accepts every kind. `granted` are GitHub's names of the permission in an App's installation, of which one
    is enough; without them only GitHub's answer shows whether it is there.
    """

    app: str = ""
    classic: str = ""
    besides: str = ""
    fine_grained: bool = True
    granted: tuple[str, ...] = ()

    def is_lacking(self, granted: Mapping[str, str] | None) -> bool:
        """Whether an App's installation with these permissions may not read; False where they are not known."""
        if granted is None:
            return False
        return "app" not in self.kinds or (bool(self.granted) and not any(name in granted for name in self.granted))

    @property
    def kinds(self) -> tuple[TokenKind, ...]:
        """The kinds of credential that the endpoint accepts."""
        accepts: dict[TokenKind, bool] = {
            "classic": bool(self.classic) or not self.app,
            "fine_grained": self.fine_grained and (bool(self.app) or not self.classic),
            "app": bool(self.app) or not self.classic,
        }
        return tuple(kind for kind, is_accepted in accepts.items() if is_accepted)

    def __str__(self) -> str:
        apps = "a GitHub App or fine-grained token" if self.fine_grained else "a GitHub App (no fine-grained token)"
        parts = (
            self.app and f"{self.app} for {apps}",
            self.classic and f"for a classic token, {self.classic}",
            self.besides,
        )
        return "; ".join(filter(None, parts))


@dataclass(frozen=True, slots=True)
class Collector:
    """One endpoint: its path, how often it is fetched, how, and the tables it fills.

    Endpoints that give the same figures for a target, a user and an actor share a `name` and differ in `scope`, or in
    `subject`, the labels of the user or actor.

    - `switch`: the option without which it does not run.
    - `target_label`: the label with the target's name, if it is not the target's kind.
    - `deadline`: seconds that a run may take, if that is longer than usual.
    - `late`: the age from which its data are too old although its runs succeed; the alerts for late data use it too.
    - `nothing`: why a successful run may give no series, and what to do about it, without a full stop.
    - `filters`: the options that narrow the response; with other values it is another job.
    - `names_in_memory`: the key under which its memory (a mapping) has names of people.
    - `past`: how its past is asked, if GitHub keeps one.

    For drill-downs:

    - `subject_of`: the subject of a row's identity, if there is an endpoint for it.
    - `top`: the option with the number of busiest subjects that are drilled into.
    - `totals`: the collector of the target's totals; while its counters do not change, nothing new is visible here.
    """

    name: str
    scope: Scope
    endpoint: str
    page: str
    lateness: str
    fetch: Callable[[Api, Ask], Coroutine[Any, Any, Fetched]]
    tables: tuple[Table, ...]
    interval: float = HOUR / 2
    max_age: float = 12 * HOUR
    subject: tuple[str, ...] = ()
    options: type[CollectorOptions] = CollectorOptions
    enabled: bool = True
    permission: Permission = Permission()
    switch: str = ""
    target_label: str = ""
    calls: Calls = Calls(single=1)
    top: str = ""
    subject_of: Callable[[Labels], Subject | None] | None = None
    filters: tuple[str, ...] = ()
    totals: str = ""
    names_in_memory: str = ""
    deadline: float = 0.0
    late: Late | None = None
    past: Past | None = None
    nothing: str = "GitHub's answer has no figures; compare it with what GitHub's own pages show"
    counting: Table | None = field(init=False)

    def __post_init__(self) -> None:
        """Set `counting`, the table with counters: at most one, because a window is read for one set of rows."""
        counting = [table for table in self.tables if table.counters]
        if len(counting) > 1:
            raise TypeError(f"{self.name}: at most one table counts")
        names = [family.name for table in self.tables for family in table.families]
        if len(set(names)) != len(names):
            raise TypeError(f"{self.name}: a family is declared twice")
        if counting and counting[0].labels and not issubclass(self.options, BoundedOptions):
            raise TypeError(f"{self.name}: a table that counts by labels needs the option max_series")
        for table in self.tables:
            if repeated := set(table.labels) & set(self.labels(table)[: -len(table.labels) or None]):
                raise TypeError(f"{self.name}: the label {repeated.pop()!r} is that of the target")
        for option in (*self.filters, *self.calls.by_choice, *filter(None, (self.top, self.switch))):
            if option not in self.options.model_fields:
                raise TypeError(f"{self.name}: there is no option {option!r}")
        object.__setattr__(self, "counting", counting[0] if counting else None)

    @property
    def needs(self) -> str:
        """The permission in words."""
        return str(self.permission)

    @property
    def accepts(self) -> tuple[TokenKind, ...]:
        """The kinds of credential that the endpoint accepts."""
        return self.permission.kinds

    def labels(self, table: Table) -> tuple[str, ...]:
        """All label names of a table's series, in the order in which they are written."""
        return (self.target_label or self.scope, *(() if table.shared else self.subject), *table.labels)

    @property
    def rank(self) -> int:
        """The order in a quota pool: totals, then the collectors that lead to subjects, then drill-downs."""
        return 2 if self.subject else 1 if self.subject_of else 0

    @property
    def dated(self) -> bool:
        """Whether there are gauges whose rows are withdrawn by instants of their own."""
        return any(table.dated for table in self.tables)

    def runs(self, scope: Scope, options: CollectorOptions) -> bool:
        """Whether it runs for targets of this kind, by its own options."""
        return self.scope == scope and (not self.switch or bool(getattr(options, self.switch)))

    def help(self, table: Table, family: Family) -> str:
        """HELP: what the metric is, GitHub's endpoint and field, that it is cached, and how late GitHub's data are."""
        fields = table.computed_from or family.field
        endpoint = table.endpoints or self.endpoint
        source = f"{endpoint}, {fields}" if fields else endpoint
        return f"{family.help} From {source}; cached; refreshed every {self.name} interval. {self.lateness}"
