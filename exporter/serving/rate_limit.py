"""A token bucket that limits the requests of the exporter's own clients. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Gains a token per `interval` (seconds), up to `burst` of them; it begins full."""

    interval: float
    burst: int
    tokens: float
    at: float

    def take(self, now: float) -> bool:
        """Take a token, if there is one; `now` in monotonic seconds."""
        self.tokens = min(self.burst, self.tokens + (now - self.at) / self.interval)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True
