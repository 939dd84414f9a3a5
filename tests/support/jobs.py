"""A job of a collector with everything switched on, and its snapshot and exposition of GitHub's stored answers."""

import asyncio
import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_args

import httpx
from prometheus_client import Metric
from pydantic import SecretStr

from exporter.catalogue import Collector
from exporter.collecting.attempt import Attempt, Question, ask
from exporter.collecting.conclude import conclude
from exporter.collectors.copilot_usage import Breakdown
from exporter.collectors.usage_reports import Breakdown as SpendBreakdown
from exporter.counting.counters import release
from exporter.counting.keys import Rules
from exporter.counting.windows import Windows
from exporter.exposition.answers import Exposition, Filters
from exporter.exposition.render import columns_of, render
from exporter.exposition.snapshot import Snapshot, status_of
from exporter.exposition.store import Store
from exporter.exposition.text import Format
from exporter.github.client import GitHub
from exporter.github.credentials import TokenCredential
from exporter.github.downloads import Downloads
from exporter.github.pacing import Pool
from exporter.jobs import CollectorSettings, Job, Target
from exporter.simulator.stored import ANSWERS

TESTS = Path(__file__).parents[1]
NOW = 1795262400.0  # 2026-11-21T12:00:00Z

Respond = Callable[[httpx.Request], httpx.Response]

TARGETS = {"organization": "acme", "enterprise": "acme-corp", "appliance": "ghes-eu"}


SUBJECTS = {"user_id": "7", "actor_type": "installation", "actor_id": "954453"}


EVERYTHING = {
    "copilot_usage": {"breakdowns": get_args(Breakdown)},
    "budgets": {"each": True},
    "licenses": {"users": True},
    "copilot_people": {"people": True},
    "usage_reports": {"breakdowns": get_args(SpendBreakdown), "report_type": "detailed"},
}


async def public(_host: str, _port: int) -> list[str]:
    """An address as a storage host has one."""
    return ["20.60.0.1"]


def empty(body: Any) -> Any:
    """The stored answer before anything had happened."""
    return [] if isinstance(body, list) else dict.fromkeys(body, 0)


def stored(request: httpx.Request) -> Any:
    """What GitHub answers to a request: the stored answer of its endpoint."""
    _, insights, endpoint = request.url.path.partition("/insights/api/")
    if insights:
        name = endpoint.partition("/")[0].replace("-", "_")
        return json.loads((ANSWERS / f"{name}.json").read_text())
    for path in ANSWERS.glob("*.json"):
        answers = json.loads(path.read_text())
        if isinstance(answers, dict) and request.url.path in answers:
            return answers[request.url.path]
    raise AssertionError(f"nothing is stored for {request.url.path}")


def client(respond: Respond, storage: Respond | None = None, *, now: float = NOW) -> GitHub:
    """A client of GitHub.com whose requests `respond` answers, and `storage` those for signed files."""
    return GitHub(
        TokenCredential("token", "https://api.github.com", "2022-11-28", None, SecretStr("golden"), None),
        Pool("token"),
        clock=lambda: now,
        monotonic=lambda: 0.0,
        transport=httpx.MockTransport(respond),
        downloads=Downloads(transport=httpx.MockTransport(storage), resolve=public) if storage else None,
    )


def job_of(collector: Collector) -> Job:
    options = collector.options.model_validate(EVERYTHING.get(collector.name, {}))
    settings = CollectorSettings(True, collector.interval, collector.max_age, options)
    target = Target(collector.scope, TARGETS[collector.scope], "token")
    return Job(collector, target, settings, 0, tuple(SUBJECTS[label] for label in collector.subject))


def snapshot_of(job: Job, answer: Callable[[httpx.Request], Any] = stored) -> Snapshot:
    """The job's snapshot after an answer of nothing and this one, every series released."""
    begun, counts = [False], job.collector.counting is not None

    def respond(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer golden"
        return httpx.Response(200, json=answer(request) if begun[0] or not counts else empty(answer(request)))

    def file(request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        content = answer(request)
        return httpx.Response(200, text=content) if isinstance(content, str) else httpx.Response(200, json=content)

    github = client(respond, file)

    async def walk() -> Snapshot:
        snapshot = Snapshot()
        for begun[0] in (False, True):
            brought = await ask(Question(job, snapshot.counting, Windows()), github)
            snapshot = conclude(job, snapshot, Attempt(brought, NOW, 0.5, 0.0), Rules(500, 1e9)).snapshot
            if (table := job.collector.counting) and snapshot.counting:
                counting = release(snapshot.counting, (snapshot.version,) * len(table.counters))
                snapshot = Snapshot(**{**_fields(snapshot), "counting": counting})
        await github.aclose()
        return snapshot

    return asyncio.run(walk())


def _fields(snapshot: Snapshot) -> dict[str, Any]:
    return {name: getattr(snapshot, name) for name in Snapshot.__dataclass_fields__}


def exposition(job: Job, snapshot: Snapshot, form: Format, *, compressed: bool = False, now: float = NOW) -> str:
    store = Store(60.0)
    store.publish(job, status_of(snapshot), render(job, columns_of(job, snapshot, now), snapshot.version), 0.0)
    page = Exposition(store, [job.collector], tuple, lambda: 0.0)
    body = b"".join(asyncio.run(page.answer(form, gzip=compressed, filters=Filters())).body)
    return (gzip.decompress(body) if compressed else body).decode()


def samples(families: Iterable[Metric]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = [
        ((sample.name, tuple(sorted(sample.labels.items()))), sample.value)
        for family in families
        for sample in family.samples
    ]
    assert len(dict(found)) == len(found), "a series stands there twice"
    return dict(found)
