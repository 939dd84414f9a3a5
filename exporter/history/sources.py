"""Which collectors have a past at which targets, from when until when, and in which parts it is asked. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from exporter.catalogue import Collector
from exporter.history.spans import months, next_month
from exporter.instants import DAY, HOUR, day_of, epoch
from exporter.jobs import Job
from exporter.past import Part, Past


@dataclass(frozen=True, slots=True)
class Source:
    """The past of one job: from `start` up to `end` (epoch seconds, whole hours)."""

    job: Job
    past: Past
    start: int
    end: int

    @property
    def file(self) -> str:
        """The beginning of its files' names; jobs of one collector at one target share them."""
        target = self.job.target
        return f"{self.job.collector.name}.{target.kind}-{target.name}"

    @property
    def counts(self) -> bool:
        """Whether its past consists of counters."""
        return self.job.collector.counting is not None


@dataclass(frozen=True, slots=True)
class Times:
    """From when until when: `start` is asked for, `now` GitHub's present.

    Nothing goes beyond `end`. Counters end where those of the exporter begin, by job key, at `counters_end` for others.
    Gauges end where the exporter, which may show them already, began, by job key.
    """

    start: int
    now: int
    end: int
    counters_end: int
    seams: Mapping[str, int]
    live: Mapping[str, int] = field(default_factory=dict)


def sources(jobs: Iterable[Job], times: Times) -> list[Source]:
    """The sources of jobs, without those whose past ends before it begins."""
    result = []
    for job in jobs:
        past = job.collector.past
        if past is None:
            continue
        is_counting = job.collector.counting is not None
        known = times.seams.get(job.key, times.counters_end) if is_counting else times.live.get(job.key, times.end)
        end = min(times.end, known)
        start = max(times.start, oldest(past, times.now) + past.shown_after)
        if start < end:
            result.append(Source(job, past, start, end))
    return result


def oldest(past: Past, now: int) -> int:
    """The first midnight of which GitHub has the past; of a past in hours the first whole hour."""
    unit = HOUR if past.part == "whole" else DAY
    kept = -(-(now - past.reach + past.margin) // unit) * unit
    return max(kept, int(epoch(past.first_day)) if past.first_day else 0)


def still_kept(source: Source, part: Part, now: int) -> Part | None:
    """What GitHub still has of a part; None if nothing that can be used. Hours are of use without those before them."""
    oldest_kept = -(-(now - source.past.reach) // HOUR) * HOUR
    if part.start >= oldest_kept:
        return part
    is_usable = source.past.part == "whole" and oldest_kept < part.end
    return replace(part, start=oldest_kept) if is_usable else None


def too_early(jobs: Sequence[Job], start: int, now: int) -> str:
    """Why `start` is before everything that GitHub has, as a sentence; "" if it is not."""
    since = {job.collector.name: day_of(oldest(job.collector.past, now)) for job in jobs if job.collector.past}
    if not since or min(since.values()) <= day_of(start):
        return ""
    known = ", ".join(f"{name} since {day}" for name, day in since.items())
    return f"GitHub has nothing of {day_of(start)}: {known}"


def parts(source: Source) -> tuple[Part, ...]:
    """The parts of a source, the oldest first, unless GitHub's answers say which there are."""
    past, requests = source.past, source.past.requests
    begin, end = source.start - past.shown_after, source.end - past.shown_after
    match past.part:
        case "whole":
            return (Part(source.start, source.end, requests=requests),)
        case "day":
            days = range(begin // DAY * DAY, end, DAY)
            return tuple(Part(day, day + DAY, requests=requests) for day in days)
        case "month":
            return tuple(
                Part(int(epoch(f"{month}-01")), int(epoch(f"{next_month(month)}-01")), requests=requests)
                for month in months(begin, end)
            )


def without_past(collectors: Iterable[Collector], names: AbstractSet[str]) -> list[str]:
    """The names of collectors of which GitHub keeps no past."""
    having = {collector.name for collector in collectors if collector.past}
    return [name for name in dict.fromkeys(collector.name for collector in collectors) if name in names - having]
