"""A reply, and the way on which a credential asks GitHub for its token."""

from collections.abc import Awaitable, Callable, Mapping
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


@dataclass(frozen=True, slots=True)
class Sink:
    """Takes the body of a successful answer in place of the reply: unpacked, in pieces, at most `most` bytes."""

    take: Callable[[bytes], Awaitable[None]]
    most: int


class Exchange(Protocol):
    """The client, as a credential uses it that gets its token from GitHub."""

    def now(self) -> float:
        """GitHub's clock, epoch seconds."""

    async def __call__(self, method: Method, path: str, bearer: str) -> Reply:
        """One answer with a 2xx status from below the credential's API root; raises `GitHubError`.

        The request waits with the pool but has a quota of its own: the pool learns only of a limit that was hit.
        """
