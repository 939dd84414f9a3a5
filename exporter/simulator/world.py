"""What a simulated GitHub knows: requests, and the instant from which it shows each of them.

A world answers "what was visible at instant V of the window [A, T]" exactly and for any V, so tests can hold an
exporter against it. Nothing here reads a clock: instants are arguments, in epoch seconds (UTC). The same code answers
for seeded traffic (`traffic.py`) and for scripted events, and one world may hold both.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache

from exporter.instants import HOUR
from exporter.simulator.facts import (
    RETENTION,
    Burst,
    Event,
    Organization,
    RequestSums,
    Route,
    SimulatedActor,
    SubjectKey,
    Switches,
    Tally,
    TrafficSource,
)
from exporter.simulator.parts import (
    add_visible,
    frozen,
    settled_hour,
    settled_intervals,
    settled_routes,
    split,
)
from exporter.simulator.script import Script

REMEMBERED_HOURS = 25_000  # a month of thirty actors by intervals or routes; some 40 MB when full
NOT_BY_USER = ("oauth_app", "github_app_user_to_server")
"""Actors of a user that are apps: their makers named them."""
REMEMBERED_ORG_HOURS = 4_000  # a month of five organizations by intervals


class World:
    """All organizations. Events, renames and removals can be added at any time."""

    def __init__(
        self, organizations: Iterable[Organization], switches: Switches | None = None, seed: int | str = 0
    ) -> None:
        self.switches = switches or Switches()
        self.seed = seed
        self._organizations = {org.name: org for org in organizations}
        self.version = 0
        self._sources: dict[str, list[TrafficSource]] = {}
        self._of_user: dict[tuple[str, int], list[TrafficSource]] = defaultdict(list)
        self._of_actor: dict[tuple[str, tuple[str, int]], list[TrafficSource]] = defaultdict(list)
        for org in self._organizations.values():
            for source in org.sources:
                self._enrol(org.name, source)
        self._scripts: dict[tuple[str, SubjectKey, tuple[str, int]], Script] = {}
        self._names: dict[tuple[str, SubjectKey], list[tuple[float, str]]] = {}
        self._removed: dict[tuple[str, SubjectKey], float] = {}
        self._hour_intervals = lru_cache(maxsize=REMEMBERED_HOURS)(settled_intervals)
        self._hour_routes = lru_cache(maxsize=REMEMBERED_HOURS)(settled_routes)
        self._org_hour = lru_cache(maxsize=REMEMBERED_ORG_HOURS)(self._hour_of_all)

    @classmethod
    def of(cls, events: Iterable[Event] = (), switches: Switches | None = None, seed: int | str = 0) -> "World":
        """Make a scripted world; organizations come into being with their first event."""
        world = cls((), switches, seed)
        world.add(*events)
        return world

    @property
    def organizations(self) -> tuple[Organization, ...]:
        """All organizations."""
        return tuple(self._organizations.values())

    def organization(self, name: str) -> Organization | None:
        """The organization with a name, in any case."""
        return self._organizations.get(name.lower())

    def add(self, *events: Event) -> None:
        """Add requests or corrections. One that is visible in the past changes answers about the past."""
        for event in events:
            visible_at = event.at if event.visible_at is None else event.visible_at
            burst = Burst(event.at, visible_at, event.requests, event.rate_limited, event.route)
            self._script(event).add(burst)
        self.version += 1

    def rename(self, org: str, subject: SubjectKey, name: str, at: float) -> None:
        """Show another display name from an instant on."""
        self._names.setdefault((org, subject), []).append((at, name))
        self._names[org, subject].sort()
        self.version += 1

    def remove(self, org: str, subject: SubjectKey, at: float) -> None:
        """Show nothing of a subject from an instant on."""
        self._removed[org, subject] = at
        self._org_hour.cache_clear()
        self.version += 1

    def name(self, org: str, source: TrafficSource, at: float) -> str:
        """The display name of a source's subject at an instant."""
        names = [name for since, name in self._names.get((org, source.actor.subject), ()) if since <= at]
        return names[-1] if names else source.name(at)

    def sources(
        self, org: str, at: float, *, user: int | None = None, actor: tuple[str, int] | None = None
    ) -> Iterator[TrafficSource]:
        """Sources that GitHub knows at an instant: all, one user's, or one actor's."""
        sources: Iterable[TrafficSource] = self._sources.get(org, ())
        if user is not None:
            sources = self._of_user.get((org, user), ())
        elif actor is not None:
            sources = self._of_actor.get((org, actor), ())
        removed = {subject: since for (of, subject), since in self._removed.items() if of == org}
        for source in tuple(sources):
            if source.known(at) and not (removed and removed.get(source.actor.subject, float("inf")) <= at):
                yield source

    def span(self, start: float, end: float, at: float) -> tuple[int, int]:
        """The buckets that an answer to `[start, end]` covers, as a half-open `[first, last)` of whole buckets."""
        bucket = self.switches.bucket
        first = int(-(-start // bucket) * bucket)
        if first == start and not self.switches.min_inclusive:
            first += bucket
        last = int(end // bucket * bucket)
        if last != end or self.switches.max_inclusive:
            last += bucket
        oldest = int(-(-(at - RETENTION) // bucket) * bucket)
        return max(first, oldest), last

    def tally(self, source: TrafficSource, start: float, end: float, at: float) -> RequestSums:
        """The requests of a source in a window that are visible at an instant."""
        return source.tally(*self.span(start, end, at), at)

    def intervals(self, source: TrafficSource, start: float, end: float, at: float, increment: int) -> dict[int, Tally]:
        """The visible requests of a source by intervals of `increment` seconds, keyed by their start."""
        settled = settled_hour if increment >= HOUR else self._hour_intervals
        return split(
            source,
            self.span(start, end, at),
            at,
            part=lambda burst: burst.at // increment * increment,
            settled=lambda hour: settled(source, hour, increment),
        )

    def intervals_of_all(self, org: str, start: float, end: float, at: float, increment: int) -> dict[int, Tally]:
        """The visible requests of an organization by intervals, counts only; sums of settled hours are cached."""
        first, last = self.span(start, end, at)
        parts: dict[int, Tally] = {}
        steady, others = self._by_steadiness(org)
        least = min((source.lateness[0] for source in steady), default=0.0)
        longest = max((source.lateness[1] for source in steady), default=0.0)
        for hour in range(first // HOUR * HOUR, last, HOUR):
            if not steady or hour + least > at:
                break
            inside = first <= hour and hour + HOUR <= last
            if inside and at >= hour + HOUR + longest:
                for key, sums in self._org_hour(org, hour, increment):
                    parts.setdefault(key, Tally()).add(*sums)
                continue
            for source in steady:
                if source.known(hour):
                    add_visible(parts, source.moments(hour), (first, last), at, increment)
        for source in others:
            if source.known(at) and at < self._removed.get((org, source.actor.subject), float("inf")):
                for key, tally in self.intervals(source, start, end, at, increment).items():
                    parts.setdefault(key, Tally()).add_tally(tally)
        return parts

    def routes(self, source: TrafficSource, start: float, end: float, at: float) -> dict[Route, Tally]:
        """The visible requests of a source by route."""
        return split(
            source,
            self.span(start, end, at),
            at,
            part=lambda burst: burst.route,
            settled=lambda hour: self._hour_routes(source, hour),
        )

    def truth(self, org: str, start: float, end: float, at: float) -> dict[SubjectKey, tuple[int, int]]:
        """Requests and rate-limited requests by subject, visible at an instant; subjects without any are left out."""
        sums: dict[SubjectKey, tuple[int, int]] = {}
        for source in self.sources(org, at):
            tally = self.tally(source, start, end, at)
            requests, limited = sums.get(source.actor.subject, (0, 0))
            sums[source.actor.subject] = (requests + tally.requests, limited + tally.limited)
        return {subject: counts for subject, counts in sums.items() if counts != (0, 0)}

    def _script(self, event: Event) -> Script:
        subject = (event.subject_type, event.subject_id)
        own = "installation" if event.subject_type == "installation" else "classic_pat"
        actor = event.actor or (own, event.subject_id)
        script = self._scripts.get((event.org, subject, actor))
        if script is None:
            name = event.name or f"{event.subject_type}-{event.subject_id}"
            actor_name = f"app {actor[1]}" if actor[0] in NOT_BY_USER else name
            script = Script(SimulatedActor(*subject, name, *actor, actor_name))
            self._scripts[event.org, subject, actor] = script
            if event.org not in self._organizations:
                self._organizations[event.org] = Organization(event.org, 1000 + len(self._organizations))
            self._enrol(event.org, script)
        return script

    def _enrol(self, org: str, source: TrafficSource) -> None:
        actor = source.actor
        self._sources.setdefault(org, []).append(source)
        self._of_actor[org, (actor.actor_type, actor.actor_id)].append(source)
        if actor.subject_type == "user":
            self._of_user[org, actor.subject_id].append(source)

    def _by_steadiness(self, org: str) -> tuple[list[TrafficSource], list[TrafficSource]]:
        """The sources whose settled hours never change nor vanish, and the others."""
        steady: list[TrafficSource] = []
        others: list[TrafficSource] = []
        for source in tuple(self._sources.get(org, ())):
            lasting = source.lateness[1] < float("inf") and (org, source.actor.subject) not in self._removed
            (steady if lasting else others).append(source)
        return steady, others

    def _hour_of_all(self, org: str, hour: int, increment: int) -> tuple[tuple[int, RequestSums], ...]:
        """A settled hour of all steady sources, by intervals; counts only."""
        steady = [source for source in self._by_steadiness(org)[0] if source.known(hour)]
        if increment >= HOUR:
            hour_sums = [sums for source in steady if (sums := source.settled(hour, float("inf")))]
            requests, limited = sum(sums.requests for sums in hour_sums), sum(sums.limited for sums in hour_sums)
            start = hour // increment * increment
            return ((start, RequestSums(requests, limited, None, None)),) if requests else ()
        parts: dict[int, Tally] = {}
        for source in steady:
            moments = source.moments(hour, again=False)
            add_visible(parts, moments, (hour, hour + HOUR), float("inf"), increment)
        return frozen(parts)
