"""Copilot usage on the newest complete day, by organization and by enterprise.

    github_copilot_organization_daily_active_users{organization="acme"} 120
    github_copilot_enterprise_ide_loc_added{enterprise="acme-corp",ide="vscode"} 8100
    github_copilot_organization_report_day_timestamp_seconds{organization="acme"} 1763337600

GitHub answers with signed links to the files of a day. The day shown is the newest of three, two to four days ago, that
GitHub has finished, else the newest with usage. Its numbers may change for three days, so every run reads it again.
Rows of single users are not exported.

https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-usage-metrics
"""

from typing import Literal

from pydantic import Field

from exporter.catalogue import Calls, Collector, Permission, Scope
from exporter.collectors.copilot_usage.families import TABLES_OF_ENTERPRISE, TABLES_OF_ORGANIZATION
from exporter.collectors.copilot_usage.newest_day import fetch_newest_day, fetch_past_day
from exporter.collectors.reading.daily_reports import FIRST_DAY, LONGEST, LOOK_BACK, SHOWN_AFTER
from exporter.fetching import Api, Ask, Fetched
from exporter.instants import DAY, HOUR
from exporter.lateness import STATUS_PAGE, Late
from exporter.options import BoundedOptions, DownloadHosts
from exporter.past import Part, Past, PastAnswer
from exporter.tables import Table

Breakdown = Literal[
    "ide",
    "feature",
    "pull_requests",
    "model_feature",
    "language_feature",
    "language_model",
    "cli",
    "copilot_app",
    "third_party_agent",
    "ai_adoption_phase",
    "vscode_agent",
    "skill",
    "custom_agent",
    "mcp",
    "slash_cmd",
    "plugin",
    "feature_engagement",
]


# copilot-reports.github.com and copilot-reports.SUBDOMAIN.ghe.com, blob storage while GitHub's front door is down, and
# azurefd.net as before: https://github.blog/changelog/ of 2026-05-20.
HOSTS = ("*.github.com", "*.ghe.com", "*.blob.core.windows.net", "*.b01.azurefd.net")


class Options(BoundedOptions):
    """The collector's own settings."""

    breakdowns: tuple[Breakdown, ...] = Field(
        default=(
            "ide",
            "feature",
            "pull_requests",
            "vscode_agent",
            "skill",
            "custom_agent",
            "mcp",
            "slash_cmd",
            "plugin",
            "feature_engagement",
        ),
        description="What is shown besides the day's totals; there are also model_feature, language_feature, "
        "language_model, cli, copilot_app, third_party_agent and ai_adoption_phase. feature_engagement reads a second "
        "report, of 28 days.",
    )
    download_hosts: DownloadHosts = Field(
        default=HOSTS,
        description="Hosts that report files are downloaded from. A host of your own network, or plain http, must be "
        "named literally.",
    )


def _collector(scope: Scope, reports: str, tables: tuple[Table, ...], permission: Permission, anchor: str) -> Collector:
    """The collector of a scope; `reports` is the path of its reports, without the period."""

    async def fetch(api: Api, ask: Ask) -> Fetched:
        return await fetch_newest_day(api, ask, reports.format(ask.target), tables)

    async def fetch_past(api: Api, ask: Ask, part: Part) -> PastAnswer:
        return await fetch_past_day(api, ask, part, reports.format(ask.target))

    async def has_any(api: Api, ask: Ask) -> object:
        return await api.get(f"{reports.format(ask.target)}-28-day/latest")

    return Collector(
        name="copilot_usage",
        scope=scope,
        endpoint=f"{reports.format(f'{{{scope}}}')}-1-day",
        page=f"https://docs.github.com/enterprise-cloud@latest/rest/copilot/copilot-usage-metrics#{anchor}",
        lateness="GitHub finishes a day within two days, and its numbers settle within three.",
        permission=permission,
        fetch=fetch,
        tables=tables,
        interval=6 * HOUR,
        max_age=72 * HOUR,
        options=Options,
        calls=Calls(single=3),
        past=Past(
            fetch_past,
            "day",
            LOOK_BACK,
            first_day=FIRST_DAY[scope],
            shown_after=SHOWN_AFTER,
            longest=LONGEST,
            has_any=has_any,
        ),
        late=Late(5.5 * DAY, f"Look at {STATUS_PAGE} and at the policy for Copilot usage metrics."),
        nothing=(
            "GitHub has no report of the last 28 days. Look whether anybody uses Copilot there, and whether the policy "
            "“Copilot usage metrics” is enabled everywhere"
        ),
    )


POLICY = "the policy “Copilot usage metrics” enabled everywhere"

COLLECTOR = _collector(
    "organization",
    "/orgs/{}/copilot/metrics/reports/organization",
    TABLES_OF_ORGANIZATION,
    Permission(
        app="organization permission “Organization Copilot metrics” (read)",
        classic="scope `read:org`",
        besides=f"an owner, or the role permission “View Organization Copilot Metrics”; {POLICY}",
        granted=("organization_copilot_metrics",),
    ),
    "get-copilot-organization-usage-metrics-for-a-specific-day",
)
OF_ENTERPRISE = _collector(
    "enterprise",
    "/enterprises/{}/copilot/metrics/reports/enterprise",
    TABLES_OF_ENTERPRISE,
    Permission(
        app="enterprise permission “Enterprise Copilot metrics” (read)",
        classic="scope `manage_billing:copilot` or `read:enterprise`",
        besides=f"an enterprise owner, a billing manager, or “View Enterprise Copilot Metrics”; {POLICY}",
        granted=("enterprise_copilot_metrics",),
    ),
    "get-copilot-enterprise-usage-metrics-for-a-specific-day",
)
