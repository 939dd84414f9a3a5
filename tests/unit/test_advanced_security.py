"""Committers: the totals of each product, whichever way GitHub wants to be asked, and nothing of any person."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.catalogue import Collector
from exporter.collectors.advanced_security import COLLECTOR, NO_TOTALS, OF_ORGANIZATION, PRODUCTS, Options
from exporter.errors import Forbidden, Invalid, NotFound, Refused, Unavailable
from exporter.instants import DAY
from tests.support.jobs import NOW
from tests.support.paid import answered, asking, figures, numbers, official, shown

PATHS = {
    "enterprise": "/enterprises/acme-corp/settings/billing/advanced-security",
    "organization": "/orgs/acme/settings/billing/advanced-security",
}
PATH = PATHS["enterprise"]
STORED = official("advanced_security")
OFFICIAL = STORED[PATH]
JOB = asking(COLLECTOR)
P = "github_advanced_security_enterprise_"
BOTH = pytest.mark.parametrize("collector", [COLLECTOR, OF_ORGANIZATION], ids=lambda one: one.scope)
FIELDS = {
    "total_advanced_security_committers": "active_committers",
    "maximum_advanced_security_committers": "maximum_committers",
    "purchased_advanced_security_committers": "purchased_committers",
    "total_count": "repositories",
}


def totals(active: int, **changes: Any) -> dict[str, Any]:
    return {**OFFICIAL, "total_advanced_security_committers": active, **changes}


class Plan:
    """A GitHub with these products; `status` answers a wrong choice. `asked` are the products asked for."""

    def __init__(self, *products: str, status: int = 422) -> None:
        self.products, self.status = products, status
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.params["per_page"] == "1"
        product = request.url.params.get("advanced_security_product", "advanced_security")
        self.asked.append(product)
        if product in self.products:
            return httpx.Response(200, json=totals(PRODUCTS.index(product) + 1))
        return httpx.Response(self.status, json={"message": "no"})


@BOTH
def test_the_official_example_gives_these_figures(collector: Collector) -> None:
    prefix = f"github_advanced_security_{collector.scope}_"
    assert figures(asking(collector), STORED) == {
        f'{prefix}active_committers{{product="advanced_security"}}': 2.0,
        f'{prefix}maximum_committers{{product="advanced_security"}}': 4.0,
        f'{prefix}purchased_committers{{product="advanced_security"}}': 4.0,
        f'{prefix}repositories{{product="advanced_security"}}': 2.0,
    }


@BOTH
def test_each_number_of_the_example_is_one_series_or_has_a_reason_to_be_none(collector: Collector) -> None:
    found = figures(asking(collector), STORED)
    without = {}
    for place, value in numbers(STORED[PATHS[collector.scope]]):
        if place in FIELDS:
            name = f"github_advanced_security_{collector.scope}_{FIELDS[place]}"
            assert found.pop(f'{name}{{product="advanced_security"}}') == value
        else:
            without[place] = "the committers of one repository: they are among those of the total"
    assert found == {}
    assert list(without) == [f"repositories[{number}].advanced_security_committers" for number in (0, 1)]


# Products.


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_what_the_plan_has_is_found_out_and_remembered_for_the_day(status: int) -> None:
    plan = Plan("code_security", "secret_protection", status=status)
    first = answered(JOB, {PATH: plan})
    assert first.error is None
    assert plan.asked == ["advanced_security", "code_security", "secret_protection"]
    active = {name: value for name, value in shown(JOB, first.snapshot).items() if "active" in name}
    assert active == {
        f'{P}active_committers{{product="code_security"}}': 2.0,
        f'{P}active_committers{{product="secret_protection"}}': 3.0,
    }
    plan.asked.clear()
    again = answered(JOB, {PATH: plan}, first.snapshot, now=NOW + 60)
    assert plan.asked == ["code_security", "secret_protection"]
    assert shown(JOB, again.snapshot) == shown(JOB, first.snapshot)
    plan.asked.clear()
    answered(JOB, {PATH: plan}, again.snapshot, now=NOW + DAY)
    assert plan.asked[0] == "advanced_security", "the plan may have changed"


def test_a_plan_with_everything_in_one_costs_one_request() -> None:
    plan = Plan("advanced_security")
    first = answered(JOB, {PATH: plan})
    answered(JOB, {PATH: plan}, first.snapshot)
    assert plan.asked == ["advanced_security"] * 2


def test_one_product_alone_is_shown_alone_and_a_changed_plan_is_noticed_by_its_refusal() -> None:
    first = answered(JOB, {PATH: Plan("secret_protection")}).snapshot
    assert len(shown(JOB, first)) == 4
    plan = Plan("advanced_security")
    after = answered(JOB, {PATH: plan}, first)
    assert plan.asked == ["secret_protection", "advanced_security"]
    assert {name.partition("product=")[2] for name in shown(JOB, after.snapshot)} == {'"advanced_security"}'}


def test_configured_products_are_asked_for_and_no_others() -> None:
    job, plan = asking(COLLECTOR, products=["code_security"]), Plan("code_security", "secret_protection")
    assert len(shown(job, answered(job, {PATH: plan}).snapshot)) == 4
    assert plan.asked == ["code_security"]
    wrong = asking(COLLECTOR, products=["advanced_security"])
    assert isinstance(answered(wrong, {PATH: plan}).error, Refused)


@pytest.mark.parametrize(("status", "error"), [(403, Forbidden), (404, NotFound), (422, Refused)])
def test_where_everything_is_refused_three_requests_say_so(status: int, error: type[Exception]) -> None:
    plan = Plan(status=status)
    assert isinstance(answered(JOB, {PATH: plan}).error, error)
    assert len(plan.asked) == 3


def test_a_failure_of_github_is_no_refusal() -> None:
    plan = Plan(status=503)
    assert isinstance(answered(JOB, {PATH: plan}).error, Unavailable)
    assert plan.asked == ["advanced_security"]


# People and odd answers.


def test_no_login_and_no_address_of_a_committer_gets_anywhere() -> None:
    committer = {"user_login": "canary", "last_pushed_date": "2021-11-03", "last_pushed_email": "canary@example.com"}
    repository = {"name": "canary/repo", "advanced_security_committers": 1}
    body = totals(1, repositories=[{**repository, "advanced_security_committers_breakdown": [committer]}])
    concluded = answered(JOB, {PATH: body})
    assert (concluded.error, concluded.unknown) == (None, 0)
    assert "canary" not in repr(concluded)


def test_what_cannot_be_read_is_absent_and_counted_and_what_is_new_is_counted_by_name() -> None:
    committer = {"user_login": "a", "commits": 5}
    repositories = [{"name": "a/b", "alerts": 3, "advanced_security_committers_breakdown": [committer, 7]}, 7]
    body = totals(-1, purchased_advanced_security_committers="x", trial_committers=9, repositories=repositories)
    concluded = answered(JOB, {PATH: body})
    assert (concluded.unreadable, concluded.unknown) == (2, 5)
    assert concluded.snapshot.unknown == (
        "repositories.advanced_security_committers_breakdown.commits",
        "repositories.alerts",
        "trial_committers",
    )
    assert shown(JOB, concluded.snapshot) == {
        f'{P}maximum_committers{{product="advanced_security"}}': 4.0,
        f'{P}repositories{{product="advanced_security"}}': 2.0,
    }


def test_an_answer_without_totals_says_what_to_compare_and_keeps_what_was_known() -> None:
    empty: dict[str, Any] = {PATH: {"repositories": []}}
    assert answered(JOB, empty).snapshot.note == NO_TOTALS
    first = answered(JOB, STORED).snapshot
    after = answered(JOB, empty, first, now=NOW + 60).snapshot
    assert shown(JOB, after) == shown(JOB, first)
    assert NO_TOTALS in after.note


@pytest.mark.parametrize("body", [[], "x", 7, None])
def test_another_answer_than_githubs_is_invalid(body: Any) -> None:
    assert isinstance(answered(JOB, {PATH: lambda _: httpx.Response(200, json=body)}).error, Invalid)


@settings(deadline=None, max_examples=50)
@given(memory=st.none() | st.text() | st.dictionaries(st.sampled_from(["day", "products"]), st.lists(st.integers())))
def test_a_memory_of_another_version_does_no_harm(memory: Any) -> None:
    before = replace(answered(JOB, STORED).snapshot, memory=memory)
    assert answered(JOB, STORED, before).error is None


def test_the_declaration() -> None:
    for collector in (COLLECTOR, OF_ORGANIZATION):
        assert (collector.interval, collector.max_age) == (6 * 3600, 3 * DAY)
    assert COLLECTOR.accepts == ("classic",)
    assert not OF_ORGANIZATION.runs("organization", Options())
    assert OF_ORGANIZATION.runs("organization", Options(organizations=True))
