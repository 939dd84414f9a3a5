"""How people are named, and that nothing behind the door knows them otherwise."""

from dataclasses import replace

import pytest

from exporter.collectors import COLLECTORS, route_stats, subject_stats, summary_stats, usage_reports, user_stats
from exporter.collectors.reading.values import labels_of
from exporter.collectors.subject_stats import SubjectRow
from exporter.collectors.user_stats import ActorRow
from exporter.counting.short_walks import WalkHistory
from exporter.errors import Unavailable
from exporter.exposition.columns import column
from exporter.exposition.snapshot import Outcome, Snapshot
from exporter.fetching import Fetched
from exporter.privacy import NAMES, Naming, hide_subject, id_form, name_form, people_at, rename_people
from exporter.state.renaming import NOT_KEPT, renamed_by
from tests.support.jobs import job_of
from tests.support.snapshots import COUNTING, KEY

SECRET = b"0123456789abcdef"
COUNTS = {"total_request_count": 1, "rate_limited_request_count": 0}


def test_a_pseudonym_is_the_same_for_one_person_and_key_and_another_otherwise() -> None:
    ada = name_form("pseudonym", "Ada", SECRET)
    assert ada == name_form("pseudonym", "ada", SECRET)
    assert ada != name_form("pseudonym", "grace", SECRET)
    assert ada != name_form("pseudonym", "ada", b"another")
    assert "ada" not in ada.lower().removeprefix("user-")


def test_a_login_is_shown_as_it_is_and_off_is_nothing() -> None:
    assert name_form("login", "Ada", SECRET) == "Ada"
    assert name_form("off", "Ada", SECRET) == ""


@pytest.mark.parametrize(
    ("row", "field", "personal"),
    [
        (SubjectRow(subject_type="user", subject_id=7, subject_name="ada", **COUNTS), "subject_name", True),
        (SubjectRow(subject_type="something_new", subject_id=7, subject_name="ada", **COUNTS), "subject_name", True),
        (SubjectRow(subject_type="installation", subject_id=7, subject_name="ada", **COUNTS), "subject_name", False),
        (ActorRow(actor_type="classic_pat", actor_id=7, actor_name="ada"), "actor_name", True),
        (ActorRow(actor_type="fine_grained_pat", actor_id=7, actor_name="ada"), "actor_name", True),
        (ActorRow(actor_type="personal_token_v9", actor_id=7, actor_name="ada"), "actor_name", True),
        (ActorRow(actor_type="oauth_app", actor_id=7, actor_name="ada"), "actor_name", False),
        (ActorRow(actor_type="installation", actor_id=7, actor_name="ada"), "actor_name", False),
    ],
)
def test_people_and_the_tokens_that_they_named_are_hidden_and_apps_are_not(
    row: SubjectRow | ActorRow, field: str, personal: bool
) -> None:
    hidden = rename_people(Fetched((row,), 3, 5.0), lambda name: f"<{name}>")
    assert getattr(hidden.rows[0], field) == ("<ada>" if personal else "ada")
    assert (hidden.rejected, hidden.data_time) == (3, 5.0)


def test_who_has_no_name_gets_none() -> None:
    row = SubjectRow(subject_type="user", subject_id=7, **COUNTS)
    assert rename_people(Fetched((row,)), lambda name: f"<{name}>").rows == (row,)


def test_an_id_has_one_pseudonym_without_names_too_and_no_two_people_share_it() -> None:
    seven = id_form("pseudonym", "7", SECRET)
    assert seven == id_form("off", "7", SECRET)
    assert len({seven, id_form("off", "8", SECRET), id_form("off", "7", b"another"), "7"}) == 4
    assert id_form("login", "7", SECRET) == "7"
    assert id_form("off", "", SECRET) == "", "`other` has no id"


ADA = "octo-ada"
SUBJECT = ("organization", "subject_type", "subject_id", "subject_name")
ACTOR = ("organization", "user_id", "actor_type", "actor_id")


@pytest.mark.parametrize(
    ("names", "labels", "hidden"),
    [
        (SUBJECT, ("acme", "user", "7", ""), {2}),
        (SUBJECT, ("acme", "installation", "7", "bot"), set()),
        (SUBJECT, ("acme", "other", "", "other"), set()),
        (ACTOR, ("acme", "7", "oauth_app", "7"), {1}),
        (ACTOR, ("acme", "7", "classic_pat", "8"), {1, 3}),
        (ACTOR, ("acme", "7", "something_new", "8"), {1, 3}),
        (("organization", "server_id"), ("acme", "7"), set()),
    ],
)
def test_only_numbers_of_people_and_their_tokens_are_replaced(
    names: tuple[str, ...], labels: tuple[str, ...], hidden: set[int]
) -> None:
    shown = Naming("off", SECRET).label_forms(names)(labels)
    assert {at for at, (one, other) in enumerate(zip(labels, shown, strict=True)) if one != other} == hidden
    assert Naming().label_forms(names)(labels) == labels


def test_a_failure_names_whom_it_is_about_by_the_pseudonym_and_nothing_else_changes() -> None:
    job = replace(job_of(route_stats.COLLECTOR), subject=("classic_pat", "7"))
    shown = Naming("pseudonym", SECRET).subject(job)
    error = Unavailable("/orgs/a/insights/api/route-stats/classic_pat/7: 7 s; /page/77, see /7")
    hide_subject(error, job, shown)
    assert str(error) == f"/orgs/a/insights/api/route-stats/classic_pat/{shown[1]}: 7 s; /page/77, see /{shown[1]}"
    app = replace(job_of(route_stats.COLLECTOR), subject=("installation", "7"))
    assert Naming("pseudonym", SECRET).subject(app) == app.subject


