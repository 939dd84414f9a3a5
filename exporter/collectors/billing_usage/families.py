"""The metrics of a month's usage and bill, by account and response. Pure data."""

from collections.abc import Mapping

from exporter.tables import Family, Figures, Table, gauge

ENTERPRISE = "/enterprises/{enterprise}/settings/billing"
ORGANIZATION = "/organizations/{org}/settings/billing"
SUMMARY, AI_CREDIT = "/usage/summary", "/ai_credit/usage"

MEANINGS = {
    "grossAmount": "US dollars for the {} at GitHub's price, before discounts.",
    "discountAmount": "US dollars that discounts, plan allowances and free use take off the gross amount of the {}.",
    "netAmount": "US dollars to pay for the {}: the gross amount less the discounts.",
    "grossQuantity": "The {} before discounts, counted in unit_type; in the row `other` units are mixed.",
    "discountQuantity": (
        "The {} that discounts, plan allowances and free use cover, counted in unit_type; in the row `other` units are "
        "mixed."
    ),
    "netQuantity": (
        "The {} to pay for, counted in unit_type: gross less discounted; in the row `other` units are mixed."
    ),
}
MONTH = "Month to date (UTC): it falls when a month begins, and with GitHub's corrections."


class Usage(Figures):
    """A row: the usage of one SKU."""

    product: str
    sku: str
    unit_type: str


class Credits(Figures):
    """A row: the AI credits that one model used."""

    product: str
    sku: str
    unit_type: str
    model: str


def families(what: str, fields: Mapping[str, str]) -> tuple[Family, ...]:
    """Gauges by name, each with GitHub's field; the first one ranks the rows, so it must have one unit: dollars."""
    return tuple(gauge(name, field, f"{MEANINGS[field].format(what)} {MONTH}") for name, field in fields.items())


USAGE_OF_ENTERPRISE = Table(
    row=Usage,
    labels=("product", "sku", "unit_type"),
    other=("other",) * 3,
    families=families(
        "usage",
        {
            "github_billing_usage_enterprise_gross_amount_usd": "grossAmount",
            "github_billing_usage_enterprise_discount_amount_usd": "discountAmount",
            "github_billing_usage_enterprise_net_amount_usd": "netAmount",
            "github_billing_usage_enterprise_gross_quantity": "grossQuantity",
            "github_billing_usage_enterprise_discount_quantity": "discountQuantity",
            "github_billing_usage_enterprise_net_quantity": "netQuantity",
        },
    ),
)

CREDITS_OF_ENTERPRISE = Table(
    row=Credits,
    labels=("product", "sku", "unit_type", "model"),
    other=("other",) * 4,
    endpoints=ENTERPRISE + AI_CREDIT,
    families=families(
        "AI credits",
        {
            "github_billing_ai_credit_enterprise_gross_amount_usd": "grossAmount",
            "github_billing_ai_credit_enterprise_discount_amount_usd": "discountAmount",
            "github_billing_ai_credit_enterprise_net_amount_usd": "netAmount",
            "github_billing_ai_credit_enterprise_gross_quantity": "grossQuantity",
            "github_billing_ai_credit_enterprise_discount_quantity": "discountQuantity",
            "github_billing_ai_credit_enterprise_net_quantity": "netQuantity",
        },
    ),
)

USAGE_OF_ORGANIZATION = Table(
    row=Usage,
    labels=("product", "sku", "unit_type"),
    other=("other",) * 3,
    families=families(
        "usage",
        {
            "github_billing_usage_organization_gross_amount_usd": "grossAmount",
            "github_billing_usage_organization_discount_amount_usd": "discountAmount",
            "github_billing_usage_organization_net_amount_usd": "netAmount",
            "github_billing_usage_organization_gross_quantity": "grossQuantity",
            "github_billing_usage_organization_discount_quantity": "discountQuantity",
            "github_billing_usage_organization_net_quantity": "netQuantity",
        },
    ),
)

CREDITS_OF_ORGANIZATION = Table(
    row=Credits,
    labels=("product", "sku", "unit_type", "model"),
    other=("other",) * 4,
    endpoints=ORGANIZATION + AI_CREDIT,
    families=families(
        "AI credits",
        {
            "github_billing_ai_credit_organization_gross_amount_usd": "grossAmount",
            "github_billing_ai_credit_organization_discount_amount_usd": "discountAmount",
            "github_billing_ai_credit_organization_net_amount_usd": "netAmount",
            "github_billing_ai_credit_organization_gross_quantity": "grossQuantity",
            "github_billing_ai_credit_organization_discount_quantity": "discountQuantity",
            "github_billing_ai_credit_organization_net_quantity": "netQuantity",
        },
    ),
)
