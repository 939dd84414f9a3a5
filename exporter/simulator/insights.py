"""The rows of the five kinds of API Insights responses, from a world. Pure.

https://docs.github.com/enterprise-cloud@latest/rest/orgs/api-insights
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import Any, Literal

from exporter.instants import utc_time
from exporter.simulator.facts import Route, SimulatedActor, Tally
from exporter.simulator.world import World

StatsKind = Literal["summary", "time", "subject", "user", "route"]
Item = dict[str, Any]
NAMES: dict[StatsKind, str] = {"subject": "subject_name", "user": "actor_name", "route": "api_route"}


@dataclass(frozen=True, slots=True)
class Query:
    """One query. `user` and `actor` narrow it; `increment` (seconds) is for `time`; the rest is for lists."""

    kind: StatsKind
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
            tally = _total(world, org, query, at)
            return _counts(replace(tally, requests=tally.requests + world.switches.summary_surplus))
        case "time":
            return _intervals(world, org, query, at)
        case "subject":
            return _listed(_subjects(world, org, query, at), query, "subject_id")
        case "user":
            return _listed(_actors(world, org, query, at), query, "actor_id")
        case "route":
            return _listed(_routes(world, org, query, at), query, "http_method")


def shifted(items: list[Item], rng: Random) -> list[Item]:
    """The list as it might look a moment later: the same, with a row gone, or with one moved to the other end."""
    if len(items) < 2:
        return items
    return rng.choice((items, items, items[1:], items[1:] + items[:1], items[-1:] + items[:-1]))


def ties_shuffled(items: list[Item], query: Query, rng: Random) -> list[Item]:
    """The list as another answer might order it: rows with equal sort keys have changed places."""
    return _in_order(rng.sample(items, len(items)), query)


@lru_cache(maxsize=65_536)
def timestamp(instant: float) -> str:
    """Epoch seconds as GitHub writes them."""
    return utc_time(instant)


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
        entry = subjects.get(subject)
        if entry is None:
            entry = subjects[subject] = (world.name(org, source, at), Tally())
        entry[1].add(*source.tally(*span, at))
    return [
        {"subject_type": kind, "subject_id": number, "subject_name": name, **_counts(tally), **_times(tally)}
        for (kind, number), (name, tally) in subjects.items()
        if tally.requests or world.switches.zero_rows
    ]


def _actors(world: World, org: str, query: Query, at: float) -> list[Item]:
    actors: dict[tuple[str, int], tuple[SimulatedActor, Tally]] = {}
    for source in world.sources(org, at, user=query.user):
        actor = source.actor
        _, tally = actors.setdefault((actor.actor_type, actor.actor_id), (actor, Tally()))
        tally.add(*world.tally(source, query.start, query.end, at))
    return [
        {
            "actor_type": actor.actor_type,
            "actor_id": actor.actor_id,
            "actor_name": actor.actor_name,
            # GitHub's own example leaves one of the two out, so both forms of "none" are sent.
            **({} if actor.integration_id is None else {"integration_id": actor.integration_id}),
            "oauth_application_id": actor.oauth_application_id,
            **_counts(tally),
            **_times(tally),
        }
        for actor, tally in actors.values()
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


def _listed(items: Iterable[Item], query: Query, identity: str) -> list[Item]:
    substring, name = query.substring.lower(), NAMES[query.kind]
    matches = [item for item in items if substring in str(item[name]).lower()]
    matches.sort(key=lambda item: (item[name], item[identity]))
    return _in_order(matches, query)


def _in_order(items: list[Item], query: Query) -> list[Item]:
    """By the sort keys asked for; rows in which they are equal stay as they are."""
    ordered, name = list(items), NAMES[query.kind]
    for key in reversed(query.sort):
        if key in ("subject_name", "actor_name"):
            ordered.sort(key=lambda item: str(item[name]), reverse=query.descending)
        else:
            ordered.sort(key=lambda item: (item.get(key) is not None, item.get(key)), reverse=query.descending)
    return ordered


def _counts(tally: Tally) -> Item:
    return {"total_request_count": tally.requests, "rate_limited_request_count": tally.limited}


def _times(tally: Tally) -> Item:
    """Only the second is nullable, so a row without requests has no first."""
    times: Item = {} if tally.last_request is None else {"last_request_timestamp": timestamp(tally.last_request)}
    times["last_rate_limited_timestamp"] = None if tally.last_limited is None else timestamp(tally.last_limited)
    return times
