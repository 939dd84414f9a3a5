"""The first page: whether all is well, who is near a limit, what it costs."""

from grafana.board import Board, Row
from grafana.common import ENTERPRISE, LATE, NET, OF_RUNNING, ORGANIZATION, SEAT_PRICE, forecast, near_limit
from grafana.copilot_seats import idle_for_a_month
from grafana.fields import ANY_IS_BAD, ANY_IS_NOTABLE, REFUSED_SHARE
from grafana.links import RUNBOOKS, cell, series, to
from grafana.nearest import days_of_licence, fullest_budget, licences_in_use
from grafana.panels import stat, timeseries
from grafana.shifts import shifts
from grafana.tables import Column, Label, table

MORE_API = (("More: API Insights", to("api-insights", "organization")),)
MORE_EXPORTER = (("More: the exporter", to("exporter")),)
MORE_SPEND = (("More: spend", to("spend", "enterprise")),)
MORE_COPILOT = (("More: Copilot", to("copilot", "organization", "enterprise")),)
MORE_PEOPLE = (("More: Copilot people", to("copilot-people", "organization", "enterprise")),)
MORE_LICENCES = (("More: licences and budgets", to("licences", "enterprise")),)
MORE_GHES = (("More: GHES", to("ghes")),)
SUCCESS = "github_exporter_collector_success"
NEVER = 1_000_000_000
"""The age of what was never read, in seconds."""
SEVERITIES = {"critical": ("critical", "red"), "warning": ("warning", "orange"), "info": ("info", "blue")}
ABOUT = '"subject_name", "collector", "target", "organization", "enterprise", "entity", "product_sku", "pool"'
"""Labels that say what an alert is about; each has some of them."""

