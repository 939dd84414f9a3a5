"""How a window becomes shorter: a fold moves settled counts into the bases; a gap skips lost data. Pure.

`windows.py` says when. Neither changes a published count.
"""

from collections.abc import Mapping
from dataclasses import replace

from exporter.counting.counters import new_key
from exporter.counting.keys import CountedRow, Counting, Identity, Numbers, Read


def settled_rows(tail: Read, full: Read, tail_again: Read, newest: Read) -> dict[Identity, CountedRow] | None:
    """The counts that a fold may add to the bases; None if it has to wait.

    `tail` and `tail_again` are reads of [B, E] before and after `full`, a read of [A, E]; `newest` is a read of [B, T].
    `full` less `tail` is exact whether or not GitHub counts the bounds of a window, since both windows end at E.
    """
    if not all(read.strict for read in (tail, full, tail_again, newest)) or _numbers(tail) != _numbers(tail_again):
        return None
    still_open = _numbers(tail)
    if not any(
        newer > settled
        for identity, numbers in _numbers(newest).items()
        for newer, settled in zip(numbers, still_open.get(identity, (0,) * len(numbers)), strict=True)
    ):
        return None
    settled = {}
    for identity in full.rows.keys() | still_open.keys():
        row = full.rows.get(identity)
        if row is None:
            return None
        open_numbers = still_open.get(identity, (0,) * len(row.numbers))
        numbers = tuple(total - tail_number for total, tail_number in zip(row.numbers, open_numbers, strict=True))
        if min(numbers) < 0:
            return None
        settled[identity] = row._replace(numbers=numbers)
    return settled


def fold(counting: Counting, settled: Mapping[Identity, CountedRow], begin: int) -> Counting:
    """Move the anchor to `begin`, and the settled counts before it into the bases."""
    keys = dict(counting.keys)
    for identity, row in settled.items():
        if any(row.numbers):
            key = keys.get(identity) or new_key(row._replace(numbers=(0,) * len(row.numbers)), counting.read_at)
            counts = tuple(
                count._replace(base=count.base + number) for count, number in zip(key.counts, row.numbers, strict=True)
            )
            keys[identity] = replace(key, counts=counts)
    return replace(counting, anchor=begin, keys=keys)


def skip_gap(counting: Counting, anchor: int) -> Counting:
    """Continue at `anchor` after a gap: counters stay, requests that were not visible before the gap are lost."""
    keys = {
        identity: replace(
            key, counts=tuple(count._replace(base=count.peak, current=count.peak) for count in key.counts)
        )
        for identity, key in counting.keys.items()
    }
    return replace(counting, anchor=anchor, keys=keys)


def _numbers(read: Read) -> dict[Identity, Numbers]:
    return {identity: row.numbers for identity, row in read.rows.items() if any(row.numbers)}
