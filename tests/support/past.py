"""The past of a collector, asked through the real client, and the figures that it shows."""

import asyncio

from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.exposition.snapshot import Snapshot
from exporter.fetching import Ask
from exporter.github.client import GitHub
from exporter.history.samples import Samples, families_of
from exporter.history.sources import Source, Times, parts, sources
from exporter.jobs import Job
from exporter.past import Part, PastAnswer, Shown
from exporter.privacy import Naming
from tests.support.jobs import NOW, exposition, samples

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A family's name, and its labels, sorted."""


def source_of(job: Job, start: float, end: float, now: float = NOW) -> Source:
    """The source of a job for this time."""
    (source,) = sources([job], Times(int(start), int(now), int(end), int(end), {}))
    return source


def _ask(job: Job, part: Part) -> Ask:
    settings = job.settings
    return Ask(
        job.target.name,
        job.subject,
        settings.options,
        part.start,
        part.end,
        interval=settings.interval,
        max_age=job.max_age,
    )


def listed(source: Source) -> tuple[Part, ...]:
    """The parts of a source."""
    past = source.past
    if past.list_parts is None:
        return parts(source)

    async def run() -> tuple[Part, ...]:
        assert past.list_parts is not None
        return await past.list_parts(None, _ask(source.job, Part(source.start, source.end)))  # type: ignore[arg-type] # these ask nobody

    return asyncio.run(run())


def asked(job: Job, github: GitHub, part: Part) -> PastAnswer:
    """The answer of one part; closes the client."""
    past = job.collector.past
    assert past is not None

    async def run() -> PastAnswer:
        try:
            return await past.fetch(github, _ask(job, part), part)
        finally:
            await github.aclose()

    return asyncio.run(run())


def figures(job: Job, shown: Shown, places: int = 500) -> dict[Series, float]:
    """The series that are shown."""
    numbers = {family.name: number for number, family in enumerate(families_of([job]))}
    points = list(Samples(job, numbers, Naming(), (), places).gauges(PastAnswer((shown,))))
    assert all(point.at == shown.at for point in points)
    return samples(parse_text("".join(f"{point.head} {point.value!r}\n" for point in points)))


def live(job: Job, snapshot: Snapshot) -> dict[Series, float]:
    """The series that the exporter shows."""
    names = {family.name for table in job.collector.tables for family in table.families}
    found = samples(parse_text(exposition(job, snapshot, "text")))
    return {series: value for series, value in found.items() if series[0] in names}
