"""A drill-down source asks nothing while the target's totals prove that there is nothing new."""

import asyncio
import re
import threading
from dataclasses import replace
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from exporter.collecting.attempt import Attempt, Question, Reading, Totals, ask, totals_of
from exporter.collecting.conclude import conclude
from exporter.collectors import copilot_usage, route_stats, subject_stats
from exporter.counting.keys import Count, Counting, Key, Rules
from exporter.counting.windows import Windows
from exporter.errors import HostRefused, Unavailable
from exporter.exposition.columns import column
from exporter.exposition.snapshot import Snapshot
from exporter.fetching import Api, Ask, Fetched
from exporter.instants import DAY, HOUR
from exporter.settings.collectors_section import variables_of
from tests.support.jobs import NOW, client, job_of

JOB = job_of(route_stats.COLLECTOR)
ANCHOR = int(NOW) - 30 * HOUR
READ_AT = int(NOW) - 1800
COUNTING = Counting(ANCHOR, READ_AT, READ_AT, True, {}, (0, 0))
TOTALS = Totals(ANCHOR, READ_AT + 60, (100, 2))
QUESTION = Question(JOB, COUNTING, Windows(), earlier_sums=(100, 2), totals=TOTALS)


@pytest.mark.parametrize(
    ("question", "nothing_new"),
    [
        pytest.param(QUESTION, True, id="the totals did not move since our read"),
        pytest.param(
            replace(QUESTION, totals=replace(TOTALS, anchor=ANCHOR - HOUR)), True, id="their window is longer"
        ),
        pytest.param(replace(QUESTION, totals=replace(TOTALS, sums=(101, 2))), False, id="a request became visible"),
        pytest.param(replace(QUESTION, totals=replace(TOTALS, sums=(99, 2))), False, id="a request was taken back"),
        pytest.param(replace(QUESTION, totals=replace(TOTALS, sums=(100, 3))), False, id="a refusal became visible"),
        pytest.param(
            replace(QUESTION, totals=replace(TOTALS, anchor=ANCHOR + HOUR)), False, id="they see less of ours"
        ),
        pytest.param(replace(QUESTION, totals=replace(TOTALS, read_at=READ_AT)), False, id="they were not read since"),
        pytest.param(replace(QUESTION, totals=None), False, id="there are no totals"),
        pytest.param(replace(QUESTION, earlier_sums=None), False, id="nothing was noted at our read"),
        pytest.param(replace(QUESTION, counting=None), False, id="we never read"),
    ],
)
def test_only_totals_that_stood_still_and_see_all_of_our_window_prove_it(question: Question, nothing_new: bool) -> None:
    assert question.nothing_new() is nothing_new


def asked(question: Question) -> tuple[Reading, list[str]]:
    """What an attempt brings, and what GitHub was asked for."""
    paths: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/rate_limit":
            paths.append(request.url.params["min_timestamp"])
        return httpx.Response(200, json=[])

    return asyncio.run(ask(question, client(respond))), paths


def test_then_nothing_is_asked_and_our_read_counts_as_of_theirs() -> None:
    reading, paths = asked(QUESTION)
    assert paths == []
    assert (reading.unchanged, reading.end, reading.sums) == (True, TOTALS.read_at, (100, 2))
    before = Snapshot(
        version=4, counting=COUNTING, requests=3, sums=(100, 2), gauges={"github_x": column([(("a",), 1.0)])}
    )
    after = conclude(JOB, before, Attempt(reading, NOW, 0.1, 0.0), Rules(500, 1e9)).snapshot
    assert after.counting == replace(COUNTING, read_at=TOTALS.read_at)
    assert (after.last_success, after.data_time) == (NOW, float(TOTALS.read_at))
    assert (after.gauges, after.sums, after.requests) == (before.gauges, (100, 2), 3)
    assert after.outcome is not None
    assert after.outcome.reason is None


def test_a_read_notes_the_totals_that_were_known_before_it() -> None:
    reading, paths = asked(replace(QUESTION, totals=replace(TOTALS, sums=(150, 2))))
    assert len(paths) == 1
    after = conclude(JOB, Snapshot(counting=COUNTING), Attempt(reading, NOW, 0.1, 0.0), Rules(500, 1e9)).snapshot
    assert after.sums == (150, 2)


@pytest.mark.parametrize(
    ("anchor", "reads"),
    [
        pytest.param(int(NOW) - 10 * DAY - HOUR, 5, id="a fold is due"),
        pytest.param(int(NOW) - 31 * DAY, 0, id="a hole is due; the next window begins with the next whole hour"),
    ],
)
def test_folds_and_gaps_still_happen(anchor: int, reads: int) -> None:
    counting = replace(COUNTING, anchor=anchor)
    reading, paths = asked(replace(QUESTION, counting=counting, totals=replace(TOTALS, anchor=anchor)))
    assert not reading.unchanged
    assert (len(paths), reading.new_anchor) == (reads, None if reads else int(NOW))


