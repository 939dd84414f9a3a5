"""Teams and people: GitHub's two reports joined by day, user and entity, as SQLite joins them."""

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.collectors.copilot_people import COLLECTOR, OF_ENTERPRISE
from exporter.collectors.copilot_people.activity import PeopleSums
from exporter.collectors.copilot_people.fields import FIELDS, NOT_FIGURES, OF_ONE, SUMMED, USED
from exporter.collectors.copilot_people.memberships import MOST_TEAMS, Entity, Memberships
from exporter.errors import Invalid
from exporter.jobs import Job
from exporter.simulator.stored import ANSWERS
from tests.support.copilot import D2, D3, D4, midnight
from tests.support.daily_reports import DailyCloud, Series, attempt, lines, shown
from tests.support.jobs import job_of

STORED = json.loads((ANSWERS / "copilot_people.json").read_text())
USERS, TEAMS = "users-1-day", "user-teams-1-day"
SCOPES = pytest.mark.parametrize("collector", [COLLECTOR, OF_ENTERPRISE], ids=lambda one: one.scope)


def job(*, people: bool = True, places: int = 500, collector: Any = COLLECTOR) -> Job:
    found = job_of(collector)
    options = found.settings.options.model_copy(update={"people": people, "max_series": places})
    return replace(found, settings=replace(found.settings, options=options))


def stored(report: str, scope: str) -> list[list[Any]]:
    return [STORED[f"/{report}-of-{scope}-{number}.json"] for number in (1, 2)]


def reports(users: Any, teams: Any, day: str = D2) -> dict[tuple[str, str], Any]:
    return {(USERS, day): users, (TEAMS, day): teams}


def one(name: str, **labels: str) -> Series:
    return name, tuple(sorted(labels.items()))


def user(number: int, **more: Any) -> dict[str, Any]:
    return {"user_id": number, "user_login": f"u{number}", "day": D2, "organization_id": "777", **more}


def member(number: int, team: int, **more: Any) -> dict[str, Any]:
    return {**user(number), "team_id": team, "slug": f"t{team}", **more}


def figures(users: Any, teams: Any, **options: Any) -> dict[Series, float]:
    chosen = job(**options)
    concluded = attempt(reports([users], [teams]), chosen, places=options.get("places", 500))
    assert concluded.error is None, concluded.error
    return shown(concluded.snapshot, chosen)


# By hand, and every number.


def test_figures_of_teams_and_people_by_hand() -> None:
    """mona is in both teams; of the frontend's members one is idle; octocat is in no team."""
    users, teams = (stored(report, "organization") for report in ("users", "user-teams"))
    found = shown(attempt(reports(users, teams), job()).snapshot, job())
    assert found[one("team_members", team="frontend")] == 3
    assert found[one("team_active_users", team="frontend")] == 2
    assert found[one("team_members", team="backend")] == 2
    assert found[one("team_user_initiated_interaction", team="frontend")] == 24 + 0
    assert found[one("team_user_initiated_interaction", team="backend")] == 24 + 6
    assert found[one("team_loc_added", team="backend")] == 435 + 60
    assert found[one("team_ai_credits_used", team="backend")] == 12.5 + 12.5
    assert found[one("team_used_cli", team="frontend")] == 1
    assert found[one("team_cli_output_tokens", team="backend")] == 121157 + 5000
    assert found[one("team_vscode_agent_total_user_messages", team="backend")] == 7
    assert one("team_vscode_agent_total_user_messages", team="frontend") not in found, "absent is not zero"
    assert found[one("user_loc_added", user_login="mona")] == 435
    assert found[one("user_used_chat", user_login="hubot")] == 0
    assert found[one("user_cli_avg_tokens_per_request", user_login="octokit")] == 4777.8
    assert found[one("user_distinct_skill_use", user_login="octokit")] == 3
    assert one("user_distinct_skill_use", user_login="octocat") not in found, "null"


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from leaves(below, (*path, name))
    elif isinstance(value, list):
        for below in value:
            yield from leaves(below, path)
    elif isinstance(value, int | float):
        yield path, float(value)


