"""A world's truth in GitHub's words: the rows of the five kinds of API Insights answers. Pure.

https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from random import Random
from typing import Any, Literal

from exporter.simulator.facts import Actor, Route, Tally
from exporter.simulator.world import World

Kind = Literal["summary", "time", "subject", "user", "route"]
Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """One question. `user` and `actor` narrow it; `increment` (seconds) is for `time`; the rest is for lists."""

    kind: Kind
    start: float
    end: float
    user: int | None = None
    actor: tuple[str, int] | None = None
    increment: int = 300
    sort: tuple[str, ...] = ("total_request_count",)
    descending: bool = True
    substring: str = ""


def rows(world: World, org: str, query: Query, at: float) -> Item | list[Item]:
    """The whole answer, all pages of it, as GitHub would give it at an instant."""
    match query.kind:
        case "summary":
            return _counts(_total(world, org, query, at))
        case "time":
            return _intervals(world, org, query, at)
        case "subject":
            return _listed(_subjects(world, org, query, at), query, "subject_name", "subject_id")
        case "user":
            return _listed(_actors(world, org, query, at), query, "actor_name", "actor_id")
        case "route":
            return _listed(_routes(world, org, query, at), query, "api_route", "http_method")


def shifted(items: list[Item], rng: Random) -> list[Item]:
    """The list as it might look a moment later: the same, with a row gone, or with one moved to the other end."""
    if len(items) < 2:
        return items
    return rng.choice((items, items, items[1:], items[1:] + items[:1], items[-1:] + items[:-1]))


@lru_cache(maxsize=65_536)
def timestamp(instant: float) -> str:
    """Epoch seconds as GitHub writes them."""
    return datetime.fromtimestamp(int(instant), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _total(world: World, org: str, query: Query, at: float) -> Tally:
    total = Tally()
    span = world.span(query.start, query.end, at)
    for source in world.sources(org, at, user=query.user, actor=query.actor):
        total.add(*source.tally(*span, at))
    return total


def _intervals(world: World, org: str, query: Query, at: float) -> list[Item]:
    intervals: dict[int, Tally] = {}
    if world.switches.zero_rows:
        first, last = world.span(query.start, query.end, at)
        for start in range(first // query.increment * query.increment, last, query.increment):
            intervals[start] = Tally()
    window = (query.start, query.end, at, query.increment)
    if query.user is None and query.actor is None:
        intervals |= world.intervals_of_all(org, *window)
    else:
        for source in world.sources(org, at, user=query.user, actor=query.actor):
            for start, part in world.intervals(source, *window).items():
                intervals.setdefault(start, Tally()).add_tally(part)
    return [
        {"timestamp": timestamp(start), **_counts(tally)}
        for start, tally in sorted(intervals.items())
        if tally.requests or world.switches.zero_rows
    ]


def _subjects(world: World, org: str, query: Query, at: float) -> list[Item]:
    subjects: dict[tuple[str, int], tuple[str, Tally]] = {}
    span = world.span(query.start, query.end, at)
    for source in world.sources(org, at):
        subject = source.actor.subject
        found = subjects.get(subject)
        if found is None:
            found = subjects[subject] = (world.name(org, source, at), Tally())
        found[1].add(*source.tally(*span, at))
    return [
        {"subject_type": kind, "subject_id": number, "subject_name": name, **_counts(tally), **_times(tally)}
        for (kind, number), (name, tally) in subjects.items()
        if tally.requests or world.switches.zero_rows
    ]


def _actors(world: World, org: str, query: Query, at: float) -> list[Item]:
    found: dict[tuple[str, int], tuple[Actor, Tally]] = {}
    for source in world.sources(org, at, user=query.user):
        who = source.actor
        _, tally = found.setdefault((who.actor_type, who.actor_id), (who, Tally()))
        tally.add(*world.tally(source, query.start, query.end, at))
    return [
        {
            "actor_type": who.actor_type,
            "actor_id": who.actor_id,
            "actor_name": who.actor_name,
            # GitHub's own example leaves one of the two out, so both forms of "none" are sent.
            **({} if who.integration_id is None else {"integration_id": who.integration_id}),
            "oauth_application_id": who.oauth_application_id,
            **_counts(tally),
            **_times(tally),
        }
        for who, tally in found.values()
        if tally.requests or world.switches.zero_rows
    ]


def _routes(world: World, org: str, query: Query, at: float) -> list[Item]:
    routes: dict[Route, Tally] = {}
    for source in world.sources(org, at, actor=query.actor):
        for route, part in world.routes(source, query.start, query.end, at).items():
            routes.setdefault(route, Tally()).add_tally(part)
    return [
        {"http_method": method, "api_route": route, **_counts(tally), **_times(tally)}
        for (method, route), tally in routes.items()
        if tally.requests
    ]


def _listed(items: Iterable[Item], query: Query, name: str, identity: str) -> list[Item]:
    wanted = query.substring.lower()
    kept = [item for item in items if wanted in str(item[name]).lower()]
    kept.sort(key=lambda item: (item[name], item[identity]))
    for key in reversed(query.sort):
        if key in ("subject_name", "actor_name"):
            kept.sort(key=lambda item: str(item[name]), reverse=query.descending)
        else:
            kept.sort(key=lambda item: (item.get(key) is not None, item.get(key)), reverse=query.descending)
    return kept


def _counts(tally: Tally) -> Item:
    return {"total_request_count": tally.requests, "rate_limited_request_count": tally.limited}


def _times(tally: Tally) -> Item:
    """Only the second is nullable, so a row without requests has no first."""
    times: Item = {} if tally.last_request is None else {"last_request_timestamp": timestamp(tally.last_request)}
    times["last_rate_limited_timestamp"] = None if tally.last_limited is None else timestamp(tally.last_limited)
    return times
