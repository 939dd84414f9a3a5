"""What an enterprise or an organization has used and must pay this month, by product and SKU; AI credits by model, too.

    github_billing_usage_enterprise_net_amount_usd{enterprise="acme-corp",product="Actions",sku="actions_linux",unit_type="minutes"} 8
    github_billing_ai_credit_enterprise_gross_quantity{…,sku="Copilot AI Credits",unit_type="credits",model="GPT-5"} 100

All are month to date, by months of UTC: gauges that fall when a month begins. A correction by GitHub can make them fall
within the month, or negative. Items that differ in nothing but their price are added up; where one of them lacks a
number the sum would be wrong, so it is absent. Names are as GitHub prints them.

https://docs.github.com/enterprise-cloud@latest/rest/billing/usage#get-billing-usage-summary-for-an-enterprise
"""  # noqa: E501 - a series is one line

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any, TypeGuard

from pydantic import BaseModel, ConfigDict, Field

from exporter.catalogue import HOUR, Api, Ask, Calls, Collector, Family, Fetched, Figures, Labels, Row, Table, gauge
from exporter.collecting.reading import decode_json, label_text
from exporter.github.apps import NotInstalled
from exporter.github.errors import Invalid, NotFound

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

_TEXTS = {"product": "product", "sku": "sku", "unit_type": "unitType", "model": "model"}
# The price has no series: rows of several prices are one sum, and a price is the gross amount by its quantity.
_NO_FIGURES = {*_TEXTS.values(), "pricePerUnit"}
_ALL_DIGITS = Context(prec=400)  # of a sum: a float has none below 1e-324, and is taken below 2**63


class Options(BaseModel):
    """Settings of this collector alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    organizations: bool = Field(
        default=False, description="Whether organizations are asked, too: for those that no enterprise pays for."
    )
    max_series: int = Field(
        default=500,
        ge=1,
        description="How many rows of a table have series of their own; the rest is summed as `other`.",
    )


class Usage(Figures):
    """What was used of a SKU."""

    product: str
    sku: str
    unit_type: str


class Credits(Figures):
    """The AI credits that a model used."""

    product: str
    sku: str
    unit_type: str
    model: str


def families(what: str, fields: Mapping[str, str]) -> tuple[Family, ...]:
    """Gauges by name, each with GitHub's field; the first one ranks the rows, so it must be of one unit: dollars."""
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


@dataclass(slots=True)
class _Sums:
    """Exact sums by row and field; `lost` are those that miss a part."""

    table: Table
    sums: dict[Labels, dict[str, Decimal]] = field(default_factory=dict)
    lost: set[tuple[Labels, str]] = field(default_factory=set)
    rejected: int = 0

    def add(self, item: object) -> None:
        """Add an item up; one that names no product or SKU has no row."""
        texts = {label: item.get(_TEXTS[label]) for label in self.table.labels} if isinstance(item, dict) else {}
        if not isinstance(item, dict) or not all(_is_name(texts[label]) for label in ("product", "sku")):
            self.rejected += 1
            return
        self.rejected += sum(not isinstance(text, str) for text in texts.values())
        labels = tuple(label_text(text) if isinstance(text, str) else "" for text in texts.values())
        row = self.sums.setdefault(labels, {})
        for known in MEANINGS:
            if is_amount(value := item.get(known)):
                row[known] = _ALL_DIGITS.add(row.get(known, Decimal()), Decimal(str(value)))
            else:
                self.lost.add((labels, known))
                self.rejected += 1
        self.rejected += sum(is_amount(item[name]) for name in item.keys() - MEANINGS.keys() - _NO_FIGURES)

    def rows(self) -> Iterator[Row]:
        """Every row, with the sums that miss nothing."""
        for labels, sums in self.sums.items():
            figures = {name: float(total) for name, total in sums.items() if (labels, name) not in self.lost}
            yield self.table.row.model_validate(dict(zip(self.table.labels, labels, strict=True), figures=figures))


