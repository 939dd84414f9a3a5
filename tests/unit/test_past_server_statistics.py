"""The past of appliances' statistics: each record from its date on, whatever GitHub makes of the dates it is asked."""

import json
import sys
from typing import Any

import httpx
import pytest

from exporter.collectors.server_statistics.past import NOTHING
from exporter.errors import CredentialRejected, GitHubError, Invalid, NotFound
from exporter.history.sources import parts, still_kept
from exporter.instants import DAY, HOUR, epoch
from exporter.past import Part, PastAnswer
from tests.support.jobs import NOW, client, job_of
from tests.support.paid import answered
from tests.support.past import asked, figures, live, source_of
from tests.support.server_statistics import FULL, PATH, STATISTICS, S

JOB = job_of(STATISTICS)
PART = Part(int(epoch("2026-10-01")), int(NOW), requests=2)


def dated(day: str, issues: Any, server: str = "one") -> dict[str, Any]:
    stats = {**FULL["ghe_stats"], "issues": {"total_issues": issues}}
    return {**FULL, "server_id": server, "collection_date": f"{day}T23:59:59Z", "ghe_stats": stats}


class Statistics:
    """GitHub's records in pages. It refuses a date with the status, or answers it by the records since then."""

    def __init__(self, *pages: list[Any], with_dates: int | list[Any] | None = None) -> None:
        self._pages, self._with_dates = pages, with_dates
        self.asked: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        page = int(query.pop("page", "1"))
        self.asked.append(query)
        if query and isinstance(self._with_dates, int):
            return httpx.Response(self._with_dates, json={"message": "Invalid date_start"})
        if query and self._with_dates is not None:
            return httpx.Response(200, json=self._with_dates)
        link = f'<https://api.github.com{PATH}?page={page + 1}>; rel="next"' if page < len(self._pages) else ""
        return httpx.Response(200, content=json.dumps(self._pages[page - 1]), headers={"link": link} if link else {})


def past(statistics: Any, part: Part = PART) -> PastAnswer:
    return asked(JOB, client(statistics), part)


def issues(answer: PastAnswer) -> dict[tuple[str, int], float]:
    """The open issues by appliance and instant."""
    found = {}
    for shown in answer.shown:
        for (name, labels), value in figures(JOB, shown).items():
            if name == f"{S}total_issues":
                assert dict(labels)["server_id"] == shown.thing
                found[shown.thing, shown.at] = value
    return found


def at(day: str) -> int:
    return int(epoch(f"{day}T23:59:59Z"))


def test_each_record_is_shown_from_its_date_on_by_appliance() -> None:
    first = [dated("2026-11-02", 20), dated("2026-11-01", 10), dated("2026-11-01", 7, "two")]
    statistics = Statistics(first, [dated("2026-10-31", 5)])
    answer = past(statistics)
    assert issues(answer) == {
        ("one", at("2026-10-31")): 5,
        ("one", at("2026-11-01")): 10,
        ("one", at("2026-11-02")): 20,
        ("two", at("2026-11-01")): 7,
    }
    assert answer.rejected == 0
    assert len(statistics.asked) == 2, "two pages"


def test_a_record_shows_what_the_exporter_showed_of_it() -> None:
    answer = past(Statistics([FULL]), Part(0, int(NOW)))
    (shown,) = answer.shown
    then = answered(JOB, {PATH: [FULL]}, now=float(shown.at)).snapshot
    assert figures(JOB, shown) == live(JOB, then)
    assert len(figures(JOB, shown)) > 100


@pytest.mark.parametrize("status", [400, 422])
def test_a_date_that_github_refuses_costs_one_more_request(status: int) -> None:
    statistics = Statistics([dated("2026-10-01", 10)], with_dates=status)
    assert issues(past(statistics)) == {("one", at("2026-10-01")): 10}
    assert statistics.asked == [{"date_start": "2026-08-31"}, {}]


def test_a_date_that_github_takes_for_something_else_costs_one_more_request() -> None:
    statistics = Statistics([dated("2026-10-01", 10)], with_dates=[])
    assert issues(past(statistics)) == {("one", at("2026-10-01")): 10}
    assert len(statistics.asked) == 2


