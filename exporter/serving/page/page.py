"""The status page: is everything well, what fails and how to fix it, how fresh each source is, what quota is left.

One small HTML page without scripts, a pure function of its arguments. The other modules of this package gather facts;
`templates/` has all markup, and Jinja2 escapes every value.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from exporter.exposition.store import Entry
from exporter.instants import utc_time
from exporter.serving.health import Health
from exporter.serving.page.discovery import discovery_notes, discovery_rows
from exporter.serving.page.failures import failures
from exporter.serving.page.notes import notes
from exporter.serving.page.own import facts_of_exporter
from exporter.serving.page.quotas import Quota, expiries_of, quota_rows
from exporter.serving.page.sources import CONDITIONS, Source, facts_of, rejected_targets, sources_of
from exporter.serving.page.style import STYLE
from exporter.serving.page.targets import targets_of
from exporter.serving.page.verdict import verdict
from exporter.serving.page.words import in_words, moment

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
    "in_words": in_words,
    "signs": {"ok": "✓", "warn": "!", "bad": "✗"},
    "colours": {"ok": "1a7f37", "warn": "d29922", "bad": "cf222e"},
}


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
    only: str = "",
) -> str:
    """The whole page; `now` in epoch seconds, `docs` the URL of the documentation, `link_prefix` before our paths.

    Of the targets it shows only the one with the name `only`, if that is not empty.
    """
    ordered = sorted(entries, key=lambda entry: (entry.job.order, entry.job.key))
    sources = sources_of(ordered, health, now)
    facts = facts_of(sources)
    result = verdict(facts, health, now)
    targets = targets_of(sources, now, only)
    levels = Counter(source.condition.level for source in sources)
    context: dict[str, Any] = {
        "top": result.top,
        "more": result.more,
        **_summary(sources, now),
        "failures": failures(ordered, rejected_targets(ordered, health), facts.stopped, now),
        "notes": [*discovery_notes(health.discovery), *notes([source.entries for source in sources])],
        "discovery": discovery_rows(health.discovery, now),
        "targets": targets,
        "only": only,
        "all_sources": len(sources),
        "unwell": len(sources) - levels["ok"],
        "failing": levels["bad"],
        "own": list(facts_of_exporter(health, now)),
        "quotas": quota_rows(quotas, now),
        "expiries": expiries_of(health.expiries, now),
        "telemetry_path": telemetry_path,
        "link_prefix": link_prefix,
        "docs": docs,
        "version": version,
        "as_of": utc_time(now),
        "now": now,
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
