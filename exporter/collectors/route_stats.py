"""Requests of an app or token by route: for the watched actors and the busiest.

    github_api_insights_route_requests_total{organization="acme",actor_type="installation",actor_id="954453",http_method="GET",api_route="/repositories/:repository_id"} 544665

Routes are templates in GitHub's own form: a few hundred, however many repositories there are.

https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-route-stats-by-actor
"""  # noqa: E501 - an exposition line is not wrapped

from typing import Annotated

from pydantic import Field

from exporter.catalogue import Calls, Collector
from exporter.collectors.reading.pages import subject_path, window_params
from exporter.collectors.reading.walks import walk
from exporter.collectors.summary_stats import LATENESS, PERMISSION, window_sums
from exporter.fetching import Api, Ask, Fetched
from exporter.options import BoundedOptions, Integer
from exporter.tables import Amount, Row, Table, Timestamp, counter, gauge


class Options(BoundedOptions):
    """The collector's own settings."""

    top_actors: Annotated[Integer, Field(ge=0)] = Field(
        default=20,
        description="How many of an organization's busiest apps and tokens are drilled into besides those in `watch`.",
    )
    api_route_substring: str = Field(
        default="", max_length=100, description="Only routes that contain this; another value starts new counters."
    )


class RouteRow(Row):
    """One route with the actor's requests in the window."""

    http_method: str
    api_route: str
    total_request_count: Amount
    rate_limited_request_count: Amount
    last_request_timestamp: Timestamp | None = None
    last_rate_limited_timestamp: Timestamp | None = None


ROUTES = Table(
    row=RouteRow,
    labels=("http_method", "api_route"),
    last_seen="last_request_timestamp",
    other=("other", "other"),
    families=(
        counter(
            "github_api_insights_route_requests_total",
            "total_request_count",
            "REST API requests (category core) of an app or token by route, since counting began.",
        ),
        counter(
            "github_api_insights_route_rate_limited_requests_total",
            "rate_limited_request_count",
            "Requests of an app or token by route that a primary rate limit refused, since counting began.",
        ),
        gauge(
            "github_api_insights_route_last_request_timestamp_seconds",
            "last_request_timestamp",
            "Time of the newest request that GitHub shows of the app or token for the route.",
        ),
        gauge(
            "github_api_insights_route_last_rate_limited_timestamp_seconds",
            "last_rate_limited_timestamp",
            "Time of the newest rate-limited request of the app or token for the route; absent if there is none.",
        ),
    ),
)


async def fetch(api: Api, ask: Ask) -> Fetched:
    """Walk all pages, sorted by route."""
    substring = ask.options.api_route_substring
    filters: dict[str, str | int] = {"api_route_substring": substring} if substring else {}
    params = {**window_params(ask), "sort": "api_route", **filters}
    sums = None if substring else window_sums(api, ask)
    return await walk(api, f"/orgs/{ask.target}/insights/api/route-stats{subject_path(ask)}", params, ROUTES, sums)


COLLECTOR = Collector(
    name="route_stats",
    scope="organization",
    subject=("actor_type", "actor_id"),
    endpoint="/orgs/{org}/insights/api/route-stats/{actor_type}/{actor_id}",
    page="https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-route-stats-by-actor",
    lateness=LATENESS,
    permission=PERMISSION,
    fetch=fetch,
    tables=(ROUTES,),
    options=Options,
    calls=Calls(listed="routes_of_an_actor"),
    top="top_actors",
    filters=("api_route_substring",),
    totals="summary_stats",
)
