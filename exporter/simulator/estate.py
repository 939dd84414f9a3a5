"""What there is besides API traffic: an enterprise's organizations and appliances, and its days with Copilot.

All numbers follow from names, days and the seed; instants are arguments, in epoch seconds (UTC).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Literal

DAY = 86_400

Form = Literal["object", "array", "lines", "wrapped"]


@dataclass(frozen=True, slots=True)
class Appliance:
    """A GHES appliance. An old one has no security products, and leaves placeholders in its statistics."""

    name: str
    server_id: str
    host_name: str
    version: str
    users: int = 2_000
    old: bool = False


@dataclass(frozen=True, slots=True)
class Enterprise:
    """An enterprise account with its organizations (by name) and the appliances that are connected to it."""

    name: str
    organizations: tuple[str, ...]
    appliances: tuple[Appliance, ...] = ()


@dataclass(slots=True)
class Copilot:
    """How GitHub's reports of Copilot behave; all of it may be changed at any time.

    Days are `(organization or enterprise, "2026-11-19")`: `late` ones are there from an instant on, `missing` ones
    never, `revised` ones have other numbers from an instant on. `files` is how many files a report of somebody comes
    in, `forms` how they are written. `dead_links` are how many links of somebody are dead when they are given.
    `retired` tells that the closed API answers as GitHub does since 2026-04-02.
    """

    late: dict[tuple[str, str], float] = field(default_factory=dict)
    missing: set[tuple[str, str]] = field(default_factory=set)
    revised: dict[tuple[str, str], float] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    forms: dict[str, Form] = field(default_factory=dict)
    dead_links: dict[str, int] = field(default_factory=dict)
    retired: bool = True


@dataclass(slots=True)
class Estate:
    """All enterprises. `since` is the day from which appliances sent statistics and Copilot was used.

    Whether `statistics_in_pages` may be changed at any time: GitHub describes none, and could send them any day.
    `larger_runners` tells from which day on an organization's tests run on runners that cost a multiple.
    """

    enterprises: tuple[Enterprise, ...] = ()
    since: float = 0.0
    seed: int = 0
    copilot: Copilot = field(default_factory=Copilot)
    statistics_in_pages: bool = False
    larger_runners: dict[str, float] = field(default_factory=dict)

    def enterprise(self, name: str) -> Enterprise | None:
        """Find by name, in any case."""
        return next((one for one in self.enterprises if one.name == name.lower()), None)

    def owner(self, organization: str) -> Enterprise | None:
        """Whose an organization is."""
        return next((one for one in self.enterprises if organization.lower() in one.organizations), None)

    def appliance(self, name: str) -> Appliance | None:
        """Find an appliance by name."""
        return next((one for own in self.enterprises for one in own.appliances if one.name == name), None)

    def random(self, *what: object) -> Random:
        """Chance that is always the same for the same thing."""
        return Random(f"{self.seed}:{what}")


def midnight(now: float) -> int:
    """When the day began."""
    return int(now) // DAY * DAY


def day_of(instant: float) -> str:
    """`2026-11-19`."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d")


def instant_of(day: str) -> int | None:
    """A day's midnight; None if it is no day."""
    try:
        found = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(found.timestamp())


def shared_out(total: int, parts: Iterable[float]) -> list[int]:
    """A number in whole parts of about these shares, which add up to it."""
    shares = list(parts)
    whole = sum(shares) or 1.0
    found = [int(total * share / whole) for share in shares]
    found[0] += total - sum(found)
    return found
