"""Pull requests and times to review of the newest complete day, by repository: what Copilot does in each.

    github_copilot_organization_repository_pull_requests_total_merged{organization="acme",repository="acme/api"} 3
    github_copilot_organization_repository_review_time_median_seconds{…,phase="ready_to_first_review"} 2520

Off by default: every repository with a pull request on the day is a row.

Its past is GitHub's report of each day of a year, of which each is shown until there is a newer one with figures.

https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-usage-metrics
"""

from functools import partial

from pydantic import Field

from exporter import worker
from exporter.catalogue import Calls, Collector, Permission, Scope
from exporter.collectors import copilot_usage
from exporter.collectors.copilot_repositories.families import TABLES_OF_ENTERPRISE, TABLES_OF_ORGANIZATION
from exporter.collectors.copilot_repositories.repositories import RepositoriesOfDay
from exporter.collectors.reading.daily_reports import (
    FIRST_DAY,
    LOOK_BACK,
    SHOWN_AFTER,
    fetched_day,
    find_day,
    read_past_day,
)
from exporter.collectors.reading.record_files import RecordFile
from exporter.collectors.reading.signed_reports import Source, read_report
from exporter.fetching import Api, Ask, Fetched
from exporter.instants import DAY, HOUR
from exporter.lateness import STATUS_PAGE, Late
from exporter.options import BoundedOptions, DownloadHosts
from exporter.past import Part, Past, PastAnswer
from exporter.tables import Table

MOST_BYTES = 256 * 1024 * 1024


class Options(BoundedOptions):
    """The collector's own settings."""

    download_hosts: DownloadHosts = Field(
        default=copilot_usage.HOSTS,
        description="Hosts that report files are downloaded from. A host of your own network, or plain http, must be "
        "named literally.",
    )


def _collector(scope: Scope, reports: str, tables: tuple[Table, ...], permission: Permission, anchor: str) -> Collector:
    """The collector of a scope; `reports` is the path of its reports."""

    async def read(api: Api, ask: Ask, day: str) -> RepositoriesOfDay:
        path = f"{reports.format(ask.target)}/repos-1-day"
        source = Source(path, {"day": day}, ask.options.download_hosts, MOST_BYTES)
        return await read_report(api, source, partial(RepositoriesOfDay, day), lambda into: RecordFile(into.take))

    async def has_any(api: Api, ask: Ask) -> object:
        return await api.get(f"{reports.format(ask.target)}/{scope}-28-day/latest")

    async def fetch(api: Api, ask: Ask) -> Fetched:
        found = await find_day(ask, partial(read, api, ask), partial(has_any, api, ask))
        rows = await worker.run(tuple, found.reading.rows()) if found.reading else ()
        return fetched_day(ask, found, rows, found.reading.unknown if found.reading else {}, tables)

    async def fetch_past(api: Api, ask: Ask, part: Part) -> PastAnswer:
        return await read_past_day(part, partial(read, api, ask), RepositoriesOfDay.rows)

    return Collector(
        name="copilot_repositories",
        scope=scope,
        endpoint=f"{reports.format(f'{{{scope}}}')}/repos-1-day",
        page=f"https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-usage-metrics#{anchor}",
        lateness="GitHub finishes a day within two days, and its numbers settle within three.",
        permission=permission,
        fetch=fetch,
        tables=tables,
        interval=6 * HOUR,
        max_age=72 * HOUR,
        enabled=False,
        options=Options,
        calls=Calls(single=1),
        past=Past(fetch_past, "day", LOOK_BACK, first_day=FIRST_DAY[scope], shown_after=SHOWN_AFTER, has_any=has_any),
        late=Late(5.5 * DAY, f"Look at {STATUS_PAGE} and at the policy for Copilot usage metrics."),
        nothing=(
            "GitHub has no report of pull requests by repository of the last days. Look whether there was any, and "
            "whether the policy “Copilot usage metrics” is enabled everywhere"
        ),
    )


COLLECTOR = _collector(
    "organization",
    "/orgs/{}/copilot/metrics/reports",
    TABLES_OF_ORGANIZATION,
    copilot_usage.COLLECTOR.permission,
    "get-copilot-organization-repository-report-for-a-specific-day",
)
OF_ENTERPRISE = _collector(
    "enterprise",
    "/enterprises/{}/copilot/metrics/reports",
    TABLES_OF_ENTERPRISE,
    copilot_usage.OF_ENTERPRISE.permission,
    "get-copilot-enterprise-repository-report-for-a-specific-day",
)
