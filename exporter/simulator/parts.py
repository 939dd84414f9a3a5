"""Sums of a source's requests by parts: by intervals of time, or by routes. Pure."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from exporter.simulator.facts import HOUR, Moment, Piece, Route, Source, Tally, Whole

Key = TypeVar("Key", int, Route)


def split(
    source: Source,
    span: tuple[int, int],
    at: float,
    *,
    part: Callable[[Piece], Key],
    settled: Callable[[int], Iterable[tuple[Key, Whole]]],
) -> dict[Key, Tally]:
    """What is visible at an instant of a source's requests in a span, by part; `settled` gives a whole hour's."""
    parts: dict[Key, Tally] = {}
    first, last = span
    for hour in source.hours(first, last):
        if first <= hour and hour + HOUR <= last and source.settled(hour, at):
            for key, whole in settled(hour):
                parts.setdefault(key, Tally()).add(*whole)
            continue
        for piece in source.pieces(hour):
            if first <= piece.at < last and piece.visible_at <= at:
                parts.setdefault(part(piece), Tally()).add_piece(piece)
    return parts


def settled_hour(source: Source, hour: int, increment: int) -> tuple[tuple[int, Whole], ...]:
    """A settled hour, which lies in one interval."""
    whole = source.settled(hour, float("inf"))
    return ((hour // increment * increment, whole),) if whole and whole.requests else ()


def settled_intervals(source: Source, hour: int, increment: int) -> tuple[tuple[int, Whole], ...]:
    """A settled hour by the intervals in it."""
    return _settled_parts(source, hour, lambda piece: piece.at // increment * increment)


def settled_routes(source: Source, hour: int) -> tuple[tuple[Route, Whole], ...]:
    """A settled hour by route."""
    return _settled_parts(source, hour, lambda piece: piece.route)


def _settled_parts(source: Source, hour: int, part: Callable[[Piece], Key]) -> tuple[tuple[Key, Whole], ...]:
    parts: dict[Key, Tally] = {}
    for piece in source.pieces(hour):
        parts.setdefault(part(piece), Tally()).add_piece(piece)
    return frozen(parts)


def frozen(parts: dict[Key, Tally]) -> tuple[tuple[Key, Whole], ...]:
    """Parts that are remembered."""
    return tuple((key, tally.whole()) for key, tally in parts.items())


def add_visible(
    parts: dict[int, Tally], moments: Iterable[Moment], span: tuple[int, int], at: float, increment: int
) -> None:
    """Add the counts of what is visible at an instant of a span to intervals."""
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
