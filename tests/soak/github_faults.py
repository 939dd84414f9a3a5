"""What goes wrong at GitHub, for some seconds and some requests."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from random import Random

from exporter.simulator.faults import Fault
from exporter.simulator.messages import Request
from tests.soak.scene import Scene

PLACES = ("", "/summary-stats", "/subject-stats", "/time-stats", "/user-stats/", "/route-stats/", "/acme/", "/initech/")
"""Parts of paths; the first is of all."""


@dataclass(frozen=True)
class Trouble:
    """A fault, and whether the exporter then waits for an hour or a day (until a restart after that time)."""

    fault: Fault
    waits_long: bool = False


TROUBLES = {
    "401": Trouble(Fault(status=401), waits_long=True),
    "403": Trouble(Fault(status=403), waits_long=True),
    "404": Trouble(Fault(status=404), waits_long=True),
    "410": Trouble(Fault(status=410), waits_long=True),
    "422": Trouble(Fault(status=422)),
    "429 with Retry-After": Trouble(Fault(status=429, headers={"retry-after": "2"})),
    "429 without Retry-After": Trouble(Fault(status=429), waits_long=True),
    "403, no requests left": Trouble(
        Fault(status=403, headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}), waits_long=True
    ),
    "Retry-After that is no number": Trouble(Fault(status=503, headers={"retry-after": "soon"})),
    "500": Trouble(Fault(status=500)),
    "502": Trouble(Fault(status=502, body=b"<html>bad gateway</html>")),
    "503 with Retry-After": Trouble(Fault(status=503, headers={"retry-after": "2"})),
    "504 after a second": Trouble(Fault(status=504, delay=1.0)),
    "redirect elsewhere": Trouble(Fault(status=302, headers={"location": "https://elsewhere.invalid/?sig=CANARY"})),
    "truncate": Trouble(Fault(kind="truncate")),
    "reset": Trouble(Fault(kind="reset")),
    "hang": Trouble(Fault(kind="hang")),
    "drip": Trouble(Fault(kind="drip", interval=0.05)),
    "garbage": Trouble(Fault(kind="garbage")),
    "wrong types": Trouble(Fault(kind="wrong_types")),
    "cyclic link": Trouble(Fault(kind="cyclic_link")),
    "foreign link": Trouble(Fault(kind="foreign_link")),
    # Of a gateway: a date that two answers of GitHub itself agree on is believed, and then there is a gap.
    "502 with a date of a year ago": Trouble(Fault(status=502, headers={"date": "Mon, 01 Dec 2025 12:00:00 GMT"})),
    "empty answer": Trouble(Fault(status=200, body=b"")),
}


def every(nth: int, place: str) -> Callable[[Request], bool]:
    """Each so-many-th request to a place."""
    numbers = count()
    return lambda request: place in request.path and next(numbers) % nth == 0


def trouble(name: str, scene: Scene, random: Random) -> None:
    """Let GitHub fail in one manner at one place."""
    place, nth, seconds = random.choice(PLACES), random.choice((1, 1, 2, 3)), random.uniform(1.0, 4.0)
    if name == "hang" and place == "":
        place = "/time-stats"  # thirty seconds of each pool would be all that a short soak has
    scene.say(
        f"github    {name}: {'every request' if nth == 1 else f'1 of {nth}'} to {place or 'all'}, {seconds:.1f} s"
    )
    faults = scene.github.app.faults
    faults.add(replace(TROUBLES[name].fault, match=every(nth, place)))
    scene.pause(seconds)
    faults.clear()
    scene.pause(random.uniform(0.2, 1.5))


GITHUB_FAULTS = {name: partial(trouble, name) for name in TROUBLES}
SHORT_GITHUB_FAULTS = {name: partial(trouble, name) for name, one in TROUBLES.items() if not one.waits_long}
