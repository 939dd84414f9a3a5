"""When requests may be sent: one queue, one quota and one pause per quota pool."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from operator import itemgetter
from typing import TypeAlias

from exporter.github.budget import Budget, Spending
from exporter.github.dates import OPEN, Closing, whole_number
from exporter.github.hour import LONGEST_BLOCK, LONGEST_WINDOW
from exporter.github.responses import Meaning, RateLimit, Success

MOST_OVERTAKES = 4
"""How many turns in a row may overtake the oldest job in the queue, so that no job starves under load."""

_Place: TypeAlias = "tuple[int, int, asyncio.Future[None]]"
"""A place in the queue: priority, arrival number, and the future that ends the wait."""


@dataclass(slots=True)
class Pool:
    """The requests that share one rate limit at GitHub: those of a token's user, or of one App installation.

    - `limit`, `remaining` and `reset` (epoch seconds): from GitHub's newest headers.
    - `blocked_until`: by GitHub's clock, 0 if not blocked.
    - `requests`: attempts by status, or `error`.
    - `budget`: without one, or without a known limit, the number of requests is not limited.
    - `in_turn`: the requests of the job that has the turn.
    - `closing`: when the endpoint that this job requested ends.
    """

    name: str
    budget: Budget | None = None
    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None
    blocked_until: float = 0.0
    limited_in_row: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    spending: Spending = field(default_factory=Spending)
    in_turn: int = 0
    closing: Closing = OPEN
    _holder: str = field(default="", init=False, repr=False)
    _taken: bool = field(default=False, init=False, repr=False)
    _arrivals: Iterator[int] = field(default_factory=count, init=False, repr=False)
    _waiting: list[_Place] = field(default_factory=list, init=False, repr=False)
    _overtakes: int = field(default=0, init=False, repr=False)

    @asynccontextmanager
    async def turn(self, priority: int, job: str = "") -> AsyncIterator[None]:
        """Use the pool exclusively. The smallest `priority` in the queue is next, then the earliest arrival.

        After `MOST_OVERTAKES` turns in a row that overtook the earliest arrival, that one is next.
        """
        await self._take(priority)
        self._holder, self.in_turn, self.closing = job, 0, OPEN
        try:
            yield
        finally:
            self._pass_on()

    async def _take(self, priority: int) -> None:
        if not self._taken:
            self._taken = True
            return
        called = asyncio.get_running_loop().create_future()
        place = (priority, next(self._arrivals), called)
        heapq.heappush(self._waiting, place)
        try:
            await called
        except asyncio.CancelledError:
            if not called.cancelled():  # called and cancelled at the same moment: the turn must be passed on
                self._pass_on()
            elif place in self._waiting:
                self._waiting.remove(place)
                heapq.heapify(self._waiting)
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            called = self._next_place()[2]
            if not called.done():
                called.set_result(None)
                return
        self._taken = False

    def _next_place(self) -> _Place:
        first, oldest = self._waiting[0], min(self._waiting, key=itemgetter(1))
        overtakes = first is not oldest and self._overtakes < MOST_OVERTAKES
        self._overtakes = self._overtakes + 1 if overtakes else 0
        if overtakes or first is oldest:
            return heapq.heappop(self._waiting)
        self._waiting.remove(oldest)
        heapq.heapify(self._waiting)
        return oldest

    def blocked(self, now: float) -> float:
        """Until when GitHub allows no requests (its clock); 0 if it allows them."""
        return self.blocked_until if 0 < self.blocked_until - now <= LONGEST_BLOCK else 0.0

    def reserved(self, now: float) -> float:
        """Until when the rest of the quota is left to other programs (GitHub's clock); 0 if there is enough."""
        if self.budget is None or self.limit is None or self.remaining is None or self.reset is None:
            return 0.0
        if self.remaining >= self.budget.untouched(self.limit):
            return 0.0
        return self.reset + 1 if 0 <= self.reset - now <= LONGEST_WINDOW else 0.0

    @property
    def hourly(self) -> int | None:
        """How many requests may be sent per hour; None if unlimited, or not known yet."""
        return None if self.budget is None or self.limit is None else self.budget.hourly(self.limit)

    def spent(self, now: float) -> float:
        """Seconds until the budget allows one more request; `now` is of a monotonic clock."""
        return 0.0 if self.hourly is None else self.spending.full(self.hourly, now)

    def sending(self, now: float) -> None:
        """Count a request that is sent at `now` (monotonic clock)."""
        self.in_turn += 1
        self.spending.add(self._holder, now)

    def learn(self, meaning: Meaning, status: int, headers: Mapping[str, str], now: float) -> None:
        """Update the quota, and the end of the endpoint, from a response."""
        closing = Closing.from_headers(headers) if status < 500 else OPEN  # not a gateway's page
        self.closing = closing if closing != OPEN else self.closing
        if isinstance(meaning, Success):
            self.limited_in_row = 0
        elif isinstance(meaning, RateLimit):
            self.limited_in_row += 1
            self.blocked_until = max(self.blocked(now), meaning.until)
        elif meaning.retry_at:
            self.blocked_until = max(self.blocked(now), meaning.retry_at)
        # A 401 has the quota of the IP address, and other resources have quotas of their own.
        if status == 401 or headers.get("x-ratelimit-resource", "core") != "core":
            return
        self.limit = _number_or(headers.get("x-ratelimit-limit"), self.limit)
        self.remaining = _number_or(headers.get("x-ratelimit-remaining"), self.remaining)
        reset = _number_or(headers.get("x-ratelimit-reset"), self.reset)
        # Ignore a reset in milliseconds or in another year: it must be within the window.
        self.reset = reset if reset is not None and reset - now <= LONGEST_WINDOW else None


def _number_or(text: str | None, default: float | None) -> float | None:
    number = whole_number(text or "")
    return default if number is None else number
