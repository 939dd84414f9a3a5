"""What a person sees while the past is asked: a bar on a terminal, a line now and then elsewhere."""

import sys
from contextlib import AbstractContextManager
from typing import Self

from tqdm import tqdm

from exporter import output
from exporter.clock import Clock

EVERY = 30.0
"""Seconds between two lines."""


class Progress(AbstractContextManager["Progress"]):
    """Counts requests, on standard error."""

    def __init__(self, clock: Clock) -> None:
        """Show nothing yet."""
        self._clock, self._began, self._said = clock, clock.monotonic(), clock.monotonic()
        self._sent = self._total = 0
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._bar = tqdm(total=0, unit=" requests", dynamic_ncols=True, disable=not is_terminal, file=sys.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def expect(self, requests: int) -> None:
        """So many more requests are to be sent."""
        self._total += requests
        self._bar.total = self._total
        self._bar.refresh()

    def done(self, requests: int) -> None:
        """So many of them are sent, or not needed any more."""
        self._sent += requests
        self._bar.set_postfix_str("", refresh=False)
        self._bar.update(requests)
        now = self._clock.monotonic()
        if now - self._said >= EVERY:
            self._say(self._line(now))

    def wait(self, seconds: float, why: str) -> None:
        """A quota pool waits."""
        text = f"waits {seconds:,.0f} s: {why}"
        if self._bar.disable:
            self._say(text)
        else:
            self._bar.set_postfix_str(text)

    def fail(self, what: str) -> None:
        """Something could not be read."""
        self._say(f"not read: {what}")

    def _say(self, text: str) -> None:
        self._said = self._clock.monotonic()
        if self._bar.disable:
            output.complain(text)
        else:
            self._bar.write(text, file=sys.stderr)

    def _line(self, now: float) -> str:
        pace = self._sent / max(1.0, now - self._began)
        left = (self._total - self._sent) / pace / 60 if pace else 0.0
        return f"{self._sent:,} of {self._total:,} requests; {left:,.0f} min left at this pace"
