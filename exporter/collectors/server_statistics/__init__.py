"""Statistics that GHES appliances send once a day to an enterprise account or organization in the cloud.

    github_server_statistics_total_users{account="acme-corp",server_id="ea6088f3-…"} 2000
    github_server_statistics_published_packages{account="acme-corp",server_id="ea6088f3-…",ecosystem="npm"} 24
    github_server_statistics_info{account="acme-corp",server_id="ea6088f3-…",host_name="github.example.com",…} 1

The newest record of each appliance is exported, and withdrawn by its own date, so that an appliance that stopped
sending does not look current. A value that is missing or differs from its documented type is absent.

Its past is the record of each appliance and day, of the year that GitHub answers with; each is shown until the next.

A year of 20 appliances is 7,300 records in one answer without pages; `pages.py` reads it record by record, of which
`newest.py` keeps the newest and `past.py` all; `record.py` reads a record into rows, `families.py` has the metrics.

https://docs.github.com/enterprise-cloud@latest/rest/enterprise-admin/admin-stats#get-github-enterprise-server-statistics
"""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import Field

from exporter import worker
from exporter.catalogue import Collector, Permission
from exporter.collectors.server_statistics.families import TABLES
from exporter.collectors.server_statistics.newest import NewestRecords
from exporter.collectors.server_statistics.pages import Pages
from exporter.collectors.server_statistics.past import REACH, fetch_records
from exporter.errors import Refused
from exporter.fetching import Api, Ask, Fetched
from exporter.instants import DAY, HOUR
from exporter.lateness import Late
from exporter.options import CollectorOptions, QueryDate
from exporter.past import Part, Past, PastAnswer


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


PATH = "/enterprise-installation/{}/server-statistics"


async def fetch(api: Api, ask: Ask) -> Fetched:
    """Read all pages. If GitHub refuses the dates, repeat the request without them."""
    options = {"date_start": ask.options.date_start, "date_end": ask.options.date_end}
    dates = {name: date for name, date in options.items() if date}
    try:
        return await _read(api, ask, dates)
    except Refused:
        if not dates:
            raise
    return await _read(api, ask, {})


async def _read(api: Api, ask: Ask, dates: Mapping[str, str]) -> Fetched:
    newest = NewestRecords()
    pages = Pages(ask.end, newest.add)
    await pages.read(api, PATH.format(ask.target), dates)
    return await worker.run(lambda: newest.fetched(ask.end, pages.rejected))


async def fetch_past(api: Api, ask: Ask, part: Part) -> PastAnswer:
    """Read the records of the whole time."""
    return await fetch_records(api, ask, part, PATH.format(ask.target))


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
    past=Past(fetch_past, "whole", REACH, requests=2),
    tables=TABLES,
    interval=6 * HOUR,
    max_age=3 * DAY,
    options=Options,
    target_label="account",
    late=Late(3 * DAY, "No appliance sends any more: look at GitHub Connect and Server Statistics on the appliances."),
)

OF_ORGANIZATION = replace(COLLECTOR, scope="organization", switch="organizations")
