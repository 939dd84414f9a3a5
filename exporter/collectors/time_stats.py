"""API requests over time: the newest settled interval, the busiest hour, how late GitHub is.

Of an organization, and of the users and actors that are watched.

    github_api_insights_newest_data_timestamp_seconds{organization="acme"} 1726674300
    github_api_insights_busiest_hour_requests{organization="acme"} 48210

https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-time-stats
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from exporter.catalogue import HOUR, Amount, Api, Ask, Calls, Collector, Family, Fetched, Row, Table, Timestamp, gauge
from exporter.collecting.reading import decode_list, github_time, whose
from exporter.collectors.summary_stats import LATENESS, NEEDS, RECONCILIATION, Difference, total

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
    """One call for the last 24 settled hours up to now, of a user or an actor.

    It begins an hour early: whether GitHub's lower bound includes its interval is not documented.
    """
    start = _settled_hour(ask) - (HOURS + 1) * 3600
    intervals, rejected = await _intervals(api, ask, start, ask.end)
    row = digest(intervals, ask.end, ask.options.seconds)
    # The newest interval may not have ended yet.
    return Fetched((row,), rejected, data_time=None if row.newest_data is None else min(row.newest_data, ask.end))


async def fetch_and_compare(api: Api, ask: Ask) -> Fetched:
    """The same of an organization, and what its intervals and its summary show of the 24 settled hours.

    Both are asked for by the same bounds, so it does not matter what those include.
    """
    fetched = await fetch(api, ask)
    end = _settled_hour(ask)
    start = end - HOURS * 3600
    intervals, rejected = await _intervals(api, ask, start, end)
    summary = await total(api, ask, start, end)
    if summary is None or rejected:
        return fetched
    difference = sum(interval.total_request_count for interval in intervals) - summary
    compared = Difference(between="intervals", requests=difference)
    return Fetched((*fetched.rows, compared), fetched.rejected, fetched.data_time)


def _settled_hour(ask: Ask) -> int:
    """Where the newest settled hour ends."""
    return (ask.end - SETTLED) // 3600 * 3600


async def _intervals(api: Api, ask: Ask, start: int, end: int) -> tuple[list[Interval], int]:
    reply = await api.get(
        f"/orgs/{ask.target}/insights/api/time-stats{whose(ask)}",
        {
            "min_timestamp": github_time(start),
            "max_timestamp": github_time(end),
            "timestamp_increment": ask.options.increment,
        },
    )
    return decode_list(Interval, reply.body)


MEASURES = (
    ("newest_data", "End of the newest interval that has any request: how late GitHub is."),
    ("interval_requests", "Requests in the newest settled interval (ended at least 6 hours ago)."),
    ("interval_rate_limited_requests", "Rate-limited requests in the newest settled interval."),
    ("interval_start", "Start of the newest settled interval."),
    (
        "busiest_hour_requests",
        "Requests in the busiest clock hour (UTC) of the last 24 settled ones; limits are per hour.",
    ),
    ("busiest_hour_rate_limited_requests", "Rate-limited requests in the busiest hour."),
    ("busiest_hour_start", "Start of the busiest hour."),
)
"""Field and help of the seven families that each of the three endpoints fills."""


def _table(whose_requests: str, *names: str) -> Table:
    families: list[Family] = []
    for name, (field, text) in zip(names, MEASURES, strict=True):
        families.append(gauge(name, field, text.removesuffix(".") + whose_requests + "."))
    return Table(
        row=Digest,
        computed_from="timestamp, total_request_count, rate_limited_request_count",
        families=tuple(families),
    )


COLLECTOR = Collector(
    name="time_stats",
    scope="organization",
    endpoint="/orgs/{org}/insights/api/time-stats",
    page="https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-time-stats",
    lateness=LATENESS,
    needs=NEEDS,
    fetch=fetch_and_compare,
    options=Options,
    calls=Calls(single=3),
    tables=(
        _table(
            "",
            "github_api_insights_newest_data_timestamp_seconds",
            "github_api_insights_interval_requests",
            "github_api_insights_interval_rate_limited_requests",
            "github_api_insights_interval_start_timestamp_seconds",
            "github_api_insights_busiest_hour_requests",
            "github_api_insights_busiest_hour_rate_limited_requests",
            "github_api_insights_busiest_hour_start_timestamp_seconds",
        ),
        RECONCILIATION,
    ),
)

OF_USER = Collector(
    name="time_stats",
    scope="organization",
    subject=("user_id",),
    endpoint="/orgs/{org}/insights/api/time-stats/users/{user_id}",
    page="https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-time-stats-by-user",
    lateness=LATENESS,
    needs=NEEDS,
    fetch=fetch,
    options=Options,
    tables=(
        _table(
            ", of a watched user",
            "github_api_insights_user_newest_data_timestamp_seconds",
            "github_api_insights_user_interval_requests",
            "github_api_insights_user_interval_rate_limited_requests",
            "github_api_insights_user_interval_start_timestamp_seconds",
            "github_api_insights_user_busiest_hour_requests",
            "github_api_insights_user_busiest_hour_rate_limited_requests",
            "github_api_insights_user_busiest_hour_start_timestamp_seconds",
        ),
    ),
)

OF_ACTOR = Collector(
    name="time_stats",
    scope="organization",
    subject=("actor_type", "actor_id"),
    endpoint="/orgs/{org}/insights/api/time-stats/{actor_type}/{actor_id}",
    page="https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-time-stats-by-actor",
    lateness=LATENESS,
    needs=NEEDS,
    fetch=fetch,
    options=Options,
    tables=(
        _table(
            ", of a watched app or token",
            "github_api_insights_actor_newest_data_timestamp_seconds",
            "github_api_insights_actor_interval_requests",
            "github_api_insights_actor_interval_rate_limited_requests",
            "github_api_insights_actor_interval_start_timestamp_seconds",
            "github_api_insights_actor_busiest_hour_requests",
            "github_api_insights_actor_busiest_hour_rate_limited_requests",
            "github_api_insights_actor_busiest_hour_start_timestamp_seconds",
        ),
    ),
)
