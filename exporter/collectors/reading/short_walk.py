"""Reads the rows of a list that have changed, where GitHub's sums prove that no other row has.

`counting/short_walks.py` has the rule.
"""

from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass, field

from exporter import worker
from exporter.collectors.reading.pages import ListSums, read_pages
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.reading.values import identity_of
from exporter.counting.keys import Identity, Numbers
from exporter.counting.short_walks import KnownList, Walk
from exporter.counting.walks import counts_of
from exporter.errors import CredentialRejected, GitHubError, RateLimited
from exporter.fetching import Api, Fetched
from exporter.tables import Row, Table


@dataclass(slots=True)
class ShortWalk:
    """One short walk.

    `seen` are the rows that were read, by identity; `ours` the sums of the list if all other rows are unchanged.
    """

    api: Api
    path: str
    params: dict[str, str | int]
    table: Table
    sums: ListSums
    known: KnownList
    seen: dict[Identity, Row] = field(default_factory=dict)
    unknown: UnknownFields = field(default_factory=UnknownFields)
    pages: int = 0
    ours: Numbers = field(init=False)

    def __post_init__(self) -> None:
        self.ours = self.known.sums

    async def is_proven(self) -> bool:
        """Read pages until GitHub's sums prove all other rows unchanged; False if too many pages prove nothing.

        A failure proves nothing, too: a whole walk may succeed, because it reads the list in another order.
        """
        try:
            return await self._is_proven()
        except (CredentialRejected, RateLimited):
            raise
        except GitHubError:
            return False

    async def _is_proven(self) -> bool:
        """Whether the walk proves all other rows unchanged.

        If the rows exceed the sums, more has become visible since GitHub gave them, and they are fetched again. If then
        they exceed the rows, the walk begins again: what became visible meanwhile stands on its first page. If the rows
        still exceed the sums, GitHub revised another row downward, which only a whole walk finds.
        """
        github = await self.sums.fetch_or_none()
        while github is not None:
            if self.ours == github:
                return True
            if self.pages >= self.known.most_pages or not await self._reads_up_to(github):
                return False
            if self.ours != github:
                github = await self.sums.fetch_or_none()
                if github is None or _exceeds(self.ours, github):
                    return False
        return False

    def fetched(self) -> Fetched:
        """The rows that were read; all others are unchanged."""
        unseen = self.known.without(self.seen.keys())
        walk = Walk(self.pages + len(self.sums.answers), unseen)
        return Fetched(tuple(self.seen.values()), unknown=self.unknown, walk=walk)

    async def _reads_up_to(self, github: Numbers) -> bool:
        """Read pages until the sums reach GitHub's; False if they do not, or if a row cannot be read."""
        params = {
            **self.params,
            "sort": str(self.table.last_seen),
            "direction": "desc",
            "per_page": self.known.page_size,
        }
        async with aclosing(read_pages(self.api, self.path, params, self.table, self.unknown)) as pages:
            async for rows, unreadable in pages:
                self.pages += 1
                if unreadable:
                    return False
                await worker.run(self._add, rows)
                if self.ours == github or _exceeds(self.ours, github):
                    return True
                if self.pages >= self.known.most_pages:
                    return False
        return False

    def _add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            identity = identity_of(self.table, row)
            earlier = self.seen.get(identity)
            old = counts_of(self.table, earlier) if earlier else self.known.numbers_of(identity)
            parts = zip(self.ours, counts_of(self.table, row), old, strict=True)
            self.ours = tuple(total + new - before for total, new, before in parts)
            self.seen[identity] = row


def _exceeds(ours: Numbers, github: Numbers) -> bool:
    """Whether one of the sums is larger than GitHub's."""
    return any(own > shown for own, shown in zip(ours, github, strict=True))
