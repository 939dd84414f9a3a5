"""Sums of a source's requests by parts: by intervals of time, or by routes. Pure."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from exporter.instants import HOUR
from exporter.simulator.facts import Burst, BurstTuple, RequestSums, Route, Tally, TrafficSource

PartKey = TypeVar("PartKey", int, Route)


def split(
    source: TrafficSource,
    span: tuple[int, int],
    at: float,
    *,
    part: Callable[[Burst], PartKey],
    settled: Callable[[int], Iterable[tuple[PartKey, RequestSums]]],
) -> dict[PartKey, Tally]:
    """A source's requests in a span that are visible at an instant, by part; `settled` gives a settled hour's."""
    parts: dict[PartKey, Tally] = {}
    first, last = span
    for hour in source.hours(first, last):
        if first <= hour and hour + HOUR <= last and source.settled(hour, at):
            for key, sums in settled(hour):
                parts.setdefault(key, Tally()).add(*sums)
            continue
        for burst in source.bursts(hour):
            if first <= burst.at < last and burst.visible_at <= at:
                parts.setdefault(part(burst), Tally()).add_burst(burst)
    return parts


def settled_hour(source: TrafficSource, hour: int, increment: int) -> tuple[tuple[int, RequestSums], ...]:
    """A settled hour, which lies in one interval."""
    sums = source.settled(hour, float("inf"))
    return ((hour // increment * increment, sums),) if sums and sums.requests else ()


def settled_intervals(source: TrafficSource, hour: int, increment: int) -> tuple[tuple[int, RequestSums], ...]:
    """A settled hour by the intervals in it."""
    return _settled_parts(source, hour, lambda burst: burst.at // increment * increment)


def settled_routes(source: TrafficSource, hour: int) -> tuple[tuple[Route, RequestSums], ...]:
    """A settled hour by route."""
    return _settled_parts(source, hour, lambda burst: burst.route)


def _settled_parts(
    source: TrafficSource, hour: int, part: Callable[[Burst], PartKey]
) -> tuple[tuple[PartKey, RequestSums], ...]:
    parts: dict[PartKey, Tally] = {}
    for burst in source.bursts(hour):
        parts.setdefault(part(burst), Tally()).add_burst(burst)
    return frozen(parts)


def frozen(parts: dict[PartKey, Tally]) -> tuple[tuple[PartKey, RequestSums], ...]:
    """The sums of parts, immutable, so that they can be cached."""
    return tuple((key, tally.sums()) for key, tally in parts.items())


def add_visible(
    parts: dict[int, Tally], moments: Iterable[BurstTuple], span: tuple[int, int], at: float, increment: int
) -> None:
    """Add the requests of a span that are visible at an instant to their intervals."""
    first, last = span
    for second, visible_at, requests, limited, _ in moments:
        if visible_at > at or not first <= second < last:
            continue
        start = second // increment * increment
        tally = parts.get(start)
        if tally is None:
            tally = parts[start] = Tally()
        tally.requests += requests
        tally.limited += limited
