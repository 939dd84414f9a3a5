"""Walks over lists of many pages, each row read once although rows may move between pages."""

from dataclasses import replace

from exporter import worker
from exporter.catalogue import PAGE_SIZE
from exporter.collectors.reading.pages import ListSums, read_pages
from exporter.collectors.reading.short_walk import ShortWalk
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.counting.short_walks import Walk
from exporter.counting.walks import RowSet, row_set, sums_of, unite
from exporter.errors import Invalid
from exporter.fetching import Api, Fetched
from exporter.tables import Row, Table

SMALLER_PAGE = 70
"""Page size of a third walk, whose pages end at other rows: rows of one name that were on two pages are now on one."""


async def walk(
    api: Api, path: str, params: dict[str, str | int], table: Table, sums: ListSums | None = None
) -> Fetched:
    """Read a list, each row once. `params` sort it by a field that does not change between pages.

    If it is known how the list was, only its newest rows are read, where `sums` prove that the others are unchanged.
    Otherwise all pages are read.
    """
    if sums is None or sums.known is None or not sums.known.most_pages:
        return await _walk_whole(api, path, params, table, sums)
    short = ShortWalk(api, path, params, table, sums, sums.known)
    if await short.is_proven():
        return await worker.run(short.fetched)
    del sums.answers[:-1]
    fetched = await _walk_whole(api, path, params, table, sums)
    return replace(fetched, walk=fetched.walk and replace(fetched.walk, short_failed=True))


async def _walk_whole(
    api: Api, path: str, params: dict[str, str | int], table: Table, sums: ListSums | None
) -> Fetched:
    """Read all pages of a list.

    A walk without repeated rows is complete. After one with repeated rows the list is read in the opposite direction.
    If rows repeat there too, both walks are united and compared with `sums`, or, where GitHub shows no sums (a filter
    narrows the list), with the length of the list. If they do not agree, a third walk with smaller pages is added and
    compared. Raises `Invalid` if that does not agree either: a row counted twice would stay in a counter for ever.
    """
    unknown = UnknownFields()
    pages = 0

    async def walk_pages(direction: str, size: int) -> RowSet:
        nonlocal pages
        unknown.clear()  # each walk reads the same fields
        rows, count = await _walk_once(api, path, {**params, "direction": direction, "per_page": size}, table, unknown)
        pages += count
        return rows

    def fetched(rows: RowSet) -> Fetched:
        requests = pages + (len(sums.answers) if sums else 0)
        return Fetched(tuple(rows.rows.values()), rows.rejected, unknown=unknown, walk=Walk(requests))

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


async def _walk_once(
    api: Api, path: str, params: dict[str, str | int], table: Table, unknown: UnknownFields
) -> tuple[RowSet, int]:
    """The rows of one walk, and how many pages it had."""
    rows: list[Row] = []
    rejected = pages = 0
    async for page, unreadable in read_pages(api, path, params, table, unknown):
        rows += page
        rejected += unreadable
        pages += 1
    return await worker.run(row_set, table, rows, rejected), pages


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
