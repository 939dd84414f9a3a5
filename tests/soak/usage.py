"""Memory, descriptors, threads and the size of the state: they may not grow."""

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.soak.scene import Scene

EVERY = 1.0
WARM_UP = 60.0
SHORTEST = 240.0
"""Seconds of one life that are enough to compare its quarters."""


class Sample(NamedTuple):
    """What a process used at one moment."""

    at: float
    life: int
    memory: float  # MiB
    descriptors: int
    threads: int
    state: float  # MiB


class Bound(NamedTuple):
    """How much more the last quarter may use than the first one, and the most that is possible at any time.

    A quarter is known by its median, or by what `part` of its samples are below.
    """

    share: float
    more: float
    most: float
    part: float = 0.5


BOUNDS = {
    # The allocator keeps what a busy moment took: fifty slow readers, each with its copy of the headers and its task.
    "memory": Bound(0.10, 8, 200),
    # The server takes 512 connections, beside a dozen files. Hostile clients come and go; in a tenth of the time few of
    # them are connected.
    "descriptors": Bound(0, 5, 600, part=0.1),
    # The worker, and what the event loop takes for the names of hosts.
    "threads": Bound(0, 1, 16),
    # SQLite reuses its pages; its journal (WAL) is as long as the longest time between two checkpoints made it.
    "state": Bound(0.5, 2, 40),
}


class Usage:
    """What the exporter used, second by second."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.samples: list[Sample] = []

    def add_sample(self) -> None:
        """Look once."""
        scene, life = self._scene, self._scene.life
        with suppress(OSError, AttributeError):  # it has just ended
            if life:
                sample = look(scene.pid, life, Path(scene.settings["state"]["path"]))
                if scene.life == life:
                    self.samples.append(sample)

    def longest_life(self) -> list[Sample]:
        """The samples of the process that lived longest, without its first minute."""
        lives = [[one for one in self.samples if one.life == life] for life in {one.life for one in self.samples}]
        longest = max(lives, key=len, default=[])
        return [one for one in longest if one.at > longest[0].at + WARM_UP]

    def judge(self) -> None:
        """Report what grew, or was more than is possible."""
        life = self.longest_life()
        is_long = bool(life) and life[-1].at - life[0].at > SHORTEST
        for name, bound in BOUNDS.items():
            if (most := max((getattr(one, name) for one in self.samples), default=0)) > bound.most:
                self._scene.breach(f"{name}: {most:.0f}, more than {bound.most:g}")
            if not is_long:
                continue
            before, after = quarters(life, name)
            if after > before * (1 + bound.share) + bound.more:
                self._scene.breach(f"{name} grew from {before:.1f} to {after:.1f}")


def quarters(samples: Sequence[Sample], name: str) -> tuple[float, float]:
    """What is typical of the first quarter and of the last."""
    size = max(1, len(samples) // 4)
    first, last = (sorted(float(getattr(one, name)) for one in part) for part in (samples[:size], samples[-size:]))
    place = int(size * BOUNDS[name].part)
    return first[place], last[place]


def look(pid: int, life: int, state: Path) -> Sample:
    """What a process uses now; raises `OSError` if it is gone."""
    status = Path(f"/proc/{pid}/status").read_text()
    resident, threads = (re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE) for name in ("VmRSS", "Threads"))
    assert threads
    return Sample(
        time.monotonic(),
        life,
        int(resident[1]) / 1024 if resident else 0.0,
        len([*Path(f"/proc/{pid}/fd").iterdir()]),
        int(threads[1]),
        sum(file.stat().st_size for file in state.iterdir()) / 2**20,
    )
