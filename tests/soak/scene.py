"""What a soak plays on: the exporter as a process beside its GitHub, its files, its clock, and what was seen."""

import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.soak.github import CREDENTIALS, GitHub
from tests.support.harness import INSIGHTS_ONLY, Exporter, get, until

MOST_BREACHES = 40


class Scene:
    """The parts, and what every lane may do with them.

    `life` is the number of the running process, 0 while none is up: whoever scrapes compares it before and after.
    `patience` is how many seconds a scrape may take.
    """

    def __init__(self, folder: Path, github: GitHub, patience: float, say: Callable[[str], None]) -> None:
        self.folder, self.github, self.patience, self._say = folder, github, patience, say
        self.stopping = threading.Event()
        self.survived: Counter[str] = Counter()
        self.breaches: list[str] = []
        self.life = self.lives = 0
        self.slow = False
        self.settings = settings(github, folder)
        self.exporter = Exporter(folder, self.settings)

    def say(self, text: str) -> None:
        """One line, with the time."""
        self._say(f"{datetime.now(UTC):%H:%M:%S} {text}")

    def breach(self, text: str) -> None:
        """A promise was broken; the same is told once."""
        if text not in self.breaches and len(self.breaches) < MOST_BREACHES:
            self.breaches.append(text)
            self.say(f"BREACH {text}")

    def pause(self, seconds: float) -> None:
        """Let a fault last; less if the soak ends."""
        self.stopping.wait(seconds)

    # The process

    @property
    def pid(self) -> int:
        assert self.exporter.process is not None
        return self.exporter.process.pid

    def start(self) -> None:
        self.exporter.start()
        self.lives += 1
        self.life = self.lives

    def kill(self) -> None:
        self.life = 0
        self.exporter.kill()

    def stop(self) -> None:
        """SIGTERM, which must end it with 0."""
        self.life = 0
        if code := self.exporter.stop():
            self.breach(f"after SIGTERM the exit code was {code}")

    @contextmanager
    def turned_clock(self, seconds: int) -> Iterator[Callable[[int], None]]:
        """A process whose wall clock is ahead; the function lets it jump. Its predecessor has ended.

        libfaketime costs more than all else that the process does, so only these processes have it, and
        nobody expects them to be quick. Its correction of waits for a lock, by the clock that is not turned here, would
        make each of them a busy loop.
        """
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
        file = self.folder / "clock"

        def turn(ahead: int) -> None:
            file.with_suffix(".new").write_text(f"{ahead:+d}\n")
            file.with_suffix(".new").rename(file)

        turn(seconds)
        turned = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }
        self.exporter.environ |= turned
        self.slow = True
        self.start()
        try:
            yield turn
        finally:
            self.kill()
            self.slow = False
            for name in turned:
                del self.exporter.environ[name]

    # Its configuration

    def write(self, text: str) -> None:
        """Replace the configuration file."""
        new = self.exporter.config.with_suffix(".new")
        new.write_text(text)
        new.rename(self.exporter.config)

    def write_settings(self) -> None:
        """Write what is right."""
        self.write(yaml.safe_dump(self.settings))

    def reload(self, settings: Mapping[str, Any] | str | None = None) -> None:
        """SIGHUP with these settings, with this text, or with what is right."""
        chosen = self.settings if settings is None else settings
        self.write(chosen if isinstance(chosen, str) else yaml.safe_dump(dict(chosen)))
        assert self.exporter.process is not None
        self.exporter.process.send_signal(signal.SIGHUP)

    def reloaded(self, successful: bool) -> None:
        """Wait until the last reload had this result."""
        series = "github_exporter_config_last_reload_successful"
        until(lambda: self.exporter.value(series) == float(successful), f"reload successful: {successful}", 60)

    # Its disk

    def saved(self) -> None:
        """Wait until the state is written again, and what was shown meanwhile is saved: the heartbeat does it."""
        until(self._is_written, "the state is written again", 60, every=0.2)
        since = time.monotonic()
        until(lambda: time.monotonic() > since + 3 and self._is_written(), "two more heartbeats", 60, every=0.2)

    def _is_written(self) -> bool:
        status, body = get(f"{self.exporter.url}/api/v1/status")
        return status == 200 and json.loads(body)["exporter"]["state"]["is_written"] is True


Fault = Callable[[Scene, Random], None]


def settings(github: GitHub, folder: Path) -> dict[str, Any]:
    """The configuration: all of API Insights, everybody who is drilled into from the beginning."""
    return {
        "credentials": {
            name: {"api_url": github.url, "token_file": str(github.token_file(name))} for name in CREDENTIALS
        },
        "organizations": [
            {"name": organization, "credential": name} for name, of in CREDENTIALS.items() for organization in of
        ],
        "watch": {
            "users": [{"organization": name, "id": one} for name, users in github.users.items() for one in users],
            "actors": [
                {"organization": name, "type": kind, "id": number}
                for name, actors in github.actors.items()
                for kind, number in actors
            ],
        },
        "collectors": {
            **INSIGHTS_ONLY,
            "summary_stats": {"interval": "1s"},
            "subject_stats": {"interval": "1s"},
            "time_stats": {"interval": "5s"},
            "user_stats": {"interval": "5s", "top_users": 0},
            "route_stats": {"interval": "5s", "top_actors": 0},
        },
        "counters": {"birth_delay": "1s"},
        "state": {"path": str(folder / "state")},
    }
