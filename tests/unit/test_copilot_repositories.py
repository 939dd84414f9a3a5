"""Copilot's reports by repository: every number under its name, each repository once, and which day is shown."""

import json
from copy import deepcopy
from typing import Any

import pytest

from exporter.collectors.copilot_repositories import COLLECTOR, OF_ENTERPRISE
from exporter.collectors.copilot_repositories.repositories import MOST_ROWS, RepositoriesOfDay
from exporter.errors import Invalid
from exporter.instants import DAY, day_of
from exporter.simulator.stored import ANSWERS
from tests.support.copilot import D2, D3, D4, midnight
from tests.support.daily_reports import DailyCloud, Series, attempt, lines, shown
from tests.support.jobs import NOW, job_of

STORED = json.loads((ANSWERS / "copilot_repositories.json").read_text())
API, WEB = (STORED[f"/repositories-of-organization-{number}.json"][0] for number in (1, 2))
JOB = job_of(COLLECTOR)
REPORT = "repos-1-day"
SCOPES = pytest.mark.parametrize("collector", [COLLECTOR, OF_ENTERPRISE], ids=lambda one: one.scope)


def one(name: str, repository: str = "acme/api", **labels: str) -> Series:
    return f"repository_{name}", tuple(sorted({"repository": repository, **labels}.items()))


def expected(record: Any) -> dict[Series, float]:
    """The series of a record by the rule of names alone."""
    name, found = f"{record['repo_owner_name']}/{record['repo_name']}", {}
    for field, value in record["pull_requests"].items():
        if isinstance(value, int | float):
            minutes = "minutes" in field
            found[one("pull_requests_" + field.replace("minutes", "seconds"), name)] = value * 60 if minutes else value
    for row in record["pull_requests"]["copilot_suggestions_by_comment_type"]:
        for field in ("total_copilot_suggestions", "total_copilot_applied_suggestions"):
            series = one(f"pull_requests_comment_type_{field}", name, comment_type=row["comment_type"])
            found[series] = row[field]
    for row in record["pull_request_review_times"]:
        who = {"authored_by": row["authored_by"], "reviewed_by": row["reviewed_by"]}
        found[one("review_time_total_merged", name, **who)] = row["total_merged"]
        for field, value in row.items():
            statistic, minutes, phase = field.partition("_minutes_")
            if minutes:
                found[one(f"review_time_{statistic}_seconds", name, **who, phase=phase)] = value * 60
    return found


