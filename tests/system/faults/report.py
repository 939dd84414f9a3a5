"""The matrix and its guards as tables: `python -m tests.system.faults.report docs/reliability.md`."""

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.system.faults.answers import ANSWERS
from tests.system.faults.clients import CLIENTS
from tests.system.faults.elsewhere import ELSEWHERE
from tests.system.faults.guards import GUARDS, Guard
from tests.system.faults.network import NETWORK
from tests.system.faults.operators import OPERATORS
from tests.system.faults.process import PROCESS
from tests.system.faults.row import COLUMNS, Column, Row

ROWS = (*ANSWERS, *NETWORK, *OPERATORS, *CLIENTS, *PROCESS)
BEGIN, END = "<!-- fault matrix: made by `make docs` -->", "<!-- end of the fault matrix -->"
GUARDS_BEGIN, GUARDS_END = "<!-- guards: made by `make docs` -->", "<!-- end of the guards -->"


def judged(row: Row) -> set[Column]:
    """The invariants that are checked while this fault lasts, and after it."""
    no_ages = row.stops or row.actor == "clock"
    return set(COLUMNS) - ({"last figures"} if no_ages else set())


def lines() -> Iterator[str]:
    """The section between its marks."""
    yield BEGIN
    yield ""
    for column, meaning in COLUMNS.items():
        yield f"- **{column}**: {meaning}."
    yield ""
    yield f"| who | fault | counted as | {' | '.join(COLUMNS)} |"
    yield f"|---|---|---|{'---|' * len(COLUMNS)}"
    for row in ROWS:
        verdicts = ["✓" if column in judged(row) else "" for column in COLUMNS]
        yield f"| {row.actor} | {row.name} | {row.reason or ''} | {' | '.join(verdicts)} |"
    yield ""
    yield "These need more than one exporter, or another command, and have tests of their own:"
    yield ""
    yield "| fault | what holds | test |"
    yield "|---|---|---|"
    for proof in ELSEWHERE:
        yield f"| {proof.fault} | {proof.holds} | `{proof.test}` |"
    yield ""
    yield END


def guard_lines() -> Iterator[str]:
    """The section of the guards between its marks."""
    yield GUARDS_BEGIN
    yield ""
    yield "| guard | where it was removed | rows that failed |"
    yield "|---|---|---|"
    for guard in GUARDS:
        yield f"| {guard.what} | {_places(guard)} | {'; '.join(guard.rows)} |"
    yield ""
    yield GUARDS_END


def _places(guard: Guard) -> str:
    files = dict.fromkeys(edit.file.removeprefix("exporter/") for edit in guard.edits)
    return ", ".join(f"`{file}`" for file in files) or f"not removed: {guard.library}"


def with_table(text: str) -> str:
    """The page with the tables of today."""
    for begin, end, new in ((BEGIN, END, lines()), (GUARDS_BEGIN, GUARDS_END, guard_lines())):
        before, _, rest = text.partition(begin)
        text = before + "\n".join(new) + rest.partition(end)[2]
    return text


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(with_table(page.read_text()))
