"""Who is in which team on one day, from GitHub's report `user-teams-1-day`. Pure.

A member takes some 150 bytes. People and teams are identified by their ids: logins and names change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter.collectors.copilot_usage.sections import IDENTITY
from exporter.collectors.reading.names import unique
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.reading.values import label_text
from exporter.errors import Invalid

MOST_TEAMS, MOST_PEOPLE, MOST_MEMBERSHIPS = 20_000, 500_000, 2_000_000
KNOWN = ("user_id", "user_login", "team_id", "slug", *IDENTITY)

PersonKey = int | tuple[int, str]
"""A user's id; with the id of the organization or enterprise if that is not the one whose report it is."""


@dataclass(slots=True)
class Entity:
    """The organization or enterprise that a report is of: the first id in the `field` of its records."""

    field: str
    id: str | None = None

    def key(self, record: Mapping[str, Any]) -> PersonKey | None:
        """Whose record it is; None without a user."""
        user, entity = record.get("user_id"), record.get(self.field)
        if not isinstance(user, int) or isinstance(user, bool):
            return None
        if entity is None:
            return user
        self.id = self.id or str(entity)
        return user if str(entity) == self.id else (user, str(entity))


@dataclass(slots=True)
class Memberships:
    """The teams of each person on `day`, as places in `teams`."""

    day: str
    entity: Entity
    unknown: UnknownFields = field(default_factory=UnknownFields)
    rejected: int = 0
    teams: dict[int, str] = field(default_factory=dict)
    teams_of: dict[PersonKey, tuple[int, ...]] = field(default_factory=dict)
    members: list[int] = field(default_factory=list)
    _places: dict[int, int] = field(default_factory=dict)
    _memberships: int = 0

    def take(self, record: Any) -> None:
        """Add a record; one of another day is skipped, and one that was there already."""
        key = self.entity.key(record) if isinstance(record, dict) else None
        team = record.get("team_id") if isinstance(record, dict) else None
        if key is None or not isinstance(team, int) or isinstance(team, bool):
            self.rejected += 1
            return
        if record.get("day", self.day) not in (self.day, None):
            return
        self.unknown.take(record, KNOWN)
        slug = record.get("slug")
        self.teams[team] = label_text(slug) if isinstance(slug, str) and slug else self.teams.get(team, str(team))
        place = self._places.setdefault(team, len(self._places))
        before = self.teams_of.get(key, ())
        if place not in before:
            if place == len(self.members):
                self.members.append(0)
            self.members[place] += 1
            self._memberships += 1
            self.teams_of[key] = (*before, place)
        self._check_size()

    def check(self) -> None:
        """Every record has been checked."""

    def labels(self) -> list[str]:
        """The teams' labels by place; of two teams of one name each has its id behind it."""
        names = unique({str(team): name for team, name in self.teams.items()})
        return [names[str(team)] for team in self._places]

    def _check_size(self) -> None:
        for count, most, what in (
            (len(self._places), MOST_TEAMS, "teams"),
            (len(self.teams_of), MOST_PEOPLE, "people"),
            (self._memberships, MOST_MEMBERSHIPS, "members of teams"),
        ):
            if count > most:
                raise Invalid(f"the report has more than {most} {what}")
