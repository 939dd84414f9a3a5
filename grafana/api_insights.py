"""API Insights: organization → subject → actor → route; throttling; how late GitHub is."""

from grafana.board import Board, Row, Variable, choices
from grafana.common import LATE, ORGANIZATION, REFUSED_SUBJECTS, SUBJECTS, near_limit
from grafana.fields import ANY_IS_NOTABLE, PLAIN, REFUSED_SHARE, SHARE_OF_LIMIT, Steps
from grafana.links import cell, series, to
from grafana.panels import stat, timeseries
from grafana.tables import Column, Label, table

TOTAL = "github_api_insights_requests_total"
REFUSED = "github_api_insights_rate_limited_requests_total"
BY_USER = "github_api_insights_user_actor_requests_total"
REFUSED_BY_USER = "github_api_insights_user_actor_rate_limited_requests_total"
BY_ROUTE = "github_api_insights_route_requests_total"
REFUSED_BY_ROUTE = "github_api_insights_route_rate_limited_requests_total"
SUBJECT = "organization, subject_type, subject_name"
ROUTE = "organization, actor_type, actor_id, http_method, api_route"
DELAY: Steps = ((None, "green"), (25_200, "orange"), (43_200, "red"))
DELAY_HOURS: Steps = ((None, "green"), (7, "orange"), (12, "red"))
COVERAGE: Steps = ((None, "orange"), (0.5, "green"))
STEP = "10m"
"""Between two points of graphs that ask for all callers or routes: GitHub's figures move every half hour only."""
OF_CALLERS = '{organization=~"$organization|", subject_name=~"$subject_name"}'
NAME_OF_USER = "* on (job, organization, user_id) group_left (user_name) user:github_api_insights_name:info"
NAME_OF_ACTOR = (
    "* on (job, organization, actor_type, actor_id) group_left (actor_name) actor:github_api_insights_name:info"
)
NAMES_OF_BOTH = (
    "* on (job, organization, user_id, actor_type, actor_id) group_left (user_name, actor_name) "
    "user_actor:github_api_insights_name:info"
)


def risen(metric: str, by: str, names: str = "") -> str:
    """A counter by labels in the time selected, with names."""
    return f"sum by ({by}) (increase({metric}[$__range]) {names})"


def of_limit(kind: str, busiest: str) -> str:
    """Requests of an hour by the hourly limit of users or Apps."""
    limit = f'subject_type:github_api_insights_hourly_limit:requests{{subject_type="{kind}"}}'
    return f"{busiest} / on () group_left () max({limit})"


def largest(callers: str) -> str:
    """The ten callers whose largest number of the time selected is highest: the same ten at each point."""
    chosen = callers + OF_CALLERS
    return f"{chosen} and topk(10, max_over_time({chosen}[$__range] @ end()))"


CALLER = "{{subject_name}} ({{subject_type}}) {{organization}}"
THIS = (("Only this one", to("api-insights", organization=cell("organization"), subject_name=cell("subject_name"))),)
ROUTES_OF = (("Its routes", to("api-insights", organization=cell("organization"), actor_id=cell("actor_id"))),)
OF_USER = "organization, user_name, actor_type, actor_name, actor_id"

