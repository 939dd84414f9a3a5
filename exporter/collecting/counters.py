"""Exact counters from windowed answers. Pure.

GitHub answers "how many requests between A and T"; what lies in the window goes on growing for hours. For each key
(one row's identity) and each of its counts this holds:

    base + open           what has become visible by the newest read: `base` before the anchor, `open` in the window
    reached               the running maximum of that: a downward revision is held, never shown
    published <= reached  what has been added to a series; the difference waits for a newborn series to be scraped
    own <= published      the part that stands in the key's own series; the rest stands in `other`

A series that appears or comes back (first row, rename, promotion, restart) is *held*: it shows its last value until a
scrape has taken it along and the birth delay has passed, so that `increase()` sees every rise. Each rise goes to the
series under which its key stands at that time; so promotion and demotion move no number, and sums are exact.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from exporter.catalogue import Labels

Identity = tuple[str, ...]
Numbers = tuple[int, ...]
Holds = tuple[int | None, ...]

CLEARLY = 1.5  # a newcomer takes a place when it has this many times the requests of the least …
LASTINGLY = 3  # … in this many reads in a row


class Seen(NamedTuple):
    """One row of a read: its labels, its counts in the window, and when its thing last did anything (0: not told)."""

    labels: Labels
    numbers: Numbers
    last: float


@dataclass(frozen=True, slots=True)
class Read:
    """A complete read of `[start, end]`; strict if no row had to be left out."""

    start: int
    end: int
    rows: Mapping[Identity, Seen]
    strict: bool = True


class Count(NamedTuple):
    """One count of one key; `current` is base + open at the newest read."""

    base: int
    current: int
    reached: int
    published: int
    own: int


@dataclass(frozen=True, slots=True)
class Key:
    """Everything known of one row identity. `held` names, per count, the snapshot version in which the series came."""

    labels: Labels
    counts: tuple[Count, ...]
    seen: float
    shown: bool
    held: Holds
    outgrown: int = 0

    @property
    def activity(self) -> int:
        """What ranks keys: the first count in the open window."""
        return self.counts[0].current - self.counts[0].base

    @property
    def newborn(self) -> bool:
        """Nothing was ever shown of it. If state lost it, it would be born again and its rise be counted twice."""
        return not any(count.published for count in self.counts)


@dataclass(frozen=True, slots=True)
class Counting:
    """What is kept of one source: anchor A, the end T of the newest complete read, and every key.

    `since` is the end of the first complete read; `strict` tells whether any read was strict so far. `shape` is the
    snapshot version since which the same series are shown in the same order (0: since the process began).
    """

    anchor: int
    read_at: int
    since: int
    strict: bool
    keys: Mapping[Identity, Key]
    other: Numbers
    other_held: Holds | None = None  # None until the first key is hidden
    shape: int = 0

    @property
    def waiting(self) -> bool:
        """Whether any series is held."""
        return any(_any_held(key.held) for key in self.keys.values()) or _any_held(self.other_held or ())

    @property
    def hidden(self) -> int:
        """How many keys stand under `other`."""
        return sum(not key.shown for key in self.keys.values())

    @property
    def labels(self) -> list[Labels]:
        """The label sets of the keys that have series of their own."""
        return [key.labels for key in self.keys.values() if key.shown]

    def series(self) -> Iterator[tuple[Labels, Numbers]]:
        """The keys with series of their own: labels and values. `other` is not among them."""
        for key in self.keys.values():
            if key.shown:
                yield key.labels, tuple(count.own for count in key.counts)


@dataclass(frozen=True, slots=True)
class Rules:
    """What counting depends on besides the answers.

    `places` is how many keys have series of their own, `forget` after how many seconds without requests a key goes.
    `writable` tells that state can be written, `taken` that a scrape has taken along all that is shown: a series that
    went before would take its last rise with it.
    """

    places: int
    forget: float
    writable: bool = True
    taken: bool = True

    @property
    def movable(self) -> bool:
        """Whether series may go, or come for keys that had others."""
        return self.writable and self.taken


def absorb(before: Counting | None, read: Read, width: int, version: int, rules: Rules) -> tuple[Counting, int]:
    """Take a complete read of the window since the anchor; also return how many counts were revised downward.

    `width` is the number of counts per key, `version` that of the snapshot in which new series will first be seen.
    Nothing is renamed, promoted, demoted or forgotten while series cannot move; newborns stay at 0 while state cannot
    be written.
    """
    before = before or Counting(read.start, read.end, read.end, False, {}, (0,) * width)
    keys: dict[Identity, Key] = {}
    revisions, reshaped = 0, False
    for identity, old in before.keys.items():
        row = read.rows.get(identity)
        key = _advance(old, row, read.end, version, movable=rules.movable)
        revisions += sum(new.current < was.current for new, was in zip(key.counts, old.counts, strict=True))
        if rules.movable and _forgotten(identity, key, read, rules.forget):
            reshaped = reshaped or old.shown
        else:
            keys[identity] = key
            reshaped = reshaped or (key.shown and key.labels is not old.labels)
    for identity, row in read.rows.items():
        # A row of zeros is the same as no row, except for the one row of a source without labels.
        if identity not in keys and (any(row.numbers) or not identity):
            keys[identity] = born(row, read.end, begins_at_zero=not before.strict)
    reshaped = _place(keys, version, rules) or reshaped
    other_held = before.other_held
    if other_held is None and not all(key.shown for key in keys.values()):
        other_held, reshaped = (version,) * width, True
    after = replace(
        before,
        read_at=read.end,
        strict=before.strict or read.strict,
        keys=keys,
        other_held=other_held,
        shape=version if reshaped else before.shape,
    )
    return _credit(after, newborns=rules.writable), revisions


def release(counting: Counting, upto: tuple[int, ...], *, newborns: bool = True) -> Counting:
    """Let series move that came, per count, in version `upto` or before. The same object if there are none.

    Without `newborns` (state cannot be written) only those move that had a value before.
    """

    def freed(held: Holds) -> Holds:
        return tuple(
            None if version is not None and version <= newest else version
            for version, newest in zip(held, upto, strict=True)
        )

    keys = {
        identity: replace(key, held=held)
        for identity, key in counting.keys.items()
        if (newborns or not key.newborn) and (held := freed(key.held)) != key.held
    }
    other_held = counting.other_held
    if other_held and (newborns or any(counting.other)):
        other_held = freed(other_held)
    if not keys and other_held == counting.other_held:
        return counting
    return _credit(replace(counting, keys={**counting.keys, **keys}, other_held=other_held), newborns=newborns)


def returned(counting: Counting, version: int) -> Counting:
    """Hold every series: after a restart all of them come back, with the values they had."""
    held = (version,) * len(counting.other)
    keys = {identity: replace(key, held=held if key.shown else key.held) for identity, key in counting.keys.items()}
    return replace(counting, keys=keys, other_held=counting.other_held and held)


def _advance(key: Key, row: Seen | None, now: float, version: int, *, movable: bool) -> Key:
    numbers = row.numbers if row else (0,) * len(key.counts)
    counts = tuple(
        count._replace(current=count.base + number, reached=max(count.reached, count.base + number))
        for count, number in zip(key.counts, numbers, strict=True)
    )
    if row is None:
        return replace(key, counts=counts)
    renamed = row.labels != key.labels and key.shown and movable
    return replace(
        key,
        # Equal labels stay the same object: that tells at no cost that the series is the same.
        labels=row.labels if movable and row.labels != key.labels else key.labels,
        counts=counts,
        held=(version,) * len(counts) if renamed else key.held,
        seen=max(key.seen, row.last or now) if any(numbers) else key.seen,
    )


def born(row: Seen, now: float, *, begins_at_zero: bool = False) -> Key:
    """A new key, hidden. Before any strict read its window may have been visible all along: then it begins at zero."""
    counts = tuple(
        Count(-number, 0, 0, 0, 0) if begins_at_zero else Count(0, number, number, 0, 0) for number in row.numbers
    )
    return Key(row.labels, counts, row.last or now, False, (None,) * len(counts))


def _forgotten(identity: Identity, key: Key, read: Read, forget: float) -> bool:
    still_open = any(count.current != count.base for count in key.counts)
    return bool(identity) and read.strict and not still_open and read.end - key.seen > forget


def _place(keys: dict[Identity, Key], version: int, rules: Rules) -> bool:
    """Give free places to the busiest, then let newcomers contest the filled ones; whether any series came or went."""
    ranked = sorted(keys, key=lambda identity: (-keys[identity].activity, identity))
    shown = [identity for identity in ranked if keys[identity].shown]
    hidden = [identity for identity in ranked if not keys[identity].shown]
    if not rules.movable:
        hidden = [identity for identity in hidden if keys[identity].newborn]
    free = max(0, rules.places - len(shown))
    for identity in hidden[:free]:
        keys[identity] = _show(keys[identity], version)
    if not rules.movable:
        return bool(hidden[:free])
    for identity in shown[rules.places :]:
        keys[identity] = _hide(keys[identity])
    contested = _contest(keys, shown[: rules.places], hidden[free:], version)
    return contested or bool(hidden[:free] or shown[rules.places :])


def _contest(keys: dict[Identity, Key], shown: list[Identity], hidden: list[Identity], version: int) -> bool:
    """Change places only where a newcomer clearly and lastingly has more than the least; both lists are ranked.

    Tells whether any were changed.
    """
    changed = False
    for identity in hidden:
        key = keys[identity]
        outgrown = key.outgrown + 1 if shown and key.activity > CLEARLY * keys[shown[-1]].activity else 0
        if outgrown >= LASTINGLY:
            least = shown.pop()
            keys[least] = _hide(keys[least])
            keys[identity] = _show(key, version)
            changed = True
        elif outgrown != key.outgrown:
            keys[identity] = replace(key, outgrown=outgrown)
    return changed


def _show(key: Key, version: int) -> Key:
    return replace(key, shown=True, held=(version,) * len(key.counts), outgrown=0)


def _hide(key: Key) -> Key:
    return replace(key, shown=False, held=(None,) * len(key.counts), outgrown=0)


def _credit(counting: Counting, *, newborns: bool) -> Counting:
    """Add each rise to the series under which its key stands, unless that series is held."""
    keys = dict(counting.keys)
    other = list(counting.other)
    for identity, key in counting.keys.items():
        if (key.newborn and not newborns) or all(count.reached == count.published for count in key.counts):
            continue
        held = key.held if key.shown else counting.other_held or ()
        counts = []
        for index, (count, hold) in enumerate(zip(key.counts, held, strict=True)):
            if hold is not None:
                counts.append(count)
                continue
            rise = count.reached - count.published
            counts.append(count._replace(published=count.reached, own=count.own + (rise if key.shown else 0)))
            other[index] += 0 if key.shown else rise
        keys[identity] = replace(key, counts=tuple(counts))
    return replace(counting, keys=keys, other=tuple(other))


def _any_held(held: Holds) -> bool:
    return any(version is not None for version in held)
