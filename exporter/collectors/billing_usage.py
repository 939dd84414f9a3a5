"""What an enterprise or an organization has used and has to pay this month, by product and SKU; AI credits by model.

    github_billing_usage_enterprise_net_amount_usd{enterprise="acme-corp",product="Actions",sku="actions_linux",unit_type="minutes"} 8
    github_billing_ai_credit_enterprise_gross_quantity{…,sku="Copilot AI Credits",unit_type="credits",model="GPT-5"} 100

All are month to date, by months of UTC: gauges that fall when a month begins. A correction by GitHub can make them fall
within the month, or negative. Items that differ only in their price are added up; if one of them lacks a number, the
sum would be wrong, so it is absent. Names are as GitHub writes them.

https://docs.github.com/enterprise-cloud@latest/rest/billing/usage#get-billing-usage-summary-for-an-enterprise
"""  # noqa: E501 - a series is one line

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any, TypeGuard

from pydantic import Field

from exporter.catalogue import Calls, Collector, Permission
from exporter.collectors.reading.days import BOOKED_AFTER
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.reading.values import label_text
from exporter.errors import Invalid, NotFound
from exporter.fetching import Api, Ask, Doubt, Fetched
from exporter.github.apps import NotInstalled
from exporter.github.decoding import decode_json
from exporter.instants import DAY, HOUR
from exporter.options import BoundedOptions
from exporter.tables import Family, Figures, Labels, Row, Table, gauge

ENTERPRISE = "/enterprises/{enterprise}/settings/billing"
ORGANIZATION = "/organizations/{org}/settings/billing"
SUMMARY, AI_CREDIT = "/usage/summary", "/ai_credit/usage"

MOST_ITEMS = 5_000
"""Of one answer, an item for each product, SKU, unit and price."""

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
# The price has no series: rows of several prices are one sum, and gross amount / gross quantity is the price.
_NO_FIGURES = {*_TEXTS.values(), "pricePerUnit"}
# The fields of an answer besides its items: the filters of the request.
_ECHOES = {
    "timePeriod",
    "usageItems",
    "enterprise",
    "organization",
    "repository",
    "user",
    "product",
    "sku",
    "model",
    "costCenter",
}
_ALL_DIGITS = Context(prec=400)  # for exact sums: amounts are below 2**63, and a float has no digit below 1e-324


class Options(BoundedOptions):
    """The collector's own settings."""

    organizations: bool = Field(
        default=False, description="Whether to read organizations, too: for those that no enterprise pays for."
    )


class Usage(Figures):
    """The usage of a SKU."""

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


@dataclass(slots=True)
class _Sums:
    """Exact sums by row and field; `incomplete` ones miss an item's number."""

    table: Table
    unknown: UnknownFields
    sums: dict[Labels, dict[str, Decimal]] = field(default_factory=dict)
    incomplete: set[tuple[Labels, str]] = field(default_factory=set)
    rejected: int = 0

    def add(self, item: object) -> None:
        """Add an item; one without product or SKU is rejected."""
        texts = {label: item.get(_TEXTS[label]) for label in self.table.labels} if isinstance(item, dict) else {}
        if not isinstance(item, dict) or not all(_is_name(texts[label]) for label in ("product", "sku")):
            self.rejected += 1
            return
        self.rejected += sum(not isinstance(text, str) for text in texts.values())
        labels = tuple(label_text(text) if isinstance(text, str) else "" for text in texts.values())
        row = self.sums.setdefault(labels, {})
        for name in MEANINGS:
            if is_amount(value := item.get(name)):
                row[name] = _ALL_DIGITS.add(row.get(name, Decimal()), Decimal(str(value)))
            else:
                self.incomplete.add((labels, name))
                self.rejected += 1
        self.unknown.take(item, MEANINGS.keys() | _NO_FIGURES, "usageItems")

    def rows(self) -> Iterator[Row]:
        """Every row, with its complete sums."""
        for labels, sums in self.sums.items():
            figures = {name: float(total) for name, total in sums.items() if (labels, name) not in self.incomplete}
            yield self.table.row.model_validate(dict(zip(self.table.labels, labels, strict=True), figures=figures))


