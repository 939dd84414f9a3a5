"""Short walks: as few pages as have news, and never a count that GitHub's sums do not prove."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from exporter.counting.keys import CountedRow, Counting
from exporter.counting.short_walks import KnownList, Walk, WalkHistory, after_walk, known_list, may_walk_short
from exporter.errors import RateLimited
from exporter.exposition.snapshot import Snapshot
from exporter.exposition.store import Entry
from exporter.instants import DAY, HOUR
from exporter.serving.page.notes import notes
from tests.support.listing import JOB, START, Subjects, counted, subjects, tick

HALF_HOUR = 1800
HISTORY = WalkHistory(anchor=0, whole_at=1000, requests=102)
COUNTING = Counting(0, 1000, 1000, True, {}, (0, 0))


def first(github: Subjects) -> Snapshot:
    """The snapshot after a whole walk."""
    snapshot = tick(github, Snapshot(), START).snapshot
    assert counted(snapshot) == {number: row[0] for number, row in github.rows.items()}
    return snapshot


# The rule, purely -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("history", "counting", "start", "end", "may"),
    [
        pytest.param(HISTORY, COUNTING, 0, 2800, True, id="the same anchor, counted, an hour ago"),
        pytest.param(None, COUNTING, 0, 2800, False, id="never read whole"),
        pytest.param(HISTORY, replace(COUNTING, anchor=3600), 3600, 2800, False, id="another anchor"),
        pytest.param(HISTORY, COUNTING, 3600, 2800, False, id="another window"),
        pytest.param(HISTORY, replace(COUNTING, read_at=999), 0, 2800, False, id="the whole walk was not counted"),
        pytest.param(HISTORY, COUNTING, 0, 1000 + DAY - 1, True, id="not quite a day"),
        pytest.param(HISTORY, COUNTING, 0, 1000 + DAY, False, id="a day ago"),
        pytest.param(HISTORY, COUNTING, 0, 999, False, id="the clock went back"),
        pytest.param(replace(HISTORY, retry_at=2801), COUNTING, 0, 2800, False, id="it failed lately"),
        pytest.param(replace(HISTORY, retry_at=2800), COUNTING, 0, 2800, True, id="tried again"),
        pytest.param(replace(HISTORY, retry_at=2800 + DAY), COUNTING, 0, 2800, False, id="it has often failed"),
        pytest.param(replace(HISTORY, retry_at=2801 + DAY), COUNTING, 0, 2800, True, id="it failed by a wrong clock"),
    ],
)
def test_a_list_is_read_in_part_only_behind_a_whole_walk_of_its_window(
    history: WalkHistory | None, counting: Counting, start: int, end: int, may: bool
) -> None:
    assert may_walk_short(history, counting, start, end, DAY) is may


def row(number: int, *counts: int) -> CountedRow:
    return CountedRow(("user", str(number), "name"), counts, 0.0)


KNOWN = KnownList({("1",): row(1, 10, 2), ("2",): row(2, 20, 0)}, 2, 1)


def test_of_a_known_list_sums_and_counts_are_known() -> None:
    assert KNOWN.sums == (30, 2)
    assert [KNOWN.numbers_of((number,)) for number in "123"] == [(10, 2), (20, 0), (0, 0)]
    assert set(KNOWN.without({("1",)})) == {("2",)}


def test_a_list_without_rows_has_sums_of_zero() -> None:
    assert KnownList({}, 2, 100).sums == (0, 0)


@pytest.mark.parametrize(("rows", "pages"), [(0, 0), (300, 0), (301, 1), (701, 2), (10_000, 25)])
def test_at_most_a_quarter_of_the_known_pages_is_read(rows: int, pages: int) -> None:
    known = KnownList({(str(number),): row(number, 1, 0) for number in range(rows)}, 2, 100)
    assert known.most_pages == pages


def test_the_known_counts_are_those_of_the_open_window_and_zeros_are_no_rows() -> None:
    snapshot = first(subjects(3))
    assert snapshot.counting
    key = snapshot.counting.keys["user", "1"]
    gone = replace(key, counts=tuple(count._replace(current=count.base) for count in key.counts))
    counting = replace(snapshot.counting, keys={**snapshot.counting.keys, ("user", "1"): gone})
    assert {identity[1]: found.numbers for identity, found in known_list(counting, 100).rows.items()} == {
        "2": (3, 0),
        "3": (4, 0),
    }


def test_each_failure_doubles_the_wait_up_to_a_day_and_a_proof_ends_it() -> None:
    history, waits = HISTORY, []
    for _ in range(8):
        history = after_walk(history, Walk(100, None, short_failed=True), 0, 5000, HALF_HOUR)
        waits.append(history.retry_at - 5000)
    assert waits == [HALF_HOUR << shift for shift in range(6)] + [DAY, DAY]
    whole = after_walk(history, Walk(101), 0, 6000, HALF_HOUR)
    assert (whole.failures, whole.retry_at, whole.requests, whole.whole_at) == (8, 5000 + DAY, 101, 6000)
    proven = after_walk(whole, Walk(9, {}), 0, 7000, HALF_HOUR)
    assert proven == WalkHistory(0, 6000, 101, saved=92)


# What a run asks --------------------------------------------------------------------------------------------------


def test_a_run_without_news_costs_one_request() -> None:
    github = subjects(1000)
    before = first(github)
    assert len(github.asked) == 12
    after = tick(github, before, START + HALF_HOUR)
    assert github.asked == ["sums"]
    assert after.saved == 11
    assert counted(after.snapshot) == counted(before)
    assert after.snapshot.last_success == START + HALF_HOUR
    assert after.snapshot.gauges_read_at == START + HALF_HOUR, "the gauges are proven, too"
    assert after.snapshot.requests == 12, "a run may cost a whole walk"


def test_news_are_read_and_all_other_rows_stay_with_their_gauges() -> None:
    github = subjects(1000)
    before = first(github)
    github.request(5, 17, at=START + 100)
    github.request(2000, at=START + 200, count=3)  # a new subject
    after = tick(github, before, START + HALF_HOUR)
    assert github.asked == ["sums", "newest 1"]
    assert after.saved == 10
    assert counted(after.snapshot) == {number: row[0] for number, row in github.rows.items()}
    family = "github_api_insights_subject_last_request_timestamp_seconds"
    shown = {labels[1]: value for labels, value in after.snapshot.gauges[family]}
    assert shown["5"] == START + 100
    assert {int(number): value for number, value in shown.items() if number != "5"}.items() <= {
        number: row[2] for number, row in github.rows.items()
    }.items()
    assert len(shown) == 500, "as many as have a series"
    (difference,) = after.snapshot.gauges["github_api_insights_reconciliation_difference_requests"]
    assert difference == (("subjects",), 0.0)


def test_of_a_renamed_subject_no_sample_stays_under_the_old_name() -> None:
    github = subjects(1000)
    before = first(github)
    github.request(6, at=START + 100)
    github.names[6] = "another"
    after = tick(github, before, START + HALF_HOUR)
    assert github.asked == ["sums", "newest 1"]
    for family, samples in after.snapshot.gauges.items():
        if "subject_last_request" in family:
            assert [labels[2] for labels, _ in samples if labels[1] == "6"] == ["another"]


def test_a_row_that_got_its_series_unread_has_its_last_request() -> None:
    """It had too few requests; a place becomes free when another row is forgotten, or its requests fold away."""
    github = subjects(1000)
    before = first(github)
    assert before.counting
    hidden = next(identity for identity, key in before.counting.keys.items() if not key.has_series)
    shown_one = next(identity for identity, key in before.counting.keys.items() if key.has_series)
    keys = dict(before.counting.keys)
    keys[hidden], keys[shown_one] = (replace(keys[hidden], has_series=True), replace(keys[shown_one], has_series=False))
    before = replace(before, counting=replace(before.counting, keys=keys))
    after = tick(github, before, START + HALF_HOUR)
    assert github.asked == ["sums"]
    family = after.snapshot.gauges["github_api_insights_subject_last_request_timestamp_seconds"]
    shown = {labels[1]: value for labels, value in family}
    assert shown_one[1] not in shown
    assert shown[hidden[1]] == github.rows[int(hidden[1])][2]
    assert len(shown) == len(family)


def test_what_keeps_arriving_is_left_to_a_whole_walk_whose_cost_is_its_own() -> None:
    github = subjects(1000)
    before = first(github)
    github.before_answer = lambda number: github.request(5, at=START + number) if number < 6 else None
    after = tick(github, before, START + HALF_HOUR)
    assert github.asked[:6] == ["sums", "newest 1", "sums", "newest 1", "sums", "name 1"]
    assert after.snapshot.walks
    assert (after.snapshot.walks.failures, after.snapshot.walks.requests) == (1, 12)
    (difference,) = after.snapshot.gauges["github_api_insights_reconciliation_difference_requests"]
    assert difference == (("subjects",), 0.0)


def test_pages_are_read_until_the_sums_are_reached() -> None:
    github = subjects(1000)
    before = first(github)
    github.request(*range(1, 131), at=START + 100)
    after = tick(github, before, START + HALF_HOUR)
    assert github.asked == ["sums", "newest 1", "newest 2"]
    assert counted(after.snapshot) == {number: row[0] for number, row in github.rows.items()}


def test_after_a_quarter_of_the_pages_the_list_is_read_whole() -> None:
    github = subjects(1000)
    before = first(github)
    github.request(*range(1, 1000), at=START + 100)
    after = tick(github, before, START + HALF_HOUR)
    assert github.asked[:4] == ["sums", "newest 1", "newest 2", "name 1"]
    assert (len(github.asked), after.saved) == (14, 0)
    assert counted(after.snapshot) == {number: row[0] for number, row in github.rows.items()}
    assert after.snapshot.walks
    assert (after.snapshot.walks.failures, after.snapshot.walks.requests) == (1, 12)


def test_a_late_request_behind_the_newest_ones_is_not_missed() -> None:
    github = subjects(1000)
    before = first(github)
    github.rows[1000][0] += 1  # its last request stays
    after = tick(github, before, START + HALF_HOUR)
    assert counted(after.snapshot)[1000] == github.rows[1000][0]
    assert after.snapshot.walks
    assert after.snapshot.walks.failures == 1


def test_both_sums_must_agree() -> None:
    github = subjects(1000)
    before = first(github)
    github.rows[1000][1] += 1  # the total stays
    after = tick(github, before, START + HALF_HOUR)
    assert len(github.asked) > 10
    assert after.snapshot.counting
    assert after.snapshot.counting.keys["user", "1000"].counts[1].current == 1


def test_what_arrives_during_the_walk_is_proven_by_sums_from_after() -> None:
    github = subjects(1000)
    before = first(github)
    github.request(5, at=START + 100)

    def arrive(number: int) -> None:
        if number == 2:
            github.request(5, at=START + 101)
        if number == 3:
            github.request(6, at=START + 102)

    github.before_answer = arrive
    after = tick(github, before, START + HALF_HOUR)
    assert github.asked == ["sums", "newest 1", "sums", "newest 1"]
    assert counted(after.snapshot) == {number: row[0] for number, row in github.rows.items()}


def test_a_row_that_lost_requests_ends_the_short_walk_at_once() -> None:
    github = subjects(4000)
    before = first(github)
    github.rows[4000][0] -= 2
    github.request(5, at=START + 100)
    after = tick(github, before, START + HALF_HOUR)
    assert github.asked[:4] == ["sums", "newest 1", "sums", "name 1"]
    assert counted(after.snapshot) == {number: row[0] for number, row in github.rows.items()}


def test_if_the_newest_rows_cannot_be_read_the_list_is_read_whole() -> None:
    github = subjects(1000)
    before = first(github)
    github.request(5, at=START + 100)

    def fail(_number: int) -> None:
        if github.asked[-1] == "newest 1":
            raise httpx.ReadTimeout("GitHub sorts too long")

    github.before_answer = fail
    after = tick(github, before, START + HALF_HOUR)
    assert after.error is None
    assert counted(after.snapshot) == {number: row[0] for number, row in github.rows.items()}
    assert after.snapshot.walks
    assert after.snapshot.walks.failures == 1


def test_a_limit_ends_the_run_instead() -> None:
    github = subjects(1000)
    before = first(github)
    github.request(5, at=START + 100)
    github.limited = True
    after = tick(github, before, START + HALF_HOUR)
    assert isinstance(after.error, RateLimited)
    assert github.asked == ["sums", "newest 1"]


def test_an_unreadable_row_proves_nothing() -> None:
    github = subjects(1000)
    before = first(github)
    github.request(5, at=START + 100)
    github.unreadable = 5
    after = tick(github, before, START + HALF_HOUR)
    assert github.asked[:3] == ["sums", "newest 1", "name 1"]
    assert after.unreadable == 1


def test_a_short_list_is_read_whole() -> None:
    github = subjects(300)
    before = first(github)
    github.request(5, at=START + 100)
    tick(github, before, START + HALF_HOUR)
    assert github.asked == ["sums", "name 1", "name 2", "name 3", "sums"]


def test_once_a_day_and_at_a_fold_the_list_is_read_whole() -> None:
    """A row that lost what another one has won hides the rise for a day at most."""
    github = subjects(1000)
    snapshot = first(github)
    github.rows[7][0] += 1
    github.rows[8][0] -= 1
    for run in range(1, 48):
        snapshot = tick(github, snapshot, START + run * HALF_HOUR).snapshot
        assert github.asked == ["sums"]
    snapshot = tick(github, snapshot, START + DAY).snapshot
    assert len(github.asked) == 12
    assert counted(snapshot) == {number: row[0] for number, row in github.rows.items()}
    assert snapshot.walks
    assert snapshot.walks.whole_at == START + DAY
    assert snapshot.counting
    tick(github, snapshot, snapshot.counting.anchor + 10 * DAY + HOUR)
    assert "newest 1" not in github.asked
    assert len(github.asked) > 40


@pytest.mark.parametrize("surplus", [1, -1])
def test_sums_that_never_agree_cost_what_whole_walks_cost_and_the_page_says_so(surplus: int) -> None:
    github = subjects(1000)
    snapshot, requests = first(github), 0
    github.surplus = surplus
    for run in range(1, 49):
        snapshot = tick(github, snapshot, START + run * HALF_HOUR).snapshot
        requests += len(github.asked)
    assert requests < 48 * 12 * 1.05
    status: Any = SimpleNamespace(walks=snapshot.walks, folded=0, closing=snapshot.closing, unknown=())
    (note,) = notes([[cast("Entry", SimpleNamespace(job=JOB, status=status))]])
    assert note == (
        "subject_stats of organization/acme: reads 1 list whole at each run (12 requests), because summary-stats "
        "does not confirm what has changed."
    )


def test_a_failed_read_changes_nothing_that_is_known_of_the_walks() -> None:
    github = subjects(1000)
    before = first(github)
    github.request(5, at=START + 100)
    github.before_answer = lambda number: github.rows.clear() if number == 2 else None
    after = tick(github, before, START + HALF_HOUR)
    assert after.snapshot.walks is not None
    assert after.snapshot.walks.failures == 1, "the list ended before it was proven, and was read whole"
    assert counted(after.snapshot)[5] == 0
