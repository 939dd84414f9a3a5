"""Reads `/metrics` all the time: at once, complete, without a secret, and no counter falls."""

import gzip
import http.client
import re
import time
from itertools import cycle

from tests.soak.github import CANARY
from tests.soak.scene import Scene

EVERY = 0.15
COUNTER = re.compile(r"^(\w+(?:_total|_count|_bucket|_sum)(?:\{.*\})?) (\S+)$", re.MULTILINE)
OVER_RESTARTS = "github_api_insights_"
LOST = "github_exporter_gap_seconds_total"
ACCEPT: tuple[dict[str, str], ...] = (
    {},
    {"Accept-Encoding": "gzip"},
    {"Accept": "application/openmetrics-text; version=1.0.0", "Accept-Encoding": "gzip"},
)


class Scraper:
    """Scrapes again and again; `seconds` has how long each one took."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._headers = scene, cycle(ACCEPT)
        self.seconds: list[float] = []
        self._highest: dict[str, float] = {}
        self._of_life: dict[str, float] = {}
        self._life = 0

    def scrape(self) -> None:
        """Scrape once, in the next of the formats; look whether all is as it must be."""
        scene, life, slow = self._scene, self._scene.life, self._scene.slow
        if not life:
            return
        began = time.monotonic()
        status, body = fetch(scene.exporter.port, next(self._headers))
        took = time.monotonic() - began
        if scene.life != life:
            return
        if not slow:
            self.seconds.append(took)
        if status != 200:
            process = scene.exporter.process
            scene.breach(f"a scrape got {status} {body[:200]}, exit code {process.poll() if process else None}")
            return
        if took > scene.patience and not slow:
            scene.breach(f"a scrape took longer than {scene.patience} s: {took:.1f} s")
        if CANARY in body:
            scene.breach("a token in /metrics")
        self._compare(body, life)

    def _compare(self, body: str, life: int) -> None:
        if life != self._life:
            self._life, self._of_life = life, {}
        for series, text in COUNTER.findall(body):
            highest = self._highest if series.startswith(OVER_RESTARTS) else self._of_life
            value = float(text)
            if value < highest.get(series, 0.0):
                self._scene.breach(f"{series} fell from {highest[series]} to {value}")
            highest[series] = value
            if value and series.startswith(LOST):
                self._scene.breach(f"{series} is {value}: a gap")


def fetch(port: int, headers: dict[str, str]) -> tuple[int, str]:
    """Status and text of a scrape on a new connection; (0, reason) without an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/metrics", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, (gzip.decompress(body) if answer.getheader("Content-Encoding") else body).decode()
    except (OSError, http.client.HTTPException, EOFError, UnicodeError) as problem:
        return 0, repr(problem)
    finally:
        connection.close()
