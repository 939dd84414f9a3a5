"""Several walks over the pages of one list become one complete read. Pure.

Rows with equal sort keys have no fixed order: of thirty deleted users that are all named `ghost`, each reply may put
others on the first page. Rows also move while the pages are read. All pages together hold as many rows as the list has,
so a walk without repeated rows is complete, and for each repeated row another one is missing. Then walks over the same
window are united until GitHub's sums, or the length of the list, prove that no row is missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.counting.keys import Numbers
from exporter.tables import Row, Table

RowIdentity = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class RowSet:
    """The rows of one walk or of several: each identity once, with its larger counts.

    `lengths` says how many rows each walk read, repeated ones included; `rejected` how many more could not be read.
    """

    rows: Mapping[RowIdentity, Row]
    lengths: tuple[int, ...]
    rejected: int

    @property
    def complete(self) -> bool:
        """Whether each walk read as many rows as there are identities, so that none is missing.

        A row that cannot be read may be a repeated one. If there was any, the lengths of several walks prove nothing.
        """
        comparable = len(self.lengths) == 1 or not self.rejected
        return comparable and all(length == len(self.rows) for length in self.lengths)


def row_set(table: Table, rows: Iterable[Row], rejected: int) -> RowSet:
    """One walk, from the rows of all its pages."""
    length, larger = 0, dict[RowIdentity, Row]()
    for row in rows:
        length += 1
        _keep_larger(table, larger, row)
    return RowSet(larger, (length,), rejected)


def unite(table: Table, earlier: RowSet, later: RowSet) -> RowSet:
    """The rows of both walks; where counts are equal, the row of the later walk, whose name is newer."""
    larger = dict(earlier.rows)
    for row in later.rows.values():
        _keep_larger(table, larger, row)
    return RowSet(larger, earlier.lengths + later.lengths, max(earlier.rejected, later.rejected))


def sums_of(table: Table, rows: RowSet) -> Numbers:
    """The sum of each count over all rows."""
    return tuple(sum(getattr(row, family.field) for row in rows.rows.values()) for family in table.counters)


def _keep_larger(table: Table, rows: dict[RowIdentity, Row], row: Row) -> None:
    identity = tuple(getattr(row, label) for label in table.identity)
    other = rows.get(identity)
    if other is None or counts_of(table, row) >= counts_of(table, other):
        rows[identity] = row


def counts_of(table: Table, row: Row) -> Numbers:
    """The counts of a row, in the order of the table's counters."""
    return tuple(getattr(row, family.field) for family in table.counters)
