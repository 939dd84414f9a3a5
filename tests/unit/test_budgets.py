"""Budgets: every number of GitHub's examples has its series or a reason, and nobody's name becomes one."""

from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.catalogue import Sizes
from exporter.collectors.budgets import COLLECTOR, OF_ORGANIZATION, Options
from exporter.collectors.budgets.items import Budgets
from exporter.collectors.reading.numbered_pages import MOST_PAGES
from exporter.errors import Invalid, Unavailable
from exporter.fetching import Fetched
from exporter.privacy import Naming, rename_people
from tests.support.jobs import NOW
from tests.support.paid import answered, asking, example, figures, numbers, official, shown

LIST = "/enterprises/acme-corp/settings/billing/budgets"
OF_ORG = "/organizations/acme/settings/billing/budgets"
STORED = official("budgets")
JOB, EACH = asking(COLLECTOR), asking(COLLECTOR, each=True)
ORGANIZATION = asking(OF_ORGANIZATION, organizations=True)
FIRST, SECOND, THIRD = (budget["id"] for budget in example("budgets.official")["budgets"])


def budget(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {**STORED[LIST]["budgets"][0], "id": f"b{number}", **changes}


def listed(*budgets: Any, **more: Any) -> dict[str, Any]:
    return {"budgets": list(budgets), "has_next_page": False, "total_count": len(budgets), **more}


def of_three(prefix: str, scopes: tuple[str, str, str] = ("enterprise", "organization", "cost_center")) -> Any:
    """The figures of the list in the official examples, which has no amounts that were consumed."""
    kinds = (("ProductPricing", "actions"), ("SkuPricing", "actions_linux"), ("ProductPricing", "packages"))
    described = {
        f'{prefix}info{{budget_id="{one}",budget_type="{kind}",scope="{scope}",entity="",product_sku="{sku}"}}': 1.0
        for one, scope, (kind, sku) in zip((FIRST, SECOND, THIRD), scopes, kinds, strict=True)
    }
    return described | {
        f'{prefix}amount{{budget_id="{FIRST}"}}': 1000.0,
        f'{prefix}amount{{budget_id="{SECOND}"}}': 500.0,
        f'{prefix}amount{{budget_id="{THIRD}"}}': 250.0,
        f'{prefix}prevents_further_usage{{budget_id="{FIRST}"}}': 1.0,
        f'{prefix}prevents_further_usage{{budget_id="{SECOND}"}}': 0.0,
        f'{prefix}prevents_further_usage{{budget_id="{THIRD}"}}': 1.0,
    }


# The examples, by hand.


def test_the_official_lists_which_contradict_their_schema_give_these_figures() -> None:
    assert figures(JOB, {LIST: example("budgets.official")}) == of_three("github_billing_budget_")
    assert figures(ORGANIZATION, {OF_ORG: STORED[OF_ORG]}) == of_three("github_billing_organization_budget_")


@pytest.mark.parametrize("name", ["budgets.of-user", "budgets.organization.of-user"])
def test_a_list_for_one_user_shows_no_figure_of_that_user(name: str) -> None:
    job, path = (JOB, LIST) if name == "budgets.of-user" else (ORGANIZATION, OF_ORG)
    prefix = f"github_billing_{'' if job is JOB else 'organization_'}budget_"
    assert figures(job, {path: example(name)}) == {
        f'{prefix}amount{{budget_id="{FIRST}"}}': 1000.0,
        f'{prefix}amount{{budget_id="{SECOND}"}}': 500.0,
        f'{prefix}prevents_further_usage{{budget_id="{FIRST}"}}': 1.0,
        f'{prefix}prevents_further_usage{{budget_id="{SECOND}"}}': 1.0,
        f'{prefix}info{{budget_id="{FIRST}",budget_type="ProductPricing",scope="multi_user_customer",entity="",'
        'product_sku="actions"}': 1.0,
        f'{prefix}info{{budget_id="{SECOND}",budget_type="BundlePricing",scope="user",entity="",'
        'product_sku="ai_credits"}': 1.0,
    }


def test_the_eight_budgets_have_their_amounts_and_those_asked_for_what_they_consumed() -> None:
    ids = {name: f"b000000{name}-0000-4000-8000-00000000000{name}" for name in "12345678"}
    amounts = dict(zip("12345678", (1000.0, 500.0, 250.0, 40.0, 60.0, 50.0, 75.0, 25.0), strict=True))
    in_list = {"6": 12.34}
    one_by_one = {"1": 734.5, "2": 410.0, "3": 250.0, "7": 12.5, "8": 20.0}
    for job, consumed in ((JOB, in_list), (EACH, in_list | one_by_one)):
        found = figures(job, STORED)
        for name, one in ids.items():
            assert found[f'github_billing_budget_amount{{budget_id="{one}"}}'] == amounts[name]
            stops = found[f'github_billing_budget_prevents_further_usage{{budget_id="{one}"}}']
            assert stops == (0.0 if name in "27" else 1.0)
            series = f'github_billing_budget_consumed_amount{{budget_id="{one}"}}'
            assert found.get(series) == consumed.get(name)
        assert len(found) == 8 * 3 + len(consumed)


@pytest.mark.parametrize("name", ["budget.official", "budget.organization"])
def test_a_single_budget_of_the_examples_has_no_consumption(name: str) -> None:
    job, path = (EACH, LIST) if name == "budget.official" else (asking(OF_ORGANIZATION, each=True), OF_ORG)
    single = example(name)
    found = figures(job, {path: listed(single), f"{path}/{FIRST}": single})
    prefix = f"github_billing_{'' if job is EACH else 'organization_'}budget_"
    assert found == {
        f'{prefix}amount{{budget_id="{FIRST}"}}': 0.0,
        f'{prefix}prevents_further_usage{{budget_id="{FIRST}"}}': 1.0,
        f'{prefix}info{{budget_id="{FIRST}",budget_type="ProductPricing",scope="repository",'
        'entity="example-repo-name",product_sku="actions_linux"}': 1.0,
    }


WITHOUT_SERIES = {
    "total_count": "how many budgets there are is the number of their series",
    "effective_budget.budget_amount": "about one user, who is never asked for",
    "effective_budget.consumed_amount": "about one user, who is never asked for",
}


@pytest.mark.parametrize("name", ["budgets.official", "budgets.of-user", "stored", "organization", "single"])
def test_each_number_of_a_body_is_one_series_or_has_a_reason_to_be_none(name: str) -> None:
    bodies: dict[str, Any] = {
        "stored": STORED[LIST],
        "organization": STORED[OF_ORG],
        "single": listed(STORED[f"{LIST}/b0000001-0000-4000-8000-000000000001"]),
    }
    body = bodies.get(name) or example(name)
    job, path = (ORGANIZATION, OF_ORG) if name == "organization" else (JOB, LIST)
    found = list(figures(job, {path: body}).items())
    left = [value for series, value in found if "amount{" in series]
    for place, value in numbers(body):
        if place not in WITHOUT_SERIES:
            assert place.endswith(("budget_amount", "consumed_amount"))
            left.remove(value)
    assert left == []


def test_the_amounts_of_single_users_are_never_asked_for() -> None:
    assert dict(numbers(example("budget.user-states"))).keys() >= {"user_states[0].consumed_amount"}
    asked: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json=STORED[request.url.path])

    answered(EACH, dict.fromkeys(STORED, respond))
    assert not [path for path in asked if "user-states" in path]
    assert len(asked) == 1 + 7, "the list, and all budgets whose consumption it does not have"


