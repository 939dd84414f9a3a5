"""Queries that several dashboards use."""

from grafana.board import Variable, choices

SUBJECTS = "github_api_insights_subject_requests_total"
REFUSED_SUBJECTS = "github_api_insights_subject_rate_limited_requests_total"
BOOKED = "github_usage_report_newest_day_timestamp_seconds"
NET = "github_usage_report_net_amount_usd"
GROSS = "github_usage_report_gross_amount_usd"
RUNNING = f"topk by (enterprise) (1, {BOOKED})"

ORGANIZATION = choices("organization", "Organization", "github_api_insights_requests_total")
ENTERPRISE = choices("enterprise", "Enterprise", BOOKED)
APP_LIMIT = Variable(
    "app_limit",
    "App limit per hour",
    typed="15000",
    description="Requests per hour that GitHub allows an App in one organization: 15,000 on GitHub Enterprise Cloud.",
)
USER_LIMIT = Variable(
    "user_limit",
    "User limit per hour",
    typed="5000",
    description="Requests per hour that GitHub allows a user with all tokens: 5,000, and 15,000 for tokens of Apps "
    "that "
    "an organization on GitHub Enterprise Cloud owns.",
)
SEAT_PRICE = Variable(
    "seat_price",
    "Price of a seat (USD per month)",
    typed="39",
    description="Price of one Copilot seat in a month: 39 is the list price of Copilot Enterprise, 19 of Copilot "
    "Business.",
)

LATE = (
    "GitHub shows a request 4 to 6 hours after it was made, and the exporter polls every half hour: the numbers "
    "move in steps and show what became visible, not what was just made."
)


def near_limit(count: int) -> str:
    """Share of the hourly limit that the busiest subjects used: Apps per organization, users over all of them."""
    apps = (
        f'sum by (organization, subject_type, subject_name) (increase({SUBJECTS}{{subject_type="installation"}}[1h]))'
    )
    users = f'sum by (subject_type, subject_name) (increase({SUBJECTS}{{subject_type="user"}}[1h]))'
    return f"topk({count}, {apps} / $app_limit or {users} / $user_limit)"


def forecast(amount: str, by: str = "enterprise, month") -> str:
    """A month's spend if all of its days cost as much as those booked so far."""
    return f"""
        sum by ({by}) ({amount}) / on (enterprise, month) group_left ()
          max by (enterprise, month) (day_of_month({BOOKED}) / days_in_month({BOOKED}))
    """


def run_rate(amount: str) -> str:
    """Dollars per day of the days that are booked."""
    return f"""
        sum by (enterprise, month) ({amount}) / on (enterprise, month) group_left ()
          max by (enterprise, month) (day_of_month({BOOKED}))
    """
