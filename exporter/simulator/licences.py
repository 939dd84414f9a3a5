"""Licences of the simulated GitHub: who consumes one, how servers report theirs, and those of appliances.

https://docs.github.com/enterprise-cloud@latest/rest/enterprise-admin/licensing
https://docs.github.com/enterprise-server@latest/rest/enterprise-admin/licensing
"""

from datetime import UTC, datetime
from typing import Any

from exporter.instants import DAY, utc_time
from exporter.simulator.estate import Appliance, Enterprise, midnight

PAGE = "/enterprise-admin/licensing"
IN_AN_ORGANIZATION = 210
BOUGHT = 700
DAYS_LEFT = 200


def totals(users: list[dict[str, Any]]) -> dict[str, int]:
    """What stands beside the users on every page."""
    return {"total_seats_consumed": len(users), "total_seats_purchased": BOUGHT}


def users(enterprise: Enterprise) -> list[dict[str, Any]]:
    """Everybody who consumes a licence: members of organizations, and a few that only a server knows."""
    members = [
        _user(f"{name}-{number}", name, number)
        for name in enterprise.organizations
        for number in range(IN_AN_ORGANIZATION)
    ]
    return [*members, *(_user("", one.host_name, number) for one in enterprise.appliances for number in range(5))]


def _user(login: str, place: str, number: int) -> dict[str, Any]:
    on_cloud = bool(login)
    subscribes = on_cloud and number % 12 == 0
    return {
        "github_com_login": login,
        "github_com_name": login.title(),
        "enterprise_server_user_ids": [] if on_cloud else [f"{place}:{number + 1}"],
        "github_com_user": on_cloud,
        "enterprise_server_user": not on_cloud,
        "visual_studio_subscription_user": subscribes,
        "license_type": "Visual Studio subscription" if subscribes else "enterprise",
        "github_com_profile": f"https://github.com/{login}" if on_cloud else "",
        "github_com_member_roles": [f"{place}:Member"] if on_cloud else [],
        "github_com_enterprise_roles": ["member"] if on_cloud else [],
        "github_com_verified_domain_emails": [],
        "github_com_saml_name_id": login,
        "github_com_orgs_with_pending_invites": [],
        "github_com_two_factor_auth": number % 40 > 0 if on_cloud else "",
        "enterprise_server_emails": [] if on_cloud else [f"person{number}@example.com"],
        "visual_studio_license_status": "Matched" if subscribes else "",
        "visual_studio_subscription_email": f"{login}@example.com" if subscribes else "",
        "total_user_accounts": 1,
    }


def sync_status(enterprise: Enterprise, now: float) -> dict[str, Any]:
    """The servers that are connected to an enterprise, which report every night."""
    return {
        "server_instances": [
            {
                "server_id": one.server_id,
                "hostname": one.host_name,
                "last_sync": {"date": utc_time(midnight(now)), "status": "success", "error": ""},
            }
            for one in enterprise.appliances
        ]
    }


def of_appliance(appliance: Appliance, now: float) -> dict[str, Any]:
    """`/enterprise/settings/license`: an old appliance has an evaluation licence, whose date has another form."""
    end = datetime.fromtimestamp(midnight(now) + DAYS_LEFT * DAY, UTC)
    used = appliance.users * 8 // 9
    seats = appliance.users
    return {
        "seats": "unlimited" if appliance.old else seats,
        "seats_used": used,
        "seats_available": "unlimited" if appliance.old else seats - used,
        "kind": "evaluation" if appliance.old else "standard",
        "days_until_expiration": DAYS_LEFT,
        "expire_at": end.isoformat(timespec="milliseconds") if appliance.old else f"{end:%Y/%m/%d %H:%M:%S} +0000",
    }
