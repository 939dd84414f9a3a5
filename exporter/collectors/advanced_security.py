"""Committers who use a licence of GitHub Advanced Security, or of the products that replace it.

    github_advanced_security_enterprise_active_committers{enterprise="acme-corp",product="code_security"} 210
    github_advanced_security_enterprise_purchased_committers{enterprise="acme-corp",product="code_security"} 250

The totals stand beside the repositories on any page. Where Code Security and Secret Protection are bought on their own,
GitHub needs the product, elsewhere it refuses it: unless configured, what works is found out once a day.

https://docs.github.com/enterprise-cloud@latest/rest/enterprise-admin/licensing#get-github-advanced-security-active-committers-for-an-enterprise
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

from pydantic import Field

from exporter import worker
from exporter.catalogue import Calls, Collector, Permission
from exporter.collectors.reading.rows import figures
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.errors import Forbidden, GitHubError, Invalid, NotFound, Refused
from exporter.fetching import Api, Ask, Doubt, Fetched
from exporter.github.apps import NotInstalled
from exporter.github.decoding import decode_json
from exporter.instants import DAY, HOUR, day_of
from exporter.options import CollectorOptions
from exporter.tables import Figures, Table, gauge

Product = Literal["advanced_security", "code_security", "secret_protection"]
PRODUCTS: tuple[Product, ...] = get_args(Product)
"""The first is the one that GitHub gives without the parameter."""

ENTERPRISE = "/enterprises/{enterprise}/settings/billing/advanced-security"
ORGANIZATION = "/orgs/{org}/settings/billing/advanced-security"
NO_TOTALS = "GitHub's answer has no totals of committers; compare it with GitHub's own licensing page"

# Of people nothing is kept. The committers of a repository have no series: they are the same people again.
_OF_REPOSITORY = {"name", "advanced_security_committers", "advanced_security_committers_breakdown"}
_OF_COMMITTER = {"user_login", "last_pushed_date", "last_pushed_email"}


class Options(CollectorOptions):
    """The collector's own settings."""

    organizations: bool = Field(default=False, description="Whether to read organizations, too.")
    products: tuple[Product, ...] = Field(
        default=(),
        description="The products that the plan has; empty to find out: advanced_security, or code_security and "
        "secret_protection where they are bought on their own.",
    )


class Committers(Figures):
    """The totals of a product."""

    product: str


def _table(active: str, maximum: str, purchased: str, repositories: str) -> Table:
    return Table(
        row=Committers,
        labels=("product",),
        families=(
            gauge(
                active,
                "total_advanced_security_committers",
                "People who use a licence: they pushed to a repository with the product enabled in the last 90 days. "
                "Each counts once, so organizations add up to more than their enterprise.",
            ),
            gauge(
                maximum,
                "maximum_advanced_security_committers",
                "Licences that would be used if every repository had the product enabled.",
            ),
            gauge(
                purchased,
                "purchased_advanced_security_committers",
                "Licences that were bought; what GitHub sends with metered billing, it does not document.",
            ),
            gauge(repositories, "total_count", "Repositories with committers who use a licence."),
        ),
    )


OF_ENTERPRISE = _table(
    "github_advanced_security_enterprise_active_committers",
    "github_advanced_security_enterprise_maximum_committers",
    "github_advanced_security_enterprise_purchased_committers",
    "github_advanced_security_enterprise_repositories",
)
OF_ORGANIZATIONS = _table(
    "github_advanced_security_organization_active_committers",
    "github_advanced_security_organization_maximum_committers",
    "github_advanced_security_organization_purchased_committers",
    "github_advanced_security_organization_repositories",
)


def read(body: bytes, table: Table, product: Product, unknown: UnknownFields) -> tuple[Committers, int]:
    """The totals of an answer, and how many cannot be used; raises `Invalid` if it is no object."""
    answer = decode_json(body)
    if not isinstance(answer, dict):
        raise Invalid("the answer is no object")
    totals, rejected = figures(answer, table, unknown, {"repositories"})
    _count_unknown(answer.get("repositories"), unknown)
    return Committers(product=product, figures=totals), rejected


