"""Answers that lack what was there a moment ago, and runs that bring nothing: what is said and what stays. Pure."""

from collections.abc import Iterable, Mapping

from exporter.exposition.snapshot import Snapshot
from exporter.fetching import Doubt, Fetched
from exporter.instants import utc_time
from exporter.jobs import Job
from exporter.tables import Table


def earlier_reads(job: Job, before: Snapshot, doubts: Iterable[Doubt], now: float) -> Mapping[str, float]:
    """The families whose samples stay, and when these were read; none that are too old by now."""
    samples = before.gauges_at(now, job)
    return {
        family.name: before.read_at(family.name)
        for doubt in doubts
        for family in doubt.table.gauges
        if len(samples.get(family.name, ()))
    }


def note_of(job: Job, fetched: Fetched, stay: Mapping[str, float], series: int) -> str:
    """What a run that succeeded lacks; empty if it lacks nothing. `stay` are the families that `earlier_reads` gave."""
    sentences: dict[str, str] = {}
    if fetched.note:
        sentences[fetched.note] = fetched.note
    for doubt in fetched.doubts:
        times = [stay[family.name] for family in doubt.table.gauges if family.name in stay]
        if times:
            sentences[doubt.why] = f"{doubt.why}; {_stays(doubt.table, min(times) + job.max_age)}"
    is_nothing = not series and not job.subject and fetched.note is None  # of one user or app no request is usual
    return ". ".join(sentences.values()) or (job.collector.nothing if is_nothing else "")


def _stays(table: Table, until: float) -> str:
    return "its last figures stay until max_age" if table.dated else f"the last figures stay until {utc_time(until)}"
