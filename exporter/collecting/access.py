"""May a job run now? Its credential, its quota pool and the pool's budget are asked."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from exporter.catalogue import Sizes
from exporter.errors import GitHubError
from exporter.github.budget import SHORT
from exporter.github.client import GitHub
from exporter.github.credentials import Credential
from exporter.github.pacing import Pool
from exporter.instants import HOUR
from exporter.jobs import Job

MINUTE = 60.0
"""Seconds after which a credential is tried again that was refused once: GitHub's refusals may pass."""
SHORTEST_PLANNED = 300.0
"""Shorter intervals are as short as the budget allows: for no job more is kept than this interval needs."""


@dataclass(slots=True)
class Access:
    """One credential at work: its client, its pool, and until when it is left alone after a 401.

    `rejected` is the fingerprint of the token that was refused ("" if there was none to read); another one is tried
    at once. Refused once it is `doubted`, and tried again after a minute; refused again, after an hour.
    """

    credential: Credential
    github: GitHub
    pool: Pool
    paused_until: float = 0.0
    rejected: str | None = None
    doubted: bool = False
    unreadable: str = ""
    """Why the credential's token or key could not be read when it was last looked at."""

    def look(self) -> None:
        """See whether the credential can be read, and take up what its file holds now."""
        self.unreadable = self.credential.problem()

    def refuse(self, fingerprint: str, now: float) -> None:
        """GitHub refused the credential, or there is none: leave it alone for a minute at first, then for an hour."""
        # What cannot be read was not refused by GitHub: to try again would tell nothing that its file does not.
        self.doubted = bool(fingerprint) and (self.rejected != fingerprint)
        self.rejected, self.paused_until = fingerprint, now + (MINUTE if self.doubted else HOUR)

    def not_before(self, now: float) -> float:
        """Until when the credential or its pool must be left alone (epoch seconds, our clock)."""
        pool, skew = self.pool, self.github.skew
        ends = [end - skew for end in (pool.blocked(now + skew), pool.reserved(now + skew)) if end]
        return max([self.paused_until, *ends])

    def fingerprint(self, salt: bytes) -> str:
        """Tell one token from another; "" if there is none to be read."""
        try:
            return self.credential.fingerprint(salt)
        except GitHubError:
            return ""


class Claim(NamedTuple):
    """What a job wants of its pool's hour. A smaller `rank` is more important."""

    rank: tuple[int, int, int, str]
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
    rank = (job.collector.rank, job.order, -job.busy, job.key)
    return Claim(rank, job.key, cost, hourly, job.settings.interval)


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
