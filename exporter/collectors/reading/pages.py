"""The pages of a list, GitHub's sums over all of its rows, and query parameters."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from sys import getsizeof

from exporter import worker
from exporter.catalogue import PAGE_SIZE
from exporter.collectors.reading.rows import decode_list
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.counting.keys import Numbers
from exporter.counting.short_walks import KnownList
from exporter.errors import CredentialRejected, GitHubError, Invalid
from exporter.fetching import Api, Ask
from exporter.instants import utc_time
from exporter.tables import Row, Table

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
    `fold` they are not: what it misses is lost, so the sums must be fetched after the walk. `known` is the list as it
    was read last, if a short walk may be tried.
    """

    fetch: Callable[[], Awaitable[Numbers]]
    fold: bool = False
    known: KnownList | None = None
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


async def read_pages(
    api: Api, path: str, params: dict[str, str | int], table: Table, unknown: UnknownFields
) -> AsyncGenerator[tuple[list[Row], int]]:
    """The pages of a list: their rows, and how many rows could not be read. Raises `Invalid` for too long a list."""
    count = size = 0
    async with aclosing(api.pages(path, params)) as replies:
        async for reply in replies:
            page, unreadable = await worker.run(decode_list, table.row, reply.body, unknown)
            count += len(page)
            size += max(len(reply.body), await worker.run(_size_of_texts, page))
            if count > MOST_LISTED_ROWS or size > MOST_BYTES:
                raise Invalid(f"{path}: more than {MOST_LISTED_ROWS} rows, or than {MOST_BYTES} bytes")
            yield page, unreadable


def _size_of_texts(rows: Iterable[Row]) -> int:
    """The bytes of the rows' texts in memory; one character beyond the BMP makes a text four times as large."""
    return sum(getsizeof(value) for row in rows for value in row.__dict__.values() if isinstance(value, str))
