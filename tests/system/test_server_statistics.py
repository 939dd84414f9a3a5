"""Server statistics: a year of a fleet in little memory, and appliances that age each by its own date."""

import asyncio
import json
import random
import re
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families as parse_text
from pydantic import SecretStr

from exporter.cli.sampling import Sampler
from exporter.collecting.attempt import Attempt, Question, Reading, ask
from exporter.collecting.conclude import conclude
from exporter.collectors import COLLECTORS
from exporter.collectors.reading.records import MOST_CHARACTERS, MOST_RECORDS, Records
from exporter.collectors.server_statistics import COLLECTOR
from exporter.collectors.server_statistics.record import MOST_OF_A_LIST
from exporter.counting.keys import Rules
from exporter.counting.windows import Windows
from exporter.errors import Invalid, Unavailable
from exporter.exposition.answers import Exposition, Filters
from exporter.exposition.render import columns_of, render
from exporter.exposition.snapshot import Snapshot, status_of
from exporter.exposition.store import Store
from exporter.fetching import Fetched
from exporter.github.client import GitHub
from exporter.github.credentials import TokenCredential
from exporter.github.pacing import Pool
from exporter.instants import day_of
from exporter.jobs import Job
from exporter.simulator.access import TokenFacts
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.estate import Appliance, Enterprise, Estate
from exporter.simulator.faults import Fault
from exporter.simulator.ghes import server_statistics
from exporter.simulator.world import World
from exporter.state.snapshot_json import dump, load
from tests.support.daemon import memory
from tests.support.harness import Exporter, SimClock, simulated, until
from tests.support.jobs import NOW, job_of, samples
from tests.support.server_statistics import FULL, PATH, S, fetched, of, respond

DAY = 86_400
MIB = 1024 * 1024
USERS, COLLECTED, INFO = (S + name for name in ("total_users", "collection_timestamp_seconds", "info"))
JOB = job_of(COLLECTOR)


def record(server: str, days_ago: float, users: int = 100, **more: Any) -> dict[str, Any]:
    """A record that was collected so many days before NOW."""
    instant = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - days_ago * DAY))
    return {
        "server_id": server,
        "collection_date": instant,
        "host_name": f"{server}.example.com",
        "ghe_stats": {"users": {"total_users": users}},
        **more,
    }


# Each appliance ages by its own date.


def after(found: Fetched, at: float = NOW, skew: float = 0.0, job: Job = JOB) -> Snapshot:
    concluded = conclude(job, Snapshot(), Attempt(Reading(found, int(at)), at, 0.5, skew), Rules(100_000, 1e9))
    assert concluded.error is None
    return concluded.snapshot


def servers_at(snapshot: Snapshot, now: float, job: Job = JOB) -> dict[str, set[str]]:
    """Which servers each family shows then."""
    store = Store(60.0)
    store.publish(job, status_of(snapshot), render(job, columns_of(job, snapshot, now), snapshot.version), 0.0)
    page = Exposition(store, [COLLECTOR], tuple, lambda: 0.0)
    body = b"".join(asyncio.run(page.answer("text", gzip=False, filters=Filters())).body)
    shown: dict[str, set[str]] = {}
    for name, labels in samples(parse_text(body.decode())):
        shown.setdefault(name, set()).add(dict(labels)["server_id"])
    return shown


def test_a_silent_appliance_is_withdrawn_while_others_are_current_and_its_date_stays_for_31_days() -> None:
    snapshot = after(of(record("new", 0.5), record("week", 7), record("old", 200), record("old", 250)))
    shown = servers_at(snapshot, NOW)
    assert shown == {USERS: {"new"}, COLLECTED: {"new", "week"}, INFO: {"new", "week"}}
    assert snapshot.data_time == NOW - 0.5 * DAY


@pytest.mark.parametrize("stored", [False, True], ids=["running", "after a restart"])
def test_without_any_further_run_each_is_withdrawn_when_its_time_has_come(stored: bool) -> None:
    ages = {"a": 0.25, "b": 1.0, "c": 2.5, "d": 30.0}
    snapshot = after(of(*(record(server, age) for server, age in ages.items())))
    if stored:
        snapshot = load(json.loads(json.dumps(dump(snapshot))))
    now, seen = NOW, []
    while now < float("inf"):
        seen.append((round((now - NOW) / DAY, 2), servers_at(snapshot, now)))
        now = snapshot.gauges_until(now, JOB) + 0.001
    expected = {"a": 2.75, "b": 2.0, "c": 0.5}  # after how many days its numbers go: three after its date
    days = [0.0, 0.5, 1.0, 2.0, 2.75, 28.5, 30.0, 30.75]
    assert [day for day, _ in seen] == days
    for day, shown in seen:
        assert shown.get(USERS, set()) == {server for server, gone in expected.items() if day < gone}
        named = {server for server, age in ages.items() if age + day < 31}
        assert shown.get(COLLECTED, set()) == shown.get(INFO, set()) == named


