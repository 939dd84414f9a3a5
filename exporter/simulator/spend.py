"""What an enterprise uses and pays: rows of each day, as GitHub's usage reports have them, and their sums.

Every row has the instant from which GitHub shows it: most of a day is booked as soon as the day begins, so that the
first of a month has figures, too; some of it days later, and once a month something is taken back.

https://docs.github.com/enterprise-cloud@latest/billing/reference/billing-reports
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from exporter.instants import DAY, day_of
from exporter.simulator.copilot import people
from exporter.simulator.estate import Enterprise, Estate

REPOSITORIES = ("web", "api", "infra", "mobile")
USERS = ("octocat", "hubot", "mona", "lee")
MODELS = ("claude-sonnet-4.6", "gpt-5.4", "auto")
LATE_BY = 3 * DAY
COLUMNS = {
    "summarized": (
        *("date", "product", "sku", "quantity", "unit_type", "applied_cost_per_quantity"),
        *("gross_amount", "discount_amount", "net_amount", "organization", "repository", "cost_center_name"),
    ),
    "detailed": (
        *("date", "product", "sku", "quantity", "unit_type", "applied_cost_per_quantity", "gross_amount"),
        *("discount_amount", "net_amount", "username", "organization", "repository", "workflow_path"),
        "cost_center_name",
    ),
    "premium_request": (
        *("date", "username", "product", "sku", "model", "quantity", "unit_type", "applied_cost_per_quantity"),
        *("gross_amount", "discount_amount", "net_amount", "exceeds_quota", "total_monthly_quota"),
        *("organization", "cost_center_name"),
    ),
    "ai_credit": (
        *("date", "username", "product", "sku", "model", "quantity", "unit_type", "applied_cost_per_quantity"),
        *("gross_amount", "discount_amount", "net_amount", "total_monthly_quota", "organization", "repository"),
        *("cost_center_name", "aic_quantity", "aic_gross_amount"),
    ),
}


class UsageRow(NamedTuple):
    """One row. `shown_from` is in epoch seconds."""

    date: str
    product: str
    sku: str
    unit_type: str
    quantity: Decimal
    price: Decimal
    discount: Decimal  # the share that is not charged
    organization: str
    repository: str
    username: str
    workflow_path: str
    model: str
    cost_center: str
    shown_from: float

    @property
    def gross(self) -> Decimal:
        """Before discounts."""
        return self.quantity * self.price

    @property
    def taken_off(self) -> Decimal:
        """The discount."""
        return self.gross * self.discount


def usage(estate: Estate, enterprise: Enterprise, days: Iterable[int]) -> Iterator[UsageRow]:
    """All rows of these days (midnights)."""
    for day in days:
        for organization in enterprise.organizations:
            yield from _of_day(estate, organization, day)


def report(rows: Iterable[UsageRow], report_type: str) -> str:
    """A report's CSV, as GitHub writes it: a BOM, every value quoted."""
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    columns = COLUMNS[report_type]
    writer.writerow(columns)
    unit = {"premium_request": "requests", "ai_credit": "credits"}.get(report_type)
    for row in rows:
        if unit in (None, row.unit_type):
            values = _values(row)
            writer.writerow([values[column] for column in columns])
    return out.getvalue()


def summary(rows: Iterable[UsageRow], *, with_model: bool) -> list[dict[str, object]]:
    """The sums of `usage/summary`, or of `ai_credit/usage`."""
    sums: dict[Sequence[str], list[Decimal]] = {}
    for row in rows:
        if with_model and row.unit_type != "credits":
            continue
        key = (row.product, row.sku, row.unit_type, str(row.price), *((row.model,) if with_model else ()))
        subtotal = sums.setdefault(key, [Decimal(0)] * 4)
        parts = (row.quantity, row.gross, row.quantity * row.discount, row.taken_off)
        sums[key] = [a + b for a, b in zip(subtotal, parts, strict=True)]
    return [
        {
            "product": key[0],
            "sku": key[1],
            **({"model": key[4]} if with_model else {}),
            "unitType": key[2],
            "pricePerUnit": float(key[3]),
            "grossQuantity": float(quantity),
            "grossAmount": float(gross),
            "discountQuantity": float(less),
            "discountAmount": float(discount),
            "netQuantity": float(quantity - less),
            "netAmount": float(gross - discount),
        }
        for key, (quantity, gross, less, discount) in sums.items()
    ]


