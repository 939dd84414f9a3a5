"""`/api/v1/status`: the facts of the status page as JSON, without secrets. Pure."""

import json
from collections.abc import Iterable
from typing import Any

from exporter.discovery.status import DiscoveryStatus
from exporter.errors import BY_REASON
from exporter.exposition.store import Entry
from exporter.instants import utc_time
from exporter.serving.health import Health, Reload
from exporter.serving.page.discovery import discovery_notes
from exporter.serving.page.notes import notes
from exporter.serving.page.quotas import Quota
from exporter.serving.page.sources import Source, facts_of, sources_of
from exporter.serving.page.verdict import verdict

SCHEMA = 1
"""The version of the format: it rises when a field is removed or changes its meaning, not when one is added."""


def status_json(
    entries: Iterable[Entry], quotas: Iterable[Quota] = (), *, version: str, now: float, health: Health
) -> str:
    """The verdict and what it is made of, as docs/status.md describes; `now` and all instants are epoch seconds."""
    ordered = sorted(entries, key=lambda entry: (entry.job.order, entry.job.key))
    sources = sources_of(ordered, health, now)
    result = verdict(facts_of(sources), health, now)
    status = {
        "schema": SCHEMA,
        "version": version,
        "as_of": utc_time(now),
        "level": result.top.level,
        "verdict": result.top.what,
        "shard": {**health.shard._asdict(), "configured": dict(health.shard.configured)},
        "findings": [finding._asdict() for finding in (result.top, *result.more) if finding.level != "ok"],
        "sources": [_source(source) for source in sources],
        "discovery": [_discovery(entry) for entry in health.discovery],
        "notes": [*discovery_notes(health.discovery), *notes([source.entries for source in sources])],
        "quota_pools": [_pool(quota, now) for quota in {quota.name: quota for quota in quotas}.values()],
        "token_expiries": dict(health.expiries),
        "exporter": _exporter(health),
    }
    return json.dumps(status, ensure_ascii=False, indent=1) + "\n"


def _discovery(status: DiscoveryStatus) -> dict[str, Any]:
    """One entry of `discover`; `failure` is that of the newest listing, if it failed."""
    failure = status.failure
    return {
        "credential": status.credential,
        "enterprise": status.enterprise or None,
        "last_success": status.succeeded_at,
        "next_listing": status.due,
        "failure": {"reason": failure.reason, "message": failure.message} if failure else None,
        "accounts": dict(status.counts),
        "absent": list(status.absent),
        "suspended": list(status.suspended),
        "left_out": [lacking._asdict() for lacking in status.lacking],
    }


def _pool(quota: Quota, now: float) -> dict[str, Any]:
    """A quota pool: what GitHub said last, and our budget, of which `used` is what was sent within an hour."""
    return {
        "pool": quota.name,
        "limit": quota.limit,
        "remaining": quota.remaining,
        "reset": quota.reset,
        "budget": quota.budget,
        "used": quota.sent,
        "paused_until": quota.paused_until if quota.paused_until > now else None,
    }


def _exporter(health: Health) -> dict[str, Any]:
    """The exporter itself."""
    state = health.state
    return {
        "state": {
            "is_written": state.is_written,
            "failed_writes": state.failed_writes,
            "problem": state.problem,
            "incident": state.incident,
        },
        "configuration": _configuration(health.reload),
        "web_configuration": _configuration(health.web) if health.has_web_config else None,
        "targets": [
            {"kind": kind, "source": source, "count": count} for (kind, source), count in health.targets.items()
        ],
        "clock_skew_seconds": health.skew,
    }


def _configuration(reload: Reload) -> dict[str, Any]:
    """A configuration: when the one in use was loaded, and why a newer one was refused."""
    return {"loaded": reload.at, "problem": reload.problem}


def _source(source: Source) -> dict[str, Any]:
    """One source; `failures` are distinct messages of its jobs, with GitHub's words and the fix."""
    outcomes = [entry.status.outcome for entry in source.entries]
    failures = dict.fromkeys(
        (outcome.reason, outcome.message, outcome.hint or BY_REASON[outcome.reason].hint)
        for outcome in outcomes
        if outcome and outcome.reason
    )
    return {
        "collector": source.collector,
        "target": str(source.target),
        "credential": source.target.credential,
        "level": source.condition.level,
        "state": source.state,
        "jobs": len(source.entries),
        "interval_seconds": source.interval,
        "series": source.series,
        "data_timestamp": source.data_time,
        "last_success": source.last_success,
        "next_run": source.next_run,
        "failures": [{"reason": reason, "message": message, "fix": fix} for reason, message, fix in failures],
    }
