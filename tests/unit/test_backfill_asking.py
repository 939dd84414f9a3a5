"""How the past is asked: within the budget that the exporter leaves, patiently, and never for ever."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from exporter.catalogue import Collector
from exporter.collecting.access import Access
from exporter.collectors.summary_stats import COLLECTOR as SUMMARY
from exporter.collectors.summary_stats import SummaryRow
from exporter.collectors.time_stats import COLLECTOR as TIMES
from exporter.errors import HostRefused, NotFound
from exporter.fetching import Api, Ask
from exporter.github.budget import Budget
from exporter.github.client import GitHub
from exporter.github.credentials import TokenCredential
from exporter.github.pacing import Pool
from exporter.history.asking import Asking
from exporter.history.files import Files
from exporter.history.folder import Folder
from exporter.history.patience import Patience
from exporter.history.samples import Samples, families_of
from exporter.history.sources import Source
from exporter.history.spool import Gap, Spool
from exporter.instants import DAY, HOUR, epoch
from exporter.jobs import CollectorSettings, Job, Target
from exporter.past import CountedHours, Part, Past, PastAnswer, Shown
from exporter.privacy import Naming

NOW = epoch("2026-12-01T10:00:00Z")
LIMIT = 1_000
USUAL = Budget(0.3, 50)
LOGINS = Naming()
Answer = Callable[[int], httpx.Response]


@dataclass
class Scene:
    """A source of so many parts, each of one request; the clock moves only while somebody waits."""

    folder: Path
    answer: Answer
    parts: int
    budget: Budget = USUAL
    collector: Collector = SUMMARY
    naming: Naming = LOGINS
    is_listed_by_github: bool = False
    now: float = NOW
    sent: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    whys: list[str] = field(default_factory=list)

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def expect(self, requests: int) -> None:
        pass

    def done(self, requests: int) -> None:
        pass

    def wait(self, seconds: float, why: str) -> None:
        self.whys.append(why)
        self.waits.append(seconds)

    def fail(self, what: str) -> None:
        self.failures.append(what)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def respond(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path.startswith(("/parts/", "/rate_limit"))
        self.sent.append(self.now)
        return self.answer(len(self.sent))

    async def fetch(self, api: Api, _ask: Ask, part: Part) -> PastAnswer:
        await api.get(f"/parts/{part.start}")
        row = SummaryRow(total_request_count=0, rate_limited_request_count=0)
        return PastAnswer(counted=(CountedHours(row, {part.end: (1, 0)}),))

    async def list_parts(self, api: Api, ask: Ask) -> tuple[Part, ...]:
        if self.is_listed_by_github:
            await api.get("/parts/list")
        return tuple(Part(ask.start + n * HOUR, ask.start + (n + 1) * HOUR) for n in range(self.parts))

    has_any: Callable[[Api, Ask], Coroutine[Any, Any, object]] | None = None

    @property
    def spool(self) -> Path:
        return self.folder / "spool.db"

    def run(self) -> list[Gap]:
        """Read everything; the parts that are missing."""
        pool = Pool("default", self.budget)
        credential = TokenCredential("default", "https://api.github.com", "2022-11-28", None, SecretStr("x"), None)
        github = GitHub(
            credential, pool, clock=self.wall, monotonic=self.monotonic, transport=httpx.MockTransport(self.respond)
        )
        settings = CollectorSettings(True, self.collector.interval, self.collector.max_age, self.collector.options())
        job = Job(self.collector, Target("organization", "acme", "default"), settings, 0)
        past = Past(self.fetch, "whole", reach=100 * DAY, list_parts=self.list_parts, has_any=self.has_any)
        source = Source(job, past, int(NOW) - 50 * DAY, int(NOW) - DAY)
        folder = Folder(self.folder / "out")
        folder.begin({}, {})
        numbers = {family.name: n for n, family in enumerate(families_of([job]))}
        samples = {job.key: Samples(job, numbers, self.naming, (), 100)}
        with closing(folder), closing(Spool(self.spool)) as spool:
            files = Files(spool, folder, 300, {source.file: [source]})
            asking = Asking(spool, files, Patience(self, self.naming, self, self.sleep), samples)
            asyncio.run(asking.run({"default": [(source, Access(credential, github, pool))]}))
            return spool.gaps()


def ok(_number: int, **headers: str) -> httpx.Response:
    limits = {
        "x-ratelimit-limit": str(LIMIT),
        "x-ratelimit-remaining": "900",
        "x-ratelimit-reset": str(int(NOW) + HOUR),
    }
    return httpx.Response(200, json={}, headers={**limits, **headers})


def most_within(sent: list[float], seconds: float) -> int:
    """The most requests in any span of this length."""
    return max(sum(at <= one < at + seconds for one in sent) for at in sent)


def test_the_budget_is_what_the_running_exporter_leaves(tmp_path: Path) -> None:
    scene = Scene(tmp_path, ok, parts=250, budget=Budget(0.3, 50, others=200))
    assert not scene.run()
    assert len(scene.sent) == 250
    assert most_within(scene.sent, HOUR) <= LIMIT * 0.3 - 200
    assert most_within(scene.sent, 300) <= (LIMIT * 0.3 - 200) / 3 + 1, "no bursts"


def test_nothing_is_sent_while_others_need_the_rest(tmp_path: Path) -> None:
    def nearly_spent(number: int) -> httpx.Response:
        return ok(number, **({"x-ratelimit-remaining": "40"} if number == 3 else {}))

    scene = Scene(tmp_path, nearly_spent, parts=6)
    assert not scene.run()
    assert [at > NOW + HOUR for at in scene.sent] == [False] * 3 + [True] * 3


def limited(number: int) -> httpx.Response:
    return httpx.Response(429, headers={"retry-after": "70"}) if number == 2 else ok(number)


def hiccup(number: int) -> httpx.Response:
    return httpx.Response(502) if number in (2, 3) else ok(number)


@pytest.mark.parametrize(("answer", "waits"), [(limited, [70.0]), (hiccup, [5.0, 30.0])])
def test_a_limit_is_waited_for_and_a_hiccup_is_asked_again(answer: Answer, waits: list[float], tmp_path: Path) -> None:
    scene = Scene(tmp_path, answer, parts=4)
    assert not scene.run()
    assert [round(wait) for wait in scene.waits] == waits
    assert len(scene.sent) == 4 + len(waits)


def test_what_fails_four_times_is_a_gap_and_the_rest_is_read(tmp_path: Path) -> None:
    scene = Scene(tmp_path, lambda number: httpx.Response(500) if 2 <= number <= 5 else ok(number), parts=3)
    (gap,) = scene.run()
    assert (gap.state, gap.start) == ("failed", int(NOW) - 50 * DAY + HOUR)
    assert len(scene.failures) == 1
    assert len(scene.sent) == 2 + 4


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_ends_the_source_after_one_request(status: int, tmp_path: Path) -> None:
    scene = Scene(tmp_path, lambda _number: httpx.Response(status, json={"message": "no"}), parts=100)
    gaps = scene.run()
    assert len(gaps) == 100
    assert len(scene.sent) <= 2
    assert len(scene.failures) == 1


def test_a_host_that_is_not_allowed_ends_the_source_with_the_line_to_write(tmp_path: Path) -> None:
    scene = Scene(tmp_path, ok, parts=50)

    async def refused(*_: object) -> PastAnswer:
        raise HostRefused("refused", "reports.example.com", ("*.github.com",))

    scene.fetch = refused  # type: ignore[assignment, method-assign] # every file is on that host
    assert len(scene.run()) == 50
    (failure,) = scene.failures
    assert "collectors:" in failure
    assert "summary_stats" in failure


def test_a_fault_of_ours_costs_one_part(tmp_path: Path) -> None:
    scene = Scene(tmp_path, ok, parts=3)
    fetch = scene.fetch

    async def broken(api: Api, ask: Ask, part: Part) -> PastAnswer:
        if part.start == int(NOW) - 50 * DAY + HOUR:
            raise KeyError("octocat")
        return await fetch(api, ask, part)

    scene.fetch = broken  # type: ignore[assignment, method-assign] # one part of it fails
    (gap,) = scene.run()
    assert "unexpected KeyError at test_backfill_asking.py" in gap.why
    assert "octocat" not in gap.why


def test_what_a_refusal_leaves_unlisted_is_listed_by_the_next_run(tmp_path: Path) -> None:
    scene = Scene(tmp_path, lambda _: httpx.Response(401, json={}), parts=9, is_listed_by_github=True)
    assert (len(scene.run()), len(scene.failures)) == (1, 1)
    with closing(Spool(scene.spool)) as spool:
        (job,) = spool.failed_jobs()
        assert not spool.has_parts(job)
        spool.reopen_failed()
        assert (spool.gaps(), spool.has_parts(job)) == ([], False)
    again = Scene(tmp_path / "again", ok, parts=9, is_listed_by_github=True)
    again.folder.mkdir()
    scene.spool.rename(again.spool)
    assert not again.run()
    assert len(again.sent) == 1 + 9


def test_figures_end_where_a_source_is_given_up(tmp_path: Path) -> None:
    scene = Scene(
        tmp_path, lambda number: ok(number) if number < 3 else httpx.Response(403, json={}), 5, collector=TIMES
    )

    async def shown(api: Api, _ask: Ask, part: Part) -> PastAnswer:
        await api.get(f"/parts/{part.start}")
        return PastAnswer((Shown(part.start),))

    scene.fetch = shown  # type: ignore[method-assign] # gauges instead of counts
    scene.run()
    with closing(Spool(scene.spool)) as spool:
        (job,) = spool.failed_jobs()
        assert [mark.kind for mark in spool.marks(job)[""]] == ["nothing"] * 2 + ["missing"] * 3


@pytest.mark.parametrize(("is_any", "sent"), [(True, 5), (False, 1)])
def test_a_404_of_the_first_part_is_no_proof_that_there_is_nothing(is_any: bool, sent: int, tmp_path: Path) -> None:
    scene = Scene(tmp_path, ok, parts=5, collector=TIMES)

    async def nothing(api: Api, _ask: Ask, part: Part) -> PastAnswer:
        await api.get(f"/parts/{part.start}")
        return PastAnswer(missing="GitHub has no report of the day")

    async def has_any(*_: object) -> None:
        if not is_any:
            raise NotFound("no such reports")

    scene.fetch, scene.has_any = nothing, has_any  # type: ignore[method-assign] # GitHub has nothing
    gaps = scene.run()
    assert len(scene.sent) == sent
    assert {gap.state for gap in gaps} == {"missing" if is_any else "failed"}
    assert len(scene.failures) == (0 if is_any else 1)


def test_whom_privacy_hides_is_in_no_message(tmp_path: Path) -> None:
    scene = Scene(tmp_path, lambda _: httpx.Response(500), parts=1, naming=Naming("off", b"key"))

    async def listed(*_: object) -> tuple[Part, ...]:
        return (Part(int(NOW) - DAY, int(NOW), ("user", "987654321", "")),)

    async def fetch(api: Api, _ask: Ask, part: Part) -> PastAnswer:
        await api.get(f"/parts/users/{part.subject[1]}")
        raise AssertionError("it fails")

    scene.list_parts, scene.fetch = listed, fetch  # type: ignore[assignment, method-assign] # one user
    (gap,) = scene.run()
    assert "/parts/users/id-" in gap.why
    assert not [text for text in (gap.why, *scene.failures, *scene.whys) if "987654321" in text]


def test_a_server_that_is_down_is_not_asked_for_ever(tmp_path: Path) -> None:
    scene = Scene(tmp_path, lambda number: ok(number) if number < 3 else httpx.Response(503), parts=500)
    assert len(scene.run()) == 498
    assert len(scene.sent) == 2 + 3 * 4
