"""The list of Copilot seats: each seat once, people of an enterprise once in the total, walked once a day."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.catalogue import Sizes
from exporter.collecting.conclude import Conclusion
from exporter.collecting.forecast import collector_load, expected_cost
from exporter.collectors.copilot_seats import COLLECTOR, OF_ENTERPRISE
from exporter.collectors.copilot_seats.walk import SeatCounts
from exporter.exposition.snapshot import Snapshot
from exporter.instants import DAY, HOUR, utc_time
from exporter.jobs import Job
from exporter.simulator.stored import ANSWERS
from tests.support.attempts import conclusion_of
from tests.support.jobs import NOW, client, exposition, job_of, samples

STORED = json.loads((ANSWERS / "copilot_seats.json").read_text())
SUMMARY = STORED["/orgs/acme/copilot/billing"]
ORGANIZATION, ENTERPRISE = "github_copilot_organization_seats", "github_copilot_enterprise_seats"
AGES = ("7d", "30d", "90d", "older", "never")


@dataclass
class Seats:
    """A GitHub with a list of seats, in pages; `status` is what it answers to the list."""

    seats: Sequence[Any]
    total: Any = None
    size: int = 100
    status: int = 200
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if not request.url.path.endswith("/seats"):
            return httpx.Response(200, json=SUMMARY)
        if self.status != 200:
            return httpx.Response(self.status)
        page = int(request.url.params.get("page", 1))
        assert request.url.params["per_page"] == "100"
        body: dict[str, Any] = {"seats": self.seats[(page - 1) * self.size : page * self.size]}
        more = page * self.size < len(self.seats)
        link = {"link": f'<{request.url.copy_set_param("page", page + 1)}>; rel="next"'} if more else {}
        return httpx.Response(
            200, json=body if self.total is None else {**body, "total_seats": self.total}, headers=link
        )

    @property
    def walks(self) -> int:
        return sum(path.endswith("/seats") for path in self.asked)


def run(github: Seats, before: Snapshot | None = None, now: float = NOW, job: Job | None = None) -> Conclusion:
    before = before or Snapshot()
    return conclusion_of(job or job_of(COLLECTOR), client(github, now=now), before, data_time=before.data_time, now=now)


def shown(snapshot: Snapshot, job: Job) -> dict[tuple[str, str], float]:
    """The counts of the list, by the end of the family's name and the label."""
    name = {"organization": ORGANIZATION, "enterprise": ENTERPRISE}[job.target.kind]
    found = {}
    for (family, labels), value in samples(parse_text(exposition(job, snapshot, "text"))).items():
        if family.startswith(name):
            own = [text for label, text in labels if label != job.target.kind]
            found[family.removeprefix(name).removeprefix("_by_"), own[0] if own else ""] = value
    return found


def seat(person: int | None, *, days: float | None = 1.0, **more: Any) -> dict[str, Any]:
    return {
        "created_at": "2026-03-01T09:00:00Z",
        "assignee": None if person is None else {"id": person, "login": f"user{person}"},
        "last_activity_at": None if days is None else utc_time(NOW - days * DAY),
        "last_activity_editor": None if days is None else "vscode/1.77.3/copilot/1.86.82",
        "plan_type": "business",
        **more,
    }


def counts(*seats: Any, **options: Any) -> dict[tuple[str, str], float]:
    github = Seats(seats, **options)
    concluded = run(github)
    assert concluded.error is None
    return shown(concluded.snapshot, job_of(COLLECTOR))


# By hand.


def test_the_official_example_has_two_seats_of_2021() -> None:
    """Its second seat has neither plan nor team, and its team fits both forms of GitHub's schema."""
    example = STORED["/orgs/acme/copilot/billing/seats"]
    assert (example["total_seats"], len(example["seats"])) == (2, 2)
    concluded = run(Seats(example["seats"], total=2))
    assert concluded.unknown == 0
    assert shown(concluded.snapshot, job_of(COLLECTOR)) == {
        **{("activity", age): 0.0 for age in AGES},
        ("activity", "older"): 2,
        ("plan", "business"): 1,
        ("plan", "unknown"): 1,
        ("team", "justice-league"): 1,
        ("team", ""): 1,
        ("editor", "vscode"): 2,
    }