def is_amount(value: object) -> TypeGuard[int | float]:
    """Whether it is a number as GitHub bills: fractions and, as corrections, negative ones."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -(2**63) < value < 2**63


def read(answer: object, table: Table, when: datetime) -> tuple[tuple[Row, ...], int]:
    """The rows of an answer about a month, and how many of its values and items cannot be used or are unknown.

    No `usageItems` is no usage. Raises `Invalid` if the answer is of another month, or none of its items can be used.
    """
    if not isinstance(answer, dict):
        raise Invalid("the answer is no object")
    _check(answer.get("timePeriod"), when)
    items = answer.get("usageItems")
    if items is not None and not isinstance(items, list):
        raise Invalid("usageItems is no list")
    sums = _Sums(table)
    for item in items or ():
        sums.add(item)
    if items and not sums.sums:
        raise Invalid(f"none of {len(items)} usageItems names its product and SKU")
    return tuple(sums.rows()), sums.rejected + sum(map(is_amount, answer.values()))


def _check(period: Any, when: datetime) -> None:
    """GitHub may name the year alone, as its example does; a month that it names must be the one asked for."""
    named = period if isinstance(period, dict) else {}
    year, month = named.get("year"), named.get("month")
    if month is not None and (month != when.month or year not in (None, when.year)):
        raise Invalid(f"the answer is not of {when:%Y-%m}, which was asked for")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value != ""


async def _fetch(api: Api, ask: Ask, root: str, usage: Table, credits_: Table) -> Fetched:
    """Two calls. The month is always sent: what GitHub answers without it was not always the month to date."""
    when = datetime.fromtimestamp(ask.end, UTC)
    month: dict[str, str | int] = {"year": when.year, "month": when.month}
    rows, rejected = read(decode_json((await api.get(root + SUMMARY, month)).body), usage, when)
    try:
        reply = await api.get(root + AI_CREDIT, month)
    except NotInstalled:
        raise
    except NotFound:
        return Fetched(rows, rejected, data_time=float(ask.end))  # there are no AI credits here
    credit_rows, unusable = read(decode_json(reply.body), credits_, when)
    return Fetched((*rows, *credit_rows), rejected + unusable, data_time=float(ask.end))


async def fetch_enterprise(api: Api, ask: Ask) -> Fetched:
    """What the enterprise account is billed for: all its organizations and cost centers."""
    root = ENTERPRISE.format(enterprise=ask.target)
    return await _fetch(api, ask, root, USAGE_OF_ENTERPRISE, CREDITS_OF_ENTERPRISE)


async def fetch_organization(api: Api, ask: Ask) -> Fetched:
    """What the organization itself is billed for; GitHub answers 404 where an enterprise pays."""
    root = ORGANIZATION.format(org=ask.target)
    return await _fetch(api, ask, root, USAGE_OF_ORGANIZATION, CREDITS_OF_ORGANIZATION)


COLLECTOR = Collector(
    name="billing_usage",
    scope="enterprise",
    endpoint=ENTERPRISE + SUMMARY,
    page="https://docs.github.com/enterprise-cloud@latest/rest/billing/usage#get-billing-usage-summary-for-an-enterprise",
    lateness="GitHub does not say how late it books usage.",
    interval=2 * HOUR,
    max_age=24 * HOUR,
    options=Options,
    needs=(
        "enterprise permission to read billing for a GitHub App that is installed on the enterprise; scope "
        "manage_billing:enterprise for a classic token, whose user must be an administrator or billing manager of the "
        "enterprise or have a custom role that reads billing; fine-grained tokens are not supported"
    ),
    accepts=("classic", "app"),
    fetch=fetch_enterprise,
    tables=(USAGE_OF_ENTERPRISE, CREDITS_OF_ENTERPRISE),
    calls=Calls(single=2),
)

OF_ORGANIZATION = replace(
    COLLECTOR,
    scope="organization",
    endpoint=ORGANIZATION + SUMMARY,
    page="https://docs.github.com/rest/billing/usage#get-billing-usage-summary-for-an-organization",
    switch="organizations",
    needs=(
        "organization permission “Administration” (read) for a GitHub App or fine-grained token; the user of a token "
        "must be an administrator of the organization"
    ),
    accepts=("classic", "fine_grained", "app"),
    fetch=fetch_organization,
    tables=(USAGE_OF_ORGANIZATION, CREDITS_OF_ORGANIZATION),
)
