"""From answers to rows: bad rows, bad answers, shifting pages."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from exporter.collectors.reading.rows import decode_list, decode_one
from exporter.collectors.reading.unknown_fields import LONGEST_NAME, MOST_NAMES, OTHER_NAMES, UnknownFields
from exporter.collectors.subject_stats import COLLECTOR, SubjectRow
from exporter.collectors.subject_stats import Options as SubjectOptions
from exporter.collectors.summary_stats import SummaryRow
from exporter.collectors.time_stats import IntervalRow, Options, digest
from exporter.errors import Invalid, NotFound
from exporter.fetching import Ask
from exporter.instants import utc_time

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
    rows, rejected = decode_list(SubjectRow, b"[" + GOOD + b"," + bad + b"]")
    assert [row.total_request_count for row in rows] == [5]
    assert rejected == 1


MORE = GOOD.replace(b"}", b', "new": {"deep": [1, "octocat"]}, "note": "octocat", "gone": null, "empty": []}')


@pytest.mark.parametrize("beside", [GOOD, b"7"])
def test_fields_that_github_adds_later_are_counted_by_name_and_not_kept(beside: bytes) -> None:
    unknown = UnknownFields()
    rows, rejected = decode_list(SubjectRow, b"[" + MORE + b"," + beside + b"," + MORE + b"]", unknown)
    assert (len(rows) + rejected, rejected) == (3, int(beside == b"7"))
    assert unknown == {"new": 2, "note": 2, "empty": 2}
    assert "octocat" not in repr(rows) + str([row.model_extra for row in rows])


def test_a_field_that_github_adds_to_an_object_is_counted() -> None:
    unknown = UnknownFields()
    body = b'{"total_request_count": 5, "rate_limited_request_count": 0, "throttled_request_count": 1}'
    assert decode_one(SummaryRow, body, unknown).total_request_count == 5
    assert unknown == {"throttled_request_count": 1}


def test_names_of_unknown_fields_are_few_short_and_printable() -> None:
    unknown = UnknownFields()
    unknown.take({f"new_{number}": number for number in range(1_000)}, ())
    assert len(unknown) == MOST_NAMES + 1
    assert (sum(unknown.values()), unknown[OTHER_NAMES]) == (1_000, 1_000 - MOST_NAMES)
    odd = UnknownFields()
    odd.take({"x" * 10_000: 1, "a\0\x1b[31m\n<b>\ud800é": 1, "": 1}, ())
    assert list(odd) == ["x" * LONGEST_NAME, "a???31m??b???", "?"]


def test_no_name_from_inside_an_unknown_field_is_kept() -> None:
    unknown = UnknownFields()
    item = {"by_login": {"octocat": {"requests": 3}, "hubot": 4}, "list": [{"octocat": 1}], "known": 1}
    unknown.take(item, {"known"}, "stats")
    assert unknown == {"stats.by_login": 2, "stats.list": 1}
    unknown.take({"octocat": 1, "hubot": 2}, {"known"}, "stats.users")
    assert unknown["stats.users"] == 2
    assert not any("octocat" in name for name in unknown)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b"null", b'[{"subject_id": 1}]', b"[" + GOOD, b"[" * 100_000, b"\xff\xfe", GOOD],
)
def test_an_answer_that_cannot_be_read_is_invalid_and_not_repeated_in_the_message(body: bytes) -> None:
    with pytest.raises(Invalid) as raised:
        decode_list(SubjectRow, body)
    assert len(str(raised.value)) < 400


def test_a_summary_without_a_count_is_invalid_and_not_zero() -> None:
    with pytest.raises(Invalid, match="rate_limited_request_count"):
        decode_one(SummaryRow, b'{"total_request_count": 5}')


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


def fetched(pages: Any) -> list[int]:
    question = Ask("acme", (), SubjectOptions(), 1_700_000_000, 1_700_003_600)
    found = asyncio.run(COLLECTOR.fetch(pages, question))
    return [row.subject_id for row in found.rows if isinstance(row, SubjectRow)]


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


HOUR = 3600
NOON = 1_795_262_400  # 2026-11-21T12:00:00Z


def interval(at: int, total: int, limited: int = 0) -> IntervalRow:
    return IntervalRow.model_validate(
        {"timestamp": utc_time(at), "total_request_count": total, "rate_limited_request_count": limited}
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


@pytest.mark.parametrize("increment", [60, 300, 3600])
def test_data_are_never_newer_than_now(increment: int) -> None:
    """The interval that holds now has not ended yet."""
    for now in (NOON, NOON + 1, NOON + 600, NOON + 3599):
        found = digest([interval(now // increment * increment, 7)], now, increment)
        assert found.newest_data == now


@pytest.mark.parametrize("wrong", ["5", "7m", "2h", "0m", "1d", "-5m", "90m"])
def test_an_increment_divides_an_hour(wrong: str) -> None:
    with pytest.raises(ValueError, match="increment"):
        Options(increment=wrong)
