"""Repositories with pull requests: GitHub's reports of one day."""

from typing import Any

from exporter.instants import day_of
from exporter.simulator.copilot import identity, pull_requests
from exporter.simulator.estate import Estate

REPOSITORIES = ("api", "web", "infrastructure", "mobile", "docs", "billing", "search")
PHASES = {"ready_to_first_review": 45.0, "first_to_final_review": 20.0, "final_review_to_merge": 8.0}


def records(estate: Estate, name: str, day: int) -> list[dict[str, Any]]:
    """The repositories of an organization, or of an enterprise's organizations, on a day."""
    enterprise = estate.enterprise(name)
    organizations = enterprise.organizations if enterprise else (name,)
    return [
        _record(estate, organization, number, day)
        for organization in organizations
        for number in range(len(REPOSITORIES))
    ]


def _record(estate: Estate, organization: str, number: int, day: int) -> dict[str, Any]:
    chance = estate.random(organization, number, day)
    found = pull_requests(chance.randrange(0, 40))
    return {
        "day": day_of(day),
        **identity(estate, organization),
        "repo_id": 900_000_000 + 1000 * len(organization) + number,
        "repo_owner_name": organization,
        "repo_name": REPOSITORIES[number],
        "repo_visibility": ("INTERNAL", "PRIVATE", "PUBLIC")[number % 3],
        "pull_requests": found,
        "pull_request_review_times": [
            {
                "authored_by": "human",
                "reviewed_by": "human",
                "total_merged": found["total_merged"] // 2,
                **{f"median_minutes_{phase}": round(most * chance.random(), 1) for phase, most in PHASES.items()},
                **{f"p90_minutes_{phase}": round(most * (2 + chance.random()), 1) for phase, most in PHASES.items()},
            }
        ],
    }
