"""The words a simulated world is told in: who makes requests, when, and from when on GitHub shows them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

HOUR = 3600
RETENTION = 31 * 24 * HOUR

SubjectKey = tuple[str, int]
Route = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Switches:
    """What GitHub does not document, and how late it is."""

    bucket: Literal[1, 60, 300] = 60  # seconds: the grain in which requests are stored; a window takes whole buckets
    min_inclusive: bool = True  # a bucket that starts at min_timestamp belongs to the window
    max_inclusive: bool = True  # a bucket that starts at max_timestamp belongs to the window
    zero_rows: bool = False  # rows and intervals without any request are sent
    shifting_pages: bool = False  # rows move between the pages of one walk
    very_late: bool = False  # some data appear 80 to 100 hours late
    revisions: bool = False  # some counts are corrected later, up and down
    renames: bool = False  # some subjects change their display name every few days
    delay: tuple[float, float] = (4 * HOUR, 6 * HOUR)  # seconds from a request until it is shown: at least, at most
    unknown: Literal["empty", 404] = "empty"  # what is said of a user or an actor that the organization does not know


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes requests, and under which subject GitHub counts them: an app itself, a token under its user."""

    subject_type: str
    subject_id: int
    subject_name: str
    actor_type: str
    actor_id: int
    actor_name: str
    integration_id: int | None = None
    oauth_application_id: int | None = None

    @property
    def subject(self) -> SubjectKey:
        """Identity of the subject."""
        return self.subject_type, self.subject_id


@dataclass(frozen=True, slots=True)
class Event:
    """Requests made at one second, for scripted worlds. A correction is a later event with negative counts.

    `org` is lower case; `visible_at` defaults to `at`. Without an `actor` an app acts for itself, and a user by a
    classic token of its id.
    """

    org: str
    subject_type: str
    subject_id: int
    at: int
    requests: int = 1
    rate_limited: int = 0
    visible_at: float | None = None
    name: str | None = None
    actor: tuple[str, int] | None = None
    route: Route = ("GET", "/repositories/:repository_id")


class Piece(NamedTuple):
    """Requests of one second that become visible together."""

    at: int
    visible_at: float
    requests: int
    limited: int
    route: Route


Moment = tuple[int, float, int, int, object]
"""The first four of a piece; what the fifth is depends on the source."""


class Whole(NamedTuple):
    """Sums over a stretch of which everything is visible, with the newest request in it."""

    requests: int
    limited: int
    last_request: int | None
    last_limited: int | None


@dataclass(slots=True)
class Tally:
    """Sums that grow, with the newest request among them."""

    requests: int = 0
    limited: int = 0
    last_request: int | None = None
    last_limited: int | None = None

    def add(self, requests: int, limited: int, last_request: int | None, last_limited: int | None) -> None:
        """Add counts whose newest requests are these."""
        self.requests += requests
        self.limited += limited
        if last_request is not None and (self.last_request is None or last_request > self.last_request):
            self.last_request = last_request
        if last_limited is not None and (self.last_limited is None or last_limited > self.last_limited):
            self.last_limited = last_limited

    def add_piece(self, piece: Piece) -> None:
        """Add a piece; a downward correction is no request of its own."""
        at, requests, limited = piece.at, piece.requests, piece.limited
        self.add(requests, limited, at if requests > 0 else None, at if limited > 0 else None)

    def add_tally(self, other: "Tally") -> None:
        """Add another's sums."""
        self.add(other.requests, other.limited, other.last_request, other.last_limited)

    def whole(self) -> Whole:
        """The sums as they are now."""
        return Whole(self.requests, self.limited, self.last_request, self.last_limited)


class Source(Protocol):
    """One actor's requests, by whole hours."""

    @property
    def actor(self) -> Actor:
        """Who makes them."""

    @property
    def lateness(self) -> tuple[float, float]:
        """Seconds from a request until it is visible: at least, and until all of it must be, at most."""

    def __hash__(self) -> int:
        """By identity."""

    def name(self, at: float) -> str:
        """The subject's display name at an instant."""

    def known(self, at: float) -> bool:
        """Whether GitHub has ever seen the actor by then."""

    def hours(self, first: int, last: int) -> Iterable[int]:
        """Starts of the hours that may hold requests of `[first, last)`, ascending."""

    def pieces(self, hour: int) -> Sequence[Piece]:
        """All requests of the hour, whenever they become visible."""

    def moments(self, hour: int, *, again: bool = True) -> Iterable[Moment]:
        """The same without their routes, and faster; `again` says whether somebody will soon ask for the hour again."""

    def settled(self, hour: int, at: float) -> Whole | None:
        """The hour's sums, if it is certain that all of it is visible at that instant."""

    def tally(self, first: int, last: int, at: float) -> Whole:
        """The sums of what is visible of `[first, last)` at an instant."""


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization and what it was created with; its name is lower case, its id stands in GitHub's links."""

    name: str
    id: int
    sources: tuple[Source, ...] = ()
