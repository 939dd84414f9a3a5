"""Estimates GitHub's clock from the `Date` headers of responses. Pure.

Windows, anchors and pauses use this clock, so a single wrong header must not change it: an error page of a gateway, a
cache or a server with a wrong clock may send any date.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

JUMP = 60.0
"""Seconds; a `Date` that differs from the clock by more is used only if a second response agrees."""
_AGREE = 0.1
"""Two responses agree if they differ by at most `JUMP`, or by this share of the jump: a clock may run fast."""
_EARLIEST, _LATEST = 1_577_836_800.0, 4_102_444_800.0  # the years 2020 and 2100
_OWN_HEADERS = ("x-github-", "x-ratelimit-")


def is_of_github(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a response is of GitHub itself, not of a proxy or gateway; `headers` have lower-case names."""
    return status // 100 in (2, 4) and any(name.startswith(_OWN_HEADERS) for name in headers)


@dataclass(frozen=True, slots=True)
class ServerClock:
    """The estimate of GitHub's clock.

    `offset` is GitHub's clock less ours in seconds, 0 until the first response. `claimed` is the offset of one response
    that no other has confirmed yet.
    """

    offset: float = 0.0
    known: bool = False
    claimed: float | None = None

    @property
    def doubtful(self) -> bool:
        """Whether a second response must confirm an offset."""
        return self.claimed is not None

    def heard(self, date: float | None, sent_at: float, received_at: float) -> "ServerClock":
        """The clock after a response; `sent_at` and `received_at` are by our clock. All are epoch seconds."""
        if date is None or not _EARLIEST <= date < _LATEST:
            return self
        observed = date + 0.5 - (sent_at + received_at) / 2  # `Date` has whole seconds, cut off
        jump = observed - self.offset
        if abs(jump) > JUMP and not self._agrees(observed):
            return replace(self, claimed=observed)
        # Ignore differences within Date's resolution and half the round trip.
        blur = 1.0 + max(0.0, received_at - sent_at) / 2
        offset = observed if not self.known or abs(jump) > blur else self.offset
        return ServerClock(offset, known=True)

    def moved(self, seconds: float) -> "ServerClock":
        """The clock after our own was set back by `seconds`."""
        claimed = None if self.claimed is None else self.claimed + seconds
        return replace(self, offset=self.offset + seconds, claimed=claimed)

    def _agrees(self, observed: float) -> bool:
        if self.claimed is None:
            return False
        return abs(observed - self.claimed) <= max(JUMP, _AGREE * abs(self.claimed - self.offset))
