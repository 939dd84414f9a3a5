"""The fault matrix: whatever happens, what is promised holds. docs/reliability.md shows it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.system.faults.answers import ANSWERS
from tests.system.faults.clients import CLIENTS
from tests.system.faults.elsewhere import ELSEWHERE, Proof
from tests.system.faults.network import NETWORK
from tests.system.faults.operators import OPERATORS
from tests.system.faults.process import PROCESS
from tests.system.faults.report import with_table
from tests.system.faults.row import Row
from tests.system.faults.verdicts import Verdicts, run

ROOT = Path(__file__).parents[3]
TOGETHER = {"GitHub": ANSWERS, "network": NETWORK, "operators": OPERATORS, "clients": CLIENTS}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("rows", TOGETHER.values(), ids=TOGETHER)
def test_faults_at_the_same_time(rows: Sequence[Row], tmp_path: Path) -> None:
    """Each happens to an organization of its own, so none may touch another."""
    assert_all_held(run(rows, tmp_path))


@pytest.mark.parametrize("row", PROCESS, ids=lambda row: row.name)
def test_a_fault_of_the_process(row: Row, tmp_path: Path) -> None:
    assert_all_held(run([row], tmp_path))


def test_the_page_has_the_table_of_today() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    assert with_table(page) == page, "run `make docs`"


@pytest.mark.parametrize("proof", ELSEWHERE, ids=lambda proof: proof.fault)
def test_what_is_proved_elsewhere_has_its_test(proof: Proof) -> None:
    file, _, name = proof.test.partition("::")
    assert f"def {name or 'test_'}" in (ROOT / file).read_text()


def assert_all_held(found: Mapping[str, Verdicts]) -> None:
    wrong = {name: {column: what for column, what in verdicts.items() if what} for name, verdicts in found.items()}
    wrong = {name: verdicts for name, verdicts in wrong.items() if verdicts}
    assert not wrong, json.dumps(wrong, indent=1)
