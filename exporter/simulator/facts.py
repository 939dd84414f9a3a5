"""The types of a simulated world: who makes requests, when, and from when on GitHub shows them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from exporter.instants import HOUR

RETENTION = 31 * 24 * HOUR

SubjectKey = tuple[str, int]
Route = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Switches:
    """Behaviour that GitHub does not document, and how late its data are."""

    bucket: Literal[1, 60, 300] = 60  # seconds: the grain in which requests are stored; a window takes whole buckets
    min_inclusive: bool = True  # a bucket that starts at min_timestamp belongs to the window
    max_inclusive: bool = True  # a bucket that starts at max_timestamp belongs to the window
    zero_rows: bool = False  # rows and intervals without any request are sent
    shifting_pages: bool = False  # rows move between the pages of one walk
    shuffled_ties: bool = False  # rows with equal sort keys come in another order in each answer
    summary_surplus: int = 0  # requests that summary-stats shows beyond those of any list
    very_late: bool = False  # some data appear 80 to 100 hours late
    revisions: bool = False  # some counts are corrected later, up and down
    renames: bool = False  # some subjects change their display name every few days
    delay: tuple[float, float] = (4 * HOUR, 6 * HOUR)  # seconds from a request until it is shown: at least, at most
    unknown: Literal["empty", 404] = "empty"  # the response for a user or an actor that the organization does not know


@dataclass(frozen=True, slots=True)
class SimulatedActor:
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


class Burst(NamedTuple):
    """Requests of one second that become visible together."""

    at: int
    visible_at: float
    requests: int
    limited: int
    route: Route


BurstTuple = tuple[int, float, int, int, object]
"""The first four fields of a `Burst`, then one that depends on the source: a tuple, because it is cheaper."""


class RequestSums(NamedTuple):
    """Sums over a span whose requests are all visible, and its newest requests."""

    requests: int
    limited: int
    last_request: int | None
    last_limited: int | None


@dataclass(slots=True)
class Tally:
    """Sums that are added up, and the newest requests among them."""

    requests: int = 0
    limited: int = 0
    last_request: int | None = None
    last_limited: int | None = None

    def add(self, requests: int, limited: int, last_request: int | None, last_limited: int | None) -> None:
        """Add counts and their newest requests."""
        self.requests += requests
        self.limited += limited
        if last_request is not None and (self.last_request is None or last_request > self.last_request):
            self.last_request = last_request
        if last_limited is not None and (self.last_limited is None or last_limited > self.last_limited):
            self.last_limited = last_limited

    def add_burst(self, burst: Burst) -> None:
        """Add a burst; a downward correction does not change the newest request."""
        at, requests, limited = burst.at, burst.requests, burst.limited
        self.add(requests, limited, at if requests > 0 else None, at if limited > 0 else None)

    def add_tally(self, other: "Tally") -> None:
        """Add the sums of another tally."""
        self.add(other.requests, other.limited, other.last_request, other.last_limited)

    def sums(self) -> RequestSums:
        """The current sums."""
        return RequestSums(self.requests, self.limited, self.last_request, self.last_limited)


class TrafficSource(Protocol):
    """One actor's requests, by whole hours."""

    @property
    def actor(self) -> SimulatedActor:
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

    def bursts(self, hour: int) -> Sequence[Burst]:
        """All requests of the hour, whenever they become visible."""

    def moments(self, hour: int, *, again: bool = True) -> Iterable[BurstTuple]:
        """The bursts of an hour as tuples, which is faster; `again`: the hour will soon be needed again."""

    def settled(self, hour: int, at: float) -> RequestSums | None:
        """The hour's sums, if it is certain that all of it is visible at that instant."""

    def tally(self, first: int, last: int, at: float) -> RequestSums:
        """The sums of what is visible of `[first, last)` at an instant."""


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization and its sources; its name is lower case, its id is in GitHub's links."""

    name: str
    id: int
    sources: tuple[TrafficSource, ...] = ()
