"""The status page: is it all well, what fails and what to do about it, how fresh each source is, what quota is left.

HTML without scripts, a pure function of its arguments; everything is escaped. A source is one collector at one target:
its drill-down jobs are one line, of which the worst is told.
"""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import NamedTuple

from exporter.github.dates import OPEN, Closing, clock_time
from exporter.serving.page_failures import failures
from exporter.serving.page_quotas import Quota, quota_table
from exporter.serving.page_style import STYLE
from exporter.serving.page_words import DOCS, many, when
from exporter.serving.store import Entry

LATE = 600.0
"""A source is late when its last success is two intervals and these seconds ago."""
FEW_TARGETS = 12
_COLOURS = {"ok": "1a7f37", "warn": "d29922", "bad": "cf222e"}
_SIGNS = {"ok": "✓", "warn": "!", "bad": "✗"}
_HEAD = "".join(
    f'<th scope="col">{title}</th>' for title in ("Source", "State", "Data of", "Last success", "Next run", "Series")
)


class Source(NamedTuple):
    """All jobs of a collector at a target: how many fail, else how many are late, else how many were not asked yet."""

    entries: Sequence[Entry]
    failed: int
    late: int
    waiting: int

    @property
    def level(self) -> str:
        """The class of what is shown."""
        return "bad" if self.failed else "warn" if self.late or self.waiting else "ok"


def status_page(
    entries: Iterable[Entry],
    quotas: Iterable[Quota] = (),
    *,
    version: str,
    telemetry_path: str,
    now: float,
    failed_writes: int = 0,
) -> str:
    """The whole page; `now` in epoch seconds, `failed_writes` of the state folder since the start."""
    everything = sorted(entries, key=lambda entry: (entry.job.order, entry.job.key))
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in everything:
        groups.setdefault((str(entry.job.target), entry.job.collector.name), []).append(entry)
    sources = [_source(group, now) for group in groups.values()]
    level, verdict, more = _verdict(sources, now)
    verdict = f"{_SIGNS[level]} {verdict}"
    icon = f"%3Csvg xmlns='http://www.w3.org/2000/svg'%3E%3Ccircle fill='%23{_COLOURS[level]}' cx='8' cy='8' r='8'/%3E"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{verdict} GitHub Enterprise exporter</title>
