"""The rules of counting that a table tells best; `test_exactness.py` proves them together."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from exporter.counting.counters import absorb, release, restart_series
from exporter.counting.folds import fold, settled_rows, skip_gap
from exporter.counting.keys import CountedRow, Counting, Numbers, Read, Rules

HOUR = 3600
FORGET = 31 * 24 * HOUR
ROOMY = Rules(max_series=10, forget_after=FORGET)


def read(end: int, rows: Mapping[str, Numbers], *, strict: bool = True, start: int = 0, **names: str) -> Read:
    """A read with rows by key; `names` renames."""
    seen: dict[tuple[str, ...], CountedRow] = {
        (key,): CountedRow((key, names.get(key, f"name of {key}")), numbers, 0.0) for key, numbers in rows.items()
    }
    return Read(start, end, seen, strict)


def take(before: Counting | None, *reads: Read, rules: Rules = ROOMY, version: int = 1) -> Counting:
    """Absorb reads one after another and let all series go after each."""
    for step, one in enumerate(reads):
        before, _ = absorb(before, one, 1, version + step, rules)
        before = release(before, (version + step,))
    assert before is not None
    return before


def shown(counting: Counting) -> dict[str, int]:
    """The series as a scrape sees them, by key."""
    series = {labels[0]: values[0] for labels, values in counting.series()}
    if counting.other_new_since is not None:
        series["other"] = counting.other[0]
    return series


def test_every_counter_begins_at_zero_and_counts_what_becomes_visible_from_then_on() -> None:
    first = take(None, read(100, {"a": (40,)}))
    assert shown(first) == {"a": 0}
    assert shown(take(first, read(200, {"a": (47,)}))) == {"a": 7}


def test_a_subject_that_appears_later_first_shows_zero_and_moves_when_it_was_scraped() -> None:
    first = take(None, read(100, {"a": (40,)}))
    born, _ = absorb(first, read(200, {"a": (40,), "b": (5,)}), 1, 2, ROOMY)
    assert shown(born) == {"a": 0, "b": 0}
    assert release(born, (1,)) is born
    assert shown(release(born, (2,))) == {"a": 0, "b": 5}


def test_a_downward_revision_is_held_and_counted_once() -> None:
    high = take(None, read(100, {"a": (0,), "b": (1,)}), read(200, {"a": (50,), "b": (1,)}))
    low, revisions = absorb(high, read(300, {"a": (45,), "b": (1,)}), 1, 9, ROOMY)
    assert (shown(low)["a"], revisions) == (50, 1)
    again, revisions = absorb(low, read(400, {"a": (45,), "b": (1,)}), 1, 10, ROOMY)
    assert (shown(again)["a"], revisions) == (50, 0)
    assert shown(take(again, read(500, {"a": (53,), "b": (1,)})))["a"] == 53


def test_a_rename_is_a_return_with_the_value_it_had() -> None:
    before = take(None, read(100, {"a": (1,)}), read(200, {"a": (11,)}))
    renamed, _ = absorb(before, read(300, {"a": (15,)}, a="new name"), 1, 5, ROOMY)
    assert list(renamed.series()) == [(("a", "new name"), (10,))]
    assert list(release(renamed, (5,)).series()) == [(("a", "new name"), (14,))]


@pytest.mark.parametrize("rules", [replace(ROOMY, all_scraped=False), replace(ROOMY, writable=False)])
def test_a_rename_waits_until_the_old_series_was_scraped_and_state_can_be_written(rules: Rules) -> None:
    before = take(None, read(100, {"a": (1,)}), read(200, {"a": (11,)}))
    kept, _ = absorb(before, read(300, {"a": (15,)}, a="new name"), 1, 5, rules)
    assert list(kept.series()) == [(("a", "name of a"), (14,))]


@pytest.mark.parametrize(
    ("name", "rules", "at_once"),
    [
        ("", replace(ROOMY, all_scraped=False, names_changed=True), True),
        ("name of an app", replace(ROOMY, all_scraped=False, names_changed=True), False),
        ("", replace(ROOMY, all_scraped=False), False),
    ],
)
def test_who_is_without_a_name_after_a_change_of_privacy_has_it_with_the_next_read(
    name: str, rules: Rules, at_once: bool
) -> None:
    """Others wait for a scrape: their last rise may not have been taken along yet."""
    before = restart_series(take(None, read(100, {"a": (1,)}, a=name), read(200, {"a": (11,)}, a=name)), 4)
    renamed, _ = absorb(before, read(300, {"a": (15,)}, a="new name"), 1, 5, rules)
    assert list(renamed.series()) == [(("a", "new name" if at_once else name), (10,))]


def test_a_name_that_came_at_once_is_a_return() -> None:
    before = restart_series(take(None, read(100, {"a": (1,)}, a=""), read(200, {"a": (11,)}, a="")), 4)
    renamed, _ = absorb(before, read(300, {"a": (15,)}, a="new name"), 1, 5, replace(ROOMY, names_changed=True))
    assert list(renamed.series()) == [(("a", "new name"), (10,))]
    assert list(release(renamed, (4,)).series()) == [(("a", "new name"), (10,))]
    assert list(release(renamed, (5,)).series()) == [(("a", "new name"), (14,))]


def test_the_busiest_are_shown_and_the_rest_is_summed_as_other() -> None:
    rules = replace(ROOMY, max_series=2)
    first = take(None, read(100, {"a": (10,), "b": (30,), "c": (20,), "d": (1,)}), rules=rules)
    assert shown(first) == {"b": 0, "c": 0, "other": 0}
    assert first.hidden == 2
    later = take(first, read(200, {"a": (15,), "b": (30,), "c": (21,), "d": (3,)}), rules=rules, version=2)
    assert shown(later) == {"b": 0, "c": 1, "other": 7}


def test_a_newcomer_takes_a_place_only_when_it_clearly_and_lastingly_has_more() -> None:
    rules = replace(ROOMY, max_series=1)
    start = take(None, read(100, {"a": (10,), "b": (1,)}), rules=rules)
    barely = take(start, *(read(200 + i, {"a": (10,), "b": (14,)}) for i in range(9)), rules=rules, version=2)
    assert set(shown(barely)) == {"a", "other"}
    twice = take(barely, *(read(300 + i, {"a": (10,), "b": (16,)}) for i in range(2)), rules=rules, version=20)
    assert set(shown(twice)) == {"a", "other"}
    thrice = take(twice, read(400, {"a": (10,), "b": (16,)}), rules=rules, version=30)
    assert shown(thrice) == {"b": 0, "other": 15}


def test_promotion_and_demotion_move_no_number() -> None:
    rules = replace(ROOMY, max_series=1)
    at = take(None, read(100, {"a": (10,), "b": (1,)}), rules=rules)
    at = take(at, *(read(200 + i, {"a": (12,), "b": (40,)}) for i in range(3)), rules=rules, version=2)
    assert shown(at) == {"b": 0, "other": 39}
    at = take(at, read(300, {"a": (15,), "b": (41,)}), rules=rules, version=9)
    assert shown(at) == {"b": 1, "other": 42}
    assert {key[0]: (known.counts[0].published, known.counts[0].own) for key, known in at.keys.items()} == {
        "a": (5, 2),
        "b": (40, 1),
    }


def test_the_shape_changes_when_series_come_go_or_are_renamed_and_never_else() -> None:
    rules = replace(ROOMY, max_series=2)
    at = take(None, read(100, {"a": (10,), "b": (5,)}), rules=rules)
    shapes = [at.shape]
    for version, (rows, places, name) in enumerate(
        [
            ({"a": (12,), "b": (40,)}, 2, "name of a"),  # the order of who is shown stays
            ({"a": (12,), "b": (40,)}, 2, "another"),
            ({"a": (12,), "b": (40,), "c": (1,)}, 2, "another"),  # `other` comes
            ({"a": (12,), "b": (41,), "c": (30,)}, 2, "another"),  # c outgrows a: once, twice …
            ({"a": (12,), "b": (41,), "c": (30,)}, 2, "another"),
            ({"a": (12,), "b": (41,), "c": (30,)}, 2, "another"),
            ({"a": (12,), "b": (41,), "c": (30,)}, 2, "a hidden one"),
            ({"a": (12,), "b": (41,), "c": (30,)}, 1, "a hidden one"),  # fewer places
        ],
        start=2,
    ):
        at = take(at, read(100 * version, rows, a=name), rules=replace(rules, max_series=places), version=version)
        shapes.append(at.shape)
    assert shapes == [1, 1, 3, 4, 4, 4, 7, 7, 9]


def test_nothing_is_promoted_and_newborns_stay_at_zero_while_state_cannot_be_written() -> None:
    stuck = replace(ROOMY, max_series=1, writable=False)
    at = take(None, read(100, {"a": (10,)}), rules=replace(ROOMY, max_series=1))
    for version in range(2, 8):
        at, _ = absorb(at, read(100 * version, {"a": (11,), "b": (90,)}), 1, version, stuck)
        at = release(at, (version,), unpublished=False)
    assert shown(at) == {"a": 0, "other": 0}


def test_known_counters_go_on_while_state_cannot_be_written() -> None:
    at = take(None, read(100, {"a": (10,)}), read(200, {"a": (12,)}))
    at, _ = absorb(at, read(300, {"a": (19,)}), 1, 5, replace(ROOMY, writable=False))
    assert shown(at) == {"a": 9}


def test_a_key_without_requests_for_31_days_is_withdrawn_and_forgotten() -> None:
    at = take(None, read(100, {"a": (10,), "b": (1,)}), read(200, {"a": (12,), "b": (2,)}))
    at = fold(at, {("a",): CountedRow(("a", ""), (12,), 0.0)}, 150)
    assert set(shown(take(at, read(200 + FORGET, {"b": (9,)}), version=5))) == {"a", "b"}
    assert set(shown(take(at, read(201 + FORGET, {"b": (9,)}), version=5))) == {"b"}


def test_a_last_request_that_is_still_to_come_keeps_no_key_for_ever() -> None:
    """GitHub may send milliseconds; state of an older version may hold them."""
    rows: dict[tuple[str, ...], CountedRow] = {("a",): CountedRow(("a", ""), (12,), 1.7e12)}
    at, _ = absorb(take(None, read(100, {"b": (1,)})), Read(0, 200, rows), 1, 2, ROOMY)
    at = fold(at, {("a",): CountedRow(("a", ""), (12,), 1.7e12)}, 150)
    assert set(shown(take(at, read(201 + FORGET, {"b": (9,)}), version=5))) == {"b"}


def test_rows_of_zeros_are_as_no_rows_but_a_source_without_labels_begins_at_zero() -> None:
    assert shown(take(None, read(100, {"a": (0,), "b": (1,)}))) == {"b": 0}
    alone, _ = absorb(None, Read(0, 100, {(): CountedRow((), (0,), 0.0)}), 1, 1, ROOMY)
    assert list(alone.series()) == [((), (0,))]


def test_until_a_read_was_strict_a_newcomer_may_be_old_and_begins_at_zero() -> None:
    at = take(None, read(100, {"a": (10,)}, strict=False))
    at = take(at, read(200, {"a": (10,), "b": (500,)}), version=2)
    assert shown(at) == {"a": 0, "b": 0}
    at = take(at, read(300, {"a": (10,), "b": (501,), "c": (3,)}), version=3)
    assert shown(at) == {"a": 0, "b": 1, "c": 3}


def test_after_a_restart_every_series_shows_its_last_value_first() -> None:
    at = restart_series(take(None, read(100, {"a": (1,)}), read(200, {"a": (11,)})), 0)
    at, _ = absorb(at, read(300, {"a": (20,)}), 1, 1, ROOMY)
    assert shown(at) == {"a": 10}
    assert shown(release(at, (0,))) == {"a": 19}


def test_a_gap_loses_what_was_not_visible_but_nothing_that_was_reached() -> None:
    at = take(None, read(100, {"a": (1,)}), read(200, {"a": (11,)}))
    at = skip_gap(at, 5000)
    assert shown(take(at, read(6000, {"a": (4,)}, start=5000), version=4)) == {"a": 14}


WHOLE = {"a": (100,), "b": (5,)}
OPEN = {"a": (60,)}


@pytest.mark.parametrize(
    ("first", "whole", "again", "fresh", "settled"),
    [
        pytest.param(OPEN, WHOLE, OPEN, {"a": (61,)}, {"a": (40,), "b": (5,)}, id="exact difference"),
        pytest.param(OPEN, WHOLE, {"a": (61,)}, {"a": (70,)}, None, id="changed while it was read"),
        pytest.param(OPEN, {"a": (59,)}, OPEN, {"a": (70,)}, None, id="negative"),
        pytest.param(OPEN, {"b": (5,)}, OPEN, {"a": (70,)}, None, id="a row is missing"),
        pytest.param(OPEN, WHOLE, OPEN, OPEN, None, id="nothing newer is visible yet"),
        pytest.param({**OPEN, "b": (0,)}, WHOLE, OPEN, {"c": (1,)}, {"a": (40,), "b": (5,)}, id="zeros are no rows"),
    ],
)
def test_a_fold_settles_only_what_did_not_move(
    first: dict[str, Numbers],
    whole: dict[str, Numbers],
    again: dict[str, Numbers],
    fresh: dict[str, Numbers],
    settled: dict[str, Numbers] | None,
) -> None:
    found = settled_rows(read(2, first), read(2, whole), read(2, again), read(9, fresh))
    assert (None if found is None else {key[0]: row.numbers for key, row in found.items()}) == settled


def test_a_fold_needs_reads_without_a_row_left_out() -> None:
    assert settled_rows(read(2, OPEN), read(2, WHOLE, strict=False), read(2, OPEN), read(9, {"a": (61,)})) is None


def test_a_fold_moves_no_number() -> None:
    at = take(None, read(100, {"a": (10,)}), read(200, {"a": (110,)}))
    at = fold(at, {("a",): CountedRow(("a", ""), (45,), 0.0), ("c",): CountedRow(("c", ""), (7,), 0.0)}, 150)
    assert at.anchor == 150
    at = take(at, read(300, {"a": (70,)}, start=150), version=4)
    assert shown(at) == {"a": 105, "c": 7}
