"""Quota pools: GitHub's limit, our budget of it, and until when a pool is paused; and tokens that expire."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from exporter.github.dates import EXPIRES_SOON
from exporter.github.pacing import Pool
from exporter.instants import HOUR
from exporter.serving.page.verdict import SCARCE, SPENT, Level
from exporter.serving.page.words import Moment, moment


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota pool at one moment, in requests per hour. `reset` and `paused_until` are epoch seconds of our clock."""

    name: str
    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None
    budget: int | None = None
    sent: int = 0
    paused_until: float = 0.0


class Use(NamedTuple):
    """How much is used of so much; None if that is unknown."""

    used: float | None
    total: float
    level: Level = "ok"

    @property
    def share(self) -> float | None:
        """The used share, above 1 if too much is used; None if it is unknown."""
        return None if self.used is None or not self.total else self.used / self.total


class QuotaRow(NamedTuple):
    """A quota pool as a row of the page. None means unknown (limit, reset), unlimited (budget) or not paused (resumes).

    `limit` is what all clients have used since the last reset, `budget` what the exporter has used within an hour,
    which is also `sent`.
    """

    name: str
    limit: Use | None
    reset: Moment | None
    budget: Use | None
    sent: int
    resumes: Moment | None


class Expiry(NamedTuple):
    """A credential whose token expires."""

    credential: str
    end: Moment
    level: Level


def quota_of(pool: Pool, skew: float, now: float, monotonic: float) -> Quota:
    """The quota of a pool now; `skew` is GitHub's clock minus ours, in seconds."""
    blocked = max(pool.blocked(now + skew), pool.reserved(now + skew))
    return Quota(
        pool.name,
        pool.limit,
        pool.remaining,
        None if pool.reset is None else pool.reset - skew,
        pool.hourly,
        pool.spending.within(HOUR, monotonic),
        max(blocked - skew if blocked else 0.0, now + pool.spent(monotonic)),
    )


def shares(quotas: Sequence[Quota], now: float) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """By pool, the share of GitHub's limit that is left until its reset, and the share of our budget that is used."""
    left = {
        quota.name: quota.remaining / quota.limit
        for quota in quotas
        if quota.limit and quota.remaining is not None and quota.reset is not None and quota.reset > now
    }
    return left, {quota.name: quota.sent / quota.budget for quota in quotas if quota.budget}


def quota_rows(quotas: Iterable[Quota], now: float) -> list[QuotaRow]:
    """A row for each pool, the paused ones first."""
    distinct = {quota.name: quota for quota in quotas}.values()
    return [_row(quota, now) for quota in sorted(distinct, key=lambda quota: quota.paused_until <= now)]


def _row(quota: Quota, now: float) -> QuotaRow:
    is_current = quota.reset is not None and quota.reset > now
    return QuotaRow(
        quota.name,
        _use_of_limit(quota, is_current=is_current),
        moment(quota.reset, now) if quota.reset is not None and is_current else None,
        None if quota.budget is None else _use(quota.sent, quota.budget, SPENT),
        quota.sent,
        moment(quota.paused_until, now) if quota.paused_until > now else None,
    )


def _use_of_limit(quota: Quota, *, is_current: bool) -> Use | None:
    """What is used of GitHub's limit: nothing if its reset is past."""
    if quota.limit is None:
        return None
    if quota.reset is None or quota.remaining is None:
        return Use(None, quota.limit)
    return _use(max(0.0, quota.limit - quota.remaining) if is_current else 0.0, quota.limit, 1 - SCARCE)


def _use(used: float, total: float, most: float) -> Use:
    """What is used, amber above the share `most`."""
    return Use(used, total, "warn" if used > most * total else "ok")


def expiries_of(expiries: Mapping[str, float], now: float) -> list[Expiry]:
    """The credentials whose tokens expire, the first to expire on top; `expiries` are epoch seconds."""
    ends = sorted(expiries.items(), key=itemgetter(1))
    return [Expiry(credential, moment(end, now), _level(end - now)) for credential, end in ends]


def _level(seconds: float) -> Level:
    return "ok" if seconds > EXPIRES_SOON else "warn" if seconds > 0 else "bad"
