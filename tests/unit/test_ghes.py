"""GHES: every number of GitHub's own examples has its series, and whatever else an appliance sends does no harm."""

import asyncio
import copy
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parse_text
from pydantic import ValidationError

from exporter.catalogue import Collector
from exporter.collecting.attempt import Attempt, Reading
from exporter.collecting.conclude import conclude
from exporter.collectors.server_statistics import OF_ORGANIZATION, Options
from exporter.collectors.server_statistics.families import MOST_OTHERS
from exporter.counting.keys import Rules
from exporter.errors import CredentialRejected, GitHubError, Invalid, RateLimited, Refused, Unavailable
from exporter.exposition.answers import Exposition, Filters
from exporter.exposition.render import columns_of, render
from exporter.exposition.snapshot import Snapshot, status_of
from exporter.exposition.store import Store
from exporter.fetching import Fetched
from tests.support.jobs import NOW, TARGETS, TESTS, Respond, exposition, job_of, samples, snapshot_of
from tests.support.server_statistics import APPLIANCE, FULL, PATH, STATISTICS, STORED, S, fetched, of, respond

ALL, SECURITY = "/enterprise/stats/all", "/enterprise/stats/security-products"
OFFICIAL: dict[str, Any] = STORED[PATH][2]
GONE = "an older day of its server"

Place = tuple[str | int, ...]
Series = tuple[str, tuple[tuple[str, str], ...]]


def series(name: str, **labels: str) -> Series:
    return name, tuple(sorted(labels.items()))


