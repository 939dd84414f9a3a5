"""Asks GitHub for the past, part by part, and writes each file once all of its parts are there.

Quota pools are asked in parallel, each pool's sources one after another. A limit, or a spent budget, is waited for; a
server that does not answer is asked again. What fails all the same is a gap, which the report names.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from traceback import extract_tb
from typing import Protocol, TypeVar

from exporter import worker
from exporter.clock import Clock
from exporter.collecting.access import Access
from exporter.errors import (
    CredentialRejected,
    Forbidden,
    GitHubError,
    HostRefused,
    Invalid,
    RateLimited,
    Retired,
    Unavailable,
)
from exporter.fetching import Ask
from exporter.history.files import Files
from exporter.history.samples import Samples
from exporter.history.sources import Source, parts, still_kept
from exporter.history.spans import MarkKind
from exporter.history.spool import Spool
from exporter.instants import utc_time
from exporter.past import Part, PastAnswer
from exporter.privacy import Naming, hide_subject
from exporter.settings.names import collector_variable

AT_ONCE = 8
"""Quota pools that are asked at the same time."""
TRIES = (5.0, 30.0, 120.0)
"""Seconds before each further try of a part whose answer did not come."""
SOONEST = 1.0
DEADLINE = 1_800.0
"""Seconds after which a part is given up."""

EXPIRED = "GitHub does not keep it any more: it was asked for too late"

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
class Asking:
    """One run. `samples` makes the points of each source, by job key."""

    spool: Spool
    files: Files
    clock: Clock
    naming: Naming
    samples: Mapping[str, Samples]
    progress: Progress
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self, by_pool: Mapping[str, Sequence[tuple[Source, Access]]]) -> None:
        """Read everything that is still to be read, and write all files."""
        limit = asyncio.Semaphore(AT_ONCE)

        async def pool(sources: Sequence[tuple[Source, Access]]) -> None:
            async with limit:
                await self._pool(sources)

        try:
            async with asyncio.TaskGroup() as group:
                for sources in by_pool.values():
                    group.create_task(pool(sources))
        except ExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _pool(self, sources: Sequence[tuple[Source, Access]]) -> None:
        rejected: GitHubError | None = None
        for source, access in sources:
            rejected = rejected or await self._list(source, access)
        for source, access in sources:
            if rejected is None:
                rejected = await self._read(source, access)
            else:
                await self._give_up(source, rejected)
            await worker.run(self.files.write_ready, source.file)

    async def _list(self, source: Source, access: Access) -> GitHubError | None:
        """Find out which parts a source has; returns the error after which its credential is of no use."""
        job = source.job.key
        if not await worker.run(self.spool.has_parts, job):
            try:
                ask = partial(list_parts, source, access, self.naming)
                await worker.run(self.spool.add_parts, job, await self._patiently(source, access, 1, ask))
            except GitHubError as error:
                await self._give_up(source, error)
                return error if isinstance(error, CredentialRejected) else None
        self.progress.expect(await worker.run(self.spool.open_requests, job))
        return None

    async def _read(self, source: Source, access: Access) -> GitHubError | None:
        """Read a source; returns the error after which its credential is of no use."""
        job = source.job.key
        for number, part in await worker.run(self.spool.open_parts, job):
            try:
                answer = await self._patiently(
                    source, access, part.requests, partial(self._fetch, source, access, part)
                )
                await worker.run(self._keep, source, number, part, answer)
            except (CredentialRejected, Forbidden, HostRefused, Retired) as error:
                await self._give_up(source, error)
                return error if isinstance(error, CredentialRejected) else None
            except GitHubError as error:
                await self._miss(source, number, part, error)
            self.progress.done(part.requests)
            await worker.run(self.files.write_ready, source.file)
        return None

    async def _fetch(self, source: Source, access: Access, part: Part) -> PastAnswer:
        kept = still_kept(source, part, int(access.github.now()))
        if kept is None:
            return PastAnswer(missing=EXPIRED)
        try:
            with _faults_of_ours():
                async with asyncio.timeout(DEADLINE):
                    answer = await source.past.fetch(access.github, _ask(source, kept, self.naming), kept)
        except TimeoutError:
            raise Unavailable(f"no complete answer within {DEADLINE:.0f} s") from None
        return answer if kept is part else replace(answer, missing=f"before {utc_time(kept.start)}: {EXPIRED}")

    def _keep(self, source: Source, number: int, part: Part, answer: PastAnswer) -> None:
        with _faults_of_ours():
            self._save(source, number, part, answer)

    def _save(self, source: Source, number: int, part: Part, answer: PastAnswer) -> None:
        samples = self.samples[source.job.key]
        rejected = f"{answer.rejected} values could not be read" if answer.rejected else ""
        self.spool.keep(
            source.file,
            source.job.key,
            number,
            state="missing" if answer.missing else "done",
            why=answer.missing or rejected,
            marks=self._marks(source, part, answer, "missing" if answer.missing else "nothing"),
            gauges=samples.gauges(answer),
            increments=samples.increments(answer),
        )

    @staticmethod
    def _marks(
        source: Source, part: Part, answer: PastAnswer, without: MarkKind
    ) -> dict[str, list[tuple[int, MarkKind]]]:
        """What the exporter would have learned; without anything shown, that there was nothing, or no answer."""
        if source.counts:
            return {}
        if not answer.shown:
            return {"": [(part.start + source.past.shown_after, without)]}
        marks: dict[str, list[tuple[int, MarkKind]]] = {}
        for shown in answer.shown:
            marks.setdefault(shown.thing, []).append((shown.at, "figures" if shown.rows else "nothing"))
        return marks

    async def _miss(self, source: Source, number: int, part: Part, error: GitHubError) -> None:
        """Save that a part could not be read."""
        hide_subject(error, source.job, self.naming.subject(source.job))
        marks = self._marks(source, part, PastAnswer(), "missing")
        await worker.run(
            self.spool.keep, source.file, source.job.key, number, state="failed", why=str(error), marks=marks
        )
        self.progress.fail(f"{self.naming.title(source.job)}: {error}; {error.hint}")

    async def _give_up(self, source: Source, error: GitHubError) -> None:
        """Save that nothing more of a source can be read."""
        if isinstance(error, HostRefused):
            name = source.job.collector.name
            error.set_collector(name, collector_variable(name, "download_hosts"))
        hide_subject(error, source.job, self.naming.subject(source.job))
        job = source.job.key
        if not await worker.run(self.spool.has_parts, job):
            await worker.run(self.spool.add_parts, job, (Part(source.start, source.end),))
        left = await worker.run(self.spool.open_requests, job)
        await worker.run(self.spool.fail, job, str(error))
        self.progress.done(left)
        self.progress.fail(f"{self.naming.title(source.job)}: {error}; {error.hint}")

    async def _patiently(
        self, source: Source, access: Access, requests: int, ask: Callable[[], Awaitable[Result]]
    ) -> Result:
        """The result; waits for limits and for the budget, and tries again where no answer came."""
        waits = iter(TRIES)
        while True:
            await self._wait_for_budget(access, requests)
            try:
                async with access.pool.turn(0, source.job.key):
                    return await ask()
            except RateLimited as error:
                await self._wait(error.until - access.github.now(), str(error))
            except Unavailable as error:
                wait = next(waits, None)
                if wait is None:
                    raise
                await self._wait(wait, str(error))

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


async def list_parts(source: Source, access: Access, naming: Naming) -> Sequence[Part]:
    """The parts of a source; asks GitHub where only that knows them. Raises `GitHubError`."""
    if source.past.list_parts is None:
        return parts(source)
    return await source.past.list_parts(access.github, _ask(source, Part(source.start, source.end), naming))


def _ask(source: Source, part: Part, naming: Naming) -> Ask:
    job = source.job
    return Ask(
        job.target.name,
        job.subject,
        job.settings.options,
        part.start,
        part.end,
        name_form=naming.name,
        interval=job.settings.interval,
        max_age=job.max_age,
    )


@contextmanager
def _faults_of_ours() -> Iterator[None]:
    """Turn an unexpected exception into one that costs a part: it must not end the reading of all others."""
    try:
        yield
    except (GitHubError, OSError, sqlite3.Error):
        raise
    except Exception as error:  # noqa: BLE001 - the report names it
        raise Invalid(f"unexpected {_place_of(error)}: please report this") from None


def _place_of(error: Exception) -> str:
    """An exception's type and the line that raised it; its message may name a person."""
    frame = extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
