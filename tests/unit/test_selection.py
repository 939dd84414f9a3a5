"""Which jobs are selected: a drill-down follows the watched and, with hysteresis, the busiest."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from exporter.collecting.active_jobs import sum_requests
from exporter.collecting.selection import Candidates, requests_by_subject, select_jobs
from exporter.collecting.unknown import UnknownSubjects
from exporter.collectors import COLLECTORS, subject_stats, user_stats
from exporter.counting.keys import Count, Counting, Key
from exporter.exposition.book import Book
from exporter.exposition.snapshot import Snapshot
from exporter.fetching import Subject
from exporter.jobs import CollectorSettings, Job, Target

ACME = Target("organization", "acme", "token")


def settings(**options: Mapping[str, Any]) -> dict[str, CollectorSettings]:
    return {
        one.name: CollectorSettings(True, one.interval, one.max_age, one.options(**options.get(one.name, {})))
        for one in COLLECTORS
    }


def subjects(jobs: Sequence[Job], name: str) -> list[Subject]:
    return [job.subject for job in jobs if job.collector.name == name and job.subject]


def users(**requests: int) -> dict[Subject, int]:
    return {(name.removeprefix("u"),): count for name, count in requests.items()}


def following(found: Mapping[Subject, int], now: Sequence[Subject] = (), places: int = 2, **more: Any) -> list[Subject]:
    """The users followed of those seen, when these are followed now."""
    keys = [f"user_stats organization/acme {user}" for (user,) in now]
    chosen = settings(user_stats={"top_users": places})
    return subjects(
        select_jobs(COLLECTORS, chosen, ACME, Candidates(requests=found, running=keys, **more)), "user_stats"
    )


def test_without_anybody_to_follow_there_are_the_totals_and_subjects() -> None:
    jobs = select_jobs(COLLECTORS, settings(), ACME)
    assert [(job.collector.name, job.subject) for job in jobs] == [
        ("summary_stats", ()),
        ("time_stats", ()),
        ("subject_stats", ()),
        ("copilot_usage", ()),
        ("copilot_people", ()),
        ("copilot_repositories", ()),
        ("copilot_seats", ()),
        ("copilot_metrics", ()),
    ]


def test_a_watched_user_and_a_watched_actor_have_all_that_github_tells_of_them() -> None:
    watched = [("7",), ("classic_pat", "71")]
    jobs = select_jobs(COLLECTORS, settings(), ACME, Candidates(watched))
    assert {(job.collector.name, job.subject) for job in jobs if job.subject} == {
        ("summary_stats", ("7",)),
        ("time_stats", ("7",)),
        ("user_stats", ("7",)),
        ("summary_stats", ("classic_pat", "71")),
        ("time_stats", ("classic_pat", "71")),
        ("route_stats", ("classic_pat", "71")),
    }


def test_the_busiest_are_followed_in_the_order_of_their_requests_besides_the_watched() -> None:
    jobs = select_jobs(
        COLLECTORS,
        settings(user_stats={"top_users": 2}, route_stats={"top_actors": 1}),
        ACME,
        Candidates([("9",)], {**users(u1=10, u2=30, u3=20), ("installation", "5"): 3, ("oauth_app", "6"): 4}),
    )
    assert subjects(jobs, "user_stats") == [("9",), ("2",), ("3",)]
    assert subjects(jobs, "route_stats") == [("oauth_app", "6")]
    assert subjects(jobs, "summary_stats") == [("9",)]
    assert subjects(jobs, "time_stats") == [("9",)]


def test_a_watched_subject_among_the_busiest_has_one_job() -> None:
    assert following(users(u1=10, u2=5), watched=[("1",)]) == [("1",), ("2",)]


@pytest.mark.parametrize(
    ("found", "now", "expected"),
    [
        (users(u1=10, u2=9, u3=8), (), ["1", "2"]),
        (users(u1=10, u2=9, u3=10), ["1", "2"], ["1", "2"]),  # near the edge: it keeps its place
        (users(u1=10, u2=9, u3=13), ["1", "2"], ["1", "2"]),  # 13 is not more than 1.5 times 9
        (users(u1=10, u2=9, u3=14), ["1", "2"], ["3", "1"]),
        (users(u1=10, u2=2, u3=9, u4=8), ["1", "2"], ["1", "3"]),  # 8 is not clearly more than 9
        (users(u1=1, u2=1, u3=9, u4=8), ["1", "2"], ["3", "4"]),
        (users(u1=10), ["1", "2"], ["1"]),  # who made no request leaves
        (users(u1=10, u2=9, u3=8), ["1", "2", "3"], ["1", "2"]),  # there are fewer places than before
    ],
)
def test_who_has_a_place_keeps_it_until_somebody_clearly_outgrows_it(
    found: dict[Subject, int], now: list[str], expected: list[str]
) -> None:
    assert following(found, [(user,) for user in now]) == [(user,) for user in expected]


def test_nobody_is_followed_where_there_is_no_place() -> None:
    assert following(users(u1=10), places=0) == []


def test_whom_github_does_not_know_leaves_the_place_to_the_next() -> None:
    unknown = {user_stats.COLLECTOR.endpoint: UnknownSubjects({("1",): 0.0})}
    assert following(users(u1=10, u2=9, u3=8), unknown=unknown) == [("2",), ("3",)]
    assert following(users(), watched=[("1",)], unknown=unknown) == []


def test_the_last_of_three_unknown_in_a_row_is_kept_beside_the_places() -> None:
    row = (("1",), ("2",), ("3",))
    unknown = {user_stats.COLLECTOR.endpoint: UnknownSubjects(dict.fromkeys(row, 0.0), row)}
    assert following(users(u1=9, u2=8, u3=7, u4=6, u5=5, u6=4), unknown=unknown) == [("4",), ("5",), ("3",)]
    assert following(users(), watched=list(row), unknown=unknown) == [("3",)]


def test_a_filter_makes_another_source() -> None:
    plain, narrowed = (
        select_jobs(COLLECTORS, settings(subject_stats={"subject_name_substring": word}), ACME)[2].key
        for word in ("", "bot")
    )
    assert plain == "subject_stats organization/acme"
    assert narrowed == "subject_stats organization/acme subject_name_substring=bot"


def counting(*identities: tuple[str, str], requests: int = 5) -> Counting:
    keys: dict[tuple[str, ...], Key] = {
        identity: Key(identity, (Count(100, 100 + requests, 105, 0, 0),), 0.0, True, (None,)) for identity in identities
    }
    return Counting(0, 100, 100, True, keys, (0,))


def test_subjects_lead_to_users_and_apps_and_users_lead_to_their_tokens() -> None:
    subjects, users = subject_stats.COLLECTOR, user_stats.COLLECTOR
    rows = counting(("installation", "5"), ("user", "7"), ("User", "8"), ("enterprise_team", "9"))
    assert requests_by_subject(subjects, rows) == {("installation", "5"): 5, ("7",): 5, ("8",): 5}
    odd = (("../x", "1"), ("users", "1"), ("classic_pat", "-3"), ("classic_pat", "0"), ("classic_pat", "9" * 40))
    assert requests_by_subject(users, counting(("classic_pat", "71"), *odd)) == {("classic_pat", "71"): 5}
    assert requests_by_subject(subjects, counting(("user", "-7"), ("user", "0"), ("installation", "0~ab"))) == {}
    assert requests_by_subject(subjects, counting(("user", "7"), requests=0)) == {}
    assert requests_by_subject(subjects, None) == {}
    assert requests_by_subject(COLLECTORS[0], rows) == {}


def test_who_is_led_to_by_several_sources_has_the_requests_of_all() -> None:
    book = Book()

    def at(key: str, *identities: tuple[str, str]) -> str:
        book.keep(key, Snapshot(counting=counting(*identities)))
        return key

    tokens = [
        (user_stats.COLLECTOR, at("a", ("classic_pat", "71"))),
        (user_stats.COLLECTOR, at("b", ("classic_pat", "71"), ("classic_pat", "72"))),
    ]
    assert sum_requests(book, [(subject_stats.COLLECTOR, at("c", ("installation", "5"))), *tokens]) == {
        ("installation", "5"): 5,
        ("classic_pat", "71"): 10,
        ("classic_pat", "72"): 5,
    }
    assert sum_requests(book, [(subject_stats.COLLECTOR, "unknown")]) == {}
