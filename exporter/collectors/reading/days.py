"""Days as GitHub writes them, and when their usage is booked. Pure."""

from datetime import date

from exporter.instants import DAY

BOOKED_AFTER = 3 * DAY
"""Seconds from the start of a day until its usage is booked: two days after its end. GitHub documents no time."""


def is_day(text: object) -> bool:
    """Whether a value is a day as GitHub writes it, such as 2024-06-24."""
    try:
        return isinstance(text, str) and date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