def test_an_enterprise_with_somebody_who_has_two_seats() -> None:
    example, job = STORED["/enterprises/acme-corp/copilot/billing/seats"], job_of(OF_ENTERPRISE)
    assert (example["total_seats"], len(example["seats"])) == (6, 7)
    concluded = run(Seats(example["seats"], total=6), job=job)
    assert (concluded.unknown, concluded.snapshot.data_time) == (0, NOW)
    assert shown(concluded.snapshot, job) == {
        ("", ""): 6,
        ("activity", "7d"): 1,
        ("activity", "30d"): 2,
        ("activity", "90d"): 1,
        ("activity", "older"): 0,
        ("activity", "never"): 3,
        ("plan", "business"): 4,
        ("plan", "enterprise"): 1,
        ("plan", "unknown"): 2,
        ("team", "justice-league"): 1,
        ("team", "ent:platform"): 1,
        ("team", ""): 5,
        ("editor", "vscode"): 3,
        ("editor", "JetBrains-IU"): 1,
        ("editor", ""): 3,
    }


def test_every_number_of_the_lists_is_a_series_or_an_id() -> None:
    for body in (value for path, value in STORED.items() if path.endswith("/seats")):
        numbers = {key for one in body["seats"] for key, value in one.items() if type(value) in (int, float)}
        assert numbers == set(), "a seat has no figure of its own"
        inner = [value for one in body["seats"] for value in one.values() if isinstance(value, dict)]
        numbers = {key for one in inner for key, value in one.items() if type(value) in (int, float)}
        assert numbers == {"id"}
        assert {key for key, value in body.items() if type(value) is int} == {"total_seats"}, (
            "github_…_enterprise_seats"
        )


@pytest.mark.parametrize(
    ("days", "age"),
    [(-0.5, "7d"), (0, "7d"), (7, "7d"), (7.01, "30d"), (30, "30d"), (30.01, "90d"), (90, "90d"), (91, "older")],
)
def test_the_age_of_an_activity(days: float, age: str) -> None:
    found = counts(seat(1, days=days))
    assert {label: value for (kind, label), value in found.items() if kind == "activity" and value} == {age: 1}


def test_an_instant_with_an_offset_is_converted() -> None:
    found = counts(
        seat(1, last_activity_at="2026-11-14T06:00:00-06:00"), seat(2, last_activity_at="2026-11-14T11:59:59Z")
    )
    assert (found["activity", "7d"], found["activity", "30d"]) == (1, 1)


@given(st.lists(st.one_of(st.none(), st.floats(0, 400, allow_nan=False)), max_size=250))
def test_each_seat_counts_once_in_every_family(ages: list[float | None]) -> None:
    found = counts(*(seat(number, days=days) for number, days in enumerate(ages)))
    for kind in ("activity", "plan", "team", "editor"):
        assert sum(value for (family, _), value in found.items() if family == kind) == len(ages)


def test_a_seat_that_moves_to_the_next_page_counts_once() -> None:
    seats = [seat(number) for number in range(100)]
    github = Seats([*seats, seats[99], seats[98], seat(100)])
    found = shown(run(github).snapshot, job_of(COLLECTOR))
    assert (found["activity", "7d"], github.walks) == (101, 2)


def test_without_a_total_of_github_people_are_counted_once() -> None:
    """Two organizations and an enterprise team give one person a seat each; whom GitHub does not name counts alone."""
    of: list[dict[str, Any]] = [
        {"organization": {"id": 1}},
        {"organization": {"id": 2}},
        {"assigning_team": {"id": 1, "slug": "ent:a"}},
    ]
    seats = [*(seat(7, **one) for one in of), seat(8, **of[0]), seat(None)]
    found = shown(run(Seats(seats), job=job_of(OF_ENTERPRISE)).snapshot, job_of(OF_ENTERPRISE))
    assert found["", ""] == 3
    assert found["plan", "business"] == 5


# Odd answers.


@pytest.mark.parametrize(
    ("change", "rejected"),
    [
        ({"last_activity_at": "soon"}, 1),
        ({"last_activity_at": 7}, 1),
        ({"plan_type": 7}, 1),
        ({"assigning_team": "a"}, 1),
        ({"last_activity_editor": ["vscode"]}, 1),
        ({"assignee": "octocat"}, 0),
        ({"organization": 7}, 0),
    ],
)
def test_a_value_that_cannot_be_read_counts_and_costs_no_other(change: dict[str, Any], rejected: int) -> None:
    concluded = run(Seats([seat(1, **change), seat(2), "none"]))
    assert (concluded.unreadable, concluded.unknown) == (rejected + 1, rejected + 1)
    found = shown(concluded.snapshot, job_of(COLLECTOR))
    assert sum(value for (kind, _), value in found.items() if kind == "plan") == 2


