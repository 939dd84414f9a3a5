"""The metrics of server statistics: the classes of rows, and the tables that they fill. Pure data."""

from exporter.collectors.reading.leaves import field_gauges
from exporter.instants import DAY
from exporter.tables import Figures, Table, gauge, info

MOST_OTHERS = 50
"""How many numbers of one appliance `github_server_statistics_other` shows at most."""

KEPT_FOR = 31 * DAY
"""Seconds for which an appliance that stopped sending is still shown, with the time of its last collection."""


class OfServer(Figures):
    """A row of one appliance; `collected` is in epoch seconds, None if GitHub gives no readable date."""

    server_id: str
    collected: float | None


class Server(OfServer):
    """An appliance's numbers, by their place in the record, such as `ghe_stats.hooks.total_hooks`."""


class Collected(OfServer):
    """When the appliance collected its newest statistics."""


class About(OfServer):
    """An appliance's host name and versions."""

    host_name: str
    ghes_version: str
    schema_version: str


class Feature(OfServer):
    """A feature of GitHub Connect that is enabled."""

    feature: str


class Registry(OfServer):
    """One of the two package registries."""

    registry: str


class Ecosystem(OfServer):
    """The packages of an ecosystem, such as npm."""

    ecosystem: str


class EcosystemState(OfServer):
    """One of the states that an ecosystem can be in."""

    ecosystem: str
    state: str


class Other(OfServer):
    """A number without a family of its own."""

    leaf: str


NUMBERS = Table(
    row=Server,
    labels=("server_id",),
    families=(
        *field_gauges(
            "github_server_statistics_",
            {
                "ghe_stats.comments": {
                    "github_server_statistics_total_commit_comments": "Comments on commits.",
                    "github_server_statistics_total_gist_comments": "Comments on gists.",
                    "github_server_statistics_total_issue_comments": "Comments on issues.",
                    "github_server_statistics_total_pull_request_comments": "Comments on pull requests.",
                },
                "ghe_stats.gists": {
                    "github_server_statistics_total_gists": "Gists, secret and public.",
                    "github_server_statistics_private_gists": "Secret gists.",
                    "github_server_statistics_public_gists": "Public gists.",
                },
                "ghe_stats.hooks": {
                    "github_server_statistics_total_hooks": "Pre-receive hooks, active and inactive.",
                    "github_server_statistics_active_hooks": "Active pre-receive hooks.",
                    "github_server_statistics_inactive_hooks": "Inactive pre-receive hooks.",
                },
                "ghe_stats.issues": {
                    "github_server_statistics_total_issues": "Issues, open and closed.",
                    "github_server_statistics_open_issues": "Open issues.",
                    "github_server_statistics_closed_issues": "Closed issues.",
                },
                "ghe_stats.milestones": {
                    "github_server_statistics_total_milestones": "Milestones, open and closed.",
                    "github_server_statistics_open_milestones": "Open milestones.",
                    "github_server_statistics_closed_milestones": "Closed milestones.",
                },
                "ghe_stats.orgs": {
                    "github_server_statistics_total_orgs": "Organizations, enabled and disabled.",
                    "github_server_statistics_disabled_orgs": "Disabled organizations.",
                    "github_server_statistics_total_teams": "Teams.",
                    "github_server_statistics_total_team_members": "Team members.",
                },
                "ghe_stats.pages": {"github_server_statistics_total_pages": "GitHub Pages sites."},
                "ghe_stats.pulls": {
                    "github_server_statistics_total_pulls": "Pull requests.",
                    "github_server_statistics_merged_pulls": "Merged pull requests.",
                    "github_server_statistics_mergeable_pulls": "Pull requests that can be merged at present.",
                    "github_server_statistics_unmergeable_pulls": "Pull requests that cannot be merged at present.",
                },
                "ghe_stats.repos": {
                    "github_server_statistics_total_repos": "Repositories, upstream ones and forks.",
                    "github_server_statistics_root_repos": "Upstream repositories.",
                    "github_server_statistics_fork_repos": "Forks.",
                    "github_server_statistics_org_repos": "Repositories that organizations own.",
                    "github_server_statistics_total_pushes": "Pushes to repositories.",
                    "github_server_statistics_total_wikis": "Wikis.",
                },
                "ghe_stats.users": {
                    "github_server_statistics_total_users": "User accounts.",
                    "github_server_statistics_admin_users": "User accounts that are site administrators.",
                    "github_server_statistics_suspended_users": "User accounts that are suspended.",
                },
                "dormant_users": {"github_server_statistics_total_dormant_users": "Dormant user accounts."},
                "actions_stats": {
                    "github_server_statistics_number_of_repos_using_actions": "Repositories that use GitHub Actions."
                },
            },
        ),
        gauge(
            "github_server_statistics_dormancy_threshold_seconds",
            "dormant_users.dormancy_threshold",
            "How long a user must be inactive to be considered dormant.",
        ),
        gauge(
            "github_server_statistics_repos_using_actions_ratio",
            "actions_stats.percentage_of_repos_using_actions",
            "Share of the repositories that use GitHub Actions, 0 to 1.",
        ),
    ),
    dated="collected",
)