OVERVIEW = Board(
    name="overview",
    title="GitHub Enterprise / Overview",
    description="Does everything work, who is near a limit, and what does it cost? Each panel links to a "
    "dashboard with details.",
    variables=(ORGANIZATION, ENTERPRISE, SEAT_PRICE),
    marks=shifts("Who uses Copilot"),
    rows=(
        Row(
            "Does everything work?",
            (
                stat(
                    "Sources that fail",
                    "Number of sources whose last attempt failed. The last good numbers stay for a while. 0 is "
                    "good; otherwise the exporter's dashboard shows which and why.",
                    "count(github_exporter_collector_success == 0) or vector(0)",
                    "none",
                    ANY_IS_BAD,
                    links=MORE_EXPORTER,
                ),
                stat(
                    "Oldest numbers",
                    "Time since the last complete read, of the oldest source. Sources are read every 15 minutes "
                    "to once a day, so up to a day is normal. Never: a source was tried, and not once read.",
                    "max(time() - github_exporter_collector_last_success_timestamp_seconds "
                    f"or {SUCCESS} * 0 + {NEVER})",
                    "s",
                    ((None, "green"), (90_000, "orange"), (259_200, "red")),
                    links=MORE_EXPORTER,
                    decimals=0,
                    words={str(NEVER): ("never read", "red")},
                ),
                stat(
                    "GitHub's delay",
                    "Age of the newest API requests that GitHub shows, in the organization where it is worst. 4 to "
                    "6 hours "
                    "are normal; more is an incident at GitHub, or nobody made a request.",
                    "clamp_min(max(time() - github_api_insights_newest_data_timestamp_seconds), 0)",
                    "s",
                    ((None, "green"), (25_200, "orange"), (43_200, "red")),
                    links=MORE_API,
                    decimals=0,
                ),
                stat(
                    "Refused in the last hour",
                    "Share of the API requests that GitHub refused because an app or user was over its limit, of those "
                    f"that became visible in the last hour. Above 1 % callers could not do their work. {LATE}",
                    "sum(increase(github_api_insights_rate_limited_requests_total[1h])) "
                    "/ (sum(increase(github_api_insights_requests_total[1h])) > 0)",
                    "percentunit",
                    REFUSED_SHARE,
                    links=MORE_API,
                    decimals=1,
                    empty="no requests",
                ),
                stat(
                    "Exporter's quota left",
                    "Share of GitHub's hourly limit that is left, for the credential with the least. Below 20 % "
                    "other clients of the same credential may be refused.",
                    "min(github_exporter_rate_limit_remaining / github_exporter_rate_limit_limit)",
                    "percentunit",
                    ((None, "red"), (0.1, "orange"), (0.2, "green")),
                    links=MORE_EXPORTER,
                    decimals=0,
                ),
                stat(
                    "Oldest GHES report",
                    "Time since the oldest appliance sent its statistics to GitHub; appliances send once a day. "
                    "More than three days: GitHub Connect is broken, or Server Statistics are off. After 31 days "
                    "it is no longer shown.",
                    "max(time() - github_server_statistics_collection_timestamp_seconds)",
                    "s",
                    ((None, "green"), (172_800, "orange"), (259_200, "red")),
                    links=MORE_GHES,
                    decimals=0,
                ),
                table(
                    "Alerts",
                    "Alerts of our rules that fire now, the newest first, and what each is about. Click an alert for "
                    "its runbook. It needs deploy/prometheus/alerts.yaml in Prometheus, and shows no other alerts.",
                    {
                        "alertname": Label("Alert", 260),
                        "severity": Label("Severity", words=SEVERITIES),
                        "about": Label("About", 420),
                    },
                    {
                        "Firing for": Column(
                            "time() - min by (alertname, severity, about) (label_join("
                            'ALERTS_FOR_STATE{alertname=~"Github.*", job=~"$job|"} '
                            'and ignoring (alertstate) ALERTS{alertstate="firing"}, '
                            f'"about", " ", {ABOUT}))',
                            "s",
                            decimals=0,
                        )
                    },
                    sort="Firing for",
                    ascending=True,
                    height=8,
                    links=MORE_EXPORTER,
                    clicks={"alertname": (("What to do", f"{RUNBOOKS}/{cell('alertname')}.md"),)},
                    empty="No alert is firing",
                ),
            ),
        ),
        Row(
            "Who is near a limit?",
            (
                licences_in_use(8, MORE_LICENCES),
                days_of_licence(8, MORE_LICENCES),
                fullest_budget(8, MORE_LICENCES),
                near_limit(
                    "",
                    height=9,
                    links=MORE_API,
                    clicks=(("What it does", to("api-insights", "organization", subject_name=cell("subject_name"))),),
                ),
                timeseries(
                    "API requests in the last hour",
                    f"Requests to each organization that became visible in the hour before. {LATE}",
                    {"{{organization}}": "sum by (organization) (increase(github_api_insights_requests_total[1h]))"},
                    "short",
                    height=9,
                    stacked=True,
                    links=MORE_API,
                    clicks=(("This organization", to("api-insights", organization=series("organization"))),),
                ),
                table(
                    "Organizations",
                    "API use of each organization in the time that is selected above, its busiest clock hour (UTC) of "
                    "the last 24 settled ones, who used Copilot in 28 days, and what the running month costs so far. "
                    "Click an organization to see more.",
                    {"organization": "Organization"},
                    {
                        "Requests": Column(
                            "sum by (organization) (increase(github_api_insights_requests_total[$__range]))", "locale"
                        ),
                        "Refused": Column(
                            "sum by (organization) "
                            "(increase(github_api_insights_rate_limited_requests_total[$__range]))",
                            "locale",
                            ANY_IS_NOTABLE,
                        ),
                        "Busiest hour": Column(
                            "max by (organization) (github_api_insights_busiest_hour_requests)", "locale"
                        ),
                        "It began": Column(
                            "1000 * max by (organization) (github_api_insights_busiest_hour_start_timestamp_seconds)",
                            "dateTimeAsIso",
                        ),
                        "Refused in it": Column(
                            "max by (organization) (github_api_insights_busiest_hour_rate_limited_requests)",
                            "locale",
                            ANY_IS_NOTABLE,
                        ),
                        "Copilot seats": Column("max by (organization) (github_copilot_seats)", "locale"),
                        "Copilot users": Column(
                            "max by (organization) (github_copilot_organization_monthly_active_users)", "locale"
                        ),
                        "Net spend": Column(f"sum by (organization) ({NET} {OF_RUNNING})", "currencyUSD"),
                    },
                    sort="Requests",
                    height=7,
                    clicks={
                        "organization": (
                            ("Its API use", to("api-insights", organization=cell("organization"))),
                            ("Its Copilot", to("copilot", "enterprise", organization=cell("organization"))),
                            ("Its spend", to("spend", "enterprise", organization=cell("organization"))),
                        )
                    },
                ),
            ),
        ),
        Row(
            "What does it cost, and who uses it?",
            (
                stat(
                    "Net spend this month",
                    "What is charged for the running month so far (USD), after discounts and what the plan "
                    "includes. GitHub "
                    "books a day one or two days late. Without usage reports this is the sum of the billing API.",
                    f"sum({NET} {OF_RUNNING}) or sum(github_billing_usage_enterprise_net_amount_usd)",
                    "currencyUSD",
                    links=MORE_SPEND,
                ),
                stat(
                    "Forecast for the month",
                    "Net spend at the month's end if all of its days cost as much as those booked so far (USD). Too "
                    "high in the first "
                    "days if licences are booked at once.",
                    forecast(f"({NET} {OF_RUNNING})"),
                    "currencyUSD",
                    links=MORE_SPEND,
                ),
                stat(
                    "Copilot seats in use",
                    "Share of the paid Copilot seats whose owner used Copilot in this billing cycle. Below 70 % "
                    "review the seats.",
                    "sum(github_copilot_seats_active_this_cycle) / (sum(github_copilot_seats) > 0)",
                    "percentunit",
                    ((None, "red"), (0.5, "orange"), (0.7, "green")),
                    links=MORE_COPILOT,
                    decimals=0,
                ),
                stat(
                    "Idle Copilot seats, per month",
                    "What seats that nobody used in this billing cycle cost in a month (USD), at the price at the top.",
                    "sum(github_copilot_seats_inactive_this_cycle) * $seat_price",
                    "currencyUSD",
                    ((None, "green"), (1000, "orange"), (10_000, "red")),
                    links=MORE_COPILOT,
                ),
                idle_for_a_month(links=MORE_PEOPLE),
                stat(
                    "GHES users who are dormant",
                    "Share of the accounts whose owner has not been active for long (the appliance sets how long). "
                    "They may "
                    "hold licences that somebody else could use.",
                    "sum(github_server_statistics_total_dormant_users) / (sum(github_server_statistics_total_users) "
                    "> 0)",
                    "percentunit",
                    ((None, "green"), (0.2, "orange"), (0.4, "red")),
                    links=MORE_GHES,
                    decimals=0,
                ),
                timeseries(
                    "Net spend of the month so far",
                    "It begins at 0 when a month begins (UTC) and rises as GitHub books days; a fall within a month "
                    "is a correction "
                    "by GitHub.",
                    {"{{enterprise}}": f"sum by (enterprise) ({NET} {OF_RUNNING})"},
                    "currencyUSD",
                    links=MORE_SPEND,
                    since="30d",
                ),
                timeseries(
                    "Who uses Copilot",
                    "People of the enterprise who used Copilot on the newest complete day, in the week and in the "
                    "28 days "
                    "before it. GitHub's days are two to four days old.",
                    {
                        "{{enterprise}}, 28 days": "max by (enterprise) "
                        "(github_copilot_enterprise_monthly_active_users)",
                        "{{enterprise}}, week": "max by (enterprise) (github_copilot_enterprise_weekly_active_users)",
                        "{{enterprise}}, day": "max by (enterprise) (github_copilot_enterprise_daily_active_users)",
                    },
                    "short",
                    links=MORE_COPILOT,
                    since="30d",
                ),
            ),
        ),
    ),
)
