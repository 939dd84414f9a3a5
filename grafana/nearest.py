"""What of all that is paid for is nearest to its end: one number each, of the Overview and of Licences and budgets."""

from grafana.fields import ANY_IS_BAD, SHARE_OF_LIMIT, Steps, Urls
from grafana.panels import Panel, stat

ENTERPRISE = '{enterprise=~"$enterprise"}'
"""For recorded figures, which no variable filters."""
BUDGET = "github_billing_budget"
ORGANIZATION_BUDGET = "github_billing_organization_budget"
BUDGET_USED = f"(budget:{BUDGET}_consumed:ratio{ENTERPRISE} or budget:{ORGANIZATION_BUDGET}_consumed:ratio)"
POOL = "github_billing_cost_center_ai_credit_pool"
POOL_USED = f"cost_center:{POOL}:ratio{ENTERPRISE}"
USED = f"enterprise:github_enterprise_license_seats:ratio{ENTERPRISE}"
DAYS_LEFT = "appliance:github_appliance_license_expiry:days_left"
COMMITTERS = f"enterprise:github_advanced_security_enterprise_committers:ratio{ENTERPRISE}"
OF_LICENCES: Steps = ((None, "green"), (0.9, "yellow"), (0.95, "orange"), (1.000001, "red"))
"""All licences may be in use; only more than were bought are too many."""
DAYS: Steps = ((None, "red"), (14, "orange"), (30, "yellow"), (90, "green"))


def licences_in_use(width: int = 4, links: Urls = ()) -> Panel:
    """The share of an enterprise's licences."""
    return stat(
        "Licences in use",
        "Share of the enterprise's licences that people use, in the cloud and on connected appliances; of several "
        "enterprises the highest. Above 100 % there are more people than licences: newcomers get none, or the next "
        "bill has more.",
        f"max({USED})",
        "percentunit",
        OF_LICENCES,
        width=width,
        links=links,
        decimals=0,
        empty="none bought",
    )


def days_of_licence(width: int = 4, links: Urls = ()) -> Panel:
    """When the first licence of an appliance ends."""
    return stat(
        "Days of licence left",
        "Days until the first licence of an appliance ends; without one nobody can use the appliance. From 30 days on "
        "get the new file from the enterprise account. Negative after the end.",
        f"floor(min({DAYS_LEFT}))",
        "locale",
        DAYS,
        width=width,
        links=links,
        empty="no end",
    )


def stopped_by_budget() -> Panel:
    """How many budgets prevent use now."""
    spent = f"budget:{BUDGET}_consumed:ratio{ENTERPRISE} >= 1 and on (job, enterprise, budget_id)"
    return stat(
        "Stopped by a budget",
        "Budgets of enterprises that are used up and prevent further use: workflows, Copilot or storage of those whom "
        "they cover do not work until the month ends or somebody raises them.",
        f"count({spent} {BUDGET}_prevents_further_usage == 1) or vector(0)",
        "locale",
        ANY_IS_BAD,
    )


def fullest_budget(width: int = 4, links: Urls = ()) -> Panel:
    """The share of the budget that is nearest to its end."""
    return stat(
        "Fullest budget",
        "Share that is used of the budget that is nearest to its end. From 80 % on tell its owner or raise it: when it "
        "is used up, use may stop. Budgets of which nobody knows what is consumed are not in it.",
        f"max({BUDGET_USED})",
        "percentunit",
        SHARE_OF_LIMIT,
        width=width,
        links=links,
        decimals=0,
        empty="not known",
    )


def fullest_pool(width: int = 4, links: Urls = ()) -> Panel:
    """The share of the pool of AI credits that is nearest to its end."""
    return stat(
        "Fullest credit pool",
        "Share that is used of the month's AI credits, of the cost center whose pool is nearest to its end.",
        f"max({POOL_USED})",
        "percentunit",
        SHARE_OF_LIMIT,
        width=width,
        links=links,
        decimals=0,
        empty="no pool",
    )


def advanced_security() -> Panel:
    """The share of licences for committers."""
    return stat(
        "Advanced Security",
        "Share of the licences for committers that are in use, of the product where it is highest. Above 100 % more is "
        "billed, or the product cannot be enabled in further repositories.",
        f"max({COMMITTERS})",
        "percentunit",
        OF_LICENCES,
        decimals=0,
        empty="none bought",
    )
