"""The status page: is everything well, what fails and how to fix it, how fresh each source is, what quota is left.

One small HTML page without scripts, a pure function of its arguments. The other modules of this package gather facts;
`templates/` has all markup, and Jinja2 escapes every value.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from exporter.exposition.store import Entry
from exporter.instants import utc_time
from exporter.serving.health import Health
from exporter.serving.page.discovery import discovery_notes, discovery_rows
from exporter.serving.page.failures import failures
from exporter.serving.page.notes import notes
from exporter.serving.page.quotas import Quota, expiries_of, quota_rows
from exporter.serving.page.sources import CONDITIONS, Source, facts_of, rejected_targets, sources_of
from exporter.serving.page.style import STYLE
from exporter.serving.page.verdict import Level, verdict
from exporter.serving.page.words import Moment, moment

FEW_TARGETS = 12
"""With more targets than this, their tables are folded: failures are listed above them anyway."""
_WORST_FIRST: tuple[Level, ...] = ("bad", "warn", "ok")
_WELL = Health()

_ENVIRONMENT = Environment(
    loader=PackageLoader(__package__ or ""),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["number"] = "{:,.0f}".format
_ENVIRONMENT.globals |= {
    "style": STYLE,
    "signs": {"ok": "✓", "warn": "!", "bad": "✗"},
    "colours": {"ok": "1a7f37", "warn": "d29922", "bad": "cf222e"},
}


class SourceRow(NamedTuple):
    """A source as a row of its target's table; `affected` of its `jobs` are in the state `state`."""

    collector: str
    jobs: int
    level: Level
    state: str
    affected: int
    data: Moment
    success: Moment
    next_run: Moment
    series: int


class TargetTable(NamedTuple):
    """A target, and its sources as rows; its level is that of the worst source."""

    name: str
    level: Level
    sources: Sequence[SourceRow]


def status_page(
    entries: Iterable[Entry],
    quotas: Iterable[Quota] = (),
    *,
    version: str,
    telemetry_path: str,
    docs: str,
    now: float,
    health: Health = _WELL,
    link_prefix: str = "",
) -> str:
    """The whole page; `now` in epoch seconds, `docs` the URL of the documentation, `link_prefix` before our paths."""
    ordered = sorted(entries, key=lambda entry: (entry.job.order, entry.job.key))
    sources = sources_of(ordered, health, now)
    facts = facts_of(sources)
    result = verdict(facts, health, now)
    tables = _target_tables(sources, now)
    context: dict[str, Any] = {
        "top": result.top,
        "more": result.more,
        **_summary(sources, now),
        "failures": failures(ordered, rejected_targets(ordered, health), facts.stopped, now),
        "notes": [*discovery_notes(health.discovery), *notes([source.entries for source in sources])],
        "discovery": discovery_rows(health.discovery, now),
        "targets": tables,
        "is_open": len(tables) <= FEW_TARGETS,
        "quotas": quota_rows(quotas, now),
        "expiries": expiries_of(health.expiries, now),
        "telemetry_path": telemetry_path,
        "link_prefix": link_prefix,
        "shard": health.shard,
        "docs": docs,
        "version": version,
        "as_of": utc_time(now),
    }
    return _ENVIRONMENT.get_template("page.html").render(context)


def _summary(sources: Sequence[Source], now: float) -> dict[str, Any]:
    """How many sources are in which condition, how many series there are, and when the oldest values were read."""
    counts = Counter(source.condition for source in sources)
    successes = [source.last_success for source in sources if source.last_success is not None]
    return {
        "summary": ", ".join(
            f"{counts[condition]:,} {condition.summary}" for condition in CONDITIONS if counts[condition]
        )
        or "none",
        "series": sum(source.series for source in sources),
        "oldest": moment(min(successes), now) if successes else None,
    }


def _target_tables(sources: Iterable[Source], now: float) -> list[TargetTable]:
    """A table for each target, the worst first."""
    rows: dict[str, list[SourceRow]] = {}
    for source in sources:
        rows.setdefault(str(source.target), []).append(_row(source, now))
    tables = [
        TargetTable(name, min((row.level for row in group), key=_WORST_FIRST.index), group)
        for name, group in rows.items()
    ]
    return sorted(tables, key=lambda table: (_WORST_FIRST.index(table.level), table.name))


def _row(source: Source, now: float) -> SourceRow:
    return SourceRow(
        source.collector,
        len(source.entries),
        source.condition.level,
        source.state,
        source.affected,
        moment(source.data_time, now, "none yet"),
        moment(source.last_success, now),
        moment(max(source.next_run, now), now),
        source.series,
    )
