"""The exporter itself on the status page: state, configuration, web configuration, shard, targets and clock."""

from collections.abc import Iterator
from typing import NamedTuple

from exporter.serving.health import Health, Reload
from exporter.serving.page.verdict import SKEWED, WRITE_FAILURE_SECONDS, Level
from exporter.serving.page.words import Moment, many, moment

NO_MOMENT = Moment("")


class Fact(NamedTuple):
    """A fact in a few words, and the instant that they end with, if there is one."""

    name: str
    level: Level
    text: str
    at: Moment = NO_MOMENT


def facts_of_exporter(health: Health, now: float) -> Iterator[Fact]:
    """The facts; what to do about the bad ones is in the verdict."""
    yield _state(health, now)
    yield _configuration("Configuration", health.reload, now)
    if health.has_web_config:
        yield _configuration("Web configuration", health.web, now)
    else:
        yield Fact("Web configuration", "ok", "no file: no TLS, no login")
    shard = health.shard
    if shard.total > 1:
        all_targets = sum(shard.configured.values())
        text = f"{shard.number} of {shard.total} (from 0 on), with {shard.targets:,} of {many(all_targets, 'target')}"
        yield Fact("Shard", "ok", text)
    else:
        yield Fact("Shard", "ok", "none: all targets are read here")
    yield Fact("Targets", "ok", _targets(health))
    skew = health.skew
    apart = f"{abs(skew):,.0f} s {'behind' if skew > 0 else 'ahead of'} GitHub's"
    yield Fact("Clock", "warn" if abs(skew) > SKEWED else "ok", apart if abs(skew) >= 1 else "agrees with GitHub's")


def _state(health: Health, now: float) -> Fact:
    state = health.state
    if state.problem:
        return Fact("State", "bad", "cannot be written")
    if state.failed_writes and now - state.failed_at < WRITE_FAILURE_SECONDS:
        return Fact("State", "warn", "written again; a write failed", moment(state.failed_at, now))
    if state.incident:
        return Fact("State", "warn", "written; the saved one was damaged or changed")
    return Fact("State", "ok", "written")


def _configuration(name: str, reload: Reload, now: float) -> Fact:
    if reload.problem:
        return Fact(name, "warn", "a newer one was refused; in use is that of", moment(reload.at, now))
    return Fact(name, "ok", "loaded", moment(reload.at, now))


def _targets(health: Health) -> str:
    kinds: dict[str, int] = {}
    for (kind, _source), count in health.targets.items():
        kinds[kind] = kinds.get(kind, 0) + count
    discovered = sum(count for (_kind, source), count in health.targets.items() if source == "discovered")
    text = ", ".join(many(count, kind) for kind, count in kinds.items() if count) or "none"
    return f"{text}; {discovered:,} discovered" if discovered else text
