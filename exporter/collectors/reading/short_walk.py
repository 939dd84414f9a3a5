"""Reads the rows of a list that have changed, where GitHub's sums prove that no other row has.

`counting/short_walks.py` has the rule.
"""

from contextlib import aclosing
from dataclasses import dataclass, field

from exporter import worker
from exporter.collectors.reading.pages import ListSums, read_pages
from exporter.collectors.reading.unknown_fields import UnknownFields
from exporter.collectors.reading.values import identity_of
from exporter.counting.keys import Identity, Numbers
from exporter.counting.short_walks import KnownList, Walk
from exporter.counting.walks import counts_of
from exporter.fetching import Api, Fetched
from exporter.tables import Row, Table


@dataclass(slots=True)
class ShortWalk:
    """One short walk; `seen` are the rows that were read, by identity."""

    api: Api
    path: str
    params: dict[str, str | int]
    table: Table
    sums: ListSums
    known: KnownList
    seen: dict[Identity, Row] = field(default_factory=dict)
    unknown: UnknownFields = field(default_factory=UnknownFields)
    pages: int = 0

    async def is_proven(self) -> bool:
        """Read pages until GitHub's sums prove all other rows unchanged; False if too many pages prove nothing.

        If the rows exceed the sums, more has become visible since GitHub gave them, and they are fetched again. If then
        they exceed the rows, the walk begins again: what became visible meanwhile stands on its first page.
        """
        github = await self.sums.fetch_or_none()
        ours: Numbers | None = self.known.sums
        while github is not None:
            if ours == github:
                return True
            if self.pages >= self.known.most_pages:
                return False
            ours = await self._read(github)
            if ours is None or not _reaches(ours, github):
                return False
            if ours != github:
                github = await self.sums.fetch_or_none()
        return False

    def fetched(self) -> Fetched:
        """The rows that were read; all others are unchanged."""
        unseen = self.known.without(self.seen.keys())
        walk = Walk(self.pages + len(self.sums.answers), unseen)
        return Fetched(tuple(self.seen.values()), unknown=self.unknown, walk=walk)

    async def _read(self, github: Numbers) -> Numbers | None:
        """Read pages until the sums reach GitHub's; returns them. None if a row cannot be read."""
        params = {
            **self.params,
            "sort": str(self.table.last_seen),
            "direction": "desc",
            "per_page": self.known.page_size,
        }
        ours = self.known.sums
        async with aclosing(read_pages(self.api, self.path, params, self.table, self.unknown)) as pages:
            async for rows, unreadable in pages:
                self.pages += 1
                if unreadable:
                    return None
                ours = await worker.run(self._add, rows)
                if _reaches(ours, github) or self.pages >= self.known.most_pages:
                    break
        return ours

    def _add(self, rows: list[Row]) -> Numbers:
        """Add rows; returns the sums of the list if the rows that were not read are unchanged."""
        self.seen.update((identity_of(self.table, row), row) for row in rows)
        return self.known.sums_with({identity: counts_of(self.table, row) for identity, row in self.seen.items()})


def _reaches(ours: Numbers, github: Numbers) -> bool:
    """Whether the sums are GitHub's, or one is larger."""
    return ours == github or any(own > shown for own, shown in zip(ours, github, strict=True))