def _of_day(estate: Estate, organization: str, day: int) -> Iterator[UsageRow]:
    chance = estate.random("spend", organization, day)
    date, booked = day_of(day), float(day)
    center = f"CC-{len(organization) * 10}"
    for place, repository in enumerate(REPOSITORIES):
        user, path = USERS[place], f".github/workflows/{repository}.yml"
        where = (organization, repository, user, path, "", center)
        minutes = Decimal(chance.randrange(200, 3_000))
        yield UsageRow(
            date, "actions", "actions_linux", "minutes", minutes, _usd("0.006"), _usd("0.25"), *where, booked
        )
        late = Decimal(chance.randrange(10, 90))
        yield UsageRow(
            date, "actions", "actions_macos", "minutes", late, _usd("0.062"), Decimal(0), *where, booked + LATE_BY
        )
        storage = Decimal(chance.randrange(1, 400)) / 7
        stored = round(storage, 6)
        nobody = (organization, repository, "", "", "", center)
        yield UsageRow(
            date, "git_lfs", "git_lfs_storage", "GigabyteHours", stored, _usd("0.000094"), Decimal(0), *nobody, booked
        )
        yield UsageRow(
            date,
            "packages",
            "packages_storage",
            "GigabyteHours",
            stored * 3,
            _usd("0.000336"),
            Decimal(1),
            *nobody,
            booked,
        )
    seats = Decimal(people(estate, organization))
    everybody = (organization, "", "", "", "", center)
    month = _usd("39") / 30
    yield UsageRow(
        date, "copilot", "copilot_enterprise", "user-months", seats / 30, month * 30, Decimal(0), *everybody, booked
    )
    yield UsageRow(date, "ghas", "ghas_licenses", "user-months", seats / 60, _usd("49"), Decimal(0), *everybody, booked)
    for user in USERS:
        for model in MODELS:
            credits_used = Decimal(chance.randrange(50, 900)) / 8
            who = (organization, "", user, "", model, center)
            yield UsageRow(
                date, "copilot", "copilot_ai_credit", "credits", credits_used, _usd("0.01"), _usd("0.5"), *who, booked
            )
        who = (organization, "", user, "", "Claude Sonnet 4", center)
        asked = Decimal(chance.randrange(1, 40)) / 10
        yield UsageRow(
            date, "copilot", "copilot_premium_request", "requests", asked, _usd("0.04"), Decimal(1), *who, booked
        )
    if day >= estate.larger_runners.get(organization, float("inf")):
        minutes = Decimal(chance.randrange(7_000, 9_000))
        where = (organization, "infra", "mona", ".github/workflows/infra.yml", "", center)
        sku, price = "actions_linux_64_core", _usd("0.162")
        yield UsageRow(date, "actions", sku, "minutes", minutes, price, Decimal(0), *where, booked)
    if date.endswith("-05"):  # the month's correction: minutes that were booked twice are taken back
        taken = Decimal(-100)
        where = (organization, "web", "", "", "", center)
        yield UsageRow(
            date, "actions", "actions_linux", "minutes", taken, _usd("0.006"), Decimal(0), *where, booked + LATE_BY
        )


def _usd(text: str) -> Decimal:
    return Decimal(text)


def _values(row: UsageRow) -> dict[str, str]:
    amounts = {"gross_amount": row.gross, "discount_amount": row.taken_off, "net_amount": row.gross - row.taken_off}
    return {
        "date": row.date,
        "product": row.product,
        "sku": row.sku,
        "quantity": f"{row.quantity:f}",
        "unit_type": row.unit_type,
        "applied_cost_per_quantity": f"{row.price:f}",
        **{name: f"{amount:f}" for name, amount in amounts.items()},
        "organization": row.organization,
        "repository": row.repository,
        "username": row.username,
        "workflow_path": row.workflow_path,
        "cost_center_name": row.cost_center,
        "model": row.model,
        "exceeds_quota": "FALSE",
        "total_monthly_quota": "Unlimited",
        "aic_quantity": f"{row.quantity:f}",
        "aic_gross_amount": f"{row.gross:f}",
    }
