"""How people are named, and that nothing behind the door knows them otherwise."""

import pytest

from exporter.catalogue import Fetched
from exporter.collecting.privacy import named, named_as
from exporter.collectors.subject_stats import Subject
from exporter.collectors.user_stats import Actor

KEY = b"0123456789abcdef"
COUNTS = {"total_request_count": 1, "rate_limited_request_count": 0}


def test_a_pseudonym_is_the_same_for_one_person_and_key_and_another_otherwise() -> None:
    ada = named_as("pseudonym", "Ada", KEY)
    assert ada == named_as("pseudonym", "ada", KEY)
    assert ada != named_as("pseudonym", "grace", KEY)
    assert ada != named_as("pseudonym", "ada", b"another")
    assert "ada" not in ada.lower().removeprefix("user-")


def test_a_login_is_shown_as_it_is_and_off_is_nothing() -> None:
    assert named_as("login", "Ada", KEY) == "Ada"
    assert named_as("off", "Ada", KEY) == ""


@pytest.mark.parametrize(
    ("row", "field", "personal"),
    [
        (Subject(subject_type="user", subject_id=7, subject_name="ada", **COUNTS), "subject_name", True),
        (Subject(subject_type="something_new", subject_id=7, subject_name="ada", **COUNTS), "subject_name", True),
        (Subject(subject_type="installation", subject_id=7, subject_name="ada", **COUNTS), "subject_name", False),
        (Actor(actor_type="classic_pat", actor_id=7, actor_name="ada"), "actor_name", True),
        (Actor(actor_type="fine_grained_pat", actor_id=7, actor_name="ada"), "actor_name", True),
        (Actor(actor_type="personal_token_v9", actor_id=7, actor_name="ada"), "actor_name", True),
        (Actor(actor_type="oauth_app", actor_id=7, actor_name="ada"), "actor_name", False),
        (Actor(actor_type="installation", actor_id=7, actor_name="ada"), "actor_name", False),
    ],
)
def test_people_and_the_tokens_that_they_named_are_hidden_and_apps_are_not(
    row: Subject | Actor, field: str, personal: bool
) -> None:
    hidden = named(Fetched((row,), 3, 5.0), lambda name: f"<{name}>")
    assert getattr(hidden.rows[0], field) == ("<ada>" if personal else "ada")
    assert (hidden.rejected, hidden.data_time) == (3, 5.0)


def test_who_has_no_name_gets_none() -> None:
    row = Subject(subject_type="user", subject_id=7, **COUNTS)
    assert named(Fetched((row,)), lambda name: f"<{name}>").rows == (row,)
