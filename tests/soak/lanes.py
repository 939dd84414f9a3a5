"""Which fault follows which: three lanes side by side, each in an order that the seed decides."""

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from random import Random

from tests.soak.client_faults import CLIENT_FAULTS
from tests.soak.exporter_faults import ENDS, SAME_PROCESS
from tests.soak.github_faults import GITHUB_FAULTS, SHORT_GITHUB_FAULTS
from tests.soak.scene import Fault, Scene

SHORTEST_WITH_LONG_LIFE = 10.0


@dataclass(frozen=True)
class Phase:
    """A part of a soak. In `one_life` the process lives through it: only so its memory can be seen to grow."""

    name: str
    seconds: float
    one_life: bool

    def lanes(self) -> Mapping[str, Mapping[str, Fault]]:
        """The kinds of faults of each lane."""
        if self.one_life:
            return {"github": SHORT_GITHUB_FAULTS, "exporter": SAME_PROCESS, "clients": CLIENT_FAULTS}
        return {"github": GITHUB_FAULTS, "exporter": {**ENDS, **SAME_PROCESS}, "clients": CLIENT_FAULTS}


def phases(minutes: float) -> tuple[Phase, ...]:
    """All kinds of faults; in a longer soak two thirds of the time without restarts and waits of hours."""
    seconds = 60 * minutes
    if minutes < SHORTEST_WITH_LONG_LIFE:
        return (Phase("all faults", seconds, one_life=False),)
    return (
        Phase("all faults", seconds / 6, one_life=False),
        Phase("one life", seconds * 4 / 6, one_life=True),
        Phase("all faults again", seconds / 6, one_life=False),
    )


def order(seed: int, lane: str, kinds: Mapping[str, Fault]) -> Iterator[tuple[str, Fault, Random]]:
    """Every kind once, shuffled, again and again; each with random choices of its own, whatever came before."""
    random, numbers = Random(f"{seed} {lane}"), count()
    while True:
        for name in random.sample(list(kinds), len(kinds)):
            yield name, kinds[name], Random(f"{seed} {lane} {next(numbers)}")


def play(scene: Scene, seed: int, phase: Phase) -> None:
    """Let all lanes run until the time is over and each kind was there once."""
    deadline = time.monotonic() + phase.seconds

    def run(lane: str, kinds: Mapping[str, Fault]) -> None:
        for number, (name, fault, random) in enumerate(order(seed, f"{phase.name} {lane}", kinds)):
            if scene.stopping.is_set() or (number >= len(kinds) and time.monotonic() > deadline):
                return
            try:
                fault(scene, random)
            except Exception as problem:  # noqa: BLE001 - whatever it is, it is told, and the others go on
                scene.breach(f"{name}: {problem!r}"[:2000])
            else:
                scene.survived[name] += 1

    threads = [threading.Thread(target=run, args=one, name=one[0]) for one in phase.lanes().items()]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        scene.stopping.set()
        raise
    scene.github.app.faults.clear()
