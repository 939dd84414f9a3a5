"""Cost centers of an enterprise, what belongs to them, and their pools of AI credits.

    github_billing_cost_center_ai_credit_pool_limit_credits{enterprise="acme-corp",cost_center_id="2eeb8ffe-…"} 21000
    github_billing_cost_center_ai_credit_pool_used_credits{enterprise="acme-corp",cost_center_id="2eeb8ffe-…"} 7250.5
    github_billing_cost_center_resources{enterprise="acme-corp",cost_center_id="2eeb8ffe-…",type="User"} 1

https://docs.github.com/enterprise-cloud@latest/rest/billing/cost-centers
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from exporter import worker
from exporter.catalogue import Collector
from exporter.collectors.reading.permissions import ENTERPRISE_BILLING
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.reading.values import is_number, label_text
from exporter.errors import Invalid
from exporter.fetching import Api, Ask, Fetched
from exporter.github.decoding import decode_json
from exporter.instants import DAY, HOUR
from exporter.options import BoundedOptions
from exporter.tables import Row, Table, gauge, info

MOST_CENTERS = 5_000
MOST_TYPES = 20
"""Types of resources of one cost center with a series of their own; those of others are counted as `other`."""

# Names of resources, which may be people, and the Azure subscription, a billing account, are not read.
_FIELDS = {
    "id",
    "name",
    "state",
    "azure_subscription",
    "resources",
    "ai_credit_pool_enabled",
    "ai_credit_pool_state",
}


class CostCenter(Row):
    """A cost center; without numbers where it has no pool, or GitHub has not made it yet."""

    cost_center_id: str
    cost_center: str = ""
    state: str = ""
    limit: float | None = None
    used: float | None = None


class Resources(Row):
    """How many resources of one type belong to a cost center."""

    cost_center_id: str
    type: str
    resources: int


POOLS = Table(
    row=CostCenter,
    labels=("cost_center_id",),
    computed_from="costCenters[].ai_credit_pool_state",
    families=(
        gauge(
            "github_billing_cost_center_ai_credit_pool_limit_credits",
            "limit",
            "AI credits of the cost center's pool this month, of 0.01 US dollars each; absent without a pool, and "
            "until GitHub has made it.",
        ),
        gauge(
            "github_billing_cost_center_ai_credit_pool_used_credits",
            "used",
            "AI credits of the pool that were used this month.",
        ),
    ),
)

RESOURCES = Table(
    row=Resources,
    labels=("cost_center_id", "type"),
    other=("other", "other"),
    computed_from="costCenters[].resources[].type",
    families=(
        gauge(
            "github_billing_cost_center_resources",
            "resources",
            "Resources that belong to the cost center, by GitHub's type: users, teams, organizations, repositories.",
        ),
    ),
)

NAMES = Table(
    row=CostCenter,
    labels=("cost_center_id", "cost_center", "state"),
    display=("cost_center", "state"),
    computed_from="costCenters[].name, state",
    families=(info("github_billing_cost_center_info", "The name and the state of a cost center."),),
)


def read(body: bytes, unknown: UnknownFields) -> tuple[tuple[Row, ...], int]:
    """The rows of an answer, those of the largest pools first, and how many values cannot be used; may be `Invalid`."""
    answer = decode_json(body)
    # Without cost centers GitHub may leave the list out: no field is required.
    listed = (answer.get("costCenters") or []) if isinstance(answer, dict) else None
    if not isinstance(listed, list) or len(listed) > MOST_CENTERS:
        raise Invalid(f"the answer has no list of at most {MOST_CENTERS} costCenters")
    unknown.take(answer, {"costCenters"})
    centers: dict[str, list[Row]] = {}
    pools: dict[str, float] = {}
    rejected = 0
    for item in listed:
        center_id = item.get("id") if isinstance(item, dict) else None
        if not isinstance(center_id, str) or not center_id or center_id in centers:
            rejected += 1
            continue
        center, unusable = _center(label_text(center_id), item, unknown)
        resources, unreadable = _resources(center.cost_center_id, item.get("resources"), unknown)
        centers[center_id], pools[center_id] = [center, *resources], center.limit or 0.0
        rejected += unusable + unreadable
    order = sorted(centers, key=lambda center_id: (-pools[center_id], center_id))
    return tuple(row for one in order for row in centers[one]), rejected


def _center(center_id: str, item: Mapping[str, Any], unknown: UnknownFields) -> tuple[CostCenter, int]:
    unknown.take(item, _FIELDS, "costCenters")
    pool, words = item.get("ai_credit_pool_state"), {"cost_center": item.get("name"), "state": item.get("state")}
    rejected = int(pool is not None and not isinstance(pool, dict))
    rejected += sum(word is not None and not isinstance(word, str) for word in words.values())
    pool = pool if isinstance(pool, dict) else {}
    unknown.take(pool, {"target_amount", "current_amount"}, "costCenters.ai_credit_pool_state")
    amounts = {"limit": pool.get("target_amount"), "used": pool.get("current_amount")}
    numbers = {field: float(value) for field, value in amounts.items() if is_number(value)}
    rejected += sum(value is not None for value in amounts.values()) - len(numbers)
    texts = {label: label_text(word) for label, word in words.items() if isinstance(word, str)}
    return CostCenter.model_validate({"cost_center_id": center_id, **texts, **numbers}), rejected


def _resources(center_id: str, listed: Any, unknown: UnknownFields) -> tuple[list[Resources], int]:
    """How many resources of each type there are; their names are not looked at."""
    if not isinstance(listed, list):
        return [], int(listed is not None)
    counts: Counter[str] = Counter()
    rejected = 0
    for resource in listed:
        kind = resource.get("type") if isinstance(resource, dict) else None
        if not isinstance(kind, str):
            rejected += 1
            continue
        unknown.take(resource, {"type", "name"}, "costCenters.resources")
        name = label_text(kind)
        counts[name if name in counts or len(counts) < MOST_TYPES else "other"] += 1
    return [Resources(cost_center_id=center_id, type=kind, resources=count) for kind, count in counts.items()], rejected


async def fetch(api: Api, ask: Ask) -> Fetched:
    """Send one request: the list has no pages."""
    reply = await api.get(f"/enterprises/{ask.target}/settings/billing/cost-centers", {"state": "active"})
    unknown = UnknownFields()
    rows, rejected = await worker.run(read, reply.body, unknown)
    # An enterprise without cost centers lacks nothing.
    return Fetched(rows, rejected, data_time=float(ask.end), unknown=unknown, note="")


COLLECTOR = Collector(
    name="cost_centers",
    scope="enterprise",
    endpoint="/enterprises/{enterprise}/settings/billing/cost-centers",
    page="https://docs.github.com/enterprise-cloud@latest/rest/billing/cost-centers#get-all-cost-centers-for-an-enterprise",
    lateness="GitHub does not say how late it books usage.",
    permission=ENTERPRISE_BILLING,
    fetch=fetch,
    tables=(POOLS, RESOURCES, NAMES),
    interval=6 * HOUR,
    max_age=3 * DAY,
    options=BoundedOptions,
)
