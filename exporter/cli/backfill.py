"""`backfill`: GitHub's past as OpenMetrics files for Prometheus; or, with `--dry-run`, what that would cost."""

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from exporter import output, worker
from exporter.accesses import Accesses
from exporter.cli.discovering import Discovered, discover
from exporter.cli.tables import table
from exporter.clock import Clock, SystemClock
from exporter.collecting.access import Access
from exporter.collecting.forecast import expected_series
from exporter.collecting.selection import Candidates, select_jobs
from exporter.collectors import COLLECTORS
from exporter.errors import GitHubError
from exporter.github.budget import Budget
from exporter.history import seam
from exporter.history.asking import Asking, list_parts
from exporter.history.files import Files
from exporter.history.folder import Folder, UnusableFolder
from exporter.history.progress import Progress
from exporter.history.report import gaps_of, report
from exporter.history.samples import Samples, families_of
from exporter.history.sources import Source, Times, sources, too_early, without_past
from exporter.history.spool import Spool
from exporter.instants import DAY, day_of, epoch, utc_time
from exporter.jobs import Job, Target
from exporter.options import duration_text
from exporter.settings import Settings

BYTES_OF_LINE = 180
BYTES_OF_SAMPLE = 0.7
"""Of a line of a file, and of a sample in Prometheus' database: measured, see docs/backfill.md."""


class Unusable(Exception):
    """The command cannot do what it was asked; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall be read: the sources, the settings with discovered targets, the exporter's state."""

    settings: Settings
    sources: Sequence[Source]
    running: seam.Running
    fixed: Mapping[str, Any]
    notes: Sequence[str] = ()


def main(settings: Settings, latest: int = seam.LATEST) -> int:
    """Ask, write, and say what to do next; exit code 1 if something could not be read.

    `latest` is how late GitHub is at most (seconds).
    """
    clock, folder = SystemClock(), Folder(settings.backfill.output or Path())
    try:
        discovered = discover(settings, clock) if settings.discover else Discovered(settings)
        jobs = chosen_jobs(discovered)
        asked = _asked(discovered.settings, jobs)
        is_begun = not settings.backfill.dry_run and folder.open(asked)
        plan = _plan(discovered.settings, jobs, int(clock.wall()), folder.fixed if is_begun else None, latest)
        if settings.backfill.dry_run:
            output.write(asyncio.run(_dry_run(plan, clock)))
            return 0
        if folder.is_complete:
            output.write(report(folder))
            return 0
        if not is_begun:
            folder.begin(asked, plan.fixed)
        output.write("".join(f"{note}\n" for note in plan.notes))
        asyncio.run(_run(plan, folder, clock))
    except (Unusable, UnusableFolder, seam.UnreadableState) as problem:
        output.complain(str(problem))
        return 1
    except (OSError, sqlite3.OperationalError) as error:
        output.complain(f"{settings.backfill.output}: {error}; call the same command again to go on")
        return 1
    output.write(report(folder))
    return 0 if folder.is_complete and discovered.works else 1


def chosen_jobs(discovered: Discovered) -> list[Job]:
    """The jobs of the chosen targets and collectors, whether they have a past or not."""
    settings, chosen = discovered.settings, discovered.settings.backfill
    targets = {str(target): target for target in settings.targets()}
    if unknown := [name for name in chosen.targets if name not in targets]:
        raise Unusable(f"flag: --targets: {unknown[0]} is not configured; there are {', '.join(targets)}")
    jobs: list[Job] = []
    for name, target in targets.items():
        if not chosen.targets or name in chosen.targets:
            candidates = Candidates(settings.watched_at(target), granted=discovered.discoveries.granted.get(target))
            jobs += select_jobs(COLLECTORS, settings.collectors, target, candidates)
    return [job for job in jobs if not chosen.collectors or job.collector.name in chosen.collectors]


def _plan(settings: Settings, jobs: Sequence[Job], now: int, fixed: Mapping[str, Any] | None, latest: int) -> Plan:
    """What to read: as a first run has found it out, or else by the state of the exporter."""
    running = seam.read(settings)
    if settings.privacy.user_names != "login" and not running.exists:
        raise Unusable(
            f"{seam.path_of(settings)}: there is no state, which has the key of the pseudonyms "
            f"(privacy.user_names: {settings.privacy.user_names}): run the exporter first, and name its --state.path"
        )
    if fixed is not None:
        known = {key: (start, end) for key, (start, end) in fixed["sources"].items()}
        found = [
            Source(job, job.collector.past, *known[job.key]) for job in jobs if job.collector.past and job.key in known
        ]
        return Plan(settings, found, running, fixed)
    start = int(epoch(settings.backfill.from_day))
    if problem := too_early(jobs, start, now):
        raise Unusable(f"flag: --from: {problem}")
    last = int(epoch(settings.backfill.to_day)) + DAY if settings.backfill.to_day else running.began or now
    seams = {key: seam.seam(since, latest) for key, since in running.since.items()}
    times = Times(start, now, min(last, now), seam.seam(now, latest), seams)
    found = sources(jobs, times)
    if not found:
        raise Unusable("nothing of this has a past: " + _without_past(jobs))
    ranges = {source.job.key: (source.start, source.end) for source in found}
    return Plan(settings, found, running, {"now": now, "sources": ranges}, tuple(_notes(jobs, found, start)))


