"""Who lives in a simulated organization: its apps, its users and the tokens that the users act by."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from exporter.instants import DAY
from exporter.simulator.facts import Route, SimulatedActor


@dataclass(frozen=True, slots=True)
class Size:
    """How large an organization is; thousands of users will do.

    `scale` multiplies every rate and the runaway's limit; `runaway` is the share of hours in which that bot runs away,
    `throttled` that in which a machine's account meets a limit of its own.
    Names repeat with a number behind them. A user has one to four tokens, of all kinds.
    """

    apps: int = 14
    users: int = 46
    scale: float = 1.0
    runaway: float = 0.25
    throttled: float = 0.0


@dataclass(frozen=True, slots=True)
class Member:
    """An actor and its habits: requests per hour when busiest, and when it rests."""

    actor: SimulatedActor
    rate: float
    night: float  # share of the rate that stays at night
    weekend: float  # share of the rate that stays on weekends
    zone: int  # hours ahead of UTC
    dark: float  # share of three-day spans without any request
    born: int  # seconds after the world's start
    limit: float | None  # requests per hour that a runaway bot gets through
    runaway: float  # share of hours in which it runs away
    routes: tuple[Route, ...]


APPS: tuple[tuple[str, float, float, float], ...] = (
    ("CI Runner", 4200, 0.3, 0.4),
    ("Renovate", 2600, 0.8, 0.9),
    ("Security Scanner", 1900, 0.7, 0.9),
    ("Inventory Sync", 900, 0.9, 1.0),
    ("Deploy Bot", 700, 0.15, 0.1),
    ("Merge Queue", 1100, 0.2, 0.2),
    ("Code Coverage", 600, 0.2, 0.2),
    ("Issue Triage", 240, 0.3, 0.3),
    ("Chat Relay", 320, 0.2, 0.3),
    ("License Check", 90, 0.5, 0.5),
    ("Docs Preview", 60, 0.1, 0.1),
    ("Release Notes", 12, 0.1, 0.0),
    ("Stale Branches", 8, 0.6, 1.0),
    ("Metrics Exporter", 120, 1.0, 1.0),
)
"""Name, requests per hour, and the shares that stay at night and on weekends."""

RUNAWAY = "Inventory Sync"
RUNAWAY_LIMIT = 15_000.0
FIRST_ROBOT = 5
ROBOT_LIMIT = 600.0

LOGINS = """
ada alan barbara betty carol claude dana dennis donald dorothy edsger evelyn frances fran gordon
grace hal hedy ida jean joan john karen katherine ken leslie linus lynn margaret mary maurice
niklaus peter radia rob roberta rosa ruth shafi sophie stephen susan tim tony valerie whitfield
""".split()  # noqa: SIM905 - a list of names reads better without quotes

APP_ROUTES: tuple[Route, ...] = (
    ("GET", "/repositories/:repository_id"),
    ("GET", "/repositories/:repository_id/commits/:ref/check-runs"),
    ("POST", "/repositories/:repository_id/check-runs"),
    ("GET", "/repositories/:repository_id/pulls"),
    ("GET", "/repositories/:repository_id/contents/*"),
    ("PATCH", "/repositories/:repository_id/check-runs/:check_run_id"),
    ("POST", "/repositories/:repository_id/issues/:issue_number/comments"),
    ("GET", "/organizations/:organization_id/repos"),
)
RUNAWAY_ROUTES: tuple[Route, ...] = (APP_ROUTES[-1],) * 7 + APP_ROUTES[:-1]
"""Its loop asks one question; earlier routes are drawn more often (see `traffic.py`), so this is 71 in 100."""

USER_ROUTES: tuple[Route, ...] = (
    ("GET", "/user"),
    ("GET", "/repositories/:repository_id"),
    ("GET", "/repositories/:repository_id/pulls/:pull_number"),
    ("GET", "/repositories/:repository_id/issues"),
    ("POST", "/repositories/:repository_id/pulls"),
    ("PUT", "/repositories/:repository_id/pulls/:pull_number/merge"),
)
TOKENS: tuple[tuple[str, str, float], ...] = (
    ("classic_pat", "laptop", 1.0),
    ("fine_grained_pat", "scripts", 0.5),
    ("oauth_app", "IDE Plugin", 0.4),
    ("github_app_user_to_server", "Code Assistant", 0.3),
)
"""Actor type, name, and how often a user has one."""


def organization_id(seed: int | str, org: str) -> int:
    """The id that stands in links."""
    return Random(f"{seed}:{org}:id").randrange(1_000_000, 9_999_999)


def population(seed: int | str, org: str, size: Size) -> Iterator[Member]:
    """Every member of an organization; the same seed and name, the same members."""
    rng = Random(f"{seed}:{org}:population")
    base = rng.randrange(1_000, 9_000) * 1_000
    for index in range(size.apps):
        yield _app(rng, base + index, index, size)
    for index in range(size.users):
        yield from _user(rng, base + 500 + index, index, size)


def _app(rng: Random, number: int, index: int, size: Size) -> Member:
    name, rate, night, weekend = APPS[index % len(APPS)]
    runaway = index < len(APPS) and name == RUNAWAY  # one, however many apps there are
    if index >= len(APPS):
        name = f"{name} {index // len(APPS) + 1}"
    return Member(
        actor=SimulatedActor("installation", number, name, "installation", number, name, integration_id=number // 7),
        rate=rate * size.scale,
        night=night,
        weekend=weekend,
        zone=0,
        dark=0.0 if rate >= 500 else 0.1,
        born=_birth(rng, rate),
        limit=RUNAWAY_LIMIT * size.scale if runaway else None,
        runaway=size.runaway,
        routes=RUNAWAY_ROUTES if runaway else APP_ROUTES,
    )


def _user(rng: Random, number: int, index: int, size: Size) -> Iterator[Member]:
    login = LOGINS[index % len(LOGINS)]
    if index >= len(LOGINS):
        login = f"{login}{index // len(LOGINS) + 1}"
    robot = index % 23 == FIRST_ROBOT  # an account that a machine uses
    if robot:
        login = f"{login}-robot"
    rate = 900.0 if robot else rng.choice((2.0, 6.0, 15.0, 40.0, 90.0))
    zone, born = rng.choice((-8, -5, 0, 1, 1, 2, 5, 9)), _birth(rng, rate)
    for kind, (actor_type, name, odds) in enumerate(TOKENS):
        if rng.random() >= odds:
            continue
        actor_id = number * 10 + kind
        yield Member(
            actor=SimulatedActor(
                "user",
                number,
                login,
                actor_type,
                actor_id,
                name,
                integration_id=actor_id // 7 if actor_type == "github_app_user_to_server" else None,
                oauth_application_id=actor_id // 9 if actor_type == "oauth_app" else None,
            ),
            rate=rate * size.scale / (kind + 1),
            night=0.5 if robot else 0.005,
            weekend=0.6 if robot else 0.05,
            zone=zone,
            dark=0.0 if robot else 0.15,
            born=born,
            limit=ROBOT_LIMIT * size.scale if index == FIRST_ROBOT else None,
            runaway=size.throttled,
            routes=USER_ROUTES,
        )


def _birth(rng: Random, rate: float) -> int:
    """Most were there from the start; one in eight of the quieter ones comes within the first six weeks."""
    if rng.random() < 0.875 or rate >= 500:
        return 0
    return rng.randrange(42 * DAY)
