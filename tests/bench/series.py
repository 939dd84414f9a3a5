"""The series that every contender serves: five families of the product, with labels as GitHub gives them.

A fifth of the series each: three families by subject, two by route of an actor. Organizations have 2,000 subjects,
actors 200 routes. Round 0 is before anything happened; each later round gives every series a value that it never had.
`peer/main.go` makes the same; a run checks that all say the same.
"""

from collections.abc import Iterator

SUBJECTS_OF_AN_ORGANIZATION = 2_000
ROUTES_OF_AN_ACTOR = 200
FIRST_ACTOR = 900_000
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
SINCE = 1_795_262_400

SUBJECT_LABELS = ("organization", "subject_type", "subject_id", "subject_name")
ROUTE_LABELS = ("organization", "actor_type", "actor_id", "http_method", "api_route")

PREFIX = "github_api_insights_"
SUBJECT_FAMILIES = (
    PREFIX + "subject_requests_total",
    PREFIX + "subject_rate_limited_requests_total",
    PREFIX + "subject_last_request_timestamp_seconds",
)
ROUTE_FAMILIES = (PREFIX + "route_requests_total", PREFIX + "route_rate_limited_requests_total")

Labels = tuple[str, ...]


def keys(series: int) -> int:
    """How many subjects, and how many routes, make so many series."""
    return series // (len(SUBJECT_FAMILIES) + len(ROUTE_FAMILIES))


def organizations(series: int) -> int:
    """How many organizations the subjects have."""
    return max(1, -(-keys(series) // SUBJECTS_OF_AN_ORGANIZATION))


def actors(series: int) -> int:
    """How many actors the routes have."""
    return -(-keys(series) // ROUTES_OF_AN_ACTOR)


def subject(number: int) -> Labels:
    """The labels of a subject."""
    return f"org-{number // SUBJECTS_OF_AN_ORGANIZATION}", "user", str(number), f"user-{number}"


def route(number: int, series: int) -> Labels:
    """The labels of a route of an actor."""
    actor, place = divmod(number, ROUTES_OF_AN_ACTOR)
    return (
        f"org-{actor % organizations(series)}",
        "installation",
        str(FIRST_ACTOR + actor),
        METHODS[place % 5],
        f"/repositories/:repository_id/resource-{place // 5}/:resource_id",
    )


def requests(number: int, turn: int) -> int:
    """What a subject or a route counted by a round."""
    return (100_000 + number * 7 + turn * 13) if turn else 0


def refused(number: int, turn: int) -> int:
    """How many of them a limit refused."""
    return (number + turn) if turn else 0


def newest(number: int, turn: int) -> int:
    """When the subject's last request was, in epoch seconds."""
    return SINCE + number % 3600 + turn


def samples(series: int, turn: int) -> Iterator[tuple[str, Labels, int]]:
    """Family, label values and value of every series."""
    for number in range(keys(series)):
        labels = subject(number)
        for family, value in zip(SUBJECT_FAMILIES, (requests, refused, newest), strict=True):
            yield family, labels, value(number, turn)
    for number in range(keys(series)):
        labels = route(number, series)
        for family, value in zip(ROUTE_FAMILIES, (requests, refused), strict=False):
            yield family, labels, value(number, turn)
