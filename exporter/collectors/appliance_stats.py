"""Statistics of a GHES appliance, read from the appliance itself, which needs no GitHub Connect.

    github_appliance_total_users{appliance="ghes-eu"} 254
    github_appliance_security_active_committers{appliance="ghes-eu"} 30

https://docs.github.com/enterprise-server@latest/rest/enterprise-admin/admin-stats
"""

from exporter import worker
from exporter.catalogue import Calls, Collector, Permission
from exporter.collectors.reading.leaves import by_field, field_gauges, parsers_of, read_object
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.errors import Forbidden, Invalid, NotFound, Retired
from exporter.fetching import Api, Ask, Doubt, Fetched, Reply
from exporter.github.decoding import decode_json
from exporter.instants import HOUR
from exporter.tables import Figures, Table


class StatsRow(Figures):
    """The numbers of `/enterprise/stats/all`, by place, such as `hooks.total_hooks`."""


class SecurityRow(Figures):
    """The numbers of `/enterprise/stats/security-products`."""


TOTALS = Table(
    row=StatsRow,
    families=tuple(
        field_gauges(
            "github_appliance_",
            {
                "comments": {
                    "github_appliance_total_commit_comments": "Comments on commits.",
                    "github_appliance_total_gist_comments": "Comments on gists.",
                    "github_appliance_total_issue_comments": "Comments on issues.",
                    "github_appliance_total_pull_request_comments": "Comments on pull requests.",
                },
                "gists": {
                    "github_appliance_total_gists": "Gists, secret and public.",
                    "github_appliance_private_gists": "Secret gists.",
                    "github_appliance_public_gists": "Public gists.",
                },
                "hooks": {
                    "github_appliance_total_hooks": "Hooks, active and inactive.",
                    "github_appliance_active_hooks": "Active hooks.",
                    "github_appliance_inactive_hooks": "Inactive hooks.",
                },
                "issues": {
                    "github_appliance_total_issues": "Issues, open and closed.",
                    "github_appliance_open_issues": "Open issues.",
                    "github_appliance_closed_issues": "Closed issues.",
                },
                "milestones": {
                    "github_appliance_total_milestones": "Milestones, open and closed.",
                    "github_appliance_open_milestones": "Open milestones.",
                    "github_appliance_closed_milestones": "Closed milestones.",
                },
                "orgs": {
                    "github_appliance_total_orgs": "Organizations, enabled and disabled.",
                    "github_appliance_disabled_orgs": "Disabled organizations.",
                    "github_appliance_total_teams": "Teams.",
                    "github_appliance_total_team_members": "Team members.",
                },
                "pages": {"github_appliance_total_pages": "GitHub Pages sites."},
                "pulls": {
                    "github_appliance_total_pulls": "Pull requests.",
                    "github_appliance_merged_pulls": "Merged pull requests.",
                    "github_appliance_mergeable_pulls": "Pull requests that can be merged at present.",
                    "github_appliance_unmergeable_pulls": "Pull requests that cannot be merged at present.",
                },
                "repos": {
                    "github_appliance_total_repos": "Repositories, upstream ones and forks.",
                    "github_appliance_root_repos": "Upstream repositories.",
                    "github_appliance_fork_repos": "Forks.",
                    "github_appliance_org_repos": "Repositories that organizations own.",
                    "github_appliance_total_pushes": "Pushes to repositories.",
                    "github_appliance_total_wikis": "Wikis.",
                },
                "users": {
                    "github_appliance_total_users": "User accounts.",
                    "github_appliance_admin_users": "User accounts that are site administrators.",
                    "github_appliance_suspended_users": "User accounts that are suspended.",
                },
            },
        )
    ),
)

