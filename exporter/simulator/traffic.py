"""Seeded traffic: apps and users with working days, nights, weekends, and one bot that runs into its rate limit.

Nothing is stored that a hash cannot tell again. An hour's sums cost one digest (`hours.py`), so that weeks cost little;
its single requests are drawn only where a window's edge or GitHub's lateness needs them, and add up to the same sums.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from struct import Struct
from typing import NamedTuple

from exporter.instants import HOUR
from exporter.simulator.facts import Burst, BurstTuple, Organization, RequestSums, SimulatedActor, Switches, Tally
from exporter.simulator.hours import MOST_BURSTS, RUNAWAY_BURSTS, Hours
from exporter.simulator.population import Member, Size, organization_id, population
from exporter.simulator.world import World

VERY_LATE = (80.0 * HOUR, 100.0 * HOUR)
VERY_LATE_SHARE = 0.02
REVISED_SHARE = 0.05
LONGEST_REVISION = 4  # times the longest delay

MOMENT = Struct("<IdiIB")  # as in `Drawn`; tuples of Python's numbers would be eight times as large

IndexedMoment = tuple[int, float, int, int, int]
"""A burst with the place of its route among the member's instead of the route."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late this world shows requests, in seconds."""

    delay: tuple[float, float]
    very_late: bool
    revisions: bool

    @property
    def longest(self) -> float:
        """When everything is certain to be visible."""
        shown = max(self.delay[1], VERY_LATE[1] if self.very_late else 0.0)
        return shown + (LONGEST_REVISION * self.delay[1] if self.revisions else 0.0)

    @property
    def least(self) -> float:
        """Before which nothing is visible."""
        return min(self.delay[0], VERY_LATE[0]) if self.very_late else self.delay[0]


class CachedTally(NamedTuple):
    """The last sums that were asked for, and the instants `[since, until)` at which they are the same."""

    first: int
    last: int
    since: float
    until: float
    sums: RequestSums


