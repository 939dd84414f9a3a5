"""A minute of the soak: every kind of fault at least once. `make soak` is longer, with another order each time."""

from pathlib import Path

import pytest

from tests.soak.lanes import phases
from tests.soak.report import summary
from tests.soak.run import soak

MINUTES, SEED = 1.0, 7
PATIENCE = 20.0
"""Seconds for a scrape. `make soak` allows one; here other tests may have the processors."""


@pytest.mark.timeout(900)
def test_after_a_minute_of_all_faults_every_counter_is_exact(tmp_path: Path) -> None:
    result = soak(tmp_path, MINUTES, SEED, patience=PATIENCE)
    print(*summary(result, SEED, MINUTES), sep="\n")
    assert result.breaches == []
    (phase,) = phases(MINUTES)
    assert set(result.survived) == {name for kinds in phase.lanes().values() for name in kinds}
    assert sum(result.truth.values()) > 0
    assert result.scrapes
