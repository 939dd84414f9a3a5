"""Which windows to read: anchors, folds, gaps. Pure; instants are whole epoch seconds by GitHub's clock.

GitHub keeps 31 days and shows requests hours late. So each run reads everything since the anchor A of its source,
and A moves on only over data that have settled. `docs/counters.md` has the complete rule.
"""

from dataclasses import dataclass

from exporter.instants import DAY, HOUR

CLOCK_TOLERANCE = 60
"""Seconds by which GitHub's clock may differ between two replies. If it differs by more, a window was wrong."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Lengths in seconds. No settings: only tests and the demo shorten them."""

    step: int = HOUR  # anchors are multiples of it
    first: int = 24 * HOUR  # length of the first window
    longest: int = 10 * DAY  # a longer window is folded
    keep: int = 72 * HOUR  # length of the window after a fold
    settled: int = 48 * HOUR  # data older than this have settled
    retention: int = 31 * DAY
    margin: int = 2 * HOUR  # an anchor this close to the end of the retention is given up
    whole_walk: int = DAY  # a list is read whole at least this often


@dataclass(frozen=True, slots=True)
class Fold:
    """The bounds of a fold: the counts of `[anchor, end]` less those of `[begin, end]` are added to the bases."""

    anchor: int
    begin: int
    end: int


def first_anchor(windows: Windows, now: int) -> int:
    """The anchor of a new source: a whole hour, a day ago."""
    return _floor(now - windows.first, windows.step)


def fold_due(windows: Windows, anchor: int, now: int) -> Fold | None:
    """The fold that is due once the window is longer than `windows.longest`; else None."""
    if now - anchor <= windows.longest:
        return None
    begin = _floor(now - windows.keep, windows.step)
    return Fold(anchor, begin, _floor(now - windows.settled, windows.step))


def anchor_after_gap(windows: Windows, anchor: int, read_at: int, now: int) -> int | None:
    """The anchor after a gap, if GitHub is about to forget the present one, else None. It may lie ahead of `now`.

    An anchor far ahead of `now` comes from a wrong clock; counting then continues at the newest read.
    """
    oldest = now - windows.retention + windows.margin
    if oldest <= anchor <= now + windows.step + CLOCK_TOLERANCE:
        return None
    return -_floor(-max(min(read_at, now), oldest), windows.step)


def _floor(instant: int, step: int) -> int:
    return instant // step * step