def test_every_family_of_an_appliance_ages_but_its_date_and_name() -> None:
    old = {**FULL, "collection_date": record("x", 4)["collection_date"], "new_stats": {"number": 1}}
    assert servers_at(after(of(old)), NOW).keys() == {COLLECTED, INFO}
    names = {family.name for table in COLLECTOR.tables for family in table.families}
    assert all(table.dated for table in COLLECTOR.tables)
    young = {**old, "collection_date": record("x", 2)["collection_date"]}
    assert servers_at(after(of(young)), NOW).keys() <= names


def test_age_is_told_by_githubs_clock_and_max_age_is_the_settings() -> None:
    ours = NOW - 500 * DAY
    snapshot = after(of(record("a", 2.9), record("b", 3.1)), at=ours, skew=500.0 * DAY)
    assert servers_at(snapshot, ours)[USERS] == {"a"}
    assert servers_at(snapshot, ours + 0.2 * DAY).keys() == {COLLECTED, INFO}
    longer = replace(JOB, settings=replace(JOB.settings, max_age=60.0 * DAY))
    snapshot = after(of(record("a", 40)), job=longer)
    assert servers_at(snapshot, NOW, longer) == {name: {"a"} for name in (USERS, COLLECTED, INFO)}


@pytest.mark.parametrize("day", ["soon", None, 5, "2027-06-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_without_a_date_that_can_be_true_it_ages_from_the_run_and_never_hides_a_dated_record(day: Any) -> None:
    undated = {**record("a", 0, users=7), "collection_date": day}
    snapshot = after(of(undated))
    assert servers_at(snapshot, NOW + 3 * DAY) == {USERS: {"a"}, INFO: {"a"}}
    assert servers_at(snapshot, NOW + 3 * DAY + 1) == {INFO: {"a"}}
    assert snapshot.data_time is None
    for order in ([undated, record("a", 5)], [record("a", 5), undated]):
        assert servers_at(after(of(*order)), NOW) == {COLLECTED: {"a"}, INFO: {"a"}}


def test_of_two_records_with_one_date_the_same_is_shown_in_any_order() -> None:
    first, second = record("a", 1, users=1), record("a", 1, users=2)
    assert of(first, second, first) == of(second, first) == of(second, first, second)


def test_when_all_are_long_silent_nothing_is_dated() -> None:
    got = of(record("a", 200), record("b", 32))
    assert got.data_time is None
    assert servers_at(after(got), NOW) == {}


def test_a_silent_appliance_takes_no_place_from_a_living_one() -> None:
    found = of(*(record(f"old-{number}", 40, users=10**6) for number in range(5)), record("new", 0.5))
    widest = max(len(table.families) for table in COLLECTOR.tables)
    attempt = Attempt(Reading(found, int(NOW)), NOW, 0.5, 0.0)
    snapshot = conclude(JOB, Snapshot(), attempt, Rules(1, 1e9)).snapshot
    assert widest > 1
    assert servers_at(snapshot, NOW)[USERS] == {"new"}
    assert snapshot.left_out == 0


# An array in pieces.


def pieces_of(data: bytes, size: Callable[[], int]) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        end = at + size()
        yield data[at:end]
        at = end


def records_in(pieces: Iterable[bytes]) -> list[Any]:
    reader = Records()
    given = [found for piece in pieces for found in reader.feed(piece)]
    given += reader.end()
    assert [json.loads(text) for _, text in given] == [record for record, _ in given]
    return [record for record, _ in given]


@pytest.mark.parametrize("seed", range(3))
def test_records_are_the_same_however_the_array_is_cut(seed: int) -> None:
    chance = random.Random(seed)
    words = ["é", "日本", "\U0001d4b3", "\\", '"', "]", "}", "[{", " ", "\n"]
    items = [
        {"n": number, "text": "".join(chance.choices(words, k=chance.randrange(400))), "list": [number, -1.5, None]}
        for number in range(900)
    ]
    for text in (json.dumps(items, indent=1), json.dumps(items, ensure_ascii=False, separators=(",", ":"))):
        data = text.encode()
        assert records_in(pieces_of(data, lambda: chance.randrange(1, 100_000))) == items
        assert records_in(pieces_of(data, lambda: 1_000)) == items
        assert records_in([b"\xef\xbb\xbf" + data]) == items


@pytest.mark.parametrize(
    ("data", "records"),
    [(b"[]", []), (b' { "a" : 1 }\n', [{"a": 1}]), (b"[1,[2],null,{}]", [1, [2], None, {}]), (b"\t[\n]\r", [])],
)
def test_any_item_of_an_array_is_given(data: bytes, records: list[Any]) -> None:
    assert records_in([data]) == records_in(pieces_of(data, lambda: 1)) == records


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"",
            b" ",
            b"[",
            b"[{}",
            b"[{},",
            b"[{},]",
            b"[,]",
            b'[{"a":1}',
            b'[{"a":',
            b'{"a":1',
            b"{}{}",
            b"[]]",
            b"[][]",
        ),
        *(
            b"[{} {}]",
            b"{},{}",
            b"7",
            b'"a"',
            b"nul",
            b"[nul]",
            b"\xff[]",
            b"[]\xff",
            b"\xe2\x82",
            b"[{}]\0",
            b"[+1]",
        ),
    ],
)
def test_what_is_no_array_or_is_cut_off_is_invalid(data: bytes) -> None:
    for cut in (len(data) or 1, 1):
        with pytest.raises(Invalid):
            records_in(pieces_of(data, repeat(cut).__next__))