def leaves(item: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """All values of an answer that are neither object nor list, with where they stand."""
    if isinstance(item, dict | list):
        for key, value in item.items() if isinstance(item, dict) else enumerate(item):
            yield from leaves(value, (*place, key))
    else:
        yield place, item


def numbers(item: Any) -> Iterator[tuple[Place, Any]]:
    """Those that tell a number, as one or in words."""
    for place, value in leaves(item):
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if numeric or place[-1] in ("percentage_of_repos_using_actions", "dormancy_threshold"):
            yield place, value


def shown(collector: Collector, found: Fetched) -> dict[Series, float]:
    """What a scrape gets of it, less the target's label."""
    job = job_of(collector)
    attempt = Attempt(Reading(found, int(NOW)), NOW, 0.5, 0.0)
    concluded = conclude(job, Snapshot(), attempt, Rules(100_000, 1e9))
    assert concluded.error is None
    text = exposition(job, concluded.snapshot, "text")
    label = collector.target_label or collector.scope
    result = {}
    for (name, labels), value in samples(parse_text(text)).items():
        assert (label, TARGETS[collector.scope]) in labels
        result[name, tuple(pair for pair in labels if pair[0] != label)] = value
    return result


def changed(record: dict[str, Any], place: Place, *value: Any) -> dict[str, Any]:
    """The record with another value there, or without it."""
    result = copy.deepcopy(record)
    item: Any = result
    for key in place[:-1]:
        item = item[key]
    if value:
        item[place[-1]] = value[0]
    else:
        del item[place[-1]]
    return result


# Every number of the examples.


def statistics_series(record: dict[str, Any], place: Place) -> tuple[str, dict[str, str]]:
    """The series of a number, by the rule of the names."""
    group, leaf = place[0], str(place[-1])
    name = S + leaf.removesuffix("_count")
    if group == "packages_stats" and leaf != "storage_bytes":
        return name, {"ecosystem": record["packages_stats"]["ecosystems"][place[2]]["name"].replace("_", "")}
    if leaf == "percentage_of_repos_using_actions":
        return S + "repos_using_actions_ratio", {}
    if leaf == "dormancy_threshold":
        return S + "dormancy_threshold_seconds", {}
    if group == "advisory_db_stats" or leaf == "storage_bytes":
        unique = {"total_repos": "advisory_db_stats.withdrawn.total_repos"}
        return S + "other", {"leaf": unique.get(leaf, leaf)}
    return name, {}


@pytest.mark.parametrize("collector", [STATISTICS, OF_ORGANIZATION], ids=["enterprise", "organization"])
def test_each_number_of_the_stored_server_statistics_is_exported_once_or_left_out_with_a_reason(
    collector: Collector,
) -> None:
    path = f"/enterprise-installation/{TARGETS[collector.scope]}/server-statistics"
    records = STORED[path] if isinstance(STORED[path], list) else [STORED[path]]
    newest = {one["server_id"]: one for one in sorted(records, key=lambda one: one["collection_date"])}
    expected: dict[Series, float] = {}
    left_out: dict[tuple[int, Place], str] = {}
    for index, record in enumerate(records):
        for place, value in numbers(record):
            if newest[record["server_id"]] is not record:
                left_out[index, place] = GONE
                continue
            name, labels = statistics_series(record, place)
            key = series(name, server_id=record["server_id"], **labels)
            assert key not in expected
            words = {"58.33": 0.5833, "90 days": 90 * 86400.0}
            expected[key] = words.get(value, value)
    found = shown(collector, fetched(collector, respond(STORED)))
    told = (
        "info",
        "connect_feature",
        "package_registry_enabled",
        "package_ecosystem_state",
        "collection_timestamp_seconds",
    )
    counts = {key: value for key, value in found.items() if key[0].removeprefix(S) not in told}
    assert counts == expected
    assert set(left_out.values()) == ({GONE} if collector is STATISTICS else set())


def test_the_official_example_shows_its_words_and_nothing_of_its_placeholders() -> None:
    got = of(OFFICIAL)
    server = OFFICIAL["server_id"]
    found = shown(STATISTICS, got)
    words = {key: value for key, value in found.items() if key[0].removeprefix(S) in ("info", "connect_feature")}
    versions = {"host_name": "github.example.com", "ghes_version": "3.9.0", "schema_version": "20230306"}
    assert words == {
        series(S + "info", server_id=server, **versions): 1.0,
        **{
            series(S + "connect_feature", server_id=server, feature=feature): 1.0
            for feature in ("license_usage_sync", "content_analysis", "content_analysis_notifications")
        },
    }
    assert found[series(S + "collection_timestamp_seconds", server_id=server)] == 1795219199.0
    assert not [key for key in found if "package" in key[0] or "actions" in key[0] or key[0] == S + "other"]
    assert (got.rejected, got.data_time) == (0, 1795219199.0)


def test_the_full_record_shows_registries_and_states() -> None:
    found = shown(STATISTICS, of(FULL))
    server = FULL["server_id"]
    for registry in ("v1", "v2"):
        assert found[series(S + "package_registry_enabled", server_id=server, registry=registry)] == 1.0
    states = {"npm": "true", "maven": "readonly", "docker": "true", "nuget": "true", "rubygems": "false"}
    for ecosystem, is_state in {**states, "containers": "true"}.items():
        for state in ("true", "false", "readonly"):
            labels = {"ecosystem": ecosystem, "state": state, "server_id": server}
            assert found[series(S + "package_ecosystem_state", **labels)] == float(state == is_state)


def test_each_number_of_the_appliances_answers_is_exported_once() -> None:
    expected = {series(f"github_appliance_{place[-1]}"): value for place, value in numbers(STORED[ALL])}
    expected |= {series(f"github_appliance_security_{place[-1]}"): value for place, value in numbers(STORED[SECURITY])}
    got = fetched(APPLIANCE, respond(STORED))
    assert shown(APPLIANCE, got) == expected
    assert len(expected) == len([*numbers(STORED[ALL]), *numbers(STORED[SECURITY])]) == 53
    assert (got.rejected, got.data_time) == (0, NOW)


def test_the_stored_answers_pass_through_the_frame_with_the_targets_label() -> None:
    for collector, label in ((STATISTICS, "account"), (OF_ORGANIZATION, "account"), (APPLIANCE, "appliance")):
        job = job_of(collector)
        text = exposition(job, snapshot_of(job), "text")
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        assert lines
        assert all(f'{{{label}="{TARGETS[collector.scope]}"' in line for line in lines)


def test_enterprise_and_organization_share_their_families_on_one_page() -> None:
    store = Store(60.0)
    for job in map(job_of, (STATISTICS, OF_ORGANIZATION)):
        snapshot = snapshot_of(job)
        store.publish(job, status_of(snapshot), render(job, columns_of(job, snapshot, NOW), snapshot.version), 0.0)
    page = Exposition(store, [STATISTICS, OF_ORGANIZATION], tuple, lambda: 0.0)
    text = b"".join(asyncio.run(page.answer("text", gzip=False, filters=Filters())).body).decode()
    types = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(set(types)) == len(types) == sum(len(table.families) for table in STATISTICS.tables)
    found = samples(parse_text(text))
    for account in ("acme-corp", "acme"):
        assert any(("account", account) in labels for _, labels in found)


# What is odd costs its own value only.

TOTAL: Place = ("ghe_stats", "issues", "total_issues")
PERCENT: Place = ("actions_stats", "percentage_of_repos_using_actions")
THRESHOLD: Place = ("dormant_users", "dormancy_threshold")
NPM: Place = ("packages_stats", "ecosystems", 0)
ISSUES = {"total_issues", "open_issues", "closed_issues"}
OF_AN_ECOSYSTEM = {
    *("published_packages", "private_packages", "public_packages", "internal_packages", "user_packages"),
    *("organization_packages", "daily_download", "daily_update", "daily_delete", "daily_create"),
    "package_ecosystem_state",
}
ACTIONS = {"number_of_repos_using_actions", "repos_using_actions_ratio"}
REF = {"$ref": "server-statistics-actions.yaml"}


@dataclass(frozen=True)
class Odd:
    """A change of the full record: what is not shown then, of which ecosystem, and how much is counted."""

    place: Place
    value: Any
    gone: set[str]
    rejected: int
    ecosystem: str = ""


def each(place: Place, values: Iterable[Any], gone: set[str], rejected: int, ecosystem: str = "") -> list[Odd]:
    return [Odd(place, value, gone, rejected, ecosystem) for value in values]


ODD = [
    *each(TOTAL, ("3421", "", True, False, -1, -0.5, math.nan, math.inf, 2**63, 10**40), {"total_issues"}, 1),
    *each(TOTAL, ([3421], [], {}, {"sum": 3421}), {"total_issues"}, 1),
    *each(TOTAL, (None, REF), {"total_issues"}, 0),
    *each(("ghe_stats", "issues"), ([], [{"total_issues": 1}], 5, "none", True), ISSUES, 1),
    *each(("ghe_stats", "issues"), (None, REF, {}), ISSUES, 0),
    *each(PERCENT, ("many", "", "-1", "100.01", "1e2", "58,33", "٥٨", "NaN"), {"repos_using_actions_ratio"}, 1),
    *each(PERCENT, (101, True, [58.33]), {"repos_using_actions_ratio"}, 1),
    *each(PERCENT, (None, REF), {"repos_using_actions_ratio"}, 0),
    *each(THRESHOLD, (90, "3 months", "days", "-90 days", []), {"dormancy_threshold_seconds"}, 1),
    *each(THRESHOLD, (None, REF), {"dormancy_threshold_seconds"}, 0),
    *each(("actions_stats",), (REF, None), ACTIONS, 0),
    *each(("actions_stats",), ([7], "many", 7), ACTIONS, 1),
    *each(("github_connect",), (None, REF, {}), {"connect_feature"}, 0),
    *each(("github_connect", "features_enabled"), ("license_usage_sync", {}, 3), {"connect_feature"}, 1),
    *each(("github_connect", "features_enabled"), ([1, None, {}, [], ""],), {"connect_feature"}, 3),
    *each(("packages_stats", "registry_enabled"), ("TRUE", 1, 0, "true", []), {"package_registry_enabled"}, 1, "v1"),
    *each(("packages_stats", "registry_v2_enabled"), (None, REF), {"package_registry_enabled"}, 0, "v2"),
    *each((*NPM, "enabled"), ("MAYBE", "", True, 1, ["TRUE"]), {"package_ecosystem_state"}, 1, "npm"),
    *each((*NPM, "enabled"), (None, REF), {"package_ecosystem_state"}, 0, "npm"),
    *each((*NPM, "published_packages_count"), ("24", -24, True), {"published_packages"}, 1, "npm"),
    *each((*NPM, "published_packages_count"), (None, REF), {"published_packages"}, 0, "npm"),
    *each((*NPM, "name"), (None, "", "_", 7), OF_AN_ECOSYSTEM, 1, "npm"),
    *each((*NPM[:2], 5, "name"), ("npm", "N_P_M"), OF_AN_ECOSYSTEM, 1, "containers"),
    *each(NPM, ("npm", 7, [], {}), OF_AN_ECOSYSTEM, 1, "npm"),
    *each(NPM, (None, REF), OF_AN_ECOSYSTEM, 0, "npm"),
    *each(NPM[:2], ({"npm": {}}, "npm", 7), OF_AN_ECOSYSTEM, 1),
    *each(NPM[:2], (None, REF, []), OF_AN_ECOSYSTEM, 0),
    *each(("collection_date",), ("", "soon", 5, "0001-01-01"), {"collection_timestamp_seconds"}, 1),
    *each(("collection_date",), (None, REF), {"collection_timestamp_seconds"}, 0),
    *each(("advisory_db_stats",), (REF, "words", None, [], True), set(), 0),
    *each(("advisory_db_stats",), ([1, {"two": 2}, [3], True, "4"],), set(), 0),
    *each(("advisory_db_stats",), ({"negative": -1, "huge": 1e300, "text": "1", "yes": True},), set(), 0),
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: f"{odd.place[-1]}={str(odd.value)[:25]}")
def test_an_odd_value_is_absent_alone_and_counted_if_there_was_one(odd: Odd) -> None:
    got = of(changed(FULL, odd.place, odd.value))
    expected = {
        (name, labels): value
        for (name, labels), value in shown(STATISTICS, of(FULL)).items()
        if name.removeprefix(S) not in odd.gone
        or (odd.ecosystem and odd.ecosystem not in {dict(labels).get(one) for one in ("ecosystem", "registry")})
    }
    assert shown(STATISTICS, got) == expected
    assert got.rejected == odd.rejected


@pytest.mark.parametrize(("value", "rejected"), [("", 0), (None, 0), (7, 1), (["a"], 1)])
@pytest.mark.parametrize("name", ["host_name", "ghes_version", "schema_version"])
def test_an_empty_host_name_or_version_is_an_empty_label(name: str, value: Any, rejected: int) -> None:
    got = of(changed(FULL, (name,), value))
    (labels,) = [dict(labels) for (family, labels), _ in shown(STATISTICS, got).items() if family == S + "info"]
    assert labels[name] == ""
    assert got.rejected == rejected


@pytest.mark.parametrize("place", [place for place, _ in leaves(FULL) if place != ("server_id",)], ids=str)
def test_any_value_may_be_missing(place: Place) -> None:
    got = of(changed(FULL, place))
    assert got.rejected == (place[-1] == "name")
    before = shown(STATISTICS, of(FULL))
    versions = ("host_name", "ghes_version", "schema_version")
    assert shown(STATISTICS, got).items() <= before.items() or place[-1] in versions


@pytest.mark.parametrize(("text", "rate"), [("11.11", 0.1111), ("0", 0), ("100.00", 1), (11.11, 0.1111), (0, 0)])
def test_a_percentage_becomes_a_ratio(text: Any, rate: float) -> None:
    found = shown(STATISTICS, of(changed(FULL, PERCENT, text)))
    assert found[series(S + "repos_using_actions_ratio", server_id=FULL["server_id"])] == rate


def test_zero_is_shown_and_a_label_is_cleaned() -> None:
    record = changed(changed(FULL, TOTAL, 0), ("server_id",), "a\0" + "b" * 400)
    found = shown(STATISTICS, of(record))
    (server,) = {dict(labels)["server_id"] for _, labels in found}
    assert server.startswith("a\ufffdb")
    assert len(server) == 256
    assert found[series(S + "total_issues", server_id=server)] == 0


# Which record is shown.


@pytest.mark.parametrize("answer", [[], b" [ ] "])
def test_an_empty_list_is_nothing_to_show(answer: Any) -> None:
    got = fetched(STATISTICS, respond({PATH: answer}))
    assert (got.rows, got.rejected, got.data_time) == ((), 0, None)


def test_an_object_instead_of_a_list_is_its_only_record() -> None:
    assert fetched(STATISTICS, respond({PATH: FULL})) == of(FULL)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>", b"[", b"\xff", b"[" * 100_000, b"5", b'"text"', b"null", b"true"),
        *({}, {"message": "no"}, [None], [5, "a", []], [{"server_id": ""}], [{"server_id": 7, "ghe_stats": {}}], [REF]),
    ],
)
def test_an_answer_without_any_record_that_can_be_used_is_invalid(body: Any) -> None:
    with pytest.raises(Invalid) as raised:
        fetched(STATISTICS, respond({PATH: body}))
    assert not isinstance(raised.value, Refused)


def test_a_record_without_server_is_skipped_and_counted() -> None:
    got = of(changed(FULL, ("server_id",)), OFFICIAL, None)
    assert shown(STATISTICS, got) == shown(STATISTICS, of(OFFICIAL))
    assert got.rejected == 2


def dated(day: str | None, issues: int, server: str = "one") -> dict[str, Any]:
    record = {"server_id": server, "ghe_stats": {"issues": {"total_issues": issues}}}
    return record if day is None else {**record, "collection_date": day}


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1), (1, 3, 0, 2)])
def test_the_newest_date_of_a_server_wins_over_pages_and_in_any_order(order: tuple[int, ...]) -> None:
    records = [
        dated("2026-11-18T23:59:59Z", 1),
        dated("2026-11-20T01:00:00+02:00", 3),
        dated("2026-11-19T22:59:59", 2),
        dated("eventually", 9),
    ]
    pages = {str(number): records[index] for number, index in enumerate(order, start=1)}
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        page = request.url.params.get("page", "1")
        asked.append(page)
        link = f'<https://api.github.com{PATH}?page={int(page) + 1}>; rel="next"'
        return httpx.Response(200, json=[pages[page]], headers={"link": link} if page != "4" else {})

    got = fetched(STATISTICS, answer)
    assert asked == ["1", "2", "3", "4"]
    assert shown(STATISTICS, got)[series(S + "total_issues", server_id="one")] == 3
    assert (got.rejected, got.data_time) == (1, 1795129200.0)


