"""Statistics that GHES appliances send once a day to an enterprise account or organization in the cloud.

    github_server_statistics_total_users{account="acme-corp",server_id="ea6088f3-…"} 2000
    github_server_statistics_published_packages{account="acme-corp",server_id="ea6088f3-…",ecosystem="npm"} 24
    github_server_statistics_info{account="acme-corp",server_id="ea6088f3-…",host_name="github.example.com",…} 1

The newest record of each appliance is exported, and withdrawn by its own date, so that an appliance that stopped
sending does not look current. A value that is missing or differs from its documented type is absent.

A year of 20 appliances is 7,300 records in one answer without pages; `newest.py` reads it record by record,
`record.py` reads a record into rows, `families.py` has the metrics.

https://docs.github.com/enterprise-cloud@latest/rest/enterprise-admin/admin-stats#get-github-enterprise-server-statistics
"""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import Field

from exporter import worker
from exporter.catalogue import Collector, Permission
from exporter.collectors.server_statistics.families import TABLES
from exporter.collectors.server_statistics.newest import NewestRecords
from exporter.errors import Refused
from exporter.fetching import Api, Ask, Fetched
from exporter.instants import DAY, HOUR
from exporter.lateness import Late
from exporter.options import CollectorOptions, QueryDate

MOST_BYTES = 256 * 1024 * 1024
"""The most bytes of a page, which is never complete in memory: a year of 200 appliances."""


class Options(CollectorOptions):
    """The collector's own settings."""

    organizations: bool = Field(
        default=False, description="Whether organizations are asked, too: for appliances connected to one."
    )
    date_start: QueryDate = Field(
        default="", description="Sent to GitHub as it is, if set; taken out where GitHub refuses it."
    )
    date_end: QueryDate = Field(
        default="", description="Sent to GitHub as it is, if set; taken out where GitHub refuses it."
    )


async def fetch(api: Api, ask: Ask) -> Fetched:
    """Read all pages. If GitHub refuses the dates, repeat the request without them."""
    path = f"/enterprise-installation/{ask.target}/server-statistics"
    options = {"date_start": ask.options.date_start, "date_end": ask.options.date_end}
    dates = {name: date for name, date in options.items() if date}
    try:
        return await _read(api, path, dates, ask.end)
    except Refused:
        if not dates:
            raise
    return await _read(api, path, {}, ask.end)


async def _read(api: Api, path: str, dates: Mapping[str, str], now: float) -> Fetched:
    newest = NewestRecords(now)
    async for _page in api.stream(path, {**dates}, newest.take, MOST_BYTES):
        await worker.run(newest.end_page)
    return await worker.run(newest.fetched)


COLLECTOR = Collector(
    name="server_statistics",
    scope="enterprise",
    endpoint="/enterprise-installation/{enterprise_or_org}/server-statistics",
    page=(
        "https://docs.github.com/enterprise-cloud@latest/rest/enterprise-admin/admin-stats"
        "#get-github-enterprise-server-statistics"
    ),
    lateness="Appliances collect and send it once a day; it is up to 2 days old.",
    permission=Permission(
        classic="scope `read:enterprise` (appliances connected to an enterprise account) or `read:org` (appliances "
        "connected to an organization), of an owner"
    ),
    fetch=fetch,
    tables=TABLES,
    interval=6 * HOUR,
    max_age=3 * DAY,
    options=Options,
    target_label="account",
    late=Late(3 * DAY, "No appliance sends any more: look at GitHub Connect and Server Statistics on the appliances."),
)

OF_ORGANIZATION = replace(COLLECTOR, scope="organization", switch="organizations")
