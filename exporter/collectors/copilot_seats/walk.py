"""Counts the seats of a list of many pages. Of people only ids are kept, and only until the walk ends.

At an enterprise a person has a seat of each organization and enterprise team that gives one. The list is no snapshot:
a seat may move to a page that is still to come, so each is counted once.

https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-user-management#list-all-copilot-seat-assignments-for-an-organization
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter import worker
from exporter.catalogue import PAGE_SIZE
from exporter.collectors.copilot_seats.tables import Activity, Editor, People, Plan, Team
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.reading.values import is_number, label_text
from exporter.errors import Invalid
from exporter.fetching import Api
from exporter.github.decoding import decode_json
from exporter.instants import DAY, epoch_or_none
from exporter.tables import Figures, Row

AGES = {"7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY}
OLDER, NEVER = "older", "never"
UNKNOWN_PLAN = "unknown"
KNOWN = (
    "created_at",
    "updated_at",
    "pending_cancellation_date",
    "last_activity_at",
    "last_activity_editor",
    "last_authenticated_at",
    "plan_type",
    "assignee",
    "organization",
    "assigning_team",
)
"""The documented fields of a seat."""

MOST_NAMES = 10_000
"""Teams, editors or plans; seats of further ones are summed."""

ROWS: Mapping[str, tuple[type[Figures], str]] = {
    "activity": (Activity, "last_activity"),
    "plan": (Plan, "plan_type"),
    "team": (Team, "team"),
    "editor": (Editor, "editor"),
}


@dataclass(slots=True)
class SeatCounts:
    """The counts of a walk. `now` is when it began, by GitHub's clock; `total` is GitHub's own number of people."""

    now: float
    total: int | None = None
    by: dict[str, Counter[str]] = field(default_factory=lambda: {kind: Counter() for kind in ROWS})
    rejected: int = 0
    unknown: UnknownFields = field(default_factory=UnknownFields)
    _seen: set[tuple[int, int, int]] = field(default_factory=set)
    _anonymous: int = 0

    def add_page(self, body: bytes) -> None:
        """Count the seats of a page; raises `Invalid`."""
        page = decode_json(body)
        seats = page.get("seats") if isinstance(page, dict) else None
        if not isinstance(seats, list):
            raise Invalid("the answer has no seats")
        total = page.get("total_seats")
        if is_number(total):
            self.total = int(total)
        else:
            self.rejected += total is not None
        self.unknown.take(page, ("seats", "total_seats"))
        for seat in seats:
            if isinstance(seat, dict):
                self._add(seat)
            else:
                self.rejected += 1

    def memory(self) -> dict[str, Any]:
        """What is kept of the walk, as JSON. Raises `Invalid` for an empty list where GitHub counts seats."""
        people = len({person for person, _, _ in self._seen}) + self._anonymous
        if not people and self.total:
            raise Invalid(f"the list has no seats, though total_seats is {self.total}")
        counts = {kind: dict(counter) for kind, counter in self.by.items()}
        return {"at": self.now, "total": people if self.total is None else self.total, **counts}

    def _add(self, seat: Mapping[str, Any]) -> None:
        person = _id(seat.get("assignee"))
        if person is None:
            self._anonymous += 1  # it may be on two pages, but nothing shows that
        else:
            key = (person, _id(seat.get("organization")) or 0, _id(seat.get("assigning_team")) or 0)
            if key in self._seen:
                return
            self._seen.add(key)
        self.unknown.take(seat, KNOWN)
        if (age := self._age(seat.get("last_activity_at"))) is not None:
            self.by["activity"][age] += 1
        self._count("plan", self._text(seat.get("plan_type")) or UNKNOWN_PLAN)
        self._count("team", self._team(seat.get("assigning_team")))
        self._count("editor", self._text(seat.get("last_activity_editor")).partition("/")[0])

    def _count(self, kind: str, name: str) -> None:
        counter = self.by[kind]
        counter[name if name in counter or len(counter) < MOST_NAMES else "other"] += 1

    def _age(self, last: object) -> str | None:
        if last is None:
            return NEVER
        instant = epoch_or_none(last)
        if instant is None:
            self.rejected += 1
            return None
        return next((name for name, most in AGES.items() if self.now - instant <= most), OLDER)

    def _team(self, team: object) -> str:
        if team is None:
            return ""
        if not isinstance(team, dict):
            self.rejected += 1
            return ""
        return self._text(team.get("slug")) or self._text(team.get("name"))

    def _text(self, value: object) -> str:
        if isinstance(value, str):
            return label_text(value)
        self.rejected += value is not None
        return ""


def _id(item: object) -> int | None:
    """The id of a user, organization or team; None if there is none."""
    number = item.get("id") if isinstance(item, dict) else None
    return number if isinstance(number, int) else None


async def walk(api: Api, path: str, now: float) -> SeatCounts:
    """Count the seats of all pages."""
    counts = SeatCounts(now)
    async for reply in api.pages(path, {"per_page": PAGE_SIZE}):
        await worker.run(counts.add_page, reply.body)
    return counts


def rows_of(memory: Mapping[str, Any]) -> Iterator[Row]:
    """The rows of a walk that is remembered; raises `KeyError`, `TypeError` or `ValueError` for another memory."""
    yield People(figures={"total_seats": float(memory["total"])})
    for kind, (row, label) in ROWS.items():
        counts: Mapping[str, int] = memory[kind]
        names = (*AGES, OLDER, NEVER) if kind == "activity" else sorted(counts)
        for name in names:
            yield row.model_validate({label: name, "figures": {"seats": counts.get(name, 0)}})
