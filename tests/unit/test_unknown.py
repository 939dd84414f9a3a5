"""The rule for subjects that GitHub answers with 404: left alone for a day; three in a row are the endpoint."""

import pytest

from exporter.collecting.unknown import ASK_AGAIN_AFTER, UnknownSubjects, explain, is_unknown, load
from exporter.collectors.summary_stats import PERMISSION
from exporter.errors import Forbidden, NotFound, Unavailable
from exporter.github.apps import NotInstalled

NOW, INTERVAL = 1_795_262_400.0, 1800.0


def after(*events: str, every: float = 1.0) -> UnknownSubjects:
    """What is known after subjects were unknown one after another; `ok` is one that GitHub knows."""
    unknown = UnknownSubjects()
    for place, event in enumerate(events):
        unknown = unknown.with_known() if event == "ok" else unknown.with_unknown((event,), NOW + place * every)
    return unknown


@pytest.mark.parametrize(
    ("events", "not_found", "witness"),
    [
        ("", False, ()),
        ("a", False, ()),
        ("a b", False, ()),
        ("a b c", True, (("c",),)),
        ("a b c d", True, (("d",),)),
        ("a b ok c", False, ()),
        ("a b c ok", False, ()),
        ("a b c ok d e", False, ()),
        ("a b c ok d e f", True, (("f",),)),
        ("a a a a", False, ()),  # one watched id that is wrong, day after day
        ("a b a", False, ()),
        ("a b a c", True, (("c",),)),
    ],
)
def test_three_different_subjects_in_a_row_are_the_endpoint(
    events: str, not_found: bool, witness: tuple[tuple[str], ...]
) -> None:
    unknown = after(*events.split())
    assert (unknown.not_found, unknown.witness) == (not_found, witness)


def test_who_is_unknown_is_left_alone_for_a_day_and_no_longer() -> None:
    unknown = after("a", "b")
    assert unknown.next_run(("a",), INTERVAL) == NOW + ASK_AGAIN_AFTER
    assert unknown.next_run(("c",), INTERVAL) == 0
    assert set(unknown.current(NOW + ASK_AGAIN_AFTER - 1).since) == {("a",), ("b",)}
    assert set(unknown.current(NOW + ASK_AGAIN_AFTER).since) == {("b",)}
    assert set(unknown.current(NOW + ASK_AGAIN_AFTER + 1).since) == set()


def test_of_an_endpoint_that_is_not_found_one_other_subject_is_tried_per_interval() -> None:
    unknown = after("a", "b", "c")
    assert unknown.next_run(("d",), INTERVAL) == NOW + 2 + INTERVAL
    assert unknown.next_run(("c",), INTERVAL) == NOW + 2 + ASK_AGAIN_AFTER
    assert unknown.with_unknown(("d",), NOW + 5000).next_run(("e",), INTERVAL) == NOW + 5000 + INTERVAL
    assert unknown.with_known().next_run(("d",), INTERVAL) == 0
    assert unknown.with_known().next_run(("c",), INTERVAL) == NOW + 2 + ASK_AGAIN_AFTER, "who is unknown stays so"


@pytest.mark.parametrize("ahead", [0.0, 1.0, 10 * 86400.0])
def test_what_a_clock_that_was_ahead_saved_is_waited_for_no_longer_than_what_begins_now(ahead: float) -> None:
    now = NOW + 10 - ahead
    unknown = load(after("a", "b", "c").dump()).not_after(now)
    assert unknown.not_found
    assert unknown.next_run(("d",), INTERVAL) <= now + INTERVAL
    assert now < unknown.next_run(("a",), INTERVAL) <= now + ASK_AGAIN_AFTER
    assert unknown.shifted(-60.0).next_run(("d",), INTERVAL) == unknown.next_run(("d",), INTERVAL) - 60


def test_the_state_holds_all_of_it() -> None:
    unknown = UnknownSubjects({("installation", "70"): NOW, ("7",): NOW + 0.5}, (("7",), ("installation", "70")))
    assert load(unknown.dump()) == unknown
    assert load(UnknownSubjects().dump()) == UnknownSubjects()


@pytest.mark.parametrize(
    ("subject", "error", "expected"),
    [
        (("7",), NotFound(""), True),
        ((), NotFound(""), False),
        (("7",), NotInstalled(""), False),
        (("7",), Forbidden(""), False),
        (("7",), Unavailable(""), False),
        (("7",), None, False),
    ],
)
def test_only_a_404_about_a_subject_is_an_unknown_one(
    subject: tuple[str, ...], error: Exception | None, expected: bool
) -> None:
    assert is_unknown(subject, error) is expected


def test_the_operator_is_told_the_permission() -> None:
    error = NotFound("GitHub answers 404")
    explain(error, str(PERMISSION))
    assert str(PERMISSION) in error.hint
    assert "`watch`" in error.hint
