"""Asks GitHub for the past, part by part, and writes each file once all of its parts are there.

Quota pools are asked in parallel, each pool's sources one after another. What fails, after all patience, is a gap that
the report names.
"""

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from traceback import extract_tb

from exporter import worker
from exporter.collecting.access import Access
from exporter.errors import (
    CredentialRejected,
    Forbidden,
    GitHubError,
    HostRefused,
    Invalid,
    NotFound,
    Retired,
    Unavailable,
)
from exporter.fetching import Ask
from exporter.github.apps import NotInstalled
from exporter.history.files import Files
from exporter.history.patience import Patience
from exporter.history.samples import Samples
from exporter.history.sources import Source, parts, still_kept
from exporter.history.spans import MarkKind, Marks
from exporter.history.spool import Spool
from exporter.instants import utc_time
from exporter.past import Part, PastAnswer
from exporter.privacy import Naming

AT_ONCE = 8
"""Quota pools that are asked at the same time."""
DEADLINE = 1_800.0
"""Seconds after which a part is given up."""
MOST_UNANSWERED = 3
"""Parts in a row without an answer, after which a source is given up: each has taken minutes."""
ENDS_SOURCE = (CredentialRejected, Forbidden, HostRefused, NotInstalled, Retired)
"""Errors after which other parts of a source need not be asked for."""
EXPIRED = "GitHub does not keep it any more: it was asked for too late"


@dataclass(frozen=True, slots=True)
class Asking:
    """One run. `samples` makes the points of each source, by job key."""

    spool: Spool
    files: Files
    patience: Patience
    samples: Mapping[str, Samples]

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
        """Read the sources of a pool; once its credential is refused, nothing more is asked."""
        rejected: CredentialRejected | None = None
        listed: list[tuple[Source, Access]] = []
        for source, access in sources:
            error = rejected or await self._list(source, access)
            rejected = error if isinstance(error, CredentialRejected) else rejected
            if error is None:
                listed.append((source, access))
            else:
                await self._give_up(source, error)
        for source, access in listed:
            error = rejected or await self._read(source, access)
            rejected = error if isinstance(error, CredentialRejected) else rejected
            if error is not None:
                await self._give_up(source, error)
            await worker.run(self.files.write_ready, source.file)

    async def _list(self, source: Source, access: Access) -> GitHubError | None:
        """Find out which parts a source has; returns why that is not possible."""
        job = source.job.key
        if not await worker.run(self.spool.has_parts, job):
            question = partial(list_parts, source, access, self.patience.naming)
            try:
                listed = await self.patience.ask(source, access, None, question)
            except GitHubError as error:
                return error
            await worker.run(self.spool.add_parts, job, listed)
        self.patience.progress.expect(await worker.run(self.spool.open_requests, job))
        return None

    async def _read(self, source: Source, access: Access) -> GitHubError | None:
        """Read a source; returns the error after which nothing more of it needs to be asked for."""
        is_proven, unanswered = source.past.has_any is None, 0
        for number, part in await worker.run(self.spool.open_parts, source.job.key):
            try:
                answer = await self.patience.ask(source, access, part, partial(self._fetch, source, access, part))
                if answer.missing and not is_proven and source.past.has_any:
                    # GitHub also answers 404 to somebody who may not read at all.
                    ask = _ask(source, part, self.patience.naming)
                    await self.patience.ask(source, access, None, partial(source.past.has_any, access.github, ask))
                is_proven = True
                await worker.run(self._keep, source, number, part, answer)
            except ENDS_SOURCE as error:
                return error
            except NotFound as error:
                if not is_proven:
                    return error
                await self._miss(source, number, part, error)
            except GitHubError as error:
                unanswered = unanswered + 1 if isinstance(error, Unavailable) else 0
                if unanswered == MOST_UNANSWERED:
                    return error
                await self._miss(source, number, part, error)
            else:
                unanswered = 0
            self.patience.progress.done(part.requests)
            await worker.run(self.files.write_ready, source.file)
        return None

    async def _fetch(self, source: Source, access: Access, part: Part) -> PastAnswer:
        kept = still_kept(source, part, int(access.github.now()))
        if kept is None:
            return PastAnswer(missing=EXPIRED)
        try:
            with _faults_of_ours(TimeoutError):
                async with asyncio.timeout(DEADLINE):
                    answer = await source.past.fetch(access.github, _ask(source, kept, self.patience.naming), kept)
        except TimeoutError:
            raise Unavailable(f"no complete answer within {DEADLINE:.0f} s") from None
        return answer if kept is part else replace(answer, missing=f"before {utc_time(kept.start)}: {EXPIRED}")

    def _keep(self, source: Source, number: int, part: Part, answer: PastAnswer) -> None:
        samples = self.samples[source.job.key]
        rejected = f"{answer.rejected} values could not be read" if answer.rejected else ""
        with _faults_of_ours(OSError, sqlite3.Error):
            self.spool.keep(
                source.file,
                source.job.key,
                number,
                state="missing" if answer.missing else "done",
                why=answer.missing or rejected,
                marks=_marks(source, part, answer),
                gauges=samples.gauges(answer),
                increments=samples.increments(answer),
            )

    async def _miss(self, source: Source, number: int, part: Part, error: GitHubError) -> None:
        """Save that a part could not be read."""
        await worker.run(self.spool.fail, source.job.key, [number], str(error), _no_answer(source, [part]))
        self._report(source, error)

    async def _give_up(self, source: Source, error: GitHubError) -> None:
        """Save that nothing more of a source can be read."""
        job = source.job.key
        if await worker.run(self.spool.has_parts, job):
            left = await worker.run(self.spool.open_parts, job)
            marks = _no_answer(source, [part for _, part in left])
            await worker.run(self.spool.fail, job, [number for number, _ in left], str(error), marks)
            self.patience.progress.done(sum(part.requests for _, part in left))
        else:
            await worker.run(self.spool.fail_listing, job, source.start, source.end, str(error))
        self._report(source, error)

    def _report(self, source: Source, error: GitHubError) -> None:
        self.patience.progress.fail(f"{self.patience.naming.title(source.job)}: {error}; {error.hint}")


