"""Stored server statistics, and what the collector reads out of records."""

import asyncio
import json
from typing import Any

import httpx

from exporter.catalogue import Collector
from exporter.collectors import appliance_stats, server_statistics
from exporter.fetching import Ask, Fetched
from exporter.simulator.stored import ANSWERS
from tests.support.jobs import NOW, TARGETS, Respond, client

STATISTICS, APPLIANCE = server_statistics.COLLECTOR, appliance_stats.COLLECTOR
PATH = "/enterprise-installation/acme-corp/server-statistics"

S = "github_server_statistics_"
STORED: dict[str, Any] = {
    **json.loads((ANSWERS / "server_statistics.json").read_text()),
    **json.loads((ANSWERS / "appliance_stats.json").read_text()),
}
FULL: dict[str, Any] = STORED[PATH][1]


def respond(answers: dict[str, Any]) -> Respond:
    """Answers by path: a body, bytes that are sent as they are, or a status."""

    def answer(request: httpx.Request) -> httpx.Response:
        found = answers[request.url.path]
        if isinstance(found, int):
            return httpx.Response(found, json={"message": "no"})
        return httpx.Response(200, content=found if isinstance(found, bytes) else json.dumps(found).encode())

    return answer


def fetched(collector: Collector, answer: Respond, **options: Any) -> Fetched:
    """What the collector brings, through the real client."""

    async def run() -> Fetched:
        github = client(answer)
        try:
            asked = Ask(TARGETS[collector.scope], (), collector.options(**options), int(NOW), int(NOW))
            return await collector.fetch(github, asked)
        finally:
            await github.aclose()

    return asyncio.run(run())


def of(*records: Any) -> Fetched:
    """Server statistics of these records on one page."""
    return fetched(STATISTICS, respond({PATH: list(records)}))
