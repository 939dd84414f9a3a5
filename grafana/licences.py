"""Licences and budgets: what is paid for, how near each is to its end, and until when."""

from grafana.board import Board, Row, choices
from grafana.budgets import BUDGETS, CREDITS
from grafana.fields import DAY, Steps
from grafana.links import to
from grafana.nearest import (
    COMMITTERS,
    DAYS,
    DAYS_LEFT,
    OF_LICENCES,
    USED,
    advanced_security,
    days_of_licence,
    fullest_budget,
    fullest_pool,
    licences_in_use,
    stopped_by_budget,
)
from grafana.panels import bars, timeseries
from grafana.tables import Column, Label, table

SEATS = "github_enterprise_license_seats_consumed"
BOUGHT = "github_enterprise_license_seats_purchased"
ADDED = 'enterprise:github_enterprise_license_seats_consumed:per_day7d{enterprise=~"$enterprise"}'
SYNC_INFO = "github_enterprise_license_sync_info"
SYNC_AGE = "server:github_enterprise_license_sync_age:seconds"
SYNC = {"success": ("success", "green")}
NEVER = 1_000_000_000
"""The age of a sync that never was, in seconds."""
APPLIANCE = "github_appliance_license_"
SECURITY = "github_advanced_security_"
LEFT: Steps = ((None, "red"), (0, "orange"), (1, "green"))
AGE_OF_SYNC: Steps = ((None, "green"), (691_200, "orange"), (864_000, "red"))
PRODUCTS = {
    "advanced_security": ("Advanced Security", "text"),
    "code_security": ("Code Security", "text"),
    "secret_protection": ("Secret Protection", "text"),
}


def security(of: str, used: str) -> dict[str, Column]:
    """Committers of each product: of enterprises or organizations."""
    by = f"{of}, product"
    active, bought = f"{SECURITY}{of}_active_committers", f"{SECURITY}{of}_purchased_committers"
    return {
        "Active": Column(f"max by ({by}) ({active})", "locale", width=76),
        "Bought": Column(f"max by ({by}) ({bought})", "locale", width=76),
        "In use": Column(f"max by ({by}) ({used})", "percentunit", OF_LICENCES, decimals=0, bar=True, width=118),
        "Maximum": Column(f"max by ({by}) ({SECURITY}{of}_maximum_committers)", "locale"),
    }


