"""What the exporter answers, over real HTTP."""

import asyncio
import gzip
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.collectors import COLLECTORS, summary_stats, time_stats
from exporter.exposition.answers import Exposition
from exporter.exposition.chunks import deflate
from exporter.exposition.render import Piece
from exporter.exposition.snapshot import Snapshot, status_of
from exporter.exposition.store import Store
from exporter.serving.http import Web
from exporter.serving.server import listening
from tests.support.jobs import job_of

REQUESTS = "github_api_insights_requests_total"
LIMITED = "github_api_insights_rate_limited_requests_total"
NEWEST = "github_api_insights_newest_data_timestamp_seconds"
OWN = (
    "github_exporter_scrapes_rejected_total",
    "counter",
    "Own.",
    b"github_exporter_scrapes_rejected_total 0\n",
)


@dataclass
class Site:
    """The application over two jobs, and how often its own metrics were rendered."""

    store: Store = field(default_factory=lambda: Store(60.0))
    now: float = 100.0
    ready: bool = False
    own_rendered: int = 0
    only: str = ""
    rejected: int = 0
    page_may_end: asyncio.Event = field(default_factory=asyncio.Event)
    path: str = "page"

    def reject(self) -> None:
        self.rejected += 1

    async def page(self, only: str) -> str:
        self.only = only
        await self.page_may_end.wait()
        return f"<p>{self.path}</p>"

    async def status(self) -> str:
        return f'{{"schema": 1, "path": "{self.path}"}}'

    def own(self) -> list[tuple[str, str, str, bytes]]:
        self.own_rendered += 1
        return [OWN]

    def publish(self, version: int, size: int = 0) -> None:
        """`size` is how many bytes the comment is long that stands with each sample."""
        for collector, names in ((summary_stats.COLLECTOR, (REQUESTS, LIMITED)), (time_stats.COLLECTOR, (NEWEST,))):
            text = f"{version}\n" + (f"# {'x' * size}\n" if size else "")
            lines = {name: deflate(f'{name}{{organization="acme"}} {text}'.encode()) for name in names}
            pieces = {name: Piece((one,), 1, version) for name, one in lines.items()}
            self.store.publish(job_of(collector), status_of(Snapshot(version=version)), pieces, self.now)


@asynccontextmanager
async def site(max_requests: int = 40) -> AsyncIterator[tuple[Site, httpx.AsyncClient, Web]]:
    made = Site()
    made.page_may_end.set()
    made.publish(1)
    web = Web(
        exposition=Exposition(made.store, COLLECTORS, lambda: [made.own()], lambda: made.now),
        store=made.store,
        known_collectors=frozenset(collector.name for collector in COLLECTORS),
        telemetry_path="/metrics",
        max_requests=max_requests,
        count_rejected=made.reject,
        ready=lambda: made.ready,
        page=made.page,
        status=made.status,
        clock=lambda: made.now,
    )
    async with listening(web, ["127.0.0.1:0"]) as bound:
        host, port = bound.addresses[0]
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}") as client:
            yield made, client, web


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/-/healthy", 200), ("/-/ready", 503), ("/nowhere", 404), ("/metrics", 200)]
)
def test_paths(path: str, status: int) -> None:
    async def ask() -> None:
        async with site() as (_made, client, _web):
            assert (await client.get(path)).status_code == status
            assert (await client.head(path)).status_code == status
            assert (await client.post(path)).status_code == 405

    asyncio.run(ask())


def test_a_scrape_does_not_wait_for_the_status_page() -> None:
    async def ask() -> None:
        async with site() as (made, client, _web):
            made.page_may_end.clear()
            page = asyncio.create_task(client.get("/"))
            assert (await client.get("/metrics")).status_code == 200
            assert not page.done()
            made.page_may_end.set()
            assert (await page).text == "<p>page</p>"

    asyncio.run(ask())


def test_a_path_that_is_no_utf_8_does_not_stop_the_page() -> None:
    """The path of a token's file, for example, as Python reads it of the environment."""

    async def ask() -> None:
        async with site() as (made, client, _web):
            made.path = os.fsdecode(b"/run/\xff")
            for path in ("/", "/api/v1/status"):
                answer = await client.get(path)
                assert (answer.status_code, r"/run/\udcff" in answer.text) == (200, True)

    asyncio.run(ask())


def test_ready_turns_200() -> None:
    async def ask() -> None:
        async with site() as (made, client, _web):
            made.ready = True
            assert (await client.get("/-/ready")).status_code == 200

    asyncio.run(ask())


