"""The data of counting: the rows of a read, and what is known of each key (the identity of a row). Pure.

`counters.py` says what the numbers of a count mean.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from exporter.tables import Labels

Identity = tuple[str, ...]
Numbers = tuple[int, ...]
Versions = tuple[int | None, ...]
"""Per count: the snapshot version in which its series was new; None once the series may rise."""


class CountedRow(NamedTuple):
    """One row of a read: its labels, its counts in the window, and when it was last active (0 if GitHub does not say).

    Instants are epoch seconds by GitHub's clock.
    """

    labels: Labels
    numbers: Numbers
    last_active: float


@dataclass(frozen=True, slots=True)
class Read:
    """A complete read of the window `[start, end]`; `strict` if every row of it could be read."""

    start: int
    end: int
    rows: Mapping[Identity, CountedRow]
    strict: bool = True


class Count(NamedTuple):
    """One count of one key; `current` is base + open at the newest read."""

    base: int
    current: int
    peak: int
    published: int
    own: int


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of one row identity.

    `has_series` is False while the key is hidden: it then counts under `other`. `reads_ahead` counts the reads in
    a row in which a hidden key was busy enough to be promoted.
    """

    labels: Labels
    counts: tuple[Count, ...]
    last_active: float
    has_series: bool
    new_since: Versions
    reads_ahead: int = 0

    @property
    def activity(self) -> int:
        """What ranks keys: the first count in the open window."""
        return self.counts[0].current - self.counts[0].base

    @property
    def unpublished(self) -> bool:
        """Whether nothing of it was ever published. Should the state lose such a key, its rise would count twice."""
        return not any(count.published for count in self.counts)


@dataclass(frozen=True, slots=True)
class Counting:
    """What has been counted of one source: anchor A, the end T of the newest complete read, and every key.

    `since` is the end of the first complete read; `strict` if any read so far was. `other` has the values of the series
    `other`, which exists from the first hidden key on; until then `other_new_since` is None. `shape` is the snapshot
    version since which the same series are shown in the same order (0: since the process started).
    """

    anchor: int
    read_at: int
    since: int
    strict: bool
    keys: Mapping[Identity, Key]
    other: Numbers
    other_new_since: Versions | None = None
    shape: int = 0

    @property
    def has_new_series(self) -> bool:
        """Whether any series waits to be scraped."""
        return any(_any_new(key.new_since) for key in self.keys.values()) or _any_new(self.other_new_since or ())

    @property
    def hidden(self) -> int:
        """How many keys count under `other`."""
        return sum(not key.has_series for key in self.keys.values())

    @property
    def labels(self) -> list[Labels]:
        """The labels of the keys that have a series."""
        return [key.labels for key in self.keys.values() if key.has_series]

    def series(self) -> Iterator[tuple[Labels, Numbers]]:
        """Labels and values of the keys that have a series; `other` is not among them."""
        for key in self.keys.values():
            if key.has_series:
                yield key.labels, tuple(count.own for count in key.counts)


@dataclass(frozen=True, slots=True)
class Rules:
    """What counting depends on besides the answers.

    A key without requests is forgotten after `forget_after` seconds. `writable` means that the state can be written,
    `all_scraped` that everything shown has been scraped: a series removed earlier would take its last rise with it.
    `names_changed` means that `privacy` has changed since the newest read. Series of people then have blank names and
    have not risen since, so they can be renamed without waiting.
    """

    max_series: int
    forget_after: float
    writable: bool = True
    all_scraped: bool = True
    names_changed: bool = False

    @property
    def series_may_change(self) -> bool:
        """Whether a key may lose its series, or get another one."""
        return self.writable and self.all_scraped


def _any_new(versions: Versions) -> bool:
    return any(version is not None for version in versions)