def test_what_cannot_be_used_in_an_older_day_is_not_counted() -> None:
    older = changed(dated("2026-11-18T23:59:59Z", 1), TOTAL, "many")
    assert of(older, dated("2026-11-19T23:59:59Z", 2)).rejected == 0


def test_the_statistics_are_as_old_as_the_newest_of_all_servers() -> None:
    old, new = "2026-11-10T00:00:00Z", "2026-11-20T00:00:00Z"
    got = of(dated(new, 1, "a"), dated("2026-11-01T00:00:00Z", 1, "b"), dated(old, 1, "b"), dated(None, 1, "c"))
    assert got.data_time == 1795132800.0
    stamps = {dict(key[1])["server_id"]: value for key, value in shown(STATISTICS, got).items() if "stamp" in key[0]}
    assert stamps == {"a": 1795132800.0, "b": 1794268800.0}


# Numbers without a name.


def others(found: dict[Series, float]) -> dict[str, float]:
    return {dict(labels)["leaf"]: value for (name, labels), value in found.items() if name == S + "other"}


def test_a_new_number_is_shown_by_its_name_or_by_its_place_where_the_name_is_not_unique() -> None:
    record = copy.deepcopy(FULL)
    record["ghe_stats"]["discussions"] = {"total_discussions": 4, "open": 3}
    record["ghe_stats"]["issues"]["pinned_issues"] = 6
    record["advisory_db_stats"] = {"open": 2, "total_issues": 1}
    record["codespaces"] = 1.5
    record["packages_stats"]["ecosystems"][0]["storage_bytes"] = 10
    record["packages_stats"]["ecosystems"][2]["layers"] = 11
    record["packages_stats"]["ecosystems"][3]["layers"] = 12
    got = of(record)
    assert others(shown(STATISTICS, got)) == {
        "total_discussions": 4,
        "ghe_stats.discussions.open": 3,
        "pinned_issues": 6,
        "advisory_db_stats.open": 2,
        "advisory_db_stats.total_issues": 1,
        "codespaces": 1.5,
        "storage_bytes": 10,
        "packages_stats.ecosystems.docker.layers": 11,
        "packages_stats.ecosystems.nuget.layers": 12,
    }
    assert got.rejected == 0


