"""The guards that `unguarded.py` removes are still there, and each row of the matrix has one."""

from pathlib import Path

import pytest

from tests.system.faults.guards import GUARDS, Guard
from tests.system.faults.report import ROWS

ROOT = Path(__file__).parents[3]
NAMES = {row.name for row in ROWS}


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.what)
def test_a_guard_stands_once_in_its_file_or_is_a_librarys(guard: Guard) -> None:
    assert bool(guard.edits) != bool(guard.library)
    for edit in guard.edits:
        assert (ROOT / edit.file).read_text().count(edit.text) == 1, edit


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.what)
def test_a_guard_names_rows_of_the_matrix(guard: Guard) -> None:
    assert guard.rows
    assert set(guard.rows) <= NAMES


def test_each_row_of_the_matrix_has_a_guard() -> None:
    assert {row for guard in GUARDS for row in guard.rows} == NAMES
