"""A Prometheus that never tires: reads `/metrics` again and again, and remembers what the verdicts need."""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from tests.support.harness import get
from tests.support.threads import repeating

PAUSE = 0.2
SLOW = 1.0
BUSY = 0.1
COUNTER = "github_api_insights_requests_total"
GAUGE = "github_api_insights_subject_last_request_timestamp_seconds"
_KEPT = re.compile(
    rf"^((?:{COUNTER}|github_exporter_collector_(?:errors_total|success|last_success_timestamp_seconds))\{{.*\}}"
    rf'|{GAUGE}\{{organization="[^"]*")(?:,.*)? (\S+)$',
    re.MULTILINE,
)


@dataclass(frozen=True)
class Sample:
    """One scrape: when it began (seconds that only rise, and the exporter's clock), how long it took, what it said.

    `late` is by how many seconds this thread woke too late for it: a machine that busy lets nobody be quick.
    """

    at: float
    late: float
    wall: float
    seconds: float
    status: int
    said: str
    values: Mapping[str, float]


@dataclass
class Watch:
    """The scrapes of a run."""

    url: str
    ahead: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    body: str = ""
    secrets_in: str = ""
    _ended: float = 0.0
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def looking_away(self) -> Iterator[None]:
        """Scrape nothing meanwhile: the process is down because that is the fault, or time passes at once."""
        with self._turn:
            yield

    @contextmanager
    def watching(self) -> Iterator["Watch"]:
        """Scrape in a thread meanwhile."""
        self._ended = time.monotonic()
        with repeating(self._look, PAUSE):
            yield self

    def _look(self) -> None:
        late = time.monotonic() - self._ended - PAUSE
        with self._turn:
            self._scrape(late)
        self._ended = time.monotonic()

    def _scrape(self, late: float) -> None:
        wall, at = time.time() + self.ahead, time.monotonic()
        status, body = get(f"{self.url}/metrics", timeout=10)
        seconds = time.monotonic() - at
        self.body = body
        if "CANARY" in body:
            self.secrets_in = body[max(0, body.index("CANARY") - 200) :][:400]
        values = {series: float(value) for series, value in _KEPT.findall(body)}
        self.samples.append(
            Sample(at, late, wall, seconds, status, "" if status == 200 else f"{status} {body[:200]}", values)
        )

    def failed(self) -> str:
        """What was wrong, or empty.

        A scrape is too slow if we woke in time before and after it, and not even then if it stands alone.
        """
        bad = [
            f"{sample.status} after {sample.at - self.samples[0].at:.1f} s, {sample.said}"
            for sample in self.samples
            if sample.said
        ]
        if bad:
            return f"{len(bad)} of {len(self.samples)} scrapes were answered {bad}"
        slow = [
            sample.seconds > SLOW and max(sample.late, after.late) < BUSY for sample, after in pairwise(self.samples)
        ]
        if any(one and other for one, other in pairwise(slow)):
            return f"scrapes took {max(sample.seconds for sample in self.samples):.1f} s"
        return ""
