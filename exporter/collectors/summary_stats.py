"""API requests in total: of an organization, and of its watched users, apps and tokens.

    github_api_insights_requests_total{organization="acme"} 544665
    github_api_insights_rate_limited_requests_total{organization="acme"} 13
    github_api_insights_actor_requests_total{organization="acme",actor_type="installation",actor_id="954453"} 48210

https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-summary-stats
"""

from dataclasses import replace

from exporter import worker
from exporter.catalogue import Collector, Permission
from exporter.collectors.reading.hours import KEPT, read_hours
from exporter.collectors.reading.pages import ListSums, subject_path, window_params
from exporter.collectors.reading.rows import decode_one
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.counting.keys import Numbers
from exporter.errors import CredentialRejected, Forbidden, GitHubError, NotFound
from exporter.fetching import Api, Ask, Fetched
from exporter.past import CountedHours, Part, Past, PastAnswer
from exporter.tables import Amount, Row, Table, counter, gauge

LATENESS = "GitHub shows requests 4 to 6 hours late."
PERMISSION = Permission(
    app="organization permission “API Insights” (read)",
    classic="one of an organization owner, or of a user with the role permission “View organization API insights”",
    granted=("organization_api_insights",),
)


class SummaryRow(Row):
    """GitHub's two sums over the window."""

    total_request_count: Amount
    rate_limited_request_count: Amount


class DifferenceRow(Row):
    """Requests that another endpoint shows in a window, less those of summary-stats."""

    between: str
    requests: int


RECONCILIATION = Table(
    row=DifferenceRow,
    labels=("between",),
    shared=True,
    endpoints="/orgs/{org}/insights/api/subject-stats, time-stats and summary-stats",
    computed_from="total_request_count",
    families=(
        gauge(
            "github_api_insights_reconciliation_difference_requests",
            "requests",
            "The sum of subject-stats (subjects) or time-stats (intervals) minus that of summary-stats over the same "
            "window; 0 if they agree, absent if the sums changed meanwhile.",
        ),
    ),
)


async def _summary(api: Api, ask: Ask, unknown: UnknownFields | None = None) -> SummaryRow:
    reply = await api.get(f"/orgs/{ask.target}/insights/api/summary-stats{subject_path(ask)}", window_params(ask))
    return await worker.run(decode_one, SummaryRow, reply.body, unknown)


async def total(api: Api, ask: Ask, start: int, end: int) -> int | None:
    """The organization's requests in a window, to check other endpoints; None if GitHub does not give them."""
    try:
        summary = await _summary(api, replace(ask, start=start, end=end))
    except CredentialRejected:  # all jobs of the credential must be paused
        raise
    except GitHubError:
        return None
    return summary.total_request_count


def window_sums(api: Api, ask: Ask) -> ListSums:
    """The sums of the job's window, which prove a walk over the rows of a target, a user or an actor complete."""

    async def fetch_sums() -> Numbers:
        try:
            summary = await _summary(api, ask)
        except (Forbidden, NotFound) as error:
            # A 404 does not mean an unknown subject here: GitHub has just shown the subject's rows.
            raise Forbidden(
                f"rows of a list came twice, and the sums that prove it complete cannot be read: {error}; "
                f"summary-stats needs {PERMISSION}"
            ) from None
        return summary.total_request_count, summary.rate_limited_request_count

    return ListSums(fetch_sums, fold=ask.partial, known=ask.known)


async def fetch(api: Api, ask: Ask) -> Fetched:
    """Read the sums of the window: one request."""
    unknown = UnknownFields()
    return Fetched((await _summary(api, ask, unknown),), unknown=unknown)


async def fetch_past(api: Api, ask: Ask, part: Part) -> PastAnswer:
    """Read the requests of each hour: one request to time-stats, whose rows say of which hour they are."""
    hours, rejected = await read_hours(api, ask, part)
    row = SummaryRow(total_request_count=0, rate_limited_request_count=0)
    return PastAnswer(counted=(CountedHours(row, hours),), rejected=rejected)


PAST = Past(fetch_past, "whole", reach=KEPT)

COLLECTOR = Collector(
    name="summary_stats",
    scope="organization",
    endpoint="/orgs/{org}/insights/api/summary-stats",
    page="https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-summary-stats",
    lateness=LATENESS,
    permission=PERMISSION,
    fetch=fetch,
    past=PAST,
    tables=(
        Table(
            row=SummaryRow,
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
    permission=PERMISSION,
    fetch=fetch,
    totals="summary_stats",
    past=PAST,
    tables=(
        Table(
            row=SummaryRow,
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
    permission=PERMISSION,
    fetch=fetch,
    totals="summary_stats",
    past=PAST,
    tables=(
        Table(
            row=SummaryRow,
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