@SCOPES
@pytest.mark.parametrize("form", ["two files", "lines", "one array", "wrapped"])
def test_every_number_of_the_records_is_a_series_or_known_as_none(collector: Any, form: str) -> None:
    files = {}
    for report in ("users", "user-teams"):
        first, second = stored(report, collector.scope)
        files[report] = {
            "two files": [first, lines(second)],
            "lines": [lines([*first, *second])],
            "one array": [[*second, *first]],
            "wrapped": [{"report_start_day": D2, "day_totals": first}, [{"day_totals": second}]],
        }[form]
    chosen = job(collector=collector)
    concluded = attempt(reports(files["users"], files["user-teams"]), chosen)
    found = shown(concluded.snapshot, chosen)
    wanted, rest = {}, set()
    for record in [one for part in stored("users", collector.scope) for one in part]:
        for path, value in leaves(record):
            words = "_".join(path).removeprefix("totals_by_").replace("token_usage_", "")
            name = words.removesuffix("_count").removesuffix("_sum")
            series = one(f"user_{name}", user_login=record["user_login"])
            if path[0] in NOT_FIGURES:
                rest.add(path[0])
            else:
                wanted[series] = value
    assert {series: value for series, value in found.items() if series[0].startswith("user_")} == wanted
    assert rest <= set(NOT_FIGURES)
    assert (concluded.unknown, concluded.snapshot.data_time) == (0, midnight(D2))
    declared = {family.name for table in collector.tables for family in table.families}
    assert {f"github_copilot_{collector.scope}_{name}" for name, _ in found} == declared


def test_people_are_shown_by_choice_only() -> None:
    assert not COLLECTOR.options().model_dump()["people"]
    found = figures([user(1, loc_added_sum=3)], [member(1, 9)], people=False)
    assert found == {
        one("team_members", team="t9"): 1,
        one("team_active_users", team="t9"): 1,
        one("team_loc_added", team="t9"): 3,
    }


# The join.

NUMBERS = ("user_initiated_interaction_count", "loc_added_sum", "ai_credits_used")
PEOPLE, GROUPS = 20_000, 3_000


def company() -> tuple[list[list[Any]], list[list[Any]]]:
    """Users and teams in two parts each: duplicates, renames, people in many teams, people in one file only."""
    chance = random.Random(7)
    users, teams = [], []
    for number in range(PEOPLE):
        if number % 11:  # the others were not active
            record = user(number, used_chat=number % 3 == 0)
            for name in NUMBERS:
                if chance.random() < 0.9:
                    record[name] = chance.randrange(1000)
            users.append(record)
            if number % 13 == 0:
                users.append({**record, "user_login": f"renamed{number}"})
        if number % 7:  # the others are in no team
            for team in {chance.randrange(GROUPS) for _ in range(1 + (number % 50 == 0) * 60 + number % 3)}:
                teams.append(member(number, team, user_login=f"old{number}"))
                if number % 17 == 0:
                    teams.append(member(number, team, slug=f"t{team}"))
    users += [user(PEOPLE + 1, organization_id="778", loc_added_sum=10**9), user(5, day=D3, loc_added_sum=10**9)]
    teams += [member(5, 1, organization_id="778"), member(5, 1, day=D3)]
    chance.shuffle(users)
    chance.shuffle(teams)
    # the entity of the report is that of its first record
    users.sort(key=lambda record: record["organization_id"] != "777")
    teams.sort(key=lambda record: record["organization_id"] != "777")
    return [users[::2], users[1::2]], [teams[::2], teams[1::2]]


def joined(users: list[Any], teams: list[Any]) -> dict[Series, float]:
    """The same by SQLite."""
    with closing(sqlite3.connect(":memory:")) as database:
        return _joined(database, users, teams)


def _joined(database: sqlite3.Connection, users: list[Any], teams: list[Any]) -> dict[Series, float]:
    columns = ("user_initiated_interaction_count", "loc_added_sum", "ai_credits_used", "used_chat")
    database.execute(f"CREATE TABLE person (id, day, entity, {', '.join(columns)})")
    database.execute("CREATE TABLE team (user, day, entity, id, slug)")
    database.executemany(
        f"INSERT INTO person VALUES ({', '.join('?' * (3 + len(columns)))})",
        [(one["user_id"], one["day"], one["organization_id"], *(one.get(name) for name in columns)) for one in users],
    )
    database.executemany(
        "INSERT INTO team VALUES (?, ?, ?, ?, ?)",
        [(one["user_id"], one["day"], one["organization_id"], one["team_id"], one["slug"]) for one in teams],
    )
    sums = ", ".join(f"sum(person.{name})" for name in columns)
    found: dict[Series, float] = {}
    query = f"""
        SELECT slug, count(*), count(person.id), {sums}
        FROM (SELECT DISTINCT user, day, entity, id, slug FROM team WHERE day = ?) AS team
        LEFT JOIN (SELECT DISTINCT * FROM person) AS person
          ON person.id = team.user AND person.day = team.day AND person.entity = team.entity
        GROUP BY team.id
    """
    names = ("members", "active_users", *(name.removesuffix("_count").removesuffix("_sum") for name in columns))
    for slug, *values in database.execute(query, (D2,)):
        for name, value in zip(names, values, strict=True):
            if value is not None:
                found[one_team(name, slug)] = float(value)
    return found


def one_team(name: str, slug: str) -> Series:
    return one(f"team_{name}", team=slug)


