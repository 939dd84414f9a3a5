"""An organization's API requests in total.

    github_api_insights_requests_total{organization="acme"} 544665
    github_api_insights_rate_limited_requests_total{organization="acme"} 13

https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-summary-stats
"""

from exporter.catalogue import Amount, Api, Ask, Collector, Fetched, Row, Table, counter
from exporter.collecting.reading import decode_one, window


class Summary(Row):
    """GitHub's two sums over the window."""

    total_request_count: Amount
    rate_limited_request_count: Amount


async def fetch(api: Api, ask: Ask) -> Fetched:
    """One call."""
    reply = await api.get(f"/orgs/{ask.target}/insights/api/summary-stats", window(ask))
    return Fetched((decode_one(Summary, reply.body),))


COLLECTOR = Collector(
    name="summary_stats",
    scope="organization",
    endpoint="/orgs/{org}/insights/api/summary-stats",
    page="https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-summary-stats",
    lateness="GitHub shows requests 4 to 6 hours late.",
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
