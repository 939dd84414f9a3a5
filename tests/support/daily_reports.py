"""A GitHub with reports of single days, in files of records, and attempts of a collector against it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.collecting.conclude import Conclusion
from exporter.exposition.snapshot import Snapshot
from exporter.jobs import Job
from tests.support.attempts import conclusion_of
from tests.support.jobs import NOW, client, exposition, samples

HOST = "https://copilot-reports.github.com/"

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A family's name less `github_copilot_SCOPE_`, and its labels, sorted, less the target."""

Reports = Mapping[tuple[str, str], Any]
"""By report ("users-1-day") and day ("latest" for 28 days): a status, or the bodies of its files (bytes or JSON)."""


@dataclass
class DailyCloud:
    """GitHub's two steps; 404 for what is not there."""

    reports: Reports
    asked: list[tuple[str, str]] = field(default_factory=list)
    fetched: list[httpx.Request] = field(default_factory=list)
    host: str = HOST

    def api(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.partition("/copilot/metrics/reports/")[2]
        report, day = name.removesuffix("-28-day/latest"), request.url.params.get("day", "latest")
        self.asked.append((report, day))
        answer = self.reports.get((report, day), 404)
        if isinstance(answer, int):
            return httpx.Response(answer)
        links = [f"{self.host}{report}/{day}/{number}?sig=x" for number in range(len(answer))]
        return httpx.Response(200, json={"download_links": links, "report_day": day})

    def storage(self, request: httpx.Request) -> httpx.Response:
        self.fetched.append(request)
        assert "authorization" not in request.headers
        _, report, day, number = request.url.path.split("/")
        body = self.reports[report, day][int(number)]
        return httpx.Response(200, content=body if isinstance(body, bytes) else json.dumps(body).encode())


def attempt(
    reports: Reports | DailyCloud, job: Job, before: Snapshot | None = None, now: float = NOW, places: int = 500
) -> Conclusion:
    """One attempt through the real client."""
    cloud = reports if isinstance(reports, DailyCloud) else DailyCloud(reports)
    before = before or Snapshot()
    github = client(cloud.api, cloud.storage, now=now)
    return conclusion_of(job, github, before, data_time=before.data_time, now=now, places=places)


def shown(snapshot: Snapshot, job: Job) -> dict[Series, float]:
    """What a scrape gets of the collector."""
    scope = job.collector.scope
    prefix, target, found = f"github_copilot_{scope}_", (scope, job.target.name), {}
    for (name, labels), value in samples(parse_text(exposition(job, snapshot, "text"))).items():
        if name.startswith("github_copilot_"):
            assert name.startswith(prefix)
            assert target in labels
            found[name.removeprefix(prefix), tuple(pair for pair in labels if pair != target)] = value
    return found


def lines(records: Sequence[Any]) -> bytes:
    """Records as NDJSON."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)
