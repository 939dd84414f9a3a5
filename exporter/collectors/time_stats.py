"""API requests over time: the newest settled interval, the busiest hour, how late GitHub is.

There are series of each organization, and of its watched users, apps and tokens.

    github_api_insights_newest_data_timestamp_seconds{organization="acme"} 1726674300
    github_api_insights_busiest_hour_requests{organization="acme"} 48210

https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-time-stats
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, Field

from exporter import worker
from exporter.catalogue import Calls, Collector
from exporter.collectors.reading.hours import KEPT
from exporter.collectors.reading.pages import subject_path
from exporter.collectors.reading.rows import decode_list
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.summary_stats import LATENESS, PERMISSION, RECONCILIATION, DifferenceRow, total
from exporter.fetching import Api, Ask, Fetched
from exporter.instants import HOUR, utc_time
from exporter.lateness import STATUS_PAGE, Late
from exporter.options import CollectorOptions
from exporter.past import Part, Past, PastAnswer, Shown
from exporter.tables import Amount, Family, Row, Table, Timestamp, gauge

SETTLED = 6 * HOUR
"""An interval that ended this long ago is settled: GitHub shows requests 4 to 6 hours late."""

HOURS = 24

MOST_INTERVALS = 2 * (HOURS + 8) * 60
"""Intervals of one response: twice the minutes from the first hour that is read up to now."""


def _divides_an_hour(increment: str) -> str:
    minutes = int(increment.removesuffix("m")) if increment.endswith("m") else 60 * int(increment.removesuffix("h"))
    if 60 % minutes:
        raise ValueError("an increment divides an hour: 1m, 5m, 10m, 15m, 30m, 1h")
    return increment


class Options(CollectorOptions):
    """The collector's own settings."""

    increment: Annotated[str, Field(pattern=r"^([1-9][0-9]?m|1h)$"), AfterValidator(_divides_an_hour)] = Field(
        default="5m", description="Length of an interval, as GitHub takes it: `5m`, `10m`, `1h`; it divides an hour."
    )

    @property
    def seconds(self) -> int:
        """The increment in seconds."""
        return 3600 if self.increment == "1h" else 60 * int(self.increment[:-1])


class IntervalRow(Row):
    """One interval of the window."""

    timestamp: Timestamp
    total_request_count: Amount
    rate_limited_request_count: Amount


class DigestRow(Row):
    """The exported figures of the intervals; instants are in epoch seconds."""

    newest_data: float | None
    interval_start: float
    interval_requests: int
    interval_rate_limited_requests: int
    busiest_hour_start: float
    busiest_hour_requests: int
    busiest_hour_rate_limited_requests: int


def _add(sums: list[int], interval: IntervalRow) -> None:
    sums[0] += interval.total_request_count
    sums[1] += interval.rate_limited_request_count


