"""An enterprise's organizations and appliances, and its days with Copilot: all but API traffic.

All numbers follow from names, days and the seed; instants are arguments, in epoch seconds (UTC).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Literal

from exporter.instants import DAY

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

    Days are `(organization or enterprise, "2026-11-19")`, for reports with a record for each of something
    `("repos of acme", "2026-11-19")`: `late` ones exist from an instant on, `missing` ones never (nobody used Copilot),
    `revised` ones have other numbers from an instant on. By organization or enterprise, `files`
    is the number of files of a report, `forms` their format, `dead_links` how many of the next links are dead. `hosts`
    have the files in turn (empty: the host of the API). `added` are fields that GitHub added to all records.
    `retired`: the closed API answers as GitHub does since 2026-04-02.
    """

    late: dict[tuple[str, str], float] = field(default_factory=dict)
    missing: set[tuple[str, str]] = field(default_factory=set)
    revised: dict[tuple[str, str], float] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    forms: dict[str, Form] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    dead_links: dict[str, int] = field(default_factory=dict)
    added: dict[str, Any] = field(default_factory=dict)
    retired: bool = True


@dataclass(slots=True)
class Estate:
    """All enterprises. `since` is the day from which appliances sent statistics and Copilot was used.

    Whether `statistics_in_pages` may be changed at any time: GitHub describes none, and could send them any day.
    `larger_runners` tells from which day on an organization's tests run on runners that cost a multiple, `silent` since
    when an appliance (by name) sends no statistics; it may be changed at any time.
    """

    enterprises: tuple[Enterprise, ...] = ()
    since: float = 0.0
    seed: int = 0
    copilot: Copilot = field(default_factory=Copilot)
    statistics_in_pages: bool = False
    larger_runners: dict[str, float] = field(default_factory=dict)
    silent: dict[str, float] = field(default_factory=dict)

    def enterprise(self, name: str) -> Enterprise | None:
        """The enterprise with a name, in any case."""
        return next((enterprise for enterprise in self.enterprises if enterprise.name == name.lower()), None)

    def owner(self, organization: str) -> Enterprise | None:
        """The enterprise of an organization."""
        return next(
            (enterprise for enterprise in self.enterprises if organization.lower() in enterprise.organizations), None
        )

    def appliance(self, name: str) -> Appliance | None:
        """Find an appliance by name."""
        return next(
            (
                appliance
                for enterprise in self.enterprises
                for appliance in enterprise.appliances
                if appliance.name == name
            ),
            None,
        )

    def random(self, *what: object) -> Random:
        """Chance that is always the same for the same thing."""
        return Random(f"{self.seed}:{what}")


def midnight(now: float) -> int:
    """When the day began."""
    return int(now) // DAY * DAY


def instant_of(day: str) -> int | None:
    """A day's midnight; None for a text that is no day."""
    try:
        midnight_of_day = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(midnight_of_day.timestamp())


def shared_out(total: int, parts: Iterable[float]) -> list[int]:
    """A number split into whole parts in proportion to `parts`; they add up to it."""
    shares = list(parts)
    sum_of_shares = sum(shares) or 1.0
    counts = [int(total * share / sum_of_shares) for share in shares]
    counts[0] += total - sum(counts)
    return counts
