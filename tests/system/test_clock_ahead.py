"""Our clock was wrong before or after a stop: nothing waits for a day to come, and no counter is lost."""

import asyncio
import json
import re
import time
from pathlib import Path

import pytest
import yaml

from exporter.accesses import Accesses
from exporter.clock import Clock
from exporter.collecting.access import Access
from exporter.collecting.due import first_run
from exporter.collecting.unknown import UnknownSubjects
from exporter.collecting.waits import Unknowns, Waits
from exporter.collectors import COLLECTORS
from exporter.errors import OutcomeState as EndpointState
from exporter.errors import Reason, Unavailable
from exporter.exposition.columns import column
from exporter.exposition.snapshot import Outcome, Snapshot, not_after
from exporter.github.budget import Budget
from exporter.github.client import GitHub
from exporter.github.credentials import TokenCredential
from exporter.github.hour import HOUR_WINDOW, LONGEST_WINDOW
from exporter.github.pacing import Pool
from exporter.github.server_clock import ServerClock
from exporter.instants import HOUR
from exporter.jobs import CollectorSettings, Job, Target
from exporter.settings import parse
from exporter.settings.model import CredentialSection
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event
from exporter.simulator.faults import Fault
from exporter.simulator.world import World
from exporter.state.database import Restored, State, Wait
from tests.support.harness import Exporter, SimClock, config_for, simulated, until

DAY = 24 * HOUR
AHEAD = 10 * DAY
NOW = 1_795_262_400.0
ACME = Target("organization", "acme", "github")
UNKNOWN = f"unknown {COLLECTORS[0].endpoint} {ACME} {ACME.credential}"
RUNS = r'^github_exporter_collector_{}_timestamp_seconds\{{collector="([a-z_]+)".*\}} (.*)$'


@pytest.fixture
def github(tmp_path: Path) -> SimulatedGitHub:
    clock = SimClock(time.time())
    clock.run(1.0)
    (tmp_path / "token").write_text("token")
    return SimulatedGitHub(World.of([Event("acme", "user", 1, int(clock()) - HOUR, requests=9)]), clock)


def instants(exporter: Exporter, which: str) -> dict[str, float]:
    """`last_run`, `next_run` and the like, by collector."""
    found = re.findall(RUNS.format(which), exporter.metrics(), re.MULTILINE)
    return {collector: float(value) for collector, value in found}