COLLECTED = Table(
    row=Collected,
    labels=("server_id",),
    families=(
        gauge(
            "github_server_statistics_collection_timestamp_seconds",
            "collection_date",
            "When the appliance collected its newest statistics; kept 31 days, so that a silent appliance is noticed.",
        ),
    ),
    dated="collected",
    stays=KEPT_FOR,
)

ABOUT = Table(
    row=About,
    labels=("server_id", "host_name", "ghes_version", "schema_version"),
    display=("host_name", "ghes_version", "schema_version"),
    families=(
        info(
            "github_server_statistics_info", "The appliance's host name and versions; join it on account and server_id."
        ),
    ),
    dated="collected",
    stays=KEPT_FOR,
)

FEATURES = Table(
    row=Feature,
    labels=("server_id", "feature"),
    families=(
        gauge(
            "github_server_statistics_connect_feature",
            "github_connect.features_enabled",
            "1 for each feature of GitHub Connect that is enabled for the appliance.",
        ),
    ),
    dated="collected",
)

PACKAGE_REGISTRIES = Table(
    row=Registry,
    labels=("server_id", "registry"),
    computed_from="packages_stats.registry_enabled and packages_stats.registry_v2_enabled",
    families=(
        gauge(
            "github_server_statistics_package_registry_enabled",
            "enabled",
            "1 if GitHub Packages is enabled, else 0; v1 has repository-scoped packages, v2 granular permissions.",
        ),
    ),
    dated="collected",
)

PACKAGES = Table(
    row=Ecosystem,
    labels=("server_id", "ecosystem"),
    families=(
        gauge(
            "github_server_statistics_published_packages",
            "published_packages_count",
            "Published packages or images of the ecosystem: private, public and internal.",
        ),
        gauge("github_server_statistics_private_packages", "private_packages_count", "Private packages or images."),
        gauge("github_server_statistics_public_packages", "public_packages_count", "Public packages or images."),
        gauge("github_server_statistics_internal_packages", "internal_packages_count", "Internal packages or images."),
        gauge("github_server_statistics_user_packages", "user_packages_count", "Packages or images that users own."),
        gauge(
            "github_server_statistics_organization_packages",
            "organization_packages_count",
            "Packages or images that organizations own.",
        ),
        gauge(
            "github_server_statistics_daily_download",
            "daily_download_count",
            "Downloads of packages or images in the 24 hours before the collection.",
        ),
        gauge(
            "github_server_statistics_daily_update",
            "daily_update_count",
            "Packages or images that were updated in the 24 hours before the collection.",
        ),
        gauge(
            "github_server_statistics_daily_delete",
            "daily_delete_count",
            "Packages or images that were deleted in the 24 hours before the collection.",
        ),
        gauge(
            "github_server_statistics_daily_create",
            "daily_create_count",
            "Packages or images that were created in the 24 hours before the collection.",
        ),
    ),
    dated="collected",
)

ECOSYSTEM_STATES = Table(
    row=EcosystemState,
    labels=("server_id", "ecosystem", "state"),
    computed_from="packages_stats.ecosystems.enabled",
    families=(
        gauge(
            "github_server_statistics_package_ecosystem_state",
            "enabled",
            "1 for the state that the ecosystem is in, 0 for the others: true (enabled), false or readonly.",
        ),
    ),
    dated="collected",
)

OTHERS = Table(
    row=Other,
    labels=("server_id", "leaf"),
    computed_from="any other number of a record",
    families=(
        gauge(
            "github_server_statistics_other",
            "number",
            f"A number without a metric of its own, by GitHub's name; at most {MOST_OTHERS} per appliance.",
        ),
    ),
    dated="collected",
)

TABLES = (NUMBERS, COLLECTED, ABOUT, FEATURES, PACKAGE_REGISTRIES, PACKAGES, ECOSYSTEM_STATES, OTHERS)