<link rel="icon" href="data:image/svg+xml,{icon}%3C/svg%3E"><style>{STYLE}</style></head><body><main>
<h1>GitHub Enterprise exporter</h1>
<div class="v {level}"><strong>{verdict}</strong><p>{more}</p></div>
<nav aria-label="Links"><a href="{escape(telemetry_path)}">Metrics</a>
<a href="/-/healthy">Healthy</a> <a href="/-/ready">Ready</a>
<a href="{DOCS}/operations.md">Docs</a> <a href="{DOCS}/runbooks/README.md">Runbooks</a></nav>
{_section("What fails, and the fix", failures(everything, now))}
{_section("To know", (f"<p class='n'>{escape(note)}</p>" for note in _notes(sources, failed_writes)))}
{_section("What runs", _targets(sources, now))}
{_section("Requests to GitHub, per hour", quota_table(quotas, now))}
</main><footer class="dim"><p>Version {escape(version)}. As of {clock_time(now)}; reload for news.</p></footer>
</body></html>
"""


def _section(title: str, parts: Iterable[str]) -> str:
    body = "".join(parts)
    return f"<h2>{title}</h2>{body}" if body else ""


def _source(entries: Sequence[Entry], now: float) -> Source:
    failed = late = waiting = 0
    for entry in entries:
        outcome, success = entry.snapshot.outcome, entry.snapshot.last_success
        waiting += outcome is None
        failed += outcome is not None and outcome.reason is not None
        late += success is not None and now - success > 2 * entry.job.settings.interval + LATE
    return Source(entries, failed, late, waiting)


def _verdict(sources: Sequence[Source], now: float) -> tuple[str, str, str]:
    """The level, the line on top and the one below it."""
    failed = sum(source.failed > 0 for source in sources)
    late = sum(source.level == "warn" and source.late > 0 for source in sources)
    waiting = sum(source.level == "warn" and not source.late for source in sources)
    fine = len(sources) - failed - late - waiting
    counts = {"fine": fine, "failing": failed, "late": late, "not asked yet": waiting}
    more = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    entries = [entry for source in sources for entry in source.entries]
    reads = [entry.snapshot.last_success for entry in entries if entry.snapshot.last_success is not None]
    oldest = f"; the oldest figures were read {when(min(reads), now)}" if reads else ""
    more = f"Sources: {more}. {sum(entry.samples for entry in entries):,} series{oldest}."
    if not sources:
        return "warn", "Nothing is collected.", "No collector is switched on for any target."
    if failed:
        return "bad", f"{failed} of {many(len(sources), 'source')} {'fails' if failed == 1 else 'fail'}.", more
    if late:
        return "warn", f"Nothing fails, but {many(late, 'source')} {'is' if late == 1 else 'are'} late.", more
    if waiting:
        return "warn", f"Waiting for first answers: {waiting} of {many(len(sources), 'source')}.", more
    return "ok", "All is well.", more


def _notes(sources: Sequence[Source], failed_writes: int) -> Iterator[str]:
    """What is no failure, yet."""
    if failed_writes:
        times = many(failed_writes, "time")
        yield f"The state folder could not be written {times} since the start: a restart may lose counts."
    if late := sum(source.late for source in sources):
        yield (
            f"{many(late, 'job')} had no success for two intervals or more. Which quota pool waits is told at the "
            "bottom, and what does not fit into it by: github-enterprise-exporter plan --live"
        )
    ends: dict[tuple[str, Closing], list[str]] = {}
    for source in sources:
        job = source.entries[0].job
        for closing in {entry.snapshot.closing for entry in source.entries} - {OPEN}:
            ends.setdefault((job.collector.name, closing), []).append(str(job.target))
        if folded := sum(entry.rest.folded for entry in source.entries):
            who, rows = f"{job.collector.name} of {job.target}", many(folded, "row")
            yield f"{who}: {rows} without series of their own; raise max_series, or narrow it."
    for (collector, (deprecation, sunset)), targets in ends.items():
        words = [f"GitHub gives {clock_time(sunset)} as its end"] if sunset is not None else []
        words += [f"deprecated since {clock_time(deprecation)}"] if deprecation is not None else []
        yield f"{collector} ({many(len(targets), 'target')}): {', '.join(words)}."


def _targets(sources: Iterable[Source], now: float) -> Iterator[str]:
    """A table for each target, those with a failure first; of many targets only these are open."""
    by_target: dict[str, list[Source]] = {}
    for source in sources:
        by_target.setdefault(str(source.entries[0].job.target), []).append(source)
    for target, group in sorted(by_target.items(), key=lambda item: all(one.level != "bad" for one in item[1])):
        level = min((source.level for source in group), key=("bad", "warn", "ok").index)
        is_open = " open" if level == "bad" or len(by_target) <= FEW_TARGETS else ""
        yield (
            f'<details{is_open}><summary><h3 class="{level}">{_SIGNS[level]} {escape(target)}</h3></summary>'
            f'<table class="s"><thead><tr>{_HEAD}</tr></thead><tbody>'
        )
        yield from (_row(source, now) for source in group)
        yield "</tbody></table></details>"


def _row(source: Source, now: float) -> str:
    entries = source.entries
    snapshots = [entry.snapshot for entry in entries]
    states = [one.outcome.state for one in snapshots if one.outcome and one.outcome.reason]
    count = source.failed or source.late or source.waiting
    state = states[0] if states else "late" if source.late else "not asked yet" if source.waiting else "works"
    of = f" ({count} of {len(entries)})" if 0 < count < len(entries) else ""
    jobs = f' <span class="dim">&times;{len(entries)}</span>' if len(entries) > 1 else ""
    data = min((one.data_time for one in snapshots if one.data_time is not None), default=None)
    success = min((one.last_success for one in snapshots if one.last_success is not None), default=None)
    due, never = min(one.next_run for one in snapshots), "none yet"
    return (
        f'<tr><th scope="row">{escape(entries[0].job.collector.name)}{jobs}</th>'
        f'<td class="{source.level}">{_SIGNS[source.level]} {state}{of}</td><td>{when(data, now, never)}</td>'
        f"<td>{when(success, now)}</td><td>{when(max(due, now), now)}</td>"
        f"<td>{sum(entry.samples for entry in entries):,}</td></tr>"
    )
