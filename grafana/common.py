"""Queries, variables and a panel that several dashboards use."""

from grafana.board import Variable, choices
from grafana.fields import ANY_IS_NOTABLE, SHARE_OF_LIMIT, Urls
from grafana.panels import Panel
from grafana.tables import Column, Label, table

SUBJECTS = "github_api_insights_subject_requests_total"
REFUSED_SUBJECTS = "github_api_insights_subject_rate_limited_requests_total"
BOOKED = "github_usage_report_newest_day_timestamp_seconds"
NET = "github_usage_report_net_amount_usd"
GROSS = "github_usage_report_gross_amount_usd"
OF_RUNNING = "and on (job, enterprise, month) enterprise_month:github_usage_report_running_month:info"
"""Keeps the figures of the running month."""

ORGANIZATION = choices("organization", "Organization", "github_api_insights_requests_total")
ENTERPRISE = choices("enterprise", "Enterprise", BOOKED)
SEAT_PRICE = Variable(
    "seat_price",
    "Seat price (USD)",
    typed="39",
    description="Price of one Copilot seat in a month: 39 is the list price of Copilot Enterprise, 19 of Copilot "
    "Business.",
)

LATE = (
    "GitHub shows a request 4 to 6 hours after it was made, and the exporter polls every half hour: the numbers "
    "move in steps and show what became visible, not what was just made."
)


def near_limit(subject: str, height: int, links: Urls = (), clicks: Urls = ()) -> Panel:
    """Who came closest to a limit; `subject` filters further. A user has one limit for all organizations."""
    caller = "organization, subject_type, subject_name"
    own = f'{{organization=~"$organization|"{subject}}}'
    share = f"caller:github_api_insights_hourly_limit:ratio_increase1h{own}"
    refused = f"caller:github_api_insights_rate_limited_requests:increase6h{own}"
    return table(
        "Closest to their hourly limit",
        "The highest hour of the last six, as a share of the caller's limit: an App has one in each organization, a "
        "user one for all tokens and organizations. From 80 % on expect refusals; above 100 % several hours became "
        "visible at once. Refused: requests in the six hours. The limits are in the recording rules: 15,000 and 5,000.",
        {
            "subject_name": Label("App or user", width=160),
            "subject_type": Label("Kind", width=100),
            "organization": "Organization",
        },
        {
            "Of the limit": Column(
                f"topk(15, max by ({caller}) (max_over_time({share}[6h])))",
                "percentunit",
                SHARE_OF_LIMIT,
                decimals=0,
                bar=True,
            ),
            "Refused": Column(f"topk(100, max by ({caller}) ({refused} or {share} * 0))", "locale", ANY_IS_NOTABLE),
        },
        sort="Of the limit",
        complete="Of the limit",
        width=12,
        height=height,
        links=links,
        clicks={"subject_name": clicks},
        empty="Nobody made a request in the last six hours",
    )


def forecast(amount: str, by: str = "") -> str:
    """A month's spend if all of its days cost as much as those booked so far."""
    return _over_month(f"{amount} * on (job, enterprise, month) group_left ()", "forecast:ratio", by)


def run_rate(amount: str, by: str = "") -> str:
    """Dollars per day of the days that are booked."""
    return _over_month(f"{amount} / on (job, enterprise, month) group_left ()", "booked_days:count", by)


def _over_month(amount: str, figure: str, by: str) -> str:
    """The sum of an amount that is joined with a figure of its month."""
    return f"sum{f' by ({by}) ' if by else ''}({amount} enterprise_month:github_usage_report_{figure})"
