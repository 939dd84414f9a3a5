"""Budgets of enterprises and organizations: how much they allow, how much of it is used, and whether use then stops.

    github_billing_budget_amount{enterprise="acme-corp",budget_id="2066…"} 1000
    github_billing_budget_consumed_amount{enterprise="acme-corp",budget_id="2066…"} 734.5
    github_billing_budget_info{enterprise="acme-corp",budget_id="2066…",scope="enterprise",product_sku="actions",…} 1

What was consumed stands in the list for some budgets only; `each: true` asks for the others, one by one.

`families.py` has the metrics, `items.py` reads GitHub's answers.

https://docs.github.com/enterprise-cloud@latest/rest/billing/budgets
"""

import re
from dataclasses import replace

from pydantic import Field

from exporter import worker
from exporter.catalogue import Calls, Collector
from exporter.collectors.budgets.families import OF_ENTERPRISE, OF_ORGANIZATIONS
from exporter.collectors.budgets.items import Budgets
from exporter.collectors.reading.numbered_pages import each_page
from exporter.collectors.reading.permissions import ENTERPRISE_BILLING, ORGANIZATION_ADMINISTRATION
from exporter.errors import Forbidden, NotFound, Refused
from exporter.fetching import Api, Ask, Doubt, Fetched
from exporter.instants import DAY, HOUR
from exporter.options import BoundedOptions
from exporter.tables import Table

ENTERPRISE = "/enterprises/{enterprise}/settings/billing/budgets"
ORGANIZATION = "/organizations/{org}/settings/billing/budgets"
REFUSED_IN_ROW = 3
"""After so many budgets that GitHub does not give one by one, without any that it gives, no other is asked for."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Options(BoundedOptions):
    """The collector's own settings."""

    organizations: bool = Field(
        default=False, description="Whether to read organizations, too: for those that no enterprise pays for."
    )
    each: bool = Field(
        default=False,
        description="Whether to ask, budget by budget, for what was consumed where the list does not say it: a request "
        "for each.",
    )


async def _fetch(api: Api, ask: Ask, path: str, tables: tuple[Table, Table, Table]) -> Fetched:
    budgets = Budgets()
    await each_page(api, path, "budgets", budgets.take)
    refusal = await _ask_each(api, path, budgets, ask.options.max_series) if ask.options.each else ""
    return Fetched(
        budgets.rows(),
        budgets.rejected,
        data_time=float(ask.end),
        unknown=budgets.unknown,
        note=refusal,  # an account without budgets lacks nothing
        doubts=(Doubt(tables[1], refusal),) if refusal else (),
    )


async def _ask_each(api: Api, path: str, budgets: Budgets, most: int) -> str:
    """Ask for the consumption of the largest budgets; returns why none was given, if GitHub refused all of them.

    A budget that is refused alone was deleted meanwhile, or is none of the caller's.
    """
    refused, is_any_given = 0, False
    for budget_id in budgets.largest()[:most]:
        if budget_id in budgets.consumed or not _ID.fullmatch(budget_id):
            continue
        try:
            reply = await api.get(f"{path}/{budget_id}")
        except (NotFound, Forbidden, Refused) as error:
            refused += 1
            if not is_any_given and refused >= REFUSED_IN_ROW:
                return f"GitHub gives no single budget, so collectors.budgets.each cannot work: {error}"
        else:
            is_any_given = True
            await worker.run(budgets.take_one, budget_id, reply.body)
    return ""


async def fetch_enterprise(api: Api, ask: Ask) -> Fetched:
    """The budgets of the enterprise, its organizations, repositories, cost centers and users."""
    return await _fetch(api, ask, ENTERPRISE.format(enterprise=ask.target), OF_ENTERPRISE)


async def fetch_organization(api: Api, ask: Ask) -> Fetched:
    """The budgets of the organization itself."""
    return await _fetch(api, ask, ORGANIZATION.format(org=ask.target), OF_ORGANIZATIONS)


COLLECTOR = Collector(
    name="budgets",
    scope="enterprise",
    endpoint=ENTERPRISE,
    page="https://docs.github.com/enterprise-cloud@latest/rest/billing/budgets#get-all-budgets",
    lateness="GitHub does not say how late it books usage.",
    permission=ENTERPRISE_BILLING,
    fetch=fetch_enterprise,
    tables=OF_ENTERPRISE,
    interval=6 * HOUR,
    max_age=3 * DAY,
    options=Options,
    calls=Calls(listed="budgets", by_choice={"each": Calls(each="budgets")}),
)

OF_ORGANIZATION = replace(
    COLLECTOR,
    scope="organization",
    endpoint=ORGANIZATION,
    page="https://docs.github.com/rest/billing/budgets#get-all-budgets-for-an-organization",
    switch="organizations",
    permission=ORGANIZATION_ADMINISTRATION,
    fetch=fetch_organization,
    tables=OF_ORGANIZATIONS,
)