SECURITY = Table(
    row=SecurityRow,
    endpoints="/enterprise/stats/security-products",
    families=tuple(
        field_gauges(
            "github_appliance_security_",
            {
                "": {
                    "github_appliance_security_total_repos": "Repositories.",
                    "github_appliance_security_nonarchived_repos": "Repositories that are not archived.",
                    "github_appliance_security_secret_scanning_enabled_repos": (
                        "Repositories with secret scanning enabled."
                    ),
                    "github_appliance_security_secret_scanning_push_protection_enabled_repos": (
                        "Repositories with push protection of secret scanning enabled."
                    ),
                    "github_appliance_security_code_scanning_enabled_repos": "Repositories with code scanning enabled.",
                    "github_appliance_security_code_scanning_pr_reviews_enabled_repos": (
                        "Repositories with code scanning of pull requests enabled."
                    ),
                    "github_appliance_security_code_scanning_default_setup_enabled_repos": (
                        "Repositories with the default setup of code scanning enabled."
                    ),
                    "github_appliance_security_code_scanning_default_setup_eligible_repos": (
                        "Repositories that could have the default setup of code scanning."
                    ),
                    "github_appliance_security_dependabot_alerts_enabled_repos": (
                        "Repositories with Dependabot alerts enabled."
                    ),
                    "github_appliance_security_dependabot_security_updates_enabled_repos": (
                        "Repositories with Dependabot security updates enabled."
                    ),
                    "github_appliance_security_dependabot_version_updates_enabled_repos": (
                        "Repositories with Dependabot version updates enabled."
                    ),
                    "github_appliance_security_advanced_security_enabled_repos": (
                        "Repositories with GitHub Advanced Security enabled."
                    ),
                    "github_appliance_security_active_committers": "Active committers of GitHub Advanced Security.",
                    "github_appliance_security_purchased_committers": (
                        "Committers covered by the purchased licences of GitHub Advanced Security."
                    ),
                    "github_appliance_security_maximum_committers": (
                        "Active committers of GitHub Advanced Security if it were enabled everywhere."
                    ),
                    "github_appliance_security_secret_protection_licenses": "Licences of GitHub Secret Protection.",
                    "github_appliance_security_secret_protection_active_committers": (
                        "Active committers of GitHub Secret Protection."
                    ),
                    "github_appliance_security_code_security_licenses": "Licences of GitHub Code Security.",
                    "github_appliance_security_code_security_active_committers": (
                        "Active committers of GitHub Code Security."
                    ),
                }
            },
        )
    ),
)


NO_SECURITY = "the appliance gives no figures of security products, though it did before"


async def fetch(api: Api, ask: Ask) -> Fetched:
    """Read both endpoints. An appliance without security products, or of an older version, refuses the second."""
    unknown = UnknownFields()
    reply = await api.get("/enterprise/stats/all")
    totals, rejected = await worker.run(_read, reply, TOTALS, unknown)
    if not totals:
        raise Invalid("/enterprise/stats/all: none of the statistics is in the answer")
    try:
        reply = await api.get("/enterprise/stats/security-products")
    except (NotFound, Forbidden, Retired) as error:
        doubt = Doubt(SECURITY, f"{NO_SECURITY}: {error}")
        return Fetched((StatsRow(figures=totals),), rejected, float(ask.end), unknown=unknown, doubts=(doubt,))
    security, rejected_security = await worker.run(_read, reply, SECURITY, unknown)
    rows = (StatsRow(figures=totals), SecurityRow(figures=security))
    doubts = () if security else (Doubt(SECURITY, NO_SECURITY),)
    return Fetched(rows, rejected + rejected_security, float(ask.end), unknown=unknown, doubts=doubts)


def _read(reply: Reply, table: Table, unknown: UnknownFields) -> tuple[dict[str, float], int]:
    """The figures of a table by field, and how many could not be read. Raises `Invalid` if the body is no object."""
    item = decode_json(reply.body)
    if not isinstance(item, dict):
        raise Invalid(f"{table.endpoints or '/enterprise/stats/all'}: the answer is no object")
    reading = read_object(item, parsers_of(table))
    unknown.join(reading.unknown)
    for place in reading.others:
        unknown.add(reading.unknown_name(place))
    return by_field(reading.figures), reading.rejected


COLLECTOR = Collector(
    name="appliance_stats",
    scope="appliance",
    endpoint="/enterprise/stats/all",
    page="https://docs.github.com/enterprise-server@latest/rest/enterprise-admin/admin-stats",
    lateness="The appliance counts them when it is asked.",
    permission=Permission(classic="scope `site_admin`, of a site administrator of the appliance"),
    fetch=fetch,
    tables=(TOTALS, SECURITY),
    interval=HOUR / 4,
    max_age=2 * HOUR,
    calls=Calls(single=2),
)
