"""Spend: to date, run rate, forecast, by product, organization, cost center."""

from grafana.board import Board, Row, Variable, choices
from grafana.common import BOOKED, ENTERPRISE, GROSS, NET, OF_RUNNING, SEAT_PRICE, forecast, run_rate
from grafana.fields import ANY_IS_NOTABLE, DAY, Steps
from grafana.links import cell, to
from grafana.panels import bars, stat, timeseries
from grafana.tables import Column, table

DISCOUNT = "github_usage_report_discount_amount_usd"
QUANTITY = "github_usage_report_quantity"
REPOSITORY = "github_usage_report_repository_gross_amount_usd"
ALL = "enterprise_month:github_usage_report_net_amount_usd:sum"
IN_A_REPOSITORY = ', repository!=""'
OF_COPILOT = ', product="copilot"'
OF_BUDGET: Steps = ((None, "green"), (0.9, "orange"), (1, "red"))
MONTH = 'month="$month"'
MONTHS = "enterprise, month"
CHARGED = (
    "Net is what is charged; gross is use at list price; discount is what the plan includes or was agreed. A month "
    "begins "
    "at 0 (UTC), and GitHub books a day one or two days after its end."
)


def chosen(metric: str, more: str = "") -> str:
    """An amount of the month that is selected."""
    return f"{metric}{{{MONTH}{more}}}"


def by(label: str) -> dict[str, Column]:
    """Columns: how much a product, an organization or a cost center spends in the month selected."""
    return {
        "Net": Column(f"sum by ({label}) ({chosen(NET)})", "currencyUSD"),
        "Share": Column(
            f'sum by ({label}) ({chosen(NET)}) / on () group_left () sum({ALL}{{{MONTH}, enterprise=~"$enterprise"}})',
            "percentunit",
            decimals=1,
            bar=True,
        ),
        "Forecast": Column(forecast(chosen(NET), label), "currencyUSD"),
        "Gross": Column(f"sum by ({label}) ({chosen(GROSS)})", "currencyUSD"),
        "Discount": Column(f"sum by ({label}) ({chosen(DISCOUNT)})", "currencyUSD"),
    }