def is_amount(value: object) -> TypeGuard[int | float]:
    """Whether it is a number that GitHub may bill: fractions are, and negative ones, which are corrections."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -(2**63) < value < 2**63


def read(
    answer: object, table: Table, when: datetime, unknown: UnknownFields | None = None
) -> tuple[tuple[Row, ...], int]:
    """The rows of an answer for the month of `when`, and how many of its values and items cannot be used.

    `unknown` counts the fields that this version does not know. Without `usageItems` there is no usage. Raises
    `Invalid` if the answer is of another month, or none of its items can be used.
    """
    if not isinstance(answer, dict):
        raise Invalid("the answer is no object")
    _check(answer.get("timePeriod"), when)
    items = answer.get("usageItems")
    if items is not None and not isinstance(items, list):
        raise Invalid("usageItems is no list")
    if items and len(items) > MOST_ITEMS:
        raise Invalid(f"{len(items)} usageItems; at most {MOST_ITEMS} are read")
    sums = _Sums(table, UnknownFields() if unknown is None else unknown)
    for item in items or ():
        sums.add(item)
    if items and not sums.sums:
        raise Invalid(f"none of {len(items)} usageItems names its product and SKU")
    sums.unknown.take(answer, _ECHOES)
    return tuple(sums.rows()), sums.rejected


def _check(period: Any, when: datetime) -> None:
    """Raises `Invalid` for another month. GitHub may give the year alone, as its example does."""
    named = period if isinstance(period, dict) else {}
    year, month = named.get("year"), named.get("month")
    if month is not None and (month != when.month or year not in (None, when.year)):
        raise Invalid(f"the answer is not of {when:%Y-%m}, which was asked for")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value != ""


async def _fetch(api: Api, ask: Ask, root: str, usage: Table, credits_: Table) -> Fetched:
    """Two calls. The month is always sent: without it GitHub's answer was not always the month to date."""
    when = datetime.fromtimestamp(ask.end, UTC)
    month: dict[str, str | int] = {"year": when.year, "month": when.month}
    unknown = UnknownFields()
    reply = await api.get(root + SUMMARY, month)
    rows, rejected = await asyncio.to_thread(lambda: read(decode_json(reply.body), usage, when, unknown))
    credit_rows: tuple[Row, ...] = ()
    try:
        credit_reply = await api.get(root + AI_CREDIT, month)
    except NotInstalled:
        raise
    except NotFound:
        pass  # there are no AI credits here
    else:
        credit_rows, unusable = await asyncio.to_thread(
            lambda: read(decode_json(credit_reply.body), credits_, when, unknown)
        )
        rejected += unusable
    return Fetched(
        (*rows, *credit_rows),
        rejected,
        data_time=float(ask.end),
        unknown=unknown,
        note="" if when.day <= BOOKED_AFTER // DAY else None,
        doubts=tuple(_doubts(ask, when, {usage: rows, credits_: credit_rows})),
    )


def _doubts(ask: Ask, when: datetime, rows_of: Mapping[Table, tuple[Row, ...]]) -> Iterator[Doubt]:
    """Usage of a month does not go away: doubt an answer without usage if one of the same month had some."""
    shown = datetime.fromtimestamp(ask.data_time or 0.0, UTC)
    for table, rows in rows_of.items():
        if not rows and (shown.year, shown.month) == (when.year, when.month):
            what = "AI credits" if issubclass(table.row, Credits) else "usage"
            yield Doubt(table, f"GitHub's answer has no {what} of {when:%Y-%m}, though an earlier one had")


async def fetch_enterprise(api: Api, ask: Ask) -> Fetched:
    """The bill of the enterprise account, with all its organizations and cost centers."""
    root = ENTERPRISE.format(enterprise=ask.target)
    return await _fetch(api, ask, root, USAGE_OF_ENTERPRISE, CREDITS_OF_ENTERPRISE)


async def fetch_organization(api: Api, ask: Ask) -> Fetched:
    """The bill of the organization itself; GitHub answers 404 if an enterprise pays."""
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
    permission=Permission(
        app="enterprise permission “Enterprise billing” (read)",
        classic="scope `manage_billing:enterprise`, of an administrator or billing manager of the enterprise, or of a "
        "user with a custom role that reads billing",
        besides="an App must be installed on the enterprise",
        fine_grained=False,
    ),
    fetch=fetch_enterprise,
    tables=(USAGE_OF_ENTERPRISE, CREDITS_OF_ENTERPRISE),
    calls=Calls(single=2),
    nothing=(
        "GitHub shows no usage of this month. Compare it with GitHub's billing pages; where nothing is billed, switch "
        "it off: collectors.billing_usage.enabled: false"
    ),
)

OF_ORGANIZATION = replace(
    COLLECTOR,
    scope="organization",
    endpoint=ORGANIZATION + SUMMARY,
    page="https://docs.github.com/rest/billing/usage#get-billing-usage-summary-for-an-organization",
    switch="organizations",
    permission=Permission(
        app="organization permission “Administration” (read)",
        classic="one of an administrator of the organization",
    ),
    fetch=fetch_organization,
    tables=(USAGE_OF_ORGANIZATION, CREDITS_OF_ORGANIZATION),
    nothing=(
        "GitHub shows no usage of this month. Compare it with GitHub's billing pages; where an enterprise pays, switch "
        "it off: collectors.billing_usage.organizations: false"
    ),
)
