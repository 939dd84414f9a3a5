"""Days as GitHub writes them, and when it has booked their usage. Pure."""

from datetime import date

from exporter.instants import DAY

BOOKED_AFTER = 3 * DAY
"""From a day's begin until its usage is booked: up to two days after its end. GitHub gives no time."""


def is_day(text: object) -> bool:
    """Whether it is a day as GitHub writes it, such as 2024-06-24."""
    try:
        return isinstance(text, str) and date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
