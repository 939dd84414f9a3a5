"""From answers to rows: bad rows, bad answers, shifting pages."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from exporter.catalogue import Ask
from exporter.collecting.reading import decode_list, decode_one, github_time
from exporter.collectors.subject_stats import COLLECTOR, Subject
from exporter.collectors.subject_stats import Options as SubjectOptions
from exporter.collectors.summary_stats import Summary
from exporter.collectors.time_stats import Interval, Options, digest
from exporter.github.errors import Invalid, NotFound

GOOD = b'{"subject_type": "user", "subject_id": 1, "total_request_count": 5, "rate_limited_request_count": 0}'


@pytest.mark.parametrize(
    "bad",
    [
        b"null",
        b"7",
        b'{"subject_type": "user"}',
        GOOD.replace(b"5", b'"5"'),
        GOOD.replace(b"5", b"-5"),
        GOOD.replace(b"5", b"5.5"),
        GOOD.replace(b"5", b"null"),
        GOOD.replace(b"5", b"1e400"),
        GOOD.replace(b"5", b"99999999999999999999999"),
        GOOD.replace(b"}", b', "last_request_timestamp": "yesterday"}'),
        GOOD.replace(b'"user"', b"null"),
    ],
)
def test_a_bad_row_is_left_out_and_counted(bad: bytes) -> None:
    rows, rejected = decode_list(Subject, b"[" + GOOD + b"," + bad + b"]")
    assert [row.total_request_count for row in rows] == [5]
    assert rejected == 1


def test_fields_that_github_adds_later_are_ignored() -> None:
    rows, rejected = decode_list(Subject, b"[" + GOOD.replace(b"}", b', "new": {"deep": [1]}}') + b"]")
    assert (len(rows), rejected) == (1, 0)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b"null", b'[{"subject_id": 1}]', b"[" + GOOD, b"[" * 100_000, b"\xff\xfe", GOOD],
)
def test_an_answer_that_cannot_be_read_is_invalid_and_not_repeated_in_the_message(body: bytes) -> None:
    with pytest.raises(Invalid) as raised:
        decode_list(Subject, body)
    assert len(str(raised.value)) < 400


def test_a_summary_without_a_count_is_invalid_and_not_zero() -> None:
    with pytest.raises(Invalid, match="rate_limited_request_count"):
        decode_one(Summary, b'{"total_request_count": 5}')


class Pages:
    """Pages of subjects, one list per walk."""

    def __init__(self, *walks: Sequence[Sequence[int]]) -> None:
        self.walks = list(walks)
        self.asked: list[dict[str, Any]] = []
        self.skew = 0.0

    def now(self) -> float:
        return 0.0

    async def get(self, path: str, _params: Any = None) -> Any:
        raise NotFound(f"{path}: no total to compare with")

    async def pages(self, _path: str, params: Any = None) -> Any:
        self.asked.append(params)
        for page in self.walks.pop(0):
            rows = ",".join(GOOD.decode().replace('"subject_id": 1', f'"subject_id": {number}') for number in page)
            yield SimpleNamespace(status=200, body=f"[{rows}]".encode())


def fetched(pages: Pages) -> list[int]:
    question = Ask("acme", (), SubjectOptions(), 1_700_000_000, 1_700_003_600)
    found = asyncio.run(COLLECTOR.fetch(pages, question))
    return [row.subject_id for row in found.rows if isinstance(row, Subject)]


def test_all_pages_are_read_with_one_window_in_an_order_that_does_not_move() -> None:
    pages = Pages([[1, 2], [3]])
    assert fetched(pages) == [1, 2, 3]
    assert pages.asked == [
        {
            "min_timestamp": "2023-11-14T22:13:20Z",
            "max_timestamp": "2023-11-14T23:13:20Z",
            "sort": "subject_name",
            "direction": "asc",
            "per_page": 100,
        }
    ]


def test_a_row_that_comes_twice_starts_the_walk_over() -> None:
    assert fetched(Pages([[1, 2], [2, 3]], [[1, 2], [3]])) == [1, 2, 3]


def test_a_second_shift_fails_the_walk() -> None:
    with pytest.raises(Invalid, match="moved between pages"):
        fetched(Pages([[1, 2], [2, 3]], [[1], [1]]))


HOUR = 3600
NOON = 1_795_262_400  # 2026-11-21T12:00:00Z


def interval(at: int, total: int, limited: int = 0) -> Interval:
    return Interval.model_validate(
        {"timestamp": github_time(at), "total_request_count": total, "rate_limited_request_count": limited}
    )


def test_the_digest_of_no_interval_is_zeros_and_no_newest_data() -> None:
    found = digest([], NOON, 300)
    assert found.newest_data is None
    assert (found.interval_requests, found.interval_start) == (0, NOON - 6 * HOUR - 300)
    assert (found.busiest_hour_requests, found.busiest_hour_start) == (0, NOON - 7 * HOUR)


@pytest.mark.parametrize(("age", "settled"), [(6 * HOUR, False), (6 * HOUR + 299, False), (6 * HOUR + 300, True)])
def test_an_interval_is_settled_six_hours_after_its_end(age: int, settled: bool) -> None:
    found = digest([interval(NOON - age // 300 * 300, 7, 2)], NOON, 300)
    assert (found.interval_requests, found.interval_rate_limited_requests) == ((7, 2) if settled else (0, 0))


def test_the_busiest_hour_is_one_of_the_last_24_settled_clock_hours() -> None:
    intervals = [
        interval(NOON - 31 * HOUR, 1000),
        interval(NOON - 30 * HOUR, 10, 1),
        interval(NOON - 30 * HOUR + 3300, 11, 1),
        interval(NOON - 7 * HOUR, 20),
        interval(NOON - 6 * HOUR, 1000),
    ]
    found = digest(intervals, NOON + 600, 300)
    assert found.busiest_hour_start == NOON - 30 * HOUR
    assert (found.busiest_hour_requests, found.busiest_hour_rate_limited_requests) == (21, 2)
    assert found.newest_data == NOON - 6 * HOUR + 300


@pytest.mark.parametrize("wrong", ["5", "7m", "2h", "0m", "1d", "-5m", "90m"])
def test_an_increment_divides_an_hour(wrong: str) -> None:
    with pytest.raises(ValueError, match="increment"):
        Options(increment=wrong)
