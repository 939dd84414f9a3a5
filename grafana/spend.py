"""Spend: to date, run rate, forecast, by product, organization, cost center."""

from grafana.board import Board, Row, Variable, choices
from grafana.common import BOOKED, ENTERPRISE, GROSS, NET, SEAT_PRICE, forecast, run_rate
from grafana.links import cell, to
from grafana.panels import ANY_IS_NOTABLE, Column, Steps, bars, stat, table, timeseries

DISCOUNT = "github_usage_report_discount_amount_usd"
QUANTITY = "github_usage_report_quantity"
REPOSITORY = "github_usage_report_repository_gross_amount_usd"
IN_A_REPOSITORY = ', repository!=""'
OF_COPILOT = ', product="copilot"'
OF_BUDGET: Steps = ((None, "green"), (0.9, "orange"), (1, "red"))
MONTH = 'month="$month"'
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
        "Net (USD)": Column(f"sum by ({label}) ({chosen(NET)})", "currencyUSD", decimals=0),
        "Share": Column(
            f"sum by ({label}) ({chosen(NET)}) / on () group_left () (sum({chosen(NET)}) > 0)",
            "percentunit",
            decimals=1,
            bar=True,
        ),
        "Forecast (USD)": Column(
            f"sum by ({label}) ({forecast(chosen(NET), f'enterprise, month, {label}')})", "currencyUSD", decimals=0
        ),
        "Gross (USD)": Column(f"sum by ({label}) ({chosen(GROSS)})", "currencyUSD", decimals=0),
        "Discount (USD)": Column(f"sum by ({label}) ({chosen(DISCOUNT)})", "currencyUSD", decimals=0),
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
            "Budget of the month (USD)",
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
                    decimals=0,
                ),
                stat(
                    "Per day",
                    "Net spend per day of the month, over the days that are booked (USD): the run rate.",
                    f"sum({run_rate(chosen(NET))})",
                    "currencyUSD",
                    decimals=0,
                ),
                stat(
                    "Forecast to month end",
                    "Net spend at the month's end if all of its days cost as much as those booked so far (USD). "
                    "Too high in the first days if licences are booked at once. For a past month it is its spend.",
                    f"sum({forecast(chosen(NET))})",
                    "currencyUSD",
                    decimals=0,
                ),
                stat(
                    "Forecast, of the budget",
                    "The forecast divided by the budget typed at the top. Above 100 % the month will cost more "
                    "than planned, unless something changes.",
                    f"sum({forecast(chosen(NET))}) / $budget",
                    "percentunit",
                    OF_BUDGET,
                    decimals=0,
                ),
                stat(
                    "Included or discounted",
                    "Share of the use (at list price) that is not charged: what the plan includes, free runners, "
                    "agreed discounts. When "
                    "it falls, an allowance is used up.",
                    f"sum({chosen(DISCOUNT)}) / (sum({chosen(GROSS)}) > 0)",
                    "percentunit",
                    decimals=1,
                ),
                stat(
                    "Booked until",
                    "Time since the newest day that has any usage. Two days are normal; more than three: the export "
                    "is old, or GitHub books late.",
                    f"time() - max({BOOKED})",
                    "s",
                    ((None, "green"), (259_200, "orange"), (432_000, "red")),
                    decimals=0,
                ),
                timeseries(
                    "Net spend of the month so far, by product",
                    f"Each month rises from 0. {CHARGED}",
                    {"{{product}}": f"sum by (product) ({chosen(NET)})"},
                    "currencyUSD",
                    stacked=True,
                    decimals=0,
                ),
                timeseries(
                    "Forecast over time",
                    "How the forecast to the month's end moved. A jump is a new cost driver: look at the tables below.",
                    {
                        "{{enterprise}}, forecast": forecast(chosen(NET)),
                        "{{enterprise}}, to date": f"sum by (enterprise, month) ({chosen(NET)})",
                    },
                    "currencyUSD",
                    decimals=0,
                ),
                table(
                    "Months",
                    "The running month and the one before, from the usage reports.",
                    {"enterprise": "Enterprise", "month": "Month"},
                    {
                        "Net (USD)": Column(f"sum by (enterprise, month) ({NET})", "currencyUSD", decimals=0),
                        "Forecast (USD)": Column(forecast(NET), "currencyUSD", decimals=0),
                        "Per day (USD)": Column(run_rate(NET), "currencyUSD", decimals=0),
                        "Gross (USD)": Column(f"sum by (enterprise, month) ({GROSS})", "currencyUSD", decimals=0),
                        "Discount (USD)": Column(f"sum by (enterprise, month) ({DISCOUNT})", "currencyUSD", decimals=0),
                        "Newest day": Column(f"1000 * max by (enterprise, month) ({BOOKED})", "dateTimeAsIso"),
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
                    sort="Net (USD)",
                    width=12,
                    height=8,
                    clicks={"product": (("Only this one", to("spend", "enterprise", product=cell("product"))),)},
                ),
                table(
                    "Organizations",
                    "The month selected, by organization; empty is spend of the enterprise itself.",
                    {"organization": "Organization"},
                    by("organization"),
                    sort="Net (USD)",
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
                    sort="Net (USD)",
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
                        "Gross (USD)": Column(
                            f"topk(30, sum by (organization, repository) ({chosen(REPOSITORY, IN_A_REPOSITORY)}))",
                            "currencyUSD",
                            decimals=2,
                        )
                    },
                    sort="Gross (USD)",
                    width=12,
                    height=8,
                ),
                table(
                    "Everything, by SKU",
                    "What was used in the month selected, in GitHub's units, and what it costs.",
                    {"product": "Product", "sku": "SKU", "unit_type": "Unit"},
                    {
                        "Quantity": Column(f"sum by (product, sku, unit_type) ({chosen(QUANTITY)})", "short"),
                        "Gross (USD)": Column(
                            f"sum by (product, sku, unit_type) ({chosen(GROSS)})", "currencyUSD", decimals=2
                        ),
                        "Discount (USD)": Column(
                            f"sum by (product, sku, unit_type) ({chosen(DISCOUNT)})", "currencyUSD", decimals=2
                        ),
                        "Net (USD)": Column(
                            f"sum by (product, sku, unit_type) ({chosen(NET)})", "currencyUSD", decimals=2
                        ),
                    },
                    sort="Net (USD)",
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
                    decimals=0,
                    links=(("More: Copilot", to("copilot", "enterprise")),),
                ),
                stat(
                    "AI credits",
                    "AI credits used in the month selected at list price (USD). Needs exports of the type ai_credit.",
                    f"sum({chosen('github_usage_report_ai_credit_gross_amount_usd')})",
                    "currencyUSD",
                    width=6,
                    decimals=0,
                ),
                stat(
                    "Premium requests",
                    "Premium requests used in the month selected at list price (USD). Needs exports of the type "
                    "premium_request.",
                    f"sum({chosen('github_usage_report_premium_request_gross_amount_usd')})",
                    "currencyUSD",
                    width=6,
                    decimals=0,
                ),
                bars(
                    "AI credits by model",
                    "Which models use the AI credits of the month selected, at list price. Needs the breakdown model.",
                    f"topk(10, sum by (model) ({chosen('github_usage_report_ai_credit_model_gross_amount_usd')}))",
                    "{{model}}",
                    "currencyUSD",
                    decimals=0,
                ),
                bars(
                    "AI credits by organization",
                    "Which organizations use the AI credits of the month selected, at list price.",
                    f"topk(10, sum by (organization) ({chosen('github_usage_report_ai_credit_gross_amount_usd')}))",
                    "{{organization}}",
                    "currencyUSD",
                    decimals=0,
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
                        "Net (USD)": Column(
                            "sum by (enterprise, product, sku) (github_billing_usage_enterprise_net_amount_usd)",
                            "currencyUSD",
                            decimals=2,
                        ),
                        "Gross (USD)": Column(
                            "sum by (enterprise, product, sku) (github_billing_usage_enterprise_gross_amount_usd)",
                            "currencyUSD",
                            decimals=2,
                        ),
                    },
                    sort="Net (USD)",
                    width=12,
                ),
                table(
                    "Organizations that pay for themselves",
                    "The running month of organizations that no enterprise pays for; needs organizations: true.",
                    {"organization": "Organization", "product": "Product"},
                    {
                        "Net (USD)": Column(
                            "sum by (organization, product) (github_billing_usage_organization_net_amount_usd)",
                            "currencyUSD",
                            decimals=2,
                        ),
                        "Gross (USD)": Column(
                            "sum by (organization, product) (github_billing_usage_organization_gross_amount_usd)",
                            "currencyUSD",
                            decimals=2,
                        ),
                    },
                    sort="Net (USD)",
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
                            "sum by (enterprise, report_type, status) (github_usage_report_exports)", "short"
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