def digest(intervals: Iterable[IntervalRow], now: int, increment: int) -> DigestRow:
    """The newest settled interval and the busiest of the last 24 settled clock hours.

    An interval that is missing in GitHub's response had no request. Of equally busy hours the newest counts.
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
    return DigestRow(
        newest_data=None if newest is None else min(newest + increment, now),  # it may not have ended yet
        interval_start=newest_settled,
        interval_requests=at_newest_settled[0],
        interval_rate_limited_requests=at_newest_settled[1],
        busiest_hour_start=busiest,
        busiest_hour_requests=hours[busiest][0],
        busiest_hour_rate_limited_requests=hours[busiest][1],
    )


async def fetch(api: Api, ask: Ask) -> Fetched:
    """Read the intervals from the last 24 settled hours up to now: one request.

    The window starts an hour early: whether GitHub's lower bound includes its interval is not documented.
    """
    start = _settled_hour(ask) - (HOURS + 1) * 3600
    unknown = UnknownFields()
    intervals, rejected = await _intervals(api, ask, start, ask.end, unknown)
    row = digest(intervals, ask.end, ask.options.seconds)
    return Fetched((row,), rejected, row.newest_data, unknown=unknown)


async def fetch_and_compare(api: Api, ask: Ask) -> Fetched:
    """Read the intervals of an organization, and compare them with its summary over the 24 settled hours.

    Both are read with the same bounds, so it does not matter which intervals these include.
    """
    fetched = await fetch(api, ask)
    end = _settled_hour(ask)
    start = end - HOURS * 3600
    intervals, rejected = await _intervals(api, ask, start, end)
    summary = await total(api, ask, start, end)
    if summary is None or rejected:
        return fetched
    difference = sum(interval.total_request_count for interval in intervals) - summary
    return replace(fetched, rows=(*fetched.rows, DifferenceRow(between="intervals", requests=difference)))


def _settled_hour(ask: Ask) -> int:
    """The end of the newest settled hour, epoch seconds."""
    return (ask.end - SETTLED) // 3600 * 3600


async def _intervals(
    api: Api, ask: Ask, start: int, end: int, unknown: UnknownFields | None = None
) -> tuple[list[IntervalRow], int]:
    reply = await api.get(
        f"/orgs/{ask.target}/insights/api/time-stats{subject_path(ask)}",
        {
            "min_timestamp": utc_time(start),
            "max_timestamp": utc_time(end),
            "timestamp_increment": ask.options.increment,
        },
    )
    return await worker.run(decode_list, IntervalRow, reply.body, unknown, MOST_INTERVALS)


MEASURES = (
    (
        "newest_data",
        "End of the newest interval with a request{of}, at most now; shows how late GitHub's data are.",
    ),
    ("interval_requests", "Requests{of} in the newest settled interval, which ended at least 6 hours ago."),
    ("interval_rate_limited_requests", "Rate-limited requests{of} in the newest settled interval."),
    ("interval_start", "Start of the newest settled interval of the requests{of}."),
    (
        "busiest_hour_requests",
        "Requests{of} in the busiest of the last 24 settled clock hours (UTC); rate limits are per hour.",
    ),
    ("busiest_hour_rate_limited_requests", "Rate-limited requests{of} in the busiest hour."),
    ("busiest_hour_start", "Start of the busiest hour of the requests{of}."),
)
"""Field and help of the families of each of the three endpoints; `{of}` says whose requests they are."""


def _table(of: str, *names: str) -> Table:
    families: list[Family] = []
    for name, (field, text) in zip(names, MEASURES, strict=True):
        families.append(gauge(name, field, text.format(of=of)))
    return Table(
        row=DigestRow,
        computed_from="timestamp, total_request_count, rate_limited_request_count",
        families=tuple(families),
    )


async def fetch_past(api: Api, ask: Ask, part: Part) -> PastAnswer:
    """Read the intervals of a day and of those before that count in it: one request.

    How late GitHub was is not known any more, so the newest data have no past.
    """
    start = part.start - (HOURS + 1) * 3600 - SETTLED
    intervals, rejected = await _intervals(api, ask, start, part.end)
    step, increment = int(ask.interval), ask.options.seconds
    shown = await worker.run(
        lambda: tuple(
            Shown(at, (digest(intervals, at, increment).model_copy(update={"newest_data": None}),))
            for at in range(-(-part.start // step) * step, part.end, step)
        )
    )
    return PastAnswer(shown, rejected=rejected)


PAST = Past(fetch_past, "day", reach=KEPT - (HOURS + 1) * HOUR - SETTLED)

COLLECTOR = Collector(
    name="time_stats",
    scope="organization",
    endpoint="/orgs/{org}/insights/api/time-stats",
    page="https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-time-stats",
    lateness=LATENESS,
    permission=PERMISSION,
    fetch=fetch_and_compare,
    options=Options,
    past=PAST,
    calls=Calls(single=3),
    late=Late(
        8 * HOUR,
        f"Nothing is lost, counters catch up when GitHub does: look at {STATUS_PAGE}.",
        "GithubApiInsightsLate",
    ),
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
    permission=PERMISSION,
    fetch=fetch,
    options=Options,
    past=PAST,
    tables=(
        _table(
            " of a watched user",
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
    permission=PERMISSION,
    fetch=fetch,
    options=Options,
    past=PAST,
    tables=(
        _table(
            " of a watched app or token",
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
