"""GHES: the fleet of appliances, its growth, dormant users, packages, security."""

from grafana.board import Board, Row, choices
from grafana.links import cell, to
from grafana.panels import PLAIN, Column, Steps, bars, stat, table, timeseries

USERS = "github_server_statistics_total_users"
DORMANT = "github_server_statistics_total_dormant_users"
REPOS = "github_server_statistics_total_repos"
WITH_ACTIONS = "github_server_statistics_number_of_repos_using_actions"
COLLECTED = "github_server_statistics_collection_timestamp_seconds"
INFO = "topk by (account, server_id) (1, github_server_statistics_info)"
COMMITTERS = "github_appliance_security_active_committers"
BOUGHT = "github_appliance_security_purchased_committers"
WATCHED = "github_appliance_security_secret_scanning_enabled_repos"
AGE: Steps = ((None, "green"), (172_800, "orange"), (259_200, "red"))
DORMANCY: Steps = ((None, "green"), (0.2, "orange"), (0.4, "red"))
LICENCES: Steps = ((None, "green"), (0.8, "orange"), (1, "red"))
COVERAGE: Steps = ((None, "red"), (0.5, "orange"), (0.8, "green"))
HOST = "{{host_name}}"


def named(query: str) -> str:
    """By appliance, with its host name and version."""
    return (
        f"max by (account, server_id) ({query}) * on (account, server_id) group_left (host_name, ghes_version) {INFO}"
    )


def share(part: str, whole: str) -> str:
    """The share over all appliances that report both."""
    return f"sum({part}) / (sum({whole} and on (account, server_id) {part}) > 0)"


def covered(product: str) -> str:
    """Share of the repositories in which a security product is enabled, labelled with its name."""
    enabled = f"github_appliance_security_{product}_enabled_repos"
    total = f"(sum(github_appliance_security_total_repos and on (appliance) {enabled}) > 0)"
    return f'label_replace(sum({enabled}) / {total}, "product", "{product.replace("_", " ")}", "", "")'


PRODUCTS = (
    "secret_scanning",
    "secret_scanning_push_protection",
    "code_scanning",
    "dependabot_alerts",
    "dependabot_security_updates",
    "advanced_security",
)

