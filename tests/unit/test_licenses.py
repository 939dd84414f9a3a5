"""Licences: every number of GitHub's examples has its series or a reason, and no name of a person becomes one."""

from copy import deepcopy
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.catalogue import Sizes
from exporter.collectors.licenses import COLLECTOR, OF_APPLIANCE, Options
from exporter.collectors.licenses.appliance import instant_of
from exporter.collectors.licenses.seats import MOST_TYPES, NO_SEATS
from exporter.errors import Invalid
from exporter.instants import DAY
from tests.support.jobs import NOW
from tests.support.paid import answered, asking, example, figures, numbers, official, shown

CONSUMED = "/enterprises/acme-corp/consumed-licenses"
SYNC = "/enterprises/acme-corp/license-sync-status"
LICENSE = "/enterprise/settings/license"
OFFICIAL = official("licenses")
UNLIMITED = example("license.unlimited")

ENTERPRISE, WITH_USERS = asking(COLLECTOR), asking(COLLECTOR, users=True)
APPLIANCE = asking(OF_APPLIANCE)
TOTALS = {"github_enterprise_license_seats_purchased": 4500.0, "github_enterprise_license_seats_consumed": 5000.0}
TWO_SYNCS = {
    f'github_enterprise_license_sync_{kind}{{server_id="{server}",hostname="{host}"{more}}}': value
    for server, host in (("deadbeef1", "github.example.com"), ("filetoffish1", "github2.example.com"))
    for kind, more, value in (("timestamp_seconds", "", 1577836800.0), ("info", ',status="success"', 1.0))
}


def person(login: str = "mona", **changes: Any) -> dict[str, Any]:
    """A user of GitHub's example, changed."""
    return {**OFFICIAL[CONSUMED]["users"][0], "github_com_login": login, **changes}


def consumed(*users: Any, **totals: Any) -> dict[str, Any]:
    return {"total_seats_consumed": 5000, "total_seats_purchased": 4500, **totals, "users": list(users)}


# The examples, by hand.


def test_the_official_answers_give_these_figures() -> None:
    assert figures(ENTERPRISE, OFFICIAL) == {**TOTALS, **TWO_SYNCS}


def test_with_users_the_two_of_the_example_have_one_type_and_nobody_is_known_to_lack_two_factor() -> None:
    assert figures(WITH_USERS, OFFICIAL) == {
        **TOTALS,
        **TWO_SYNCS,
        'github_enterprise_license_users{license_type="enterprise"}': 2.0,
        "github_enterprise_license_users_without_two_factor": 0.0,
    }


def test_the_official_licence_of_an_appliance_ends_at_1841_utc() -> None:
    assert figures(APPLIANCE, OFFICIAL) == {
        "github_appliance_license_seats": 1400.0,
        "github_appliance_license_seats_used": 1316.0,
        "github_appliance_license_seats_available": 84.0,
        "github_appliance_license_unlimited": 0.0,
        "github_appliance_license_expiry_timestamp_seconds": 1454784112.0,  # 2016-02-06T18:41:52Z
        'github_appliance_license_info{kind="standard"}': 1.0,
    }


def test_an_unlimited_licence_has_no_number_of_seats() -> None:
    assert figures(APPLIANCE, {LICENSE: UNLIMITED}) == {
        "github_appliance_license_seats_used": 1234.0,
        "github_appliance_license_unlimited": 1.0,
        "github_appliance_license_expiry_timestamp_seconds": 1803887999.0,  # 2027-03-01T07:59:59Z
        'github_appliance_license_info{kind="evaluation"}': 1.0,
    }


WITHOUT_SERIES = {
    "users[0].total_user_accounts": "about one person",
    "users[1].total_user_accounts": "about one person",
    "days_until_expiration": "it follows from the end",
}


