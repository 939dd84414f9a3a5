"""Rows about budgets and about cost centers' pools of AI credits."""

from grafana.board import Row
from grafana.fields import DAY, SHARE_OF_LIMIT, Steps
from grafana.links import cell, to
from grafana.nearest import BUDGET, BUDGET_USED, ENTERPRISE, ORGANIZATION_BUDGET, POOL, POOL_USED
from grafana.panels import timeseries
from grafana.tables import Column, Label, table

DAYS_LEFT = f"(budget:{BUDGET}:days_left{ENTERPRISE} or budget:{ORGANIZATION_BUDGET}:days_left)"
KEY = "enterprise, organization, budget_id"
RESOURCES = "github_billing_cost_center_resources"
CENTER = "enterprise, cost_center_id"
SCOPES = {
    "enterprise": ("enterprise", "text"),
    "organization": ("organization", "text"),
    "repository": ("repository", "text"),
    "cost_center": ("cost center", "text"),
    "user": ("a user", "text"),
    "multi_user_customer": ("each user", "text"),
    "multi_user_cost_center": ("each user of a cost center", "text"),
}
"""GitHub's names of scopes, in words."""
THEN = {"1": ("use stops", "orange"), "0": ("it is billed", "text")}
EARLY: Steps = ((None, "orange"),)
REST_OF_MONTH = "scalar(days_in_month(vector(time())) - day_of_month(vector(time())) + 1)"


def budget(figure: str) -> str:
    """A figure of each budget, of enterprises and of organizations."""
    return f"max by ({KEY}) ({BUDGET}_{figure} or {ORGANIZATION_BUDGET}_{figure})"


def pool(figure: str) -> str:
    """A figure of each cost center's pool."""
    return f"max by ({CENTER}) ({POOL}_{figure})"


def early(days_left: str, by: str) -> str:
    """The day on which something is used up, if that is before the month ends."""
    return f"1000 * (time() + 86400 * min by ({by}) ({days_left} < {REST_OF_MONTH}))"


BUDGETS = (
    Row(
        "Which budget ends first, and what happens then?",
        (
            table(
                "Budgets",
                "All budgets, the nearest to its end first: in US dollars or, for licences, in licences. Used up on: "
                "if the month continues like this; empty where the budget lasts. GitHub lists what is consumed for few "
                "budgets only; with each: true in its configuration the exporter asks for the others.",
                {
                    "product_sku": Label("Budget for", 150),
                    "scope": Label("Of", 120, SCOPES),
                    "entity": Label("Name", 110),
                    "organization": Label("Organization", 120),
                    "enterprise": Label("Enterprise", 110),
                    "budget_id": Label("Id", hidden=True),
                },
                {
                    "Allowed": Column(budget("amount"), "locale"),
                    "Consumed": Column(budget("consumed_amount"), "locale"),
                    "Used": Column(
                        f"max by ({KEY}, scope, entity, product_sku) ({BUDGET_USED} "
                        f"or -1 * (budget:{BUDGET}:info{ENTERPRISE} or budget:{ORGANIZATION_BUDGET}:info))",
                        "percentunit",
                        SHARE_OF_LIMIT,
                        words={"-1": ("not known", "text")},
                        decimals=0,
                        bar=True,
                    ),
                    "Used up on": Column(early(DAYS_LEFT, KEY), DAY, EARLY),
                    "Then": Column(budget("prevents_further_usage"), "none", words=THEN, width=100),
                },
                sort="Used",
                height=12,
                links=(("More: spend", to("spend", "enterprise")),),
            ),
            timeseries(
                "Budgets above half",
                "Share used of each budget that is at half or more. Most begin at 0 with the month.",
                {"{{product_sku}}, {{scope}} {{entity}}{{organization}}": f"{BUDGET_USED} >= 0.5"},
                "percentunit",
                SHARE_OF_LIMIT,
                width=24,
                height=7,
            ),
        ),
    ),
)

CREDITS = (
    Row(
        "Do the AI credits last until the month ends?",
        (
            table(
                "Cost centers",
                "The month's pool of AI credits (0.01 US dollars each) of each cost center, which its members' Copilot "
                "licences fill. Empty on: if the month continues like this; empty where the pool lasts. Members are "
                "users, teams, organizations and repositories. Click a cost center for its spend.",
                {
                    "cost_center": Label("Cost center", 116),
                    "enterprise": "Enterprise",
                    "cost_center_id": Label("Id", hidden=True),
                },
                {
                    "Pool": Column(pool("limit_credits"), "locale"),
                    "So far": Column(pool("used_credits"), "locale"),
                    "Used": Column(
                        f"max by ({CENTER}) ({POOL_USED} or {RESOURCES} * 0 - 1)",
                        "percentunit",
                        SHARE_OF_LIMIT,
                        words={"-1": ("no pool", "text")},
                        decimals=0,
                        bar=True,
                        width=130,
                    ),
                    "Empty on": Column(early(f"cost_center:{POOL}:days_left{ENTERPRISE}", CENTER), DAY, EARLY),
                    "Members": Column(
                        f"sum by ({CENTER}, cost_center) ({RESOURCES} * on (job, enterprise, "
                        f"cost_center_id) group_left (cost_center) cost_center:github_billing_cost_center:info)",
                        "locale",
                    ),
                },
                sort="Used",
                width=14,
                height=7,
                clicks={"cost_center": (("Its spend", to("spend", "enterprise", cost_center=cell("cost_center"))),)},
            ),
            timeseries(
                "Pools of AI credits",
                "Share used of each cost center's pool. It begins at 0 with the month.",
                {"{{cost_center}}": f"max by (cost_center) ({POOL_USED})"},
                "percentunit",
                SHARE_OF_LIMIT,
                width=10,
                height=7,
            ),
        ),
    ),
)