def ahead(exporter: Exporter, seconds: int = AHEAD) -> None:
    """Let its clock be ten days, or so many seconds, ahead until it is killed."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    turned = {"LD_PRELOAD": str(library), "FAKETIME": f"{seconds:+}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    exporter.environ |= turned
    exporter.start()
    for name in turned:
        del exporter.environ[name]


def test_all_runs_at_once_after_a_stop_with_a_clock_that_was_ahead(github: SimulatedGitHub, tmp_path: Path) -> None:
    with simulated(github) as (url,):
        config = config_for(url, "acme", token_file=tmp_path / "token", interval="2h")
        with Exporter(tmp_path, config) as exporter:
            ahead(exporter)
            until(lambda: set(instants(exporter, "last_run")) >= {"summary_stats", "route_stats"}, "all has run")
            last = instants(exporter, "last_run")
            assert min(last.values()) > time.time() + AHEAD - HOUR
            exporter.stop()
            exporter.start()
            shown = instants(exporter, "last_success")
            assert max(shown.values()) <= time.time(), "no figure is younger than now"
            until(lambda: max(instants(exporter, "last_run").values()) < time.time() + 60, "all runs anew")
            assert set(instants(exporter, "last_run")) == set(last)
            until(lambda: max(instants(exporter, "next_run").values()) < time.time() + 2 * HOUR + 60, "it goes on")


@pytest.mark.parametrize(
    ("before", "after", "absent"),
    [
        pytest.param(0, 40 * DAY, 0, id="ahead at the start"),
        pytest.param(-20_000 * DAY, 0, 0, id="behind until the stop, as without a battery"),
        pytest.param(0, 40 * DAY, 40 * DAY, id="right, after 40 days"),
    ],
)
def test_counters_go_on_whatever_our_clock_says_of_the_time_between(
    github: SimulatedGitHub, tmp_path: Path, before: int, after: int, absent: int
) -> None:
    requests, clock = 'github_api_insights_requests_total{organization="acme"}', github._clock
    assert isinstance(clock, SimClock)
    with simulated(github) as (url,), Exporter(tmp_path, config_for(url, "acme", token_file=tmp_path / "token")) as one:
        ahead(one, before)
        until(lambda: one.value(requests) == 0, "the first read")
        github.world.add(Event("acme", "user", 1, int(clock()), requests=5))
        until(lambda: one.value(requests) == 5, "the counter moves")
        one.kill()
        clock.jump(absent)
        github.world.add(Event("acme", "user", 1, int(clock()), requests=7))
        ahead(one, after)
        until(lambda: one.value(requests) == 12, "the counter goes on")
        gap = 'github_exporter_gap_seconds_total{collector="summary_stats"}'
        if absent:
            until(lambda: one.value(gap), "what GitHub has deleted is told")
        else:
            assert not one.value(gap)


def test_a_wait_that_github_asked_for_is_no_longer_than_an_hour_from_now(
    github: SimulatedGitHub, tmp_path: Path
) -> None:
    """How much of it has passed nobody knows: it may be asked again once the longest such wait is over."""
    github.faults.add(Fault(status=429, headers={"retry-after": "1800"}))
    with simulated(github) as (url,), Exporter(tmp_path, config_for(url, "acme", token_file=tmp_path / "token")) as one:
        ahead(one)
        until(lambda: instants(one, "last_run"), "it is told to wait")
        asked = len(github.log)
        one.kill()
        one.start()
        until(lambda: len(instants(one, "next_run")) >= 3, "all wait")
        until(lambda: min(instants(one, "next_run").values()) > time.time() + 1700, "for the limit")
        assert max(instants(one, "next_run").values()) < time.time() + HOUR + 100
        assert len(github.log) == asked


def test_what_was_sent_within_the_hour_is_of_the_budget_however_wrong_the_clock_was(tmp_path: Path) -> None:
    clock = SimClock(time.time())
    clock.run(1.0)
    (tmp_path / "token").write_text("token")
    world = World.of([Event("acme", "user", 1, int(clock()) - HOUR, requests=9)])
    github = SimulatedGitHub(world, clock, limit=100)
    with simulated(github) as (url,), Exporter(tmp_path, config_for(url, "acme", token_file=tmp_path / "token")) as one:
        ahead(one)
        until(lambda: len(github.log) == 30, "the budget is spent")
        until(lambda: min(instants(one, "next_run").values()) > time.time() + AHEAD + 10, "it waits")
        one.kill()
        one.start()
        until(lambda: min(instants(one, "next_run").values(), default=0) > time.time() + 10, "it waits again")
        assert max(instants(one, "next_run").values()) < time.time() + HOUR + 100
        assert len(github.log) == 30


def test_gauges_do_not_outlast_max_age_where_a_clock_was_ahead_and_is_set_back(
    github: SimulatedGitHub, tmp_path: Path
) -> None:
    """GitHub fails meanwhile: what was read by the wrong clock is no younger than now by the right one."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    clock = tmp_path / "clock"
    clock.write_text(f"+{AHEAD}\n")
    newest = 'github_api_insights_newest_data_timestamp_seconds{organization="acme"}'
    with simulated(github) as (url,):
        config = config_for(url, "acme", token_file=tmp_path / "token", interval="2s")
        config["collectors"]["time_stats"]["max_age"] = "8s"
        with Exporter(tmp_path, config) as exporter:
            exporter.environ |= {
                "LD_PRELOAD": str(library),
                "FAKETIME_TIMESTAMP_FILE": str(clock),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
            exporter.start()
            until(lambda: exporter.value(newest) is not None, "the gauge")
            github.faults.add(Fault("-stats", status=503))
            until(lambda: 'success{collector="time_stats",target="organization/acme"} 0' in exporter.metrics(), "503")
            clock.write_text("+0\n")
            until(lambda: max(instants(exporter, "last_success").values()) < time.time() + 2, "no success to come")
            until(lambda: exporter.value(newest) is None, "the gauge goes")
            github.faults.clear()
            until(lambda: exporter.value(newest) is not None, "all goes on", 60)


@pytest.mark.parametrize(
    ("state", "reason", "ran_at", "due", "expected"),
    [
        pytest.param("ok", None, -600, 1200, 1200, id="as it was due"),
        pytest.param("ok", None, -600, -1, 0, id="it was due before"),
        pytest.param("ok", None, -600, 9000, 1200, id="the interval was shortened"),
        pytest.param("ok", None, 1, 1801, 0, id="a second ahead"),
        pytest.param("ok", None, AHEAD, AHEAD + 1800, 0, id="ten days ahead"),
        pytest.param("unavailable", "unavailable", AHEAD, AHEAD + 3600, 0, id="a failure ten days ahead"),
        pytest.param("unavailable", "unavailable", -600, AHEAD, 3700, id="a back-off"),
        pytest.param("rate_limited", "rate_limited", -600, AHEAD, 3700, id="a limit"),
        pytest.param("not_found", "not_found", -600, AHEAD, 3700, id="not found"),
        pytest.param("retired", "retired", -600, 80_000, 80_000, id="closed: tried daily"),
        pytest.param("retired", "retired", -600, AHEAD, DAY, id="closed, and a wait that is too long"),
    ],
)
def test_a_restored_job_is_due_at_once_if_it_ran_in_the_future_and_no_wait_is_longer_than_it_can_be(
    state: EndpointState, reason: Reason | None, ran_at: float, due: float, expected: float
) -> None:
    collector = COLLECTORS[0]
    settings = CollectorSettings(True, 1800.0, 1.0, collector.options())
    job = Job(collector, Target("organization", "acme", "token"), settings, 0)
    snapshot = Snapshot(outcome=Outcome(NOW + ran_at, 1.0, state, reason), next_run=NOW + due)
    assert first_run(job, snapshot, cut_off=False, now=NOW) == NOW + expected


def test_nothing_that_is_restored_is_younger_than_now() -> None:
    dated = column([(("a",), 1.0), (("b",), 2.0)], dates=[NOW + AHEAD, NOW - 5])
    plain = column([((), 3.0)])
    ahead = Snapshot(
        gauges={"github_dated": dated, "github_plain": plain},
        outcome=Outcome(NOW + AHEAD, 1.0),
        last_success=NOW + AHEAD,
        gauges_read_at=NOW + AHEAD,
        earlier_reads={"github_plain": NOW + AHEAD, "github_dated": NOW - 5},
    )
    shown = not_after(NOW, ahead)
    assert (shown.outcome, shown.last_success, shown.gauges_read_at) == (Outcome(NOW, 1.0), NOW, NOW)
    assert list(shown.gauges["github_dated"].dates or ()) == [NOW, NOW - 5]
    assert shown.gauges["github_plain"] is plain
    assert shown.earlier_reads == {"github_plain": NOW, "github_dated": NOW - 5}
    assert not_after(NOW + 2 * AHEAD, ahead) == ahead
    assert not_after(NOW, Snapshot()) == Snapshot()


@pytest.mark.parametrize(
    ("until", "free_at"),
    [
        pytest.param(60.0, 60.0, id="a minute"),
        pytest.param(3650.0, 3650.0, id="the longest that GitHub asks for"),
        pytest.param(AHEAD, 3660.0, id="saved by a clock that was ahead"),
    ],
)
def test_a_restored_limit_ends_within_the_longest_that_there_is(tmp_path: Path, until: float, free_at: float) -> None:
    access, waits = scene_of(tmp_path)
    asyncio.run(waits.restore([access], Restored(waits={"pool github": Wait(NOW + until)})))
    assert access.not_before(NOW) == NOW + free_at


def test_a_limit_saved_by_a_clock_that_was_ahead_is_not_restored_anew_by_each_start(tmp_path: Path) -> None:
    """Otherwise a pool would be silent for an hour after each start, until the real time is what the clock said."""
    access, waits = scene_of(tmp_path)
    state = waits._state
    state.open(NOW)
    state.wait("pool github", Wait(NOW + AHEAD))
    asyncio.run(waits.restore([access], state.restored()))
    assert state.restored().waits["pool github"].until == NOW + LONGEST_WINDOW
    again, waits = scene_of(tmp_path, state=state, now=NOW + LONGEST_WINDOW + 1)
    asyncio.run(waits.restore([again], state.restored()))
    assert again.not_before(NOW + LONGEST_WINDOW + 1) < NOW + LONGEST_WINDOW + 1
    state.close()


def test_a_refusal_saved_by_a_clock_that_was_ahead_is_not_restored_anew_by_each_start(tmp_path: Path) -> None:
    access, waits = scene_of(tmp_path)
    state = waits._state
    state.open(NOW)
    state.wait("credential github", Wait(NOW + AHEAD, access.fingerprint(b"salt")))
    asyncio.run(waits.restore([access], state.restored()))
    again, waits = scene_of(tmp_path, state=state, now=NOW + HOUR + 1)
    asyncio.run(waits.restore([again], state.restored()))
    assert again.not_before(NOW + HOUR + 1) == NOW + HOUR
    state.close()


def test_a_subject_unknown_by_a_clock_that_was_ahead_is_asked_for_a_day_later_over_any_start(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    state.open(NOW)
    state.wait(UNKNOWN, Wait(NOW + 2 * AHEAD, UnknownSubjects().with_unknown(("1",), NOW + AHEAD).dump()))
    for now, since in ((NOW, {("1",): NOW}), (NOW + 1000, {("1",): NOW}), (NOW + DAY + 1, {})):
        unknowns = Unknowns(state, At(now))
        asyncio.run(unknowns.restore(state.restored()))
        assert unknowns.get(COLLECTORS[0], ACME).since == since
    state.close()


def test_a_limit_that_is_over_is_not_restored_by_a_start_before_its_time(tmp_path: Path) -> None:
    """The clock was ahead when it was saved, and GitHub has answered since."""
    access, waits = scene_of(tmp_path)
    state = waits._state
    state.open(NOW)
    access.pool.blocked_until = NOW + 60
    asyncio.run(waits.record(access, None, ""))
    assert state.restored().waits["pool github"].until == NOW + 60
    access.pool.blocked_until = NOW - 1
    asyncio.run(waits.record(access, Unavailable("a failure proves nothing"), ""))
    assert state.restored().waits["pool github"].until == NOW + 60
    asyncio.run(waits.record(access, None, ""))
    assert state.restored().waits["pool github"].until == 0
    state.close()


def test_what_a_pool_has_learned_is_not_undone_by_a_reload(tmp_path: Path) -> None:
    """Nor by a round of discovery, which restores in the same way."""
    access, waits = scene_of(tmp_path)
    restored = Restored(waits={"pool github": Wait(NOW + AHEAD)})
    asyncio.run(waits.restore([access], restored))
    access.pool.blocked_until = 0.0
    asyncio.run(waits.restore([access], restored))
    assert access.not_before(NOW) == 0


def test_a_client_that_a_reload_makes_knows_github_s_clock_so_that_its_pool_stays_blocked(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("token")
    file = tmp_path / "config.yaml"
    accesses = Accesses(Budget(0.3, 500), At(NOW), {}, lambda *_: None)

    def access(**more: str) -> Access:
        credential = {"token_file": str(tmp_path / "token"), **more}
        file.write_text(yaml.safe_dump({"credentials": {"github": credential}, "organizations": ["acme"]}))
        settings = parse(["run", f"--config.file={file}"], {}, COLLECTORS)[1]
        by_target = asyncio.run(accesses.update(settings))
        return by_target[ACME]

    before = access()
    before.github.server_clock = ServerClock(-600.0, known=True)
    before.pool.blocked_until = NOW - 600 + 300
    after = access(proxy="http://proxy.example.com:3128")
    assert after is not before
    assert after.not_before(NOW) == before.not_before(NOW) == NOW + 300
    asyncio.run(accesses.close())


@pytest.mark.parametrize("ahead", [0.0, 1.0, AHEAD])
def test_a_refused_credential_is_tried_again_within_the_hour_however_wrong_the_clock_was(
    tmp_path: Path, ahead: float
) -> None:
    access, waits = scene_of(tmp_path)
    mark = access.fingerprint(b"salt")
    asyncio.run(waits.restore([access], Restored(waits={"credential github": Wait(NOW + ahead + HOUR, mark)})))
    assert access.not_before(NOW) == NOW + HOUR
    asyncio.run(
        waits.restore([access], Restored(waits={"credential github": Wait(NOW + ahead + HOUR, f"{mark} once")}))
    )
    assert access.not_before(NOW) == NOW + 60


@pytest.mark.parametrize(
    ("saved", "spent"),
    [
        pytest.param(-1000, 5, id="what is older than an hour is forgotten"),
        pytest.param(0, 12, id="just now"),
        pytest.param(AHEAD, 12, id="by a clock that was ahead: as if just now"),
    ],
)
def test_what_was_sent_counts_for_an_hour_from_now_at_most(tmp_path: Path, saved: float, spent: int) -> None:
    access, waits = scene_of(tmp_path)
    mark = json.dumps({"limit": 5000, "sent": [[3000, 7], [60, 5]]})
    waits.restore_spending([access], Restored(waits={"spent github": Wait(NOW + saved + HOUR, mark)}))
    assert access.pool.spending.within(HOUR_WINDOW, 50_000.0) == spent


class At(Clock):
    """A clock that stands still."""

    def __init__(self, now: float) -> None:
        self._now = now

    def wall(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return 50_000.0


def scene_of(folder: Path, state: State | None = None, now: float = NOW) -> tuple[Access, Waits]:
    """A credential with its pool, and what restores their waits at `now`."""

    (folder / "token").write_text("token")
    section = CredentialSection(token_file=folder / "token")
    credential = TokenCredential("github", section.api_url, section.api_version, token_file=section.token_file)
    pool = Pool("github", Budget(0.3, 500))
    client = GitHub(credential, pool, clock=lambda: now, monotonic=lambda: 50_000.0)
    state = state or State(folder / "state")
    state.salt = b"salt"
    return Access(credential, client, pool), Waits(state, At(now))
