"""Cost centers: every number of GitHub's example has its series or a reason, and no name of a person becomes one."""

from copy import deepcopy
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.collectors.cost_centers import COLLECTOR, MOST_CENTERS, MOST_TYPES
from exporter.errors import Invalid
from tests.support.paid import answered, asking, example, figures, numbers, official, shown

PATH = "/enterprises/acme-corp/settings/billing/cost-centers"
STORED = official("cost_centers")[PATH]
JOB = asking(COLLECTOR)
P = "github_billing_cost_center_"


def center(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {**STORED["costCenters"][1], "id": f"c{number}", **changes}


def test_the_official_example_gives_these_figures() -> None:
    first, second = "2eeb8ffe-6903-11ee-8c99-0242ac120002", "3ffb9ffe-6903-11ee-8c99-0242ac120003"
    assert figures(JOB, {PATH: example("cost-centers.official")}) == {
        f'{P}ai_credit_pool_limit_credits{{cost_center_id="{first}"}}': 21000.0,
        f'{P}ai_credit_pool_used_credits{{cost_center_id="{first}"}}': 7250.5,
        f'{P}resources{{cost_center_id="{first}",type="User"}}': 1.0,
        f'{P}resources{{cost_center_id="{first}",type="Team"}}': 1.0,
        f'{P}resources{{cost_center_id="{second}",type="User"}}': 1.0,
        f'{P}resources{{cost_center_id="{second}",type="Team"}}': 1.0,
        f'{P}resources{{cost_center_id="{second}",type="Repo"}}': 1.0,
        f'{P}info{{cost_center_id="{first}",cost_center="Cost Center Name",state="active"}}': 1.0,
        f'{P}info{{cost_center_id="{second}",cost_center="Another Cost Center",state="active"}}': 1.0,
    }


def test_a_single_cost_center_of_the_examples_has_the_same_figures_as_in_a_list() -> None:
    whole = figures(JOB, {PATH: example("cost-centers.official")})
    single = figures(JOB, {PATH: {"costCenters": [example("cost-center.official")]}})
    assert single == {name: value for name, value in whole.items() if "2eeb8ffe" in name}


def test_a_pool_that_github_has_not_made_yet_and_no_pool_are_absent() -> None:
    ids = [f"c000000{number}-0000-4000-8000-00000000000{number}" for number in range(5)]
    assert figures(JOB, {PATH: STORED}) == {
        f'{P}ai_credit_pool_limit_credits{{cost_center_id="{ids[2]}"}}': 21000.0,
        f'{P}ai_credit_pool_used_credits{{cost_center_id="{ids[2]}"}}': 7250.5,
        f'{P}resources{{cost_center_id="{ids[1]}",type="Org"}}': 1.0,
        f'{P}resources{{cost_center_id="{ids[1]}",type="Repo"}}': 1.0,
        f'{P}resources{{cost_center_id="{ids[2]}",type="User"}}': 1.0,
        f'{P}resources{{cost_center_id="{ids[2]}",type="Team"}}': 1.0,
        f'{P}resources{{cost_center_id="{ids[3]}",type="User"}}': 1.0,
        f'{P}info{{cost_center_id="{ids[1]}",cost_center="CC-100",state="active"}}': 1.0,
        f'{P}info{{cost_center_id="{ids[2]}",cost_center="CC-200",state="active"}}': 1.0,
        f'{P}info{{cost_center_id="{ids[3]}",cost_center="CC-300",state="active"}}': 1.0,
        f'{P}info{{cost_center_id="{ids[4]}",cost_center="CC-old",state="deleted"}}': 1.0,
    }


@pytest.mark.parametrize("body", [STORED, example("cost-centers.official")], ids=["stored", "official"])
def test_each_number_of_a_body_is_one_series(body: Any) -> None:
    fields = {"target_amount": "limit", "current_amount": "used"}
    found = figures(JOB, {PATH: body})
    wanted = dict(numbers(body))
    assert len(wanted) == 2
    for place, value in wanted.items():
        word = fields[place.rpartition(".")[2]]
        assert [found[name] for name in found if f"_pool_{word}_credits" in name] == [value]


def test_only_active_cost_centers_are_asked_for_in_one_request() -> None:
    asked: list[dict[str, str]] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        return httpx.Response(200, json=STORED)

    answered(JOB, {PATH: respond})
    assert asked == [{"state": "active"}]


def test_no_name_of_a_resource_and_no_azure_subscription_gets_anywhere() -> None:
    body = {"costCenters": [center(azure_subscription="canary", resources=[{"type": "User", "name": "canary"}] * 7)]}
    concluded = answered(JOB, {PATH: body})
    assert "canary" not in repr(concluded)
    assert shown(JOB, concluded.snapshot)[f'{P}resources{{cost_center_id="c1",type="User"}}'] == 7


def test_what_cannot_be_read_is_absent_and_counted_and_what_is_new_is_counted_by_name() -> None:
    odd = center(
        1,
        name=5,
        resources=[{"type": 3}, "x", {"type": "User", "name": "a", "seats": 2}],
        ai_credit_pool_state={"target_amount": "many", "current_amount": -1, "carried_over": 7},
        seat_limit=12,
    )
    concluded = answered(JOB, {PATH: {"costCenters": [odd, 7, {"name": "x"}, center(1)], "total": 4}})
    assert concluded.unreadable == 8  # a name, two resources, two amounts, a number, one without id, one id twice
    fields = ("ai_credit_pool_state.carried_over", "resources.seats", "seat_limit")
    assert concluded.snapshot.unknown == (*(f"costCenters.{field}" for field in fields), "total")
    assert concluded.unknown == 8 + 4
    assert shown(JOB, concluded.snapshot) == {
        f'{P}resources{{cost_center_id="c1",type="User"}}': 1.0,
        f'{P}info{{cost_center_id="c1",cost_center="",state="active"}}': 1.0,
    }


def test_many_types_do_not_become_many_series() -> None:
    resources = [{"type": f"T{number}", "name": "x"} for number in range(MOST_TYPES + 3)]
    found = figures(JOB, {PATH: {"costCenters": [center(resources=resources)]}})
    types = {name: value for name, value in found.items() if "type=" in name}
    assert len(types) == MOST_TYPES + 1
    assert types[f'{P}resources{{cost_center_id="c1",type="other"}}'] == 3


def test_beyond_max_series_the_largest_pools_stay_and_resources_are_summed() -> None:
    centers = [
        center(number, ai_credit_pool_state={"target_amount": 10 * number, "current_amount": 1}) for number in (1, 3, 2)
    ]
    concluded = answered(JOB, {PATH: {"costCenters": centers}}, places=2)
    found = shown(JOB, concluded.snapshot)
    assert {name for name in found if "limit" in name} == {
        f'{P}ai_credit_pool_limit_credits{{cost_center_id="c{number}"}}' for number in (2, 3)
    }
    assert {name.partition('cost_center_id="')[2][:2] for name in found if "info" in name} == {"c2", "c3"}
    assert found[f'{P}resources{{cost_center_id="other",type="other"}}'] == 4


@pytest.mark.parametrize("body", [{}, {"costCenters": []}, {"costCenters": None}])
def test_an_enterprise_without_cost_centers_lacks_nothing(body: Any) -> None:
    concluded = answered(JOB, {PATH: body})
    assert (concluded.error, concluded.snapshot.note, shown(JOB, concluded.snapshot)) == (None, "", {})


@pytest.mark.parametrize("body", [[], "x", {"costCenters": {"a": 1}}, {"costCenters": [7] * (MOST_CENTERS + 1)}])
def test_another_answer_than_githubs_is_invalid(body: Any) -> None:
    assert isinstance(answered(JOB, {PATH: lambda _: httpx.Response(200, json=body)}).error, Invalid)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_a_line_separator_in_a_type_is_part_of_its_label() -> None:
    odd = deepcopy(center(1))
    odd["resources"][0]["type"] = "\x1e"
    concluded = answered(JOB, {PATH: {"costCenters": [odd]}})
    assert f'{P}resources{{cost_center_id="c1",type="\x1e"}}' in shown(JOB, concluded.snapshot)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_whatever_stands_in_a_field_costs_only_that_field(data: st.DataObject) -> None:
    odd = deepcopy(center(1))
    place = data.draw(st.sampled_from([odd, odd["ai_credit_pool_state"], odd["resources"][0]]))
    place[data.draw(st.sampled_from(sorted(set(place) - {"id"})))] = data.draw(ANYTHING)
    concluded = answered(JOB, {PATH: {"costCenters": [odd, center(2)]}})
    assert concluded.error is None
    assert len([name for name in shown(JOB, concluded.snapshot) if '"c2"' in name]) == 5


def test_the_declaration() -> None:
    assert (COLLECTOR.interval, COLLECTOR.max_age) == (6 * 3600, 3 * 86400)
    assert COLLECTOR.enabled
