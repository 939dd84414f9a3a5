"""Counts and times on the status page as people read them."""

from exporter.github.dates import clock_time

DOCS = "https://github.com/github-enterprise-exporter/github-enterprise-exporter/blob/main/docs"


def many(count: int, word: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def when(instant: float | None, now: float, never: str = "never") -> str:
    """How long ago, or in how long, as HTML that tells the instant; epoch seconds."""
    if instant is None:
        return never
    seconds = abs(now - instant)
    size, unit = next((one for one in ((86_400, "d"), (3_600, "h"), (60, "min")) if seconds >= 2 * one[0]), (1, "s"))
    length = f"{seconds / size:.0f} {unit}"
    told = "now" if seconds < 1 else f"{length} ago" if instant < now else f"in {length}"
    try:
        exact = clock_time(instant)
    except (ValueError, OverflowError, OSError):  # GitHub may send any number, also one of no calendar
        return never
    return f'<time datetime="{exact}" title="{exact}">{told}</time>'
