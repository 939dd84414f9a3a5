"""The people with Copilot: who has a seat of which organization, is in which team, and did what on a day.

An enterprise has fewer people than seats: a tenth of them have seats of two organizations.
"""

from collections.abc import Iterator
from typing import Any

from exporter.instants import DAY, day_of, utc_time
from exporter.simulator.copilot import CUSTOMIZATIONS, identity, people, sessions_of
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
ACTIVE = 0.55


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


def memberships(estate: Estate, name: str, day: int) -> list[dict[str, Any]]:
    """The teams of an organization's people, or an enterprise's own teams; everybody in "data" is in "backend", too."""
    prefix = "ent:" if estate.enterprise(name) else ""
    found = []
    for number in persons(estate, name):
        team_id, team = team_of(number)
        teams = [(team_id, team)] if team else []
        teams += [(700 + TEAMS.index("backend"), "backend")] if team == "data" else []
        for key, slug in teams:
            record = {"team_id": key, "slug": prefix + slug}
            found.append({**_whose(estate, name, number, day), **record})
    return found


def activity(estate: Estate, name: str, day: int) -> list[dict[str, Any]]:
    """What each active person did on a day."""
    chance = estate.random(name, "people", day)
    return [
        {**_whose(estate, name, number, day), **_deeds(chance.randrange(1, 40))}
        for number in persons(estate, name)
        if chance.random() < ACTIVE
    ]


def _whose(estate: Estate, name: str, number: int, day: int) -> dict[str, Any]:
    who = person(estate, name, number)
    return {"user_id": who["id"], "user_login": who["login"], "day": day_of(day), **identity(estate, name)}


def _deeds(prompts: int) -> dict[str, Any]:
    """What somebody did, with every number that GitHub documents."""
    sessions, apps, windows = prompts // 12, prompts // 30, prompts // 25
    asked = prompts // 3
    return {
        "user_initiated_interaction_count": prompts,
        "code_generation_activity_count": prompts * 7,
        "code_acceptance_activity_count": prompts * 2,
        "loc_suggested_to_add_sum": prompts * 20,
        "loc_suggested_to_delete_sum": 0,
        "loc_added_sum": prompts * 14,
        "loc_deleted_sum": prompts * 2,
        **{f"chat_panel_{mode}_mode": 0 for mode in ("edit", "plan", "custom", "unknown")},
        "chat_panel_ask_mode": asked,
        "chat_panel_agent_mode": prompts - asked,
        "used_chat": prompts > 4,
        "used_agent": prompts > 9,
        "used_cli": sessions > 0,
        "used_copilot_app": apps > 0,
        "used_vscode_agent": windows > 0,
        "used_copilot_coding_agent": prompts > 20,
        "used_copilot_cloud_agent": prompts > 20,
        "used_copilot_code_review_active": prompts > 15,
        "used_copilot_code_review_passive": prompts < 3,
        "ai_credits_used": prompts * 0.4,
        "totals_by_ide": [{"ide": "vscode", "loc_added_sum": prompts * 14}],
        "ai_adoption_phase": {"phase_number": 1, "phase": "Phase 1", "version": "v1"},
        **({"totals_by_cli": sessions_of(sessions)} if sessions else {}),
        **({"totals_by_copilot_app": sessions_of(apps)} if apps else {}),
        **({"totals_by_vscode_agent": {"session_count": windows, "total_user_messages": 5}} if windows else {}),
        **{f"distinct_{kind}_use_count": sessions for kind in CUSTOMIZATIONS},
    }


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
