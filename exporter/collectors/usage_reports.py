"""What an enterprise spends: exact sums over the usage reports that GitHub exports, for this month and the one before.

    github_usage_report_gross_amount_usd{enterprise="acme-corp",month="2026-11",organization="acme",product="actions",…} 7.5
    github_usage_report_newest_day_timestamp_seconds{enterprise="acme-corp",month="2026-11"} 1763596800

The exports that there are get used; with `create` what is missing is made, once per month and interval. Their files are
read by a child process, so that no scrape waits for a million rows.

https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports
https://docs.github.com/enterprise-cloud@latest/billing/reference/billing-reports
"""  # noqa: E501 - an exposition line is not wrapped

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, create_model

from exporter.catalogue import HOUR, Api, Ask, Calls, Collector, Family, Fetched, Figures, Row, Table, gauge
from exporter.collecting.exporting import BREAKDOWNS, Kept, Run
from exporter.collecting.exports import Export
from exporter.collecting.reading import label_text
from exporter.settings import DownloadHosts, Whole

AMOUNTS = {"gross_amount_usd": 1, "net_amount_usd": 3, "discount_amount_usd": 2, "quantity": 0}
"""The families, and which of a row's sums they show; the first one ranks the rows."""

Group = Literal["organization", "product", "sku", "unit_type", "cost_center"]
GROUPS: tuple[Group, ...] = get_args(Group)
Breakdown = Literal["repository", "username", "model", "workflow_path"]
WORDS = {"repository": "repository", "username": "user", "model": "model", "workflow_path": "workflow"}
"""What a breakdown's families are called."""

FIRST_WORDS = {"": "", "ai_credit": "ai_credit_", "premium_request": "premium_request_"}
"""What the families of a report type begin with; "" is the one that feeds the spend."""


LONGEST_RUN = 1_200.0
"""Seconds: a gigabyte takes minutes to come."""


class Options(BaseModel):
    """Settings of this collector alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    create: bool = Field(default=False, description="Whether missing exports are made; that needs write permission.")
    report_type: Literal["summarized", "detailed"] = Field(
        default="summarized", description="Which export feeds the spend; user and workflow are in `detailed` only."
    )
    also: tuple[Literal["premium_request", "ai_credit"], ...] = Field(
        default=(), description="Other exports that `create` makes, too; without it they are read if they are there."
    )
    group_by: tuple[Group, ...] = Field(
        default=GROUPS, description="Labels by which spend is told apart; the others stay empty."
    )
    breakdowns: tuple[Breakdown, ...] = Field(
        default=(), description="Further families, by repository, username, model or workflow_path."
    )
    max_series: Annotated[Whole, Field(ge=1)] = Field(
        default=500, description="How many rows of a month have series of their own; the rest is summed as `other`."
    )
    download_hosts: DownloadHosts = Field(
        default=("*.blob.core.windows.net",),
        description="Hosts that exports are read from. Hosts of your own network, and plain http, only if named here "
        "literally.",
    )


HELP = {
    "quantity": "What was used, in units of unit_type, from the month's first day on.",
    "gross_amount_usd": "What was used at list price, before discounts, in US dollars, from the month's first day on.",
    "discount_amount_usd": "What of the gross amount is not charged: allowances of the plan, free use, discounts.",
    "net_amount_usd": "What is charged: gross less discount. 0 with use that a plan includes; see the gross amount.",
}


def spend(prefix: str, by: str = "") -> tuple[Family, ...]:
    """The four families of a kind of spend; what is summed of a month falls with the next one, so they are gauges."""
    text = f", by {by}" if by else ""
    return tuple(
        gauge(f"github_usage_report_{prefix}{amount}", amount, HELP[amount][:-1] + text + ".") for amount in AMOUNTS
    )


def table(prefix: str, breakdown: str = "") -> Table:
    """A kind of spend by its labels; its rows are of a class of their own."""
    labels = ("month", *GROUPS, *((breakdown,) if breakdown else ()))
    fields: dict[str, Any] = dict.fromkeys(labels, (str, ...))
    row = create_model(f"Spend {prefix}{breakdown}", __base__=Figures, **fields)
    word = f"{WORDS[breakdown]}_" if breakdown else ""
    other = (None, *("other" for _ in labels[1:]))
    return Table(row, spend(prefix + word, breakdown), labels, other=other, computed_from="the files of the export")


SPEND = {
    (kind, breakdown): table(FIRST_WORDS[kind], breakdown)
    for kind, breakdowns in BREAKDOWNS.items()
    for breakdown in ("", *breakdowns)
}


class Month(Figures):
    """The export behind a month's spend."""

    month: str


