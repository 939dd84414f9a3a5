"""How a worker thread makes way for scrapes, which the event loop of the same process answers.

A thread that computes delays an answer in three ways, as traces of the kernel's scheduler show. It lets go of the
interpreter for 20 us while it deflates, and has it back before who waits for it is awake. The kernel lets it run for
a slice of some milliseconds although the loop, or the client, woke up on its processor. And an answer takes the
interpreter several times, at each of which the worker may come first. So the worker asks often whether a client has
sent something, and sleeps as long as an answer takes, after which it works for as long; it sleeps a moment now and then
all the same, for clients that wait for a processor; and its priority is a little lower.
"""

import os
import select
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

LOOK_EVERY = 0.0001
ANSWER = 0.001
"""Seconds that an answer takes."""
NAP_EVERY = 0.001
NAP = 5e-5
NICE = 5


def pause(seconds: float) -> None:
    """Sleep; `time.sleep` never ends under libfaketime, which tests use."""
    select.select((), (), (), seconds)


def step_back() -> None:
    """Lower the priority of this thread; elsewhere than on Linux it would be that of the process."""
    if sys.platform == "linux":
        with suppress(OSError):  # forbidden by a sandbox: scrapes wait a little longer
            os.nice(NICE)


class Arrivals:
    """Tells any thread whether clients have sent something since it was asked last; only on Linux it can tell."""

    def __init__(self) -> None:
        self._epoll = select.epoll() if sys.platform == "linux" else None

    def watch(self, socket: int) -> None:
        """Look at this socket (a file descriptor) until it is closed."""
        if self._epoll is not None:
            with suppress(OSError, ValueError):  # the kernel's limit, or listening ends: who asks waits a little longer
                self._epoll.register(socket, select.EPOLLIN | select.EPOLLET)

    def __call__(self) -> bool:
        """Whether something has come."""
        try:
            return self._epoll is not None and bool(self._epoll.poll(0))
        except (OSError, ValueError):  # closed meanwhile
            return False

    def close(self) -> None:
        """Tell nothing any more."""
        if self._epoll is not None:
            self._epoll.close()


@dataclass(slots=True)
class Naps:
    """Called between pieces of work in a worker thread; sleeps if a client has sent something, and now and then."""

    arrived: Callable[[], bool]
    clock: Callable[[], float] = time.perf_counter
    pause: Callable[[float], None] = pause
    _looks_at: float = field(init=False)
    _slept: float = field(init=False)

    def __post_init__(self) -> None:
        self._slept = self.clock()
        self._looks_at = self._slept + LOOK_EVERY

    def __call__(self) -> None:
        """Sleep if it is time."""
        now = self.clock()
        if now < self._looks_at:
            return
        arrived = self.arrived()
        if arrived or now - self._slept >= NAP_EVERY:
            self.pause(ANSWER if arrived else NAP)
            self._slept = self.clock()
        self._looks_at = self.clock() + (ANSWER if arrived else LOOK_EVERY)