GHES = Board(
    name="ghes",
    title="GitHub Enterprise / GHES",
    description="The fleet of GitHub Enterprise Server appliances: how large, how fast it grows, who does not use "
    "it, what is in its "
    "package registries, and what is protected. Appliances send their statistics once a day.",
    since="now-7d",
    variables=(
        choices("account", "Account (GitHub Connect)", "github_server_statistics_info"),
        choices("appliance", "Appliance (read directly)", "github_appliance_total_users"),
    ),
    rows=(
        Row(
            "How large is the fleet, and do all appliances report?",
            (
                stat(
                    "Appliances",
                    "Appliances that send their statistics to the account by GitHub Connect. An appliance silent "
                    "for three days no longer counts, here and in all sums.",
                    f"count(count by (account, server_id) ({USERS}))",
                    "short",
                ),
                stat(
                    "Users",
                    "User accounts on all appliances. Somebody with accounts on two counts twice.",
                    f"sum({USERS})",
                    "short",
                ),
                stat(
                    "Dormant users",
                    "Share of the accounts whose owner was not active for the appliance's threshold (90 days unless "
                    "changed). "
                    "Above 20 % a clean-up frees licences.",
                    share(DORMANT, USERS),
                    "percentunit",
                    DORMANCY,
                    decimals=1,
                ),
                stat("Repositories", "Repositories on all appliances, with forks.", f"sum({REPOS})", "short"),
                stat(
                    "Repositories with GitHub Actions",
                    "Share of the repositories that use GitHub Actions, on the appliances that report it.",
                    share(WITH_ACTIONS, REPOS),
                    "percentunit",
                    decimals=0,
                ),
                stat(
                    "Oldest report",
                    "Time since the last collection of the oldest appliance. Two days are normal; more than "
                    "three: GitHub Connect is broken, or Server Statistics are off. After 31 days it is no "
                    "longer shown.",
                    f"max(time() - {COLLECTED})",
                    "s",
                    AGE,
                    decimals=0,
                ),
                table(
                    "Fleet",
                    "Each appliance with its own name, version, size, dormant users, and the age of its report. "
                    "An old version lacks security fixes: GitHub supports a release for about a year.",
                    {
                        "host_name": "Host",
                        "ghes_version": "Version",
                        "account": "Account",
                        "server_id": "Server id",
                    },
                    {
                        "Users": Column(named(USERS), "short"),
                        "Dormant": Column(named(f"{DORMANT} / ({USERS} > 0)"), "percentunit", DORMANCY, decimals=1),
                        "Suspended": Column(named("github_server_statistics_suspended_users"), "short"),
                        "Administrators": Column(named("github_server_statistics_admin_users"), "short"),
                        "Organizations": Column(named("github_server_statistics_total_orgs"), "short"),
                        "Repositories": Column(named(REPOS), "short"),
                        "Open pull requests": Column(
                            named(
                                "github_server_statistics_mergeable_pulls + github_server_statistics_unmergeable_pulls"
                            ),
                            "short",
                        ),
                        "Age of the report": Column(named(f"(time() - {COLLECTED})"), "s", AGE, decimals=0),
                    },
                    sort="Users",
                    height=6,
                ),
            ),
        ),
        Row(
            "How fast does it grow?",
            (
                timeseries(
                    "Users over time",
                    "User accounts of each appliance, as it reported them once a day.",
                    {HOST: named(USERS)},
                    "short",
                    decimals=0,
                ),
                timeseries(
                    "Repositories over time",
                    "Repositories of each appliance, with forks, as it reported them once a day.",
                    {HOST: named(REPOS)},
                    "short",
                    decimals=0,
                ),
                table(
                    "Growth in the time selected",
                    "Change of each appliance since the beginning of the time selected above. Choose at least a "
                    "week: the numbers change once a day.",
                    {"host_name": "Host"},
                    {
                        name: Column(f"max by (host_name) ({named(f'delta({metric}[$__range])')})", "short", decimals=0)
                        for name, metric in {
                            "Users": USERS,
                            "Repositories": REPOS,
                            "Organizations": "github_server_statistics_total_orgs",
                            "Pushes": "github_server_statistics_total_pushes",
                            "Pull requests": "github_server_statistics_total_pulls",
                            "Issues": "github_server_statistics_total_issues",
                        }.items()
                    },
                    sort="Users",
                    height=6,
                ),
            ),
        ),
        Row(
            "Who does not use it?",
            (
                timeseries(
                    "Dormant users over time",
                    "Share of each appliance's accounts whose owner was not active for the threshold.",
                    {HOST: named(f"{DORMANT} / ({USERS} > 0)")},
                    "percentunit",
                    DORMANCY,
                ),
                table(
                    "Unused accounts",
                    "Dormant accounts may hold a licence; suspended ones do not. The threshold is set on the "
                    "appliance.",
                    {"host_name": "Host"},
                    {
                        "Dormant": Column(f"max by (host_name) ({named(DORMANT)})", "short"),
                        "Dormant after": Column(
                            f"max by (host_name) ({named('github_server_statistics_dormancy_threshold_seconds')})", "s"
                        ),
                        "Suspended": Column(
                            f"max by (host_name) ({named('github_server_statistics_suspended_users')})", "short"
                        ),
                        "All": Column(f"max by (host_name) ({named(USERS)})", "short"),
                    },
                    sort="Dormant",
                    width=12,
                    height=8,
                ),
            ),
        ),
        Row(
            "What is in the package registries?",
            (
                bars(
                    "Published packages",
                    "Packages and images on all appliances, by ecosystem.",
                    "sort_desc(sum by (ecosystem) (github_server_statistics_published_packages))",
                    "{{ecosystem}}",
                    "short",
                    width=8,
                ),
                bars(
                    "Downloads on the day reported",
                    "Downloads in the 24 hours before the report, by ecosystem. It is a number of one day, not a "
                    "counter.",
                    "sort_desc(sum by (ecosystem) (github_server_statistics_daily_download))",
                    "{{ecosystem}}",
                    "short",
                    width=8,
                ),
                table(
                    "Ecosystems",
                    "Packages by visibility, and whether the ecosystem is enabled; readonly accepts no new packages.",
                    {"ecosystem": "Ecosystem"},
                    {
                        "Private": Column("sum by (ecosystem) (github_server_statistics_private_packages)", "short"),
                        "Internal": Column("sum by (ecosystem) (github_server_statistics_internal_packages)", "short"),
                        "Public": Column(
                            "sum by (ecosystem) (github_server_statistics_public_packages)",
                            "short",
                            ((None, "blue"), (1, "orange")),
                        ),
                        "Appliances that are read only": Column(
                            'sum by (ecosystem) (github_server_statistics_package_ecosystem_state{state="readonly"})',
                            "short",
                        ),
                    },
                    sort="Private",
                    width=8,
                    height=8,
                ),
            ),
        ),
        Row(
            "What is protected? (appliances that are read directly)",
            (
                stat(
                    "Advanced Security licences used",
                    "Committers that use a licence, of the licences bought. At 100 % no more repositories can be "
                    "protected; "
                    "below 50 % you pay for more than you use.",
                    f"sum({COMMITTERS} and on (appliance) {BOUGHT}) / (sum({BOUGHT}) > 0)",
                    "percentunit",
                    LICENCES,
                    width=6,
                    decimals=0,
                ),
                stat(
                    "Licences missing to protect all",
                    "Committers who would need a licence if Advanced Security were enabled everywhere, minus the "
                    "licences bought. Below 0, licences are left.",
                    f"sum(github_appliance_security_maximum_committers) - sum({BOUGHT})",
                    "short",
                    ((None, "green"), (1, "orange")),
                    width=6,
                ),
                stat(
                    "Repositories watched for secrets",
                    "Share of the repositories in which secret scanning is enabled. In the others leaked "
                    "passwords stay unnoticed.",
                    f"sum({WATCHED}) / (sum(github_appliance_security_total_repos and on (appliance) {WATCHED}) > 0)",
                    "percentunit",
                    COVERAGE,
                    width=6,
                    decimals=0,
                ),
                stat(
                    "Inactive hooks",
                    "Hooks that are configured but switched off, on all appliances that are read directly: "
                    "obsolete, or broken.",
                    "sum(github_appliance_inactive_hooks)",
                    "short",
                    PLAIN,
                    width=6,
                ),
                bars(
                    "Repositories protected, by product",
                    "Share of the repositories in which each security product is enabled, on the appliances that "
                    "report it.",
                    "sort_desc(" + " or ".join(covered(product) for product in PRODUCTS) + ")",
                    "{{product}}",
                    "percentunit",
                    steps=COVERAGE,
                    highest=1,
                ),
                table(
                    "From the appliances themselves",
                    "Current figures from the appliances themselves. They differ from the daily report above by "
                    "what happened since.",
                    {"appliance": "Appliance"},
                    {
                        "Users": Column("max by (appliance) (github_appliance_total_users)", "short"),
                        "Suspended": Column("max by (appliance) (github_appliance_suspended_users)", "short"),
                        "Organizations": Column("max by (appliance) (github_appliance_total_orgs)", "short"),
                        "Repositories": Column("max by (appliance) (github_appliance_total_repos)", "short"),
                        "Licences used": Column(
                            f"max by (appliance) ({COMMITTERS} / ({BOUGHT} > 0))",
                            "percentunit",
                            LICENCES,
                            decimals=0,
                        ),
                    },
                    sort="Users",
                    width=12,
                    height=8,
                    clicks={"appliance": (("Only this one", to("ghes", "account", appliance=cell("appliance"))),)},
                ),
            ),
        ),
        Row(
            "Work on the appliances",
            (
                timeseries(
                    "Pull requests",
                    "Merged, mergeable and unmergeable pull requests on all appliances.",
                    {
                        "merged": "sum(github_server_statistics_merged_pulls)",
                        "can be merged": "sum(github_server_statistics_mergeable_pulls)",
                        "cannot be merged": "sum(github_server_statistics_unmergeable_pulls)",
                    },
                    "short",
                    decimals=0,
                ),
                timeseries(
                    "Issues",
                    "Open and closed issues on all appliances.",
                    {
                        "open": "sum(github_server_statistics_open_issues)",
                        "closed": "sum(github_server_statistics_closed_issues)",
                    },
                    "short",
                    decimals=0,
                ),
            ),
            collapsed=True,
        ),
    ),
)
