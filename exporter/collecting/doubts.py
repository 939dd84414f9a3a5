"""When a response lacks data that earlier ones had, decides which samples stay, and writes the note. Pure."""

from collections.abc import Iterable, Mapping

from exporter.exposition.snapshot import Snapshot
from exporter.fetching import Doubt, Fetched
from exporter.instants import utc_time
from exporter.jobs import Job
from exporter.tables import Table


def earlier_reads(job: Job, before: Snapshot, doubts: Iterable[Doubt], now: float) -> Mapping[str, float]:
    """The families of doubted tables whose samples stay, with when they were read; none that are too old at `now`."""
    samples = before.gauges_at(now, job)
    return {
        family.name: before.read_at(family.name)
        for doubt in doubts
        for family in doubt.table.gauges
        if len(samples.get(family.name, ()))
    }


def note_of(job: Job, fetched: Fetched, earlier: Mapping[str, float], series: int) -> str:
    """Which data a successful run lacks; empty if none. `earlier` is what `earlier_reads` returned."""
    sentences: dict[str, str] = {}
    if fetched.note:
        sentences[fetched.note] = fetched.note
    for doubt in fetched.doubts:
        times = [earlier[family.name] for family in doubt.table.gauges if family.name in earlier]
        if times:
            sentences[doubt.why] = f"{doubt.why}; {_validity(doubt.table, min(times) + job.max_age)}"
    is_nothing = not series and not job.subject and fetched.note is None  # of one user or app no request is usual
    return ". ".join(sentences.values()) or (job.collector.nothing if is_nothing else "")


def _validity(table: Table, until: float) -> str:
    return "its last figures stay until max_age" if table.dated else f"the last figures stay until {utc_time(until)}"
