"""Spend of an enterprise: exact sums over the usage reports that GitHub exports, for this month and the last one.

    github_usage_report_gross_amount_usd{enterprise="acme-corp",month="2026-11",organization="acme",product="actions",…} 7.5
    github_usage_report_newest_day_timestamp_seconds{enterprise="acme-corp",month="2026-11"} 1763596800

The collector reads the exports that GitHub lists; with `create` it requests missing ones, once per month and interval.
A child process reads their files, so that no scrape waits for a million rows.

https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports
https://docs.github.com/enterprise-cloud@latest/billing/reference/billing-reports
"""  # noqa: E501 - an exposition line is not wrapped

from typing import Literal

from pydantic import Field

from exporter import worker
from exporter.catalogue import Calls, Collector, Permission
from exporter.collectors.reading.days import BOOKED_AFTER
from exporter.collectors.usage_reports.exporting import Run
from exporter.collectors.usage_reports.ledger import Ledger
from exporter.collectors.usage_reports.past import PAST
from exporter.collectors.usage_reports.tables import GROUPS, LISTED, MONTHS, SPEND, Group, rows_of
from exporter.fetching import Api, Ask, Fetched
from exporter.instants import DAY, HOUR, epoch
from exporter.lateness import Late
from exporter.options import BoundedOptions, DownloadHosts

Breakdown = Literal["repository", "username", "model", "workflow_path"]

LONGEST_RUN = 1_200.0
"""Seconds: the download of a gigabyte takes minutes."""


class Options(BoundedOptions):
    """The collector's own settings."""

    create: bool = Field(
        default=False, description="Whether to request missing exports; the permission to read suffices."
    )
    report_type: Literal["summarized", "detailed"] = Field(
        default="summarized", description="Which export feeds the spend; user and workflow are in `detailed` only."
    )
    also: tuple[Literal["premium_request", "ai_credit"], ...] = Field(
        default=(), description="Further exports that `create` requests; without it they are read if they exist."
    )
    group_by: tuple[Group, ...] = Field(
        default=GROUPS, description="Labels that spend is summed by; the others stay empty."
    )
    breakdowns: tuple[Breakdown, ...] = Field(
        default=(), description="Further families, by repository, username, model or workflow_path."
    )
    download_hosts: DownloadHosts = Field(
        # Observed; GitHub documents none: https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports
        default=("*.blob.core.windows.net",),
        description="Hosts that exports are downloaded from. A host of your own network, or plain http, must be named "
        "literally.",
    )


def known_until(ledger: Ledger, now: float) -> float | None:
    """Until when the spend is known: its newest day, or later if a newer export shows that there was no usage since."""
    figures = [figures for kind, _, figures in ledger.months() if not kind]
    days = [epoch(month["newest"]) for month in figures if month["newest"]]
    booked = [month["created"] - BOOKED_AFTER for month in figures if month["created"]]
    return min(now, max([*days, *booked])) if days or booked else None


async def fetch(api: Api, ask: Ask) -> Fetched:
    """List the exports, create missing ones, sum up new ones."""
    run = Run(api, ask, Ledger.from_memory(ask.memory.value))
    await run.update()
    rows = await worker.run(lambda: tuple(rows_of(run.ledger, run.exports, run.now)))
    return Fetched(
        rows,
        run.rejected,
        known_until(run.ledger, run.now),
        again=run.next_poll(),
        fault=run.faults[0] if run.faults else None,
        unknown=run.unknown,
        note=". ".join(run.notes()),
    )


COLLECTOR = Collector(
    name="usage_reports",
    scope="enterprise",
    endpoint="/enterprises/{enterprise}/settings/billing/reports",
    page="https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports",
    lateness="GitHub books usage within a day or two, and corrects it later; the newest day has a metric.",
    permission=Permission(
        app="enterprise permission “Enterprise billing” (read)",
        classic="scope `manage_billing:enterprise`, of an enterprise owner, a billing manager or a user with a custom "
        "role that reads enterprise billing",
        besides="an App must be installed on the enterprise; `create: true` needs no more",
        fine_grained=False,
    ),
    fetch=fetch,
    tables=(*SPEND.values(), MONTHS, LISTED),
    interval=6 * HOUR,
    max_age=72 * HOUR,
    options=Options,
    calls=Calls(single=2),
    deadline=LONGEST_RUN,
    late=Late(
        4 * DAY,
        "No newer export covers the month: let somebody make one, or set collectors.usage_reports.create: true.",
    ),
    past=PAST,
    names_in_memory="figures",
)