# Pages.


@pytest.mark.parametrize("says", [True, None])
def test_pages_are_read_until_the_last_one_says_so_or_is_short(says: bool | None) -> None:
    asked: list[dict[str, str]] = []

    def pages(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        page = int(request.url.params["page"])
        count = 100 if page < 3 else 5
        body = listed(*(budget(page * 1000 + number) for number in range(count)), has_next_page=says and page < 3)
        return httpx.Response(200, json=body)

    concluded = answered(JOB, {LIST: pages})
    assert asked == [{"per_page": "100", "page": str(page)} for page in (1, 2, 3)]
    assert len(shown(JOB, concluded.snapshot)) == 3 * 205


def test_a_link_to_another_page_is_followed_by_its_number() -> None:
    def pages(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params["page"])
        link = {"link": f'<https://api.github.com{LIST}?page=2>; rel="next"'} if page == 1 else {}
        return httpx.Response(200, json={"budgets": [budget(page)]}, headers=link)

    assert len(shown(JOB, answered(JOB, {LIST: pages}).snapshot)) == 3 * 2


def test_a_server_that_repeats_a_page_ends_the_list_and_one_without_end_is_invalid() -> None:
    repeated = answered(JOB, {LIST: listed(budget(), has_next_page=True)})
    assert (repeated.error, len(shown(JOB, repeated.snapshot))) == (None, 3)
    asked: list[int] = []

    def endless(_request: httpx.Request) -> httpx.Response:
        asked.append(1)
        return httpx.Response(200, json=listed(budget(len(asked)), has_next_page=True))

    assert isinstance(answered(JOB, {LIST: endless}).error, Invalid)
    assert len(asked) == MOST_PAGES


@pytest.mark.parametrize("body", [{}, [], {"budgets": {}}, {"budgets": [{}] * 1001}])
def test_another_answer_than_githubs_is_invalid(body: Any) -> None:
    assert isinstance(answered(JOB, {LIST: lambda _: httpx.Response(200, json=body)}).error, Invalid)


# One by one.


def test_a_budget_that_is_gone_meanwhile_costs_only_its_own_consumption() -> None:
    bodies = {LIST: listed(budget(1), budget(2)), f"{LIST}/b1": 404, f"{LIST}/b2": budget(2, consumed_amount=3)}
    concluded = answered(EACH, bodies)
    assert (concluded.error, concluded.snapshot.note) == (None, "")
    consumed = {name: value for name, value in shown(EACH, concluded.snapshot).items() if "consumed" in name}
    assert consumed == {'github_billing_budget_consumed_amount{budget_id="b2"}': 3.0}


@pytest.mark.parametrize("status", [400, 403, 404])
def test_where_github_gives_no_single_budget_three_tries_are_enough_and_what_was_known_stays(status: int) -> None:
    asked: list[str] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(status, json={})

    ids = [f"{LIST}/b{number}" for number in range(9)]
    body = listed(*(budget(number) for number in range(9)))
    first = answered(EACH, {LIST: body} | {path: budget(int(path[-1]), consumed_amount=5) for path in ids}).snapshot
    after = answered(EACH, {LIST: body, **dict.fromkeys(ids, refuse)}, first, now=NOW + 60).snapshot
    assert len(asked) == 3
    assert "GitHub gives no single budget" in after.note
    assert shown(EACH, after) == shown(EACH, first)
    assert len([name for name in shown(EACH, after) if "consumed" in name]) == 9


@pytest.mark.parametrize("status", [500, 503])
def test_where_github_fails_nothing_changes_and_the_run_is_repeated(status: int) -> None:
    bodies = {LIST: listed(budget(1)), f"{LIST}/b1": budget(1, consumed_amount=5)}
    first = answered(EACH, bodies).snapshot
    after = answered(EACH, {**bodies, f"{LIST}/b1": status}, first, now=NOW + 60)
    assert isinstance(after.error, Unavailable)
    assert shown(EACH, after.snapshot) == shown(EACH, first)


def test_only_the_largest_budgets_are_asked_for_as_only_they_have_series() -> None:
    job = asking(COLLECTOR, each=True, max_series=2)
    budgets = [budget(number, budget_amount=number * 10) for number in (1, 4, 2, 3)]
    single = {f"{LIST}/b{number}": budget(number, consumed_amount=number) for number in (4, 3)}
    concluded = answered(job, {LIST: listed(*budgets), **single, f"{LIST}/b1": 500, f"{LIST}/b2": 500}, places=2)
    assert concluded.error is None
    assert {name for name in shown(job, concluded.snapshot) if "amount{" in name} == {
        f'github_billing_budget_{what}amount{{budget_id="b{number}"}}'
        for what in ("", "consumed_")
        for number in (3, 4)
    }
    assert len(shown(job, concluded.snapshot)) == 2 * 4


def test_no_id_of_github_leads_to_another_path() -> None:
    odd = ["../../x", "a/b", "a?b", "", "é"]
    bodies = {LIST: listed(*(budget(1, id=text) for text in odd))}
    concluded = answered(EACH, bodies)
    assert (concluded.error, concluded.unreadable) == (None, 1)
    assert len(shown(EACH, concluded.snapshot)) == 3 * 4


def test_the_cost_of_a_run_is_known_before_it() -> None:
    assert COLLECTOR.calls.requests(Sizes(budgets=150), Options()) == 2
    assert COLLECTOR.calls.requests(Sizes(budgets=150), Options(each=True)) == 152


# Odd answers and people.


def test_what_cannot_be_read_is_absent_and_counted_and_what_is_new_is_counted_by_name() -> None:
    odd = budget(
        1, budget_amount="many", prevent_further_usage="yes", consumed_amount=-3, budget_scope=7, rolled_over=5
    )
    concluded = answered(JOB, {LIST: listed(odd, 7, {"budget_amount": 5}, limit_of_all=9)})
    assert concluded.unreadable == 6
    assert concluded.snapshot.unknown == ("budgets.rolled_over", "limit_of_all")
    assert concluded.unknown == 6 + 2
    assert shown(JOB, concluded.snapshot) == {
        'github_billing_budget_info{budget_id="b1",budget_type="ProductPricing",scope="",entity="",'
        'product_sku="actions"}': 1.0
    }


def test_several_products_of_one_budget_are_one_label() -> None:
    found = figures(JOB, {LIST: listed(budget(budget_product_sku=None, budget_product_skus=["actions", "packages"]))})
    assert any('product_sku="actions,packages"' in name for name in found)


def test_an_account_without_budgets_lacks_nothing() -> None:
    concluded = answered(JOB, {LIST: listed()})
    assert (concluded.error, concluded.snapshot.note, shown(JOB, concluded.snapshot)) == (None, "", {})


def test_users_and_recipients_are_never_shown_and_a_persons_budget_is_under_privacy() -> None:
    canary = budget(
        1,
        budget_scope="user",
        budget_entity_name="mona",
        user="canary",
        budget_alerting={"will_alert": True, "alert_recipients": ["canary"]},
    )
    concluded = answered(JOB, {LIST: listed(canary)})
    assert "canary" not in repr(concluded)
    found = Budgets()
    found.take(listed(canary, budget(2, budget_scope="organization", budget_entity_name="acme")))
    hidden = rename_people(Fetched(found.rows()), Naming("pseudonym", b"key").name)
    assert [str(getattr(row, "entity", ""))[:5] for row in hidden.rows] == ["user-", "acme"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=100)
@given(field=st.sampled_from(sorted(set(budget()) - {"id"})), value=ANYTHING)
def test_whatever_stands_in_a_field_costs_only_that_field(field: str, value: Any) -> None:
    concluded = answered(JOB, {LIST: listed(budget(1, **{field: value}), budget(2))})
    assert concluded.error is None
    assert len([name for name in shown(JOB, concluded.snapshot) if 'budget_id="b2"' in name]) == 3


def test_the_declaration() -> None:
    for collector in (COLLECTOR, OF_ORGANIZATION):
        assert (collector.interval, collector.max_age) == (6 * 3600, 3 * 86400)
    assert not OF_ORGANIZATION.runs("organization", Options())
    assert OF_ORGANIZATION.runs("organization", Options(organizations=True))
    assert COLLECTOR.runs("enterprise", Options())
