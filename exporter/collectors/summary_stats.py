"""API requests in total: of an organization, and of the users and actors that are watched.

    github_api_insights_requests_total{organization="acme"} 544665
    github_api_insights_rate_limited_requests_total{organization="acme"} 13
    github_api_insights_actor_requests_total{organization="acme",actor_type="installation",actor_id="954453"} 48210

https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-summary-stats
"""

from contextlib import suppress
from dataclasses import replace

from exporter.catalogue import Amount, Api, Ask, Collector, Fetched, Row, Table, counter, gauge
from exporter.collecting.reading import decode_one, whose, window
from exporter.github.errors import GitHubError

LATENESS = "GitHub shows requests 4 to 6 hours late."
NEEDS = (
    "organization permission “API Insights” (read) for a GitHub App or fine-grained token; for a classic token, an "
    "organization owner or a custom organization role with “View organization API insights”"
)


class Summary(Row):
    """GitHub's two sums over the window."""

    total_request_count: Amount
    rate_limited_request_count: Amount


class Difference(Row):
    """What another endpoint shows more than the summary of the same window."""

    between: str
    requests: int


RECONCILIATION = Table(
    row=Difference,
    labels=("between",),
    shared=True,
    endpoints="/orgs/{org}/insights/api/subject-stats, time-stats and summary-stats",
    computed_from="total_request_count",
    families=(
        gauge(
            "github_api_insights_reconciliation_difference_requests",
            "requests",
            "What subject-stats (subjects) or time-stats (intervals) show in sum less what summary-stats shows of the "
            "same window; 0 if GitHub agrees with itself, absent while the sums move.",
        ),
    ),
)


async def total(api: Api, ask: Ask, start: int, end: int) -> int | None:
    """The organization's requests in a window, for a check of other endpoints; None if it cannot be had."""
    with suppress(GitHubError):
        reply = await api.get(
            f"/orgs/{ask.target}/insights/api/summary-stats", window(replace(ask, start=start, end=end))
        )
        return decode_one(Summary, reply.body).total_request_count
    return None


async def fetch(api: Api, ask: Ask) -> Fetched:
    """One call."""
    reply = await api.get(f"/orgs/{ask.target}/insights/api/summary-stats{whose(ask)}", window(ask))
    return Fetched((decode_one(Summary, reply.body),))


COLLECTOR = Collector(
    name="summary_stats",
    scope="organization",
    endpoint="/orgs/{org}/insights/api/summary-stats",
    page="https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-summary-stats",
    lateness=LATENESS,
    needs=NEEDS,
    fetch=fetch,
    tables=(
        Table(
            row=Summary,
            families=(
                counter(
                    "github_api_insights_requests_total",
                    "total_request_count",
                    "REST API requests (category core) to the organization's resources, since counting began.",
                ),
                counter(
                    "github_api_insights_rate_limited_requests_total",
                    "rate_limited_request_count",
                    "Requests that a primary rate limit refused, since counting began.",
                ),
            ),
        ),
    ),
)

OF_USER = Collector(
    name="summary_stats",
    scope="organization",
    subject=("user_id",),
    endpoint="/orgs/{org}/insights/api/summary-stats/users/{user_id}",
    page="https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-summary-stats-by-user",
    lateness=LATENESS,
    needs=NEEDS,
    fetch=fetch,
    still="summary_stats",
    tables=(
        Table(
            row=Summary,
            families=(
                counter(
                    "github_api_insights_user_requests_total",
                    "total_request_count",
                    "REST API requests of a watched user, with all of the user's tokens, since counting began.",
                ),
                counter(
                    "github_api_insights_user_rate_limited_requests_total",
                    "rate_limited_request_count",
                    "Requests of a watched user that a primary rate limit refused, since counting began.",
                ),
            ),
        ),
    ),
)

OF_ACTOR = Collector(
    name="summary_stats",
    scope="organization",
    subject=("actor_type", "actor_id"),
    endpoint="/orgs/{org}/insights/api/summary-stats/{actor_type}/{actor_id}",
    page="https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-summary-stats-by-actor",
    lateness=LATENESS,
    needs=NEEDS,
    fetch=fetch,
    still="summary_stats",
    tables=(
        Table(
            row=Summary,
            families=(
                counter(
                    "github_api_insights_actor_requests_total",
                    "total_request_count",
                    "REST API requests of a watched app or token, since counting began.",
                ),
                counter(
                    "github_api_insights_actor_rate_limited_requests_total",
                    "rate_limited_request_count",
                    "Requests of a watched app or token that a primary rate limit refused, since counting began.",
                ),
            ),
        ),
    ),
)