def test_at_most_fifty_of_a_server_are_shown_and_the_rest_is_counted() -> None:
    new = {f"number_{index:02}": index for index in reversed(range(MOST_OTHERS + 7))}
    got = of({**FULL, "new_stats": new}, {**OFFICIAL, "new_stats": {"number_99": 99}})
    found = shown(STATISTICS, got)
    assert len(others(found)) == MOST_OTHERS + 1
    assert {leaf: value for leaf, value in others(found).items() if value < 99} == {
        f"number_{index:02}": index for index in range(MOST_OTHERS)
    }
    assert (got.rejected, got.unknown, MOST_OTHERS) == (0, {"new_stats": 7}, 50)


def test_two_new_numbers_that_would_be_one_series_are_one_and_a_count() -> None:
    got = of({**FULL, "a.b": {"c": 1}, "a": {"b": {"c": 2}}, "c": {"c": 3}})
    assert others(shown(STATISTICS, got)) == {"a.b.c": 1, "c.c": 3}
    assert (got.rejected, sum(got.unknown.values())) == (0, 1)


@pytest.mark.parametrize(
    ("value", "unknown"),
    [
        (REF, {}),
        (None, {}),
        ("words", {"advisory_db_stats": 1}),
        ([1, {"two": 2}, [3], True, "4"], {"advisory_db_stats": 3}),
        ({"negative": -1, "huge": 1e300, "text": "1", "yes": True}, {"advisory_db_stats": 4}),
        ({"by_login": {"octocat": "x", "hubot": [1, 2]}}, {"advisory_db_stats": 3}),
    ],
)
def test_what_is_neither_known_nor_a_number_is_counted_by_the_outermost_unknown_name(
    value: Any, unknown: dict[str, int]
) -> None:
    got = of(changed(FULL, ("advisory_db_stats",), value))
    assert (got.rejected, got.unknown) == (0, unknown)
    counts = list(unknown.values())
    inside = of(changed(FULL, ("ghe_stats", "issues", "labels"), value)).unknown
    assert list(inside.items()) == [("ghe_stats.issues.labels", count) for count in counts]
    ecosystem = of(changed(FULL, (*NPM, "tags"), value)).unknown
    assert list(ecosystem.items()) == [("packages_stats.ecosystems.tags", count) for count in counts]


