"""The request budget of a quota pool: a share of GitHub's hourly limit, spread over the hour. Instants are arguments.

Two sliding windows limit the requests: in an hour to the budget; in five minutes to a third of it, or what the jobs'
own intervals need if that is more, so that a start, or the end of a pause, causes no burst. A job runs only if its cost
fits beside what more important jobs still need in the hour, so totals never wait for details.
"""

from collections import Counter, deque
from dataclasses import dataclass, field

from exporter.github.hour import HOUR_WINDOW

BURST_WINDOW = 300.0
BURST_SHARE = 1 / 3
"""The share of the budget that may be sent within `BURST_WINDOW`."""
LARGEST_RESERVE = 0.1
"""The largest share of the limit that `reserve` may take: otherwise a small limit would be reserved entirely."""


@dataclass(frozen=True, slots=True)
class Budget:
    """`share` of the hourly limit may be sent, and nothing while fewer than `reserve` requests remain.

    `others` are the requests per hour that another process of ours sends from the same share.
    """

    share: float
    reserve: int
    others: int = 0

    def hourly(self, limit: float) -> int:
        """Requests that may be sent per hour: at least one, because the limit is known from responses only."""
        return max(1, int(limit * self.share) - self.others)

    def untouched(self, limit: float) -> float:
        """Requests that are left to other programs: nothing is sent while fewer remain."""
        return min(self.reserve, limit * LARGEST_RESERVE)


@dataclass(slots=True)
class Spending:
    """The requests of the last hour (`HOUR_WINDOW`), by job. Instants are seconds of a monotonic clock."""

    _sent: deque[tuple[float, str, int]] = field(default_factory=deque)
    _by_job: Counter[str] = field(default_factory=Counter)
    _total: int = 0

    def add(self, job: str, now: float, requests: int = 1) -> None:
        """Count requests that were sent at `now`, which never decreases."""
        # Requests of one second are one entry, at the second's end: it expires too late, never too early.
        at = float(int(now) + 1)
        is_same_entry = bool(self._sent) and self._sent[-1][:2] == (at, job)
        self._sent.append((at, job, requests + (self._sent.pop()[2] if is_same_entry else 0)))
        self._by_job[job] += requests
        self._total += requests

    def sent_by(self, job: str, now: float) -> int:
        """The requests of a job within the hour."""
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
        """The requests of the last `seconds`, `HOUR_WINDOW` at most."""
        self._forget(now)
        if seconds >= HOUR_WINDOW:
            return self._total
        total = 0
        for at, _job, count in reversed(self._sent):
            if at <= now - seconds:
                break
            total += count
        return total

    def wait(self, cost: int, reserved: int, hourly: int, now: float, usual: int = 0) -> float | None:
        """Seconds until `cost` requests fit while `reserved` are left for other jobs; None if they never will.

        `usual` is what all jobs send in `BURST_WINDOW` anyway. A job that costs more than may be sent in `BURST_WINDOW`
        waits only until less than a quarter of that was sent.
        """
        if cost > hourly:
            return None
        short = max(int(hourly * BURST_SHARE), usual)
        return max(
            self._free(HOUR_WINDOW, hourly - cost - reserved, now),
            self._free(BURST_WINDOW, max(short - cost, short // 4), now),
        )

    def full(self, hourly: int, now: float) -> float:
        """Seconds until one more request fits into the hour."""
        return self._free(HOUR_WINDOW, hourly - 1, now)

    def _free(self, seconds: float, most: int, now: float) -> float:
        """Seconds until the window of `seconds` holds at most `most` requests; a negative `most` counts as 0."""
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
        while self._sent and self._sent[0][0] <= now - HOUR_WINDOW:
            _at, job, count = self._sent.popleft()
            self._total -= count
            self._by_job[job] -= count
            if not self._by_job[job]:
                del self._by_job[job]
