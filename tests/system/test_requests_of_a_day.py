"""What a day of a large organization costs with short walks, folds included, and that every count is the truth."""

import pytest

from tests.support.listing import day


@pytest.mark.parametrize(("share", "most"), [(0.08, 0.15), (0.02, 0.06)])
def test_a_day_of_ten_thousand_subjects_costs_what_their_news_cost(share: float, most: float) -> None:
    requests, whole = day(10_000, share)
    assert requests <= most * whole
