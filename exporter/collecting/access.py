"""Whether a job may run now, by its credential, its quota pool and the pool's budget."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import SecretStr

from exporter.catalogue import Sizes
from exporter.errors import GitHubError
from exporter.github.budget import BURST_WINDOW
from exporter.github.client import GitHub
from exporter.github.credentials import Credential
from exporter.github.pacing import Pool
from exporter.instants import HOUR
from exporter.jobs import Job

MINUTE = 60.0
"""Seconds after which a credential is tried again that was refused once: a refusal may be temporary."""
SHORTEST_RESERVED = 300.0
"""Seconds. For a job with a shorter interval no more is reserved than this one needs; it runs if there is room."""


@dataclass(slots=True)
class Access:
    """A credential with its client and its pool, and until when it is not used after a 401.

    `rejected` is the fingerprint of the token that was refused ("" if there was none to read); another token is tried
    at once. A token that was `refused_once` is tried again after a minute, then once an hour.
    """

    credential: Credential
    github: GitHub
    pool: Pool
    paused_until: float = 0.0
    rejected: str | None = None
    refused_once: bool = False
    problem: str = ""
    """Why the credential's token or key cannot be read, by the newest check; "" if it can."""

    def check(self, salt: bytes) -> "CredentialCheck":
        """Read the credential's file. It blocks: call it in the worker."""
        fingerprint = None if self.rejected is None else self.fingerprint(salt)
        return CredentialCheck(self.credential.problem(), fingerprint, self.github.replaced_token())

    def refuse(self, fingerprint: str, now: float) -> None:
        """Pause the credential, for a minute at first, then for an hour: GitHub refused it, or it cannot be read."""
        # A token that cannot be read is not tried again in a minute: only a change of its file can help.
        self.refused_once = bool(fingerprint) and (self.rejected != fingerprint)
        self.rejected, self.paused_until = fingerprint, now + (MINUTE if self.refused_once else HOUR)

    def not_before(self, now: float) -> float:
        """The earliest instant (epoch seconds, our clock) at which credential and pool may be used."""
        pool, skew = self.pool, self.github.skew
        ends = [end - skew for end in (pool.blocked(now + skew), pool.reserved(now + skew)) if end]
        return max([self.paused_until, *ends])

    def fingerprint(self, salt: bytes) -> str:
        """The fingerprint of the token as it is now; "" if there is none to read. Call it in the worker."""
        try:
            return self.credential.fingerprint(salt)
        except GitHubError:
            return ""


class CredentialCheck(NamedTuple):
    """What the file of a credential holds now.

    `problem` says why it cannot be read ("" if it can). `fingerprint` is that of its content, read only if the
    credential is rejected. `replaced` is an earlier token that it no longer holds and whose end is known.
    """

    problem: str
    fingerprint: str | None
    replaced: SecretStr | None


def check_credentials(accesses: Iterable[Access], salt: bytes) -> list[CredentialCheck]:
    """The checks of all credentials, in the order of `accesses`. It blocks: call it in the worker."""
    return [access.check(salt) for access in accesses]


class Claim(NamedTuple):
    """The requests that a job needs: `cost` per run at most, `usual` per run otherwise, and `hourly` per hour.

    A smaller `rank` is more important. `is_waiting`: it is due, and waits until the budget has room for `cost`.
    """

    rank: tuple[int, int, int, str]
    job: str
    cost: int
    usual: int
    hourly: int
    interval: float
    is_waiting: bool = False


def claim(job: Job, cost: int, saved: int = 0, *, is_waiting: bool = False) -> Claim:
    """A job's claim; `cost` is what a run costs at most, 0 if that is not known, `saved` what a short walk saves of it.

    Totals come first, then the lists of subjects, then drill-downs, the subjects with the most requests first.
    """
    cost = cost or job.collector.calls.requests(Sizes(), job.settings.options)
    usual = max(1, cost - saved)
    hourly = int(-(-HOUR * usual // max(job.settings.interval, SHORTEST_RESERVED)))
    rank = (job.collector.rank, job.order, -job.busy, job.key)
    return Claim(rank, job.key, cost, usual, hourly, job.settings.interval, is_waiting)


def wait_for_budget(own: Claim, all_of_pool: Sequence[Claim], pool: Pool, now: float) -> float | None:
    """Seconds until a run fits beside what more important jobs still need in this hour; None if it never will.

    `own` is the run's claim. `now` is of a clock that never jumps.
    """
    if pool.hourly is None:
        return 0.0
    reserved, usual = _reserved_for_waiting(own, all_of_pool, pool.hourly), 0.0
    for other in all_of_pool:
        usual += other.usual * BURST_WINDOW / other.interval
        if other.rank < own.rank:
            reserved += max(0, other.hourly - pool.spending.sent_by(other.job, now))
    return pool.spending.wait(own.cost, reserved, pool.hourly, now, int(usual))


def _reserved_for_waiting(own: Claim, all_of_pool: Sequence[Claim], hourly: int) -> int:
    """What the most important job that waits needs, if it is more important than `own`: less would leave it no room.

    0 if it cannot run beside what more important jobs need, because then it would stop all others for ever.
    """
    waiting = min((other for other in all_of_pool if other.is_waiting), default=own)
    if waiting.rank >= own.rank:
        return 0
    needed = waiting.cost + sum(other.hourly for other in all_of_pool if other.rank < waiting.rank)
    return waiting.cost if needed <= hourly else 0
