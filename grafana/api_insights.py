"""API Insights: organization → subject → actor → route; throttling; how late GitHub is."""

from grafana.board import Board, Row, Variable, choices
from grafana.common import APP_LIMIT, LATE, ORGANIZATION, REFUSED_SUBJECTS, SUBJECTS, USER_LIMIT, near_limit
from grafana.links import cell, series, to
from grafana.panels import (
    ANY_IS_NOTABLE,
    PLAIN,
    SHARE_OF_LIMIT,
    Column,
    Steps,
    bars,
    stat,
    table,
    timeseries,
)

TOTAL = "github_api_insights_requests_total"
REFUSED = "github_api_insights_rate_limited_requests_total"
BY_USER = "github_api_insights_user_actor_requests_total"
BY_ROUTE = "github_api_insights_route_requests_total"
SUBJECT = "organization, subject_type, subject_name"
ROUTE = "organization, actor_type, actor_id, http_method, api_route"
DELAY: Steps = ((None, "green"), (25_200, "orange"), (43_200, "red"))
REFUSED_SHARE: Steps = ((None, "green"), (0.001, "yellow"), (0.01, "orange"), (0.05, "red"))
ACTOR = "topk by (organization, actor_type, actor_id) (1, github_api_insights_actor_info)"
USER = (
    "label_replace(topk by (organization, subject_id) (1, "
    'github_api_insights_subject_last_request_timestamp_seconds{subject_type="user"}), '
    '"user_id", "$1", "subject_id", "(.+)")'
)


def named(query: str) -> str:
    """Rows by actor, with the actor's name."""
    return f"{query} * on (organization, actor_type, actor_id) group_left (actor_name) {ACTOR}"


def routes(metric: str) -> str:
    """A counter by route in the time selected, with the actor's name."""
    return named(f"sum by ({ROUTE}) (increase({metric}[$__range]))")


def tokens(metric: str) -> str:
    """A counter by user and actor in the time selected, with both names; who is in no list of subjects has none."""
    by = "organization, user_id, actor_type, actor_id"
    found = named(f"sum by ({by}) (increase({metric}[$__range]))")
    match = "on (organization, user_id)"
    return f"({found}) * {match} group_left (subject_name) (0 * {USER} + 1) or (({found}) unless {match} {USER})"


def subjects(metric: str) -> str:
    """A counter by subject in the time selected."""
    return f"sum by (organization, subject_type, subject_name) (increase({metric}[$__range]))"


def busiest(query: str, by: str, of: str) -> str:
    """The rows of a query that are among the 200 with most requests, so that a table stays small."""
    return f"{query} and on ({by}) topk(200, {of})"


def since(timestamp: str) -> Column:
    """How long ago it was, for the busiest subjects."""
    ago = f"time() - max by ({SUBJECT}) ({timestamp})"
    return Column(busiest(f"({ago})", SUBJECT, subjects(SUBJECTS)), "s", decimals=0)


THIS = (("Only this one", to("api-insights", organization=cell("organization"), subject_name=cell("subject_name"))),)
ROUTES_OF = (("Its routes", to("api-insights", organization=cell("organization"), actor_id=cell("actor_id"))),)

