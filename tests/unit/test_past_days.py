"""The past of Copilot's teams and repositories, day by day: what the exporter would have shown of each day."""

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from exporter.catalogue import Collector
from exporter.collectors import copilot_people, copilot_repositories
from exporter.collectors.reading.daily_reports import NO_REPORT
from exporter.errors import Forbidden, GitHubError, Invalid, LinkExpired
from exporter.history.sources import parts
from exporter.instants import DAY, day_of, epoch
from exporter.jobs import Job
from exporter.past import Part, PastAnswer, Shown
from exporter.simulator.stored import ANSWERS
from tests.support.copilot import D2
from tests.support.daily_reports import DailyCloud, attempt
from tests.support.jobs import NOW, client, job_of
from tests.support.past import asked, figures, live, source_of

USERS, TEAMS, REPOSITORIES = "users-1-day", "user-teams-1-day", "repos-1-day"
PEOPLE = [copilot_people.COLLECTOR, copilot_people.OF_ENTERPRISE]
EACH = pytest.mark.parametrize(
    "collector",
    [*PEOPLE, copilot_repositories.COLLECTOR, copilot_repositories.OF_ENTERPRISE],
    ids=lambda one: f"{one.name} of {one.scope}",
)
THE_DAY = Part(int(epoch(D2)), int(epoch(D2)) + DAY)
GAP = PastAnswer((Shown(THE_DAY.start + 2 * DAY),), missing=NO_REPORT)
"""The day before goes on, as the exporter shows it; the report at the end names the day."""


def stored(collector: Collector) -> dict[tuple[str, str], Any]:
    """GitHub's example of a day, by report."""
    answers = json.loads((ANSWERS / f"{collector.name}.json").read_text())
    names = {TEAMS: "user-teams", USERS: "users"} if collector in PEOPLE else {REPOSITORIES: "repositories"}
    return {
        (report, D2): [answers[f"/{name}-of-{collector.scope}-{number}.json"] for number in (1, 2)]
        for report, name in names.items()
    }


def past(job: Job, reports: dict[tuple[str, str], Any], part: Part = THE_DAY) -> tuple[PastAnswer, DailyCloud]:
    cloud = DailyCloud(reports)
    return asked(job, client(cloud.api, cloud.storage), part), cloud


@EACH
def test_a_day_of_the_past_shows_what_was_shown_two_days_after_it_began(collector: Collector) -> None:
    job = job_of(collector)
    answer, cloud = past(job, stored(collector))
    (shown,) = answer.shown
    assert shown.at == epoch(D2) + 2 * DAY
    assert (shown.thing, answer.rejected, answer.missing) == ("", 0, "")
    then = attempt(stored(collector), job, now=float(shown.at)).snapshot
    assert figures(job, shown) == live(job, then) != {}
    assert [day for _, day in cloud.asked] == [D2] * (2 if collector in PEOPLE else 1)


def test_figures_of_a_past_day_by_hand() -> None:
    """Of the people: mona is in both teams. Of the repositories: minutes are seconds."""
    job = job_of(copilot_people.COLLECTOR)
    (shown,) = past(job, stored(copilot_people.COLLECTOR))[0].shown
    found = figures(job, shown)
    team = ("organization", "acme"), ("team", "backend")
    assert found["github_copilot_organization_team_user_initiated_interaction", team] == 24 + 6
    assert found["github_copilot_organization_team_loc_added", team] == 435 + 60
    job = job_of(copilot_repositories.COLLECTOR)
    records = [[{"repo_id": 1, "repo_name": "api", "pull_requests": {"total_merged": 3, "median_minutes_to_merge": 2}}]]
    (shown,) = past(job, {(REPOSITORIES, D2): records})[0].shown
    found = figures(job, shown)
    of_api = ("organization", "acme"), ("repository", "api")
    name = "github_copilot_organization_repository_pull_requests_"
    assert found == {(f"{name}total_merged", of_api): 3, (f"{name}median_seconds_to_merge", of_api): 120}


@EACH
@pytest.mark.parametrize("nothing", [204, [[]]], ids=["204", "no records"])
def test_a_day_without_use_leaves_what_was_shown(collector: Collector, nothing: Any) -> None:
    answer, _ = past(job_of(collector), dict.fromkeys(stored(collector), nothing))
    assert answer == PastAnswer((Shown(THE_DAY.start + 2 * DAY),))


@EACH
def test_a_day_that_github_has_no_report_of_is_missing(collector: Collector) -> None:
    assert past(job_of(collector), {})[0] == GAP


def test_teams_without_their_peoples_report_are_missing_and_not_idle() -> None:
    reports = stored(copilot_people.COLLECTOR)
    del reports[USERS, D2]
    assert past(job_of(copilot_people.COLLECTOR), reports)[0] == GAP


def test_a_day_without_teams_needs_one_request_where_people_are_not_shown() -> None:
    job = job_of(copilot_people.COLLECTOR)
    options = job.settings.options.model_copy(update={"people": False})
    job = replace(job, settings=replace(job.settings, options=options))
    answer, cloud = past(job, {**stored(copilot_people.COLLECTOR), (TEAMS, D2): 204})
    assert answer.shown == (Shown(THE_DAY.start + 2 * DAY),)
    assert cloud.asked == [(TEAMS, D2)]


@EACH
def test_values_that_cannot_be_read_are_counted_and_the_others_shown(collector: Collector) -> None:
    reports = stored(collector)
    last = next(reversed(reports))
    answer, _ = past(job_of(collector), {**reports, last: [*reports[last], [7, {"day": D2}]]})
    whole, _ = past(job_of(collector), reports)
    assert (answer.shown, answer.rejected) == (whole.shown, 2)


@EACH
@pytest.mark.parametrize(
    ("storage", "error"),
    [(403, LinkExpired), (500, GitHubError), (b"{", Invalid)],
    ids=["expired links", "no files", "a broken file"],
)
def test_a_day_whose_files_cannot_be_read_fails(collector: Collector, storage: Any, error: type[GitHubError]) -> None:
    cloud = DailyCloud(stored(collector))

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(storage) if isinstance(storage, int) else httpx.Response(200, content=storage)

    with pytest.raises(error):
        asked(job_of(collector), client(cloud.api, answer), THE_DAY)
    if storage == 403:
        assert len(cloud.asked) == 2, "expired links are requested anew once"


@EACH
def test_a_refusal_fails(collector: Collector) -> None:
    with pytest.raises(Forbidden):
        past(job_of(collector), dict.fromkeys(stored(collector), 403))


@EACH
def test_the_days_that_are_asked_are_those_whose_figures_were_shown(collector: Collector) -> None:
    """From the first day of which GitHub has reports, up to two days ago."""
    source = source_of(job_of(collector), NOW - 40 * DAY, NOW)
    found = parts(source)
    assert (day_of(found[0].start), day_of(found[-1].start)) == ("2026-10-10", D2)
    assert len(found) == 41
    assert {part.requests for part in found} == {2 if collector in PEOPLE else 1}
    earliest = source_of(job_of(collector), epoch("2025-01-01"), NOW)
    first = {"enterprise": "2025-11-22", "organization": "2025-12-12"}[collector.scope]
    assert day_of(parts(earliest)[0].start) == first