def test_the_sums_of_teams_are_those_of_sqlite() -> None:
    users, teams = company()
    wanted = joined([one for part in users for one in part], [one for part in teams for one in part])
    assert sum(1 for name, _ in wanted if name == "team_members") == GROUPS
    forms = {
        "arrays": (users, teams),
        "lines": ([lines(part) for part in users], [lines(part) for part in teams]),
        "an array and lines": ([users[0], lines(users[1])], [lines(teams[0]), teams[1]]),
        "objects": ([{"day_totals": part} for part in users], [{"day_totals": part} for part in teams]),
    }
    chosen = job(people=False, places=10_000)
    for bodies in forms.values():
        concluded = attempt(reports(*bodies), chosen, places=10_000)
        assert concluded.error is None
        assert shown(concluded.snapshot, chosen) == wanted
        assert concluded.unknown == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), max_size=15), st.sets(st.integers(1, 5)), st.randoms())
def test_whatever_the_order_and_the_repetition(pairs: list[tuple[int, int]], active: set[int], chance: Any) -> None:
    users = [user(number, loc_added_sum=number) for number in active]
    teams = [member(*pair) for pair in pairs]
    chance.shuffle(teams)
    found = figures(users * 2, teams, people=False) if users else {}
    for team in {team for _, team in pairs} if users else ():
        members = {number for number, group in pairs if group == team}
        assert found[one_team("members", f"t{team}")] == len(members)
        assert found[one_team("active_users", f"t{team}")] == len(members & active)
        assert found.get(one_team("loc_added", f"t{team}")) == (sum(members & active) or None)


def test_somebody_in_two_teams_counts_in_both_and_help_says_so() -> None:
    found = figures([user(1, loc_added_sum=3)], [member(1, 8), member(1, 9)])
    assert found[one_team("loc_added", "t8")] == found[one_team("loc_added", "t9")] == 3
    for table in COLLECTOR.tables[:1]:
        assert all("counts in both" in family.help for family in table.families)


def test_two_teams_of_one_name_are_told_apart_and_a_renamed_one_has_its_last_name() -> None:
    found = figures([user(1)], [member(1, 8, slug="a"), member(1, 9, slug="a"), member(1, 7), member(2, 7, slug="b")])
    assert {dict(labels)["team"] for name, labels in found if name == "team_members"} == {"a~8", "a~9", "b"}


def test_a_person_with_two_figures_is_a_contradiction_and_the_last_good_ones_stay() -> None:
    before = attempt(reports([[user(1, loc_added_sum=3)]], [[member(1, 9)]]), job()).snapshot
    twice = [[user(1, loc_added_sum=3)], [user(1, loc_added_sum=4)]]
    after = attempt(reports(twice, [[member(1, 9)]]), job(), before).snapshot
    assert after.outcome
    assert (after.outcome.state, shown(after, job())) == ("invalid", shown(before, job()))
    assert "u1" not in after.outcome.message


# People under max_series, and in the form that privacy asks for.


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 9))
def test_the_busiest_people_are_shown_and_the_others_are_summed(prompts: list[int], places: int) -> None:
    records = [user(number, user_initiated_interaction_count=count) for number, count in enumerate(prompts)]
    found = figures(records, [member(0, 9)], places=places) if records else {}
    series = {dict(labels)["user_login"]: value for (name, labels), value in found.items() if "user_user_" in name}
    assert sum(series.values()) == sum(prompts)
    assert len(series) == min(len(prompts), places)
    assert ("other" in series) == (len(prompts) > places)
    own = sorted((value for name, value in series.items() if name != "other"), reverse=True)
    assert own == sorted(prompts, reverse=True)[: len(own)]


def test_averages_and_distinct_counts_of_several_people_are_not_added() -> None:
    records = [user(number, loc_added_sum=number, distinct_mcp_use_count=2) for number in range(4)]
    found = figures(records, [member(0, 9)], places=2)
    assert one("user_distinct_mcp_use", user_login="other") not in found
    assert found[one("user_loc_added", user_login="other")] == sum(range(4)) - 0


def test_somebody_called_other_is_not_the_others() -> None:
    found = figures([user(1, user_login="other", loc_added_sum=3)], [member(1, 9)])
    assert found[one("user_loc_added", user_login="other~")] == 3


def test_people_of_one_form_are_one_row() -> None:
    """With `off` all have the same."""
    people = PeopleSums(lambda _login: "", 5)
    people.add("mona", [(0, 3.0), (len(FIELDS) - 1, 1.0)])
    people.add("hubot", [(0, 4.0), (len(FIELDS) - 1, 1.0)])
    (row,) = people.rows()
    assert {field: row.value(field) for field in FIELDS if row.value(field) is not None} == {FIELDS[0]: 7.0}


# Odd records.