def test_fields_that_github_adds_later_are_named() -> None:
    concluded = run(Seats([seat(1, seat_type="x", credits=7)]))
    assert concluded.snapshot.unknown == ("credits", "seat_type")


@pytest.mark.parametrize("body", [[], {}, {"seats": None}, {"seats": {}}, {"seats": [], "total_seats": 7}])
def test_a_list_that_is_none_is_invalid_and_the_summary_is_shown(body: Any) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=body if request.url.path.endswith("/seats") else SUMMARY)

    concluded = conclusion_of(job_of(COLLECTOR), client(respond))
    assert concluded.snapshot.outcome
    assert concluded.snapshot.outcome.state == "invalid"
    assert shown(concluded.snapshot, job_of(COLLECTOR)) == {}
    assert 'github_copilot_seats{organization="acme"} 12' in exposition(job_of(COLLECTOR), concluded.snapshot, "text")


def test_more_names_than_anybody_has_are_summed() -> None:
    walked = SeatCounts(NOW)
    for start in range(0, 12_000, 100):
        seats = [seat(n, assigning_team={"id": n, "slug": f"team-{n}"}) for n in range(start, start + 100)]
        walked.add_page(json.dumps({"seats": seats}).encode())
    teams = walked.memory()["team"]
    assert (len(teams), sum(teams.values())) == (10_001, 12_000)


# Once a day.


@pytest.mark.parametrize("collector", [COLLECTOR, OF_ENTERPRISE], ids=lambda one: one.scope)
def test_the_list_is_walked_once_a_day(collector: Any) -> None:
    job = job_of(collector)
    github, snapshot = Seats([seat(1)], total=1), Snapshot()
    walks = []
    for hours in range(0, 74, 2):
        github.seats = [seat(number) for number in range(hours + 1)]
        github.total = hours + 1
        snapshot = run(github, snapshot, NOW + hours * HOUR, job).snapshot
        walks.append(github.walks)
        assert shown(snapshot, job)["plan", "business"] == hours // 24 * 24 + 1
    assert walks[-1] == 4


def test_plan_counts_the_list_once_a_day() -> None:
    """Of a thousand seats: the summary every two hours, and ten pages a day."""
    for collector, single in ((COLLECTOR, 1), (OF_ENTERPRISE, 0)):
        job = job_of(collector)
        cost = expected_cost(job, Sizes(seats=1000))
        assert cost.requests == single + 10
        assert collector_load("pool", [(job, 1, cost)]).hourly == pytest.approx(single / 2 + 10 / 24)


def test_the_last_counts_stay_while_the_list_cannot_be_read_until_they_are_two_days_old() -> None:
    job = job_of(COLLECTOR)
    github = Seats([seat(1)])
    snapshot = run(github, now=NOW).snapshot
    github.status = 403
    for hours, stays in ((24, True), (26, True), (48, True), (49, False)):
        snapshot = run(github, snapshot, NOW + hours * HOUR).snapshot
        assert snapshot.outcome
        assert snapshot.outcome.state == "forbidden"
        assert bool(shown(snapshot, job)) == stays
        assert "github_copilot_seats{" in exposition(job, snapshot, "text"), "the summary is read all the same"
    github.status = 200
    assert shown(run(github, snapshot, NOW + 50 * HOUR).snapshot, job)["plan", "business"] == 1


def test_an_enterprise_whose_list_is_forbidden_has_no_counts() -> None:
    job = job_of(OF_ENTERPRISE)
    snapshot = run(Seats([], status=403), job=job).snapshot
    assert snapshot.outcome
    assert (snapshot.outcome.state, shown(snapshot, job)) == ("forbidden", {})


@pytest.mark.parametrize("memory", [None, [], "2026", {"at": "x"}, {"at": 1.0, "total": 1, "activity": 7}])
def test_a_memory_of_another_form_is_forgotten(memory: Any) -> None:
    found = shown(run(Seats([seat(1)]), Snapshot(memory=memory)).snapshot, job_of(COLLECTOR))
    assert found["plan", "business"] == 1


def test_what_is_remembered_names_nobody() -> None:
    github = Seats([seat(123_456_789), seat(2, assigning_team={"id": 987_654_321, "slug": "platform"})])
    text = json.dumps(run(github).snapshot.memory)
    assert "platform" in text
    assert not any(name in text for name in ("user", "123456789", "987654321"))
