"""From a path and a query string to a query, as strict as GitHub's description. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from exporter.simulator.insights import Query, StatsKind
from exporter.simulator.messages import Pairs

ACTOR_TYPES = ("installation", "classic_pat", "fine_grained_pat", "oauth_app", "github_app_user_to_server")
INCREMENTS = {"1m": 60, "5m": 300, "10m": 600, "30m": 1800, "1h": 3600, "1d": 86400}
"""GitHub's own set is not documented; these are the forms seen in its examples and public clients."""

TIMES_AND_COUNTS = (
    "last_rate_limited_timestamp",
    "last_request_timestamp",
    "rate_limited_request_count",
    "total_request_count",
)
SORTS: dict[StatsKind, tuple[str, ...]] = {
    "subject": (*TIMES_AND_COUNTS, "subject_name"),
    "user": (*TIMES_AND_COUNTS, "subject_name"),
    "route": (*TIMES_AND_COUNTS, "http_method", "api_route"),
}
SUBSTRINGS: dict[StatsKind, str] = {
    "subject": "subject_name_substring",
    "user": "actor_name_substring",
    "route": "api_route_substring",
}
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class InvalidQuery(Exception):
    """A parameter is missing or wrong; the message is GitHub's. The response is 422."""


@dataclass(frozen=True, slots=True)
class InsightsPath:
    """The subject of a path below `…/insights/api/`."""

    kind: StatsKind
    user: int | None = None
    actor: tuple[str, int] | None = None

    @property
    def paged(self) -> bool:
        """Whether the answer is a list in pages."""
        return self.kind in SORTS


def scope_of(path: str) -> InsightsPath | None:
    """Read the nine paths, such as `time-stats/users/7`; None is a 404."""
    scope: InsightsPath | None = None
    match path.split("/"):
        case ["subject-stats"]:
            scope = InsightsPath("subject")
        case ["user-stats", user] if user.isdecimal():
            scope = InsightsPath("user", user=int(user))
        case ["route-stats", actor_type, actor] if actor_type in ACTOR_TYPES and actor.isdecimal():
            scope = InsightsPath("route", actor=(actor_type, int(actor)))
        case ["summary-stats" | "time-stats" as word, *whose]:
            kind: StatsKind = "summary" if word == "summary-stats" else "time"
            match whose:
                case []:
                    scope = InsightsPath(kind)
                case ["users", user] if user.isdecimal():
                    scope = InsightsPath(kind, user=int(user))
                case [actor_type, actor] if actor_type in ACTOR_TYPES and actor.isdecimal():
                    scope = InsightsPath(kind, actor=(actor_type, int(actor)))
    return scope


def query_of(scope: InsightsPath, pairs: Pairs, now: float) -> Query:
    """Read the parameters; raises `Unprocessable`. Without `max_timestamp` the window ends now."""
    values = dict(pairs)
    if "min_timestamp" not in values:
        raise InvalidQuery('Invalid request.\n\n"min_timestamp" wasn\'t supplied.')
    start = _instant("min_timestamp", values["min_timestamp"])
    end = _instant("max_timestamp", values["max_timestamp"]) if "max_timestamp" in values else int(now)
    if scope.kind == "time":
        return Query("time", start, end, scope.user, scope.actor, increment=_increment(values))
    if not scope.paged:
        return Query(scope.kind, start, end, scope.user, scope.actor)
    direction = values.get("direction", "desc")
    if direction not in ("asc", "desc"):
        raise InvalidQuery(f"Invalid request.\n\n{direction} is not a member of [asc, desc].")
    return Query(
        scope.kind,
        start,
        end,
        scope.user,
        scope.actor,
        sort=_sort(scope.kind, pairs),
        descending=direction == "desc",
        substring=values.get(SUBSTRINGS[scope.kind], ""),
    )


def _instant(name: str, text: str) -> int:
    complaint = f"Invalid request.\n\n{name} must be a timestamp in the format YYYY-MM-DDTHH:MM:SSZ."
    if not TIMESTAMP.fullmatch(text):
        raise InvalidQuery(complaint)
    try:
        return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise InvalidQuery(complaint) from None


def _increment(values: dict[str, str]) -> int:
    if "timestamp_increment" not in values:
        raise InvalidQuery('Invalid request.\n\n"timestamp_increment" wasn\'t supplied.')
    increment = INCREMENTS.get(values["timestamp_increment"])
    if increment is None:
        raise InvalidQuery(f"Invalid request.\n\ntimestamp_increment is not one of {', '.join(INCREMENTS)}.")
    return increment


def _sort(kind: StatsKind, pairs: Pairs) -> tuple[str, ...]:
    keys = tuple(value for name, value in pairs if name in ("sort", "sort[]"))
    for key in keys:
        if key not in SORTS[kind]:
            raise InvalidQuery(f"Invalid request.\n\n{key} is not a member of {sorted(SORTS[kind])}.")
    return keys or ("total_request_count",)