async def list_parts(source: Source, access: Access, naming: Naming) -> Sequence[Part]:
    """The parts of a source; asks GitHub where only that knows them. Raises `GitHubError`."""
    if source.past.list_parts is None:
        return parts(source)
    with _faults_of_ours():
        return await source.past.list_parts(access.github, _ask(source, Part(source.start, source.end), naming))


def _marks(source: Source, part: Part, answer: PastAnswer) -> Marks:
    """What the exporter would have learned; without anything shown, that there was nothing, or no answer."""
    if source.counts:
        return {}
    if not answer.shown:
        kind: MarkKind = "missing" if answer.missing else "nothing"
        return {"": [(part.start + source.past.shown_after, kind)]}
    marks: dict[str, list[tuple[int, MarkKind]]] = {}
    for shown in answer.shown:
        marks.setdefault(shown.thing, []).append((shown.at, "figures" if shown.rows else "nothing"))
    return marks


def _no_answer(source: Source, unread: Sequence[Part]) -> Marks:
    """Marks that the exporter would have had no answer."""
    return {} if source.counts else {"": [(part.start + source.past.shown_after, "missing") for part in unread]}


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
def _faults_of_ours(*others: type[Exception]) -> Iterator[None]:
    """Turn an unexpected exception into one that costs a part: it must not end the reading of all others."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (GitHubError, *others)):
            raise
        raise Invalid(f"unexpected {_place_of(error)}: please report this") from None


def _place_of(error: Exception) -> str:
    """An exception's type and the line that raised it; its message may name a person."""
    frame = extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
