"""Discovery: what a listing says, which targets follow from listings over time, and what survives as text."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from exporter.catalogue import Permission
from exporter.collectors import COLLECTORS
from exporter.discovery import saved
from exporter.discovery.discoveries import discoveries_of
from exporter.discovery.memory import (
    FORGET_AFTER,
    Failure,
    Known,
    Memory,
    after_failure,
    after_listing,
    corrected,
    next_due,
)
from exporter.discovery.status import STATES, DiscoveryStatus, Lacking, lacking_of, status_of
from exporter.errors import CredentialRejected, Forbidden, Invalid, NotFound, Unavailable
from exporter.github.client import GitHub
from exporter.github.credentials import TokenCredential
from exporter.github.listings import (
    MOST_PAGES,
    MOST_ROWS,
    Account,
    Listing,
    list_administered,
    list_enterprise,
    list_installations,
)
from exporter.github.pacing import Pool
from exporter.instants import DAY, HOUR
from exporter.jobs import CollectorSettings, Target
from exporter.serving.health import Health
from exporter.serving.page.discovery import discovery_notes, discovery_rows
from exporter.serving.page.verdict import Facts, verdict
from exporter.settings.discover import DiscoverEntry
from tests.support.fake import Fake

NOW = 1_795_262_400.0
APP = DiscoverEntry(credential="app")
ACME, GLOBEX = Account("organization", "acme"), Account("organization", "globex")
READS = frozenset({"organization_api_insights", "organization_administration"})


def github(fake: Callable[[httpx.Request], httpx.Response], *, quoted: bool = True) -> GitHub:
    credential = TokenCredential("classic", "https://api.github.com", "2022-11-28", None, SecretStr("ghp_CANARY"))
    return GitHub(
        credential,
        Pool("classic"),
        clock=lambda: NOW,
        monotonic=lambda: 0.0,
        quoted=quoted,
        transport=httpx.MockTransport(fake),
    )


def listed(ask: Callable[[GitHub], Any], *answers: Any) -> tuple[Listing, Fake]:
    """The listing of these answers, and what was asked."""
    fake = Fake(
        *(answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer) for answer in answers)
    )
    return asyncio.run(ask(github(fake))), fake


def installation(login: Any, kind: str = "Organization", **more: Any) -> dict[str, Any]:
    account = {"slug": login} if kind == "Enterprise" else {"login": login, "type": "Organization"}
    return {"id": 1, "account": account, "target_type": kind, "permissions": {}, "suspended_at": None, **more}


def installations(*rows: Any) -> Listing:
    return listed(lambda api: list_installations(api, READS), list(rows))[0]


def test_an_app_lists_organizations_and_enterprises_and_no_users() -> None:
    listing = installations(
        installation("Acme", permissions={"organization_api_insights": "read", "metadata": "read"}),
        installation("octocat", "User"),
        installation("Acme-Corp", "Enterprise"),
        installation("globex", suspended_at="2026-11-01T00:00:00Z"),
    )
    assert listing == Listing(
        (
            Account("organization", "acme", False, {"organization_api_insights": "read"}),
            Account("enterprise", "acme-corp", False, {}),
            Account("organization", "globex", True, {}),
        )
    )


@pytest.mark.parametrize(
    "row",
    [
        installation("../../user"),
        installation("acme/repos"),
        installation("acme?x=1"),
        installation("acme.corp"),
        installation("acme\n"),
        installation("acme\x00"),
        installation("acme%2f"),
        installation("äcme"),
        installation(""),
        installation("a" * 101),
        installation(None),
        installation(7),
        installation(["acme"]),
        installation({"login": "acme"}),
        installation("acme", account=None),
        installation("acme", account="acme"),
        installation("acme", account={"slug": "acme", "name": "An enterprise in an organization's place"}),
        installation("acme", "Enterprise", account={"login": "acme"}),
        installation("acme", "Team"),
        installation("acme", target_type=None),
        installation("acme", target_type={}),
        "acme",
        None,
        7,
        [],
        {},
    ],
)
def test_a_row_that_names_no_target_is_refused_and_counted_and_the_others_count(row: Any) -> None:
    listing = installations(installation("good"), row, installation("better"))
    assert [account.name for account in listing.accounts] == ["good", "better"]
    assert listing.refused == 1


def test_the_same_account_twice_is_one_and_is_counted() -> None:
    listing = installations(installation("acme"), installation("ACME", suspended_at="2026-11-01"))
    assert listing == Listing((replace(ACME, granted={}),), refused=1)


@pytest.mark.parametrize("permissions", [None, [], "read", 7])
def test_permissions_that_cannot_be_read_are_not_known(permissions: Any) -> None:
    assert installations(installation("acme", permissions=permissions)).accounts == (ACME,)


@pytest.mark.parametrize("level", ["none", None, 7, {}, [], "READ"])
def test_a_permission_without_a_known_level_is_not_granted(level: Any) -> None:
    listing = installations(installation("acme", permissions={"organization_api_insights": level}))
    assert listing.accounts[0].granted == {}


@pytest.mark.parametrize("body", [{}, None, "x", 7, {"installations": []}])
def test_an_answer_that_is_no_list_is_a_failure(body: Any) -> None:
    with pytest.raises(Invalid, match="no list"):
        listed(lambda api: list_installations(api, READS), httpx.Response(200, text=json.dumps(body)))


def test_a_page_with_too_many_rows_is_a_failure() -> None:
    with pytest.raises(Invalid, match="at most"):
        installations(*[installation("acme")] * (MOST_ROWS + 1))


def test_ten_thousand_organizations_are_listed() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params.get("page", "1"))
        rows = [installation(f"org{(page - 1) * 100 + number}") for number in range(100)]
        link = {"link": f'<https://api.github.com/app/installations?per_page=100&page={page + 1}>; rel="next"'}
        return httpx.Response(200, json=rows, headers=link if page < 100 else {})

    assert len(asyncio.run(list_installations(github(answer), READS)).accounts) == 10_000


def test_endless_pages_are_a_failure_after_so_many() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        link = f'<https://api.github.com/app/installations?page={len(asked) + 1}>; rel="next"'
        return httpx.Response(200, json=[installation(f"org{len(asked)}")], headers={"link": link})

    with pytest.raises(Invalid, match="more than"):
        asyncio.run(list_installations(github(answer), READS))
    assert len(asked) == MOST_PAGES + 1


def test_the_next_page_is_never_on_another_host() -> None:
    elsewhere = httpx.Response(200, json=[], headers={"link": '<https://api.elsewhere.example/x>; rel="next"'})
    with pytest.raises(Invalid, match="another origin"):
        listed(lambda api: list_installations(api, READS), elsewhere)


def test_a_tokens_organizations_are_those_that_its_user_administers() -> None:
    def membership(login: Any, role: str = "admin", state: str = "active") -> dict[str, Any]:
        return {"role": role, "state": state, "organization": {"login": login}}

    rows = [
        membership("Acme"),
        membership("globex", "member"),
        membership("initech", state="pending"),
        membership("a/b"),
        {"role": "admin", "state": "active", "organization": None},
    ]
    listing, fake = listed(list_administered, rows)
    assert listing == Listing((ACME,), refused=2)
    assert fake.urls == ["https://api.github.com/user/memberships/orgs?state=active&per_page=100"]


def graphql(*logins: Any, after: Any = None, **more: Any) -> dict[str, Any]:
    page = {"hasNextPage": after is not None, "endCursor": after}
    return {
        "data": {"enterprise": {"organizations": {"nodes": [{"login": one} for one in logins], "pageInfo": page}}},
        **more,
    }


def enterprise(*answers: Any) -> tuple[Listing, Fake]:
    return listed(lambda api: list_enterprise(api, "acme-corp"), *answers)


def test_an_enterprises_organizations_come_from_their_properties() -> None:
    listing, fake = enterprise(
        [{"organization_login": "Acme"}, {"organization_login": "x/../y"}, {"organization_id": 1}]
    )
    assert listing == Listing((ACME,), refused=2)
    assert fake.urls == ["https://api.github.com/enterprises/acme-corp/org-properties/values?per_page=100"]


@pytest.mark.parametrize("answer", [httpx.Response(403), httpx.Response(404), httpx.Response(422), []])
def test_else_from_graphql(answer: Any) -> None:
    listing, fake = enterprise(answer, graphql("acme", after="one"), graphql("globex", None))
    assert listing == Listing((ACME, GLOBEX), refused=1)
    bodies = [json.loads(request.content) for request in fake.asked[1:]]
    assert [str(request.url) for request in fake.asked[1:]] == ["https://api.github.com/graphql"] * 2
    assert [body["variables"] for body in bodies] == [
        {"slug": "acme-corp", "after": None},
        {"slug": "acme-corp", "after": "one"},
    ]


@pytest.mark.parametrize("status", [401, 500, 502])
def test_graphql_is_not_asked_where_it_would_fail_as_well(status: int) -> None:
    fake = Fake(httpx.Response(status, json={"message": "no"}))
    with pytest.raises((CredentialRejected, Unavailable)):
        asyncio.run(list_enterprise(github(fake), "acme-corp"))
    assert len(fake.asked) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (graphql("acme", errors=[{"type": "NOT_FOUND", "message": "Could not resolve"}]), NotFound),
        (graphql("acme", errors=[{"type": "FORBIDDEN"}]), Forbidden),
        (graphql("acme", errors=[{"message": "Something went wrong"}]), Invalid),
        (graphql("acme", errors="yes"), Invalid),
        (graphql("acme", errors=[7]), Invalid),
        ({"data": {"enterprise": None}}, Invalid),
        ({"data": None}, Invalid),
        ({}, Invalid),
        ([], Invalid),
        (graphql("acme", after=7), Invalid),
        (graphql("acme", after="x" * 2_000), Invalid),
        (graphql("acme", after=""), Invalid),
        ({"data": {"enterprise": {"organizations": {"nodes": {}, "pageInfo": {"hasNextPage": False}}}}}, Invalid),
    ],
)
def test_graphqls_errors_are_failures_although_the_status_is_200(answer: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        enterprise(httpx.Response(403, json={"message": "Must have the required scopes."}), answer)
    assert "Must have the required scopes." in str(raised.value), "both reasons are told"


def test_a_cursor_that_leads_back_is_a_failure() -> None:
    with pytest.raises(Invalid, match="cursor"):
        enterprise([], graphql("acme", after="one"), graphql("globex", after="one"))


def test_github_is_not_quoted_where_privacy_hides_names() -> None:
    answer = httpx.Response(200, json=graphql(errors=[{"type": "NOT_FOUND", "message": "octocat may not"}]))
    with pytest.raises(NotFound) as raised:
        asyncio.run(list_enterprise(github(Fake(httpx.Response(200, json=[]), answer), quoted=False), "acme-corp"))
    assert "octocat" not in str(raised.value)


def test_what_single_sign_on_leaves_out_is_told() -> None:
    header = {"x-github-sso": "partial-results; organizations=1,2"}
    rows = [{"role": "admin", "state": "active", "organization": {"login": "acme"}}]
    listing, _ = listed(list_administered, httpx.Response(200, json=rows, headers=header))
    assert listing.accounts == (ACME,)
    assert "single sign-on" in listing.partial


def memory(*accounts: Account, at: float = NOW) -> Memory:
    return after_listing(Memory(), Listing(accounts), APP, at)


def test_what_a_listing_lacks_stays_until_it_was_absent_for_a_day_of_listings() -> None:
    known, now = memory(ACME, GLOBEX), NOW
    for hour in range(1, 26):
        known = after_listing(known, Listing((ACME,)), APP, now := NOW + hour * HOUR)
        assert ("organization/globex" in known.known) is (hour < 25), "the first of them is the begin of its absence"
    assert list(known.known) == ["organization/acme"]
    assert now - (NOW + HOUR) == FORGET_AFTER


def test_its_return_ends_its_absence() -> None:
    known = memory(ACME, GLOBEX)
    for hour in range(1, 60):
        accounts = (ACME, GLOBEX) if hour % 20 == 0 else (ACME,)
        known = after_listing(known, Listing(accounts), APP, NOW + hour * HOUR)
        assert "organization/globex" in known.known


def test_failures_and_pauses_are_no_absence() -> None:
    known = after_listing(memory(ACME), Listing(()), APP, NOW + HOUR)
    for hour in range(2, 100):
        failed = after_failure(known, Unavailable("503"), APP, NOW + hour * HOUR)
        assert failed.known == known.known
    known = after_listing(known, Listing(()), APP, NOW + 30 * DAY)
    assert known.known["organization/acme"].absent == 2 * HOUR, "nobody looked in between"


def test_a_clock_that_goes_back_takes_no_absence_away() -> None:
    known = after_listing(memory(ACME), Listing(()), APP, NOW + HOUR)
    known = after_listing(known, Listing(()), APP, NOW + 2 * HOUR)
    known = after_listing(known, Listing(()), APP, NOW - 30 * DAY)
    assert known.known["organization/acme"].absent == HOUR


def test_a_partial_listing_is_no_proof_of_absence() -> None:
    known = memory(ACME, GLOBEX)
    for hour in range(1, 60):
        known = after_listing(known, Listing((ACME,), partial="single sign-on"), APP, NOW + hour * HOUR)
    assert known.known["organization/globex"].absent is None


def test_a_listing_that_fails_is_tried_again_soon_then_less_often() -> None:
    known, waits = memory(ACME), []
    for _ in range(8):
        known = after_failure(known, Unavailable("503"), APP, NOW)
        waits.append(known.due - NOW)
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert known.failure == Failure("unavailable", "503", Unavailable.hint)
    assert after_failure(known, Unavailable("503"), APP, NOW, NOW + 7_000).due == NOW + 7_000
    assert after_listing(known, Listing((ACME,)), APP, NOW).failure is None


def test_exporters_ask_at_the_same_instants_whenever_they_were_started() -> None:
    entry = DiscoverEntry(credential="app", interval="1h")
    due = {next_due(entry, next_due(entry, NOW + start)) for start in range(0, 1_800, 100)}
    assert len(due) <= 2
    first = next_due(entry, NOW)
    assert HOUR / 2 <= first - NOW < 1.5 * HOUR
    assert next_due(entry, first + 5) == first + HOUR


def test_an_instant_that_cannot_be_is_now() -> None:
    assert corrected(Memory(due=NOW + 100), APP, NOW).due == NOW + 100
    assert corrected(Memory(due=NOW + 30 * DAY), APP, NOW).due == NOW


def target(name: str, credential: str = "app") -> Target:
    return Target("organization", name, credential)


def test_patterns_select_and_a_listed_target_wins() -> None:
    entry = DiscoverEntry(credential="app", include=["acme-*", "globex"], exclude=["*-sandbox"])
    names = ("acme-one", "acme-sandbox", "initech", "globex", "acme-two")
    known = memory(*(Account("organization", name) for name in names), Account("enterprise", "globex"))
    result = discoveries_of([entry], {"app": known}, [target("globex", "other")])
    assert result.targets == (target("acme-one"), target("acme-two"), Target("enterprise", "globex", "app"))
    assert result.fates["app"] == {
        "organization/acme-one": "collected",
        "organization/acme-sandbox": "excluded",
        "organization/initech": "excluded",
        "organization/globex": "listed",
        "organization/acme-two": "collected",
        "enterprise/globex": "collected",
    }


def test_the_first_entry_that_finds_an_account_collects_from_it_unless_it_is_suspended_there() -> None:
    classic = DiscoverEntry(credential="classic", enterprise="acme-corp")
    suspended = replace(GLOBEX, suspended=True, granted={})
    memories = {"app": memory(replace(ACME, granted={}), suspended), "classic acme-corp": memory(ACME, GLOBEX)}
    result = discoveries_of([APP, classic], memories, [])
    assert result.targets == (target("acme"), target("globex", "classic"))
    assert result.granted == {target("acme"): {}}
    assert result.fates["app"]["organization/globex"] == "suspended"
    assert result.fates["classic acme-corp"]["organization/acme"] == "listed"


def test_at_most_so_many_are_taken_those_first_that_were_found_first() -> None:
    entry = DiscoverEntry(credential="app", max_targets=2)
    known = after_listing(memory(GLOBEX), Listing((ACME, Account("organization", "a"), GLOBEX)), entry, NOW + HOUR)
    result = discoveries_of([entry], {"app": known}, [])
    assert [one.name for one in result.targets] == ["globex", "acme"]
    assert result.fates["app"]["organization/a"] == "surplus"


@pytest.mark.parametrize(
    ("permission", "granted", "lacking"),
    [
        (Permission(app="x", granted=("one", "two")), {"two": "read"}, False),
        (Permission(app="x", granted=("one", "two")), {"three": "read"}, True),
        (Permission(app="x", granted=("one",)), None, False),
        (Permission(app="x"), {}, False),
        (Permission(classic="x"), {}, True),
        (Permission(classic="x"), None, False),
        (Permission(), {}, False),
    ],
)
def test_what_an_installation_lacks_is_known_from_its_listing(
    permission: Permission, granted: Mapping[str, str] | None, lacking: bool
) -> None:
    assert permission.is_lacking(granted) is lacking


def settings_of_collectors() -> dict[str, CollectorSettings]:
    return {one.name: CollectorSettings(True, 60.0, 60.0, one.options()) for one in COLLECTORS}


def test_what_is_left_out_is_grouped_by_the_permission_to_grant() -> None:
    known = memory(replace(ACME, granted={"organization_api_insights": "read"}), replace(GLOBEX, granted={}))
    result = discoveries_of([APP], {"app": known}, [])
    lacking = lacking_of("app", result, COLLECTORS, settings_of_collectors())
    insights = next(one for one in lacking if "API Insights" in one.needs)
    assert insights.targets == ["organization/globex"]
    assert {"summary_stats", "subject_stats"} <= set(insights.collectors)
    metrics = next(one for one in lacking if "Organization Copilot metrics" in one.needs)
    assert "copilot_usage" in metrics.collectors
    assert metrics.targets == ["organization/acme", "organization/globex"]


def test_each_account_is_counted_in_one_state() -> None:
    entry = DiscoverEntry(credential="app", exclude=["x*"], max_targets=3)
    known = after_listing(memory(ACME, at=NOW - HOUR), Listing((), refused=4), entry, NOW)
    listing = Listing(
        (
            GLOBEX,
            replace(ACME, name="held", suspended=True),
            replace(ACME, name="xy"),
            *(replace(ACME, name=name) for name in ("mine", "b", "c")),
        ),
        refused=4,
    )
    known = after_listing(known, listing, entry, NOW + HOUR)
    status = status_of(
        entry, known, discoveries_of([entry], {"app": known}, [target("mine", "other")]), [], is_app=True
    )
    assert status.counts == {
        "collected": 2,
        "absent": 1,
        "listed": 1,
        "excluded": 1,
        "suspended": 1,
        "surplus": 1,
        "refused": 4,
    }
    assert (status.absent, status.suspended) == (["organization/acme"], ["organization/held"])


def test_a_memory_survives_as_text() -> None:
    known = Memory(
        {"organization/acme": Known(replace(ACME, suspended=True, granted={"x": "read"}), 60.0)},
        NOW,
        NOW - 5,
        3,
        "partial",
        2,
        Failure("forbidden", "no", "ask"),
    )
    assert saved.load(saved.dump(known)) == known
    assert saved.load(saved.dump(Memory())) == Memory()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("known", {}),
        ("known", [["organization", "a/b", False, None, None]]),
        ("known", [["team", "acme", False, None, None]]),
        ("known", [["organization", "acme"]]),
        ("known", [7]),
        ("due", "soon"),
        ("due", True),
        ("succeeded_at", []),
        ("failures", None),
        ("failure", 7),
        ("failure", ["x"]),
    ],
)
def test_a_text_of_another_shape_is_no_memory(key: str, value: Any) -> None:
    text = json.dumps({**json.loads(saved.dump(memory(ACME))), key: value})
    with pytest.raises((ValueError, TypeError)):
        saved.load(text)


def shown(**more: Any) -> DiscoveryStatus:
    """The status of an entry whose last listing succeeded."""
    counts = {**dict.fromkeys(STATES, 0), **more.pop("counts", {})}
    return DiscoveryStatus("app", "", "where it is", True, NOW - 60, NOW + 60, counts=counts, **more)


@pytest.mark.parametrize(
    ("status", "finding"),
    [
        (shown(), ""),
        (shown(counts={"excluded": 3, "suspended": 1, "refused": 2}, suspended=["organization/x"]), ""),
        (shown(failure=Failure("forbidden", "no", "ask them")), "Discovery by credential app fails"),
        (shown(absent=["organization/acme"]), "lacks organization/acme"),
        (shown(counts={"surplus": 7}), "7 targets more than max_targets"),
    ],
)
def test_the_verdict_tells_what_an_operator_should_do_something_about(status: DiscoveryStatus, finding: str) -> None:
    result = verdict(Facts(sources=1), Health(discovery=(status,)), NOW)
    assert (finding in result.top.what) if finding else (result.top.level == "ok")


def test_notes_name_what_is_not_collected_at_most_so_many_of_it() -> None:
    names = [f"organization/o{number}" for number in range(12)]
    lacking = (Lacking("the permission “X”", ["one", "two"], names),)
    suspended, left_out, refused, partial = discovery_notes(
        [shown(suspended=names, lacking=lacking, counts={"refused": 1}, partial="cut short")]
    )
    assert "organization/o9 and 2 more: nothing is asked there" in suspended
    assert "one, two left out at organization/o0" in left_out
    assert "the App needs the permission “X”" in left_out
    assert "1 row of GitHub's listing names no target" in refused
    assert "cut short." in partial


def test_a_row_says_how_an_entry_fares() -> None:
    failed = shown(counts={"collected": 1_200, "absent": 1}, failure=Failure("unavailable", "503", ""))
    rows = discovery_rows([shown(), failed, DiscoveryStatus("new", "", "where it is")], NOW)
    assert [(one.level, one.state, one.found) for one in rows] == [
        ("ok", "works", "none"),
        ("warn", "unavailable", "1,200 collected, 1 absent"),
        ("warn", "not asked yet", "unknown"),
    ]
