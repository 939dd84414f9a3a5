"""Asks GitHub one thing until there is an answer: limits and the budget are waited for, hiccups asked again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from exporter.clock import Clock
from exporter.collecting.access import Access
from exporter.errors import GitHubError, HostRefused, OverBudget, RateLimited, Unavailable
from exporter.history.sources import Source
from exporter.past import Part
from exporter.privacy import Naming, hide_subject
from exporter.settings.names import collector_variable

TRIES = (5.0, 30.0, 120.0)
"""Seconds before each further try of what was not answered."""
SOONEST = 1.0

Result = TypeVar("Result")


class Progress(Protocol):
    """What a person sees."""

    def expect(self, requests: int) -> None:
        """So many more requests are to be sent."""

    def done(self, requests: int) -> None:
        """So many of them are sent, or not needed any more."""

    def wait(self, seconds: float, why: str) -> None:
        """A quota pool waits."""

    def fail(self, what: str) -> None:
        """Something could not be read."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, and what is shown of it. Errors name people and their ids as `privacy` has chosen."""

    clock: Clock
    naming: Naming
    progress: Progress
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def ask(
        self, source: Source, access: Access, part: Part | None, question: Callable[[], Awaitable[Result]]
    ) -> Result:
        """The answer to a question about a part of a source, or about the whole. Raises `GitHubError`."""
        waits, requests = iter(TRIES), part.requests if part else 1
        while True:
            await self._wait_for_budget(access, requests)
            try:
                async with access.pool.turn(0, source.job.key):
                    return await question()
            except GitHubError as error:
                self._complete(error, source, part)
                match error:
                    case OverBudget():
                        # It was cut off: wait until all of it fits, or it would begin anew for ever.
                        requests = max(requests, 2 * access.pool.in_turn)
                        await self._wait(error.until - access.github.now(), str(error))
                    case RateLimited():
                        await self._wait(error.until - access.github.now(), str(error))
                    case Unavailable() if (wait := next(waits, None)) is not None:
                        await self._wait(wait, str(error))
                    case _:
                        raise

    def _complete(self, error: GitHubError, source: Source, part: Part | None) -> None:
        """Hide whom the error's message names, and complete its advice."""
        job = source.job
        hide_subject(error, job, self.naming.subject(job))
        if part and len(part.subject) > 1:  # of a list whose subjects are read one by one: type and id come first
            subject = part.subject[:2]
            hide_subject(error, replace(job, subject=subject), self.naming.label_forms(_SUBJECT)(subject))
        if isinstance(error, HostRefused):
            error.set_collector(job.collector.name, collector_variable(job.collector.name, "download_hosts"))

    async def _wait_for_budget(self, access: Access, requests: int) -> None:
        pool = access.pool
        if pool.hourly is None:
            return
        cost = min(requests, pool.hourly)
        wait = pool.spending.wait(cost, 0, pool.hourly, self.clock.monotonic())
        if wait:
            await self._wait(wait, f"the budget of quota pool {pool.name} is spent")

    async def _wait(self, seconds: float, why: str) -> None:
        self.progress.wait(max(SOONEST, seconds), why)
        await self.sleep(max(SOONEST, seconds))


_SUBJECT = ("subject_type", "subject_id")
