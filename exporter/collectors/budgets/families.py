"""The metrics of budgets, by account. Pure data."""

from exporter.tables import Row, Table, gauge, info


class Budget(Row):
    """A budget. `amount` is in US dollars, or in licences."""

    budget_id: str
    amount: float | None = None
    prevents: bool | None = None
    budget_type: str = ""
    scope: str = ""
    entity: str = ""
    product_sku: str = ""

    def people(self) -> tuple[str, ...]:
        """The entity of a budget for one person is that person."""
        return ("entity",) if self.scope == "user" else ()


class Consumed(Row):
    """How much of a budget was consumed."""

    budget_id: str
    consumed: float


def _tables(names: tuple[str, str, str, str]) -> tuple[Table, Table, Table]:
    amount, prevents, consumed, described = names
    limits = Table(
        row=Budget,
        labels=("budget_id",),
        computed_from="budgets[].budget_amount, prevent_further_usage",
        families=(
            gauge(amount, "amount", "What the budget allows: US dollars or, for licensed products, licences."),
            gauge(prevents, "prevents", "Whether usage stops when the budget is used up: 1 or 0."),
        ),
    )
    used = Table(
        row=Consumed,
        labels=("budget_id",),
        computed_from="consumed_amount",
        families=(
            gauge(
                consumed,
                "consumed",
                "What counts toward the budget so far, in its own unit; absent where GitHub does not give it, which "
                "documents neither unit nor period.",
            ),
        ),
    )
    display = ("budget_type", "scope", "entity", "product_sku")
    infos = Table(
        row=Budget,
        labels=("budget_id", *display),
        display=display,
        computed_from="budget_type, budget_scope, budget_entity_name, budget_product_sku",
        families=(info(described, "What a budget is for, in GitHub's words: its type, scope, entity and product."),),
    )
    return limits, used, infos


OF_ENTERPRISE = _tables(
    (
        "github_billing_budget_amount",
        "github_billing_budget_prevents_further_usage",
        "github_billing_budget_consumed_amount",
        "github_billing_budget_info",
    )
)
OF_ORGANIZATIONS = _tables(
    (
        "github_billing_organization_budget_amount",
        "github_billing_organization_budget_prevents_further_usage",
        "github_billing_organization_budget_consumed_amount",
        "github_billing_organization_budget_info",
    )
)
