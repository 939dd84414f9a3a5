"""How much of a pool's hourly limit we use: a share of it, spread over the hour. Instants are arguments.

There are two sliding windows: no hour has more requests than the budget, and no five minutes more than a third of it
(or what the jobs' own intervals need, if that is more), so that neither a start nor the end of a pause is a burst.
Before a job runs, its cost must fit beside what more important jobs still need in the hour, so totals never wait for
details.
"""

from collections import Counter, deque
from dataclasses import dataclass, field

from exporter.instants import HOUR

TRAVEL = 30.0
"""The longest time that a request may take: the client gives up then."""
LONG = HOUR + TRAVEL
"""An hour as GitHub may count it: the first request may arrive late, and the next one at once."""
SHORT = 300.0
SHORT_SHARE = 1 / 3
LEAST_RESERVE_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Budget:
    """`share` of the hourly limit may be sent, and nothing while fewer than `reserve` requests remain."""

    share: float
    reserve: int

    def hourly(self, limit: float) -> int:
        """Requests per hour, at least one: without any request the limit would stay unknown."""
        return max(1, int(limit * self.share))

    def untouched(self, limit: float) -> float:
        """Requests that are left to other programs: nothing is sent while fewer remain."""
        return min(self.reserve, limit * LEAST_RESERVE_SHARE)


@dataclass(slots=True)
class Spending:
    """The requests of the last hour (`LONG`), by job. Instants are seconds of a clock that never jumps."""

    _sent: deque[tuple[float, str, int]] = field(default_factory=deque)
    _by_job: Counter[str] = field(default_factory=Counter)
    _total: int = 0

    def add(self, job: str, now: float, requests: int = 1) -> None:
        """Count requests that were sent at `now`, which never decreases."""
        # Requests of one second are one entry, at the second's end: it expires too late, never too early.
        at = float(int(now) + 1)
        same = bool(self._sent) and self._sent[-1][:2] == (at, job)
        self._sent.append((at, job, requests + (self._sent.pop()[2] if same else 0)))
        self._by_job[job] += requests
        self._total += requests

    def of(self, job: str, now: float) -> int:
        """A job's requests within the hour."""
        self._forget(now)
        return self._by_job[job]

    def by_minute(self, now: float) -> list[tuple[float, int]]:
        """The hour's requests as (seconds ago, requests) per minute, the oldest first."""
        self._forget(now)
        minutes: dict[int, tuple[float, int]] = {}
        for at, _job, count in self._sent:
            minute = int((now - at) // 60)
            minutes[minute] = (now - at, count + minutes.get(minute, (0.0, 0))[1])
        return list(minutes.values())

    def within(self, seconds: float, now: float) -> int:
        """The requests of the last `seconds`, `LONG` at most."""
        self._forget(now)
        if seconds >= LONG:
            return self._total
        total = 0
        for at, _job, count in reversed(self._sent):
            if at <= now - seconds:
                break
            total += count
        return total

    def wait(self, cost: int, reserved: int, hourly: int, now: float, usual: int = 0) -> float | None:
        """Seconds until `cost` requests fit while `reserved` are left for other jobs; None if they never will.

        `usual` is what all jobs send in `SHORT` anyway. A cost above the share of `SHORT` waits only until less than a
        quarter of that share was sent.
        """
        if cost > hourly:
            return None
        short = max(int(hourly * SHORT_SHARE), usual)
        return max(
            self._free(LONG, hourly - cost - reserved, now),
            self._free(SHORT, max(short - cost, short // 4), now),
        )

    def full(self, hourly: int, now: float) -> float:
        """Seconds until one more request fits into the hour."""
        return self._free(LONG, hourly - 1, now)

    def _free(self, seconds: float, most: int, now: float) -> float:
        """Seconds until the window holds at most `most` requests; until it is empty for less than none."""
        excess = self.within(seconds, now) - max(0, most)
        free_at = now
        for at, _job, count in self._sent:
            if excess <= 0:
                break
            if at > now - seconds:
                excess -= count
                free_at = at + seconds
        return free_at - now

    def _forget(self, now: float) -> None:
        while self._sent and self._sent[0][0] <= now - LONG:
            _at, job, count = self._sent.popleft()
            self._total -= count
            self._by_job[job] -= count
            if not self._by_job[job]:
                del self._by_job[job]
