"""Anchors, folds and gaps, as tables of (state, now)."""

import pytest

from exporter.counting.windows import Fold, Windows, anchor_after_gap, first_anchor, fold_due
from exporter.instants import DAY, HOUR

WINDOWS = Windows()
NOON = 20_000 * DAY + 12 * HOUR


@pytest.mark.parametrize(
    ("now", "anchor"),
    [(NOON, NOON - DAY), (NOON + 1, NOON - DAY), (NOON + HOUR - 1, NOON - DAY), (NOON + HOUR, NOON - DAY + HOUR)],
)
def test_a_new_source_begins_on_the_whole_hour_a_day_ago(now: int, anchor: int) -> None:
    assert first_anchor(WINDOWS, now) == anchor


def test_a_window_of_exactly_ten_days_is_not_folded() -> None:
    assert fold_due(WINDOWS, NOON - 10 * DAY, NOON) is None


def test_a_longer_window_is_folded_at_72_and_48_whole_hours_ago() -> None:
    now = NOON + 17 * 60 + 5
    assert fold_due(WINDOWS, NOON - 10 * DAY, now) == Fold(NOON - 10 * DAY, NOON - 72 * HOUR, NOON - 48 * HOUR)


@pytest.mark.parametrize(
    ("anchor", "read_at", "after"),
    [
        pytest.param(NOON - 31 * DAY + 2 * HOUR, NOON - 60, None, id="still inside GitHub's memory"),
        pytest.param(
            NOON - 31 * DAY + 2 * HOUR - 1, NOON - 60, NOON, id="recently read: from the next whole hour, maybe ahead"
        ),
        pytest.param(
            NOON - 40 * DAY, NOON - 39 * DAY, NOON - 31 * DAY + 2 * HOUR, id="long away: what GitHub still has"
        ),
        pytest.param(
            NOON - 40 * DAY, NOON - 20 * DAY, NOON - 20 * DAY, id="read on a whole hour: nothing between is lost"
        ),
        pytest.param(NOON - 40 * DAY, NOON - 20 * DAY + 1, NOON - 20 * DAY + HOUR, id="else from the next whole hour"),
    ],
)
def test_a_gap_moves_the_anchor_to_a_whole_hour(anchor: int, read_at: int, after: int | None) -> None:
    assert anchor_after_gap(WINDOWS, anchor, read_at, NOON) == after
