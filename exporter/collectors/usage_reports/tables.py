"""The tables of usage reports: spend by kind and breakdown, the exports behind it, and all exports that GitHub lists.

Spend is summed per month, so its families are gauges: they fall when a month begins.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, get_args

from pydantic import create_model

from exporter.collectors.reading.values import label_text
from exporter.collectors.usage_reports.exports import Export
from exporter.collectors.usage_reports.ledger import Ledger
from exporter.instants import day_of, epoch
from exporter.tables import Figures, Row, Table, gauge

Group = Literal["organization", "product", "sku", "unit_type", "cost_center"]
GROUPS: tuple[Group, ...] = get_args(Group)

PLACES = {"gross_amount_usd": 1, "net_amount_usd": 3, "discount_amount_usd": 2, "quantity": 0}
"""The fields of a row, with the index of their amount in a sum; the first field ranks the rows."""

HELP = {
    "gross_amount_usd": "Usage at list price in US dollars, before discounts, since the month's first day",
    "net_amount_usd": "US dollars to pay (gross amount less discount; 0 for usage that a plan includes)",
    "discount_amount_usd": "US dollars that plan allowances, free usage and discounts take off the gross amount",
    "quantity": "Usage in units of unit_type, since the month's first day",
}


def _spend(breakdown: str, *names: str) -> Table:
    """The four families of a kind of spend, in the order of `PLACES`; their rows are of a class of their own."""
    labels = ("month", *GROUPS, *((breakdown,) if breakdown else ()))
    fields: dict[str, Any] = dict.fromkeys(labels, (str, ...))
    by = f", by {breakdown}." if breakdown else "."
    return Table(
        create_model(f"Figures of {names[0]}", __base__=Figures, **fields),
        tuple(gauge(name, field, HELP[field] + by) for name, field in zip(names, PLACES, strict=True)),
        labels,
        other=(None, *("other" for _ in labels[1:])),
        computed_from="the files of the export",
    )


SPEND = {
    ("", ""): _spend(
        "",
        "github_usage_report_gross_amount_usd",
        "github_usage_report_net_amount_usd",
        "github_usage_report_discount_amount_usd",
        "github_usage_report_quantity",
    ),
    ("", "repository"): _spend(
        "repository",
        "github_usage_report_repository_gross_amount_usd",
        "github_usage_report_repository_net_amount_usd",
        "github_usage_report_repository_discount_amount_usd",
        "github_usage_report_repository_quantity",
    ),
    ("", "username"): _spend(
        "username",
        "github_usage_report_user_gross_amount_usd",
        "github_usage_report_user_net_amount_usd",
        "github_usage_report_user_discount_amount_usd",
        "github_usage_report_user_quantity",
    ),
    ("", "workflow_path"): _spend(
        "workflow_path",
        "github_usage_report_workflow_gross_amount_usd",
        "github_usage_report_workflow_net_amount_usd",
        "github_usage_report_workflow_discount_amount_usd",
        "github_usage_report_workflow_quantity",
    ),
    ("ai_credit", ""): _spend(
        "",
        "github_usage_report_ai_credit_gross_amount_usd",
        "github_usage_report_ai_credit_net_amount_usd",
        "github_usage_report_ai_credit_discount_amount_usd",
        "github_usage_report_ai_credit_quantity",
    ),
    ("ai_credit", "repository"): _spend(
        "repository",
        "github_usage_report_ai_credit_repository_gross_amount_usd",
        "github_usage_report_ai_credit_repository_net_amount_usd",
        "github_usage_report_ai_credit_repository_discount_amount_usd",
        "github_usage_report_ai_credit_repository_quantity",
    ),
    ("ai_credit", "username"): _spend(
        "username",
        "github_usage_report_ai_credit_user_gross_amount_usd",
        "github_usage_report_ai_credit_user_net_amount_usd",
        "github_usage_report_ai_credit_user_discount_amount_usd",
        "github_usage_report_ai_credit_user_quantity",
    ),
    ("ai_credit", "model"): _spend(
        "model",
        "github_usage_report_ai_credit_model_gross_amount_usd",
        "github_usage_report_ai_credit_model_net_amount_usd",
        "github_usage_report_ai_credit_model_discount_amount_usd",
        "github_usage_report_ai_credit_model_quantity",
    ),
    ("premium_request", ""): _spend(
        "",
        "github_usage_report_premium_request_gross_amount_usd",
        "github_usage_report_premium_request_net_amount_usd",
        "github_usage_report_premium_request_discount_amount_usd",
        "github_usage_report_premium_request_quantity",
    ),
    ("premium_request", "username"): _spend(
        "username",
        "github_usage_report_premium_request_user_gross_amount_usd",
        "github_usage_report_premium_request_user_net_amount_usd",
        "github_usage_report_premium_request_user_discount_amount_usd",
        "github_usage_report_premium_request_user_quantity",
    ),
    ("premium_request", "model"): _spend(
        "model",
        "github_usage_report_premium_request_model_gross_amount_usd",
        "github_usage_report_premium_request_model_net_amount_usd",
        "github_usage_report_premium_request_model_discount_amount_usd",
        "github_usage_report_premium_request_model_quantity",
    ),
}
"""By kind of spend (a report type, or "" for the one that feeds the spend) and breakdown ("" for none)."""


class MonthExport(Figures):
    """The export behind a month's spend."""

    month: str


