"""Whether GitHub's endpoints agree, and when that cannot be said. Names stand beside the series of their subjects."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from exporter.collecting.attempt import Attempt, Question, ask
from exporter.collecting.conclude import conclude
from exporter.collectors import subject_stats, time_stats
from exporter.collectors.summary_stats import DifferenceRow
from exporter.counting.keys import Rules
from exporter.counting.windows import Windows
from exporter.errors import CredentialRejected
from exporter.exposition.snapshot import Snapshot
from exporter.fetching import Ask, Fetched
from exporter.github.client import GitHub
from exporter.simulator.stored import ANSWERS
from tests.support.jobs import NOW, client, job_of, stored

DAY = 86_400
Answer = Callable[[httpx.Request], Any]


def answering(answer: Answer) -> GitHub:
    """A client that gets these JSON values."""
    return client(lambda request: httpx.Response(200, json=answer(request)))


def totals(*sums: int) -> Answer:
    """The stored answers, with these totals one after another, the last one for ever."""
    left = list(sums)

    def answer(request: httpx.Request) -> Any:
        if "summary-stats" not in request.url.path:
            return stored(request)
        return {
            "total_request_count": left.pop(0) if len(left) > 1 else left[0],
            "rate_limited_request_count": 0,
        }

    return answer


def fetched(collector: Any, answer: Answer, **change: Any) -> Fetched:
    question = Ask("acme", (), collector.options(**change.pop("options", {})), int(NOW) - DAY, int(NOW))
    result: Fetched = asyncio.run(collector.fetch(answering(answer), replace(question, **change)))
    return result


def differences(found: Fetched) -> dict[str, int]:
    return {row.between: row.requests for row in found.rows if isinstance(row, DifferenceRow)}


SUBJECTS = 544_665 + 3 + 1


@pytest.mark.parametrize(
    ("sums", "expected"),
    [
        ((SUBJECTS,), {"subjects": 0}),
        ((SUBJECTS - 5,), {"subjects": 5}),
        ((SUBJECTS + 7,), {"subjects": -7}),
        ((SUBJECTS, SUBJECTS + 1), {}),  # the total moved during the walk
    ],
)
def test_subjects_are_compared_with_a_total_that_stood_still(sums: tuple[int, ...], expected: dict[str, int]) -> None:
    assert differences(fetched(subject_stats.COLLECTOR, totals(*sums))) == expected


def test_a_row_that_could_not_be_read_is_no_difference_of_githubs() -> None:
    def broken(request: httpx.Request) -> Any:
        answer = totals(SUBJECTS)(request)
        return [*answer, {"subject_type": "user"}] if isinstance(answer, list) else answer

    found = fetched(subject_stats.COLLECTOR, broken)
    assert (found.rejected, differences(found)) == (1, {})


@pytest.mark.parametrize("change", [{"partial": True}, {"options": {"subject_name_substring": "bot"}}])
def test_neither_a_folds_reads_nor_a_part_of_the_subjects_are_compared(change: dict[str, Any]) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> Any:
        asked.append(request.url.path)
        return totals(SUBJECTS)(request)

    assert differences(fetched(subject_stats.COLLECTOR, answer, **change)) == {}
    assert [path for path in asked if "summary-stats" in path] == []


def test_without_a_total_the_subjects_are_shown_all_the_same() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "summary-stats" in request.url.path:
            return httpx.Response(502, text="unicorn")
        return httpx.Response(200, json=stored(request))

    question = Ask("acme", (), subject_stats.Options(), int(NOW) - DAY, int(NOW))
    found = asyncio.run(subject_stats.COLLECTOR.fetch(client(answer), question))
    assert (len([row for row in found.rows if isinstance(row, subject_stats.SubjectRow)]), differences(found)) == (
        3,
        {},
    )


@pytest.mark.parametrize("collector", [subject_stats.COLLECTOR, time_stats.COLLECTOR])
def test_a_credential_that_is_refused_for_the_total_is_refused_for_the_run(collector: Any) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "summary-stats" in request.url.path:
            return httpx.Response(401, json={"message": "Bad credentials"})
        return httpx.Response(200, json=stored(request))

    question = Ask("acme", (), collector.options(), int(NOW) - DAY, int(NOW))
    with pytest.raises(CredentialRejected):
        asyncio.run(collector.fetch(client(answer), question))


INTERVALS = sum(interval["total_request_count"] for interval in json.loads((ANSWERS / "time_stats.json").read_text()))


@pytest.mark.parametrize(("total", "expected"), [(INTERVALS, 0), (INTERVALS - 3, 3)])
def test_intervals_and_the_total_are_asked_for_by_the_same_bounds(total: int, expected: int) -> None:
    bounds: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> Any:
        bounds.append((request.url.params["min_timestamp"], request.url.params["max_timestamp"]))
        return totals(total)(request)

    assert differences(fetched(time_stats.COLLECTOR, answer)) == {"intervals": expected}
    assert bounds[1] == bounds[2] == ("2026-11-20T06:00:00Z", "2026-11-21T06:00:00Z")


def test_an_interval_that_could_not_be_read_is_no_difference_of_githubs() -> None:
    def broken(request: httpx.Request) -> Any:
        answer = totals(INTERVALS)(request)
        return [*answer, {"timestamp": "2026-11-20T09:00:00Z"}] if isinstance(answer, list) else answer

    assert differences(fetched(time_stats.COLLECTOR, broken)) == {}


@pytest.mark.parametrize(("places", "named"), [(1, {"5"}), (2, {"5", "6"})])
def test_names_are_told_of_those_who_have_series(places: int, named: set[str]) -> None:
    def answer(request: httpx.Request) -> Any:
        if "summary-stats" in request.url.path:
            return {"total_request_count": 3, "rate_limited_request_count": 0}
        return [
            {
                "subject_type": "installation",
                "subject_id": number,
                "subject_name": f"bot {number}",
                "total_request_count": 10 - number,
                "rate_limited_request_count": 0,
            }
            for number in (5, 6)
        ]

    job = job_of(subject_stats.COLLECTOR)
    brought = asyncio.run(ask(Question(job, None, Windows()), answering(answer)))
    snapshot = conclude(job, Snapshot(), Attempt(brought, NOW, 0.1, 0.0), Rules(places, 1e9)).snapshot
    told = {labels[1] for labels, _value in snapshot.gauges["github_api_insights_actor_info"]}
    assert told == named
    assert snapshot.folded == 2 - places