@pytest.mark.parametrize("path", [CONSUMED, SYNC, LICENSE, "unlimited"])
def test_each_number_of_an_example_is_one_series_or_has_a_reason_to_be_none(path: str) -> None:
    job = WITH_USERS if path in (CONSUMED, SYNC) else APPLIANCE
    body = UNLIMITED if path == "unlimited" else OFFICIAL[path]
    given = dict(numbers(body))
    wanted = {place: value for place, value in given.items() if place not in WITHOUT_SERIES}
    found = figures(job, {**OFFICIAL, LICENSE: body} if job is APPLIANCE else OFFICIAL)
    prefix = "github_enterprise_license_" if job is WITH_USERS else "github_appliance_license_"
    for place, value in wanted.items():
        assert found[prefix + place.removeprefix("total_")] == value
    assert given.keys() - wanted.keys() <= WITHOUT_SERIES.keys()
    assert len(given) == {CONSUMED: 4, SYNC: 0, LICENSE: 4, "unlimited": 2}[path]


# Requests.


def test_totals_cost_one_request_and_the_walk_one_per_page() -> None:
    seen: list[dict[str, str]] = []

    def pages(request: httpx.Request) -> httpx.Response:
        seen.append(dict(request.url.params))
        page = int(request.url.params.get("page", 1))
        link = {"link": f'<https://api.github.com{CONSUMED}?per_page=100&page={page + 1}>; rel="next"'}
        users = [person(f"u{page}-{number}") for number in range(100 if page < 3 else 7)]
        return httpx.Response(200, json=consumed(*users), headers=link if page < 3 else {})

    answered(ENTERPRISE, {CONSUMED: pages})
    assert seen == [{"per_page": "1"}]
    seen.clear()
    found = shown(WITH_USERS, answered(WITH_USERS, {CONSUMED: pages}).snapshot)
    assert seen == [{"per_page": "100"}, {"per_page": "100", "page": "2"}, {"per_page": "100", "page": "3"}]
    assert found['github_enterprise_license_users{license_type="enterprise"}'] == 207
    assert COLLECTOR.calls.requests(Sizes(users=250), Options()) == 2
    assert COLLECTOR.calls.requests(Sizes(users=250), Options(users=True)) == 5


def test_a_user_who_moved_to_the_next_page_counts_once() -> None:
    anonymous = person("", enterprise_server_user_ids=["host:1"])
    twice = consumed(person("mona"), person("Mona"), anonymous, anonymous, person("lisa"))
    assert (
        shown(WITH_USERS, answered(WITH_USERS, {CONSUMED: twice}).snapshot)[
            'github_enterprise_license_users{license_type="enterprise"}'
        ]
        == 3
    )


# People.


def test_types_are_compared_without_case_and_only_a_false_is_no_two_factor() -> None:
    users = [
        person("a", license_type="Enterprise", github_com_two_factor_auth=False),
        person("b", license_type="enterprise", github_com_two_factor_auth=None),
        person("c", license_type="Visual Studio subscription", github_com_two_factor_auth=False),
        person("d", license_type="", github_com_two_factor_auth=""),
        person("e", license_type=None),
    ]
    found = figures(WITH_USERS, {CONSUMED: consumed(*users), SYNC: {"server_instances": []}})
    assert found == {
        **TOTALS,
        'github_enterprise_license_users{license_type="enterprise"}': 2.0,
        'github_enterprise_license_users{license_type="visual studio subscription"}': 1.0,
        'github_enterprise_license_users{license_type=""}': 2.0,
        "github_enterprise_license_users_without_two_factor": 2.0,
    }


def test_where_github_says_of_nobody_whether_they_have_two_factor_the_figure_is_absent() -> None:
    found = figures(WITH_USERS, {CONSUMED: consumed(person(github_com_two_factor_auth="")), SYNC: {}})
    assert "github_enterprise_license_users_without_two_factor" not in found


