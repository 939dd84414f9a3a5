"""Which routes an app or token asked for: for the watched actors and the busiest.

    github_api_insights_route_requests_total{organization="acme",actor_type="installation",actor_id="954453",http_method="GET",api_route="/repositories/:repository_id"} 544665

Routes are templates in GitHub's internal words: some hundreds, whatever the number of repositories.

https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-route-stats-by-actor
"""  # noqa: E501 - an exposition line is not wrapped

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from exporter.catalogue import Amount, Api, Ask, Calls, Collector, Fetched, Row, Table, Timestamp, counter, gauge
from exporter.collecting.reading import walk, whose, window
from exporter.collectors.summary_stats import LATENESS, NEEDS
from exporter.settings import Whole


class Options(BaseModel):
    """Settings of this collector alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    top_actors: Annotated[Whole, Field(ge=0)] = Field(
        default=20,
        description="How many of an organization's busiest apps and tokens are followed besides those in `watch`.",
    )
    max_series: Annotated[Whole, Field(ge=1)] = Field(
        default=500, description="How many routes of an actor have series of their own; the rest is summed as `other`."
    )
    api_route_substring: str = Field(
        default="", max_length=100, description="Only routes that contain this; another word counts anew."
    )


class Route(Row):
    """One route that the actor asked for in the window."""

    http_method: str
    api_route: str
    total_request_count: Amount
    rate_limited_request_count: Amount
    last_request_timestamp: Timestamp | None = None
    last_rate_limited_timestamp: Timestamp | None = None


ROUTES = Table(
    row=Route,
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
            "The newest request of the app or token for the route that GitHub shows.",
        ),
        gauge(
            "github_api_insights_route_last_rate_limited_timestamp_seconds",
            "last_rate_limited_timestamp",
            "The newest of them that a primary rate limit refused; absent if none was.",
        ),
    ),
)


async def fetch(api: Api, ask: Ask) -> Fetched:
    """Walk all pages by route, an order that does not move."""
    wanted = ask.options.api_route_substring
    only: dict[str, str | int] = {"api_route_substring": wanted} if wanted else {}
    params = {**window(ask), "sort": "api_route", "direction": "asc", **only}
    return await walk(api, f"/orgs/{ask.target}/insights/api/route-stats{whose(ask)}", params, ROUTES)


COLLECTOR = Collector(
    name="route_stats",
    scope="organization",
    subject=("actor_type", "actor_id"),
    endpoint="/orgs/{org}/insights/api/route-stats/{actor_type}/{actor_id}",
    page="https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-route-stats-by-actor",
    lateness=LATENESS,
    needs=NEEDS,
    fetch=fetch,
    tables=(ROUTES,),
    options=Options,
    calls=Calls(listed="routes_of_an_actor"),
    top="top_actors",
    filters=("api_route_substring",),
    still="summary_stats",
)
