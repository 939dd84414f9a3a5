"""The past of the month's usage: days that are added up to what was shown at the end of each."""

import json
from typing import Any

import httpx
import pytest

from exporter.catalogue import Collector
from exporter.collectors.billing_usage import COLLECTOR, OF_ORGANIZATION
from exporter.errors import CredentialRejected, Forbidden, GitHubError, Unavailable
from exporter.history.sources import still_kept
from exporter.history.spans import Mark, shown_until
from exporter.instants import DAY, HOUR, epoch
from exporter.past import Part, PastAnswer
from tests.support.jobs import NOW, client, job_of
from tests.support.past import asked, figures, listed, source_of

BOTH = pytest.mark.parametrize("collector", [COLLECTOR, OF_ORGANIZATION], ids=lambda one: one.scope)
JOB = job_of(COLLECTOR)
OCTOBER = Part(int(epoch("2026-10-01")), int(epoch("2026-11-01")), requests=62)
FIRST_DAYS = Part(OCTOBER.start, OCTOBER.start + 4 * DAY, requests=8)


def item(amount: Any, **changes: Any) -> dict[str, Any]:
    numbers = {f"{kind}{what}": amount for kind in ("gross", "discount", "net") for what in ("Amount", "Quantity")}
    return {"product": "Actions", "sku": "linux", "unitType": "minutes", "pricePerUnit": 1, **numbers, **changes}


class Billing:
    """GitHub's usage by day, and its AI credits: items, a status, or a whole answer; nothing was used on others."""

    def __init__(self, usage: dict[int, Any], credit: dict[int, Any] | int = 404) -> None:
        self._usage, self._credit = usage, credit
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        query = {name: int(value) for name, value in request.url.params.items()}
        account, _, what = request.url.path.partition("/settings/billing/")
        assert account in ("/enterprises/acme-corp", "/organizations/acme")
        self.asked.append(f"{what} {query['year']}-{query['month']}-{query['day']}")
        answers = self._usage if what == "usage/summary" else self._credit
        body = answers if isinstance(answers, int) else answers.get(query["day"], [])
        if isinstance(body, int):
            return httpx.Response(body, json={"message": "No."})
        whole = body if isinstance(body, dict) else {"timePeriod": query, "usageItems": body}
        return httpx.Response(200, content=json.dumps(whole))


def past(billing: Billing, part: Part = FIRST_DAYS, collector: Collector = COLLECTOR) -> PastAnswer:
    return asked(job_of(collector), client(billing), part)


def net(answer: PastAnswer, field: str = "net_amount_usd") -> list[dict[str, float]]:
    """By day, the net amounts by SKU."""
    found = []
    for shown in answer.shown:
        series = figures(JOB, shown)
        found.append({dict(labels)["sku"]: value for (name, labels), value in series.items() if name.endswith(field)})
    return found


@BOTH
def test_days_are_added_up_exactly_and_each_day_is_asked_for(collector: Collector) -> None:
    billing = Billing(
        {1: [item(0.1)], 2: [item(0.2), item(5, sku="macos")], 4: [item(-0.3)]}, {1: [item(1, model="o3")]}
    )
    answer = past(billing, collector=collector)
    assert [shown.at - OCTOBER.start for shown in answer.shown] == [DAY, 2 * DAY, 3 * DAY, 4 * DAY]
    assert (answer.rejected, answer.missing) == (0, "")
    assert billing.asked == [
        f"{what} 2026-10-{day}" for day in (1, 2, 3, 4) for what in ("usage/summary", "ai_credit/usage")
    ]
    if collector is COLLECTOR:
        usage = [{"linux": 0.1}, {"linux": 0.3, "macos": 5}, {"linux": 0.3, "macos": 5}, {"linux": 0, "macos": 5}]
        assert net(answer, "usage_enterprise_net_amount_usd") == usage
        assert net(answer, "credit_enterprise_net_amount_usd") == [{"linux": 1}] * 4


def test_the_sums_of_a_month_end_with_it_and_its_last_day_is_shown_in_its_last_hour() -> None:
    answer = past(Billing({day: [item(1)] for day in range(1, 32)}), OCTOBER)
    assert [one["linux"] for one in net(answer)] == list(range(1, 32))
    assert [(shown.at, shown.until) for shown in answer.shown][-2:] == [
        (OCTOBER.end - DAY, OCTOBER.end),
        (OCTOBER.end - HOUR, OCTOBER.end),
    ]
    marks = [Mark(shown.at, "figures") for shown in answer.shown]
    until = [min(shown.until, shown_until(shown.at, marks, JOB.max_age, float("inf"))) for shown in answer.shown]
    assert until == [*[shown.at for shown in answer.shown][1:], OCTOBER.end], "each until the next one"


