"""Seeded traffic: apps and users with working days, nights, weekends, and one bot that runs into its rate limit.

Nothing is stored that a hash cannot tell again. An hour's sums come from one digest, so that weeks cost little; its
single requests are drawn only where a window's edge or GitHub's lateness needs them, and add up to the same sums.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from random import Random
from struct import unpack

from exporter.simulator.facts import HOUR, RETENTION, Actor, Organization, Piece, Switches, Whole
from exporter.simulator.population import Member, Size, organization_id, population
from exporter.simulator.world import World

OFFICE = (0, 0, 0, 0, 0, 0.02, 0.1, 0.4, 0.8, 1, 1, 0.9, 0.6, 0.9, 1, 1, 0.9, 0.7, 0.4, 0.25, 0.15, 0.1, 0.05, 0.02)
"""How busy each hour of a working day is."""

DARK_SPAN = 72 * HOUR
MOST_PIECES = 360  # an hour's requests come in so many pieces at most: one every ten seconds, of each actor
VERY_LATE = (80.0 * HOUR, 100.0 * HOUR)
VERY_LATE_SHARE = 0.02
REVISED_SHARE = 0.05
LONGEST_REVISION = 4  # times the longest delay


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

    def of_piece(self, rng: Random) -> float:
        """Draw one piece's delay."""
        if self.very_late and rng.random() < VERY_LATE_SHARE:
            return rng.uniform(*VERY_LATE)
        return rng.uniform(*self.delay)


class Traffic:
    """One member's requests; a `Source`."""

    def __init__(self, seed: int | str, org: str, member: Member, switches: Switches, start: int) -> None:
        self._member, self._switches = member, switches
        self._late = Lateness(switches.delay, switches.very_late, switches.revisions)
        self._longest = self._late.longest
        self._born = (start + member.born) // HOUR * HOUR
        who = member.actor
        self._digest = blake2b(f"{seed}:{org}:{who.subject}:{who.actor_type}:{who.actor_id}".encode(), digest_size=24)
        self._most_pieces = min(MOST_PIECES, 3 * HOUR // switches.bucket)
        self._wholes: dict[int, Whole] = {}
        # As many hours as can be unsettled, and the two at a window's edges.
        self._recent_pieces = lru_cache(maxsize=int(self._longest // HOUR) + 4)(self._draw)
        self._rename_phase, self._rename_odds, _ = self._dice(b"rename")

    @property
    def actor(self) -> Actor:
        """Who makes the requests."""
        return self._member.actor

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

    def settled(self, hour: int, at: float) -> Whole | None:
        """The hour's sums, once even the latest of its requests must be visible."""
        if at < hour + HOUR + self._longest:
            return None
        return self._whole(hour)

    def pieces(self, hour: int) -> Sequence[Piece]:
        """The hour's requests, in the order they were made."""
        return self._recent_pieces(hour)

    def _dice(self, what: bytes) -> tuple[float, float, float]:
        digest = self._digest.copy()
        digest.update(what)
        one, two, three = unpack("<3Q", digest.digest())
        return one / 2**64, two / 2**64, three / 2**64

    def _whole(self, hour: int) -> Whole:
        whole = self._wholes.get(hour)
        if whole is None:
            whole = self._wholes[hour] = self._decide(hour)
            if len(self._wholes) > RETENTION // HOUR + 48:
                del self._wholes[min(self._wholes)]
        return whole

    def _decide(self, hour: int) -> Whole:
        noise, odds, last = self._dice(b"%d" % hour)
        if self._dice(b"dark%d" % (hour // DARK_SPAN))[0] < self._member.dark:
            return Whole(0, 0, None, None)
        rate = self._member.rate * self._shape(hour) * (0.5 + noise)
        limited = 0
        if self._member.limit and self._dice(b"runaway%d" % hour)[0] < 0.25:
            rate = self._member.limit * (1 + noise)
            limited = int(rate + odds) - int(self._member.limit)
        requests = int(rate + odds)
        if not requests:
            return Whole(0, 0, None, None)
        parts = min(requests, self._most_pieces)
        newest = hour + int((parts - 1 + last) * HOUR / parts)
        return Whole(requests, max(limited, 0), newest, newest if limited > 0 else None)

    def _shape(self, hour: int) -> float:
        local = hour // HOUR + self._member.zone
        weekend = (local // 24 + 3) % 7 >= 5  # the epoch was a Thursday
        busy = self._member.night + (1 - self._member.night) * OFFICE[local % 24]
        return busy * (self._member.weekend if weekend else 1)

    def _draw(self, hour: int) -> tuple[Piece, ...]:
        whole = self._whole(hour)
        if not whole.requests or whole.last_request is None:
            return ()
        rng = Random(self._dice(b"pieces%d" % hour)[0])
        parts = min(whole.requests, self._most_pieces)
        share, rest = divmod(whole.requests, parts)
        let_through = whole.requests - whole.limited
        pieces: list[Piece] = []
        for index in range(parts):
            at = hour + int((index + rng.random()) * HOUR / parts) if index < parts - 1 else whole.last_request
            requests = share + (index < rest)
            # The limit refuses what comes after it is used up, so the refused are the hour's last.
            limited = max(0, min(requests, requests - let_through))
            let_through = max(0, let_through - requests)
            routes = self._member.routes
            route = routes[int(rng.random() ** 2 * len(routes))]
            piece = Piece(at, at + self._late.of_piece(rng), requests, limited, route)
            pieces.extend(self._revised(piece, rng) if self._late.revisions else (piece,))
        return tuple(pieces)

    def _revised(self, piece: Piece, rng: Random) -> Iterable[Piece]:
        """Some pieces are first shown wrong; what is shown in the end is always the piece itself."""
        if rng.random() >= REVISED_SHARE:
            return (piece,)
        least = max(1, piece.limited) - piece.requests
        wrong = rng.randint(max(least, -piece.requests // 2), 1 + piece.requests // 2)
        corrected_at = piece.visible_at + rng.uniform(0, LONGEST_REVISION) * self._late.delay[1]
        first = piece._replace(requests=piece.requests + wrong)
        return first, piece._replace(visible_at=corrected_at, requests=-wrong, limited=0)


def seeded_world(
    seed: int | str,
    organizations: Sequence[str] = ("acme", "globex", "initech"),
    switches: Switches | None = None,
    *,
    start: float = 0,
    size: Size | None = None,
) -> World:
    """Make a world of seeded traffic whose history begins at `start`: the same arguments, the same world."""
    chosen, size = switches or Switches(), size or Size()
    return World(
        [
            Organization(
                name.lower(),
                organization_id(seed, name.lower()),
                tuple(
                    Traffic(seed, name.lower(), member, chosen, int(start))
                    for member in population(seed, name.lower(), size)
                ),
            )
            for name in organizations
        ],
        chosen,
        seed,
    )