LICENCES = Board(
    name="licences",
    title="GitHub Enterprise / Licences and budgets",
    description="What is paid for, how near each is to its end, and until when: licences of enterprises and "
    "appliances, budgets, AI credits of cost centers, Advanced Security. GitHub is asked every 6 hours.",
    since="now-30d",
    variables=(choices("enterprise", "Enterprise", SEATS),),
    rows=(
        Row(
            "What is nearest to its end?",
            (
                licences_in_use(),
                days_of_licence(),
                stopped_by_budget(),
                fullest_budget(),
                fullest_pool(),
                advanced_security(),
            ),
        ),
        *BUDGETS,
        *CREDITS,
        Row(
            "Are there licences for everybody, and until when?",
            (
                table(
                    "Enterprises",
                    "A licence is for a person, with one account or several, in the cloud and on connected appliances. "
                    "Added: a week, at the rate of the last seven days. Without 2FA: who has no two-factor "
                    "authentication; it needs users: true.",
                    {"enterprise": "Enterprise"},
                    {
                        "Bought": Column(f"max by (enterprise) ({BOUGHT})", "locale"),
                        "People": Column(f"max by (enterprise) ({SEATS})", "locale"),
                        "Left": Column(f"max by (enterprise) ({BOUGHT} - {SEATS})", "locale", LEFT),
                        "In use": Column(
                            f"max by (enterprise) ({USED})", "percentunit", OF_LICENCES, decimals=0, bar=True
                        ),
                        "Added a week": Column(f"7 * max by (enterprise) ({ADDED})", "locale"),
                        "Without 2FA": Column(
                            "max by (enterprise) (github_enterprise_license_users_without_two_factor)", "locale"
                        ),
                    },
                    sort="In use",
                    width=16,
                    height=5,
                ),
                bars(
                    "Who holds them",
                    "People by the kind of licence; those who subscribe to Visual Studio pay for it there. It needs "
                    "users: true.",
                    {"{{license_type}}": "sort_desc(sum by (license_type) (github_enterprise_license_users))"},
                    "locale",
                    width=8,
                    height=5,
                ),
                timeseries(
                    "People and licences",
                    "Licences that are in use, and those that were bought, of the enterprises chosen. Where the lines "
                    "meet, newcomers get none.",
                    {"in use": f"sum({SEATS})", "bought": f"sum({BOUGHT})"},
                    "short",
                    height=7,
                    dashed=("bought",),
                ),
                table(
                    "Servers that report their users",
                    "When each connected server last synced its users, and whether GitHub took them; a week is usual. "
                    "After ten days, or without success, who uses server and cloud may consume two licences.",
                    {
                        "hostname": Label("Server", 200),
                        "enterprise": "Enterprise",
                        "status": Label("Result", words=SYNC),
                    },
                    {
                        "Last sync": Column(
                            f"max by (hostname, enterprise, status) ({SYNC_INFO} * on (job, enterprise, server_id, "
                            f"hostname) group_left () {SYNC_AGE} or {NEVER} * {SYNC_INFO})",
                            "s",
                            AGE_OF_SYNC,
                            {str(NEVER): ("never", "red")},
                            decimals=0,
                        )
                    },
                    sort="Last sync",
                    width=12,
                    height=7,
                ),
                table(
                    "Appliances",
                    "Each appliance's own licence, as the appliance shows it. Without a licence nobody can use it: get "
                    "the new file 30 days before its end. An evaluation licence may be unlimited.",
                    {"appliance": "Appliance", "kind": "Kind"},
                    {
                        "Ends": Column(f"1000 * max by (appliance) ({APPLIANCE}expiry_timestamp_seconds)", DAY),
                        "Days left": Column(f"floor(max by (appliance) ({DAYS_LEFT}))", "locale", DAYS),
                        "Seats": Column(
                            f"max by (appliance) ({APPLIANCE}seats or -({APPLIANCE}unlimited == 1))",
                            "locale",
                            ((None, "text"),),
                            {"-1": ("unlimited", "text")},
                        ),
                        "People": Column(
                            f"max by (appliance, kind) ({APPLIANCE}seats_used "
                            f"* on (job, instance, appliance) group_left (kind) {APPLIANCE}info)",
                            "locale",
                        ),
                        "In use": Column(
                            "max by (appliance) (appliance:github_appliance_license_seats:ratio "
                            f"or -({APPLIANCE}unlimited == 1))",
                            "percentunit",
                            OF_LICENCES,
                            {"-1": ("unlimited", "text")},
                            decimals=0,
                            bar=True,
                        ),
                    },
                    sort="Days left",
                    ascending=True,
                    height=6,
                    links=(("More: GHES", to("ghes")),),
                ),
            ),
        ),
        Row(
            "Is there an Advanced Security licence for every committer?",
            (
                table(
                    "Enterprises, by product",
                    "Active: who pushed to a repository with the product in the last 90 days. Maximum: licences "
                    "that would be in use if every repository had the product.",
                    {"enterprise": "Enterprise", "product": Label("Product", 140, PRODUCTS)},
                    security("enterprise", COMMITTERS),
                    sort="In use",
                    width=12,
                    height=6,
                ),
                table(
                    "Organizations, by product",
                    "The same of organizations. Who is active in two of them counts in both, so they add up to more "
                    "than the enterprise. Needs organizations: true.",
                    {"organization": "Organization", "product": Label("Product", 140, PRODUCTS)},
                    security("organization", "organization:github_advanced_security_organization_committers:ratio"),
                    sort="Active",
                    width=12,
                    height=6,
                ),
                timeseries(
                    "Committers",
                    "People of the enterprises who use a licence, and licences bought, by product.",
                    {
                        "{{product}}, active": f"sum by (product) ({SECURITY}enterprise_active_committers)",
                        "{{product}}, bought": f"sum by (product) ({SECURITY}enterprise_purchased_committers)",
                        "{{product}}, maximum": f"sum by (product) ({SECURITY}enterprise_maximum_committers)",
                    },
                    "short",
                    width=24,
                    height=7,
                ),
            ),
        ),
    ),
)
