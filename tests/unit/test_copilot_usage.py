"""Copilot's usage reports: every number under its name, which day is shown, and what rivals got wrong."""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.collectors.copilot_usage import COLLECTOR, OF_ENTERPRISE, Breakdown, Options
from exporter.collectors.reading.reports import MOST_ROWS
from exporter.collectors.reading.signed_reports import MOST_FILES
from exporter.exposition.snapshot import Snapshot
from tests.support.copilot import (
    COLLECTORS,
    D1,
    D2,
    D3,
    D4,
    D5,
    DAY,
    HOST,
    Calendar,
    Cloud,
    Series,
    attempt,
    daily,
    engagement,
    files,
    midnight,
    one,
    record,
    shown,
    stored,
    whole,
)
from tests.support.jobs import NOW, exposition, job_of, samples

FOREIGN = "https://example.com/"
SCOPES = pytest.mark.parametrize("scope", COLLECTORS)


def state(snapshot: Snapshot) -> str:
    assert snapshot.outcome is not None
    return snapshot.outcome.state


def figures(*bodies: Any, scope: str = "organization") -> dict[Series, float]:
    """What is shown of a report of the newest day, less which day that is."""
    concluded = attempt(Cloud({D2: files(*bodies)}), job=job_of(COLLECTORS[scope]))
    assert state(concluded.snapshot) == "ok"
    found = shown(concluded.snapshot, scope)
    found.pop(("report_day_timestamp_seconds", ()), None)
    return found


def day_shown(snapshot: Snapshot) -> str | None:
    """Which day is shown; None if nothing is. The data may be of a newer one, which was without use."""
    found = shown(snapshot)
    if not found:
        return None
    instant = found["report_day_timestamp_seconds", ()]
    assert snapshot.data_time is not None
    assert snapshot.data_time >= instant
    return datetime.fromtimestamp(instant, UTC).date().isoformat()


def month(*days: str) -> dict[str, Any]:
    return {"report_start_day": "2026-10-23", "report_end_day": D2, "day_totals": [record(day) for day in days]}


# Every number of the stored reports.

LEFT_OUT = {"phase_number": "the key of its row"}
PREFIXES = {
    "totals_by_ide": ("ide_", ["ide"]),
    "totals_by_feature": ("feature_", ["feature"]),
    "totals_by_model_feature": ("model_feature_", ["model", "feature"]),
    "totals_by_language_feature": ("language_feature_", ["language", "feature"]),
    "totals_by_language_model": ("language_model_", ["language", "model"]),
    "pull_requests": ("pull_requests_", []),
    "copilot_suggestions_by_comment_type": ("pull_requests_comment_type_", ["comment_type"]),
    "totals_by_cli": ("cli_", []),
    "totals_by_copilot_app": ("copilot_app_", []),
    "totals_by_3rd_party_agent": ("third_party_agent_", ["agent_id"]),
    "totals_by_ai_adoption_phase": ("ai_adoption_phase_", ["phase_number"]),
    "totals_by_vscode_agent": ("vscode_agent_", []),
    "totals_by_skill": ("skill_", ["skill"]),
    "totals_by_custom_agent": ("custom_agent_", ["custom_agent"]),
    "totals_by_mcp": ("mcp_", ["mcp"]),
    "totals_by_slash_cmd": ("slash_cmd_", ["slash_cmd"]),
    "totals_by_plugin": ("plugin_", ["plugin"]),
}