def test_a_number_that_none_could_use_costs_itself_only() -> None:
    got = of({**record("a", 1), "huge": 10**40, "ghe_stats": {"users": {"total_users": 3}, "x": -(10**30)}})
    assert (got.rejected, got.unknown) == (0, {"huge": 1, "ghe_stats.x": 1})
    digits = f'[{{"server_id":"a","long":{"9" * 50_000},"n":{"9" * 18}}}]'.encode()
    got = fetched(COLLECTOR, respond({PATH: digits}))
    assert (got.rejected, got.unknown) == (0, {"long": 1})
    assert of({**record("a", 1), "ghe_stats": {"users": {"total_users": 10**40}}}).rejected == 1


HOSTILE = {
    "a million numbers": (b"[", b"1,", 12_000_000),
    "empty lists": (b"[", b"[],", 6_000_000),
    "empty objects": (b"[", b"{},", 6_000_000),
    "one record of 15 MB": (b'[{"server_id":"a","x":[', b"1,", 7_500_000),
    "one record of lists": (b'[{"server_id":"a","x":[', b"[],", 5_000_000),
    "one text": (b'[{"server_id":"a","x":"', b"abcdefgh", 2_000_000),
    "deep lists": (b"", b"[", 15_000_000),
    "deep objects": (b"[", b'{"a":', 3_000_000),
    "space": (b"[", b" " * 1024, 15_000),
    "many servers": (b"", b"", 0),
    "large servers": (b"", b"", 0),
    "large servers of wide characters": (b"", b"", 0),
}