class Listed(Figures):
    """Exports of a type in a state."""

    report_type: str
    status: str


MONTHS = Table(
    row=Month,
    labels=("month",),
    computed_from="the export that feeds the spend",
    families=(
        gauge("github_usage_report_rows", "rows", "Rows of the month in the export's files."),
        gauge("github_usage_report_rejected_rows", "rejected", "Rows that could not be read; their spend is missing."),
        gauge("github_usage_report_created_timestamp_seconds", "created", "When the export was made."),
        gauge(
            "github_usage_report_newest_day_timestamp_seconds",
            "newest",
            "The newest day that the export has usage of, by its midnight UTC; days are booked late, and corrected.",
        ),
    ),
)
LISTED = Table(
    row=Listed,
    labels=("report_type", "status"),
    computed_from="usage_report_exports",
    families=(
        gauge("github_usage_report_exports", "exports", "Exports that GitHub lists; it keeps them for 31 days."),
    ),
)


def rows_of(kept: Kept, exports: Iterable[Export]) -> Iterator[Row]:
    """What is known of both months, and what GitHub lists."""
    for name, figures in kept.figures.items():
        kind, month = name.split(" ")
        for breakdown, rows in figures["sums"].items():
            if (kind, breakdown) not in SPEND:
                continue
            shown = SPEND[kind, breakdown]
            for key, amounts in rows:
                labels = dict(zip(shown.labels, (month, *key), strict=True))
                values = {amount: float(amounts[place]) for amount, place in AMOUNTS.items()}
                yield shown.row.model_validate({**labels, "figures": values})
        if not kind:
            told = {name: float(figures[name]) for name in ("rows", "rejected", "created") if figures[name] is not None}
            newest = {"newest": _midnight(figures["newest"])} if figures["newest"] else {}
            yield Month(month=month, figures={**told, **newest})
    counts: dict[tuple[str, str], int] = {}
    for export in exports:
        counts[export.report_type, export.status] = counts.get((export.report_type, export.status), 0) + 1
    for (report_type, status), count in counts.items():
        labels = {"report_type": label_text(report_type), "status": label_text(status)}
        yield Listed(**labels, figures={"exports": float(count)})


def newest_day(kept: Kept) -> float | None:
    """The newest day of the spend."""
    days = [one["newest"] for name, one in kept.figures.items() if name.startswith(" ") and one["newest"]]
    return _midnight(max(days)) if days else None


def _midnight(day: str) -> float:
    return float(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


async def fetch(api: Api, ask: Ask) -> Fetched:
    """One run; what it needs of earlier ones is remembered."""
    run = Run(api, ask, Kept.of(ask.memory.value))
    await run.update()
    rows = tuple(rows_of(run.kept, run.exports))
    fault = run.faults[0] if run.faults else None
    return Fetched(rows, run.rejected, newest_day(run.kept), again=run.again(), fault=fault)


COLLECTOR = Collector(
    name="usage_reports",
    scope="enterprise",
    endpoint="/enterprises/{enterprise}/settings/billing/reports",
    page="https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports",
    lateness="Usage is booked within a day or two, and corrected later; the newest day is told.",
    needs=(
        "classic token with the scope `manage_billing:enterprise` of an enterprise owner or billing manager, or a "
        "GitHub App installed on the enterprise with enterprise billing (read); `create: true` needs write"
    ),
    accepts=("classic", "app"),
    fetch=fetch,
    tables=(*SPEND.values(), MONTHS, LISTED),
    interval=6 * HOUR,
    max_age=72 * HOUR,
    options=Options,
    calls=Calls(single=2),
    deadline=LONGEST_RUN,
)