def leaves(value: Any, path: tuple[tuple[str, Any], ...] = ()) -> Iterator[tuple[tuple[tuple[str, Any], ...], float]]:
    """All numbers of a record: the fields that lead to each, every one with the object it stands in."""
    if isinstance(value, dict):
        for name, below in value.items():
            yield from leaves(below, (*path, (name, value)))
    elif isinstance(value, list):
        for below in value:
            yield from leaves(below, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


def expected(path: tuple[tuple[str, Any], ...], value: float) -> tuple[Series, float]:
    """The series of a number by the rule of names alone."""
    *above, (name, row) = path
    sections = [step for step, _ in above if step != "token_usage"]
    prefix, keys = PREFIXES[sections[-1]] if sections else ("", [])
    words = name.replace("minutes", "seconds")
    for end in ("_count", "_sum"):
        if words.endswith(end):
            words = words[: -len(end)]
            break
    labels = {key: str(row[key]) for key in keys}
    return one(prefix + words, **labels), value * 60 if "minutes" in name else value


def accounted(records: Iterable[Any]) -> tuple[dict[Series, float], set[str]]:
    """The series that records should give, and the numbers that give none; each series once."""
    wanted: dict[Series, float] = {}
    skipped = set()
    for found in records:
        for path, value in leaves(found):
            if path[-1][0] in LEFT_OUT:
                skipped.add(path[-1][0])
                continue
            series, number = expected(path, value)
            assert wanted.setdefault(series, number) == number
    return wanted, skipped


@SCOPES
@pytest.mark.parametrize("form", ["two files", "one file", "other order", "28 days"])
def test_every_number_of_a_report_is_one_series(scope: str, form: str) -> None:
    older = {**whole(scope), "day": D3, "daily_active_users": 7, "daily_active_robots": 1}
    cloud = {
        "two files": Cloud({D2: files(*stored(scope))}),
        "one file": Cloud({D2: files(whole(scope))}),
        "other order": Cloud({D2: files(*stored(scope)[::-1])}),
        "28 days": Cloud({"latest": files({"report_end_day": D2, "day_totals": [older, whole(scope)]})}),
    }[form]
    concluded = attempt(cloud, job=job_of(COLLECTORS[scope]))
    wanted, skipped = accounted(stored(scope))
    assert (len(wanted), skipped) == (226, set(LEFT_OUT))
    wanted["report_day_timestamp_seconds", ()] = midnight(D2)
    assert shown(concluded.snapshot, scope) == wanted
    assert concluded.unknown == 0
    assert concluded.snapshot.data_time == midnight(D2)


@SCOPES
def test_the_stored_reports_fill_every_family(scope: str) -> None:
    declared = {family.name for table in COLLECTORS[scope].tables for family in table.families}
    cloud = Cloud({D2: files(*stored(scope)), "latest": files(engagement(scope))})
    found = shown(attempt(cloud, job=job_of(COLLECTORS[scope])).snapshot, scope)
    assert {f"github_copilot_{scope}_{name}" for name, _ in found} == declared


def test_organizations_and_enterprises_have_the_same_families_and_share_none() -> None:
    names = [[family.name for table in one.tables for family in table.families] for one in COLLECTORS.values()]
    assert not set(names[0]) & set(names[1])
    assert [name.replace("_organization_", "_enterprise_", 1) for name in names[0]] == names[1]
    assert all(len(set(family)) == len(family) for family in names)


def test_some_names_and_values_written_down() -> None:
    """The rule of the walk, checked by hand."""
    found = figures(*stored("organization"))
    assert found[one("daily_active_users")] == 120
    assert found[one("code_generation_activity")] == 5400
    assert found[one("loc_added")] == 9900
    assert found[one("ide_code_generation_activity", ide="vscode")] == 4300
    assert found[one("language_model_loc_deleted", language="others", model="others")] == 90
    assert found[one("model_feature_user_initiated_interaction", model="unknown", feature="chat_panel_ask_mode")] == 12
    assert found[one("pull_requests_median_seconds_to_merge")] == 12750
    assert found[one("pull_requests_comment_type_total_copilot_suggestions", comment_type="bug_risk")] == 40
    assert found[one("cli_output_tokens")] == 730000
    assert found[one("copilot_app_avg_tokens_per_request")] == 8470.5
    assert found[one("third_party_agent_session", agent_id="A_100")] == 5
    assert found[one("ai_adoption_phase_avg_pull_requests_seconds_to_review", phase_number="0")] == 2100


def test_by_default_totals_editors_features_and_pull_requests_are_shown() -> None:
    job = job_of(COLLECTOR)
    job = replace(job, settings=replace(job.settings, options=Options()))
    concluded = attempt(Cloud({D2: files(*stored("organization"))}), job=job)
    unchosen = tuple(f"{name}_" for name in set(get_args(Breakdown)) - set(Options().breakdowns))
    wanted = {series for series in figures(*stored("organization")) if not series[0].startswith(unchosen)}
    assert shown(concluded.snapshot).keys() == wanted | {("report_day_timestamp_seconds", ())}
    assert len(wanted) == 42 + 2 * 7 + 4 * 7 + 14 + 2 * 2 + 2 + (1 + 2 + 2 + 2 + 1)
    assert concluded.unknown == 0
    job = replace(job, settings=replace(job.settings, options=Options(breakdowns=())))
    found = shown(attempt(Cloud({D2: files(*stored("organization"))}), job=job).snapshot)
    assert {labels for _, labels in found} == {()}
    assert len(found) == 42 + 1


def test_numbers_that_nobody_knows_count_and_have_no_series() -> None:
    new = {**whole("organization"), "daily_active_robots": 3, "totals_by_robot": [{"robot": "R2", "count": 4}]}
    concluded = attempt(Cloud({D2: files(new)}))
    assert (concluded.unknown, concluded.unreadable) == (2, 0)
    assert concluded.snapshot.unknown == ("daily_active_robots", "totals_by_robot")
    assert shown(concluded.snapshot) == shown(attempt(Cloud({D2: files(whole("organization"))})).snapshot)


# What rivals got wrong.


def test_seventeen_files_with_the_totals_in_each_are_not_seventeen_times_the_users() -> None:
    parts = [
        {"day": D2, "daily_active_users": 200, "totals_by_ide": [{"ide": f"ide-{number}", "loc_added_sum": number}]}
        for number in range(17)
    ]
    found = figures(*parts)
    assert found[one("daily_active_users")] == 200
    assert {value for (name, _), value in found.items() if name == "ide_loc_added"} == set(range(17))


def test_all_links_are_read_and_not_the_first_only() -> None:
    first, second = stored("organization")
    cloud = Cloud({D2: files(first, second)})
    found = shown(attempt(cloud).snapshot)
    assert len(cloud.fetched) == 2
    assert one("ide_loc_added", ide="vscode") in found
    assert one("monthly_active_users") in found


def test_the_token_is_not_sent_to_the_download_host() -> None:
    cloud = Cloud({D2: files(*stored("organization"))})
    attempt(cloud)
    assert len(cloud.fetched) == 2
    for request in cloud.fetched:
        assert not {"authorization", "cookie", "x-github-api-version"} & request.headers.keys()
        assert "secret" not in str(request.url) + str(request.headers.raw)
        assert request.headers["host"] == httpx.URL(HOST).host


@SCOPES
def test_the_parameter_is_called_day_and_there_is_no_other(scope: str) -> None:
    cloud = Cloud({"latest": files(month(D5))})
    attempt(cloud, job=daily(COLLECTORS[scope]))
    kind, name = {"organization": ("orgs", "acme"), "enterprise": ("enterprises", "acme-corp")}[scope]
    path = f"/{kind}/{name}/copilot/metrics/reports/{scope}"
    assert [(request.url.path, request.url.query.decode()) for request in cloud.sent] == [
        (f"{path}-1-day", f"day={D2}"),
        (f"{path}-1-day", f"day={D3}"),
        (f"{path}-1-day", f"day={D4}"),
        (f"{path}-28-day/latest", ""),
    ]


def test_totals_are_not_mixed_with_parts() -> None:
    """Rows that add up to less than the day (telemetry may be off) or to more leave it alone, and it leaves them."""
    rows = [{"ide": "vscode", "loc_added_sum": 70}, {"ide": "vim", "loc_added_sum": 50}]
    languages = [{"language": name, "feature": "agent_edit", "loc_added_sum": 30} for name in ("go", "rust")]
    both = {"day": D2, "loc_added_sum": 100, "totals_by_ide": rows, "totals_by_language_feature": languages}
    found = figures(both)
    assert {series: value for series, value in found.items() if series[0] == "loc_added"} == {("loc_added", ()): 100}
    assert found[one("ide_loc_added", ide="vscode")] == 70
    assert found[one("language_feature_loc_added", language="go", feature="agent_edit")] == 30
    assert len(found) == 5
    del both["loc_added_sum"]
    assert "loc_added" not in {name for name, _ in figures(both)}


def test_two_models_of_a_language_are_two_rows_and_not_the_last_one() -> None:
    rows = [{"language": "go", "model": model, "loc_added_sum": lines} for model, lines in (("a", 3), ("b", 4))]
    assert figures({"day": D2, "totals_by_language_model": rows}) == {
        one("language_model_loc_added", language="go", model="a"): 3,
        one("language_model_loc_added", language="go", model="b"): 4,
    }


@pytest.mark.parametrize(
    "empty",
    [{"day": D2}, {"day": D2, "totals_by_ide": []}, {}, [], b"", {"day_totals": []}, {"day": D2, "etl_id": "x"}],
)
def test_an_empty_day_is_absent_and_not_zero(empty: Any) -> None:
    concluded = attempt(Cloud({D2: files(empty), "latest": 204}))
    assert state(concluded.snapshot) == "ok"
    assert shown(concluded.snapshot) == {}
    assert concluded.snapshot.data_time is None


def test_a_field_that_is_missing_or_null_is_absent_and_a_zero_is_zero() -> None:
    day = {"day": D2, "daily_active_users": 0, "weekly_active_users": None, "pull_requests": {"total_merged": 0}}
    assert figures(day) == {one("daily_active_users"): 0, one("pull_requests_total_merged"): 0}


def test_an_answer_without_a_body_is_not_parsed() -> None:
    concluded = attempt(Cloud({D2: 204, D3: 204, D4: files(record(D4))}))
    assert (state(concluded.snapshot), day_shown(concluded.snapshot), concluded.unknown) == ("ok", D4, 0)


@pytest.mark.parametrize("day", [D2, "latest"])
def test_day_totals_are_unwrapped_wherever_they_are(day: str) -> None:
    body = {"report_start_day": D4, "report_end_day": D2, "enterprise_id": "1", "created_at": "x"}
    for form in (body | {"day_totals": [record(D3, 1), record(D2)]}, [body | {"day_totals": [record(D2)]}]):
        found = shown(attempt(Cloud({day: files(form)})).snapshot)
        assert found[one("daily_active_users")] == 120
        assert found[one("report_day_timestamp_seconds")] == midnight(D2)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Asia/Singapore"])
@pytest.mark.parametrize(
    ("instant", "newest"),
    [
        ("2026-11-21T00:00:00", D2),
        ("2026-11-21T00:00:01", D2),
        ("2026-11-20T23:59:59", D3),
        ("2026-11-21T23:59:59", D2),
    ],
)
def test_days_are_utc_days_wherever_it_runs(zone: str, instant: str, newest: str) -> None:
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        cloud = Cloud({newest: files(record(newest))})
        now = datetime.fromisoformat(instant + "+00:00").timestamp()
        found = shown(attempt(cloud, now=now).snapshot)
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()
    assert cloud.asked == [newest]
    assert found["report_day_timestamp_seconds", ()] == midnight(newest)


def test_days_are_githubs_days_when_our_clock_is_wrong() -> None:
    cloud = Cloud({D2: files(record(D2))}, date=NOW)
    concluded = attempt(cloud, now=NOW - 3 * DAY)
    assert day_shown(concluded.snapshot) == D2
    assert cloud.asked[-1] == D2


def test_organizations_are_not_summed_into_an_enterprise() -> None:
    """Whoever is in two organizations counts in both and once in the enterprise."""
    corp, org = job_of(OF_ENTERPRISE), job_of(COLLECTOR)
    other = replace(org, target=replace(org.target, name="umbrella"))
    found: dict[Series, float] = {}
    for job, people in ((org, 120), (other, 90), (corp, 150)):
        snapshot = attempt(Cloud({D2: files(record(D2, people))}), job=job).snapshot
        found |= samples(parse_text(exposition(job, snapshot, "text")))
    users = {series: value for series, value in found.items() if series[0].endswith("daily_active_users")}
    assert users == {
        ("github_copilot_organization_daily_active_users", (("organization", "acme"),)): 120,
        ("github_copilot_organization_daily_active_users", (("organization", "umbrella"),)): 90,
        ("github_copilot_enterprise_daily_active_users", (("enterprise", "acme-corp"),)): 150,
    }


def test_help_says_that_people_do_not_add_up() -> None:
    for collector in COLLECTORS.values():
        families = [one for table in collector.tables for one in table.families]
        people = [one for one in families if one.name.endswith(("_users", "_users_in_phase_28d"))]
        assert len(people) == 24 + 2 + 2
        assert all("do not add up" in family.help for family in people)


def test_help_of_a_phase_counts_those_who_were_active_that_day() -> None:
    for collector in COLLECTORS.values():
        families = {one.name: one.help for table in collector.tables for one in table.families}
        (text,) = [text for name, text in families.items() if name.endswith("phase_total_engaged_users")]
        assert text.startswith("People in the phase who were active on the day; not all who are in it.")


# Fields of September 2026.


def test_the_fields_of_september_2026_have_these_names_and_values() -> None:
    found = figures(*stored("enterprise"), scope="enterprise")
    assert found[one("daily_active_vscode_agent_users")] == 7
    assert found[one("vscode_agent_session")] == 19
    assert found[one("vscode_agent_total_user_messages")] == 88
    assert found[one("distinct_skill_use")] == 6
    assert found[one("distinct_plugin_use")] == 2
    assert found[one("skill_interaction", skill="other")] == 41
    assert found[one("custom_agent_interaction", custom_agent="general-purpose")] == 12
    assert found[one("mcp_interaction", mcp="github-mcp-server")] == 30
    assert found[one("slash_cmd_interaction", slash_cmd="/plan")] == 14
    assert found[one("plugin_interaction", plugin="other")] == 9
    assert found[one("ai_adoption_phase_users_in_phase_28d", phase_number="0")] == 120
    assert found[one("ai_adoption_phase_total_engaged_users", phase_number="0")] == 60


ENGAGED = {
    one("feature_engagement_active_users"): 260,
    one("feature_engaged_users", feature="code_completion"): 188,
    one("feature_engaged_users", feature="agent_edit"): 121,
    one("feature_engaged_users", feature="copilot_cli"): 33,
}


def engaged(snapshot: Snapshot, scope: str = "organization") -> dict[Series, float]:
    return {series: value for series, value in shown(snapshot, scope).items() if series[0].startswith("feature_engage")}


@SCOPES
def test_the_engagement_by_feature_is_that_of_the_report_of_28_days(scope: str) -> None:
    job = job_of(COLLECTORS[scope])
    month_first = engagement(scope)
    days_first = {"day_totals": month_first["day_totals"], **month_first}
    for body in (month_first, days_first, [month_first]):
        cloud = Cloud({D2: files(record(D2)), "latest": files(body)})
        concluded = attempt(cloud, job=job)
        assert cloud.asked == [D2, "latest"]
        assert engaged(concluded.snapshot, scope) == ENGAGED
        assert (concluded.unknown, concluded.snapshot.data_time) == (0, midnight(D2))
    cloud = Cloud({"latest": files(engagement(scope))})
    assert engaged(attempt(cloud, job=job).snapshot, scope) == ENGAGED
    assert cloud.asked == [D2, D3, D4, "latest"]


@pytest.mark.parametrize("latest", [404, 204, files(), files(month(D4)), files({"copilot_feature_engagement": None})])
def test_an_engagement_that_github_did_not_compute_is_absent(latest: Any) -> None:
    concluded = attempt(Cloud({D2: files(record(D2)), "latest": latest}), job=job_of(COLLECTOR))
    assert (state(concluded.snapshot), concluded.unknown, engaged(concluded.snapshot)) == ("ok", 0, {})


def test_parts_of_an_engagement_are_united() -> None:
    whole_month = engagement("organization")
    parts = [
        {**whole_month, "copilot_feature_engagement": {**whole_month["copilot_feature_engagement"], **change}}
        for change in (
            {"totals_by_feature": whole_month["copilot_feature_engagement"]["totals_by_feature"][:2]},
            {"totals_by_feature": whole_month["copilot_feature_engagement"]["totals_by_feature"][1:]},
        )
    ]
    cloud = Cloud({D2: files(record(D2)), "latest": files(*parts)})
    assert engaged(attempt(cloud, job=job_of(COLLECTOR)).snapshot) == ENGAGED


TWO_VALUES = files(engagement("organization"), {"copilot_feature_engagement": {"active_user_count": 9}})


@pytest.mark.parametrize(
    ("latest", "endpoint"), [(TWO_VALUES, "ok"), (files(b"{"), "ok"), (files(b"", host=FOREIGN), "invalid")]
)
def test_the_day_is_shown_and_the_last_engagement_stays_if_the_report_of_28_days_cannot_be_read(
    latest: Any, endpoint: str
) -> None:
    job = job_of(COLLECTOR)
    before = attempt(Cloud({D2: files(record(D2)), "latest": files(engagement("organization"))}), job=job).snapshot
    concluded = attempt(Cloud({D2: files(record(D2, 121)), "latest": latest}), job=job, before=before)
    found = shown(concluded.snapshot)
    assert (state(concluded.snapshot), found[one("daily_active_users")]) == (endpoint, 121)
    assert engaged(concluded.snapshot) == ENGAGED
    assert concluded.unreadable == 1
    assert "28 days" in concluded.snapshot.note


def test_an_engagement_in_another_form_counts_as_unreadable_or_new() -> None:
    odd = {"active_user_count": "many", "totals_by_feature": [{"feature": "", "engaged_user_count": 3}, 7], "new": 4}
    cloud = Cloud({D2: files(record(D2)), "latest": files({"copilot_feature_engagement": odd})})
    concluded = attempt(cloud, job=job_of(COLLECTOR))
    assert (concluded.unreadable, concluded.unknown) == (3, 4)
    assert concluded.snapshot.unknown == ("copilot_feature_engagement.new",)


def test_what_was_measured_as_nothing_is_zero_and_a_list_that_is_null_or_empty_has_no_series() -> None:
    day = {
        "day": D2,
        "distinct_skill_use_count": 0,
        "totals_by_skill": [],
        "totals_by_mcp": None,
        "totals_by_ai_adoption_phase": [{"phase_number": 3, "total_engaged_users": 0, "users_in_phase_28d": 0}],
    }
    assert figures(day) == {
        one("distinct_skill_use"): 0,
        one("ai_adoption_phase_total_engaged_users", phase_number="3"): 0,
        one("ai_adoption_phase_users_in_phase_28d", phase_number="3"): 0,
    }


# Which day is shown.

BROKEN = files(record(D2), b'{"day": "2026-11-19", "daily_active')
TWICE = files(record(D2), record(D2, 121))
EMPTY_DAYS = {D2: 204, D3: 204, D4: 204}
ALL = [D2, D3, D4, "latest"]
RULES: dict[str, tuple[dict[str, Any], str | None, str, list[str], int]] = {
    # What GitHub answers; the day shown, the endpoint's state, what was asked, values that could not be used.
    "the newest": ({D2: files(record(D2)), D3: files(record(D3))}, D2, "ok", [D2], 0),
    "204": ({D2: 204, D3: files(record(D3))}, D3, "ok", [D2, D3], 0),
    "404": ({D3: files(record(D3))}, D3, "ok", [D2, D3], 0),
    "no links": ({D2: files(), D3: files(record(D3))}, D3, "ok", [D2, D3], 0),
    "an empty file": ({D2: files(b""), D3: files(record(D3))}, D3, "ok", [D2, D3], 0),
    "another day's record": ({D2: files(record(D1), record(D3)), D3: files(record(D3))}, D3, "ok", [D2, D3], 0),
    "no figures": ({D2: files({"day": D2}), D3: files(record(D3))}, D3, "ok", [D2, D3], 0),
    "only text": ({D2: files({"day": D2, "loc_added_sum": "9"}), D3: files(record(D3))}, D3, "ok", [D2, D3], 1),
    "204, then 404": ({D2: 204, D4: files(record(D4))}, D4, "ok", [D2, D3, D4], 0),
    "one file of two broken": ({D2: BROKEN, D3: files(record(D3))}, D3, "ok", [D2, D3], 1),
    "HTML for a file": ({D2: files(b"<html>"), D3: files(record(D3))}, D3, "ok", [D2, D3], 1),
    "the host fails": ({D2: files(record(D2), 503), D3: files(record(D3))}, D3, "ok", [D2, D3], 1),
    "a foreign host": ({D2: files(b"", host=FOREIGN), D3: files(record(D3))}, D3, "invalid", [D2, D3], 1),
    "an address": ({D2: files(b"", host="https://10.0.0.1/"), D3: files(record(D3))}, D3, "invalid", [D2, D3], 1),
    "no download_links": ({D2: b"{}", D3: files(record(D3))}, D3, "ok", [D2, D3], 1),
    "links that are none": ({D2: b'{"download_links":[1]}', D3: files(record(D3))}, D3, "ok", [D2, D3], 1),
    "links in words": ({D2: b'{"download_links":"none"}', D3: files(record(D3))}, D3, "ok", [D2, D3], 1),
    "too many links": ({D2: files(*[b""] * (MOST_FILES + 1)), D3: files(record(D3))}, D3, "ok", [D2, D3], 1),
    "no JSON": ({D2: b"{no", D3: files(record(D3))}, D3, "ok", [D2, D3], 1),
    "200 without a body": ({D2: b"", D3: files(record(D3))}, D3, "ok", [D2, D3], 1),
    "expired once": ({D2: files(record(D2), record(D2), dead=1), D3: files(record(D3))}, D2, "ok", [D2, D2], 0),
    "expired twice": ({D2: files(record(D2), dead=2), D3: files(record(D3))}, D3, "unavailable", [D2, D2, D3], 1),
    "expired twice, then a foreign host": (
        {D2: files(b"", dead=2), D3: files(b"", host=FOREIGN), D4: files(record(D4))},
        D4, "unavailable", [D2, D2, D3, D4], 2,
    ),
    "broken, then a foreign host": (
        {D2: BROKEN, D3: files(b"", host=FOREIGN), D4: files(record(D4))}, D4, "invalid", [D2, D3, D4], 2,
    ),
    "two broken": ({D2: BROKEN, D3: BROKEN, D4: files(record(D4))}, D4, "ok", [D2, D3, D4], 2),
    "28 days after 404s": ({"latest": files(month(D5, D2, D4))}, D2, "ok", ALL, 0),
    "28 days after 204s": ({**EMPTY_DAYS, "latest": files(month("2026-11-02", D5))}, D5, "ok", ALL, 0),
    "28 days, no end": ({"latest": files(month(D4), month(D5))}, D4, "ok", ALL, 0),
    "28 days expired once": ({"latest": files(month(D5), dead=1)}, D5, "ok", [*ALL, "latest"], 0),
    "28 days after one broken": ({D3: BROKEN, "latest": files(month(D5))}, D5, "ok", ALL, 1),
    "28 days of nothing": ({"latest": files(month())}, None, "ok", ALL, 0),
    "28 days without links": ({"latest": files()}, None, "ok", ALL, 0),
    "28 days 204": ({"latest": 204}, None, "ok", ALL, 0),
    "28 days 404 after 204s": (EMPTY_DAYS, None, "ok", ALL, 0),
    "28 days 404 after text": ({D3: files({"loc_added_sum": "9"})}, None, "ok", ALL, 1),
    "404 of all": ({}, None, "not_found", ALL, 0),
    "404 of all but one broken": ({D4: BROKEN}, None, "invalid", ALL, 0),
    "one broken, 28 days of nothing": ({D4: BROKEN, "latest": 204}, None, "invalid", ALL, 0),
    "one expired, else 404": ({D4: files(b"", dead=2)}, None, "unavailable", [D2, D3, D4, D4, "latest"], 0),
    "28 days broken": ({"latest": files(b"[")}, None, "invalid", ALL, 0),
    "28 days expired twice": ({"latest": files(b"", dead=2)}, None, "unavailable", [*ALL, "latest"], 0),
    "403": ({D2: 403, D3: files(record(D3))}, None, "forbidden", [D2], 0),
    "403 of an older day": ({D2: 204, D3: 403}, None, "forbidden", [D2, D3], 0),
    "403 of 28 days": ({"latest": 403}, None, "forbidden", ALL, 0),
    "401": ({D2: 401}, None, "forbidden", [D2], 0),
    "500": ({D2: 500, D3: files(record(D3))}, None, "unavailable", [D2], 0),
    "a web page": ({D2: b"<html>", D3: files(record(D3))}, None, "invalid", [D2], 0),
    "410": ({D2: 410}, None, "retired", [D2], 0),
    "a contradiction": ({D2: TWICE, D3: files(record(D3))}, None, "invalid", [D2], 0),
    "a contradiction in 28 days": ({"latest": files(month(D4), [record(D4, 9)])}, None, "invalid", ALL, 0),
    "a contradiction in an old day": ({"latest": files(month(D5), [record(D5, 9), record(D4)])}, D4, "ok", ALL, 0),
}  # fmt: skip


QUIET = {"28 days after 204s", "28 days 404 after 204s"}
"""The rules in which the fourth day is known to be one without use."""


@pytest.mark.parametrize("rule", RULES)
def test_the_day_that_is_shown(rule: str) -> None:
    answers, day, endpoint, asked, unknown = RULES[rule]
    cloud = Cloud(answers)
    concluded = attempt(cloud)
    assert cloud.asked == asked
    assert (state(concluded.snapshot), day_shown(concluded.snapshot)) == (endpoint, day)
    assert (concluded.unreadable, concluded.unknown) == (unknown, unknown)
    newest = D4 if rule in QUIET else day
    assert concluded.snapshot.data_time == (midnight(newest) if newest else None)
    assert D1 not in cloud.asked
    if day is not None:
        assert shown(concluded.snapshot)[one("daily_active_users")] == 120


@pytest.mark.parametrize("rule", [rule for rule, (_, _, endpoint, _, _) in RULES.items() if endpoint != "ok"])
def test_what_was_shown_stays_when_an_attempt_fails(rule: str) -> None:
    before = attempt(Cloud({D2: files(record(D2))})).snapshot
    after = attempt(Cloud(RULES[rule][0]), before=before).snapshot
    assert (state(after), shown(after)) == (RULES[rule][2], shown(before))


@pytest.mark.parametrize(
    ("newer", "endpoint"),
    [(BROKEN, "invalid"), (files(record(D2), dead=2), "unavailable"), (b"{}", "invalid"), (files(500), "unavailable")],
)
@pytest.mark.parametrize("older", [{D3: files(record(D3, 7))}, {"latest": files(month(D5))}, {"latest": 204}])
def test_an_older_day_never_replaces_a_newer_one_that_could_not_be_read(
    newer: Any, endpoint: str, older: dict[str, Any]
) -> None:
    before = attempt(Cloud({D2: files(record(D2))})).snapshot
    after = attempt(Cloud({D2: newer, **older}), before=before).snapshot
    assert (state(after), shown(after), after.data_time) == (endpoint, shown(before), midnight(D2))
    mended = attempt(Cloud({D2: files(record(D2, 121)), **older}), before=after).snapshot
    assert (state(mended), shown(mended)[one("daily_active_users")]) == ("ok", 121)


def test_a_day_that_is_still_to_come_is_not_believed() -> None:
    before = attempt(Cloud({D2: files(record(D2))})).snapshot
    after = attempt(Cloud({"latest": files(month("2126-11-19"))}), before=before).snapshot
    assert (state(after), shown(after), after.data_time) == ("invalid", shown(before), midnight(D2))


def test_the_day_that_is_shown_already_is_read_anew_while_a_newer_one_cannot_be_read() -> None:
    before = attempt(Cloud({D3: files(record(D3))})).snapshot
    after = attempt(Cloud({D2: BROKEN, D3: files(record(D3, 121))}), before=before)
    assert (state(after.snapshot), day_shown(after.snapshot), after.unknown) == ("ok", D3, 1)
    assert shown(after.snapshot)[one("daily_active_users")] == 121


def test_the_next_day_is_shown_as_soon_as_it_is_there() -> None:
    cloud = Cloud({D2: files(record(D2))})
    before = attempt(cloud).snapshot
    waiting = attempt(cloud, before=before, now=NOW + DAY).snapshot
    assert (day_shown(waiting), state(waiting)) == (D2, "ok")
    cloud.answers[D1] = files(record(D1, 130))
    after = attempt(cloud, before=waiting, now=NOW + DAY).snapshot
    assert (day_shown(after), shown(after)[one("daily_active_users")]) == (D1, 130)
    assert cloud.asked == [D2, D1, D2, D1]


def test_a_revision_replaces_down_as_well_and_rows_that_are_gone_are_withdrawn() -> None:
    before = attempt(Cloud({D2: files(record(D2))})).snapshot
    after = attempt(Cloud({D2: files({"day": D2, "daily_active_users": 119})}), before=before).snapshot
    assert shown(after) == {one("daily_active_users"): 119, one("report_day_timestamp_seconds"): midnight(D2)}


def test_what_keeps_a_newer_day_away_is_named_with_its_fix_while_an_older_one_is_shown() -> None:
    foreign = {D2: files(b"", host=FOREIGN), D3: files(record(D3))}
    outcome = attempt(Cloud(foreign)).snapshot.outcome
    assert outcome is not None
    hosts = json.dumps([*Options().download_hosts, "example.com"])
    assert f"\ncollectors:\n  copilot_usage:\n    download_hosts: {hosts}\n" in outcome.hint
    outcome = attempt(Cloud({D2: files(record(D2), dead=2), D3: files(record(D3))})).snapshot.outcome
    assert outcome is not None
    assert "let https to copilot-reports-production-1.b01.azurefd.net through" in outcome.hint


def test_a_link_that_is_listed_twice_is_one_file() -> None:
    cloud = Cloud({D2: files(record(D2), record(D2))})
    snapshot = attempt(cloud).snapshot
    assert len(cloud.fetched) == 2
    link = HOST + str(cloud.fetched[0].url.raw_path.decode()).removeprefix("/")
    cloud.answers = {D2: json.dumps({"download_links": [link] * (MOST_FILES + 1), "report_day": D2}).encode()}
    assert shown(attempt(cloud, before=snapshot).snapshot) == shown(snapshot)
    assert len(cloud.fetched) == 3


def test_every_interval_reads_again() -> None:
    cloud = Cloud({D2: 204, D3: files(record(D3))})
    snapshot = Snapshot()
    for _ in range(3):
        snapshot = attempt(cloud, before=snapshot).snapshot
    assert cloud.asked == [D2, D3] * 3
    assert len(cloud.fetched) == 3
    assert COLLECTOR.interval == 6 * 3600


# Days without use: GitHub answers 204 to them, as it does to a day that is not finished.


RUN = 6 * 3600.0
WEDNESDAY, THURSDAY = "2026-12-02", "2026-12-03"


def runs(first: str, days: int) -> Iterator[float]:
    """The instants at which a job runs from a day on; the first is just before midnight is six hours ago."""
    yield from (midnight(first) + RUN - 1 + n * RUN for n in range(4 * days))


@pytest.mark.parametrize("holidays", [1, 2, 3, 5, 14, 27, 40])
@pytest.mark.parametrize("gone", [False, True])
def test_days_without_use_are_no_late_data_and_the_figures_stay(holidays: int, gone: bool) -> None:
    """From Wednesday on work, Friday and what follows are free, then work again."""
    back = midnight(THURSDAY) + (holidays + 1) * DAY
    after = [datetime.fromtimestamp(back + n * DAY, UTC).date().isoformat() for n in range(4)]
    calendar = Calendar([WEDNESDAY, THURSDAY, *after], gone)
    ages = []
    for now in runs("2026-12-05", holidays + 4):
        snapshot = calendar.at(now)
        ages.append(calendar.age(now))
        expected = max(day for day in calendar.used if midnight(day) <= now // DAY * DAY - 2 * DAY)
        assert (state(snapshot), day_shown(snapshot)) == ("ok", expected)
        assert shown(snapshot)[one("daily_active_users")] == int(expected[-2:])
    assert max(ages) < 5 + 0.25, "what the alert waits for, less than which no data are late"


def test_the_data_move_on_to_the_day_that_is_four_days_old_and_the_report_day_stays() -> None:
    calendar = Calendar([THURSDAY])
    days = {"2026-12-05": THURSDAY, "2026-12-06": THURSDAY, "2026-12-07": THURSDAY, "2026-12-08": "2026-12-04"}
    for day, newest in days.items():
        snapshot = calendar.at(midnight(day) + RUN)
        assert (day_shown(snapshot), snapshot.data_time) == (THURSDAY, midnight(newest))


def test_two_days_without_use_and_a_file_for_the_day_before_are_never_late() -> None:
    calendar = Calendar([D4])
    assert (day_shown(calendar.at(NOW)), calendar.asked) == (D4, [D2, D3, D4])
    assert day_shown(calendar.at(midnight(D1) + 2 * DAY + RUN)) == D4
    assert calendar.snapshot.data_time == midnight(D3)


def test_an_organization_that_never_used_copilot_has_no_figures_and_no_late_data() -> None:
    for latest in (204, 404, files(), files(month())):
        calendar = Calendar([], answers={"latest": latest})
        for now in (NOW, NOW + RUN, NOW + DAY):
            snapshot = calendar.at(now)
            assert (state(snapshot), shown(snapshot)) == ("ok", {})
            assert snapshot.data_time == now // DAY * DAY - 4 * DAY
            assert calendar.asked[3:] == ["latest"]


@pytest.mark.parametrize("fourth", [404, BROKEN, files({"day": D4, "loc_added_sum": "9"})])
def test_a_fourth_day_that_is_not_there_or_cannot_be_read_is_not_known_to_be_without_use(fourth: Any) -> None:
    calendar = Calendar([D5], answers={D4: fourth})
    snapshot = calendar.at(NOW)
    assert (state(snapshot), day_shown(snapshot), snapshot.data_time) == ("ok", D5, midnight(D5))


@pytest.mark.parametrize("fourth", [files(), files(b""), files({"day": D4})])
def test_a_report_without_links_or_figures_is_a_day_without_use_as_204_is(fourth: Any) -> None:
    calendar = Calendar([D5], answers={D4: fourth})
    assert (day_shown(calendar.at(NOW)), calendar.snapshot.data_time) == (D5, midnight(D4))


def test_what_is_known_of_a_day_without_use_stays_known_while_the_next_one_is_not_there() -> None:
    calendar = Calendar([D5])
    calendar.at(NOW)
    calendar.answers = {D3: 404}
    snapshot = calendar.at(NOW + DAY)
    assert (day_shown(snapshot), snapshot.data_time) == (D5, midnight(D4))
    calendar.answers = {D3: BROKEN, D2: BROKEN}
    snapshot = calendar.at(NOW + DAY)
    assert (state(snapshot), day_shown(snapshot), snapshot.data_time) == ("ok", D5, midnight(D4))


def test_the_figures_of_the_last_day_with_use_follow_the_options_when_28_days_hold_it_no_more() -> None:
    calendar = Calendar([THURSDAY])
    now = midnight(THURSDAY) + 45 * DAY
    calendar.at(midnight(THURSDAY) + 3 * DAY)
    snapshot = calendar.at(now)
    assert (day_shown(snapshot), calendar.asked[-1]) == (THURSDAY, THURSDAY)
    assert snapshot.data_time == now // DAY * DAY - 4 * DAY
    job = job_of(COLLECTOR)
    job = replace(job, settings=replace(job.settings, options=Options(breakdowns=())))
    assert {name for name, _ in shown(calendar.at(now, job=job))} == {
        "daily_active_users",
        "report_day_timestamp_seconds",
    }
    calendar.answers = {THURSDAY: BROKEN}
    snapshot = calendar.at(now)
    assert (state(snapshot), day_shown(snapshot)) == ("invalid", THURSDAY)
    calendar.answers = {THURSDAY: 404}  # GitHub keeps days for a year
    assert (state(calendar.at(now)), day_shown(calendar.snapshot)) == ("ok", THURSDAY)
    now += COLLECTOR.max_age + 1
    assert (state(calendar.at(now)), day_shown(calendar.snapshot)) == ("ok", None)


def test_an_older_day_in_the_28_days_does_not_replace_the_one_that_is_shown() -> None:
    calendar = Calendar([THURSDAY], answers={"latest": files(month("2026-11-30"))})
    for now in runs("2026-12-05", 9):
        assert day_shown(calendar.at(now)) == THURSDAY


def test_a_day_without_use_is_told_from_what_the_state_kept_before_it_knew_of_any() -> None:
    """A snapshot of an older version remembers nothing: the data are of the day shown."""
    before = replace(attempt(Cloud({D2: files(record(D2))})).snapshot, memory=None)
    cloud = Cloud({D1: 204, D2: 204, D3: 204, "latest": 204, D5: files(record(D5))})
    after = attempt(cloud, before=replace(before, data_time=midnight(D5)), now=NOW + DAY).snapshot
    assert cloud.asked == [D1, D2, D3, "latest", D5]
    assert after.data_time == midnight(D3)


def test_a_report_of_too_many_rows_says_what_to_do() -> None:
    rows = [{"language": f"l{number}", "model": "m", "loc_added_sum": 1} for number in range(MOST_ROWS + 1)]
    snapshot = attempt(Cloud({D2: files({"day": D2, "totals_by_language_model": rows})})).snapshot
    assert snapshot.outcome is not None
    assert (state(snapshot), "breakdowns" in snapshot.outcome.message) == ("invalid", True)


def test_no_message_tells_a_link() -> None:
    for answers, *_ in RULES.values():
        snapshot = attempt(Cloud(answers)).snapshot
        assert snapshot.outcome is not None
        assert "sig=" not in snapshot.outcome.message
        assert ".json" not in snapshot.outcome.message


# More rows than places.

KEYS = {member: keys for member, (_, keys) in PREFIXES.items() if keys and member.startswith("totals_")}
OF_CLI = {"totals_by_skill", "totals_by_custom_agent", "totals_by_mcp", "totals_by_slash_cmd", "totals_by_plugin"}
ADDITIVE = sorted(KEYS.keys() - {"totals_by_ai_adoption_phase"} - OF_CLI)
NAMES = ["other", "others", "unknown", "a", "b", "c", "d", ""]


def many(member: str, rows: Mapping[Any, dict[str, int]]) -> dict[str, Any]:
    listed = [dict(zip(KEYS[member], key, strict=False)) | numbers for key, numbers in rows.items()]
    return {"day": D2, "daily_active_users": 5, member: listed}


@pytest.mark.parametrize("member", ADDITIVE)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_sum_over_all_series_is_the_sum_over_all_rows(member: str, data: st.DataObject) -> None:
    """With rows that GitHub itself calls so, with rows that lack a figure, and however many places there are."""
    measured = ["session_count", "user_initiated_interaction_count"]
    if member != "totals_by_3rd_party_agent":
        measured = ["code_generation_activity_count", "loc_added_sum", "loc_suggested_to_delete_sum"]
    keys = st.tuples(*[st.sampled_from(NAMES)] * len(KEYS[member]))
    numbers = st.dictionaries(st.sampled_from(measured), st.integers(0, 2**40), min_size=1)
    rows = data.draw(st.dictionaries(keys, numbers, max_size=12))
    places = data.draw(st.integers(1, 12))
    concluded = attempt(Cloud({D2: files(many(member, rows))}), places=places)
    found, prefix = shown(concluded.snapshot), PREFIXES[member][0]
    read = {key: row for key, row in rows.items() if "" not in key}
    assert concluded.unknown == len(rows) - len(read)
    assert concluded.snapshot.left_out == max(0, len(read) - places)
    for name in measured:
        wanted = [row[name] for row in read.values() if name in row]
        family = prefix + name.removesuffix("_count").removesuffix("_sum")
        series = {labels: value for (found_in, labels), value in found.items() if found_in == family}
        assert sum(series.values()) == sum(wanted)
        assert bool(series) == bool(wanted)
        assert len(series) <= places + 1
        if len(read) <= places:
            assert len(series) == len(wanted)


def test_the_busiest_have_series_and_githubs_other_is_none_of_ours() -> None:
    rows = {
        (name,): {"code_generation_activity_count": rank} for rank, name in enumerate(["a", "b", "c", "other", "d"])
    }
    concluded = attempt(Cloud({D2: files(many("totals_by_ide", rows))}), places=2)
    found = {labels[0][1]: value for (name, labels), value in shown(concluded.snapshot).items() if labels}
    assert found == {"d": 4, "other~": 3, "other": 0 + 1 + 2}
    assert concluded.snapshot.left_out == 3


def test_a_row_called_others_is_githubs_own() -> None:
    rows = {(name,): {"loc_added_sum": 1} for name in ("others", "other", "a")}
    found = shown(attempt(Cloud({D2: files(many("totals_by_feature", rows))})).snapshot)
    assert {labels[0][1] for _, labels in found if labels} == {"others", "other~", "a"}


def test_what_does_not_add_up_has_no_other() -> None:
    """Phases hold distinct people and averages."""
    job = job_of(COLLECTOR)
    concluded = attempt(Cloud({D2: files(whole("organization"))}), places=2)
    found = {labels for (name, labels) in shown(concluded.snapshot) if name.startswith("ai_adoption_phase_")}
    assert found == {(("phase_number", number),) for number in ("0", "1")}
    without_other = {table.row.__name__ for table in job.collector.tables if table.labels and table.other is None}
    assert without_other == {"Phase", "Skill", "CustomAgent", "Mcp", "SlashCmd", "Plugin", "EngagedFeature"}
    rows = [len(value) for field, value in whole("organization").items() if field.startswith("totals_by_")]
    keyed = [len(whole("organization")[member]) for member in KEYS]
    assert len(keyed) == len(rows) - 3
    assert concluded.snapshot.left_out == sum(max(0, rows - 2) for rows in keyed)
    assert concluded.snapshot.left_out > 0
