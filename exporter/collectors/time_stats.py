"""An organization's API requests over time: the newest settled interval, the busiest hour, how late GitHub is.

    github_api_insights_newest_data_timestamp_seconds{organization="acme"} 1726674300
    github_api_insights_busiest_hour_requests{organization="acme"} 48210

https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-time-stats
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from exporter.catalogue import HOUR, Amount, Api, Ask, Collector, Fetched, Row, Table, Timestamp, gauge
from exporter.collecting.reading import decode_list, github_time

SETTLED = 6 * int(HOUR)
"""An interval that ended this long ago is settled: GitHub shows requests 4 to 6 hours late."""

HOURS = 24


def _divides_an_hour(increment: str) -> str:
    minutes = int(increment.removesuffix("m")) if increment.endswith("m") else 60 * int(increment.removesuffix("h"))
    if 60 % minutes:
        raise ValueError("an increment divides an hour: 1m, 5m, 10m, 15m, 30m, 1h")
    return increment


class Options(BaseModel):
    """Settings of this collector alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    increment: Annotated[str, Field(pattern=r"^([1-9][0-9]?m|1h)$"), AfterValidator(_divides_an_hour)] = Field(
        default="5m", description="Length of an interval, as GitHub takes it: `5m`, `10m`, `1h`; it divides an hour."
    )

    @property
    def seconds(self) -> int:
        """The increment in seconds."""
        return 3600 if self.increment == "1h" else 60 * int(self.increment[:-1])


class Interval(Row):
    """One interval of the window."""

    timestamp: Timestamp
    total_request_count: Amount
    rate_limited_request_count: Amount


class Digest(Row):
    """What is shown of the intervals."""

    newest_data: float | None
    interval_start: float
    interval_requests: int
    interval_rate_limited_requests: int
    busiest_hour_start: float
    busiest_hour_requests: int
    busiest_hour_rate_limited_requests: int


def _add(sums: list[int], interval: Interval) -> None:
    sums[0] += interval.total_request_count
    sums[1] += interval.rate_limited_request_count


def digest(intervals: Iterable[Interval], now: int, increment: int) -> Digest:
    """The newest settled interval and the busiest of the last 24 settled clock hours.

    An interval that GitHub leaves out of an answered window had no request. Of equally busy hours the newest counts.
    """
    newest_settled = (now - SETTLED) // increment * increment - increment
    last_hour = (now - SETTLED) // 3600 * 3600 - 3600
    hours = {float(last_hour - back * 3600): [0, 0] for back in range(HOURS)}
    at_newest_settled = [0, 0]
    newest: float | None = None
    for interval in intervals:
        if interval.total_request_count and (newest is None or interval.timestamp > newest):
            newest = interval.timestamp
        if interval.timestamp == newest_settled:
            _add(at_newest_settled, interval)
        if hour := hours.get(interval.timestamp // 3600 * 3600):
            _add(hour, interval)
    busiest = max(hours, key=lambda start: (hours[start][0], start))
    return Digest(
        newest_data=None if newest is None else newest + increment,
        interval_start=newest_settled,
        interval_requests=at_newest_settled[0],
        interval_rate_limited_requests=at_newest_settled[1],
        busiest_hour_start=busiest,
        busiest_hour_requests=hours[busiest][0],
        busiest_hour_rate_limited_requests=hours[busiest][1],
    )


async def fetch(api: Api, ask: Ask) -> Fetched:
    """One call for the last 24 settled hours up to now.

    It begins an hour early: whether GitHub's lower bound includes its interval is not documented.
    """
    start = (ask.end - SETTLED) // 3600 * 3600 - (HOURS + 1) * 3600
    reply = await api.get(
        f"/orgs/{ask.target}/insights/api/time-stats",
        {
            "min_timestamp": github_time(start),
            "max_timestamp": github_time(ask.end),
            "timestamp_increment": ask.options.increment,
        },
    )
    intervals, rejected = decode_list(Interval, reply.body)
    row = digest(intervals, ask.end, ask.options.seconds)
    # The newest interval may not have ended yet.
    return Fetched((row,), rejected, data_time=None if row.newest_data is None else min(row.newest_data, ask.end))


COLLECTOR = Collector(
    name="time_stats",
    scope="organization",
    endpoint="/orgs/{org}/insights/api/time-stats",
    page="https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-time-stats",
    lateness="GitHub shows requests 4 to 6 hours late.",
    fetch=fetch,
    options=Options,
    tables=(
        Table(
            row=Digest,
            computed_from="timestamp, total_request_count, rate_limited_request_count",
            families=(
                gauge(
                    "github_api_insights_newest_data_timestamp_seconds",
                    "newest_data",
                    "End of the newest interval that has any request: how late GitHub is.",
                ),
                gauge(
                    "github_api_insights_interval_requests",
                    "interval_requests",
                    "Requests in the newest settled interval (ended at least 6 hours ago).",
                ),
                gauge(
                    "github_api_insights_interval_rate_limited_requests",
                    "interval_rate_limited_requests",
                    "Rate-limited requests in the newest settled interval.",
                ),
                gauge(
                    "github_api_insights_interval_start_timestamp_seconds",
                    "interval_start",
                    "Start of the newest settled interval.",
                ),
                gauge(
                    "github_api_insights_busiest_hour_requests",
                    "busiest_hour_requests",
                    "Requests in the busiest clock hour (UTC) of the last 24 settled ones; limits are per hour.",
                ),
                gauge(
                    "github_api_insights_busiest_hour_rate_limited_requests",
                    "busiest_hour_rate_limited_requests",
                    "Rate-limited requests in the busiest hour.",
                ),
                gauge(
                    "github_api_insights_busiest_hour_start_timestamp_seconds",
                    "busiest_hour_start",
                    "Start of the busiest hour.",
                ),
            ),
        ),
    ),
)
