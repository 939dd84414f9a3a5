"""What a backfill reads: which jobs, from when until when. The first run finds it out, those that go on keep to it."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.collecting.selection import Candidates, select_jobs
from exporter.collectors import COLLECTORS
from exporter.discovery.discoveries import Discoveries
from exporter.history import seam
from exporter.history.sources import Source, Times, sources, too_early, without_past
from exporter.instants import DAY, epoch, utc_time
from exporter.jobs import Job
from exporter.options import duration_text
from exporter.settings import Settings


class Unusable(Exception):
    """The command cannot do what it was asked; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall be read: the sources, the settings with discovered targets, the exporter's state.

    `ranges` are from when until when, by job key, as the manifest has them.
    """

    settings: Settings
    sources: Sequence[Source]
    running: seam.Running
    ranges: Mapping[str, Sequence[int]]
    notes: Sequence[str] = ()


def chosen_jobs(settings: Settings, discoveries: Discoveries) -> list[Job]:
    """The jobs of the chosen targets and collectors, whether they have a past or not."""
    chosen = settings.backfill
    targets = {str(target): target for target in settings.targets()}
    if unknown := [name for name in chosen.targets if name not in targets]:
        raise Unusable(f"flag: --targets: {unknown[0]} is not configured; there are {', '.join(targets)}")
    jobs: list[Job] = []
    for name, target in targets.items():
        if not chosen.targets or name in chosen.targets:
            candidates = Candidates(settings.watched_at(target), granted=discoveries.granted.get(target))
            jobs += select_jobs(COLLECTORS, settings.collectors, target, candidates)
    jobs = [job for job in jobs if not chosen.collectors or job.collector.name in chosen.collectors]
    _check_labels(settings, jobs)
    return jobs


def flags_of(settings: Settings) -> dict[str, Any]:
    """The flags and settings that the files depend on; another run must not go on with other values."""
    chosen = settings.backfill
    names = chosen.collectors or [name for name, section in settings.collectors.items() if section.enabled]
    sections = {name: settings.collectors[name] for name in names}
    values = {
        name: (section.interval, section.max_age, section.options.model_dump(mode="json"))
        for name, section in sections.items()
    }
    roots = {name: credential.api_url for name, credential in settings.credentials.items()}
    settled = json.dumps([values, roots, settings.privacy.user_names, settings.limits.max_series], sort_keys=True)
    return {
        "from": chosen.from_day,
        "to": chosen.to_day,
        "step": duration_text(chosen.step),
        "labels": dict(chosen.extra_labels),
        "collectors": sorted(chosen.collectors),
        "targets": sorted(chosen.targets),
        "settings": hashlib.sha256(settled.encode()).hexdigest()[:16],
    }


def first_plan(settings: Settings, jobs: Sequence[Job], now: int, latest: int) -> Plan:
    """What a first run reads, by GitHub's limits and the state of the exporter; `latest`: see `seam.seam`."""
    running = _running(settings)
    start = int(epoch(settings.backfill.from_day))
    if problem := too_early(jobs, start, now):
        raise Unusable(f"flag: --from: {problem}")
    last = int(epoch(settings.backfill.to_day)) + DAY if settings.backfill.to_day else now
    live = {} if settings.backfill.to_day or running.began is None else dict.fromkeys(running.series, running.began)
    seams = {key: seam.seam(since, latest) for key, since in running.since.items()}
    chosen = sources(jobs, Times(start, now, min(last, now), seam.seam(now, latest), seams, live))
    if not chosen:
        raise Unusable(_nothing(jobs, running, start))
    ranges = {source.job.key: (source.start, source.end) for source in chosen}
    return Plan(settings, chosen, running, ranges, tuple(_notes(jobs, chosen, start)))


def same_plan(settings: Settings, jobs: Sequence[Job], ranges: Mapping[str, Sequence[int]]) -> Plan:
    """What an earlier run has planned; targets that are new since then are left out."""
    chosen = [
        Source(job, job.collector.past, *ranges[job.key]) for job in jobs if job.collector.past and job.key in ranges
    ]
    new = sorted({str(job.target) for job in jobs} - {str(source.job.target) for source in chosen})
    notes = [f"{', '.join(new)}: not part of this backfill; use another folder for them"] if new else []
    return Plan(settings, chosen, _running(settings), ranges, notes)


def _running(settings: Settings) -> seam.Running:
    running = seam.read(settings)
    if settings.privacy.user_names != "login" and not running.naming.key:
        raise Unusable(
            f"{seam.path_of(settings)}: there is no state, which has the key of the pseudonyms "
            f"(privacy.user_names: {settings.privacy.user_names}): run the exporter first, and name its --state.path"
        )
    return running


def _nothing(jobs: Iterable[Job], running: seam.Running, start: int) -> str:
    """Why there is nothing to read."""
    if not any(job.collector.past for job in jobs):
        return f"nothing of this has a past: {_without_past(jobs)}"
    since = f": the exporter has them since {utc_time(running.began)}; name --to" if running.began else ""
    return f"there is nothing to read from {utc_time(start)} on{since}"


def _notes(jobs: Sequence[Job], chosen: Sequence[Source], start: int) -> Iterable[str]:
    """What is left out, and why."""
    if names := _without_past(jobs):
        yield f"No past is read of {names}: docs/backfill.md says why."
    later = {source.job.collector.name: source.start for source in chosen if source.start > start}
    for name, begin in later.items():
        yield f"{name}: GitHub has it since {utc_time(begin)} only."


def _without_past(jobs: Iterable[Job]) -> str:
    return ", ".join(without_past(COLLECTORS, {job.collector.name for job in jobs}))


def _check_labels(settings: Settings, jobs: Iterable[Job]) -> None:
    """Refuse labels that are given twice, or that the series have themselves."""
    given = [name for name, _ in settings.backfill.extra_labels]
    own = {name for job in jobs for table in job.collector.tables for name in job.collector.labels(table)}
    for name in given:
        if given.count(name) > 1:
            raise Unusable(f"flag: --label: {name} is given twice; keep one")
        if name in own:
            raise Unusable(f"flag: --label: series have a label {name} of their own; choose another name")
