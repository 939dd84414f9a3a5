"""A seeded actor's whole hours: requests, refused ones, and the instant of the last one.

An hour's sums come from one digest and are kept as numbers in arrays, so that weeks of thousands of actors fit into
memory and a window's sums are two slices.
"""

from array import array
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

from exporter.instants import HOUR
from exporter.simulator.facts import RETENTION, RequestSums
from exporter.simulator.population import Member

OFFICE = (0, 0, 0, 0, 0, 0.02, 0.1, 0.4, 0.8, 1, 1, 0.9, 0.6, 0.9, 1, 1, 0.9, 0.7, 0.4, 0.25, 0.15, 0.1, 0.05, 0.02)
"""How busy each hour of a working day is."""

DARK_SPAN = 72  # hours
MOST_BURSTS = 360  # the most bursts of an hour: one every ten seconds, of each actor
RUNAWAY_BURSTS = 1200  # one every three seconds, so that a minute already shows the requests of a runaway program
WEEK = 168
CACHED_HOURS = RETENTION // HOUR + 48
BLOCK = 12  # hours that are decided at a time, where hours are asked for one after another
ONE = 2.0**-64
NOTHING = RequestSums(0, 0, None, None)

unpack = Struct("<3Q").unpack


class HourArrays(NamedTuple):
    """Consecutive hours by their number since the epoch, one array entry each. Never changed, only replaced."""

    first: int
    requests: "array[int]"
    newest: "array[int]"  # second of the hour's last request
    limited: "array[int] | None"  # None: never any


class Hours:
    """One actor's hours. Two threads may use it at a time: at worst both compute the same hours."""

    def __init__(self, key: str, member: Member, most_bursts: int) -> None:
        self._member, self._most_bursts = member, most_bursts
        self._digest = blake2b(key.encode(), digest_size=24)
        self._rates = _rates_of_week(member.rate, member.night, member.weekend)
        self._arrays = HourArrays(0, array("I"), array("I"), None)

    def dice(self, what: bytes) -> tuple[float, float, float]:
        """Three numbers in [0, 1), always the same for the same argument."""
        digest = self._digest.copy()
        digest.update(what)
        first, second, third = unpack(digest.digest())
        return first * ONE, second * ONE, third * ONE

    def sums_of_hour(self, hour: int) -> RequestSums:
        """The sums of one hour."""
        arrays = self._covering(hour // HOUR, hour // HOUR + 1)
        place = hour // HOUR - arrays.first
        requests = arrays.requests[place]
        if not requests:
            return NOTHING
        limited = arrays.limited[place] if arrays.limited else 0
        newest = arrays.newest[place]
        return RequestSums(requests, limited, newest, newest if limited else None)

    def sums(self, first: int, last: int) -> RequestSums:
        """The sums of the whole hours of `[first, last)`."""
        arrays = self._covering(first // HOUR, last // HOUR)
        start, end = first // HOUR - arrays.first, last // HOUR - arrays.first
        requests = sum(arrays.requests[start:end])
        if not requests:
            return NOTHING
        newest = max(arrays.newest[start:end])
        if arrays.limited is None:
            return RequestSums(requests, 0, newest, None)
        limited = arrays.limited[start:end]
        newest_limited = max(
            (at for at, refused in zip(arrays.newest[start:end], limited, strict=True) if refused), default=None
        )
        return RequestSums(requests, sum(limited), newest, newest_limited)

    def _covering(self, first: int, last: int) -> HourArrays:
        arrays = self._arrays
        end = arrays.first + len(arrays.requests)
        if arrays.first <= first and last <= end:
            return arrays
        last = -(-last // BLOCK) * BLOCK
        if not arrays.requests or first > end + CACHED_HOURS or last < arrays.first - CACHED_HOURS:
            arrays = self._drawn(first, last)
        else:
            if last > end:
                arrays = _joined(arrays, self._drawn(end, last))
                arrays = _cut(arrays, max(0, min(len(arrays.requests) - CACHED_HOURS, first - arrays.first)), None)
            if first < arrays.first:
                arrays = _joined(self._drawn(first, arrays.first), arrays)
                arrays = _cut(arrays, 0, max(CACHED_HOURS, last - first))
        self._arrays = arrays
        return arrays

    def _drawn(self, first: int, last: int) -> HourArrays:
        """Compute hours that are not cached."""
        copy, rates, most = self._digest.copy, self._rates, self._most_bursts
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
            total = int(rate + odds * ONE)
            if not total:
                continue
            parts = min(total, most)
            requests[number - first] = total
            newest[number - first] = number * HOUR + int((parts - 1 + last_one * ONE) * HOUR / parts)
            if limited is not None and refused > 0:
                limited[number - first] = refused
        return HourArrays(first, requests, newest, limited)


@lru_cache(maxsize=4096)
def _rates_of_week(rate: float, night: float, weekend: float) -> tuple[float, ...]:
    """Requests per hour by the hours of a week that begins as the epoch did, on a Thursday."""
    rates = []
    for local in range(WEEK):
        busy = night + (1 - night) * OFFICE[local % 24]
        rates.append(rate * (busy * (weekend if (local // 24 + 3) % 7 >= 5 else 1)))
    return tuple(rates)


def _joined(first: HourArrays, second: HourArrays) -> HourArrays:
    limited = None if first.limited is None or second.limited is None else first.limited + second.limited
    return HourArrays(first.first, first.requests + second.requests, first.newest + second.newest, limited)


def _cut(arrays: HourArrays, start: int, end: int | None) -> HourArrays:
    limited = None if arrays.limited is None else arrays.limited[start:end]
    return HourArrays(arrays.first + start, arrays.requests[start:end], arrays.newest[start:end], limited)