def test_text_openmetrics_and_gzip_hold_the_same_samples() -> None:
    async def ask() -> None:
        async with site() as (_made, client, _web):
            text = await client.get("/metrics", headers={"accept-encoding": "identity"})
            assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            openmetrics = await client.get(
                "/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"}
            )
            assert openmetrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
            assert openmetrics.headers["content-encoding"] == "gzip"
            found = [
                {(sample.name, sample.value) for family in parse(body) for sample in family.samples}
                for parse, body in ((parse_text, text.text), (parse_openmetrics, openmetrics.text))
            ]
            assert found[0] == found[1]
            assert len(found[0]) == 4
            async with client.stream("GET", "/metrics", headers={"accept-encoding": "gzip"}) as raw:
                packed = b"".join([chunk async for chunk in raw.aiter_raw()])
            assert gzip.decompress(packed) == text.content

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("collect[]=summary_stats", {REQUESTS, LIMITED, OWN[0]}),
        ("collect[]=summary_stats&collect[]=time_stats", {REQUESTS, LIMITED, NEWEST, OWN[0]}),
        (f"name[]={REQUESTS}", {REQUESTS}),
        (f"name[]={REQUESTS.removesuffix('_total')}&name[]={OWN[0]}", {REQUESTS, OWN[0]}),
        (f"collect[]=time_stats&name[]={REQUESTS}", set()),
        ("name[]=nothing", set()),
        ("collect[]=", {REQUESTS, LIMITED, NEWEST, OWN[0]}),
        ("other=1&%ff=%00", {REQUESTS, LIMITED, NEWEST, OWN[0]}),
    ],
)
def test_filters(query: str, names: set[str]) -> None:
    async def ask() -> None:
        async with site() as (_made, client, _web):
            answer = await client.get(f"/metrics?{query}")
            assert answer.status_code == 200
            assert {sample.name for family in parse_text(answer.text) for sample in family.samples} == names

    asyncio.run(ask())


def test_an_unknown_collector_is_refused_with_the_known_ones() -> None:
    async def ask() -> None:
        async with site() as (_made, client, _web):
            answer = await client.get("/metrics?collect[]=sumary_stats")
            assert answer.status_code == 400
            assert "summary_stats" in answer.text
            assert answer.headers["x-content-type-options"] == "nosniff", "it repeats what was asked for"

    asyncio.run(ask())


def test_own_metrics_are_rendered_once_a_second_at_most() -> None:
    async def ask() -> None:
        async with site() as (made, client, _web):
            for _ in range(5):
                await client.get("/metrics")
            assert made.own_rendered == 1
            made.now += 1.0
            await client.get("/metrics")
            assert made.own_rendered == 2

    asyncio.run(ask())


def test_what_was_published_is_in_the_next_answer() -> None:
    async def ask() -> None:
        async with site() as (made, client, _web):
            for version, encoding in ((2, "gzip"), (3, "identity"), (4, "identity")):
                await client.get("/metrics", headers={"accept-encoding": encoding})
                made.publish(version)
                made.now += 0.2 if encoding == "gzip" else 0.0
                answer = await client.get("/metrics", headers={"accept-encoding": encoding})
                assert f'{REQUESTS}{{organization="acme"}} {version}\n' in answer.text

    asyncio.run(ask())


def test_only_an_answer_to_get_counts_as_served() -> None:
    async def ask() -> None:
        async with site() as (made, client, _web):
            await client.head("/metrics")
            await client.get(f"/metrics?name[]={REQUESTS}")
            job = job_of(summary_stats.COLLECTOR)
            for _ in range(500):  # noted once the client has acknowledged, a moment after it has the answer
                versions = made.store.releasable(job, made.now + 100)
                if versions != (-1, -1):
                    break
                await asyncio.sleep(0.01)
            assert versions == (1, -1)

    asyncio.run(ask())


def test_scrapers_that_do_not_read_lock_nobody_out_and_are_counted() -> None:
    async def ask() -> None:
        async with site(max_requests=2) as (made, client, web), AsyncExitStack() as stack:
            made.publish(2, size=20_000_000)
            address = client.base_url.host, client.base_url.port
            idle = []
            for taken in (1, 2):
                reader, writer = await asyncio.open_connection(*address, limit=1024)
                stack.callback(writer.close)
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n")
                for _ in range(500):
                    if len(web.scrapes) == taken:
                        break
                    await asyncio.sleep(0.01)
                idle.append(reader)
            for _scrape in range(2):
                assert (await client.get("/metrics")).status_code == 200
                assert made.rejected == 1
            assert (await client.get("/-/healthy")).status_code == 200
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):  # the one that came first is cut
                await idle[0].readexactly(30_000_000)

    asyncio.run(ask())


def test_scrapes_that_are_read_wait_for_a_place_and_all_are_answered() -> None:
    async def ask() -> None:
        async with site(max_requests=1) as (made, client, _web):
            made.publish(2, size=200_000)
            answers = await asyncio.gather(*(client.get("/metrics") for _ in range(20)))
            assert [answer.status_code for answer in answers] == [200] * 20
            assert made.rejected == 0

    asyncio.run(ask())
