"""Statistics of GHES appliances: their own, and those that they send to the cloud once a day.

https://docs.github.com/enterprise-server@latest/rest/enterprise-admin/admin-stats
https://docs.github.com/enterprise-cloud@latest/rest/enterprise-admin/admin-stats
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from exporter.instants import DAY, day_of
from exporter.simulator.estate import Appliance, Estate, instant_of, midnight, shared_out
from exporter.simulator.messages import Refusal

LONGEST_SPAN = 365
ECOSYSTEMS = {"npm": 40, "maven": 25, "docker": 12, "nuget": 9, "rubygems": 3, "containers": 60}


def all_stats(estate: Estate, appliance: Appliance, now: float) -> dict[str, dict[str, int]]:
    """`/enterprise/stats/all`: totals grow by a little every hour."""
    users = appliance.users + int((now - estate.since) / DAY)
    repos, issues, pulls = users * 6, users * 34, users * 21
    hours = int((now - estate.since) / 3600)
    orgs = users // 20
    return {
        "repos": {
            "total_repos": repos,
            "root_repos": repos - repos // 9,
            "fork_repos": repos // 9,
            "org_repos": repos * 3 // 4,
            "total_pushes": users * 310 + hours * 40,
            "total_wikis": repos // 14,
        },
        "hooks": {"total_hooks": 27, "active_hooks": 23, "inactive_hooks": 4},
        "pages": {"total_pages": repos // 40},
        "orgs": {
            "total_orgs": orgs,
            "disabled_orgs": orgs // 30,
            "total_teams": orgs * 4,
            "total_team_members": users * 2,
        },
        "users": {"total_users": users, "admin_users": 12, "suspended_users": users // 9},
        "pulls": {
            "total_pulls": pulls + hours,
            "merged_pulls": pulls * 3 // 4 + hours // 2,
            "mergeable_pulls": users // 3,
            "unmergeable_pulls": users // 40,
        },
        "issues": {
            "total_issues": issues + hours,
            "open_issues": issues // 5,
            "closed_issues": issues + hours - issues // 5,
        },
        "milestones": {
            "total_milestones": repos // 8,
            "open_milestones": repos // 11,
            "closed_milestones": repos // 30,
        },
        "gists": {"total_gists": users, "private_gists": users - users // 7, "public_gists": users // 7},
        "comments": {
            "total_commit_comments": users // 8,
            "total_gist_comments": users // 20,
            "total_issue_comments": issues * 3 + hours,
            "total_pull_request_comments": pulls * 4 + hours,
        },
    }


def security_products(appliance: Appliance) -> dict[str, int]:
    """`/enterprise/stats/security-products`."""
    repos = appliance.users * 6
    return {
        "total_repos": repos,
        "nonarchived_repos": repos * 4 // 5,
        "secret_scanning_enabled_repos": repos * 3 // 4,
        "secret_scanning_push_protection_enabled_repos": repos * 2 // 3,
        "code_scanning_enabled_repos": repos // 2,
        "code_scanning_pr_reviews_enabled_repos": repos // 3,
        "code_scanning_default_setup_enabled_repos": repos // 4,
        "code_scanning_default_setup_eligible_repos": repos // 6,
        "dependabot_alerts_enabled_repos": repos * 2 // 3,
        "dependabot_security_updates_enabled_repos": repos // 2,
        "dependabot_version_updates_enabled_repos": repos // 3,
        "advanced_security_enabled_repos": repos * 3 // 4,
        "active_committers": appliance.users // 3,
        "purchased_committers": appliance.users // 2,
        "maximum_committers": appliance.users // 2 + 40,
        "secret_protection_licenses": appliance.users // 2,
        "secret_protection_active_committers": appliance.users // 3,
        "code_security_licenses": appliance.users // 2,
        "code_security_active_committers": appliance.users // 4,
    }


def server_statistics(
    estate: Estate, appliances: Iterable[Appliance], now: float, query: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The days that GitHub has of these appliances, oldest first: up to yesterday's, a year at most."""
    first, last = max(int(estate.since), midnight(now) - LONGEST_SPAN * DAY), midnight(now) - DAY
    for name in ("date_start", "date_end"):
        if (text := query.get(name)) is not None and instant_of(text) is None:
            raise Refusal(422, f"Invalid {name}", "/enterprise-admin/admin-stats")
    start, end = (instant_of(query.get(name, "")) for name in ("date_start", "date_end"))
    days = range(midnight(first), last + 1, DAY)
    return [
        _record(estate, appliance, day)
        for day in days
        if (start is None or day >= start) and (end is None or day <= end)
        for appliance in appliances
        if day + DAY <= estate.silent.get(appliance.name, math.inf)
    ]


def _record(estate: Estate, appliance: Appliance, day: int) -> dict[str, Any]:
    stats = all_stats(estate, appliance, day + DAY)
    users, repos = stats["users"]["total_users"], stats["repos"]["total_repos"]
    using = repos * 3 // 10
    record: dict[str, Any] = {
        "server_id": appliance.server_id,
        "collection_date": f"{day_of(day)}T23:59:59Z",
        "schema_version": "20230306",
        "ghes_version": appliance.version,
        "host_name": appliance.host_name,
        "github_connect": {"features_enabled": ["license_usage_sync", "content_analysis"]},
        "ghe_stats": stats,
        "dormant_users": {"total_dormant_users": users // 8, "dormancy_threshold": "90 days"},
    }
    if appliance.old:
        left = ("actions", "packages", "advisory-db")
        placeholders = {name: {"$ref": f"server-statistics-{name}.yaml"} for name in left}
        return record | {f"{name.replace('-', '_')}_stats": place for name, place in placeholders.items()}
    chance = estate.random(appliance.name, day)
    return record | {
        "advisory_db_stats": {
            "reviewed_advisories": 20_000 + day // DAY % 1_000
        },  # GitHub does not document its fields
        "actions_stats": {
            "number_of_repos_using_actions": using,
            "percentage_of_repos_using_actions": f"{100 * using / repos:.2f}",
        },
        "packages_stats": {
            "registry_enabled": True,
            "registry_v2_enabled": True,
            "ecosystems": [
                {
                    "name": name,
                    "enabled": "READONLY" if name == "rubygems" else "TRUE",
                    **_packages(appliance.users // 100 * share, chance.randrange(1, 40) * share),
                }
                for name, share in ECOSYSTEMS.items()
            ],
        },
    }


def _packages(published: int, downloads: int) -> dict[str, int]:
    private, public, internal = shared_out(published, (6, 1, 3))
    return {
        "published_packages_count": published,
        "private_packages_count": private,
        "public_packages_count": public,
        "internal_packages_count": internal,
        "user_packages_count": published // 10,
        "organization_packages_count": published - published // 10,
        "daily_download_count": downloads,
        "daily_update_count": downloads // 20,
        "daily_delete_count": downloads // 100,
        "daily_create_count": downloads // 50,
    }
