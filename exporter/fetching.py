"""What a collector's fetch gets and returns: `Api` and `Ask` in, `Fetched` out. Pure."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from exporter.counting.short_walks import KnownList, Walk
from exporter.errors import GitHubError
from exporter.instants import HOUR
from exporter.tables import Row, Table

Subject = tuple[str, ...]
"""The user or actor of a drill-down job: `(user_id,)` or `(actor_type, actor_id)`; empty for the whole target."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete response: header names are lower case, the body is decompressed, the path has no query."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    path: str


class Api(Protocol):
    """Requests to GitHub: paths below the credential's API root. GitHub's failures are raised as `GitHubError`."""

    @property
    def skew(self) -> float:
        """GitHub's clock less ours, in seconds, by the dates of its responses."""

    def now(self) -> float:
        """GitHub's clock, epoch seconds."""

    async def get(self, path: str, params: dict[str, str | int] | None = None) -> Reply:
        """The response to one request."""

    async def post(self, path: str, content: Mapping[str, Any]) -> Reply:
        """The response to a request that creates something.

        It is sent once. After a failure it is unknown whether GitHub created it.
        """

    def pages(self, path: str, params: dict[str, str | int] | None = None) -> Any:
        """All pages of a list, one after another (an async iterator of `Reply`)."""

    def stream(
        self, path: str, params: dict[str, str | int] | None, take: Callable[[bytes], Awaitable[None]], most: int
    ) -> Any:
        """All pages as `pages` gives them, for bodies that are too large for memory.

        `take` gets the decompressed body of each page in pieces, `most` bytes in all at most. The reply follows with an
        empty body; if none follows, the pieces are incomplete.
        """

    def download(self, url: str, hosts: Sequence[str], most: int) -> AsyncGenerator[bytes, None]:
        """The pieces of a signed file, decompressed, of at most `most` bytes in all; no credential is sent.

        Only `hosts` are contacted. Raises `LinkExpired` when the link is refused.
        """


@dataclass(slots=True)
class Memory:
    """JSON data that a collector keeps between its runs, None at first; it survives a restart."""

    value: Any = None
    save: Callable[[Any], Awaitable[bool]] | None = None

    async def keep(self, value: Any) -> bool:
        """Replace the value and save it; True once it is on disk, so that even kill -9 does not lose it."""
        self.value = value
        return await self.save(value) if self.save else False


@dataclass(frozen=True, slots=True)
class Ask:
    """What a job asks for. Instants are whole epoch seconds by GitHub's clock.

    A counting collector reads the window `[start, end]`; the others may take `end` as "now". `partial` marks a window
    of a fold, of which only the counts are used. `data_time` is the instant that the values exported now describe.
    `name_form` turns a person's name into the form that is exported; a collector may remember no other form.
    `interval` and `max_age` are in seconds. `known` is the list as it was read last, if only what has changed in it may
    be read.
    """

    target: str
    subject: Subject
    options: Any
    start: int
    end: int
    partial: bool = False
    data_time: float | None = None
    memory: Memory = field(default_factory=Memory)
    name_form: Callable[[str], str] = str
    interval: float = HOUR
    max_age: float = 12 * HOUR
    known: KnownList | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """A table that a response leaves empty or takes back, although nothing shows that its data are gone.

    Its last samples stay until `max_age`; then the response counts as the truth. `why` says what GitHub's response
    lacks, as a sentence without its full stop.
    """

    table: Table
    why: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """The result of a fetch: rows of any of the collector's tables.

    - `rejected`: how many rows or single values could not be read.
    - `unknown`: how many values each field has that this version does not know; no exported value depends on them.
    - `data_time`: the instant that the values describe; None stands for the end of the window that was counted.
    - `again`: in how many seconds to run again, if that is before the interval ends.
    - `fault`: a failure that left the rows incomplete, but good.
    - `note`: which data are missing and what to do about it, as a sentence without its full stop; "" if nothing is
      missing, even without a row. With None, the collector's `nothing` is the note where no series is exported.
    - `doubts`: the tables whose last samples stay.
    - `walk`: how the list of the counting table was read, if there is one; `rows` lacks the rows in `walk.unseen`.
    """

    rows: tuple[Row, ...]
    rejected: int = 0
    data_time: float | None = None
    again: float | None = None
    fault: GitHubError | None = None
    unknown: Mapping[str, int] = field(default_factory=dict)
    note: str | None = None
    doubts: tuple[Doubt, ...] = ()
    walk: Walk | None = None
