"""What a GHES appliance counts of itself, asked of the appliance: for those who run it without GitHub Connect.

    github_appliance_total_users{appliance="ghes-eu"} 254
    github_appliance_security_active_committers{appliance="ghes-eu"} 30

https://docs.github.com/enterprise-server@latest/rest/enterprise-admin/admin-stats
"""

from exporter.catalogue import HOUR, Api, Ask, Calls, Collector, Fetched, Figures, Reply, Table
from exporter.collecting.leaves import by_field, known_of, leaves, sort_out
from exporter.collecting.reading import decode_json
from exporter.github.errors import Forbidden, Invalid, NotFound, Retired


class Totals(Figures):
    """The numbers of `/enterprise/stats/all`, by their place."""


class Security(Figures):
    """The numbers of `/enterprise/stats/security-products`."""


TOTALS = Table(
    row=Totals,
    families=tuple(
        leaves(
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
    row=Security,
    endpoints="/enterprise/stats/security-products",
    families=tuple(
        leaves(
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
                        "Committers that licences of GitHub Advanced Security were bought for."
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


async def fetch(api: Api, ask: Ask) -> Fetched:
    """Two calls. An appliance that has no security products, or is too old to tell of them, gives the first alone."""
    totals, rejected = _read(await api.get("/enterprise/stats/all"), TOTALS)
    if not totals:
        raise Invalid("/enterprise/stats/all: none of the statistics is in the answer")
    try:
        reply = await api.get("/enterprise/stats/security-products")
    except (NotFound, Forbidden, Retired):
        return Fetched((Totals(figures=totals),), rejected, float(ask.end))
    security, more = _read(reply, SECURITY)
    return Fetched((Totals(figures=totals), Security(figures=security)), rejected + more, float(ask.end))


def _read(reply: Reply, table: Table) -> tuple[dict[str, float], int]:
    """The figures of an object, and how many values are unknown or no use; `Invalid` if it is none."""
    item = decode_json(reply.body)
    if not isinstance(item, dict):
        raise Invalid(f"{table.endpoints or '/enterprise/stats/all'}: the answer is no object")
    found = sort_out(item, known_of(table))
    return by_field(found.figures), found.rejected + len(found.others)


COLLECTOR = Collector(
    name="appliance_stats",
    scope="appliance",
    endpoint="/enterprise/stats/all",
    page="https://docs.github.com/enterprise-server@latest/rest/enterprise-admin/admin-stats",
    lateness="As the appliance counts them when it is asked.",
    needs="classic token of a site administrator of the appliance, with the scope site_admin",
    fetch=fetch,
    tables=(TOTALS, SECURITY),
    interval=HOUR / 4,
    max_age=2 * HOUR,
    accepts=("classic",),
    calls=Calls(single=2),
)