class Traffic:
    """One member's requests; a `Source`."""

    def __init__(self, seed: int | str, org: str, member: Member, switches: Switches, start: int) -> None:
        self._member, self._switches = member, switches
        self._late = Lateness(switches.delay, switches.very_late, switches.revisions)
        self.lateness = (self._late.least, self._late.longest)
        self.actor: SimulatedActor = member.actor
        self._born = (start + member.born) // HOUR * HOUR
        who = member.actor
        most = RUNAWAY_BURSTS if member.limit else MOST_BURSTS
        self._most_bursts = min(most, 3 * HOUR // switches.bucket)
        key = f"{seed}:{org}:{who.subject}:{who.actor_type}:{who.actor_id}"
        self._hours = Hours(key, member, self._most_bursts)
        # As many hours as can be half visible, and those at the edges of two windows.
        half_visible = int((self._late.longest - self._late.least) // HOUR)
        self._packed = lru_cache(maxsize=half_visible + 4)(self._pack)
        self._remembered = CachedTally(0, 0, 0, 0, RequestSums(0, 0, None, None))
        self._rename_phase, self._rename_odds, _ = self._hours.dice(b"rename")

    def name(self, at: float) -> str:
        """The display name; with renames, half of the subjects get another every two to nine days."""
        name = self.actor.subject_name
        if not self._switches.renames or self._rename_odds < 0.5:
            return name
        period = (2 + 7 * self._rename_phase) * 24 * HOUR
        return f"{name}-{int(at / period + self._rename_phase) % 1000}"

    def known(self, at: float) -> bool:
        """From birth on."""
        return at >= self._born

    def hours(self, first: int, last: int) -> Iterable[int]:
        """Every hour since birth."""
        return range(max(first // HOUR * HOUR, self._born), last, HOUR)

    def settled(self, hour: int, at: float) -> RequestSums | None:
        """The hour's sums, once even the latest of its requests must be visible."""
        if at < hour + HOUR + self._late.longest:
            return None
        return self._hours.sums_of_hour(hour)

    def bursts(self, hour: int) -> Sequence[Burst]:
        """The hour's requests, in the order they were made."""
        routes = self._member.routes
        return [
            Burst(at, visible_at, requests, limited, routes[route])
            for at, visible_at, requests, limited, route in MOMENT.iter_unpack(self._packed(hour))
        ]

    def moments(self, hour: int, *, again: bool = True) -> Iterable[BurstTuple]:
        """The bursts of an hour as tuples, without their routes."""
        return MOMENT.iter_unpack(self._packed(hour)) if again else self._draw(hour)

    def tally(self, first: int, last: int, at: float) -> RequestSums:
        """The sums of a window; the same question costs nothing until something more becomes visible."""
        cached = self._remembered
        if cached.first == first and cached.last == last and cached.since <= at < cached.until:
            return cached.sums
        least, longest = self._late.least, self._late.longest
        begin = max(first // HOUR * HOUR, self._born)
        first_hour = max(-(-first // HOUR) * HOUR, begin)  # the hours of [first_hour, settled) are settled and inside
        settled = max(first_hour, min(last, int(at - longest - 1)) // HOUR * HOUR)
        tally, until = Tally(), float("inf")
        if settled > first_hour:
            tally.add(*self._hours.sums(first_hour, settled))
        for hour in (*range(begin, first_hour, HOUR), *range(settled, last, HOUR)):
            if hour + least > at:
                until = min(until, hour + least)
                break
            for second, visible_at, requests, limited, _ in MOMENT.iter_unpack(self._packed(hour)):
                if not first <= second < last:
                    continue
                if visible_at <= at:
                    tally.add(requests, limited, second if requests > 0 else None, second if limited > 0 else None)
                elif visible_at < until:
                    until = visible_at
        sums = tally.sums()
        self._remembered = CachedTally(first, last, at, until, sums)
        return sums

    def _pack(self, hour: int) -> bytes:
        pack = MOMENT.pack
        return b"".join([pack(*moment) for moment in self._draw(hour)])

    def _draw(self, hour: int) -> list[IndexedMoment]:
        of_hour = self._hours.sums_of_hour(hour)
        if not of_hour.requests or of_hour.last_request is None:
            return []
        rng = Random(self._hours.dice(b"pieces%d" % hour)[0])
        throw = rng.random
        parts = min(of_hour.requests, self._most_bursts)
        share, rest = divmod(of_hour.requests, parts)
        let_through = of_hour.requests - of_hour.limited
        least, most = self._late.delay
        very_late, revisions, routes = self._late.very_late, self._late.revisions, len(self._member.routes)
        moments: list[IndexedMoment] = []
        for index in range(parts):
            at = hour + int((index + throw()) * HOUR / parts) if index < parts - 1 else of_hour.last_request
            requests = share + (index < rest)
            limited = 0
            if of_hour.limited:  # the limit refuses what comes after it is used up, so the refused are the hour's last
                limited = max(0, min(requests, requests - let_through))
                let_through = max(0, let_through - requests)
            route = int(throw() ** 2 * routes)
            if very_late and throw() < VERY_LATE_SHARE:
                visible_at = at + (VERY_LATE[0] + (VERY_LATE[1] - VERY_LATE[0]) * throw())
            else:
                visible_at = at + (least + (most - least) * throw())
            moment = (at, visible_at, requests, limited, route)
            if revisions:
                moments.extend(self._revised(moment, rng))
            else:
                moments.append(moment)
        return moments

    def _revised(self, moment: IndexedMoment, rng: Random) -> Iterable[IndexedMoment]:
        """Some bursts are shown with a wrong count first, and corrected later."""
        if rng.random() >= REVISED_SHARE:
            return (moment,)
        at, visible_at, requests, limited, route = moment
        least = max(1, limited) - requests
        wrong = rng.randint(max(least, -requests // 2), 1 + requests // 2)
        corrected_at = visible_at + rng.uniform(0, LONGEST_REVISION) * self._late.delay[1]
        return (at, visible_at, requests + wrong, limited, route), (at, corrected_at, -wrong, 0, route)


def seeded_world(
    seed: int | str,
    organizations: Sequence[str] = ("acme", "globex", "initech"),
    switches: Switches | None = None,
    *,
    start: float = 0,
    size: Size | Mapping[str, Size] | None = None,
) -> World:
    """Make a world of seeded traffic whose history begins at `start`: the same arguments, the same world.

    `size` is that of every organization, or of each by its name.
    """
    chosen = switches or Switches()
    sizes = size if isinstance(size, Mapping) else dict.fromkeys(organizations, size or Size())
    return World(
        [
            Organization(
                name.lower(),
                organization_id(seed, name.lower()),
                tuple(
                    Traffic(seed, name.lower(), member, chosen, int(start))
                    for member in population(seed, name.lower(), sizes[name])
                ),
            )
            for name in organizations
        ],
        chosen,
        seed,
    )
