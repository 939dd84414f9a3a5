"""How a window becomes shorter: folds over what has settled, cuts where GitHub has forgotten. Pure.

`windows.py` says when; the sums that are published do not move by either.
"""

from collections.abc import Mapping
from dataclasses import replace

from exporter.collecting.counters import Counting, Identity, Numbers, Read, Seen, born


def settle(first: Read, whole: Read, again: Read, fresh: Read) -> dict[Identity, Seen] | None:
    """What a fold may add to the bases, or None if it must wait.

    `first` and `again` are reads of [B, E] before and after `whole`, a read of [A, E]; `fresh` is a read of [B, T].
    The difference of two reads with the same end is exact whatever GitHub's bounds include.
    """
    if not all(read.strict for read in (first, whole, again, fresh)) or _numbers(first) != _numbers(again):
        return None
    still_open = _numbers(first)
    if not any(
        newer > settled
        for identity, numbers in _numbers(fresh).items()
        for newer, settled in zip(numbers, still_open.get(identity, (0,) * len(numbers)), strict=True)
    ):
        return None
    settled = {}
    for identity in whole.rows.keys() | still_open.keys():
        row = whole.rows.get(identity)
        if row is None:
            return None
        left = still_open.get(identity, (0,) * len(row.numbers))
        numbers = tuple(all_ - open_ for all_, open_ in zip(row.numbers, left, strict=True))
        if min(numbers) < 0:
            return None
        settled[identity] = row._replace(numbers=numbers)
    return settled


def fold(counting: Counting, settled: Mapping[Identity, Seen], begin: int) -> Counting:
    """Move the anchor to `begin` and what is settled before it into the bases."""
    keys = dict(counting.keys)
    for identity, row in settled.items():
        if any(row.numbers):
            key = keys.get(identity) or born(row._replace(numbers=(0,) * len(row.numbers)), counting.read_at)
            counts = tuple(
                count._replace(base=count.base + number) for count, number in zip(key.counts, row.numbers, strict=True)
            )
            keys[identity] = replace(key, counts=counts)
    return replace(counting, anchor=begin, keys=keys)


def cut(counting: Counting, anchor: int) -> Counting:
    """Begin anew at `anchor` after a hole: what was reached stays, what was not visible by then is lost."""
    keys = {
        identity: replace(
            key, counts=tuple(count._replace(base=count.reached, current=count.reached) for count in key.counts)
        )
        for identity, key in counting.keys.items()
    }
    return replace(counting, anchor=anchor, keys=keys)


def _numbers(read: Read) -> dict[Identity, Numbers]:
    return {identity: row.numbers for identity, row in read.rows.items() if any(row.numbers)}
