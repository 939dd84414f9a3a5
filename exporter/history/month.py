"""The lines of one file: what a collector's series at a target were in one month, as OpenMetrics with timestamps.

Families follow each other, in a family series, in a series instants: so `promtool tsdb create-blocks-from openmetrics`
wants it. A sample stands at each multiple of the step, for Prometheus looks back five minutes only.

https://prometheus.io/docs/prometheus/latest/storage/#backfilling-from-openmetrics-format
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from exporter.exposition.text import END, header, number
from exporter.history.spans import instants, shown_until
from exporter.history.spool import Spool
from exporter.instants import DAY, HOUR

LOOK_BACK = 400 * DAY
"""How much older than a month the figures may be that are still shown in it."""


@dataclass(frozen=True, slots=True)
class FileFamily:
    """A family of a file: its name, its type and its help."""

    name: str
    kind: str
    help: str


@dataclass(frozen=True, slots=True)
class FilePlan:
    """One file: its families in order, its time from `begin` up to `end`, and what its jobs allow.

    By job key, `ages` is the age from which figures are withdrawn, `longest` how long they may be shown in any case,
    and `spans` the time that is asked for.
    """

    file: str
    families: Sequence[FileFamily]
    begin: int
    end: int
    step: int
    ages: Mapping[str, float]
    longest: Mapping[str, float]
    spans: Mapping[str, tuple[int, int]]


def lines(spool: Spool, plan: FilePlan, counts: dict[str, int]) -> Iterator[str]:
    """The file in pieces, series by series; nothing if there is no sample. `counts` gets its `series` and `samples`."""
    last_family = -1
    for family, series_lines, samples in _series(spool, plan):
        if family != last_family:
            declared = plan.families[family]
            yield header(declared.name, declared.kind, declared.help, "openmetrics").decode()
            last_family = family
        counts["samples"] += samples
        counts["series"] += 1
        yield series_lines
    if counts["samples"]:
        yield END["openmetrics"].decode()


def _series(spool: Spool, plan: FilePlan) -> Iterator[tuple[int, str, int]]:
    """Each series with samples: its family, its lines, and how many these are."""
    if any(family.kind == "counter" for family in plan.families):
        yield from _counters(spool, plan)
    else:
        yield from _gauges(spool, plan)


def _gauges(spool: Spool, plan: FilePlan) -> Iterator[tuple[int, str, int]]:
    marks = {job: spool.marks(job) for job in plan.ages}
    until: dict[tuple[str, str, int], float] = {}
    points = spool.gauges(plan.file, plan.begin - LOOK_BACK, plan.end)
    for (family, head), group in groupby(points, key=lambda point: (point[1].family, point[1].head)):
        samples: list[str] = []
        for job, point in group:
            key = (job, point.thing, point.at)
            if key not in until:
                until[key] = shown_until(point.at, marks[job][point.thing], plan.ages[job], plan.longest[job])
            begin, end = plan.spans[job]
            when = instants(max(point.at, plan.begin, begin), min(until[key], point.most, plan.end, end), plan.step)
            if when:
                value = number(point.value)
                samples += [f"{head} {value} {instant}\n" for instant in when]
        if samples:
            yield family, "".join(samples), len(samples)


def _counters(spool: Spool, plan: FilePlan) -> Iterator[tuple[int, str, int]]:
    """Counters: each begins at 0 with the hour in which it first counted, and rises evenly over each hour.

    In one step it would rise only between two samples, and `increase(…[1h])` would miss it once an hour.
    """
    for family, head, job, series in spool.counters(plan.file):
        begin, end = plan.spans[job]
        hours = spool.increments(series)
        first, last = max(plan.begin, begin, hours[0][0] - HOUR), min(plan.end, end + 1)  # a sample stands at the end
        total, at = 0, first
        samples: list[str] = []
        for hour, value in hours:
            since = hour - HOUR
            samples += [f"{head} {total} {instant}\n" for instant in instants(at, min(since, last), plan.step)]
            samples += [
                f"{head} {total + value * (instant - since) // HOUR} {instant}\n"
                for instant in instants(max(at, since), min(hour, last), plan.step)
            ]
            total, at = total + value, max(at, hour)
        samples += [f"{head} {total} {instant}\n" for instant in instants(at, last, plan.step)]
        if samples:
            yield family, "".join(samples), len(samples)