SPEND = Board(
    name="spend",
    title="GitHub Enterprise / Spend",
    description="What the enterprise uses and pays: to date, per day, and forecast to the month's end, by product, "
    "organization and cost "
    f"center. {CHARGED}",
    since="now-30d",
    variables=(
        ENTERPRISE,
        Variable("month", "Month", f"label_values({BOOKED}, month)", every="", newest_first=True),
        choices("organization", "Organization", NET),
        choices("product", "Product", NET),
        choices("cost_center", "Cost center", NET),
        Variable(
            "budget",
            "Budget (USD)",
            typed="50000",
            description="What may be spent in a month (net), for what is selected.",
        ),
        SEAT_PRICE,
    ),
    rows=(
        Row(
            "How much so far?",
            (
                stat(
                    "Net to date",
                    f"Charged in the month selected so far (USD). {CHARGED}",
                    f"sum({chosen(NET)})",
                    "currencyUSD",
                ),
                stat(
                    "Per day",
                    "Net spend per day of the month, over the days that are booked (USD): the run rate.",
                    run_rate(chosen(NET)),
                    "currencyUSD",
                ),
                stat(
                    "Forecast to month end",
                    "Net spend at the month's end if all of its days cost as much as those booked so far (USD). "
                    "Too high in the first days if licences are booked at once. For a past month it is its spend.",
                    forecast(chosen(NET)),
                    "currencyUSD",
                ),
                stat(
                    "Of the budget",
                    "The forecast divided by the budget typed at the top. Above 100 % the month will cost more "
                    "than planned, unless something changes.",
                    f"{forecast(chosen(NET))} / $budget",
                    "percentunit",
                    OF_BUDGET,
                    decimals=0,
                ),
                stat(
                    "Not charged",
                    "Use in the month selected that is not charged (USD, at list price): what the plan includes, free "
                    "runners, agreed discounts. When it stops to rise, an allowance is used up.",
                    f"sum({chosen(DISCOUNT)})",
                    "currencyUSD",
                ),
                stat(
                    "Booked until",
                    "The newest day that has any usage. Two days ago is normal; more than three: the export is old, or "
                    "GitHub books late.",
                    f"1000 * max({BOOKED})",
                    DAY,
                ),
                timeseries(
                    "Net spend of the month so far, by product",
                    f"Of the month that was running then: each rises from 0, whatever month is selected. {CHARGED}",
                    {"{{product}}": f"sum by (product) ({NET} {OF_RUNNING})"},
                    "currencyUSD",
                    stacked=True,
                ),
                timeseries(
                    "Forecast over time",
                    "How the forecast to the end of the month that was running moved, and the budget typed at the top. "
                    "A jump is a new cost driver: look at the tables below.",
                    {
                        "forecast": forecast(f"({NET} {OF_RUNNING})"),
                        "to date": f"sum({NET} {OF_RUNNING})",
                        "budget": "vector($budget)",
                    },
                    "currencyUSD",
                    dashed=("budget",),
                ),
                table(
                    "Months",
                    "The running month and the one before, from the usage reports.",
                    {"enterprise": "Enterprise", "month": "Month"},
                    {
                        "Net": Column(f"sum by ({MONTHS}) ({NET})", "currencyUSD"),
                        "Forecast": Column(forecast(NET, MONTHS), "currencyUSD"),
                        "Per day": Column(run_rate(NET, MONTHS), "currencyUSD"),
                        "Gross": Column(f"sum by ({MONTHS}) ({GROSS})", "currencyUSD"),
                        "Discount": Column(f"sum by ({MONTHS}) ({DISCOUNT})", "currencyUSD"),
                        "Newest day": Column(f"1000 * max by ({MONTHS}) ({BOOKED})", DAY),
                    },
                    sort="Month",
                    height=6,
                ),
            ),
        ),
        Row(
            "Who spends it, and on what?",
            (
                table(
                    "Products",
                    f"The month selected, by product. {CHARGED}",
                    {"product": "Product"},
                    by("product"),
                    sort="Net",
                    width=12,
                    height=8,
                    clicks={"product": (("Only this one", to("spend", "enterprise", product=cell("product"))),)},
                ),
                table(
                    "Organizations",
                    "The month selected, by organization; empty is spend of the enterprise itself.",
                    {"organization": "Organization"},
                    by("organization"),
                    sort="Net",
                    width=12,
                    height=8,
                    clicks={
                        "organization": (
                            ("Only this one", to("spend", "enterprise", organization=cell("organization"))),
                            ("Its Copilot", to("copilot", "enterprise", organization=cell("organization"))),
                        )
                    },
                ),
                table(
                    "Cost centers",
                    "The month selected, by cost center; empty is spend without a cost center.",
                    {"cost_center": "Cost center"},
                    by("cost_center"),
                    sort="Net",
                    width=12,
                    height=8,
                    clicks={
                        "cost_center": (("Only this one", to("spend", "enterprise", cost_center=cell("cost_center"))),)
                    },
                ),
                table(
                    "Repositories",
                    "The thirty repositories with the highest usage in the month selected, at list price. Needs "
                    "the breakdown repository in the exporter's configuration.",
                    {"organization": "Organization", "repository": "Repository"},
                    {
                        "Gross": Column(
                            f"topk(30, sum by (organization, repository) ({chosen(REPOSITORY, IN_A_REPOSITORY)}))",
                            "currencyUSD",
                            decimals=2,
                        )
                    },
                    sort="Gross",
                    width=12,
                    height=8,
                ),
                table(
                    "Everything, by SKU",
                    "What was used in the month selected, in GitHub's units, and what it costs.",
                    {"product": "Product", "sku": "SKU", "unit_type": "Unit"},
                    {
                        "Quantity": Column(f"sum by (product, sku, unit_type) ({chosen(QUANTITY)})", "short"),
                        "Gross": Column(
                            f"sum by (product, sku, unit_type) ({chosen(GROSS)})", "currencyUSD", decimals=2
                        ),
                        "Discount": Column(
                            f"sum by (product, sku, unit_type) ({chosen(DISCOUNT)})", "currencyUSD", decimals=2
                        ),
                        "Net": Column(f"sum by (product, sku, unit_type) ({chosen(NET)})", "currencyUSD", decimals=2),
                    },
                    sort="Net",
                ),
            ),
        ),
        Row(
            "Copilot and AI",
            (
                stat(
                    "Copilot, per user of the month",
                    "Copilot usage in the month selected at list price (USD), per person who used it in the last "
                    "28 days.",
                    f"sum({chosen(GROSS, OF_COPILOT)}) / (sum(github_copilot_enterprise_monthly_active_users) > 0)",
                    "currencyUSD",
                    ((None, "green"), (60, "orange"), (100, "red")),
                    width=6,
                    decimals=2,
                    links=(("More: Copilot", to("copilot", "enterprise")),),
                ),
                stat(
                    "Idle seats, per month",
                    "What seats that nobody used in this billing cycle cost in a month (USD), at the price at the top.",
                    "sum(github_copilot_seats_inactive_this_cycle) * $seat_price",
                    "currencyUSD",
                    ((None, "green"), (1000, "orange"), (10_000, "red")),
                    width=6,
                    links=(("More: Copilot", to("copilot", "enterprise")),),
                ),
                stat(
                    "AI credits",
                    "AI credits used in the month selected at list price (USD). Needs exports of the type ai_credit.",
                    f"sum({chosen('github_usage_report_ai_credit_gross_amount_usd')})",
                    "currencyUSD",
                    width=6,
                ),
                stat(
                    "Premium requests",
                    "Premium requests used in the month selected at list price (USD). Needs exports of the type "
                    "premium_request.",
                    f"sum({chosen('github_usage_report_premium_request_gross_amount_usd')})",
                    "currencyUSD",
                    width=6,
                ),
                bars(
                    "AI credits by model",
                    "Which models use the AI credits of the month selected, at list price. Needs the breakdown model.",
                    {
                        "{{model}}": "topk(10, sum by (model) "
                        f"({chosen('github_usage_report_ai_credit_model_gross_amount_usd')}))"
                    },
                    "currencyUSD",
                ),
                bars(
                    "AI credits by organization",
                    "Which organizations use the AI credits of the month selected, at list price.",
                    {
                        "{{organization}}": "topk(10, sum by (organization) "
                        f"({chosen('github_usage_report_ai_credit_gross_amount_usd')}))"
                    },
                    "currencyUSD",
                ),
            ),
        ),
        Row(
            "The running month without exports (the billing API)",
            (
                table(
                    "Enterprise, by product",
                    "The running month from the billing API, for use without usage reports: product and SKU only.",
                    {"enterprise": "Enterprise", "product": "Product", "sku": "SKU"},
                    {
                        "Net": Column(
                            "sum by (enterprise, product, sku) (github_billing_usage_enterprise_net_amount_usd)",
                            "currencyUSD",
                            decimals=2,
                        ),
                        "Gross": Column(
                            "sum by (enterprise, product, sku) (github_billing_usage_enterprise_gross_amount_usd)",
                            "currencyUSD",
                            decimals=2,
                        ),
                    },
                    sort="Net",
                    width=12,
                ),
                table(
                    "Organizations, by product",
                    "The running month as each organization's own billing pages show it; the enterprise may pay it. "
                    "Needs organizations: true.",
                    {"organization": "Organization", "product": "Product"},
                    {
                        "Net": Column(
                            "sum by (organization, product) (github_billing_usage_organization_net_amount_usd)",
                            "currencyUSD",
                            decimals=2,
                        ),
                        "Gross": Column(
                            "sum by (organization, product) (github_billing_usage_organization_gross_amount_usd)",
                            "currencyUSD",
                            decimals=2,
                        ),
                    },
                    sort="Net",
                    width=12,
                ),
            ),
            collapsed=True,
        ),
        Row(
            "Can the numbers be trusted?",
            (
                stat(
                    "Age of the export",
                    "Time since the usage report of the month selected was made. More than two days: nobody "
                    "requests new exports, or create is off.",
                    f"time() - max({chosen('github_usage_report_created_timestamp_seconds')})",
                    "s",
                    ((None, "green"), (172_800, "orange"), (432_000, "red")),
                    width=6,
                    decimals=0,
                ),
                stat(
                    "Rows that could not be read",
                    "Unreadable rows of the usage report, whose amounts are missing from the sums. 0 is good.",
                    f"sum({chosen('github_usage_report_rejected_rows')})",
                    "short",
                    ANY_IS_NOTABLE,
                    width=6,
                ),
                stat(
                    "Rows read",
                    "Rows of the usage report of the month selected: the detail behind the sums.",
                    f"sum({chosen('github_usage_report_rows')})",
                    "short",
                    width=6,
                ),
                stat(
                    "Exports that failed",
                    "Exports that GitHub could not make. Request them again in GitHub's billing pages.",
                    'sum(github_usage_report_exports{status="failed"}) or vector(0)',
                    "none",
                    ANY_IS_NOTABLE,
                    width=6,
                ),
                table(
                    "Exports",
                    "Usage reports that exist or are being made at GitHub, by type and state.",
                    {"enterprise": "Enterprise", "report_type": "Type", "status": "State"},
                    {
                        "Exports": Column(
                            "sum by (enterprise, report_type, status) (github_usage_report_exports)", "locale"
                        )
                    },
                    sort="Type",
                    ascending=True,
                    height=7,
                ),
            ),
        ),
    ),
)
