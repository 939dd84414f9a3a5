"""The real parts of a run of the matrix: a simulated GitHub, one exporter, and a place for each fault."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from exporter.collectors import COLLECTORS
from exporter.instants import HOUR
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.faults import Fault
from exporter.simulator.messages import Request
from exporter.simulator.world import World
from tests.support.company import Authority
from tests.support.harness import Exporter, SimClock, simulated, until
from tests.support.threads import in_thread
from tests.system.faults.gate import Gate
from tests.system.faults.row import Row
from tests.system.faults.watch import Watch

READ = ("summary_stats", "subject_stats")
"""The collectors that run: one request that may fail, and a list in pages."""
INTERVAL, MAX_AGE = 5.0, 18.0
CALM = "calm"
"""An organization to which nothing happens."""
CANARY = "CANARY"
"""Is in every secret, and nowhere else."""


def slug(name: str) -> str:
    """A name as organizations have them."""
    return "-".join("".join(one if one.isalnum() else " " for one in name.lower()).split())[:39].rstrip("-")


@dataclass
class Place:
    """An organization with a credential of its own, where one fault happens."""

    row: Row | None
    name: str
    scene: "Scene"
    token: str
    gate: Gate | None = None
    begun: float = 0.0
    ended: float = 0.0
    requests: int = 0
    """How many requests were made since the exporter read this organization first."""
    _stop: list[Fault] = field(default_factory=list)

    @property
    def token_file(self) -> Path:
        return self.scene.folder / f"{self.name}.token"

    def give(self, token: str) -> None:
        """Let GitHub know this token alone; the operator has put it into the file."""
        tokens = self.scene.tokens
        tokens.pop(self.token, None)
        tokens[token] = {self.name}
        self.token = token
        new = self.token_file.with_suffix(".new")
        new.write_text(token)
        new.replace(self.token_file)

    def revoke(self) -> None:
        """Let GitHub forget the token."""
        self.scene.tokens.pop(self.token, None)

    def disturb(self, fault: Fault, *, everything: bool = False) -> None:
        """Let the row's endpoint, or all that this credential asks for, fail like this."""
        assert self.row is not None
        endpoint = self.row.collector.replace("_", "-")
        this = self._stop
        this.append(fault)

        def matches(request: Request) -> bool:
            mine = request.token == self.token and (everything or endpoint in request.path)
            more = fault.match(request) if callable(fault.match) else fault.match in request.path
            return fault in this and mine and more

        self.scene.github.faults.add(
            Fault(
                matches,
                fault.kind,
                fault.status,
                fault.headers,
                fault.body,
                fault.delay,
                fault.interval,
                fault.times,
                fault.skip,
            )
        )

    def calm(self) -> None:
        """End that."""
        self._stop.clear()

    def use(self, requests: int) -> None:
        """Let somebody use GitHub's API in this organization."""
        self.requests += requests
        self.scene.world.add(Event(self.name, "user", 1, int(self.scene.clock()), requests=requests, name="octocat"))


class Scene:
    """A run: `places` by name, the `exporter`, GitHub and its clock."""

    def __init__(self, rows: Sequence[Row], folder: Path) -> None:
        self.folder, self.rows = folder, rows
        self.clock = SimClock(time.time())
        self.clock.run(1.0)
        self.tokens: dict[str, set[str]] = {}
        names = [slug(row.name) for row in rows]
        assert len(set(names)) == len(names), "two rows have the same organization"
        self.places = [Place(row, slug(row.name), self, "") for row in rows] + [Place(None, CALM, self, "")]
        at = int(self.clock()) - HOUR
        self.world = World.of(
            [Event(place.name, "user", 1, at, requests=9, name="octocat") for place in self.places]
            + [Event(place.name, "installation", 2, at, requests=90, name="bot") for place in self.places]
        )
        self.github = SimulatedGitHub(self.world, self.clock, tokens=self.tokens, limit=1_000_000)
        for place in self.places:
            place.give(f"ghp_{CANARY}0{place.name}")
        self.authority = Authority(folder)
        self.url = self.good_config = ""
        self.exporter: Exporter = Exporter(folder, {})
        self.watch: Watch | None = None
        self._ahead = folder / "ahead"

    @contextmanager
    def running(self) -> Iterator["Scene"]:
        """GitHub, the ways to it, and the exporter, once it has read everything."""
        with ExitStack() as stack:
            (self.url,) = stack.enter_context(simulated(self.github))
            upstream = urlsplit(self.url).port
            assert upstream is not None
            for place in self.places:
                if place.row and place.row.network:
                    tls = self.authority.server("localhost") if place.row.network == "https" else None
                    place.gate = Gate(upstream, tls)
            gates = [place.gate for place in self.places if place.gate]
            stack.enter_context(in_thread(*(gate.running() for gate in gates)))
            self.exporter = stack.enter_context(Exporter(self.folder, self.config(), **self._turned()))
            for row in self.rows:
                if row.web_config:
                    (self.folder / "web.yaml").write_text(row.web_config)
            self.start()
            until(self._all_read, "everything is read", every=0.2)
            yield self

    def config(self) -> dict[str, Any]:
        """The configuration."""
        config: dict[str, Any] = {
            "credentials": {place.name: self._credential(place) for place in self.places},
            "organizations": [{"name": place.name, "credential": place.name} for place in self.places],
            "collectors": {
                collector.name: {"interval": f"{INTERVAL:g}s", "max_age": f"{MAX_AGE:g}s"}
                if collector.name in READ
                else {"enabled": False}
                for collector in COLLECTORS
            },
            "counters": {"birth_delay": "1s"},
        }
        return config

    def start(self) -> None:
        """Start the exporter, for the first time or again."""
        web = self.folder / "web.yaml"
        self.exporter.start(*([f"--web.config.file={web}"] if web.exists() else []))

    def _credential(self, place: Place) -> Mapping[str, Any]:
        more = {"ca_file": str(self.authority.pem)} if place.row and place.row.network == "https" else {}
        return {"api_url": place.gate.url if place.gate else self.url, "token_file": str(place.token_file), **more}

    def _all_read(self) -> bool:
        body = self.exporter.metrics()
        return all(
            f'github_exporter_collector_success{{collector="{collector}",target="organization/{place.name}"}} 1\n'
            in body
            for place in self.places
            for collector in READ
        )

    def _turned(self) -> dict[str, str]:
        """An environment in which the exporter's clocks are as much ahead as a file says."""
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
        self._ahead.write_text("+0\n")
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._ahead),
            "FAKETIME_CACHE_DURATION": "1",
            "NO_FAKE_STAT": "1",
            **({"FAKETIME_DONT_FAKE_MONOTONIC": "1"} if any(row.actor == "clock" for row in self.rows) else {}),
        }

    def turn(self, seconds: float) -> None:
        """Set the exporter's wall clock alone, against the right time."""
        self._ahead.write_text(f"{seconds:+g}\n")

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass at once, here and at GitHub."""
        ahead = float(self._ahead.read_text()) + seconds
        self.clock.jump(seconds)
        self._ahead.write_text(f"+{ahead:g}\n")

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of the log that are complete: a full disk cuts some off."""
        lines = self.exporter.log.read_text(errors="replace").splitlines()
        found = []
        for line in lines:
            with suppress(ValueError):
                found.append(json.loads(line))
        return [line for line in found if isinstance(line, dict)]
