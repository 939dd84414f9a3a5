"""Usage and cost of the month, of enterprises and organizations, by product and SKU; AI credits by model.

    github_billing_usage_enterprise_net_amount_usd{enterprise="acme-corp",product="Actions",sku="actions_linux",unit_type="minutes"} 8
    github_billing_ai_credit_enterprise_gross_quantity{…,sku="Copilot AI Credits",unit_type="credits",model="GPT-5"} 100

All are month to date, by months of UTC: gauges that fall when a month begins. A correction by GitHub can make them fall
within the month, or negative. Items that differ only in their price are added up; if one of them lacks a number, the
sum would be wrong, so it is absent. Names are as GitHub writes them. `families.py` has the metrics, `items.py` reads
GitHub's answers. Its past is GitHub's usage of each day, as it is booked by now, added up from the first of each month.

https://docs.github.com/enterprise-cloud@latest/rest/billing/usage#get-billing-usage-summary-for-an-enterprise
"""  # noqa: E501 - a series is one line

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import Field

from exporter import worker
from exporter.catalogue import Calls, Collector
from exporter.collectors.billing_usage.bill import Bill
from exporter.collectors.billing_usage.families import (
    CREDITS_OF_ENTERPRISE,
    CREDITS_OF_ORGANIZATION,
    ENTERPRISE,
    ORGANIZATION,
    SUMMARY,
    USAGE_OF_ENTERPRISE,
    USAGE_OF_ORGANIZATION,
    Credits,
)
from exporter.collectors.billing_usage.items import Period, Sums
from exporter.collectors.billing_usage.past import fetch_month, past
from exporter.collectors.reading.days import BOOKED_AFTER
from exporter.collectors.reading.permissions import ENTERPRISE_BILLING, ORGANIZATION_ADMINISTRATION
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.fetching import Api, Ask, Doubt, Fetched
from exporter.instants import DAY, HOUR
from exporter.options import BoundedOptions
from exporter.past import Part, PastAnswer
from exporter.tables import Row, Table


class Options(BoundedOptions):
    """The collector's own settings."""

    organizations: bool = Field(
        default=False, description="Whether to read organizations, too: for those that no enterprise pays for."
    )


def _of_enterprise(ask: Ask) -> Bill:
    """The bill of the enterprise account, with all its organizations and cost centers."""
    return Bill(ENTERPRISE.format(enterprise=ask.target), Sums(USAGE_OF_ENTERPRISE), Sums(CREDITS_OF_ENTERPRISE))


def _of_organization(ask: Ask) -> Bill:
    """The bill of the organization itself; GitHub answers 404 if an enterprise pays."""
    return Bill(ORGANIZATION.format(org=ask.target), Sums(USAGE_OF_ORGANIZATION), Sums(CREDITS_OF_ORGANIZATION))


async def _fetch(api: Api, ask: Ask, bill: Bill) -> Fetched:
    await bill.read(api, Period.month_of(ask.end))
    rows, credit_rows = await worker.run(bill.rows)
    when, unknown = datetime.fromtimestamp(ask.end, UTC), UnknownFields()
    for sums in (bill.usage, bill.credits):
        unknown.join(sums.unknown)
    return Fetched(
        (*rows, *credit_rows),
        bill.rejected,
        data_time=float(ask.end),
        unknown=unknown,
        note="" if when.day <= BOOKED_AFTER // DAY else None,
        doubts=tuple(_doubts(ask, when, {bill.usage.table: rows, bill.credits.table: credit_rows})),
    )


def _doubts(ask: Ask, when: datetime, rows_of: Mapping[Table, tuple[Row, ...]]) -> Iterator[Doubt]:
    """Doubt an answer without usage if an earlier one of the same month had some: usage of a month does not vanish."""
    before = datetime.fromtimestamp(ask.data_time or 0.0, UTC)
    for table, rows in rows_of.items():
        if not rows and (before.year, before.month) == (when.year, when.month):
            what = "AI credits" if issubclass(table.row, Credits) else "usage"
            yield Doubt(table, f"GitHub's answer has no {what} of {when:%Y-%m}, though an earlier one had")


async def fetch_enterprise(api: Api, ask: Ask) -> Fetched:
    """Read the month to date of an enterprise."""
    return await _fetch(api, ask, _of_enterprise(ask))


async def fetch_organization(api: Api, ask: Ask) -> Fetched:
    """Read the month to date of an organization."""
    return await _fetch(api, ask, _of_organization(ask))


async def fetch_past_of_enterprise(api: Api, ask: Ask, part: Part) -> PastAnswer:
    """Read a month of an enterprise, day by day."""
    return await fetch_month(api, _of_enterprise(ask), part)


async def fetch_past_of_organization(api: Api, ask: Ask, part: Part) -> PastAnswer:
    """Read a month of an organization, day by day."""
    return await fetch_month(api, _of_organization(ask), part)


COLLECTOR = Collector(
    name="billing_usage",
    scope="enterprise",
    endpoint=ENTERPRISE + SUMMARY,
    page="https://docs.github.com/enterprise-cloud@latest/rest/billing/usage#get-billing-usage-summary-for-an-enterprise",
    lateness="GitHub does not say how late it books usage.",
    interval=2 * HOUR,
    max_age=24 * HOUR,
    options=Options,
    permission=ENTERPRISE_BILLING,
    fetch=fetch_enterprise,
    tables=(USAGE_OF_ENTERPRISE, CREDITS_OF_ENTERPRISE),
    calls=Calls(single=2),
    past=past(fetch_past_of_enterprise),
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
    permission=ORGANIZATION_ADMINISTRATION,
    fetch=fetch_organization,
    past=past(fetch_past_of_organization),
    tables=(USAGE_OF_ORGANIZATION, CREDITS_OF_ORGANIZATION),
    nothing=(
        "GitHub shows no usage of this month. Compare it with GitHub's billing pages; where an enterprise pays, switch "
        "it off: collectors.billing_usage.organizations: false"
    ),
)