def numbers(value: Any) -> int:
    if isinstance(value, dict | list):
        return sum(map(numbers, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int | float)


def figures(*records: Any, places: int = 500) -> dict[Series, float]:
    concluded = attempt({(REPORT, D2): [list(records)]}, JOB, places=places)
    assert concluded.error is None
    return shown(concluded.snapshot, JOB)


@SCOPES
@pytest.mark.parametrize("form", ["two files", "lines", "array", "repeated"])
def test_every_number_of_a_report_is_one_series(collector: Any, form: str) -> None:
    job, bodies = (
        job_of(collector),
        {
            "two files": [[API], WEB],
            "lines": [lines([API, WEB])],
            "array": [[WEB, API]],
            "repeated": [[API, WEB, API], lines([WEB])],
        }[form],
    )
    concluded = attempt({(REPORT, D2): bodies}, job)
    wanted = {**expected(API), **expected(WEB)}
    assert shown(concluded.snapshot, job) == wanted
    assert len(wanted) + 2 == numbers([API, WEB]), "all but the ids of the repositories"
    assert (concluded.unknown, concluded.snapshot.data_time) == (0, midnight(D2))


def test_some_names_and_values_written_down() -> None:
    found, human = figures(API, WEB), {"authored_by": "human", "reviewed_by": "human"}
    assert found[one("pull_requests_total_merged")] == 3
    assert found[one("pull_requests_total_merged", "acme/web")] == 0
    assert found[one("pull_requests_median_seconds_to_merge")] == pytest.approx(22357.2)
    assert one("pull_requests_median_seconds_to_merge", "acme/web") not in found, "nothing was merged"
    assert found[one("review_time_total_merged", **human)] == 2
    assert found[one("review_time_median_seconds", **human, phase="ready_to_first_review")] == 2520
    assert found[one("review_time_median_seconds", **human, phase="first_to_final_review")] == 0
    assert found[one("review_time_p90_seconds", **human, phase="final_review_to_merge")] == 3600


def test_the_stored_report_fills_every_family() -> None:
    declared = {family.name for table in COLLECTOR.tables for family in table.families}
    assert {f"github_copilot_organization_{name}" for name, _ in figures(API, WEB)} == declared
    assert not COLLECTOR.enabled


def test_two_repositories_of_one_name_are_told_apart_and_a_renamed_one_has_its_last_name() -> None:
    other = {**deepcopy(WEB), "repo_id": 7, "repo_name": "api"}
    found = figures(API, other)
    names = {dict(labels)["repository"] for _, labels in found}
    assert names == {f"acme/api~{API['repo_id']}", "acme/api~7"}
    renamed = {**deepcopy(API), "repo_name": "service"}
    assert {dict(labels)["repository"] for _, labels in figures(API, renamed)} == {"acme/service"}


def test_a_repository_with_two_figures_is_a_contradiction_and_the_last_good_ones_stay() -> None:
    before = attempt({(REPORT, D2): [[API]]}, JOB).snapshot
    changed = deepcopy(API)
    changed["pull_requests"]["total_merged"] += 1
    after = attempt({(REPORT, D2): [[API], [changed]]}, JOB, before).snapshot
    assert after.outcome
    assert after.outcome.state == "invalid"
    assert shown(after, JOB) == shown(before, JOB)


def test_repositories_beyond_max_series_are_summed_and_medians_are_left_out() -> None:
    records = []
    for number in range(6):
        record = deepcopy(API)
        record |= {"repo_id": number, "repo_name": f"r{number}"}
        record["pull_requests"]["total_created"] = number
        records.append(record)
    found = figures(*records, places=2)
    totals = {
        dict(labels)["repository"]: value
        for (name, labels), value in found.items()
        if name == "repository_pull_requests_total_created"
    }
    assert totals == {"acme/r5": 5, "acme/r4": 4, "other": 0 + 1 + 2 + 3}
    medians = {labels for name, labels in found if name.endswith("median_seconds_to_merge")}
    assert len(medians) == 2


@pytest.mark.parametrize(
    ("change", "rejected", "unknown"),
    [
        ({"repo_id": None}, 1, 0),
        ({"repo_id": "7"}, 1, 0),
        ({"pull_requests": 7}, 1, 0),
        ({"pull_requests": {"total_merged": "3"}}, 1, 0),
        ({"pull_request_review_times": [{"authored_by": "human"}, 7]}, 2, 0),
        ({"pull_request_review_times": "none"}, 1, 0),
        ({"pull_request_review_times": None}, 0, 0),
        ({"stars": 7, "pull_requests": {**WEB["pull_requests"], "total_closed": 3}}, 0, 2),
    ],
)
def test_odd_records_are_counted_and_the_others_shown(change: Any, rejected: int, unknown: int) -> None:
    concluded = attempt({(REPORT, D2): [[{**deepcopy(API), **deepcopy(change)}, WEB]]}, JOB)
    assert (concluded.unreadable, concluded.unknown) == (rejected, rejected + unknown)
    assert shown(concluded.snapshot, JOB).items() >= expected(WEB).items()


def test_a_record_of_another_day_is_skipped() -> None:
    assert figures({**deepcopy(API), "day": D3}, WEB) == expected(WEB)


def test_a_report_of_too_many_repositories_is_refused() -> None:
    reading = RepositoriesOfDay(D2)
    for number in range(MOST_ROWS + 2):
        reading.take({"repo_id": number, "repo_name": str(number), "pull_requests": {"total_merged": 1}})
    with pytest.raises(Invalid, match="more than 100000 rows"):
        reading.check()


# Which day is shown.

RULES: dict[str, tuple[dict[Any, Any], str | None, str, list[str]]] = {
    "the newest": ({D2: [[WEB]], D3: [[WEB]]}, D2, "ok", [D2]),
    "204": ({D2: 204, D3: [[WEB]]}, D3, "ok", [D2, D3]),
    "404": ({D3: [[WEB]]}, D3, "ok", [D2, D3]),
    "no records": ({D2: [[]], D3: [[WEB]]}, D3, "ok", [D2, D3]),
    "a broken file": ({D2: [[WEB], b"{"], D3: [[WEB]]}, D3, "ok", [D2, D3]),
    "all without use": ({D2: 204, D3: 204, D4: 204}, None, "ok", [D2, D3, D4]),
    "404 of all": ({}, None, "not_found", [D2, D3, D4, "latest"]),
    "404 of all, but there are reports": ({"latest": 204}, None, "ok", [D2, D3, D4, "latest"]),
    "all broken": ({day: [b"{"] for day in (D2, D3, D4)}, None, "invalid", [D2, D3, D4]),
    "403": ({D2: 403}, None, "forbidden", [D2]),
}


def reports(by_day: dict[Any, Any]) -> dict[tuple[str, str], Any]:
    found = {}
    for day, answer in by_day.items():
        name = "organization" if day == "latest" else REPORT
        bodies = (
            answer
            if isinstance(answer, int)
            else [[{**one, "day": day} for one in body] if isinstance(body, list) else body for body in answer]
        )
        found[name, day] = bodies
    return found


@pytest.mark.parametrize("rule", RULES)
def test_the_day_that_is_shown(rule: str) -> None:
    answers, day, state, asked = RULES[rule]
    cloud = DailyCloud(reports(answers))
    snapshot = attempt(cloud, JOB).snapshot
    assert snapshot.outcome
    assert (snapshot.outcome.state, [one for _, one in cloud.asked]) == (state, asked)
    assert bool(shown(snapshot, JOB)) == bool(day)
    newest = D4 if rule == "all without use" else day
    assert snapshot.data_time == (midnight(newest) if newest else None)
    if state == "ok" and not day:
        assert snapshot.note.startswith("GitHub has no report of pull requests")


def test_days_without_use_keep_the_figures_of_the_last_day_with_use() -> None:
    snapshot = attempt(reports({D4: [[WEB]]}), JOB).snapshot
    cloud = DailyCloud({})
    for days in range(1, 12):
        quiet = {day_text(days - back): 204 for back in (2, 3, 4)}
        cloud = DailyCloud(reports({**quiet, D4: [[WEB]]}))
        snapshot = attempt(cloud, JOB, snapshot, NOW + days * DAY).snapshot
        assert shown(snapshot, JOB) == expected(WEB)
    assert snapshot.data_time == midnight(day_text(11 - 4))
    gone = attempt(reports({day_text(12 - back): 204 for back in (2, 3, 4)}), JOB, snapshot, NOW + 12 * DAY).snapshot
    assert "GitHub shows the report of" in gone.note
    assert shown(gone, JOB) == expected(WEB)


def day_text(days: int) -> str:
    return day_of(NOW + days * DAY)


def test_an_older_day_never_replaces_a_newer_one_that_cannot_be_read() -> None:
    before = attempt(reports({D2: [[WEB]]}), JOB).snapshot
    after = attempt(reports({D2: [b"{"], D3: [[API]]}), JOB, before).snapshot
    assert after.outcome
    assert (after.outcome.state, shown(after, JOB)) == ("invalid", expected(WEB))


def test_a_link_to_a_foreign_host_is_named_though_an_older_day_is_shown() -> None:
    cloud = DailyCloud(reports({D2: [[WEB]]}), host="https://example.com/")
    snapshot = attempt(cloud, JOB).snapshot
    assert snapshot.outcome
    assert snapshot.outcome.state == "invalid"
    assert "copilot_repositories:" in snapshot.outcome.hint
    assert cloud.fetched == []
