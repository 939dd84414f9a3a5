"""Quota pools: GitHub's limit, our budget of it, and until when a pool is paused; and tokens that expire."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from exporter.github.dates import EXPIRES_SOON
from exporter.github.pacing import Pool
from exporter.instants import HOUR
from exporter.serving.page.verdict import Level
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


class QuotaRow(NamedTuple):
    """A quota pool as a row of the page. None means unknown (limit), unlimited (budget) or not paused (resumes).

    `remaining` is what is left of the limit until `reset`; None if that instant is past or nothing is known.
    """

    name: str
    limit: float | None
    remaining: float | None
    reset: Moment | None
    budget: int | None
    budget_left: int | None
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
        quota.limit,
        quota.remaining if is_current else None,
        None if quota.reset is None else moment(quota.reset, now),
        quota.budget,
        None if quota.budget is None else max(0, quota.budget - quota.sent),
        moment(quota.paused_until, now) if quota.paused_until > now else None,
    )


def expiries_of(expiries: Mapping[str, float], now: float) -> list[Expiry]:
    """The credentials whose tokens expire, the first to expire on top; `expiries` are epoch seconds."""
    ends = sorted(expiries.items(), key=itemgetter(1))
    return [Expiry(credential, moment(end, now), _level(end - now)) for credential, end in ends]


def _level(seconds: float) -> Level:
    return "ok" if seconds > EXPIRES_SOON else "warn" if seconds > 0 else "bad"
