"""Short walks: reading only the rows that changed, and proving by GitHub's sums that no other row did. Pure.

The rows with the newest requests are read first. The counts of a window whose start stays never fall, but for
revisions. So as soon as the rows read, and the known counts of the other rows, add up to GitHub's sums, no other row
has changed. A revision may hide a rise: one row loses what another has won. The next whole walk finds it, at most a day
later.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from exporter.counting.keys import CountedRow, Counting, Identity, Numbers
from exporter.instants import DAY

LARGEST_SHARE = 4
"""A short walk reads at most one page in so many of the list; then it has failed, and a whole walk follows."""


@dataclass(frozen=True, slots=True)
class WalkHistory:
    """What is known of the walks over one list. Instants are whole epoch seconds, GitHub's clock.

    `whole_at` is the end of the window of the newest whole walk, `anchor` its start, `requests` what it cost. `saved`
    is how many requests fewer the newest walk has cost. `failures` counts the short walks in a row that proved nothing;
    none is tried before `retry_at`.
    """

    anchor: int
    whole_at: int
    requests: int
    saved: int = 0
    failures: int = 0
    retry_at: int = 0


@dataclass(frozen=True)
class KnownList:
    """The rows of a list as they were read last, by identity; no row of zeros. A page has `page_size` rows."""

    rows: Mapping[Identity, CountedRow]
    width: int
    page_size: int
    sums: Numbers = field(init=False)
    """The sum of each count over all rows."""

    def __post_init__(self) -> None:
        rows = self.rows.values()
        sums = tuple(sum(row.numbers[index] for row in rows) for index in range(self.width))
        object.__setattr__(self, "sums", sums)

    @property
    def most_pages(self) -> int:
        """How many pages a short walk may read."""
        return -(-len(self.rows) // self.page_size) // LARGEST_SHARE

    def numbers_of(self, identity: Identity) -> Numbers:
        """The known counts of a row; zeros of a new one."""
        row = self.rows.get(identity)
        return row.numbers if row else (0,) * self.width

    def without(self, seen: Collection[Identity]) -> Mapping[Identity, CountedRow]:
        """The rows that were not seen."""
        return {identity: row for identity, row in self.rows.items() if identity not in seen}


@dataclass(frozen=True, slots=True)
class Walk:
    """How a list was read, and with how many requests.

    `unseen` are the rows that a short walk proved unchanged without reading them; None after a whole walk.
    `short_failed` tells that a short walk had proved nothing before; its requests are not counted.
    """

    requests: int
    unseen: Mapping[Identity, CountedRow] | None = None
    short_failed: bool = False


def known_list(counting: Counting, page_size: int) -> KnownList:
    """The rows of the newest read: the open counts of all keys."""
    rows = {}
    for identity, key in counting.keys.items():
        numbers = tuple(count.current - count.base for count in key.counts)
        if any(numbers):
            rows[identity] = CountedRow(key.labels, numbers, key.last_active)
    return KnownList(rows, len(counting.other), page_size)


def may_walk_short(history: WalkHistory | None, counting: Counting, start: int, end: int, longest: int) -> bool:
    """Whether the list of the window `[start, end]` may be read by a short walk.

    The newest whole walk must have begun at the same anchor, have been counted, and be less than `longest` seconds old.
    The windows of a fold end before it, so they are read whole.
    """
    return (
        history is not None
        and history.anchor == counting.anchor == start
        and history.whole_at <= counting.read_at
        and history.whole_at <= end < history.whole_at + longest
        and not end < history.retry_at <= end + DAY  # a later instant is of a wrong clock
    )


def after_walk(history: WalkHistory | None, walk: Walk, start: int, end: int, interval: float) -> WalkHistory:
    """The history after a walk over the window `[start, end]` by a job with this interval (seconds).

    After each failure in a row the next short walk waits twice as long, up to a day: where sums never agree, lists
    cost what whole walks cost.
    """
    if walk.unseen is not None and history is not None:
        return replace(history, saved=max(0, history.requests - walk.requests), failures=0, retry_at=0)
    failures = history.failures if history else 0
    whole = WalkHistory(start, end, walk.requests, 0, failures, history.retry_at if history else 0)
    if not walk.short_failed:
        return whole
    pause = min(float(DAY), interval * 2.0 ** min(failures, 20))
    return replace(whole, failures=failures + 1, retry_at=end + int(pause))
