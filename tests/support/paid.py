"""Collectors of what is paid for, asked through the real client: figures as a scrape shows them, numbers of a body."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from exporter.catalogue import Collector
from exporter.collecting.conclude import Conclusion
from exporter.exposition.snapshot import Snapshot
from exporter.jobs import Job
from exporter.simulator.stored import ANSWERS
from tests.support.attempts import conclusion_of
from tests.support.jobs import NOW, client, exposition, job_of

EXAMPLES = Path(__file__).parents[1] / "examples"

Body = Any
"""What GitHub answers to a path: a body, a status, or a function of the request that returns a response."""


def example(name: str) -> Any:
    """A body that was made for the tests."""
    return json.loads((EXAMPLES / f"{name}.json").read_text())


def official(collector: str) -> dict[str, Any]:
    """GitHub's own examples, by path."""
    answers: dict[str, Any] = json.loads((ANSWERS / f"{collector}.json").read_text())
    return answers


def asking(collector: Collector, **options: Any) -> Job:
    """A job with these options of its own."""
    job = job_of(collector)
    return replace(job, settings=replace(job.settings, options=collector.options.model_validate(options)))


def answered(
    job: Job, bodies: Mapping[str, Body], before: Snapshot | None = None, *, now: float = NOW, places: int = 500
) -> Conclusion:
    """The conclusion of one attempt; a path without a body is not found."""

    def respond(request: httpx.Request) -> httpx.Response:
        body = bodies.get(request.url.path, 404)
        if callable(body):
            response: httpx.Response = body(request)
            return response
        return httpx.Response(body, json={}) if isinstance(body, int) else httpx.Response(200, json=body)

    return conclusion_of(job, client(respond, now=now), before, now=now, places=places)


def shown(job: Job, snapshot: Snapshot) -> dict[str, float]:
    """The collector's series in a scrape, without the target's label."""
    names = {family.name for table in job.collector.tables for family in table.families}
    target = re.compile(rf'(?<=[{{]){job.target.kind}="{job.target.name}",?')
    lines = [line for line in exposition(job, snapshot, "text").split("\n") if re.split(r"[{ ]", line)[0] in names]
    assert all(target.search(line) for line in lines)
    pairs = (target.sub("", line).replace("{}", "").rpartition(" ") for line in lines)
    return {series: float(value) for series, _, value in pairs}


def figures(job: Job, bodies: Mapping[str, Body]) -> dict[str, float]:
    """What a scrape shows after these answers, which are all readable and known."""
    concluded = answered(job, bodies)
    assert concluded.error is None
    assert (concluded.unreadable, concluded.unknown) == (0, 0)
    return shown(job, concluded.snapshot)


def numbers(value: Any, place: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a body, with its place such as `users[0].total_user_accounts`."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from numbers(inner, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from numbers(inner, f"{place}[{index}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place, value
