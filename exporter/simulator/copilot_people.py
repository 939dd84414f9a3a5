"""The people with Copilot: who has a seat of which organization.

An enterprise has fewer people than seats: a tenth of them have seats of two organizations.
"""

from collections.abc import Iterator
from typing import Any

from exporter.instants import DAY, day_of, utc_time
from exporter.simulator.copilot import people
from exporter.simulator.estate import Estate

TEAMS = ("platform", "frontend", "backend", "data", "mobile", "")
EDITORS = (
    "vscode/1.138.2/copilot-chat/0.60.1",
    "vscode/1.137.0/copilot-chat/0.59.0",
    "JetBrains-IU/253.1/copilot-intellij/1.9.0",
    "neovim/0.11/copilot.vim/1.50.0",
)
SILENT = 9  # one in so many has never been active
FIRST_ID = 5_000_000


def persons(estate: Estate, organization: str) -> range:
    """The numbers of an organization's people; the last organization shares some with the first."""
    owner = estate.enterprise(organization) or estate.owner(organization)
    assert owner is not None
    if owner.name == organization:
        return range(people(estate, organization))
    before = owner.organizations[: owner.organizations.index(organization)]
    start = sum(people(estate, name) for name in before)
    return range(start, start + people(estate, organization))


def person(estate: Estate, organization: str, number: int) -> dict[str, Any]:
    """Somebody, as GitHub names users; a number beyond the enterprise's people is one of the first again."""
    owner = estate.owner(organization)
    count = people(estate, owner.name) if owner else number + 1
    return {"login": f"dev-{number % count}", "id": FIRST_ID + number % count, "type": "User", "site_admin": False}


def team_of(number: int) -> tuple[int, str]:
    """The team of somebody: its id and its name, "" for none."""
    at = number % len(TEAMS)
    return 700 + at, TEAMS[at]


def seats(estate: Estate, name: str, now: float) -> list[dict[str, Any]]:
    """All seats of an organization, or of an enterprise's organizations."""
    enterprise = estate.enterprise(name)
    organizations = enterprise.organizations if enterprise else (name,)
    return [seat for organization in organizations for seat in _seats(estate, organization, now)]


def _seats(estate: Estate, organization: str, now: float) -> Iterator[dict[str, Any]]:
    for number in persons(estate, organization):
        team_id, team = team_of(number)
        last = None if number % SILENT == 0 else utc_time(now - (number * 7919 % 50) ** 1.2 * DAY)
        yield {
            "created_at": "2026-03-01T09:00:00Z",
            "updated_at": "2026-03-01T09:00:00Z",
            "pending_cancellation_date": day_of(now + 9 * DAY) if number % 40 == 0 else None,
            "last_activity_at": last,
            "last_activity_editor": EDITORS[number % len(EDITORS)] if last else None,
            "last_authenticated_at": last,
            "plan_type": "business" if number % 5 else "enterprise",
            "assignee": person(estate, organization, number),
            "organization": {"login": organization, "id": 700 + len(organization)},
            "assigning_team": {"id": team_id, "name": team.title(), "slug": team} if team else None,
        }