class ExportCount(Figures):
    """Exports of a type in a state."""

    report_type: str
    status: str


MONTHS = Table(
    row=MonthExport,
    labels=("month",),
    computed_from="the export that feeds the spend",
    families=(
        gauge("github_usage_report_rows", "rows", "Rows of the month in the files of the export."),
        gauge(
            "github_usage_report_rejected_rows",
            "rejected",
            "Rows of the month that could not be read; their spend is missing.",
        ),
        gauge("github_usage_report_created_timestamp_seconds", "created", "When the export was made."),
        gauge(
            "github_usage_report_newest_day_timestamp_seconds",
            "newest",
            "The newest day with usage in the export, as its midnight UTC; GitHub books days late and corrects them.",
        ),
    ),
)
LISTED = Table(
    row=ExportCount,
    labels=("report_type", "status"),
    computed_from="usage_report_exports",
    families=(
        gauge("github_usage_report_exports", "exports", "Exports that GitHub lists; it keeps them for 31 days."),
    ),
)


def rows_of(ledger: Ledger, exports: Iterable[Export], now: float) -> Iterator[Row]:
    """The rows of both months, and of the exports that GitHub lists."""
    for kind, month, figures in ledger.months():
        yield from spend_rows(kind, month, figures["sums"])
        if not kind:
            yield MonthExport(month=month, figures=export_figures(figures, now))
    counts = Counter((export.report_type, export.status) for export in exports)
    for (report_type, status), count in counts.items():
        labels = {"report_type": label_text(report_type), "status": label_text(status)}
        yield ExportCount(**labels, figures={"exports": float(count)})


def spend_rows(
    kind: str, month: str, sums: Mapping[str, Iterable[tuple[Sequence[str], Sequence[str | Decimal]]]]
) -> Iterator[Row]:
    """The rows of one kind of spend in a month, by its sums: labels and amounts by breakdown."""
    for breakdown, groups in sums.items():
        table = SPEND.get((kind, breakdown))
        if table is None:
            continue
        for key, amounts in groups:
            labels = dict(zip(table.labels, (month, *key), strict=True))
            values = {amount: float(amounts[place]) for amount, place in PLACES.items()}
            yield table.row.model_validate({**labels, "figures": values})


def export_figures(figures: Mapping[str, Any], now: float) -> dict[str, float]:
    """The figures of `MONTHS`; no day is newer than today."""
    names = ("rows", "rejected", "created")
    values = {name: float(figures[name]) for name in names if figures.get(name) is not None}
    return values | ({"newest": epoch(min(figures["newest"], day_of(now)))} if figures["newest"] else {})
