"""What is known of the accounts that one entry of `discover` has found, and what a listing changes about it. Pure.

A listing that succeeds adds what it has. What it lacks stays until it was absent for `FORGET_AFTER` seconds of
successful listings; a listing that fails changes nothing. Instants are epoch seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from zlib import crc32

from exporter.errors import GitHubError, Reason
from exporter.github.listings import Account, Listing
from exporter.instants import DAY, HOUR
from exporter.settings.discover import DiscoverEntry

FORGET_AFTER = DAY
LONGEST_STEP = 2
"""Intervals. A pause between two listings counts as this much absence at most: nobody looked meanwhile."""
FIRST_RETRY = 60.0
LONGEST_RETRY = HOUR


@dataclass(frozen=True, slots=True)
class Known:
    """An account, and for how many seconds listings have lacked it; None if the newest one has it."""

    account: Account
    absent: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the newest listing failed, and what to do about it."""

    reason: Reason
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Memory:
    """What an entry has found, in the order in which it was found; by the account's kind and name.

    `due` is when GitHub is asked next, `succeeded_at` when a listing last succeeded, None if none has. `refused` and
    `partial` are of that listing.
    """

    known: Mapping[str, Known] = field(default_factory=dict)
    due: float = 0.0
    succeeded_at: float | None = None
    refused: int = 0
    partial: str = ""
    failures: int = 0
    failure: Failure | None = None

    @property
    def was_asked(self) -> bool:
        """Whether GitHub has answered, or failed to."""
        return self.succeeded_at is not None or self.failures > 0


def after_listing(before: Memory, listing: Listing, entry: DiscoverEntry, now: float) -> Memory:
    """What is known after a listing that succeeded."""
    listed = {str(account): Known(account) for account in listing.accounts}
    step = 0.0 if before.succeeded_at is None else now - before.succeeded_at
    step = min(max(step, 0.0), LONGEST_STEP * entry.interval)
    known: dict[str, Known] = {}
    for name, earlier in before.known.items():
        if name in listed:
            known[name] = listed[name]
        elif listing.partial:
            known[name] = earlier  # it may be one of those that GitHub left out
        elif (absent := 0.0 if earlier.absent is None else earlier.absent + step) < FORGET_AFTER:
            known[name] = replace(earlier, absent=absent)
    known.update(listed)
    return Memory(known, next_due(entry, now), now, listing.refused, listing.partial)


def after_failure(before: Memory, error: GitHubError, entry: DiscoverEntry, now: float, until: float = 0.0) -> Memory:
    """What is known after a listing that failed: the same. `until` is when GitHub allows requests again."""
    failures = before.failures + 1
    if error.reason == "credential":
        wait = FIRST_RETRY if failures == 1 else LONGEST_RETRY
    else:
        wait = min(FIRST_RETRY * 2 ** min(failures - 1, 10), LONGEST_RETRY, max(entry.interval, 1.0))
    failure = Failure(error.reason, str(error), error.hint)
    return replace(before, due=max(now + wait, until), failures=failures, failure=failure)


def next_due(entry: DiscoverEntry, now: float) -> float:
    """The next of the entry's instants that is at least half an interval away.

    They depend on nothing else, so that exporters which share the targets ask at the same time and find the same.
    """
    first = crc32(entry.key.encode()) % max(int(entry.interval), 1)
    number = -(-(now + entry.interval / 2 - first) // entry.interval)
    return first + number * entry.interval


def corrected(memory: Memory, entry: DiscoverEntry, now: float) -> Memory:
    """The memory with a `due` that is possible: our clock was ahead when it was saved, or the interval is shorter."""
    latest = now + max(1.5 * entry.interval, 2 * HOUR if memory.failures else 0.0)
    return replace(memory, due=now) if memory.due > latest else memory