def test_a_job_of_a_person_is_called_by_the_pseudonym() -> None:
    naming = Naming("off", SECRET)
    person, everyone = replace(job_of(summary_stats.OF_USER), subject=("7",)), job_of(summary_stats.COLLECTOR)
    assert naming.title(person) == f"summary_stats organization/acme {id_form('off', '7', SECRET)}"
    assert naming.title(everyone) == everyone.key
    assert Naming().title(person) == person.key


def test_a_fault_of_ours_shows_its_place_and_not_its_text_where_that_may_name_a_person() -> None:
    with pytest.raises(ValueError, match="octo-ada") as caught:
        int(ADA)
    trace, whole = Naming("off").traceback(caught.value), Naming().traceback(caught.value)
    assert "octo-ada" not in trace["exception"]
    assert "test_privacy.py" in trace["exception"]
    assert whole["exc_info"] is caught.value


def test_forms_are_told_apart_by_choice_and_key_and_tell_no_key() -> None:
    marks = {
        Naming(choice, key).fingerprint for choice in ("login", "pseudonym", "off") for key in (SECRET, b"another")
    }
    assert len(marks) == 5
    assert not any(SECRET.decode() in mark or SECRET.hex() in mark for mark in marks)


def test_what_is_kept_under_another_choice_loses_names_of_people_only() -> None:
    """Counts, ids, other gauges and apps' names stay; it is due at once, even if the totals stand still."""
    bot = replace(KEY, labels=("installation", "2", "bot"))
    seen = "github_api_insights_subject_last_request_timestamp_seconds"
    info = "github_api_insights_actor_info"
    before = Snapshot(
        gauges={
            seen: column([(("user", "1", "ada"), 5.0), (("installation", "2", "bot"), 6.0)]),
            info: column([(("installation", "2", "bot", "3", ""), 1.0), (("classic_pat", "4", "ada", "", ""), 1.0)]),
            "github_api_insights_of_another_version": column([(("ada",), 1.0)]),
        },
        counting=replace(COUNTING, keys={("user", "1"): KEY, ("installation", "2"): bot}),
        outcome=Outcome(1.0, 1.0, "forbidden", "forbidden", "ada may not", "a hint"),
        next_run=99.0,
        sums=(1, 2),
        memory={"figures": 1},
        note="no figures: ada may not",
        walks=WalkHistory(0, 1000, 102),
    )
    after = renamed_by(COLLECTORS)(job_of(subject_stats.COLLECTOR).key, before)
    assert {family: list(samples) for family, samples in after.gauges.items()} == {
        seen: [(("user", "1", ""), 5.0), (("installation", "2", "bot"), 6.0)],
        info: [(("installation", "2", "bot", "3", ""), 1.0), (("classic_pat", "4", "", "", ""), 1.0)],
    }
    assert after.counting == replace(
        COUNTING, keys={("user", "1"): replace(KEY, labels=("user", "1", "")), ("installation", "2"): bot}
    )
    assert after.outcome
    assert (after.outcome.message, after.outcome.hint, after.note) == (NOT_KEPT, "a hint", NOT_KEPT)
    assert (after.next_run, after.sums, after.memory, after.names_changed) == (0.0, None, {"figures": 1}, True)
    assert after.walks is None, "the names of all rows are needed"


def test_a_collector_without_people_keeps_all_and_an_unknown_one_no_name() -> None:
    renamed = renamed_by(COLLECTORS)
    routes = Snapshot(gauges={}, counting=replace(COUNTING, keys={}), next_run=99.0, sums=(1,), memory={"a": 1})
    assert renamed("route_stats organization/acme classic_pat 7", routes) is routes
    unknown = renamed("of_a_later_version organization/acme", Snapshot(memory="ada", note="ada", counting=COUNTING))
    assert (unknown.memory, unknown.note) == (None, "")
    assert unknown.counting
    assert "ada" not in str(unknown.counting.keys)


def test_people_that_are_told_apart_by_name_are_read_again_and_no_export_is_asked_for_twice() -> None:
    user, plain = "github_usage_report_user_gross_amount_usd", "github_usage_report_gross_amount_usd"
    before = Snapshot(
        gauges={user: column([(("2026-11", *"oscuk", "ada"), 5.0)]), plain: column([(("2026-11", *"oscuk"), 5.0)])},
        memory={"intents": {"a": 1}, "polls": {}, "figures": {" 2026-11": "ada"}},
    )
    after = renamed_by(COLLECTORS)(job_of(usage_reports.COLLECTOR).key, before)
    assert list(after.gauges) == [plain]
    assert after.memory == {"intents": {"a": 1}, "polls": {}}


def test_every_name_of_a_person_in_a_row_stands_under_a_label_that_is_known_to_name_people() -> None:
    for row, table in (
        (SubjectRow(subject_type="user", subject_id=7, subject_name="ada", **COUNTS), subject_stats.SUBJECTS),
        (ActorRow(actor_type="classic_pat", actor_id=7, actor_name="ada"), user_stats.ACTORS),
    ):
        assert {"ada"} == {
            getattr(row, table.labels[at]) for at in people_at(table.labels, labels_of(table, row), NAMES)
        }
