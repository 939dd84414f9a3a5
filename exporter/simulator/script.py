"""Scripted requests: a test defines each of them, and when it becomes visible."""

from collections.abc import Iterable, Sequence

from exporter.instants import HOUR
from exporter.simulator.facts import Burst, BurstTuple, RequestSums, SimulatedActor, Tally


class Script:
    """A source whose requests are added one by one."""

    def __init__(self, actor: SimulatedActor) -> None:
        self.actor = actor
        self._hours: dict[int, list[Burst]] = {}

    def add(self, burst: Burst) -> None:
        """Add a burst."""
        self._hours.setdefault(burst.at // HOUR * HOUR, []).append(burst)

    @property
    def lateness(self) -> tuple[float, float]:
        """Any: a test may add to any hour."""
        return float("-inf"), float("inf")

    def name(self, _at: float) -> str:
        """The first name; later ones come from `World.rename`."""
        return self.actor.subject_name

    def known(self, at: float) -> bool:
        """Whether anything has become visible."""
        return any(burst.visible_at <= at for bursts in self._hours.values() for burst in bursts)

    def hours(self, first: int, last: int) -> Iterable[int]:
        """Hours that have events."""
        return sorted(hour for hour in self._hours if first - HOUR < hour < last)

    def bursts(self, hour: int) -> Sequence[Burst]:
        """Events of the hour."""
        return self._hours.get(hour, ())

    def moments(self, hour: int, *, again: bool = True) -> Iterable[BurstTuple]:
        """The bursts of an hour as tuples."""
        del again
        return self.bursts(hour)

    def settled(self, _hour: int, _at: float) -> RequestSums | None:
        """Never certain."""
        return None

    def tally(self, first: int, last: int, at: float) -> RequestSums:
        """The sums of a window, burst by burst."""
        tally = Tally()
        for hour in self.hours(first, last):
            for burst in self.bursts(hour):
                if first <= burst.at < last and burst.visible_at <= at:
                    tally.add_burst(burst)
        return tally.sums()