API_INSIGHTS = Board(
    name="api-insights",
    title="GitHub Enterprise / API Insights",
    description="Who uses the REST API, how much, for what, and who is refused: from the organization down to the "
    "app or "
    f"user, its tokens and the routes. {LATE}",
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
        APP_LIMIT,
        USER_LIMIT,
    ),
    rows=(
        Row(
            "How many requests, and is anybody refused?",
            (
                stat(
                    "Requests",
                    f"REST API requests to the organizations that became visible in the time selected above. {LATE}",
                    f"sum(increase({TOTAL}[$__range]))",
                    "short",
                    decimals=0,
                ),
                stat(
                    "Refused",
                    "Those that a primary rate limit refused: the callers' work was not done. The table below "
                    "names them.",
                    f"sum(increase({REFUSED}[$__range]))",
                    "short",
                    ANY_IS_NOTABLE,
                    decimals=0,
                ),
                stat(
                    "Share refused",
                    "Share of all requests. Above 1 % a caller is seriously throttled: it should send fewer "
                    "requests, use webhooks, or be split into several Apps.",
                    f"sum(increase({REFUSED}[$__range])) / (sum(increase({TOTAL}[$__range])) > 0)",
                    "percentunit",
                    REFUSED_SHARE,
                    decimals=2,
                ),
                stat(
                    "Apps and users seen",
                    "Number of apps and users with counted requests. Beyond the exporter's max_series the rest "
                    "is summed as other.",
                    "count(github_api_insights_subject_last_request_timestamp_seconds)",
                    "short",
                ),
                stat(
                    "Busiest hour",
                    "Requests in the busiest clock hour of the last 24 settled ones, of the organization where it "
                    "was busiest. "
                    "GitHub's limits are per hour and caller, not per organization.",
                    "max(github_api_insights_busiest_hour_requests)",
                    "short",
                    decimals=0,
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
                    {"{{organization}}": f"sum by (organization) (increase({TOTAL}[1h]))"},
                    "short",
                    stacked=True,
                    decimals=0,
                    clicks=(("Only this organization", to("api-insights", organization=series("organization"))),),
                ),
                timeseries(
                    "Refused in the last hour, by organization",
                    "Requests refused by a primary rate limit that became visible in the hour before each point. 0 "
                    "is good.",
                    {"{{organization}}": f"sum by (organization) (increase({REFUSED}[1h]))"},
                    "short",
                    ANY_IS_NOTABLE,
                    stacked=True,
                    decimals=0,
                    clicks=(("Only this organization", to("api-insights", organization=series("organization"))),),
                ),
                timeseries(
                    "GitHub's delay over time",
                    "Age of the newest requests that GitHub shows. A line that climbs is an incident at GitHub; "
                    "when it falls, "
                    "several hours become visible at once and the counters jump.",
                    {
                        "{{organization}}": "clamp_min(time() - max by (organization) "
                        "(github_api_insights_newest_data_timestamp_seconds), 0)"
                    },
                    "s",
                    DELAY,
                ),
                table(
                    "Busiest hour of each organization",
                    "The busiest clock hour (UTC) of the last 24 settled ones: its start, its requests, and how "
                    "many were refused.",
                    {"organization": "Organization"},
                    {
                        "Began": Column(
                            "1000 * max by (organization) (github_api_insights_busiest_hour_start_timestamp_seconds)",
                            "dateTimeAsIso",
                        ),
                        "Requests": Column(
                            "max by (organization) (github_api_insights_busiest_hour_requests)", "short", decimals=0
                        ),
                        "Refused": Column(
                            "max by (organization) (github_api_insights_busiest_hour_rate_limited_requests)",
                            "short",
                            ANY_IS_NOTABLE,
                            decimals=0,
                        ),
                    },
                    sort="Requests",
                    width=12,
                    height=8,
                    clicks={
                        "organization": (("Only this one", to("api-insights", organization=cell("organization"))),)
                    },
                ),
            ),
        ),
        Row(
            "Which apps and users?",
            (
                table(
                    "Apps and users",
                    "Each app (installation) and user: requests that became visible in the time selected, those "
                    "refused, the share of the organization's requests, and how long ago the newest (and the "
                    "newest refused) request was. Click a name to filter by it.",
                    {"organization": "Organization", "subject_type": "Kind", "subject_name": "App or user"},
                    {
                        "Requests": Column(f"topk(200, {subjects(SUBJECTS)})", "short", decimals=0),
                        "Refused": Column(
                            busiest(subjects(REFUSED_SUBJECTS), SUBJECT, subjects(SUBJECTS)),
                            "short",
                            ANY_IS_NOTABLE,
                            decimals=0,
                        ),
                        "Share": Column(
                            f"topk(200, {subjects(SUBJECTS)} / on (organization) group_left () "
                            f"(sum by (organization) (increase({TOTAL}[$__range])) > 0))",
                            "percentunit",
                            decimals=1,
                            bar=True,
                        ),
                        "Newest request": since("github_api_insights_subject_last_request_timestamp_seconds"),
                        "Newest refusal": since("github_api_insights_subject_last_rate_limited_timestamp_seconds"),
                    },
                    sort="Requests",
                    clicks={"subject_name": THIS},
                ),
                bars(
                    "Closest to their hourly limit",
                    "Requests that became visible in the last hour, as a share of the caller's limit (set at the "
                    "top). An App has one in each organization, a user one for all tokens. Above 100 % requests "
                    "were refused, or several hours became visible at once.",
                    near_limit(15),
                    "{{subject_name}} ({{subject_type}}) {{organization}}",
                    "percentunit",
                    steps=SHARE_OF_LIMIT,
                    height=10,
                    highest=1,
                ),
                timeseries(
                    "The ten busiest apps and users",
                    "Requests that became visible in the hour before each point. If a caller is also refused, "
                    "look at its routes below.",
                    {
                        "{{subject_name}} ({{subject_type}}) {{organization}}": f"topk(10, sum by ({SUBJECT}) "
                        f"(increase({SUBJECTS}[1h])))"
                    },
                    "short",
                    height=10,
                    decimals=0,
                ),
                timeseries(
                    "Who is refused",
                    "Requests of each app and user that a primary rate limit refused, of those that became visible "
                    "in the hour before each point.",
                    {
                        "{{subject_name}} ({{subject_type}}) {{organization}}": f"topk(10, sum by ({SUBJECT}) "
                        f"(increase({REFUSED_SUBJECTS}[1h])))"
                    },
                    "short",
                    ANY_IS_NOTABLE,
                    width=24,
                    decimals=0,
                ),
            ),
        ),
        Row(
            "Which tokens and apps of a user?",
            (
                table(
                    "Users and their tokens",
                    "For users in the drill-down (the busiest, and those named in watch): requests "
                    "by token or app in the time selected. This shows which of a user's tokens it was.",
                    {
                        "organization": "Organization",
                        "subject_name": "User",
                        "user_id": "User id",
                        "actor_type": "Kind of token",
                        "actor_name": "Token or app",
                        "actor_id": "Id",
                    },
                    {
                        "Requests": Column(f"topk(200, {tokens(BY_USER)})", "short", decimals=0),
                        "Refused": Column(
                            tokens("github_api_insights_user_actor_rate_limited_requests_total"),
                            "short",
                            ANY_IS_NOTABLE,
                            decimals=0,
                        ),
                    },
                    sort="Requests",
                    width=16,
                    clicks={"actor_name": ROUTES_OF},
                ),
                timeseries(
                    "By kind of token",
                    "Requests of the users followed, by kind of token, in the hour before each point. Replace "
                    "classic tokens: they are hard to limit and to trace.",
                    {"{{actor_type}}": f"sum by (actor_type) (increase({BY_USER}[1h]))"},
                    "short",
                    width=8,
                    height=10,
                    stacked=True,
                    decimals=0,
                ),
            ),
        ),
        Row(
            "Which routes?",
            (
                table(
                    "Routes",
                    "Routes of the busiest apps and tokens in the time selected, with GitHub's method and route "
                    "names. One route with most of the requests is usually polling that a webhook could replace.",
                    {
                        "organization": "Organization",
                        "actor_name": "Token or app",
                        "actor_type": "Kind",
                        "http_method": "Method",
                        "api_route": "Route",
                        "actor_id": "Id",
                    },
                    {
                        "Requests": Column(f"topk(200, {routes(BY_ROUTE)})", "short", decimals=0),
                        "Refused": Column(
                            busiest(
                                routes("github_api_insights_route_rate_limited_requests_total"),
                                ROUTE,
                                f"sum by ({ROUTE}) (increase({BY_ROUTE}[$__range]))",
                            ),
                            "short",
                            ANY_IS_NOTABLE,
                            decimals=0,
                        ),
                    },
                    sort="Requests",
                    clicks={"actor_name": ROUTES_OF},
                ),
                timeseries(
                    "The ten busiest routes",
                    "Requests that became visible in the hour before each point, by app or token and route.",
                    {
                        "{{actor_name}}: {{http_method}} {{api_route}} ({{organization}})": "topk(10, "
                        + named(
                            "sum by (organization, actor_type, actor_id, http_method, api_route) "
                            f"(increase({BY_ROUTE}[1h]))"
                        )
                        + ")"
                    },
                    "short",
                    width=24,
                    height=9,
                    decimals=0,
                ),
            ),
        ),
        Row(
            "Is it complete? How far the drill-down goes, and whether GitHub's figures agree",
            (
                stat(
                    "Known by user's token",
                    "Share of all users' requests that the table of tokens covers. To raise it, raise top_users "
                    "of user_stats.",
                    f"sum(increase({BY_USER}[$__range])) / (sum(increase({SUBJECTS}"
                    '{subject_type="user"}[$__range])) > 0)',
                    "percentunit",
                    decimals=0,
                    width=6,
                ),
                stat(
                    "Known by route",
                    "Share of all requests that the table of routes covers. To raise it, raise top_actors of "
                    "route_stats.",
                    f"sum(increase({BY_ROUTE}[$__range])) / (sum(increase({TOTAL}[$__range])) > 0)",
                    "percentunit",
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
                    decimals=0,
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
            ),
        ),
        Row(
            "Watched apps and users (named in the exporter's configuration under watch)",
            (
                table(
                    "Watched users",
                    "Totals of the users named in watch, over all of their tokens: in the time selected, and in "
                    "their busiest hour.",
                    {"organization": "Organization", "user_id": "User id"},
                    {
                        "Requests": Column(
                            "sum by (organization, user_id) "
                            "(increase(github_api_insights_user_requests_total[$__range]))",
                            "short",
                            decimals=0,
                        ),
                        "Refused": Column(
                            "sum by (organization, user_id) "
                            "(increase(github_api_insights_user_rate_limited_requests_total[$__range]))",
                            "short",
                            ANY_IS_NOTABLE,
                            decimals=0,
                        ),
                        "Busiest hour, of the limit": Column(
                            "max by (organization, user_id) (github_api_insights_user_busiest_hour_requests) / "
                            "$user_limit",
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
                    "Totals of the apps and tokens named in watch: in the time selected, and in their busiest hour.",
                    {
                        "organization": "Organization",
                        "actor_name": "App or token",
                        "actor_type": "Kind",
                        "actor_id": "Id",
                    },
                    {
                        "Requests": Column(
                            named(
                                "sum by (organization, actor_type, actor_id) "
                                "(increase(github_api_insights_actor_requests_total[$__range]))"
                            ),
                            "short",
                            decimals=0,
                        ),
                        "Refused": Column(
                            named(
                                "sum by (organization, actor_type, actor_id) "
                                "(increase(github_api_insights_actor_rate_limited_requests_total[$__range]))"
                            ),
                            "short",
                            ANY_IS_NOTABLE,
                            decimals=0,
                        ),
                        "Busiest hour, of the limit": Column(
                            named(
                                "max by (organization, actor_type, actor_id) "
                                "(github_api_insights_actor_busiest_hour_requests)"
                            )
                            + " / $app_limit",
                            "percentunit",
                            SHARE_OF_LIMIT,
                            decimals=0,
                        ),
                    },
                    sort="Requests",
                    width=12,
                    height=6,
                ),
            ),
            collapsed=True,
        ),
    ),
)
