"""The GitHub of `demo` and `simulate`: four organizations, their enterprise with two appliances, and who may read.

It runs on the wall clock. A month of history is there from the start, and what GitHub delays by hours is delayed by
seconds. Little is imported here, for the demo waits until it is there.

Five things are wrong with it, so that alerts have something to tell: a bot and a machine's account run into their rate
limits, GitHub is half a day late with an organization, that organization's token may not read its billing, another one
has moved its tests to expensive runners at the beginning of the month, and the enterprise's days with Copilot are late.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from exporter.instants import DAY, HOUR, day_of, epoch
from exporter.simulator.access import USUAL_LIMIT, TokenFacts
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.apps import SimulatedApp, SimulatedInstallation
from exporter.simulator.estate import Appliance, Copilot, Enterprise, Estate
from exporter.simulator.exports import Exports
from exporter.simulator.facts import RETENTION, Switches
from exporter.simulator.faults import Fault
from exporter.simulator.population import RUNAWAY, Size
from exporter.simulator.signed import FOLDER
from exporter.simulator.traffic import seeded_world
from exporter.simulator.world import World

SEED = 7
SIZES = {
    "acme": Size(apps=80, users=500, runaway=1.0, throttled=1.0),
    "globex": Size(apps=40, users=120),
    "initech": Size(apps=14, users=46),
}
INSTALLED = ("acme", "globex")
NEWCOMER, NEWCOMER_AFTER = "umbrella", 60.0
"""An organization on which the App is installed so many seconds after the start: it is discovered."""
ENTERPRISE = "acme-corp"
APPLIANCES = (
    Appliance("ghes-eu", "ea6088f3-f095-4bf2-8d7f-c573819e8768", "ghes.eu.example.com", "3.19.2", users=2_400),
    Appliance("ghes-us", "0b9f2a51-6c3e-4f6e-9a77-4d1c5b8e2f10", "ghes.us.example.com", "3.14.9", users=600, old=True),
)
COPILOT_DAYS = 65
LATE_DAYS = 4  # of the enterprise, where GitHub answers 404 to a day that is not ready
REVISED_AFTER = 40.0  # seconds
DELAY = (3.0, 12.0)  # seconds; GitHub's are 4 to 6 hours
LATE = {"initech": (10.5 * HOUR, 11.0 * HOUR)}  # an incident at GitHub
SPENDER = "globex"
CLIENT_ID = "Iv23liDEMO"
TOKEN_LIFE = 300 * DAY
"""Seconds until the fine-grained token expires: no alert talks of it."""
EXPORTED_TOO = ("premium_request", "ai_credit")
TOKENS = {
    "finance": "github_pat_demo",
    "classic": "ghp_demo",
    **{one.name: f"ghp_demo{one.name}" for one in APPLIANCES},
}
READS = {
    "organization_api_insights": "read",
    "organization_copilot_metrics": "read",
    "organization_copilot_seat_management": "read",
    "organization_administration": "read",
}
MISSING = "organization_administration"  # of whose token nobody gave it: initech's billing is forbidden
SCOPES = ("read:enterprise", "read:org", "manage_billing:enterprise")


def github(public_key: bytes) -> tuple[SimulatedGitHub, dict[str, Any]]:
    """The demo's GitHub, and whom to watch there: the bot that runs away and a machine's account."""
    clock = time.time  # noqa: TID251 - in this process there is no other clock
    world = _world(clock())
    actors = [source.actor for source in world.organizations[0].sources]
    bot = next(actor for actor in actors if actor.subject_name == RUNAWAY)
    granted = {permission: level for permission, level in READS.items() if permission != MISSING}
    robot = next(actor for actor in actors if actor.subject_name.endswith("-robot"))
    simulated = SimulatedGitHub(
        world,
        clock,
        tokens={
            TOKENS["finance"]: TokenFacts(
                {"initech"},
                user="finance-bot",
                kind="fine_grained",
                permissions=granted,
                expires_at=clock() + TOKEN_LIFE,
            ),
            TOKENS["classic"]: TokenFacts(frozenset(), {ENTERPRISE}, user="owner", scopes=SCOPES),
            **{TOKENS[one.name]: TokenFacts(frozenset(), site_admin=True) for one in APPLIANCES},
        },
        apps=[
            SimulatedApp(
                CLIENT_ID,
                public_key,
                Installations(clock() + NEWCOMER_AFTER, clock),
                {ENTERPRISE: SimulatedInstallation(90, {})},
            )
        ],
        estate=_estate(clock()),
        limit=1_000_000,
    )
    _export(simulated.exports, clock())
    return simulated, {
        "users": [{"organization": "acme", "id": robot.subject_id}],
        "actors": [{"organization": "acme", "type": bot.actor_type, "id": bot.actor_id}],
    }


class Installations(Mapping[str, SimulatedInstallation]):
    """Where the App is installed, by organization; the newcomer follows at an instant."""

    def __init__(self, newcomer_at: float, clock: Callable[[], float]) -> None:
        self._all = {name: SimulatedInstallation(100 + n, READS) for n, name in enumerate((*INSTALLED, NEWCOMER))}
        self._newcomer_at, self._clock = newcomer_at, clock

    def __getitem__(self, name: str) -> SimulatedInstallation:
        if name == NEWCOMER and self._clock() < self._newcomer_at:
            raise KeyError(name)
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._all if name != NEWCOMER or self._clock() >= self._newcomer_at)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _world(now: float) -> World:
    sizes = {**SIZES, NEWCOMER: Size(apps=6, users=20)}
    switches = {name: Switches(bucket=1, delay=LATE.get(name, DELAY)) for name in sizes}
    alone = [seeded_world(SEED, (name,), switches[name], start=now - RETENTION, size=sizes) for name in sizes]
    return World([one for world in alone for one in world.organizations], Switches(bucket=1), SEED)


def _estate(now: float) -> Estate:
    """Nine weeks with Copilot: late and missing days, one revised while one looks; files in parts and many forms."""
    newest, before = (day_of(now - back * DAY) for back in (2, 3))
    late = {(ENTERPRISE, day_of(now - back * DAY)) for back in range(2, LATE_DAYS + 2)}
    return Estate(
        (Enterprise(ENTERPRISE, (*SIZES, NEWCOMER), APPLIANCES),),
        since=now - COPILOT_DAYS * DAY,
        seed=SEED,
        larger_runners={SPENDER: float(epoch(f"{day_of(now)[:7]}-01"))},
        copilot=Copilot(
            late={("globex", newest): now + 2 * DAY},
            missing={("initech", newest), ("initech", before), (ENTERPRISE, day_of(now - 9 * DAY)), *late},
            revised={("acme", newest): now + REVISED_AFTER},
            files={"acme": 3, ENTERPRISE: 2},
            forms={"globex": "lines", "initech": "array"},
            dead_links={"acme": 1},
            retired=False,
        ),
    )


def _export(exports: Exports, now: float) -> None:
    """The exports that somebody has made already; what is missing of the month before the exporter asks for."""
    today = day_of(now)
    running = (f"{today[:7]}-01", today)
    last_before = day_of(epoch(running[0]) - DAY)
    before = (f"{last_before[:7]}-01", last_before)
    periods = (("detailed", running), ("detailed", before), *((report_type, running) for report_type in EXPORTED_TOO))
    for report_type, (first, last) in periods:
        order = {"report_type": report_type, "start_date": first, "end_date": last}
        exports.make(ENTERPRISE, order, now, ready=now)


def open_github(clock: Callable[[], float]) -> SimulatedGitHub:
    """The simulated GitHub of `demo`, which accepts any token."""
    return SimulatedGitHub(_world(clock()), clock, estate=_estate(clock()), limit=1_000_000)


def rehearse(github: SimulatedGitHub, fault: Literal["rejected-token", "spent-limit"] | None) -> None:
    """Let every question with a token fail in this way; files need none."""
    match fault:
        case "rejected-token":
            github.faults.add(Fault(lambda request: not request.path.startswith(FOLDER), status=401))
        case "spent-limit":
            github.limit, github.spent_by_others = USUAL_LIMIT, True
