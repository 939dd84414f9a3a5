"""GitHub's API for `plan --live` and `doctor`: only the first page of every list, the busiest rows first."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from exporter.errors import Refused
from exporter.fetching import Reply
from exporter.github.client import GitHub
from exporter.github.links import page_count

BUSIEST_FIRST: dict[str, str | int] = {"sort": "total_request_count", "direction": "desc"}


class Sampler:
    """The `Api` of one run of a collector; it reads first pages only.

    `calls` is the number of requests that a complete run would send, `longest` the pages of the longest list.
    """

    def __init__(self, github: GitHub) -> None:
        self._github = github
        self.calls = 0
        self.longest = 1

    @property
    def skew(self) -> float:
        """GitHub's clock minus ours, in seconds."""
        return self._github.skew

    def now(self) -> float:
        """GitHub's clock, epoch seconds."""
        return self._github.now()

    async def get(self, path: str, params: dict[str, str | int] | None = None) -> Reply:
        """Request one answer."""
        self.calls += 1
        return await self._github.get(path, params)

    async def post(self, path: str, content: Mapping[str, Any]) -> Reply:
        """Always raises `Refused`: nothing is created at GitHub for a sample."""
        raise Refused(
            f"{path} was not asked to create {', '.join(map(str, content))}: `doctor` and `plan` create nothing"
        )

    async def pages(self, path: str, params: dict[str, str | int] | None = None) -> AsyncIterator[Reply]:
        """Yield the first page. The link to the next one is checked, not followed."""
        ranked = {**(params or {}), **(BUSIEST_FIRST if params and "sort" in params else {})}
        reply = await self._github.get(path, ranked)
        self._github.next_page(reply)
        pages = page_count(reply.headers.get("link", ""))
        self.calls += pages
        self.longest = max(self.longest, pages)
        yield reply

    async def stream(
        self, path: str, params: dict[str, str | int] | None, take: Callable[[bytes], Awaitable[None]], most: int
    ) -> AsyncIterator[Reply]:
        """Stream the first page, to its last byte."""
        async with aclosing(self._github.stream(path, params, take, most)) as replies:
            async for reply in replies:
                pages = page_count(reply.headers.get("link", ""))
                self.calls += pages
                self.longest = max(self.longest, pages)
                yield reply
                return

    def download(self, url: str, hosts: Sequence[str], most: int) -> AsyncGenerator[bytes, None]:
        """Stream a signed file to its end: whether it can be downloaded is part of the sample."""
        return self._github.download(url, hosts, most)