def hostile(kind: str) -> Iterator[bytes]:
    """An answer in pieces, most of which nobody should want to see."""
    if "servers" in kind:
        filler = "x" * (900_000 if kind.startswith("large servers") else 10)
        filler += "\N{GRINNING FACE}" if "wide" in kind else ""  # it makes each character take 4 bytes
        yield b"["
        for number in range(100 if kind.startswith("large servers") else 100_000):
            yield f'{{"server_id":"{number}","filler":"{filler}"}},'.encode()
        yield b"1]"
        return
    begin, again, times = HOSTILE[kind]
    yield begin
    many = again * (64 * 1024 // len(again))
    for _ in range(times * len(again) // len(many)):
        yield many


class Body(httpx.AsyncByteStream):
    """A body that counts what was taken of it."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self.taken = pieces, 0

    async def __aiter__(self) -> Any:
        for piece in self._pieces:
            self.taken += len(piece)
            yield piece


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_answer_is_refused_in_little_memory(kind: str) -> None:
    body = Body(hostile(kind))
    tracemalloc.start()
    try:
        with pytest.raises(Invalid):
            fetched(COLLECTOR, lambda _: httpx.Response(200, stream=body))
        assert tracemalloc.get_traced_memory()[1] < 64 * MIB
    finally:
        tracemalloc.stop()
    limits = {
        "one record": 3 * MOST_CHARACTERS,
        "one text": 3 * MOST_CHARACTERS,
        "deep": 3 * MOST_CHARACTERS,
        "a million": 3 * MOST_RECORDS,
    }
    for begin, most in limits.items():
        if kind.startswith(begin):
            assert body.taken <= most


@pytest.mark.parametrize("depth", [100, 300, 450, 700, 900, 980, 5_000])
def test_a_record_that_is_nested_deeply_is_read_or_refused(depth: int) -> None:
    for begin, end in (('{"a":', "}"), ("[", "]")):
        deep = begin * depth + "1" + end * depth
        body = f'[{{"server_id":"a","new":{deep}}},{json.dumps(record("b", 1))}]'.encode()
        refused = ""
        try:
            assert servers_at(after(fetched(COLLECTOR, respond({PATH: body}))), NOW)[USERS] == {"b"}
        except Invalid as error:
            refused = str(error)
        assert not refused or "nested too deeply" in refused
        assert depth > 100 or not refused
        assert depth < 5_000 or refused


def test_lists_of_a_record_are_read_as_far_as_anybody_needs_them() -> None:
    lists = {
        "github_connect": {"features_enabled": [f"feature {number}" for number in range(1_000)]},
        "packages_stats": {"ecosystems": [{"name": f"eco{number}", "enabled": "TRUE"} for number in range(1_000)]},
    }
    got = of({**record("a", 1), **lists})
    assert got.rejected == 2 * (1_000 - MOST_OF_A_LIST)
    assert len(got.rows) < 10 * MOST_OF_A_LIST


@pytest.mark.parametrize("cut", [0.3, 0.999])
def test_half_an_answer_is_none(cut: float) -> None:
    whole = json.dumps([record(f"server-{number}", 1) for number in range(900)]).encode()
    half = whole[: int(len(whole) * cut)]
    with pytest.raises(Invalid):
        fetched(COLLECTOR, respond({PATH: half}))

    async def broken(_request: httpx.Request) -> httpx.Response:
        def breaking() -> Iterator[bytes]:
            yield half
            raise httpx.ReadError("")

        return httpx.Response(200, stream=Body(breaking()))

    with pytest.raises(Unavailable):
        fetched(COLLECTOR, broken)  # type: ignore[arg-type] # httpx takes a coroutine as well


# The real thing.

TOKEN = "ghp_CANARYowner"


class Scene:
    """A GitHub with a fleet, and an exporter that reads its statistics alone."""

    def __init__(self, folder: Path, fleet: int = 2, days: int = 3) -> None:
        self.folder = folder
        self.clock = SimClock(NOW)
        self.clock.run(1.0)
        appliances = tuple(
            Appliance(f"ghes-{number}", f"server-{number}", f"ghes-{number}.example.com", "3.19.2")
            for number in range(fleet)
        )
        self.estate = Estate((Enterprise("acme-corp", ("acme",), appliances),), since=NOW - days * DAY)
        facts = TokenFacts({"acme"}, {"acme-corp"}, kind="classic", scopes=("read:enterprise",), user="owner")
        self.github = SimulatedGitHub(World.of(), self.clock, tokens={TOKEN: facts}, estate=self.estate)
        (folder / "token").write_text(TOKEN)

    def config(self, url: str, **options: Any) -> dict[str, Any]:
        others = {one.name: {"enabled": False} for one in COLLECTORS if one.name != COLLECTOR.name}
        return {
            "credentials": {"owner": {"api_url": url, "token_file": str(self.folder / "token")}},
            "enterprises": [{"name": "acme-corp", "credential": "owner"}],
            "collectors": {**others, COLLECTOR.name: {"interval": "1s", **options}},
            "budget": {"share": 1.0, "reserve": 0},
        }


def values(exporter: Exporter, family: str) -> dict[str, float]:
    """The values of a family by server."""
    found = re.findall(rf'^{family}\{{.*server_id="([^"]*)".*\}} (\S+)$', exporter.metrics(), re.MULTILINE)
    return {server: float(value) for server, value in found}


SUCCESS = 'github_exporter_collector_success{collector="server_statistics",target="enterprise/acme-corp"}'
DATA_TIME = (
    'github_exporter_collector_data_timestamp_seconds{collector="server_statistics",target="enterprise/acme-corp"}'
)


def test_an_appliance_that_went_silent_ages_alone_though_runs_fail_and_over_a_restart(tmp_path: Path) -> None:
    scene = Scene(tmp_path, fleet=3, days=300)
    scene.estate.silent = {"ghes-1": NOW - 200 * DAY, "ghes-2": NOW - 8 * DAY}
    newest = NOW - DAY / 2 - 1  # yesterday, 23:59:59
    with simulated(scene.github) as (url,), Exporter(tmp_path, scene.config(url)) as exporter:
        exporter.start()
        until(lambda: values(exporter, USERS), "the statistics are read")
        assert values(exporter, USERS).keys() == {"server-0"}
        assert values(exporter, COLLECTED).keys() == values(exporter, INFO).keys() == {"server-0", "server-2"}
        assert values(exporter, COLLECTED)["server-0"] == newest
        until(lambda: exporter.value(DATA_TIME) == newest, "the newest date is the collector's")
        scene.github.faults.add(Fault(status=500))
        until(lambda: exporter.value(SUCCESS) == 0, "the failure is told")
        assert values(exporter, USERS).keys() == {"server-0"}
        assert exporter.stop() == 0
        # Half a minute after the restart the numbers are as old as they may become, though the last success is not.
        config = scene.config(url, max_age=f"{int(scene.clock() - newest) + 30}s")
        exporter.config.write_text(yaml.safe_dump({"state": {"path": str(tmp_path / "state")}, **config}))
        exporter.start()
        until(lambda: not values(exporter, USERS), "its numbers are as old as they may become", 90)
        assert values(exporter, COLLECTED).keys() == values(exporter, INFO).keys() == {"server-0", "server-2"}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="a process' memory is read where Linux tells it")
def test_a_year_of_a_fleet_in_one_answer_takes_little_memory_of_the_real_process(tmp_path: Path) -> None:
    scene = Scene(tmp_path, fleet=30)
    with simulated(scene.github) as (url,), Exporter(tmp_path, scene.config(url)) as exporter:
        exporter.start()
        until(lambda: len(values(exporter, USERS)) == 30, "a few days are read")
        assert exporter.process is not None
        process = exporter.process.pid
        idle = memory("VmRSS", process)
        Path(f"/proc/{process}/clear_refs").write_text("5")
        asked = len(scene.github.log)
        scene.estate.since = NOW - 400 * DAY
        until(lambda: len(scene.github.log) > asked + 2, "the year is read", 300, every=0.5)
        assert exporter.value(SUCCESS) == 1
        assert len(values(exporter, USERS)) == 30
        grown = memory("VmHWM", process) - idle
        assert grown < 64
    assert len(json.dumps(year(scene))) > 35_000_000


def year(scene: Scene) -> list[dict[str, Any]]:
    return server_statistics(scene.estate, scene.estate.enterprises[0].appliances, NOW, {})


def test_a_year_of_a_fleet_does_not_hold_the_event_loop(tmp_path: Path) -> None:
    """The time that the loop is held counts its thread's own CPU, so that a busy machine is not blamed on us."""
    scene = Scene(tmp_path, fleet=20, days=400)
    longest = 0.0

    async def ticking() -> None:
        nonlocal longest
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            longest, before = max(longest, time.thread_time() - before), time.thread_time()

    async def read(url: str) -> Fetched:
        credential = TokenCredential("owner", url, "2022-11-28", None, SecretStr(TOKEN), None)
        github = GitHub(credential, Pool("owner"), clock=lambda: NOW, monotonic=time.monotonic)
        ticks = asyncio.create_task(ticking())
        try:
            return (await ask(Question(JOB, None, Windows()), github)).fetched
        finally:
            ticks.cancel()
            await github.aclose()

    with simulated(scene.github) as (url,):
        found = asyncio.run(read(url))
    assert {row.server_id for row in found.rows} == {f"server-{number}" for number in range(20)}  # type: ignore[attr-defined] # each row has one
    assert found.data_time == NOW - DAY / 2 - 1
    assert longest < 0.05


def test_pages_and_the_first_page_alone_are_read_to_the_last_byte(tmp_path: Path) -> None:
    scene = Scene(tmp_path, fleet=3, days=20)
    scene.estate.statistics_in_pages = True

    async def both(url: str) -> tuple[Fetched, Fetched, int]:
        credential = TokenCredential("owner", url, "2022-11-28", None, SecretStr(TOKEN), None)
        github = GitHub(credential, Pool("owner"), clock=lambda: NOW, monotonic=time.monotonic)
        sampler = Sampler(github)
        try:
            whole = (await ask(Question(JOB, None, Windows()), github)).fetched
            return whole, (await ask(Question(JOB, None, Windows()), sampler)).fetched, sampler.calls
        finally:
            await github.aclose()

    with simulated(scene.github) as (url,):
        whole, first, calls = asyncio.run(both(url))
    assert whole.data_time == NOW - DAY / 2 - 1
    assert first.data_time is not None
    assert day_of(first.data_time) < day_of(whole.data_time)
    assert calls == 2  # of 60 records, 30 to a page
