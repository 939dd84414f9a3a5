"""The budget: no hour above it, no burst, totals before details, and a reserve for others."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.collecting.access import Claim, claim, wait_for_budget
from exporter.collecting.attempt import Attempt
from exporter.collecting.changes import postpone_for_budget
from exporter.collectors import COLLECTORS
from exporter.errors import OverBudget
from exporter.exposition.snapshot import Snapshot
from exporter.github.budget import BURST_WINDOW, Budget, Spending
from exporter.github.hour import HOUR_WINDOW, REQUEST_TIMEOUT
from exporter.github.pacing import Pool
from exporter.instants import HOUR
from exporter.jobs import CollectorSettings, Job, Target


def spent(*sent: tuple[float, str, int]) -> Spending:
    spending = Spending()
    for at, job, times in sent:
        for _ in range(times):
            spending.add(job, at)
    return spending


@pytest.mark.parametrize(
    ("limit", "share", "reserve", "hourly", "untouched"),
    [(5000, 0.3, 500, 1500, 500), (15000, 0.3, 500, 4500, 500), (1000, 0.5, 500, 500, 100), (1, 0.3, 500, 1, 0.1)],
)
def test_the_budget_is_a_share_and_the_reserve_at_most_a_tenth(
    limit: float, share: float, reserve: int, hourly: int, untouched: float
) -> None:
    budget = Budget(share, reserve)
    assert budget.hourly(limit) == hourly
    assert budget.untouched(limit) == pytest.approx(untouched)


def test_requests_are_forgotten_after_an_hour_and_not_before() -> None:
    spending = spent((10.2, "a", 3), (10.9, "a", 1), (20, "b", 2))
    assert (spending.within(HOUR_WINDOW, 21), spending.sent_by("a", 21), spending.sent_by("b", 21)) == (6, 4, 2)
    assert spending.within(HOUR_WINDOW, 10.9 + HOUR_WINDOW) == 6
    assert spending.within(HOUR_WINDOW, 11 + HOUR_WINDOW) == 2
    assert (spending.sent_by("a", 11 + HOUR_WINDOW), spending.sent_by("b", 11 + HOUR_WINDOW)) == (0, 2)
    assert spending.within(BURST_WINDOW, 11 + HOUR_WINDOW) == 0


def test_what_was_sent_is_told_by_minutes_so_that_a_restart_can_know_it() -> None:
    spending = spent((0, "a", 3), (30, "b", 2), (100, "a", 1), (3680, "a", 4))
    assert spending.by_minute(3690) == [(3589, 1), (9, 4)]
    again = Spending()
    for ago, requests in spending.by_minute(3690):
        again.add("", 3690 - ago, requests)
    assert again.within(HOUR_WINDOW, 3690) == 5


@pytest.mark.parametrize(
    ("cost", "kept", "expected"),
    [
        (10, 0, 0.0),
        (40, 0, 0.0),  # all of the hour's 100 that is left
        (41, 0, HOUR_WINDOW - 999),  # one of the first 60 must leave; they were sent at 0
        (10, 30, 0.0),
        (10, 31, HOUR_WINDOW - 999),  # what others need is not touched
        (101, 0, None),  # more than an hour's budget: it never fits
    ],
)
def test_a_run_waits_until_it_fits_into_the_hour(cost: int, kept: int, expected: float | None) -> None:
    assert spent((0, "a", 60)).wait(cost, kept, 100, 1000) == expected


@pytest.mark.parametrize(("sent", "wait"), [(99, 0.0), (100, HOUR_WINDOW - 999), (101, HOUR_WINDOW - 999)])
def test_a_request_waits_while_the_hour_is_full(sent: int, wait: float) -> None:
    assert spent((0, "a", sent)).full(100, 1000) == wait


def test_five_minutes_see_a_third_of_the_hour_at_most() -> None:
    spending = spent((0, "a", 30))
    assert spending.wait(3, 0, 100, 10) == 0.0
    assert spending.wait(4, 0, 100, 10) == pytest.approx(BURST_WINDOW + 1 - 10)
    assert spending.wait(4, 0, 100, BURST_WINDOW + 1) == 0.0


def test_intervals_that_ask_for_more_than_a_third_are_no_burst() -> None:
    spending = spent((0, "a", 60))
    assert spending.wait(4, 0, 100, 10) == pytest.approx(BURST_WINDOW + 1 - 10)
    assert spending.wait(4, 0, 100, 10, usual=64) == 0.0
    assert spending.wait(41, 0, 100, 10, usual=1000) == pytest.approx(HOUR_WINDOW + 1 - 10)  # the hour's budget stays


def test_a_run_larger_than_the_short_share_begins_in_relative_quiet() -> None:
    assert Spending().wait(90, 0, 100, 0) == 0.0
    assert spent((0, "a", 8)).wait(90, 0, 100, 10) == 0.0
    assert spent((0, "a", 9)).wait(90, 0, 100, 10) == pytest.approx(BURST_WINDOW + 1 - 10)


@given(
    hourly=st.integers(1, 60),
    wanted=st.lists(st.tuples(st.floats(0, 900), st.integers(1, 30)), min_size=1, max_size=60),
)
def test_whatever_is_wanted_no_sliding_hour_sees_more_than_the_budget(
    hourly: int, wanted: list[tuple[float, int]]
) -> None:
    spending, now, sent = Spending(), 0.0, []
    for pause, cost in wanted:
        now += pause
        wait = spending.wait(cost, 0, hourly, now)
        if wait is None:
            assert cost > hourly
            continue
        now += wait
        for _ in range(cost):
            if spending.full(hourly, now):
                break
            spending.add("job", now)
            sent.append(now)
        # However long each was on its way, GitHub's hour holds no more either.
        assert sum(at > now - HOUR - REQUEST_TIMEOUT for at in sent) <= hourly


def job(index: int, interval: float = 1800.0, subject: tuple[str, ...] = (), busy: int = 0) -> Job:
    collector = COLLECTORS[index]
    settings = CollectorSettings(True, interval, 1.0, collector.options())
    return Job(collector, Target("organization", "acme", "token"), settings, index, subject, busy)


def test_totals_come_before_subjects_and_those_before_drill_down_in_the_order_of_requests_seen() -> None:
    jobs = [
        job(6, subject=("a", "1"), busy=5),
        job(6, subject=("a", "2"), busy=9),
        job(2),
        job(5, subject=("7",)),
        job(14),  # Copilot's seats
        job(0),
    ]
    ranked = sorted(jobs, key=lambda one: claim(one, 1).rank)
    assert [(one.order, one.busy) for one in ranked] == [(0, 0), (14, 0), (2, 0), (5, 0), (6, 9), (6, 5)]


def test_the_declaration_tells_who_goes_first() -> None:
    ranks = {(one.name, bool(one.subject)): one.rank for one in COLLECTORS}
    assert {who for who, rank in ranks.items() if rank == 1} == {("subject_stats", False)}
    assert {who for who, rank in ranks.items() if rank == 2} == {who for who in ranks if who[1]}


def test_a_claim_is_what_a_run_cost_and_what_an_hour_of_them_will() -> None:
    assert claim(job(0), 1)[2:] == (1, 1, 2, 1800.0, False)
    assert claim(job(2), 23)[2:] == (23, 23, 46, 1800.0, False)
    assert claim(job(2), 23, 20)[2:6] == (23, 3, 6, 1800.0)  # a short walk is usual, a whole one possible
    assert claim(job(2), 0)[2:6] == (12, 12, 24, 1800.0)  # nothing is known: as for a thousand subjects
    assert claim(job(0, interval=6 * HOUR), 1).hourly == 1
    assert claim(job(0, interval=1.0), 1).hourly == 12  # nothing is kept for what wants to run all the time


def test_details_wait_while_totals_still_need_their_part_of_the_hour() -> None:
    pool = Pool("pool", Budget(0.1, 0), limit=1000)
    totals, details = Claim((0, 0, 0, "t"), "t", 10, 10, 40, 900.0), Claim((2, 5, 0, "d"), "d", 10, 10, 10, 3600.0)
    for _ in range(55):
        pool.spending.add("x", 0)
    assert wait_for_budget(totals, [totals, details], pool, 1000) == 0
    assert wait_for_budget(details, [totals, details], pool, 1000) == HOUR_WINDOW - 999
    for _ in range(10):
        pool.spending.add("t", 900)  # the totals took their part; no more than the rest of it is kept
    assert wait_for_budget(details, [totals, details], pool, 1300) == HOUR_WINDOW - 1299
    for _ in range(30):
        pool.spending.add("t", 901)
    assert pool.hourly == 100
    assert wait_for_budget(Claim((2, 5, 0, "d"), "d", 5, 5, 5, 3600.0), [totals, details], pool, 1300) == 0


def runs_of_a_day(cost: int, *more_important: Claim) -> tuple[list[float], int]:
    """When a list is read whose whole walk has this cost, and how often 78 details, with 2,500 requests an hour."""
    pool = Pool("pool", Budget(0.5, 0), limit=5000)
    large = Claim((1, 1, 0, "list"), "list", cost, 11, 22, 1800.0)
    details = [Claim((2, 5, 0, f"{number:02}"), f"{number:02}", 10, 10, 20, 1800.0) for number in range(78)]
    claims = [*more_important, large, *details]
    due, waiting, runs, ran = {one.job: 0.0 for one in claims}, set[str](), list[float](), 0
    for now in map(float, range(0, 24 * 3600, 20)):
        for one in claims:
            if due[one.job] > now:
                continue
            waiting.discard(one.job)
            current = [other._replace(is_waiting=True) if other.job in waiting else other for other in claims]
            wait = wait_for_budget(one, current, pool, now)
            assert wait is not None
            due[one.job] = now + (min(max(wait, 1.0), 60.0) if wait else one.interval)
            if wait:
                waiting.add(one.job)
                continue
            pool.spending.add(one.job, now, one.usual)
            if one is large:
                runs.append(now)
            elif one in details:
                ran += 1
    return runs, ran


def test_a_list_whose_whole_walk_needs_much_room_is_read_although_details_are_due_all_the_time() -> None:
    runs, details = runs_of_a_day(1002)
    assert max(later - earlier for earlier, later in pairwise([*runs, 24 * HOUR])) <= HOUR + 120
    assert details > 78 * 48 * 0.9


def test_a_job_that_finds_room_never_does_not_stop_all_others() -> None:
    totals = Claim((0, 0, 0, "totals"), "totals", 1, 1, 2, 1800.0)
    _runs, details = runs_of_a_day(2499, totals)
    assert details > 78 * 48 * 0.9


@pytest.mark.parametrize(
    ("sent", "hourly", "requests"), [(40, 100, 80), (60, 100, 100), (100, 100, 200), (60, None, 120), (4, 100, 10)]
)
def test_a_run_that_the_budget_stopped_is_not_taken_for_one_that_never_fits(
    sent: int, hourly: int | None, requests: int
) -> None:
    attempt = Attempt(OverBudget("", 0.0), 0.0, 0.0, 0.0, requests=sent, hourly=hourly)
    assert postpone_for_budget(Snapshot(requests=10), 0.0, attempt).requests == requests


def test_without_a_limit_nothing_waits() -> None:
    pool = Pool("appliance", Budget(0.3, 500))
    assert pool.hourly is None
    assert wait_for_budget(Claim((0, 0, 0, ""), "a", 10**6, 10**6, 1, 3600.0), [], pool, 0) == 0
    assert pool.spent(0) == 0


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"limit": 5000, "remaining": 500, "reset": 1600}, 0.0),
        ({"limit": 5000, "remaining": 499, "reset": 1600}, 1601),
        ({"limit": 5000, "remaining": 0, "reset": 999}, 0.0),  # a new hour has begun
        ({"limit": 5000, "remaining": 0, "reset": 10**9}, 0.0),  # no reset of GitHub's
        ({"limit": 1000, "remaining": 100, "reset": 1600}, 0.0),
        ({"limit": 1000, "remaining": 99, "reset": 1600}, 1601),
        ({"limit": None, "remaining": 0, "reset": 1600}, 0.0),
        ({"limit": 5000, "remaining": None, "reset": 1600}, 0.0),
        ({"limit": 5000, "remaining": 0, "reset": None}, 0.0),
    ],
)
def test_the_rest_of_the_quota_is_left_to_others(facts: dict[str, Any], expected: float) -> None:
    assert Pool("pool", Budget(0.3, 500), **facts).reserved(1000) == expected
    assert Pool("pool", **facts).reserved(1000) == 0.0
