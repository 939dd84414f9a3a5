"""Which windows to ask for: anchors, folds, holes. Pure; instants are whole epoch seconds by GitHub's clock.

GitHub keeps 31 days and shows requests hours late, so a source asks for everything since its anchor A, again and
again, and moves A on only over what has settled. `docs/counters.md` tells the whole rule.
"""

from dataclasses import dataclass

HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Windows:
    """Lengths in seconds. They are settings of the code: tests and the demo may shorten them."""

    step: int = HOUR  # anchors lie on whole steps
    first: int = 24 * HOUR  # how far back the first window begins
    longest: int = 96 * HOUR  # a longer window is folded
    keep: int = 72 * HOUR  # what a fold leaves open
    settled: int = 48 * HOUR  # what a fold takes as settled ends here
    retention: int = 31 * DAY
    margin: int = 2 * HOUR  # how long before GitHub forgets we stop relying on it


@dataclass(frozen=True, slots=True)
class Fold:
    """A fold's bounds: what lies in `[anchor, end]` but not in `[begin, end]` becomes part of the base."""

    anchor: int
    begin: int
    end: int


def first_anchor(windows: Windows, now: int) -> int:
    """Where a new source begins: a whole hour, a day ago."""
    return _floor(now - windows.first, windows.step)


def fold_due(windows: Windows, anchor: int, now: int) -> Fold | None:
    """The fold that a window has become long enough for, if any."""
    if now - anchor <= windows.longest:
        return None
    begin = _floor(now - windows.keep, windows.step)
    return Fold(anchor, begin, _floor(now - windows.settled, windows.step))


def hole(windows: Windows, anchor: int, read_at: int, now: int) -> int | None:
    """The anchor after a hole, if GitHub is about to forget the present one; it may still lie ahead of `now`."""
    oldest = now - windows.retention + windows.margin
    if anchor >= oldest:
        return None
    return -_floor(-max(read_at, oldest), windows.step)


def _floor(instant: int, step: int) -> int:
    return instant // step * step
