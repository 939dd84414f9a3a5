"""The simulated GitHub of a soak: three organizations, two credentials, and a clock that runs a thousand times as fast.

Only GitHub's life is quickened. The exporter's own clock is real: deadlines of requests and of clients, the waits that
GitHub asks for and how long a scrape takes would otherwise be a thousandth of what they are, and shorter than a busy
machine's pauses (`test_hour.py` stops at 60 times). libfaketime also cannot let the wall clock jump by itself and
quicken both clocks. At 1,000 times each run reads a quarter of an hour of GitHub's time, a window is folded every
fourteen minutes, and an hour is six weeks: more than GitHub remembers.
"""

from collections import Counter
from itertools import count
from pathlib import Path

from exporter.simulator.access import TokenFacts
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.population import Size
from exporter.simulator.traffic import seeded_world
from tests.support.harness import SimClock

HOUR, DAY = 3600, 24 * 3600
RATE = 1000.0
START = 1_795_262_400 - 40 * DAY
FIRST = START + 35 * DAY
"""When the exporter reads first, a whole hour; it counts what becomes visible from then on in windows since..."""
ANCHOR = FIRST - DAY
"""...a day before."""
LATEST = 7 * HOUR
"""After so long GitHub shows all that was sent."""

CREDENTIALS = {"first": ("acme", "globex"), "second": ("initech",)}
ORGANIZATIONS = tuple(name for names in CREDENTIALS.values() for name in names)
SIZES = {
    "acme": Size(apps=8, users=95),  # two pages of subjects
    "globex": Size(apps=5, users=6, throttled=0.3),
    "initech": Size(apps=6, users=4),
}
WATCHED_ACTORS = 3
"""Apps and tokens of each organization that are drilled into, and as many users."""
CANARY = "CANARY"

Key = tuple[str, ...]
"""A family and the labels that identify a counter in it."""


class GitHub:
    """A simulated GitHub with what is true of it."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.clock = SimClock(FIRST)
        self.world = seeded_world(seed, ORGANIZATIONS, start=START, size=SIZES)
        self.tokens: dict[str, TokenFacts] = {}
        self.app = SimulatedGitHub(self.world, self.clock, tokens=self.tokens, limit=10_000_000, keep=1000)
        self.url = ""
        self._folder, self._numbers = folder, count(1)
        self._current: dict[str, str] = {}
        sources = {name: [*self.world.sources(name, FIRST)] for name in ORGANIZATIONS}
        self.users = {
            name: [*dict.fromkeys(one.actor.subject_id for one in of if one.actor.subject_type == "user")][
                :WATCHED_ACTORS
            ]
            for name, of in sources.items()
        }
        self.actors = {
            name: [
                (one.actor.actor_type, one.actor.actor_id) for one in (*of[:2], *reversed(of[-WATCHED_ACTORS + 2 :]))
            ]
            for name, of in sources.items()
        }

    def token_file(self, credential: str) -> Path:
        return self._folder / f"token-{credential}"

    def new_token(self, credential: str) -> str:
        """A token that GitHub accepts from now on, beside the earlier ones."""
        token = f"ghp_{CANARY}{next(self._numbers):08d}{credential}"
        self.tokens[token] = TokenFacts(frozenset(CREDENTIALS[credential]), kind="fine_grained", user=credential)
        return token

    def store(self, credential: str, token: str) -> None:
        """Replace the credential's file, as by a secret's mount."""
        file = self.token_file(credential)
        new = file.with_suffix(".new")
        new.write_text(f"{token}\n")
        new.rename(file)

    def revoke_all_but(self, credential: str, token: str = "") -> None:
        """Refuse the other tokens of a credential from now on."""
        for other, facts in list(self.tokens.items()):
            if facts.user == credential and other != token:
                del self.tokens[other]

    def renew(self, credential: str) -> None:
        """A new token in the file; the old one is refused afterwards."""
        token = self.new_token(credential)
        self.store(credential, token)
        self.revoke_all_but(credential, token)

    def truth(self, at: float) -> Counter[Key]:
        """What is visible of everything sent since the anchor, by counter: added up request by request."""
        sums: Counter[Key] = Counter()
        for name in ORGANIZATIONS:
            users, actors = set(self.users[name]), set(self.actors[name])
            for source in self.world.sources(name, at):
                actor = source.actor
                kind, number = actor.subject_type, actor.subject_id
                who = (actor.actor_type, str(actor.actor_id))
                keys: list[Key] = [("", name), ("subject_", name, kind, str(number))]
                if kind == "user" and number in users:
                    keys += [("user_", name, str(number)), ("user_actor_", name, str(number), *who)]
                by_route = (actor.actor_type, actor.actor_id) in actors
                if by_route:
                    keys.append(("actor_", name, *who))
                for hour in source.hours(ANCHOR, int(at) + 1):
                    for burst in source.bursts(hour):
                        if burst.at < ANCHOR or burst.visible_at > at:
                            continue
                        routes: list[Key] = [("route_", name, *who, *burst.route)] if by_route else []
                        for family, *labels in (*keys, *routes):
                            sums[f"github_api_insights_{family}requests_total", *labels] += burst.requests
                            sums[f"github_api_insights_{family}rate_limited_requests_total", *labels] += burst.limited
        return sums