def test_a_month_without_usage_shows_nothing_and_lacks_nothing() -> None:
    answer = past(Billing({}))
    assert [shown.rows for shown in answer.shown] == [()] * 4
    assert (answer.rejected, answer.missing) == (0, "")


@pytest.mark.parametrize(
    "broken",
    [
        404,
        400,
        422,
        {"usageItems": [item(7)]},
        {"timePeriod": {"year": 2026}, "usageItems": [item(7)]},
        {"timePeriod": {"year": 2026, "month": 10}, "usageItems": [item(7)]},
        {"timePeriod": {"year": 2026, "month": 10, "day": 2}, "usageItems": [item(7)]},
        {"timePeriod": {"year": 2025, "month": 10, "day": 3}, "usageItems": [item(7)]},
        {"timePeriod": {"year": 2026, "month": 10, "day": 3}, "usageItems": 7},
        [{"price": 7}],
    ],
)
def test_after_a_day_that_github_does_not_answer_the_sums_are_unknown_and_not_too_low(broken: Any) -> None:
    billing = Billing({1: [item(1)], 2: [item(1)], 3: broken, 4: [item(1)]})
    answer = past(billing)
    assert [one["linux"] for one in net(answer)] == [1, 2]
    assert [shown.until for shown in answer.shown][-1] == OCTOBER.start + 3 * DAY, (
        "the day after is a gap, and not the old sums"
    )
    assert answer.missing.endswith("; the sums from 2026-10-03 on need this day")
    assert "usage/summary 2026-10-4" not in billing.asked


@pytest.mark.parametrize(("status", "error"), [(401, CredentialRejected), (403, Forbidden), (500, Unavailable)])
def test_another_failure_fails_the_month_which_is_asked_again(status: int, error: type[GitHubError]) -> None:
    with pytest.raises(error):
        past(Billing({1: [item(1)], 3: status}))


def test_a_number_that_one_day_lacks_is_absent_from_then_on_and_counted() -> None:
    answer = past(Billing({1: [item(1)], 2: [item(1, netAmount="1")], 3: [item(1)]}))
    assert net(answer) == [{"linux": 1}, {}, {}, {}]
    assert [one["linux"] for one in net(answer, "gross_amount_usd")] == [1, 2, 3, 3]
    assert answer.rejected == 1


def test_credits_that_vanish_within_the_month_are_no_sum() -> None:
    billing = Billing({}, {1: [item(1, model="o3")], 2: 404})
    answer = past(billing)
    assert [len(tuple(shown.rows)) for shown in answer.shown] == [1]
    assert "the sums from 2026-10-02 on" in answer.missing


@BOTH
def test_months_are_asked_from_their_first_day_up_to_yesterday(collector: Collector) -> None:
    """`NOW` is noon of November 21, 2026."""
    found = listed(source_of(job_of(collector), epoch("2026-09-17"), NOW))
    starts = [epoch(f"2026-{month}-01") for month in ("09", "10", "11")]
    assert found == tuple(
        Part(int(start), int(end), requests=requests)
        for start, end, requests in zip(starts, [*starts[1:], epoch("2026-11-21")], (60, 62, 40), strict=True)
    )
    until_a_day = listed(source_of(job_of(collector), epoch("2026-10-01"), epoch("2026-10-03")))
    assert [(part.end - part.start, part.requests) for part in until_a_day] == [(2 * DAY, 4)]


def test_on_the_first_of_a_month_nothing_is_asked_of_it() -> None:
    now = epoch("2026-11-01T12:00:00Z")
    (part,) = listed(source_of(JOB, epoch("2026-11-01"), now, now))
    assert part.requests == 0
    billing = Billing({})
    assert past(billing, part) == PastAnswer()
    assert billing.asked == []


@pytest.mark.parametrize("now", ["2026-11-21T12:00:00Z", "2026-03-31T23:00:00Z", "2028-03-01T00:00:00Z"])
def test_the_oldest_month_is_one_that_github_has_from_its_first_day(now: str) -> None:
    source = source_of(JOB, 0, epoch(now), epoch(now))
    first = listed(source)[0]
    assert still_kept(source, first, int(epoch(now))) is first
    ago = epoch(now) - first.start
    assert 23 * 28 * DAY < ago <= 730 * DAY