API_INSIGHTS = Board(
    name="api-insights",
    title="GitHub Enterprise / API Insights",
    description="Who uses the REST API, how much, for what, and who is refused: from the organization down to the "
    f"app or user, its tokens and the routes. {LATE}",
    variables=(
        ORGANIZATION,
        choices("subject_name", "App or user", SUBJECTS),
        Variable(
            "actor_id",
            "Token or app (routes)",
            "query_result(github_api_insights_actor_info and on (organization, actor_type, actor_id) "
            f"({BY_ROUTE} or {BY_USER}))",
            regex='/actor_id="(?<value>[^"]*)", ?actor_name="(?<text>[^"]*)"/',
            description="Whose routes and tokens are shown; only those that the drill-down follows.",
        ),
    ),
    rows=(
        Row(
            "How many requests, and is anybody refused?",
            (
                stat(
                    "Requests",
                    f"REST API requests to the organizations that became visible in the time selected above. {LATE}",
                    f"round(sum(increase({TOTAL}[$__range])))",
                    "short",
                    width=5,
                ),
                stat(
                    "Refused",
                    "Those that a primary rate limit refused: the callers' work was not done. The tables below "
                    "name them.",
                    f"round(sum(increase({REFUSED}[$__range])))",
                    "short",
                    ANY_IS_NOTABLE,
                    width=5,
                ),
                stat(
                    "Share refused",
                    "Share of all requests. Above 1 % a caller is seriously throttled: it should send fewer "
                    "requests, use webhooks, or be split into several Apps.",
                    f"sum(increase({REFUSED}[$__range])) / (sum(increase({TOTAL}[$__range])) > 0)",
                    "percentunit",
                    REFUSED_SHARE,
                    decimals=1,
                    width=5,
                ),
                stat(
                    "Apps and users seen",
                    "Number of apps and users with counted requests. Beyond the exporter's max_series the rest "
                    "is summed as other.",
                    "count(github_api_insights_subject_last_request_timestamp_seconds)",
                    "short",
                    width=5,
                ),
                stat(
                    "GitHub's delay",
                    "Age of the newest requests that GitHub shows, in the organization where it is worst. 4 to 6 "
                    "hours are normal.",
                    "clamp_min(max(time() - github_api_insights_newest_data_timestamp_seconds), 0)",
                    "s",
                    DELAY,
                    decimals=0,
                ),
                timeseries(
                    "Requests in the last hour, by organization",
                    f"What became visible in the hour before each point. {LATE}",
                    {"{{organization}}": f"round(sum by (organization) (increase({TOTAL}[1h])))"},
                    "short",
                    stacked=True,
                    clicks=(("Only this organization", to("api-insights", organization=series("organization"))),),
                ),
                timeseries(
                    "Refused in the last hour, by organization",
                    "Requests refused by a primary rate limit that became visible in the hour before each point. 0 "
                    "is good.",
                    {"{{organization}}": f"round(sum by (organization) (increase({REFUSED}[1h])))"},
                    "short",
                    ANY_IS_NOTABLE,
                    stacked=True,
                    clicks=(("Only this organization", to("api-insights", organization=series("organization"))),),
                ),
            ),
        ),
        Row(
            "Which apps and users?",
            (
                table(
                    "Apps and users",
                    "The 200 apps (installations) and users with most requests that became visible in the time "
                    "selected: how many, which share of all requests, how many were refused, and how long ago the "
                    "newest of these was. Click a name to filter by it.",
                    {"subject_name": Label("App or user", 220), "subject_type": "Kind", "organization": "Organization"},
                    {
                        "Requests": Column(f"topk(200, {risen(SUBJECTS, SUBJECT)})", "locale"),
                        "Share": Column(
                            f"topk(200, {risen(SUBJECTS, SUBJECT)} / scalar(sum(increase({TOTAL}[$__range]))))",
                            "percentunit",
                            decimals=1,
                            bar=True,
                        ),
                        "Refused": Column(f"topk(200, {risen(REFUSED_SUBJECTS, SUBJECT)})", "locale", ANY_IS_NOTABLE),
                        "Newest refusal": Column(
                            f"time() - max by ({SUBJECT}) "
                            "(github_api_insights_subject_last_rate_limited_timestamp_seconds)",
                            "s",
                            decimals=0,
                        ),
                    },
                    sort="Requests",
                    complete="Requests",
                    clicks={"subject_name": THIS},
                ),
                near_limit(', subject_name=~"$subject_name"', height=10, clicks=THIS),
                timeseries(
                    "The ten closest to their limit",
                    "Requests that became visible in the hour before each point, as a share of the caller's hourly "
                    "limit. If a caller is also refused, look at its routes below.",
                    {CALLER: largest("caller:github_api_insights_hourly_limit:ratio_increase1h")},
                    "percentunit",
                    SHARE_OF_LIMIT,
                    height=10,
                    interval=STEP,
                ),
                timeseries(
                    "Who is refused",
                    "The ten apps and users of which a primary rate limit refused most requests, of those that became "
                    "visible in the hour before each point.",
                    {CALLER: f"round({largest('caller:github_api_insights_rate_limited_requests:increase1h')})"},
                    "short",
                    ANY_IS_NOTABLE,
                    width=24,
                    interval=STEP,
                    empty="Nobody was refused",
                ),
            ),
        ),
        Row(
            "Which tokens and apps of a user?",
            (
                table(
                    "Users and their tokens",
                    "For users in the drill-down (the busiest, and those named in watch): requests by token or app in "
                    "the time selected, the 200 largest. Click a token for its routes.",
                    {
                        "user_name": Label("User", 150),
                        "actor_name": Label("Token or app", 170),
                        "actor_type": Label("Kind of token", 190),
                        "organization": "Organization",
                        "actor_id": Label("Id", hidden=True),
                    },
                    {
                        "Requests": Column(f"topk(200, {risen(BY_USER, OF_USER, NAMES_OF_BOTH)})", "locale"),
                        "Refused": Column(risen(REFUSED_BY_USER, OF_USER, NAMES_OF_BOTH), "locale", ANY_IS_NOTABLE),
                    },
                    sort="Requests",
                    complete="Requests",
                    width=16,
                    clicks={"actor_name": ROUTES_OF},
                ),
                timeseries(
                    "By kind of token",
                    "Requests of the users followed, by kind of token, in the hour before each point. Replace "
                    "classic tokens: they are hard to limit and to trace.",
                    {"{{actor_type}}": f"round(sum by (actor_type) (increase({BY_USER}[1h])))"},
                    "short",
                    width=8,
                    height=10,
                    stacked=True,
                ),
            ),
        ),
        Row(
            "Which routes?",
            (
                table(
                    "Routes",
                    "The 200 busiest routes of the busiest apps and tokens in the time selected, with GitHub's method "
                    "and route names. One route with most of the requests is usually polling that a webhook could "
                    "replace.",
                    {
                        "http_method": Label("Method", 80),
                        "api_route": Label("Route", 460),
                        "actor_name": Label("Token or app", 180),
                        "actor_type": "Kind",
                        "organization": "Organization",
                        "actor_id": Label("Id", hidden=True),
                    },
                    {
                        "Requests": Column(
                            f"topk(200, {risen(BY_ROUTE, f'{ROUTE}, actor_name', NAME_OF_ACTOR)})", "locale"
                        ),
                        "Refused": Column(f"topk(200, {risen(REFUSED_BY_ROUTE, ROUTE)})", "locale", ANY_IS_NOTABLE),
                    },
                    sort="Requests",
                    complete="Requests",
                    clicks={"actor_name": ROUTES_OF},
                ),
                timeseries(
                    "The ten busiest routes",
                    "Requests that became visible in the hour before each point, by route, of all apps and tokens that "
                    "the drill-down follows: the ten routes with most requests in the time selected.",
                    {
                        "{{api_route}}": f"sum by (api_route) (increase({BY_ROUTE}[1h])) and "
                        f"topk(10, sum by (api_route) (increase({BY_ROUTE}[$__range] @ end())))"
                    },
                    "short",
                    width=24,
                    height=9,
                    interval=STEP,
                ),
            ),
        ),
        Row(
            "Is it complete, and how late is GitHub?",
            (
                stat(
                    "Covered by the token table",
                    "Share of all users' requests that the table of tokens covers. To raise it, raise top_users "
                    "of user_stats.",
                    f"sum(increase({BY_USER}[$__range])) / (sum(increase({SUBJECTS}"
                    '{subject_type="user"}[$__range])) > 0)',
                    "percentunit",
                    COVERAGE,
                    decimals=0,
                    width=6,
                ),
                stat(
                    "Covered by the route table",
                    "Share of all requests that the table of routes covers. To raise it, raise top_actors of "
                    "route_stats.",
                    f"sum(increase({BY_ROUTE}[$__range])) / (sum(increase({TOTAL}[$__range])) > 0)",
                    "percentunit",
                    COVERAGE,
                    decimals=0,
                    width=6,
                ),
                stat(
                    "Difference within GitHub's figures",
                    "The largest difference (requests) between GitHub's total and its own lists of the same "
                    "window. 0 is good; if a difference lasts, open a ticket at GitHub's support.",
                    "max(abs(github_api_insights_reconciliation_difference_requests))",
                    "short",
                    ANY_IS_NOTABLE,
                    width=6,
                ),
                stat(
                    "Counting for",
                    "Time since counting began, of the newest source. Longer time ranges are not fully covered.",
                    "time() - max(github_api_insights_counting_since_timestamp_seconds)",
                    "s",
                    PLAIN,
                    decimals=0,
                    width=6,
                ),
                timeseries(
                    "GitHub's delay over time",
                    "Age of the newest requests that GitHub shows. A line that climbs is an incident at GitHub; "
                    "when it falls, several hours become visible at once and the counters jump.",
                    {
                        "{{organization}}": "clamp_min(time() - max by (organization) "
                        "(github_api_insights_newest_data_timestamp_seconds), 0) / 3600"
                    },
                    "h",
                    DELAY_HOURS,
                    width=24,
                ),
            ),
            collapsed=True,
        ),
        Row(
            "Watched apps and users (named in the exporter's configuration under watch)",
            (
                table(
                    "Watched users",
                    "Totals of the users named in watch, over all of their tokens: in the time selected, and in "
                    "their busiest hour (the peak) of the last 24 settled ones, as a share of a user's limit.",
                    {
                        "user_name": Label("User", 160),
                        "organization": "Organization",
                        "user_id": Label("Id", hidden=True),
                    },
                    {
                        "Requests": Column(
                            risen(
                                "github_api_insights_user_requests_total",
                                "organization, user_id, user_name",
                                NAME_OF_USER,
                            ),
                            "locale",
                        ),
                        "Refused": Column(
                            risen("github_api_insights_user_rate_limited_requests_total", "organization, user_id"),
                            "locale",
                            ANY_IS_NOTABLE,
                        ),
                        "Peak": Column(
                            of_limit(
                                "user",
                                "max by (organization, user_id) (github_api_insights_user_busiest_hour_requests)",
                            ),
                            "percentunit",
                            SHARE_OF_LIMIT,
                            decimals=0,
                        ),
                    },
                    sort="Requests",
                    width=12,
                    height=6,
                ),
                table(
                    "Watched apps and tokens",
                    "Totals of the apps and tokens named in watch: in the time selected, and in their busiest hour "
                    "(the peak) of the last 24 settled ones, as a share of an App's limit.",
                    {
                        "actor_name": Label("App or token", 140),
                        "actor_type": Label("Kind", 100),
                        "organization": "Organization",
                        "actor_id": Label("Id", hidden=True),
                    },
                    {
                        "Requests": Column(
                            risen(
                                "github_api_insights_actor_requests_total",
                                "organization, actor_type, actor_id, actor_name",
                                NAME_OF_ACTOR,
                            ),
                            "locale",
                        ),
                        "Refused": Column(
                            risen(
                                "github_api_insights_actor_rate_limited_requests_total",
                                "organization, actor_type, actor_id",
                            ),
                            "locale",
                            ANY_IS_NOTABLE,
                        ),
                        "Peak": Column(
                            of_limit(
                                "installation",
                                "max by (organization, actor_type, actor_id) "
                                "(github_api_insights_actor_busiest_hour_requests)",
                            ),
                            "percentunit",
                            SHARE_OF_LIMIT,
                            decimals=0,
                        ),
                    },
                    sort="Requests",
                    width=12,
                    height=6,
                    clicks={"actor_name": ROUTES_OF},
                ),
            ),
            collapsed=True,
        ),
    ),
)
