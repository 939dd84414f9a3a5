"""GitHub's API as `plan --live` and `doctor` ask it: of every list the first page only, the busiest rows in front."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

from exporter.github.client import GitHub, Reply
from exporter.github.errors import Refused
from exporter.github.links import page_count

BUSIEST_FIRST: dict[str, str | int] = {"sort": "total_request_count", "direction": "desc"}


class Sampler:
    """The `Api` of one run: what a collector's fetch asks, less the pages behind the first.

    `calls` counts what a whole run would ask, `pages` the longest list.
    """

    def __init__(self, github: GitHub) -> None:
        self._github = github
        self.calls = 0
        self.longest = 1

    @property
    def skew(self) -> float:
        """GitHub's clock less ours, in seconds."""
        return self._github.skew

    def now(self) -> float:
        """GitHub's clock, epoch seconds."""
        return self._github.now()

    async def get(self, path: str, params: dict[str, str | int] | None = None) -> Reply:
        """One answer."""
        self.calls += 1
        return await self._github.get(path, params)

    async def post(self, path: str, content: Mapping[str, Any]) -> Reply:
        """Refused: who looks makes nothing."""
        raise Refused(f"{path} was not asked to make {', '.join(map(str, content))}: nothing is made for a look")

    async def pages(self, path: str, params: dict[str, str | int] | None = None) -> AsyncIterator[Reply]:
        """The first page."""
        ranked = {**(params or {}), **(BUSIEST_FIRST if params and "sort" in params else {})}
        reply = await self._github.get(path, ranked)
        pages = page_count(reply.headers.get("link", ""))
        self.calls += pages
        self.longest = max(self.longest, pages)
        yield reply

    def download(self, url: str, hosts: Sequence[str], most: int) -> AsyncGenerator[bytes, None]:
        """A signed file: whether it can be had is part of the question."""
        return self._github.download(url, hosts, most)