def test_no_name_and_no_address_of_a_person_gets_into_rows_snapshot_or_exposition() -> None:
    secret = "canary"
    named = {
        field: [secret] if isinstance(value, list) else secret
        for field, value in person().items()
        if isinstance(value, list | str) and field != "license_type"
    }
    for job in (ENTERPRISE, WITH_USERS):
        concluded = answered(job, {CONSUMED: consumed({**person(), **named}), SYNC: OFFICIAL[SYNC]})
        assert concluded.unknown == 0
        assert secret not in repr(concluded)
        assert not any(secret in line for line in shown(job, concluded.snapshot))


def test_many_types_do_not_become_many_series() -> None:
    users = [person(f"u{number}", license_type=f"type {number}") for number in range(MOST_TYPES + 5)]
    found = figures(WITH_USERS, {CONSUMED: consumed(*users), SYNC: {}})
    types = {name: value for name, value in found.items() if "license_type" in name}
    assert len(types) == MOST_TYPES + 1
    assert types['github_enterprise_license_users{license_type="other"}'] == 5


# Odd answers.


def test_what_cannot_be_read_is_absent_and_counted_and_what_is_new_is_counted_by_name() -> None:
    body = consumed(
        7,
        person("a", license_type=5, github_com_two_factor_auth="yes", seat_price=21, groups={"x": 1, "y": 2}),
        total_seats_purchased="many",
        trial_seats=12,
    )
    server = {**OFFICIAL[SYNC]["server_instances"][0], "users": 3}
    server["last_sync"] = {"date": "soon", "status": 4, "seats": 9}
    concluded = answered(WITH_USERS, {CONSUMED: body, SYNC: {"server_instances": [server, {"hostname": "x"}], "n": 1}})
    assert concluded.unreadable == 7  # a user, a type, a two-factor, a total, a date, a status, a server
    fields = ["n", "server_instances.last_sync.seats", "server_instances.users", "trial_seats"]
    assert list(concluded.snapshot.unknown) == sorted([*fields, "users.groups", "users.seat_price"])
    assert concluded.unknown == 7 + 4 + 2 + 1
    assert shown(WITH_USERS, concluded.snapshot) == {
        "github_enterprise_license_seats_consumed": 5000.0,
        'github_enterprise_license_users{license_type=""}': 1.0,
        'github_enterprise_license_sync_info{server_id="deadbeef1",hostname="github.example.com",status=""}': 1.0,
    }


def test_a_server_that_never_synced_has_no_date_and_one_that_is_listed_twice_the_newest() -> None:
    def server(date: str, host: str) -> dict[str, Any]:
        return {"server_id": "a", "hostname": host, "last_sync": {"date": date, "status": "failed", "error": "x"}}

    never = {"server_id": "b", "hostname": "h", "last_sync": None}
    twice = [server("2026-11-20T00:00:00Z", "old"), server("2026-11-21T00:00:00Z", "new"), server("", "none"), never]
    found = figures(ENTERPRISE, {CONSUMED: OFFICIAL[CONSUMED], SYNC: {"server_instances": twice}})
    assert {name: value for name, value in found.items() if "sync" in name} == {
        'github_enterprise_license_sync_timestamp_seconds{server_id="a",hostname="new"}': NOW - DAY / 2,
        'github_enterprise_license_sync_info{server_id="a",hostname="new",status="failed"}': 1.0,
        'github_enterprise_license_sync_info{server_id="b",hostname="h",status=""}': 1.0,
    }


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_enterprise_without_sync_status_has_its_seats(status: int) -> None:
    concluded = answered(ENTERPRISE, {CONSUMED: OFFICIAL[CONSUMED], SYNC: status})
    assert concluded.error is None
    assert (shown(ENTERPRISE, concluded.snapshot), concluded.snapshot.note) == (TOTALS, "")
    first = answered(ENTERPRISE, OFFICIAL).snapshot
    after = answered(ENTERPRISE, {CONSUMED: OFFICIAL[CONSUMED], SYNC: status}, first, now=NOW + 60).snapshot
    assert shown(ENTERPRISE, after) == {**TOTALS, **TWO_SYNCS}
    assert "GitHub no longer shows the licence sync" in after.note