# Dates.


def refusing(status: int, times: int, asked: list[dict[str, str]]) -> Respond:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        if len(asked) <= times:
            return httpx.Response(status, json={"message": "Invalid date"})
        return httpx.Response(200, json=[FULL])

    return answer


@pytest.mark.parametrize("status", [400, 422])
def test_dates_are_sent_if_set_and_dropped_once_where_github_refuses_them(status: int) -> None:
    dates = {"date_start": "2026-11-01", "date_end": "2026-11-20"}
    for wanted in (dates, {"date_start": "2026-11-01"}, {"date_end": "2026-11-20T00:00:00Z"}):
        asked: list[dict[str, str]] = []
        assert fetched(STATISTICS, refusing(status, 0, asked), **wanted) == of(FULL)
        assert asked == [wanted]
        asked.clear()
        assert fetched(STATISTICS, refusing(status, 1, asked), **wanted) == of(FULL)
        assert asked == [wanted, {}]
        asked.clear()
        with pytest.raises(Refused):
            fetched(STATISTICS, refusing(status, 9, asked), **wanted)
        assert asked == [wanted, {}]


def test_without_dates_a_refusal_is_final() -> None:
    asked: list[dict[str, str]] = []
    with pytest.raises(Refused):
        fetched(STATISTICS, refusing(422, 1, asked))
    assert asked == [{}]


