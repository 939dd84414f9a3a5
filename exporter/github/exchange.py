"""How a credential asks GitHub for its token, and where a large body goes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from exporter.fetching import Reply

Method = Literal["GET", "POST"]


@dataclass(frozen=True, slots=True)
class Sink:
    """Receives the body of a successful response in place of the reply: decompressed pieces, `most` bytes at most."""

    take: Callable[[bytes], Awaitable[None]]
    most: int


class Exchange(Protocol):
    """The client, as used by a credential that gets its token from GitHub."""

    def now(self) -> float:
        """GitHub's clock, epoch seconds."""

    async def __call__(self, method: Method, path: str, bearer: str) -> Reply:
        """The reply, with a 2xx status, to a request below the credential's API root; raises `GitHubError`.

        The request waits while its pool is blocked, but uses another quota: the pool notes only limits that it hits.
        """
