"""`backfill`: GitHub's past as OpenMetrics files for Prometheus; or, with `--dry-run`, what that would cost."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from exporter import output, worker
from exporter.accesses import Accesses
from exporter.cli.discovering import Discovered, discover, shown
from exporter.cli.tables import table
from exporter.clock import Clock, SystemClock
from exporter.collecting.access import Access
from exporter.collecting.forecast import expected_series
from exporter.errors import GitHubError
from exporter.github.budget import Budget
from exporter.history import seam
from exporter.history.asking import Asking, list_parts
from exporter.history.files import Files
from exporter.history.folder import Folder, UnusableFolder
from exporter.history.patience import Patience
from exporter.history.plan import Plan, Unusable, chosen_jobs, first_plan, flags_of, same_plan
from exporter.history.progress import Progress
from exporter.history.report import gaps_of, report
from exporter.history.samples import Samples, families_of
from exporter.history.sources import Source
from exporter.history.spool import Spool
from exporter.instants import day_of, utc_time
from exporter.jobs import Job, Target
from exporter.options import duration_text
from exporter.privacy import hide_subject
from exporter.settings import Settings

BYTES_OF_LINE = 180
BYTES_OF_SAMPLE = 0.7
"""Of a line of a file, and of a sample in Prometheus' database: measured, see docs/backfill.md."""


def main(settings: Settings, latest: int = seam.LATEST) -> int:
    """Ask, write, and say what to do next; exit code 1 if something could not be read.

    `latest` is how late GitHub is at most (seconds).
    """
    clock, folder = SystemClock(), Folder(settings.backfill.output or Path())
    try:
        discovery = _discovered(settings, clock)
        jobs = chosen_jobs(discovery.settings, discovery.discoveries)
        if settings.backfill.dry_run:
            plan = first_plan(discovery.settings, jobs, int(clock.wall()), latest)
            output.write(asyncio.run(_dry_run(plan, clock)))
            return 0
        _write(discovery.settings, jobs, folder, clock, latest)
    except (Unusable, UnusableFolder, seam.UnreadableState, OSError, sqlite3.Error) as problem:
        output.complain(_advice(problem, folder))
        return 1
    finally:
        folder.close()
    return 0 if folder.is_complete else 1


def _advice(problem: Exception, folder: Folder) -> str:
    """What went wrong, and what to do about it."""
    match problem:
        case PermissionError():
            return f"{problem}: let this user write there, or name another folder with --output"
        case OSError() | sqlite3.OperationalError():
            return f"{folder.path}: {problem}; run the same command again to go on"
        case sqlite3.Error():
            return f"{folder.spool}: {problem}: delete {folder.path} and begin anew"
        case _:
            return str(problem)


def _discovered(settings: Settings, clock: Clock) -> Discovered:
    """The settings with the targets that GitHub names; a listing that fails would leave some of them out."""
    if not settings.discover:
        return Discovered(settings)
    discovery = discover(settings, clock)
    if not discovery.works:
        raise Unusable("\n".join(shown(discovery, clock.wall())))
    return discovery


def _write(settings: Settings, jobs: Sequence[Job], folder: Folder, clock: Clock, latest: int) -> None:
    """Begin, or go on, until everything is read that can be; then say what there is."""
    flags = flags_of(settings)
    is_begun = folder.open(flags)
    if not folder.is_complete:
        if is_begun:
            plan = same_plan(settings, jobs, folder.ranges)
        else:
            plan = first_plan(settings, jobs, int(clock.wall()), latest)
            folder.begin(flags, plan.ranges)
        output.write("".join(f"{note}\n" for note in plan.notes))
        asyncio.run(_run(plan, folder, clock))
    output.write(report(folder))


async def _run(plan: Plan, folder: Folder, clock: Clock) -> None:
    """Read and write everything; afterwards the manifest says what is missing."""
    is_lost = bool(folder.files) and not folder.spool.exists()
    spool = await worker.run(Spool, folder.spool)
    by_file: dict[str, list[Source]] = {}
    for source in plan.sources:
        by_file.setdefault(source.file, []).append(source)
    files = Files(spool, folder, int(plan.settings.backfill.step), by_file)
    try:
        failed_before = await worker.run(spool.failed_jobs)
        again = {source.file for source in plan.sources if is_lost or source.job.key in failed_before}
        await worker.run(files.write_again, again)  # noted first: what is read anew must get into the files
        await worker.run(spool.reopen_failed)
        with Progress(clock) as progress:
            asking = Asking(spool, files, Patience(clock, plan.running.naming, progress), _samples(plan, by_file))
            await _with_accesses(plan, clock, asking.run)
        titles = {source.job.key: source for source in plan.sources}
        gaps, failed = await worker.run(gaps_of, spool, titles, plan.running.naming)
    finally:
        await worker.run(spool.close)
    await worker.run(folder.end, gaps, is_complete=not failed)


