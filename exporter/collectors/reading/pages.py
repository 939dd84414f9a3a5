"""Walks over lists of many pages, each row read once although rows may move between pages; and query parameters."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from sys import getsizeof

from exporter import worker
from exporter.catalogue import PAGE_SIZE
from exporter.collectors.reading.rows import decode_list
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.counting.keys import Numbers
from exporter.counting.walks import RowSet, row_set, sums_of, unite
from exporter.errors import CredentialRejected, GitHubError, Invalid
from exporter.fetching import Api, Ask, Fetched
from exporter.instants import utc_time
from exporter.tables import Row, Table

SMALLER_PAGE = 70
"""Page size of a third walk, whose pages end at other rows: rows of one name that were on two pages are now on one."""

MOST_LISTED_ROWS = 1_000 * PAGE_SIZE
MOST_BYTES = 40 * 1024 * 1024
"""Bounds of a list: its rows, and the bytes of its pages (of the bodies, or of their texts in memory if more)."""


def window_params(ask: Ask) -> dict[str, str | int]:
    """The window as query parameters. Both bounds are always sent: GitHub's default of `max_timestamp` is unclear."""
    return {"min_timestamp": utc_time(ask.start), "max_timestamp": utc_time(ask.end)}


def subject_path(ask: Ask) -> str:
    """The end of a path about a user or an actor: `/users/7`, `/installation/954453`; empty for the whole target."""
    kind = ("users",) if len(ask.subject) == 1 else ()
    return "".join(f"/{part}" for part in (*kind, *ask.subject))


@dataclass(slots=True)
class ListSums:
    """GitHub's own sums over all rows of a list, which prove a walk complete: the results of `fetch`, the newest last.

    Sums that were fetched before the walk are a proof, too, because the next read counts what this one misses. For a
    `fold` they are not: what it misses is lost, so the sums must be fetched after the walk.
    """

    fetch: Callable[[], Awaitable[Numbers]]
    fold: bool = False
    answers: list[Numbers] = field(default_factory=list)

    async def fetch_or_none(self) -> Numbers | None:
        """Fetch the sums for an optional comparison; None if GitHub does not give them."""
        try:
            self.answers.append(await self.fetch())
        except CredentialRejected:  # all jobs of the credential must be paused
            raise
        except GitHubError:
            return None
        return self.answers[-1]

    async def agree_with(self, sums: Numbers) -> bool:
        """Whether GitHub's sums are these; fetches them again unless an earlier result is equal."""
        if not self.fold and sums in self.answers:
            return True
        self.answers.append(await self.fetch())
        return sums == self.answers[-1]


async def walk(
    api: Api, path: str, params: dict[str, str | int], table: Table, sums: ListSums | None = None
) -> Fetched:
    """Read all pages of a list, each row once. `params` sort it by a field that does not change between pages.

    A walk without repeated rows is complete. After one with repeated rows the list is read in the opposite direction.
    If rows repeat there too, both walks are united and compared with `sums`, or, where GitHub shows no sums (a filter
    narrows the list), with the length of the list. If they do not agree, a third walk with smaller pages is added and
    compared. Raises `Invalid` if that does not agree either: a row counted twice would stay in a counter for ever.
    """
    unknown = UnknownFields()

    async def walk_pages(direction: str, size: int) -> RowSet:
        unknown.clear()  # each walk reads the same fields
        return await _walk_once(api, path, {**params, "direction": direction, "per_page": size}, table, unknown)

    def fetched(rows: RowSet) -> Fetched:
        return Fetched(tuple(rows.rows.values()), rows.rejected, unknown=unknown)

    rows = await walk_pages("asc", PAGE_SIZE)
    if rows.complete:
        return fetched(rows)
    again = await walk_pages("desc", PAGE_SIZE)
    if again.complete:
        return fetched(again)
    rows = await worker.run(unite, table, rows, again)
    if await _is_proven(rows, table, sums):
        return fetched(rows)
    del again  # free the memory of a long list
    rows = await worker.run(unite, table, rows, await walk_pages("asc", SMALLER_PAGE))
    if await _is_proven(rows, table, sums):
        return fetched(rows)
    raise Invalid(f"{path}: {_disagreement(rows, table, sums)}")


async def _is_proven(rows: RowSet, table: Table, sums: ListSums | None) -> bool:
    if sums is None:
        return rows.complete
    return await sums.agree_with(await worker.run(sums_of, table, rows))


async def _walk_once(api: Api, path: str, params: dict[str, str | int], table: Table, unknown: UnknownFields) -> RowSet:
    rows: list[Row] = []
    rejected = size = 0
    async for reply in api.pages(path, params):
        page, unreadable = await worker.run(decode_list, table.row, reply.body, unknown)
        rows += page
        rejected += unreadable
        size += max(len(reply.body), await worker.run(_size_of_texts, page))
        if len(rows) > MOST_LISTED_ROWS or size > MOST_BYTES:
            raise Invalid(f"{path}: more than {MOST_LISTED_ROWS} rows, or than {MOST_BYTES} bytes")
    return await worker.run(row_set, table, rows, rejected)


def _size_of_texts(rows: Iterable[Row]) -> int:
    """The bytes of the rows' texts in memory; one character beyond the BMP makes a text four times as large."""
    return sum(getsizeof(value) for row in rows for value in row.__dict__.values() if isinstance(value, str))


def _disagreement(rows: RowSet, table: Table, sums: ListSums | None) -> str:
    """The sums of three walks, and those of GitHub."""
    unreadable = f"; rows that could not be read: {rows.rejected}" if rows.rejected else ""
    count = len(rows.rows)
    if sums is None:
        first, second, third = rows.lengths
        return (
            f"rows moved between pages: three walks read {first}, {second} and {third} rows, of which {count} differ"
            f"{unreadable}"
        )
    (total, limited), (github_total, github_limited) = sums_of(table, rows), sums.answers[-1]
    return (
        f"three walks do not agree with summary-stats: {count} rows have {total} requests, {limited} of them "
        f"rate-limited; summary-stats shows {github_total} and {github_limited}{unreadable}"
    )
