"""What the status page tells of quota pools: GitHub's limit, our budget of it, and until when a pool waits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape

from exporter.github.budget import HOUR
from exporter.github.pacing import Pool
from exporter.serving.page_words import when

_HEAD = "".join(
    f'<th scope="col">{title}</th>'
    for title in ("Quota pool", "GitHub's limit", "Left of the limit", "Our budget", "Left of the budget", "Now")
)


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota pool at one moment: requests per hour; `reset` and `waits_until` in epoch seconds of our clock."""

    name: str
    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None
    budget: int | None = None
    sent: int = 0
    waits_until: float = 0.0


def quota_of(pool: Pool, skew: float, now: float, monotonic: float) -> Quota:
    """What a pool knows; `skew` is GitHub's clock less ours, in seconds."""
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


def quota_table(quotas: Iterable[Quota], now: float) -> Iterator[str]:
    """A row for each pool; nothing if there is none."""
    rows = [_row(quota, now) for quota in {quota.name: quota for quota in quotas}.values()]
    if rows:
        yield f'<table class="q"><thead><tr>{_HEAD}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _row(quota: Quota, now: float) -> str:
    fresh = quota.reset is not None and quota.reset > now  # what was left of an hour that is over tells nothing
    remaining = f"{quota.remaining:,.0f}" if fresh and quota.remaining is not None else ""
    cells = (
        "not told" if quota.limit is None else f"{quota.limit:,.0f}",
        f"{remaining}, whole {when(quota.reset, now)}" if remaining else "all" if quota.reset else "not told",
        "no bound" if quota.budget is None else f"{quota.budget:,}",
        "no bound" if quota.budget is None else f"{max(0, quota.budget - quota.sent):,}",
        "free"
        if quota.waits_until <= now
        else f'<span class="warn">waits, {when(quota.waits_until, now)} again</span>',
    )
    return f'<tr><th scope="row">{escape(quota.name)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
