"""One request and its answer, as the client offers it to credentials that must ask GitHub for their token."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Method = Literal["GET", "POST"]


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer. Header names are lower case, the body is unpacked, the path has no query."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    path: str


class Exchange(Protocol):
    """The way to GitHub for a credential that makes its token there."""

    def now(self) -> float:
        """GitHub's clock, epoch seconds."""

    async def __call__(self, method: Method, path: str, bearer: str) -> Reply:
        """One answer with a 2xx status from below the credential's API root; raises `GitHubError`.

        The request is the pool's, but has its own quota: only a limit that was hit counts for the pool.
        """
