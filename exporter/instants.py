"""Instants are epoch seconds, lengths of time are seconds; GitHub writes instants as ISO 8601 texts in UTC. Pure."""

from datetime import UTC, datetime

HOUR = 3600
DAY = 24 * HOUR


def epoch(text: str) -> float:
    """The instant of `2026-11-21T10:00:00Z` or `2026-11-21`; without a zone it is UTC. Raises `ValueError`."""
    instant = datetime.fromisoformat(text)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


def epoch_or_none(value: object) -> float | None:
    """The instant of a text that GitHub sent; None if it is no instant."""
    try:
        return epoch(value) if isinstance(value, str) else None
    except ValueError:
        return None


def utc_time(instant: float) -> str:
    """An instant as GitHub takes it in a query and people read it: `2026-11-21T09:00:00Z`."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_of(instant: float) -> str:
    """The day (UTC) of an instant: `2026-11-21`."""
    return datetime.fromtimestamp(instant, UTC).date().isoformat()