@pytest.mark.parametrize("failing", [0, 1, 2, 3])
@pytest.mark.parametrize("wrong", [-16 * DAY, 35 * DAY], ids=["behind", "ahead"])
def test_no_window_is_given_up_while_one_date_alone_says_that_our_clock_is_wrong(wrong: float, failing: int) -> None:
    """Behind, all of it would be counted again; ahead, what GitHub shows late would be lost."""
    right, rate_limits = NOW - wrong, 0
    counting = replace(COUNTING, anchor=int(right) - 30 * HOUR, read_at=int(right) - 1800)
    dated = {"date": formatdate(right, usegmt=True), "x-github-request-id": "1"}

    def respond(request: httpx.Request) -> httpx.Response:
        nonlocal rate_limits
        rate_limits += request.url.path == "/rate_limit"
        if request.url.path == "/rate_limit" and rate_limits == failing:
            return httpx.Response(503)
        return httpx.Response(200, json=[], headers=dated)

    question = replace(QUESTION, counting=counting, totals=None)
    if failing == 1:
        with pytest.raises(Unavailable):
            asyncio.run(ask(question, client(respond)))
        return
    reading = asyncio.run(ask(question, client(respond)))
    assert reading.new_anchor is None
    assert reading.end == int(right)


def test_the_hint_for_a_refused_host_names_a_variable_that_exists() -> None:
    async def fetch(_api: Api, _ask: Ask) -> Fetched:
        raise HostRefused("refused", "files.example.com", ["*.github.com"])

    job = job_of(replace(copilot_usage.COLLECTOR, fetch=fetch))
    api: Any = SimpleNamespace(skew=0.0, now=lambda: NOW)
    with pytest.raises(HostRefused) as refused:
        asyncio.run(ask(Question(job, None, Windows()), api))
    (variable,) = re.findall(r"without a file: (\w+)='\*\.github\.com,files\.example\.com'$", refused.value.hint)
    assert variables_of([job.collector])[variable].path == ("collectors", "copilot_usage", "download_hosts")


def test_totals_are_base_and_open_of_the_one_row() -> None:
    key: Any = Key((), (Count(40, 140, 140, 100, 100), Count(0, 2, 2, 2, 2)), NOW, True, (None, None))
    assert totals_of(replace(COUNTING, keys={(): key})) == Totals(ANCHOR, READ_AT, (140, 2))
    assert totals_of(COUNTING) is None
    assert totals_of(None) is None


def test_rows_are_named_and_looked_through_where_no_scrape_waits_for_it() -> None:
    """Of thousands of rows that takes as long as many scrapes, which the event loop's thread answers."""
    threads: set[int] = set()

    class Row(subject_stats.SubjectRow):
        def __getattribute__(self, name: str) -> Any:
            if name in ("people", "rate_limited_request_count"):
                threads.add(threading.get_ident())
            return super().__getattribute__(name)

    async def fetch(_api: Api, _ask: Ask) -> Fetched:
        row = {"subject_type": "user", "subject_id": "1", "total_request_count": 5, "rate_limited_request_count": 0}
        return Fetched((Row.model_validate(row),))

    table = replace(subject_stats.SUBJECTS, row=Row)
    collector = replace(subject_stats.COLLECTOR, fetch=fetch, tables=(table,))
    reading, _ = asked(Question(replace(job_of(subject_stats.COLLECTOR), collector=collector), None, Windows()))
    assert reading.read is not None
    assert reading.read.rows[("user", "1")].numbers == (5, 0)
    assert threads
    assert threading.get_ident() not in threads


class Drifting:
    """An Api whose clock is found to be off by so much more at each attempt."""

    def __init__(self, *jumps: float) -> None:
        self.skew, self.jumps, self.windows = 0.0, list(jumps), list[int]()

    def now(self) -> float:
        return NOW + self.skew

    def read(self, end: int) -> Fetched:
        self.windows.append(end - int(NOW))
        self.skew += self.jumps.pop(0) if self.jumps else 0.0
        return Fetched(())


@pytest.mark.parametrize(
    ("jumps", "ends"),
    [
        pytest.param((30.0,), [0], id="a small difference is no matter"),
        pytest.param((-3600.0,), [0, -3600], id="asked again with the right clock"),
        pytest.param((-3600.0, 3600.0), [0, -3600, 0], id="twice"),
        pytest.param((90.0,) * 9, [0, 90, 180], id="a clock that runs fast: what was asked is true, only older"),
    ],
)
def test_a_window_that_was_asked_by_a_wrong_clock_is_asked_again(jumps: tuple[float, ...], ends: list[int]) -> None:
    api: Any = Drifting(*jumps)

    async def fetch(_api: Api, asked: Ask) -> Fetched:
        result: Fetched = api.read(asked.end)
        return result

    job = replace(JOB, collector=replace(JOB.collector, fetch=fetch))
    reading = asyncio.run(ask(Question(job, None, Windows()), api))
    assert api.windows == ends
    assert reading.end == int(NOW) + ends[-1]


def test_what_was_asked_of_the_future_is_never_taken() -> None:
    api: Any = Drifting(*(-3600.0,) * 9)

    async def fetch(_api: Api, asked: Ask) -> Fetched:
        result: Fetched = api.read(asked.end)
        return result

    question = Question(replace(JOB, collector=replace(JOB.collector, fetch=fetch)), None, Windows())
    with pytest.raises(Unavailable, match="went back"):
        asyncio.run(ask(question, api))
    assert api.windows == [0, -3600, -7200]