@pytest.mark.parametrize(
    ("change", "rejected"),
    [
        ({"user_id": None}, 1),
        ({"user_id": "1"}, 1),
        ({"user_id": True}, 1),
        ({"loc_added_sum": "3"}, 1),
        ({"loc_added_sum": -3}, 1),
        ({"used_chat": 1}, 1),
        ({"totals_by_cli": 7}, 1),
        ({"totals_by_cli": {"token_usage": "x"}}, 1),
        ({"totals_by_cli": None, "used_chat": None}, 0),
    ],
)
def test_odd_values_are_counted_and_cost_no_other(change: dict[str, Any], rejected: int) -> None:
    users = [user(1, loc_deleted_sum=2) | change, user(2, loc_deleted_sum=5), user(2, loc_deleted_sum=5)]
    concluded = attempt(reports([users], [[member(2, 9)]]), job())
    assert (concluded.unreadable, concluded.unknown) == (rejected, rejected)
    assert shown(concluded.snapshot, job())[one_team("loc_deleted", "t9")] == 5


def test_odd_members_are_counted_and_new_fields_named() -> None:
    teams = [member(1, 9), member(2, 9, team_id=None), 7, member(3, 9, role="maintainer")]
    users = [user(1, mood=3, totals_by_cli={"session_count": 1, "jokes": 2, "token_usage": {"cached": 4}})]
    concluded = attempt(reports([users], [teams]), job())
    assert concluded.unreadable == 2
    assert concluded.snapshot.unknown == ("mood", "role", "totals_by_cli.jokes", "totals_by_cli.token_usage")
    assert shown(concluded.snapshot, job())[one_team("members", "t9")] == 2


def test_the_teams_of_a_report_are_bounded() -> None:
    reading = Memberships(D2, Entity("organization_id"))
    for team in range(MOST_TEAMS):
        reading.take(member(team, team))
    with pytest.raises(Invalid, match=f"more than {MOST_TEAMS} teams"):
        reading.take(member(1, MOST_TEAMS))


def test_fields_are_summed_or_of_one_person_and_none_is_both() -> None:
    assert set(SUMMED) | set(OF_ONE) == set(FIELDS)
    assert len(FIELDS) == len(SUMMED) + len(OF_ONE)
    assert set(USED) < set(SUMMED)


# Which day is shown.

GOOD = ([[user(1, loc_added_sum=3)]], [[member(1, 9)]])


def on(day: str) -> dict[tuple[str, str], Any]:
    users, teams = ([[{**record, "day": day} for record in part] for part in parts] for parts in GOOD)
    return reports(users, teams, day)


def quiet(day: str) -> dict[tuple[str, str], Any]:
    return {(USERS, day): 204, (TEAMS, day): 204}


RULES: dict[str, tuple[dict[tuple[str, str], Any], str | None, str]] = {
    "the newest": ({**on(D2), **on(D3)}, D2, "ok"),
    "404 of the teams": ({**on(D2), **on(D3), (TEAMS, D2): 404}, D3, "ok"),
    "404 of the people": ({**on(D2), **on(D3), (USERS, D2): 404}, D3, "ok"),
    "204 of the people": ({**on(D2), **on(D3), (USERS, D2): 204}, D3, "ok"),
    "204": ({**quiet(D2), **quiet(D3), **on(D4)}, D4, "ok"),
    "a broken file": ({**on(D2), **on(D3), (USERS, D2): [b"["]}, D3, "ok"),
    "nothing": ({**quiet(D2), **quiet(D3), **quiet(D4)}, None, "ok"),
    "404 of all": ({}, None, "not_found"),
    "404 of all, but there are reports": ({("users", "latest"): 204}, None, "ok"),
    "403": ({(TEAMS, D2): 403}, None, "forbidden"),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_day_that_is_shown(rule: str) -> None:
    answers, day, state = RULES[rule]
    snapshot = attempt(answers, job(people=False)).snapshot
    assert snapshot.outcome
    assert (snapshot.outcome.state, bool(shown(snapshot, job(people=False)))) == (state, day is not None)
    assert snapshot.data_time == (midnight(day) if day else midnight(D4) if rule == "nothing" else None)
    assert ("no team of the last days" in snapshot.note) == (state == "ok" and day is None)


def test_without_teams_the_report_of_people_is_not_asked_for_unless_people_are_shown() -> None:
    answers = {**on(D2), (TEAMS, D2): [[]], **quiet(D3), **quiet(D4)}
    cloud = DailyCloud(answers)
    assert shown(attempt(cloud, job(people=False)).snapshot, job(people=False)) == {}
    assert (USERS, D2) not in cloud.asked
    found = shown(attempt(DailyCloud(answers), job()).snapshot, job())
    assert found == {one("user_loc_added", user_login="u1"): 3}