def _notes(jobs: Sequence[Job], found: Sequence[Source], start: int) -> Iterable[str]:
    """What is left out, and why."""
    if names := _without_past(jobs):
        yield f"GitHub keeps no past of {names}."
    later = {source.job.collector.name: source.start for source in found if source.start > start}
    for name, begin in later.items():
        yield f"{name}: GitHub has it since {utc_time(begin)} only."


def _without_past(jobs: Iterable[Job]) -> str:
    return ", ".join(without_past(COLLECTORS, {job.collector.name for job in jobs}))


def _asked(settings: Settings, jobs: Iterable[Job]) -> dict[str, Any]:
    """What the files depend on; another run must not go on with other values."""
    chosen = settings.backfill
    options = [(job.key, job.settings.options.model_dump(mode="json"), job.max_age) for job in jobs]
    settled = json.dumps([options, settings.privacy.user_names, settings.limits.max_series], sort_keys=True)
    return {
        "from": chosen.from_day,
        "to": chosen.to_day,
        "step": duration_text(chosen.step),
        "labels": dict(chosen.extra_labels),
        "collectors": sorted(chosen.collectors),
        "targets": sorted(chosen.targets),
        "settings": hashlib.sha256(settled.encode()).hexdigest()[:16],
    }


async def _run(plan: Plan, folder: Folder, clock: Clock) -> None:
    """Read and write everything; afterwards the manifest says what is missing."""
    spool = await worker.run(Spool, folder.spool)
    by_file: dict[str, list[Source]] = {}
    for source in plan.sources:
        by_file.setdefault(source.file, []).append(source)
    files = Files(spool, folder, int(plan.settings.backfill.step), by_file)
    try:
        again = set(await worker.run(spool.reopen_failed))
        for source in plan.sources:
            if source.job.key in again:
                files.write_again(source.file)
        with Progress(clock) as progress:
            asking = Asking(spool, files, clock, plan.running.naming, _samples(plan, by_file), progress)
            await _with_accesses(plan, clock, asking.run)
        titles = {source.job.key: source for source in plan.sources}
        gaps, failed = await worker.run(gaps_of, spool, titles, plan.running.naming)
    finally:
        await worker.run(spool.close)
    await worker.run(folder.end, gaps, is_complete=not failed)


async def _with_accesses(plan: Plan, clock: Clock, use: Any) -> Any:
    """Call `use` with the sources of each quota pool; their budget is what the exporter leaves."""
    budget = plan.settings.budget
    accesses = Accesses(Budget(budget.share, budget.reserve), clock, {}, lambda *_: None)
    try:
        by_target = await accesses.update(plan.settings)
        return await use(_by_pool(plan, by_target))
    except GitHubError as error:  # a client cannot be set up, because of its certificate authorities for example
        raise Unusable(str(error)) from None
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
    found = {}
    for of_file in by_file.values():
        numbers = {family.name: n for n, family in enumerate(families_of([source.job for source in of_file]))}
        for source in of_file:
            places = source.job.settings.max_series or plan.settings.limits.max_series
            labels = plan.settings.backfill.extra_labels
            found[source.job.key] = Samples(source.job, numbers, plan.running.naming, labels, places)
    return found


async def _dry_run(plan: Plan, clock: Clock) -> str:
    """What would be asked and written; lists whose length only GitHub knows are asked for."""
    step = plan.settings.backfill.step

    async def count(by_pool: Mapping[str, Sequence[tuple[Source, Access]]]) -> list[tuple[Source, int]]:
        found = []
        for source, access in (pair for pairs in by_pool.values() for pair in pairs):
            async with access.pool.turn(0):
                listed = await list_parts(source, access, plan.running.naming)
            found.append((source, sum(part.requests for part in listed)))
        return found

    found = await _with_accesses(plan, clock, count)
    head = ("COLLECTOR", "TARGET", "FROM", "TO", "REQUESTS", "SERIES", "SAMPLES", "BYTES")
    rows, sums = [], [0, 0, 0]
    for source, requests in found:
        series = plan.running.series.get(source.job.key) or expected_series(source.job)
        samples = int(series * (source.end - source.start) / step)
        sums = [sums[0] + requests, sums[1] + series, sums[2] + samples]
        span = (day_of(source.start), utc_time(source.end))
        numbers = (f"{requests:,}", f"{series:,}", f"{samples:,}", f"{samples * BYTES_OF_LINE:,}")
        rows.append((plan.running.naming.title(source.job), str(source.job.target), *span, *numbers))
    text = [*(plan.notes or ()), table([head, *rows]), ""]
    text.append(
        f"{sums[0]:,} requests, about {sums[1]:,} series and {sums[2]:,} samples, one each {duration_text(step)}:"
    )
    text.append(
        f"{sums[2] * BYTES_OF_LINE / 1e6:,.0f} MB of files, {sums[2] * BYTES_OF_SAMPLE / 1e6:,.0f} MB in Prometheus. "
        "Series are what the exporter shows now, or else what `plan` assumes."
    )
    return "\n".join(text) + "\n"
