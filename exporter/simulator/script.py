"""Scripted requests: a test tells each of them, and when it becomes visible."""

from collections.abc import Iterable, Sequence

from exporter.simulator.facts import HOUR, Actor, Moment, Piece, Tally, Whole


class Script:
    """A source whose requests are told one by one."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self._hours: dict[int, list[Piece]] = {}

    def add(self, piece: Piece) -> None:
        """Add a piece."""
        self._hours.setdefault(piece.at // HOUR * HOUR, []).append(piece)

    @property
    def lateness(self) -> tuple[float, float]:
        """Any: a test may add to any hour."""
        return float("-inf"), float("inf")

    def name(self, _at: float) -> str:
        """The first name, for ever; `World.rename` tells later ones."""
        return self.actor.subject_name

    def known(self, at: float) -> bool:
        """Whether anything has become visible."""
        return any(piece.visible_at <= at for pieces in self._hours.values() for piece in pieces)

    def hours(self, first: int, last: int) -> Iterable[int]:
        """Hours that have events."""
        return sorted(hour for hour in self._hours if first - HOUR < hour < last)

    def pieces(self, hour: int) -> Sequence[Piece]:
        """Events of the hour."""
        return self._hours.get(hour, ())

    def moments(self, hour: int, *, again: bool = True) -> Iterable[Moment]:
        """The same."""
        del again
        return self.pieces(hour)

    def settled(self, _hour: int, _at: float) -> Whole | None:
        """Never certain."""
        return None

    def tally(self, first: int, last: int, at: float) -> Whole:
        """The sums of a window, piece by piece."""
        tally = Tally()
        for hour in self.hours(first, last):
            for piece in self.pieces(hour):
                if first <= piece.at < last and piece.visible_at <= at:
                    tally.add_piece(piece)
        return tally.whole()
