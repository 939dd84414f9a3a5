"""GitHub's Copilot usage reports as httpx transports, and attempts of the collector against them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.catalogue import Collector
from exporter.collecting.conclude import Conclusion
from exporter.collectors.copilot_usage import COLLECTOR, OF_ENTERPRISE
from exporter.exposition.snapshot import Snapshot
from exporter.jobs import Job
from exporter.simulator.stored import ANSWERS
from tests.support.attempts import conclusion_of
from tests.support.jobs import NOW, client, exposition, job_of, samples

DAY = 86400.0
D1, D2, D3, D4, D5 = "2026-11-20", "2026-11-19", "2026-11-18", "2026-11-17", "2026-11-16"
HOST = "https://copilot-reports-production-1.b01.azurefd.net/"

COLLECTORS = {"organization": COLLECTOR, "enterprise": OF_ENTERPRISE}


@dataclass(frozen=True)
class Files:
    """A report: its files (bytes, a JSON value, or the status that the host answers), and how many links are dead."""

    bodies: tuple[Any, ...]
    dead: int
    host: str


def files(*bodies: Any, dead: int = 0, host: str = HOST) -> Files:
    return Files(bodies, dead, host)


@dataclass
class Cloud:
    """GitHub's two steps: `answers` by day or "latest", a status, body bytes or `Files`; 404 for what is not there."""

    answers: dict[str, Any]
    asked: list[str] = field(default_factory=list)
    sent: list[httpx.Request] = field(default_factory=list)
    fetched: list[httpx.Request] = field(default_factory=list)
    date: float | None = None
    _made: dict[str, Any] = field(default_factory=dict)

    def api(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        assert request.headers["authorization"] == "Bearer golden"
        headers = {}
        if self.date is not None:
            headers["date"] = datetime.fromtimestamp(self.date, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
            headers["x-github-request-id"] = "5140:1"
        if request.url.path == "/rate_limit":
            return httpx.Response(200, headers=headers)
        day = request.url.params.get("day", "latest")
        scope, period = re.fullmatch(r"/\w+/[\w-]+/copilot/metrics/reports/(\w+)-(.*)", request.url.path).groups()  # type: ignore[union-attr]
        assert scope in COLLECTORS
        assert period == ("28-day/latest" if day == "latest" else "1-day")
        self.asked.append(day)
        answer = self.answers.get(day, 404)
        if isinstance(answer, Files):
            content = json.dumps({"download_links": list(self._links(day, answer)), "report_day": day}).encode()
            return httpx.Response(200, content=content, headers=headers)
        status, content = (200, answer) if isinstance(answer, bytes) else (answer, b"")
        return httpx.Response(status, content=content, headers=headers)

    def _links(self, day: str, answer: Files) -> Iterator[str]:
        dead = self.asked.count(day) <= answer.dead
        for number, body in enumerate(answer.bodies):
            path = f"{day}-{len(self.asked)}-{number}.json"
            last = number == len(answer.bodies) - 1
            self._made["/" + path] = 403 if dead and last else body
            yield f"{answer.host}{path}?sig=x"

    def storage(self, request: httpx.Request) -> httpx.Response:
        self.fetched.append(request)
        body = self._made[request.url.path]
        if isinstance(body, int):
            return httpx.Response(body)
        return httpx.Response(200, content=body if isinstance(body, bytes) else json.dumps(body).encode())


def daily(collector: Collector = COLLECTOR) -> Job:
    """A job that shows all but the engagement by feature, for which the report of 28 days would be asked."""
    job = job_of(collector)
    chosen = tuple(one for one in job.settings.options.model_dump()["breakdowns"] if one != "feature_engagement")
    options = job.settings.options.model_copy(update={"breakdowns": chosen})
    return replace(job, settings=replace(job.settings, options=options))


def attempt(
    cloud: Cloud, *, job: Job | None = None, before: Snapshot | None = None, now: float = NOW, places: int = 500
) -> Conclusion:
    """One attempt through the real client."""
    job, before = job or daily(), before or Snapshot()
    github = client(cloud.api, cloud.storage, now=now)
    return conclusion_of(job, github, before, data_time=before.data_time, now=now, places=places)


def midnight(day: str) -> float:
    return datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()


def record(day: str, users: int = 120) -> dict[str, Any]:
    return {"day": day, "daily_active_users": users, "totals_by_ide": [{"ide": "vscode", "loc_added_sum": users * 2}]}


@dataclass
class Calendar:
    """A GitHub at which an organization uses Copilot on some days. A day is there two days later, 204 else.

    The 28 days hold the days with use; `gone` tells that they answer 204, too. `answers` differ from that, by day.
    """

    used: list[str]
    gone: bool = False
    answers: dict[str, Any] = field(default_factory=dict)
    snapshot: Snapshot = field(default_factory=Snapshot)
    asked: list[str] = field(default_factory=list)

    def at(self, now: float, **options: Any) -> Snapshot:
        """The snapshot after a run at that instant."""
        first = now // DAY * DAY - 29 * DAY
        days = [datetime.fromtimestamp(first + n * DAY, UTC).date().isoformat() for n in range(28)]
        there = [record(day, int(day[-2:])) for day in days if day in self.used]
        cloud = Cloud(
            {
                **dict.fromkeys(days, 204),
                **{day: files(record(day, int(day[-2:]))) for day in self.used if midnight(day) <= now - 2 * DAY},
                "latest": 204 if self.gone else files({"day_totals": there}),
                **self.answers,
            }
        )
        self.snapshot = attempt(cloud, before=self.snapshot, now=now, **options).snapshot
        self.asked = cloud.asked
        return self.snapshot

    def age(self, now: float) -> float:
        """How old the data are, in days."""
        assert self.snapshot.data_time is not None
        return (now - self.snapshot.data_time) / DAY


STORED = json.loads((ANSWERS / "copilot_usage.json").read_text())


Series = tuple[str, tuple[tuple[str, str], ...]]
"""A family's name less `github_copilot_SCOPE_`, and its labels, sorted, less the target."""


def shown(snapshot: Snapshot, scope: str = "organization") -> dict[Series, float]:
    """What a scrape gets of the collector."""
    job = job_of(COLLECTORS[scope])
    prefix, target = f"github_copilot_{scope}_", (scope, job.target.name)
    found = {}
    for (name, labels), value in samples(parse_text(exposition(job, snapshot, "text"))).items():
        if name.startswith("github_copilot_"):
            assert name.startswith(prefix)
            assert target in labels
            found[name.removeprefix(prefix), tuple(pair for pair in labels if pair != target)] = value
    return found


def one(name: str, **labels: str) -> Series:
    return name, tuple(sorted(labels.items()))


def stored(scope: str) -> list[dict[str, Any]]:
    return [STORED[f"/{scope}-{number}.json"] for number in (1, 2)]


def engagement(scope: str) -> dict[str, Any]:
    """The stored report of 28 days."""
    report: dict[str, Any] = STORED[f"/{scope}-28-days.json"]
    return report


def whole(scope: str) -> dict[str, Any]:
    first, second = stored(scope)
    return {**first, **second}
