"""May a job run now? Its credential, its quota pool and the pool's budget are asked."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from exporter.catalogue import HOUR, Sizes
from exporter.collecting.plan import Job
from exporter.github.budget import SHORT
from exporter.github.client import GitHub
from exporter.github.credentials import Credential
from exporter.github.errors import GitHubError
from exporter.github.pacing import Pool

DAY = 24 * HOUR
SHORTEST_PLANNED = 300.0
"""Shorter intervals are as short as the budget allows: for no job more is kept than this interval needs."""


@dataclass(slots=True)
class Access:
    """One credential at work: its client, its pool, and until when it is left alone after a 401.

    `rejected` is the fingerprint of the token that was refused ("" if there was none to read); another one is tried
    at once.
    """

    credential: Credential
    github: GitHub
    pool: Pool
    paused_until: float = 0.0
    rejected: str | None = None

    def not_before(self, now: float) -> float:
        """Until when the credential or its pool must be left alone (epoch seconds, our clock)."""
        pool, skew = self.pool, self.github.skew
        blocked = pool.blocked_until - skew if pool.blocked_until else 0.0
        reserved = pool.reserved(now + skew)
        return max(self.paused_until, blocked if blocked - now <= DAY else 0.0, reserved - skew if reserved else 0.0)

    def fingerprint(self, salt: bytes) -> str:
        """Tell one token from another; "" if there is none to be read."""
        try:
            return self.credential.fingerprint(salt)
        except GitHubError:
            return ""


class Claim(NamedTuple):
    """What a job wants of its pool's hour. A smaller `rank` is more important."""

    rank: tuple[int, int, str]
    job: str
    cost: int
    hourly: int
    interval: float


def claim(job: Job, cost: int) -> Claim:
    """A job's claim; `cost` is what a run cost, 0 if that is not known.

    Totals come first, then subjects, then drill-down in the order of requests seen.
    """
    cost = cost or job.collector.calls.of(Sizes())
    hourly = int(-(-HOUR * cost // max(job.settings.interval, SHORTEST_PLANNED)))
    return Claim((job.order, -job.busy, job.key), job.key, cost, hourly, job.settings.interval)


def wait_for_budget(wanted: Claim, all_of_pool: Iterable[Claim], pool: Pool, now: float) -> float | None:
    """Seconds until a run fits beside what more important jobs still need in this hour; None if it never will.

    `now` is of a clock that never jumps.
    """
    if pool.hourly is None:
        return 0.0
    kept, usual = 0, 0.0
    for one in all_of_pool:
        usual += one.cost * SHORT / one.interval
        if one.rank < wanted.rank:
            kept += max(0, one.hourly - pool.spending.of(one.job, now))
    return pool.spending.wait(wanted.cost, kept, pool.hourly, now, int(usual))
