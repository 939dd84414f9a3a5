"""GHES: the fleet of appliances, its growth, dormant users, packages, security."""

from grafana.board import Board, Row, choices
from grafana.fields import PLAIN, Steps
from grafana.links import cell, to
from grafana.panels import bars, stat, timeseries
from grafana.tables import Column, Label, table

USERS = "github_server_statistics_total_users"
DORMANT = "github_server_statistics_total_dormant_users"
REPOS = "github_server_statistics_total_repos"
MERGEABLE = "github_server_statistics_mergeable_pulls"
UNMERGEABLE = "github_server_statistics_unmergeable_pulls"
WITH_ACTIONS = "github_server_statistics_number_of_repos_using_actions"
COLLECTED = "github_server_statistics_collection_timestamp_seconds"
NAME = "server:github_server_statistics_name:info"
COMMITTERS = "github_appliance_security_active_committers"
BOUGHT = "github_appliance_security_purchased_committers"
WATCHED = "github_appliance_security_secret_scanning_enabled_repos"
AGE: Steps = ((None, "green"), (172_800, "orange"), (259_200, "red"))
DORMANCY: Steps = ((None, "green"), (0.2, "orange"), (0.4, "red"))
LICENCES: Steps = ((None, "green"), (0.8, "orange"), (1, "red"))
COVERAGE: Steps = ((None, "red"), (0.5, "orange"), (0.8, "green"))
HOST = "{{host_name}}"
FLEET = "host_name, ghes_version, account"


def named(query: str, by: str = "host_name") -> str:
    """By appliance, with its host name and version."""
    return f"max by ({by}) ({query} * on (job, account, server_id) group_left (host_name, ghes_version) {NAME})"


def share(part: str, whole: str) -> str:
    """The share over all appliances that report both."""
    return f"sum({part}) / (sum({whole} and {part}) > 0)"


def covered(product: str) -> str:
    """Share of the repositories in which a security product is enabled, on the appliances that report it."""
    enabled = f"github_appliance_security_{product}_enabled_repos"
    return f"sum({enabled}) / sum(github_appliance_security_total_repos and {enabled})"