def test_a_date_that_github_ignores_costs_nothing() -> None:
    """Records from 31 days before the part on are kept: an appliance's last sign of life is shown so long."""
    statistics = Statistics([dated(day, 1) for day in ("2026-08-30", "2026-08-31", "2026-09-30", "2026-11-20")])
    kept = {("one", at(day)) for day in ("2026-08-31", "2026-09-30", "2026-11-20")}
    assert issues(past(statistics)).keys() == kept
    assert issues(past(statistics, Part(PART.start, at("2026-11-20")))).keys() == kept - {("one", at("2026-11-20"))}
    assert len(statistics.asked) == 2


def test_the_date_is_never_a_year_ago() -> None:
    statistics = Statistics([FULL])
    past(statistics, Part(int(NOW) - 364 * DAY, int(NOW)))
    assert statistics.asked == [{"date_start": "2025-11-22"}]


@pytest.mark.parametrize("last", [0, 1])
def test_of_two_records_of_one_date_the_larger_one_counts_in_any_order(last: int) -> None:
    two = [dated("2026-11-01", 10), {**dated("2026-11-01", 20), "zz": {"more": 1}}]
    larger = max(two, key=json.dumps)
    assert issues(past(Statistics([two[1 - last], two[last]]))) == {
        ("one", at("2026-11-01")): larger["ghe_stats"]["issues"]["total_issues"]
    }


def test_what_cannot_be_read_is_counted_and_the_rest_is_shown() -> None:
    odd = [{"server_id": 7}, 7, {**dated("2026-11-01", 1), "collection_date": None}]
    odd += [{**dated("2026-11-01", 1), "collection_date": when} for when in ("yesterday", "2027-01-01")]
    answer = past(Statistics([*odd, dated("2026-11-02", "many"), dated("2026-11-03", 30)]))
    assert issues(answer) == {("one", at("2026-11-03")): 30}
    assert len(answer.shown) == 2, "the other numbers of the record are shown"
    assert answer.rejected == 5 + 1


def test_what_github_has_no_record_of_is_missing() -> None:
    assert past(Statistics([])) == PastAnswer(missing=NOTHING)
    assert past(Statistics([dated("2026-11-01", 1)])).missing == f"before 2026-11-01T23:59:59Z: {NOTHING}"
    assert past(Statistics([dated("2026-09-15", 1)])).missing == ""


@pytest.mark.parametrize(
    ("statistics", "error"),
    [
        (lambda _: httpx.Response(401, json={}), CredentialRejected),
        (lambda _: httpx.Response(404, json={}), NotFound),
        (lambda _: httpx.Response(200, content=b'[{"server_id": "a"}'), Invalid),
        (Statistics([{"server_id": 7}, 7]), Invalid),
    ],
    ids=["401", "404", "cut off", "no server"],
)
def test_an_answer_that_cannot_be_used_fails(statistics: Any, error: type[GitHubError]) -> None:
    with pytest.raises(error):
        past(statistics)


def test_a_year_is_one_part() -> None:
    source = source_of(JOB, 0, NOW)
    (part,) = parts(source)
    assert part.end - part.start == 364 * DAY - 2 * HOUR
    assert part.requests == 2
    assert still_kept(source, part, int(NOW)) is part


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="since 3.12 C code has a stack of its own, as deep each time")
def test_a_record_that_is_too_deep_for_the_stack_that_reads_it_again_is_refused() -> None:
    """It is read first where its depth is just possible."""
    depth = sys.getrecursionlimit() - 100
    deep: Any = []
    for _ in range(depth // 2):
        deep = [deep]
    (shown,) = past(Statistics([dated("2026-10-05", 7) | {"new": deep}])).shown

    def read(frames: int) -> None:
        if frames:
            read(frames - 1)
        else:
            list(shown.rows)

    read(0)
    with pytest.raises(Invalid, match="an appliance's record is nested too deeply"):
        read(depth - depth // 4)