def test_an_answer_without_totals_says_what_to_compare_and_keeps_what_was_known() -> None:
    empty = {CONSUMED: {"users": []}, SYNC: OFFICIAL[SYNC]}
    assert answered(ENTERPRISE, empty).snapshot.note == NO_SEATS
    after = answered(ENTERPRISE, empty, answered(ENTERPRISE, OFFICIAL).snapshot, now=NOW + 60).snapshot
    assert shown(ENTERPRISE, after) == {**TOTALS, **TWO_SYNCS}
    assert NO_SEATS in after.note


def test_with_metered_billing_nothing_may_be_purchased() -> None:
    bodies = {CONSUMED: {"total_seats_consumed": 12, "users": []}, SYNC: {}}
    assert figures(ENTERPRISE, bodies) == {"github_enterprise_license_seats_consumed": 12.0}


@pytest.mark.parametrize("body", [[], "text", 7, {"users": {}}, {"users": [{}] * 1001}])
def test_another_answer_than_githubs_is_invalid(body: Any) -> None:
    assert isinstance(answered(ENTERPRISE, {CONSUMED: lambda _: httpx.Response(200, json=body)}).error, Invalid)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2016/02/06 12:41:52 -0600", 1454784112.0),
        ("2021-02-28T23:59:59.000-08:00", 1614585599.0),
        ("2027-02-28", 1803772800.0),
        ("never", None),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_both_forms_of_a_date_are_read(text: Any, instant: float | None) -> None:
    assert instant_of(text) == instant


def test_seats_as_text_are_numbers_and_other_words_are_counted() -> None:
    job, base = APPLIANCE, OFFICIAL[LICENSE]
    assert figures(job, {LICENSE: {**base, "seats": "1400"}}) == figures(job, OFFICIAL)
    odd = answered(job, {LICENSE: {**base, "seats": "plenty", "seats_available": -1, "expire_at": "2", "floors": 3}})
    assert (odd.unreadable, odd.unknown) == (3, 4)
    assert shown(job, odd.snapshot) == {
        "github_appliance_license_seats_used": 1316.0,
        'github_appliance_license_info{kind="standard"}': 1.0,
    }


@pytest.mark.parametrize("without", [None, ""])
def test_a_perpetual_licence_has_no_end(without: Any) -> None:
    found = figures(APPLIANCE, {LICENSE: {**OFFICIAL[LICENSE], "expire_at": without}})
    assert "github_appliance_license_expiry_timestamp_seconds" not in found


@pytest.mark.parametrize("body", [{}, [], {"kind": "standard"}])
def test_an_answer_that_tells_nothing_of_a_licence_is_invalid(body: Any) -> None:
    assert isinstance(answered(APPLIANCE, {LICENSE: lambda _: httpx.Response(200, json=body)}).error, Invalid)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_whatever_stands_in_a_field_costs_only_that_field(data: st.DataObject) -> None:
    bodies = deepcopy({key: OFFICIAL[key] for key in (CONSUMED, SYNC)})
    user = bodies[CONSUMED]["users"][0]
    user[data.draw(st.sampled_from(sorted(user)))] = data.draw(ANYTHING)
    server = bodies[SYNC]["server_instances"][0]
    place = data.draw(st.sampled_from([server, server["last_sync"]]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(ANYTHING)
    concluded = answered(WITH_USERS, bodies)
    assert concluded.error is None
    assert TOTALS.items() <= shown(WITH_USERS, concluded.snapshot).items()


def test_the_declaration() -> None:
    for collector in (COLLECTOR, OF_APPLIANCE):
        assert (collector.interval, collector.max_age) == (6 * 3600, 3 * DAY)
        assert collector.accepts == ("classic",)
        assert collector.enabled