PRODUCTS = {
    "secret scanning": "secret_scanning",
    "push protection": "secret_scanning_push_protection",
    "code scanning": "code_scanning",
    "Dependabot alerts": "dependabot_alerts",
    "Dependabot updates": "dependabot_security_updates",
    "Advanced Security": "advanced_security",
}

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
                    "With GitHub Actions",
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
                    {"host_name": Label("Host", 190), "ghes_version": Label("Version", 90), "account": "Account"},
                    {
                        "Reported, ago": Column(named(f"(time() - {COLLECTED})", FLEET), "s", AGE, decimals=0),
                        "Users": Column(named(USERS, FLEET), "locale"),
                        "Dormant": Column(
                            named(f"{DORMANT} / ({USERS} > 0)", FLEET), "percentunit", DORMANCY, decimals=1
                        ),
                        "Suspended": Column(named("github_server_statistics_suspended_users", FLEET), "locale"),
                        "Admins": Column(named("github_server_statistics_admin_users", FLEET), "locale"),
                        "Organizations": Column(named("github_server_statistics_total_orgs", FLEET), "locale"),
                        "Repositories": Column(named(REPOS, FLEET), "locale"),
                        "Open pulls": Column(named(f"({MERGEABLE} + {UNMERGEABLE})", FLEET), "locale"),
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
                ),
                timeseries(
                    "Repositories over time",
                    "Repositories of each appliance, with forks, as it reported them once a day.",
                    {HOST: named(REPOS)},
                    "short",
                ),
                table(
                    "Growth in the time selected",
                    "Change of each appliance since the beginning of the time selected above. Choose at least a "
                    "week: the numbers change once a day.",
                    {"host_name": "Host"},
                    {
                        name: Column(named(f"delta({metric}[$__range])"), "locale")
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
                    "Dormant accounts may hold a licence; suspended ones do not. After so many days without "
                    "activity an account is dormant: that is set on the appliance.",
                    {"host_name": "Host"},
                    {
                        "Dormant": Column(named(DORMANT), "locale"),
                        "After, days": Column(
                            named("github_server_statistics_dormancy_threshold_seconds / 86400"), "none", decimals=0
                        ),
                        "Suspended": Column(named("github_server_statistics_suspended_users"), "locale"),
                        "All": Column(named(USERS), "locale"),
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
                    {"{{ecosystem}}": "sort_desc(sum by (ecosystem) (github_server_statistics_published_packages))"},
                    "short",
                    width=7,
                ),
                bars(
                    "Downloads on the day reported",
                    "Downloads in the 24 hours before the report, by ecosystem. It is a number of one day, not a "
                    "counter.",
                    {"{{ecosystem}}": "sort_desc(sum by (ecosystem) (github_server_statistics_daily_download))"},
                    "short",
                    width=7,
                ),
                table(
                    "Ecosystems",
                    "Packages by visibility, and on how many appliances the ecosystem is read only: it accepts no new "
                    "packages.",
                    {"ecosystem": Label("Ecosystem", 100)},
                    {
                        "Private": Column("sum by (ecosystem) (github_server_statistics_private_packages)", "locale"),
                        "Internal": Column("sum by (ecosystem) (github_server_statistics_internal_packages)", "locale"),
                        "Public": Column(
                            "sum by (ecosystem) (github_server_statistics_public_packages)",
                            "locale",
                            ((None, "blue"), (1, "orange")),
                        ),
                        "Read only": Column(
                            'sum by (ecosystem) (github_server_statistics_package_ecosystem_state{state="readonly"})',
                            "locale",
                        ),
                    },
                    sort="Private",
                    width=10,
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
                    f"sum({COMMITTERS} and {BOUGHT}) / (sum({BOUGHT}) > 0)",
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
                    share(WATCHED, "github_appliance_security_total_repos"),
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
                    {name: covered(product) for name, product in PRODUCTS.items()},
                    "percentunit",
                    steps=COVERAGE,
                    highest=1,
                    decimals=0,
                ),
                table(
                    "Protection of each appliance",
                    "Current figures from the appliances themselves: licences used of those bought, the share of the "
                    "repositories in which a product is enabled, and hooks that are switched off.",
                    {"appliance": Label("Appliance", 140)},
                    {
                        "Licences": Column(
                            f"max by (appliance) ({COMMITTERS} / ({BOUGHT} > 0))", "percentunit", LICENCES, decimals=0
                        ),
                        **{
                            title: Column(
                                f"max by (appliance) (github_appliance_security_{PRODUCTS[product]}_enabled_repos "
                                "/ (github_appliance_security_total_repos > 0))",
                                "percentunit",
                                COVERAGE,
                                decimals=0,
                            )
                            for title, product in {
                                "Secrets": "secret scanning",
                                "Code": "code scanning",
                                "Dependencies": "Dependabot alerts",
                            }.items()
                        },
                        "Hooks off": Column("max by (appliance) (github_appliance_inactive_hooks)", "locale"),
                    },
                    sort="Appliance",
                    ascending=True,
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
                    "Done in a day",
                    "Pull requests merged and issues closed in a day, on all appliances: the mean of the week before "
                    "each point.",
                    {
                        "pull requests merged": "sum(delta(github_server_statistics_merged_pulls[7d])) / 7",
                        "issues closed": "sum(delta(github_server_statistics_closed_issues[7d])) / 7",
                    },
                    "short",
                    width=8,
                ),
                timeseries(
                    "Open pull requests",
                    "Open pull requests on all appliances: those that can be merged, and those with conflicts.",
                    {"can be merged": f"sum({MERGEABLE})", "cannot be merged": f"sum({UNMERGEABLE})"},
                    "short",
                    width=8,
                ),
                timeseries(
                    "Open issues",
                    "Issues that are open on all appliances.",
                    {"open": "sum(github_server_statistics_open_issues)"},
                    "short",
                    width=8,
                ),
            ),
            collapsed=True,
        ),
    ),
)
