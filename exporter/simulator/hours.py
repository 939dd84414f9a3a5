"""What a seeded actor does in whole hours: how many requests, how many of them refused, and when the last one.

An hour's sums come from one digest and are kept as numbers in arrays, so that weeks of thousands of actors fit into
memory and a window's sums are two slices.
"""

from array import array
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

from exporter.simulator.facts import HOUR, RETENTION, Whole
from exporter.simulator.population import Member

OFFICE = (0, 0, 0, 0, 0, 0.02, 0.1, 0.4, 0.8, 1, 1, 0.9, 0.6, 0.9, 1, 1, 0.9, 0.7, 0.4, 0.25, 0.15, 0.1, 0.05, 0.02)
"""How busy each hour of a working day is."""

DARK_SPAN = 72  # hours
MOST_PIECES = 360  # an hour's requests come in so many pieces at most: one every ten seconds, of each actor
RUNAWAY_PIECES = 1200  # one every three seconds of whoever runs away, so that a minute already shows what it asks for
WEEK = 168
KEPT = RETENTION // HOUR + 48
BLOCK = 12  # hours that are decided at a time, where hours are asked for one after another
ONE = 2.0**-64
NOTHING = Whole(0, 0, None, None)

unpack = Struct("<3Q").unpack


class Kept(NamedTuple):
    """Consecutive hours by their number since the epoch, one array entry each. Never changed, only replaced."""

    first: int
    requests: "array[int]"
    newest: "array[int]"  # second of the hour's last request
    limited: "array[int] | None"  # None: never any


class Hours:
    """One actor's hours. Two threads may ask at a time: what one has made, the other at worst makes again."""

    def __init__(self, key: str, member: Member, most_pieces: int) -> None:
        self._member, self._most_pieces = member, most_pieces
        self._digest = blake2b(key.encode(), digest_size=24)
        self._rates = _rates_of_week(member.rate, member.night, member.weekend)
        self._kept = Kept(0, array("I"), array("I"), None)

    def dice(self, what: bytes) -> tuple[float, float, float]:
        """Three numbers in [0, 1), always the same for the same words."""
        digest = self._digest.copy()
        digest.update(what)
        one, two, three = unpack(digest.digest())
        return one * ONE, two * ONE, three * ONE

    def whole(self, hour: int) -> Whole:
        """One hour's sums."""
        kept = self._covering(hour // HOUR, hour // HOUR + 1)
        place = hour // HOUR - kept.first
        requests = kept.requests[place]
        if not requests:
            return NOTHING
        limited = kept.limited[place] if kept.limited else 0
        newest = kept.newest[place]
        return Whole(requests, limited, newest, newest if limited else None)

    def sums(self, first: int, last: int) -> Whole:
        """The sums of the whole hours of `[first, last)`."""
        kept = self._covering(first // HOUR, last // HOUR)
        start, end = first // HOUR - kept.first, last // HOUR - kept.first
        requests = sum(kept.requests[start:end])
        if not requests:
            return NOTHING
        newest = max(kept.newest[start:end])
        if kept.limited is None:
            return Whole(requests, 0, newest, None)
        limited = kept.limited[start:end]
        newest_limited = max(
            (at for at, refused in zip(kept.newest[start:end], limited, strict=True) if refused), default=None
        )
        return Whole(requests, sum(limited), newest, newest_limited)

    def _covering(self, first: int, last: int) -> Kept:
        kept = self._kept
        end = kept.first + len(kept.requests)
        if kept.first <= first and last <= end:
            return kept
        last = -(-last // BLOCK) * BLOCK
        if not kept.requests or first > end + KEPT or last < kept.first - KEPT:
            kept = self._decided(first, last)
        else:
            if last > end:
                kept = _joined(kept, self._decided(end, last))
                kept = _cut(kept, max(0, min(len(kept.requests) - KEPT, first - kept.first)), None)
            if first < kept.first:
                kept = _joined(self._decided(first, kept.first), kept)
                kept = _cut(kept, 0, max(KEPT, last - first))
        self._kept = kept
        return kept

    def _decided(self, first: int, last: int) -> Kept:
        """Throw the dice for hours that are not kept."""
        copy, rates, most = self._digest.copy, self._rates, self._most_pieces
        zone, dark, limit = self._member.zone, self._member.dark, self._member.limit
        requests, newest = array("I", bytes(4 * (last - first))), array("I", bytes(4 * (last - first)))
        limited = array("I", bytes(4 * (last - first))) if limit else None
        span, is_dark = -1, False
        for number in range(first, last):
            if dark and number // DARK_SPAN != span:
                span = number // DARK_SPAN
                is_dark = self.dice(b"dark%d" % span)[0] < dark
            if is_dark:
                continue
            digest = copy()
            digest.update(b"%d" % (number * HOUR))
            noise, odds, last_one = unpack(digest.digest())
            rate = rates[(number + zone) % WEEK] * (0.5 + noise * ONE)
            refused = 0
            if limit and self.dice(b"runaway%d" % (number * HOUR))[0] < self._member.runaway:
                rate = limit * (1 + noise * ONE)
                refused = int(rate + odds * ONE) - int(limit)
            made = int(rate + odds * ONE)
            if not made:
                continue
            parts = min(made, most)
            requests[number - first] = made
            newest[number - first] = number * HOUR + int((parts - 1 + last_one * ONE) * HOUR / parts)
            if limited is not None and refused > 0:
                limited[number - first] = refused
        return Kept(first, requests, newest, limited)


@lru_cache(maxsize=4096)
def _rates_of_week(rate: float, night: float, weekend: float) -> tuple[float, ...]:
    """Requests per hour by the hours of a week that begins as the epoch did, on a Thursday."""
    rates = []
    for local in range(WEEK):
        busy = night + (1 - night) * OFFICE[local % 24]
        rates.append(rate * (busy * (weekend if (local // 24 + 3) % 7 >= 5 else 1)))
    return tuple(rates)


def _joined(one: Kept, other: Kept) -> Kept:
    limited = None if one.limited is None or other.limited is None else one.limited + other.limited
    return Kept(one.first, one.requests + other.requests, one.newest + other.newest, limited)


def _cut(kept: Kept, start: int, end: int | None) -> Kept:
    limited = None if kept.limited is None else kept.limited[start:end]
    return Kept(kept.first + start, kept.requests[start:end], kept.newest[start:end], limited)