ByPool = Mapping[str, Sequence[tuple[Source, Access]]]
Result = TypeVar("Result")


async def _with_accesses(plan: Plan, clock: Clock, use: Callable[[ByPool], Awaitable[Result]]) -> Result:
    """Call `use` with the sources of each quota pool; their budget is what the exporter leaves."""
    budget = plan.settings.budget
    accesses = Accesses(Budget(budget.share, budget.reserve), clock, {}, lambda *_: None)
    try:
        try:
            by_target = await accesses.update(plan.settings)
        except GitHubError as error:  # a client cannot be set up, because of its certificate authorities for example
            raise Unusable(str(error)) from None
        return await use(_by_pool(plan, by_target))
    finally:
        await accesses.close()


def _by_pool(plan: Plan, by_target: Mapping[Target, Access]) -> dict[str, list[tuple[Source, Access]]]:
    by_pool: dict[str, list[tuple[Source, Access]]] = {}
    for source in plan.sources:
        access = by_target[source.job.target]
        pool = access.pool
        if pool.budget is not None:
            pool.budget = replace(pool.budget, others=plan.running.hourly.get(pool.name, 0))
        by_pool.setdefault(pool.name, []).append((source, access))
    return by_pool


def _samples(plan: Plan, by_file: Mapping[str, Sequence[Source]]) -> dict[str, Samples]:
    samples = {}
    for of_file in by_file.values():
        numbers = {family.name: n for n, family in enumerate(families_of([source.job for source in of_file]))}
        for source in of_file:
            places = source.job.settings.max_series or plan.settings.limits.max_series
            labels = plan.settings.backfill.extra_labels
            samples[source.job.key] = Samples(source.job, numbers, plan.running.naming, labels, places)
    return samples


async def _dry_run(plan: Plan, clock: Clock) -> str:
    """What would be asked and written; lists whose length only GitHub knows are asked for."""
    step = plan.settings.backfill.step

    async def count(by_pool: ByPool) -> list[tuple[Source, int | GitHubError]]:
        costs: list[tuple[Source, int | GitHubError]] = []
        for source, access in (pair for pairs in by_pool.values() for pair in pairs):
            try:
                async with access.pool.turn(0):
                    listed = await list_parts(source, access, plan.running.naming)
                costs.append((source, sum(part.requests for part in listed)))
            except GitHubError as error:
                hide_subject(error, source.job, plan.running.naming.subject(source.job))
                costs.append((source, error))
        return costs

    costs = await _with_accesses(plan, clock, count)
    head = ("COLLECTOR", "TARGET", "FROM", "TO", "REQUESTS", "SERIES", "SAMPLES", "BYTES")
    rows, sums = [], [0, 0, 0]
    failures = []
    for source, requests in costs:
        if isinstance(requests, GitHubError):
            failures.append(f"{plan.running.naming.title(source.job)}: not known: {requests}; {requests.hint}")
            continue
        series = plan.running.series.get(source.job.key) or expected_series(source.job)
        samples = int(series * (source.end - source.start) / step)
        sums = [sums[0] + requests, sums[1] + series, sums[2] + samples]
        span = (day_of(source.start), utc_time(source.end))
        numbers = (f"{requests:,}", f"{series:,}", f"{samples:,}", f"{samples * BYTES_OF_LINE:,}")
        rows.append((plan.running.naming.title(source.job), str(source.job.target), *span, *numbers))
    text = [*plan.notes, table([head, *rows]), *failures, ""]
    text.append(
        f"{sums[0]:,} requests, about {sums[1]:,} series and {sums[2]:,} samples, one each {duration_text(step)}:"
    )
    text.append(
        f"{sums[2] * BYTES_OF_LINE / 1e6:,.0f} MB of files, {sums[2] * BYTES_OF_SAMPLE / 1e6:,.0f} MB in Prometheus. "
        "Series are what the exporter shows now, or else what `plan` assumes."
    )
    return "\n".join(text) + "\n"