def test_other_failures_do_not_drop_the_dates() -> None:
    asked: list[dict[str, str]] = []
    with pytest.raises(GitHubError):
        fetched(STATISTICS, refusing(404, 1, asked), date_start="2026-11-01")
    assert asked == [{"date_start": "2026-11-01"}]


@pytest.mark.parametrize("wrong", ["yesterday", "01.11.2026", 7])
def test_a_date_is_a_date(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="must be a date"):
        Options(date_start=wrong)


# The appliance.


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_appliance_without_security_products_shows_the_rest(status: int) -> None:
    got = fetched(APPLIANCE, respond({ALL: STORED[ALL], SECURITY: status}))
    assert {name for name, _ in shown(APPLIANCE, got)} == {
        f"github_appliance_{place[-1]}" for place, _ in numbers(STORED[ALL])
    }
    assert (got.rejected, got.data_time) == (0, NOW)


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({SECURITY: 401}, CredentialRejected),
        ({SECURITY: 422}, Refused),
        ({SECURITY: 429}, RateLimited),
        ({SECURITY: 500}, Unavailable),
        ({SECURITY: b"<html>"}, Invalid),
        ({SECURITY: []}, Invalid),
        ({ALL: 404}, GitHubError),
        ({ALL: 403}, GitHubError),
        ({ALL: b"<html>"}, Invalid),
        ({ALL: [STORED[ALL]]}, Invalid),
        ({ALL: {}}, Invalid),
        ({ALL: {"repos": {"total_repos": "212"}}}, Invalid),
    ],
)
def test_any_other_failure_of_the_appliance_fails_the_read(answers: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        fetched(APPLIANCE, respond({**STORED, **answers}))


def test_what_an_appliance_gives_otherwise_is_absent_and_counted() -> None:
    totals = changed(STORED[ALL], ("repos", "total_repos"), "212")
    totals = {**changed(totals, ("issues",), []), "new": {"a": 1, "b": [2, 3], "c": "text"}, "pages": None}
    security = {**changed(STORED[SECURITY], ("active_committers",), None), "new_repos": 5}
    got = fetched(APPLIANCE, respond({ALL: totals, SECURITY: security}))
    gone = {"total_repos", "total_issues", "open_issues", "closed_issues", "total_pages", "security_active_committers"}
    expected = shown(APPLIANCE, fetched(APPLIANCE, respond(STORED)))
    left = {key: value for key, value in expected.items() if key[0].removeprefix("github_appliance_") not in gone}
    assert shown(APPLIANCE, got) == left
    assert (got.rejected, got.unknown) == (2, {"new": 4, "new_repos": 1})


# Whatever comes.

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["TRUE", "11.11", "90 days", "2026-11-20T23:59:59Z", "9999-12-31T23:59:59-23:59", "npm", 2**63])
)
NAMES = st.text(max_size=8) | st.sampled_from(
    sorted({str(key) for place, _ in leaves(FULL) for key in place} | {"$ref"})
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


def places(item: Any, place: Place = ()) -> Iterator[Place]:
    """Where any value stands, objects and lists included."""
    if place:
        yield place
    if isinstance(item, dict | list):
        for key, value in item.items() if isinstance(item, dict) else enumerate(item):
            yield from places(value, (*place, key))


def altered(record: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The record with something else in one place."""
    return st.builds(changed, st.just(record), st.sampled_from(list(places(record))), ANYTHING)


def truthful(collector: Collector, answers: dict[str, Any]) -> None:
    """Either the read is invalid, or every count shown stands in the answer."""
    try:
        found = fetched(collector, respond({path: json.dumps(answer).encode() for path, answer in answers.items()}))
    except Invalid:
        return
    assert found.rejected >= 0
    given_numbers = {
        float(value)
        for _, value in leaves(list(answers.values()))
        if type(value) in (int, float) and 0 <= value < 2**63
    }
    computed = (
        "_info",
        "_ratio",
        "_seconds",
        "_connect_feature",
        "_package_registry_enabled",
        "_package_ecosystem_state",
    )
    for (name, _), value in shown(collector, found).items():
        assert 0 <= value < math.inf
        assert name.endswith(computed) or value in given_numbers


@settings(max_examples=200, deadline=None)
@given(answer=ANYTHING | st.lists(altered(FULL) | altered(OFFICIAL) | ANYTHING, max_size=3))
def test_no_answer_breaks_the_server_statistics(answer: Any) -> None:
    truthful(STATISTICS, {PATH: answer})


@settings(max_examples=100, deadline=None)
@given(totals=altered(STORED[ALL]) | ANYTHING, security=altered(STORED[SECURITY]) | ANYTHING)
def test_no_answer_breaks_the_appliance_statistics(totals: Any, security: Any) -> None:
    truthful(APPLIANCE, {ALL: totals, SECURITY: security})


# What is declared.


def test_both_kinds_of_account_are_read_alike_and_organizations_by_choice() -> None:
    assert replace(STATISTICS, scope="organization", switch="organizations") == OF_ORGANIZATION
    assert STATISTICS.tables is OF_ORGANIZATION.tables
    assert STATISTICS.runs("enterprise", Options())
    assert not OF_ORGANIZATION.runs("organization", Options())
    assert OF_ORGANIZATION.runs("organization", Options(organizations=True))
    assert (STATISTICS.interval, STATISTICS.max_age, STATISTICS.accepts) == (6 * 3600, 3 * 86400, ("classic",))
    assert (APPLIANCE.interval, APPLIANCE.max_age, APPLIANCE.accepts) == (900, 7200, ("classic",))


@pytest.mark.parametrize("collector", [STATISTICS, APPLIANCE])
def test_every_family_is_written_out_in_its_file_and_explained_in_a_sentence(collector: Collector) -> None:
    (declaration,) = [
        path
        for path in (TESTS.parent / "exporter" / "collectors").rglob("*.py")
        if f'\nCOLLECTOR = Collector(\n    name="{collector.name}"' in path.read_text()
    ]
    files = [*declaration.parent.glob("*.py")] if declaration.name == "__init__.py" else [declaration]
    source = "".join(path.read_text() for path in files)
    for table in collector.tables:
        for family in table.families:
            assert f'"{family.name}"' in source
            assert family.help[0].isupper() or family.help[0].isdigit()
            assert family.help.endswith(".")
            assert "\n" not in collector.help(table, family)
            assert "  " not in collector.help(table, family)