def _count_unknown(repositories: Any, unknown: UnknownFields) -> None:
    """Count fields that are new; nothing of repositories and committers is kept."""
    for repository in repositories if isinstance(repositories, list) else ():
        if isinstance(repository, dict):
            unknown.take(repository, _OF_REPOSITORY, "repositories")
            committers = repository.get("advanced_security_committers_breakdown")
            for committer in committers if isinstance(committers, list) else ():
                if isinstance(committer, dict):
                    unknown.take(committer, _OF_COMMITTER, "repositories.advanced_security_committers_breakdown")


async def _fetch(api: Api, ask: Ask, path: str, table: Table) -> Fetched:
    unknown, rows, rejected = UnknownFields(), list[Committers](), 0
    for product, body in (await _answers(api, ask, path)).items():
        row, unusable = await worker.run(read, body, table, product, unknown)
        rows.append(row)
        rejected += unusable
    is_empty = not any(row.figures for row in rows)
    return Fetched(
        tuple(rows),
        rejected,
        data_time=float(ask.end),
        unknown=unknown,
        note=NO_TOTALS if is_empty else None,
        doubts=(Doubt(table, NO_TOTALS),) if is_empty else (),
    )


async def _answers(api: Api, ask: Ask, path: str) -> Mapping[Product, bytes]:
    """The answer of each product of the plan: as configured, or as found out once a day and after a refusal."""
    chosen: tuple[Product, ...] = ask.options.products
    known = chosen or _remembered(ask)
    try:
        if known:
            return {product: await _answer(api, path, product) for product in known}
    except NotInstalled:
        raise
    except (Refused, NotFound, Forbidden):
        if chosen:
            raise
    answers: dict[Product, bytes] = {}
    refusal: GitHubError | None = None
    for product in PRODUCTS:
        try:
            answers[product] = await _answer(api, path, product)
        except NotInstalled:
            raise
        except (Refused, NotFound, Forbidden) as error:
            refusal = refusal or error
        if PRODUCTS[0] in answers:
            break
    if refusal and not answers:
        raise refusal
    ask.memory.value = {"day": day_of(ask.end), "products": list(answers)}
    return answers


def _remembered(ask: Ask) -> tuple[Product, ...]:
    """The products that GitHub gave today; none if that is not known."""
    memory = ask.memory.value if isinstance(ask.memory.value, dict) else {}
    products = memory.get("products") if memory.get("day") == day_of(ask.end) else None
    return tuple(one for one in PRODUCTS if one in products) if isinstance(products, list) else ()


async def _answer(api: Api, path: str, product: Product) -> bytes:
    params: dict[str, str | int] = {} if product == PRODUCTS[0] else {"advanced_security_product": product}
    return (await api.get(path, {**params, "per_page": 1})).body


async def fetch_enterprise(api: Api, ask: Ask) -> Fetched:
    """The committers of all organizations of the enterprise."""
    return await _fetch(api, ask, ENTERPRISE.format(enterprise=ask.target), OF_ENTERPRISE)


async def fetch_organization(api: Api, ask: Ask) -> Fetched:
    """The committers of one organization."""
    return await _fetch(api, ask, ORGANIZATION.format(org=ask.target), OF_ORGANIZATIONS)


COLLECTOR = Collector(
    name="advanced_security",
    scope="enterprise",
    endpoint=ENTERPRISE,
    page="https://docs.github.com/enterprise-cloud@latest/rest/enterprise-admin/licensing#get-github-advanced-security-active-committers-for-an-enterprise",
    lateness="GitHub does not say how late it counts committers.",
    permission=Permission(
        classic="scope `read:enterprise`, of an administrator or billing manager of the enterprise",
    ),
    fetch=fetch_enterprise,
    tables=(OF_ENTERPRISE,),
    interval=6 * HOUR,
    max_age=3 * DAY,
    options=Options,
    calls=Calls(single=2),
)

OF_ORGANIZATION = replace(
    COLLECTOR,
    scope="organization",
    endpoint=ORGANIZATION,
    page="https://docs.github.com/enterprise-cloud@latest/rest/billing/billing#get-github-advanced-security-active-committers-for-an-organization",
    switch="organizations",
    permission=Permission(
        app="organization permission “Administration” (read)",
        classic="scope `read:org`, of an owner of the organization",
        granted=("organization_administration",),
    ),
    fetch=fetch_organization,
    tables=(OF_ORGANIZATIONS,),
)
