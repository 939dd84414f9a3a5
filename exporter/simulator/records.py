"""The log of requests to the simulated GitHub, and what tests derive from it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.instants import HOUR


@dataclass(slots=True)
class RequestRecord:
    """One request. `started` and `ended` are positions in one common order of starts and ends.

    Two requests overlapped if the later one started before the earlier one ended; `ended` is None while it runs.
    `pool` is the quota that GitHub counts it against: `user:NAME` (a token without a user: `user:FINGERPRINT`),
    `installation:ID`, `app:CLIENT_ID` for an App's own requests, empty for an unknown caller and for signed files.
    """

    at: float
    method: str
    path: str
    query: Mapping[str, str]
    token: str  # a fingerprint, see `fingerprint`
    started: int
    ended: int | None = None
    status: int | None = None
    pool: str = ""
    counted: bool = False  # whether it was counted against the pool's quota


def counted_by_hour(records: Iterable[RequestRecord]) -> Counter[tuple[str, int]]:
    """Requests that counted against a quota, by pool and start of the clock hour (epoch seconds)."""
    return Counter((record.pool, int(record.at) // HOUR * HOUR) for record in records if record.counted)


def overlapping(records: Iterable[RequestRecord]) -> list[tuple[RequestRecord, RequestRecord]]:
    """Pairs of requests of one pool that ran at the same time: each with the earlier one that ended last."""
    pairs: list[tuple[RequestRecord, RequestRecord]] = []
    longest: dict[str, RequestRecord] = {}
    for record in sorted(records, key=lambda record: record.started):
        before = longest.get(record.pool)
        if before is not None and _end(before) > record.started:
            pairs.append((before, record))
        if before is None or _end(record) > _end(before):
            longest[record.pool] = record
    return pairs


def _end(record: RequestRecord) -> float:
    return float("inf") if record.ended is None else record.ended
