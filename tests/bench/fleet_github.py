"""The simulated GitHub of a fleet: `python -m tests.bench.fleet_github ORGANIZATIONS SUBJECTS KEY RATE START`.

KEY is the file of the App's public key; the App is installed on all organizations. "port N" says that it is served, by
a clock that stands at START. Commands on standard input, each answered by "done SECONDS REQUESTS": `run` lets the clock
run RATE times as fast, `count` gives the requests since the last command.

The traffic is scripted, because seeded traffic of 200,000 subjects costs more than the exporter that is measured: each
subject sends a fixed number of requests every so many minutes, so that the sums of a window are a formula.
"""

import asyncio
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import uvloop

from exporter.instants import HOUR
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import SimulatedApp, SimulatedInstallation
from exporter.simulator.facts import Burst, BurstTuple, Organization, RequestSums, Route, SimulatedActor, Tally
from exporter.simulator.population import APP_ROUTES, USER_ROUTES
from exporter.simulator.serve import serving
from exporter.simulator.world import World
from tests.support.app import CLIENT_ID
from tests.support.harness import SimClock

MINUTE = 60
PERIODS = (2, 3, 5, 10, 15, 30, 60)  # minutes; an hour is a whole number of each
APPS = 10  # every tenth subject is an app
LATE = 5 * HOUR  # seconds until GitHub shows a request


class Regular:
    """An actor that sends `requests` at once every `period` minutes, since ever; a traffic source."""

    lateness = (float(LATE), float(LATE))

    def __init__(self, actor: SimulatedActor, number: int, routes: Sequence[Route]) -> None:
        self.actor, self.routes = actor, routes
        self.period = PERIODS[number % len(PERIODS)]
        self.phase, self.requests = number % self.period, 1 + number * 7 % 40

    def name(self, _at: float) -> str:
        """Always the same."""
        return self.actor.subject_name

    def known(self, _at: float) -> bool:
        """Always."""
        return True

    def hours(self, first: int, last: int) -> Iterable[int]:
        """All of them."""
        return range(first // HOUR * HOUR, last, HOUR)

    def bursts(self, hour: int) -> Sequence[Burst]:
        """Every hour is like every other, but for the routes."""
        first = hour // MINUTE
        minutes = range(first + (self.phase - first) % self.period, first + HOUR // MINUTE, self.period)
        return [
            Burst(at * MINUTE, at * MINUTE + LATE, self.requests, 0, self.routes[at // self.period % len(self.routes)])
            for at in minutes
        ]

    def moments(self, hour: int, *, again: bool = True) -> Iterable[BurstTuple]:
        """The bursts."""
        del again
        return self.bursts(hour)

    def settled(self, hour: int, at: float) -> RequestSums | None:
        """The hour's sums once all of it is visible."""
        return self.tally(hour, hour + HOUR, at) if at >= hour + HOUR + LATE else None

    def tally(self, first: int, last: int, at: float) -> RequestSums:
        """How many times it was due in whole minutes of the window, by a division."""
        begin, end = -(-first // MINUTE), -(-min(last, int(at) - LATE + 1) // MINUTE)
        times = (end - 1 - self.phase) // self.period - (begin - 1 - self.phase) // self.period
        if times <= 0 or end <= begin:
            return RequestSums(0, 0, None, None)
        newest = ((end - 1 - self.phase) // self.period * self.period + self.phase) * MINUTE
        return RequestSums(times * self.requests, 0, newest, None)


class Fleet(World):
    """Organizations whose sources are all `Regular`, and alike in all of them."""

    def __init__(self, organizations: Sequence[Organization]) -> None:
        super().__init__(organizations)
        self._by_minute = [0] * (HOUR // MINUTE)
        for source in organizations[0].sources:
            for burst in source.bursts(0):
                self._by_minute[burst.at // MINUTE] += burst.requests

    def intervals_of_all(self, org: str, start: float, end: float, at: float, increment: int) -> dict[int, Tally]:
        """The visible requests of an organization by intervals."""
        del org
        first, last = self.span(start, end, at)
        intervals: dict[int, Tally] = {}
        for minute in range(first // MINUTE, -(-min(last, int(at) - LATE + 1) // MINUTE)):
            key = minute * MINUTE // increment * increment
            tally = intervals.get(key) or intervals.setdefault(key, Tally())
            tally.requests += self._by_minute[minute % len(self._by_minute)]
        return intervals


def organization(number: int, subjects: int) -> Organization:
    """An organization with so many apps and users; every user has one token."""
    sources = []
    for place in range(subjects):
        one = number * subjects + place + 1
        if place % APPS == 0:
            actor = SimulatedActor("installation", one, f"app-{one}", "installation", one, f"app-{one}", one)
        else:
            actor = SimulatedActor("user", one, f"user-{one}", "fine_grained_pat", one, f"token-{one}")
        sources.append(Regular(actor, place, USER_ROUTES if place % APPS else APP_ROUTES))
    return Organization(f"org-{number}", 1 + number, tuple(sources))


async def _line() -> str:
    line: str = await asyncio.to_thread(sys.stdin.readline)
    return line.strip()


async def _serve(github: SimulatedGitHub, clock: SimClock, rate: float) -> None:
    seen = 0
    async with serving(github) as url:
        print("port", url.rpartition(":")[2], flush=True)
        while command := await _line():
            began = time.perf_counter()
            if command == "run":
                clock.run(rate)
            (sent,) = (record.started + 1 for record in [github.log[-1]]) if github.log else (0,)
            print("done", time.perf_counter() - began, sent - seen, flush=True)
            seen = sent


def main(organizations: int, subjects: int, key: Path, rate: float, start: float) -> None:
    """Serve until standard input ends."""
    clock = SimClock(start)
    world = Fleet([organization(number, subjects) for number in range(organizations)])
    installed = {org.name: SimulatedInstallation(10_000 + org.id) for org in world.organizations}
    app = SimulatedApp(CLIENT_ID, key.read_text(), installed)
    uvloop.run(_serve(SimulatedGitHub(world, clock, apps=[app], keep=100), clock, rate))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
