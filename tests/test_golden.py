"""One collector, stored answers, one `/metrics` text: through the real client, counting and rendering.

`tests/github/NAME.json` is what GitHub answers to that endpoint (or to several, by path), `tests/golden/NAME.prom` and
`.om` what a scrape then gets. A counter begins at 0, so at first GitHub has nothing to tell; the golden text shows what
it then added.
"""

import asyncio
import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from pydantic import SecretStr

from exporter.catalogue import Collector
from exporter.collecting.asking import Question, ask
from exporter.collecting.counters import Rules, release
from exporter.collecting.plan import CollectorSettings, Job, Target
from exporter.collecting.tick import Attempt, conclude
from exporter.collecting.windows import Windows
from exporter.collectors import COLLECTORS
from exporter.collectors.copilot_usage import Breakdown
from exporter.collectors.usage_reports import Breakdown as SpendBreakdown
from exporter.github.client import GitHub
from exporter.github.credentials import TokenCredential
from exporter.github.downloads import Downloads
from exporter.github.pacing import Pool
from exporter.serving.http import Exposition, Filters
from exporter.serving.render import Format, columns_of, render
from exporter.serving.snapshot import Snapshot, at_rest
from exporter.serving.store import Store

HERE = Path(__file__).parent
NOW = 1795262400.0  # 2026-11-21T12:00:00Z
SUFFIX: dict[Format, str] = {"text": "prom", "openmetrics": "om"}
TARGETS = {"organization": "acme", "enterprise": "acme-corp", "appliance": "ghes-eu"}


SUBJECTS = {"user_id": "7", "actor_type": "installation", "actor_id": "954453"}


EVERYTHING = {
    "copilot_usage": {"breakdowns": get_args(Breakdown)},
    "usage_reports": {"breakdowns": get_args(SpendBreakdown), "report_type": "detailed"},
}


async def public(_host: str, _port: int) -> list[str]:
    """An address as a storage host has one."""
    return ["20.60.0.1"]


def empty(body: Any) -> Any:
    """The stored answer before anything had happened."""
    return [] if isinstance(body, list) else dict.fromkeys(body, 0)


def named(collector: Collector) -> str:
    """The golden file of a collector; those that share a name differ in whom they ask about."""
    alike = [one for one in COLLECTORS if one.name == collector.name]
    if len({one.scope for one in alike}) > 1:
        return f"{collector.name}.{collector.scope}"
    whose = {("user_id",): ".user", ("actor_type", "actor_id"): ".actor"}.get(collector.subject, "")
    return collector.name + (whose if len(alike) > 1 else "")


def stored(request: httpx.Request) -> Any:
    """What GitHub answers to a request: the stored answer of its endpoint."""
    _, insights, endpoint = request.url.path.partition("/insights/api/")
    if insights:
        name = endpoint.partition("/")[0].replace("-", "_")
        return json.loads((HERE / "github" / f"{name}.json").read_text())
    for path in (HERE / "github").glob("*.json"):
        answers = json.loads(path.read_text())
        if isinstance(answers, dict) and request.url.path in answers:
            return answers[request.url.path]
    raise AssertionError(f"nothing is stored for {request.url.path}")


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

    credential = TokenCredential("token", "https://api.github.com", "2022-11-28", None, SecretStr("golden"), None)
    github = GitHub(
        credential,
        Pool("token"),
        clock=lambda: NOW,
        monotonic=lambda: 0.0,
        transport=httpx.MockTransport(respond),
        downloads=Downloads(transport=httpx.MockTransport(file), resolve=public),
    )

    async def walk() -> Snapshot:
        snapshot = Snapshot()
        for begun[0] in (False, True):
            brought = await ask(Question(job, snapshot.counting, Windows()), github)
            snapshot = conclude(job, snapshot, Attempt(brought, NOW, 0.5, 0.0), Rules(500, 1e9)).snapshot
            if table := job.collector.counting:
                counting = release(snapshot.counting, (snapshot.version,) * len(table.counters))
                snapshot = Snapshot(**{**_fields(snapshot), "counting": counting})
        await github.aclose()
        return snapshot

    return asyncio.run(walk())


def _fields(snapshot: Snapshot) -> dict[str, Any]:
    return {name: getattr(snapshot, name) for name in Snapshot.__dataclass_fields__}


def exposition(job: Job, snapshot: Snapshot, form: Format, *, compressed: bool = False) -> str:
    store = Store(60.0)
    store.publish(job, at_rest(snapshot), render(job, columns_of(job, snapshot, NOW), snapshot.version), 0.0)
    answer = Exposition(store, [job.collector], tuple, lambda: 0.0).answer(form, gzip=compressed, filters=Filters())
    body = b"".join(answer.body)
    return (gzip.decompress(body) if compressed else body).decode()


def samples(families: Iterable[Metric]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = [
        ((sample.name, tuple(sorted(sample.labels.items()))), sample.value)
        for family in families
        for sample in family.samples
    ]
    assert len(dict(found)) == len(found), "a series stands there twice"
    return dict(found)


def expected(job: Job, snapshot: Snapshot) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What the snapshot holds, written down without the renderer."""
    found = {}
    for table in job.collector.tables:
        names = job.collector.labels(table)
        for family in table.gauges:
            prefix = (job.target.name,) if table.shared else job.prefix
            for labels, value in snapshot.gauges.get(family.name, ()):
                pairs = zip(names, (*prefix, *labels), strict=True)
                found[family.name, tuple(sorted(pairs))] = value
        if table.counters and snapshot.counting:
            for labels, numbers in snapshot.counting.series():
                for family, value in zip(table.counters, numbers, strict=True):
                    pairs = zip(names, (*job.prefix, *labels), strict=True)
                    found[family.name, tuple(sorted(pairs))] = float(value)
    return found


@pytest.mark.parametrize("form", ["text", "openmetrics"])
@pytest.mark.parametrize("collector", COLLECTORS, ids=named)
def test_golden(collector: Collector, form: Format, request: pytest.FixtureRequest) -> None:
    """The text equals the golden one, gzip or not, and Prometheus' own parser reads the snapshot's values from it."""
    job = job_of(collector)
    snapshot = snapshot_of(job)
    text = exposition(job, snapshot, form)
    golden = HERE / "golden" / f"{named(collector)}.{SUFFIX[form]}"
    if request.config.getoption("--golden-update"):
        golden.write_text(text)
    assert text == golden.read_text()
    assert exposition(job, snapshot, form, compressed=True) == text
    parse = parse_openmetrics if form == "openmetrics" else parse_text
    assert samples(parse(text)) == expected(job, snapshot)


def test_every_collector_file_is_registered_and_every_stored_answer_belongs_to_one() -> None:
    modules = {path.stem for path in (HERE.parent / "exporter" / "collectors").glob("*.py")} - {"__init__"}
    names = {collector.name for collector in COLLECTORS}
    assert names == modules
    assert {path.stem for path in (HERE / "github").glob("*.json")} == names
