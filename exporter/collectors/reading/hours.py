"""API requests by hour, of an organization, a user or an actor: the past of counters.

GitHub's rows have the start of their hour, so it does not matter whether it includes the bounds that it was asked with.

https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights#get-time-stats
"""

from exporter import worker
from exporter.collectors.reading.pages import subject_path, window_params
from exporter.collectors.reading.rows import decode_list
from exporter.counting.windows import Windows
from exporter.fetching import Api, Ask
from exporter.instants import HOUR
from exporter.past import Part
from exporter.tables import Amount, Row, Timestamp

KEPT = Windows().retention
"""How long GitHub keeps requests, in seconds."""
MOST_HOURS = 1_000
MOST_REQUESTS = 2**53
"""Of an hour: more is no count, and the sum of a month would not fit into 64 bits."""


class HourRow(Row):
    """One hour with requests; GitHub may leave out the others."""

    timestamp: Timestamp
    total_request_count: Amount
    rate_limited_request_count: Amount


async def read_hours(api: Api, ask: Ask, part: Part) -> tuple[dict[int, tuple[int, int]], int]:
    """The requests and the rate-limited ones of each hour, by its end, and how many rows could not be read."""
    path = f"/orgs/{ask.target}/insights/api/time-stats{subject_path(ask)}"
    reply = await api.get(path, {**window_params(ask), "timestamp_increment": "1h"})
    rows, rejected = await worker.run(decode_list, HourRow, reply.body, None, MOST_HOURS)
    hours: dict[int, tuple[int, int]] = {}
    for row in rows:
        end = int(row.timestamp) // HOUR * HOUR + HOUR
        if row.total_request_count > MOST_REQUESTS:
            rejected += 1
        elif part.start < end <= part.end and row.total_request_count:
            before = hours.get(end, (0, 0))
            hours[end] = (before[0] + row.total_request_count, before[1] + row.rate_limited_request_count)
    return hours, rejected
