"""The real process against the simulated GitHub over HTTP, scraped by a real Prometheus."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.facts import Event, Switches
from exporter.simulator.faults import Fault
from exporter.simulator.population import Size
from exporter.simulator.traffic import seeded_world
from exporter.simulator.world import World
from tests.support.harness import INSIGHTS, Exporter, Prometheus, SimClock, config_for, get, simulated, until

HOUR = 3600
DAY = 24 * HOUR
START = 1_795_262_400 - 40 * DAY
SUBJECT = "github_api_insights_subject_requests_total"
SUBJECT_LIMITED = "github_api_insights_subject_rate_limited_requests_total"
REQUESTS = "github_api_insights_requests_total"
LIMITED = "github_api_insights_rate_limited_requests_total"

Running = tuple[SimulatedGitHub, Exporter]


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("token-of-acme\n")
    return file


def complete(exporter: Exporter, *organizations: str) -> bool:
    """Whether every collector has succeeded for these organizations."""
    body = exporter.metrics()
    return all(
        f'github_exporter_collector_success{{collector="{collector.name}",target="organization/{name}"}} 1\n' in body
        for collector in INSIGHTS
        for name in organizations
    )


def runs(exporter: Exporter, collector: str, organization: str, query: str = "") -> float:
    series = f'github_exporter_collector_runs_total{{collector="{collector}",target="organization/{organization}"}}'
    return exporter.value(series, query) or 0.0


def quiet(exporter: Exporter, prometheus: Prometheus, organization: str) -> None:
    """Wait until everything visible was read, released and scraped: two more runs, the birth delay, two scrapes."""
    # A whole answer would count as a scrape that took everything along, which Prometheus has not done yet.
    only = "?name[]=github_exporter_collector_runs_total"
    before = {name: runs(exporter, name, organization, only) for name in ("summary_stats", "subject_stats")}
    until(
        lambda: all(runs(exporter, name, organization, only) >= count + 2 for name, count in before.items()),
        "two more runs of each collector",
    )
    moved = time.monotonic()
    until(lambda: time.monotonic() - moved > 4.0, "births are released and scraped")
    target = exporter.value(f'{REQUESTS}{{organization="{organization}"}}')
    until(
        lambda: any(
            float(one["value"][1]) == target for one in prometheus.query(f'{REQUESTS}{{organization="{organization}"}}')
        ),
        "Prometheus has the newest value",
    )


@pytest.mark.parametrize(
    "switches",
    [
        Switches(bucket=60),
        Switches(bucket=1, min_inclusive=False, max_inclusive=False, renames=True),
        Switches(bucket=300, max_inclusive=False, zero_rows=True),
    ],
    ids=["minutes", "seconds, exclusive, renames", "five minutes, zero rows"],
)
@pytest.mark.timeout(600)
def test_what_prometheus_adds_up_is_what_became_visible(switches: Switches, tmp_path: Path, token: Path) -> None:
    """24 days of an organization in half a minute, over folds, kills and restarts, to the last request."""
    clock = SimClock(START + 35 * DAY)
    world = seeded_world(3, ("acme",), switches, start=START, size=Size(apps=8, users=12))
    github = SimulatedGitHub(world, clock, limit=10_000_000)
    random = Random(5)
    with simulated(github) as (url,), Exporter(tmp_path, config_for(url, "acme", token_file=token)) as exporter:
        exporter.start()
        with Prometheus(tmp_path / "prometheus", f"127.0.0.1:{exporter.port}") as prometheus:
            until(lambda: complete(exporter, "acme"), "the first complete reads")
            until(lambda: prometheus.query(SUBJECT), "Prometheus' first samples")
            first = clock()
            anchor = int(first - DAY) // HOUR * HOUR
            before = world.truth("acme", anchor, int(first), first)
            clock.run(24 * DAY / 30)
            for day in (8, 16, 24):
                end = first + (day + random.uniform(-0.5, 0.5)) * DAY
                until(lambda end=end: clock() > end, "some days of running")
                exporter.kill()
                exporter.start()
            clock.freeze()
            assert clock() - anchor < 31 * DAY, "the truth has forgotten nothing"
            quiet(exporter, prometheus, "acme")
            now = clock()
            after = world.truth("acme", anchor, int(now), now)
            truth = {
                key: tuple(new - old for new, old in zip(counts, before.get(key, (0, 0)), strict=True))
                for key, counts in after.items()
            }
            for metric, index in ((SUBJECT, 0), (SUBJECT_LIMITED, 1)):
                assert prometheus.falls(metric) == []
                found: dict[tuple[str, int], int] = {}
                for (kind, number, _name), rise in prometheus.increases(
                    metric, "subject_type", "subject_id", "subject_name"
                ).items():
                    key = (kind, int(number))
                    found[key] = found.get(key, 0) + rise
                assert found == {key: counts[index] for key, counts in truth.items()}
                assert sum(found.values()) > 0
            for metric, index in ((REQUESTS, 0), (LIMITED, 1)):
                assert prometheus.increases(metric, "organization") == {
                    ("acme",): sum(counts[index] for counts in truth.values())
                }
            gap = exporter.value('github_exporter_gap_seconds_total{collector="subject_stats"}')
            assert gap == 0
            folds = {record.query["min_timestamp"] for record in github.log if "subject-stats" in record.path}
            assert len(folds) > 3, "the window was never folded"
            print(
                f"exact: {sum(counts[0] for counts in truth.values())} requests of {len(truth)} subjects in 24 days,"
                f" {len(github.log)} requests sent, 3 kills"
            )


@pytest.mark.timeout(600)
def test_the_sum_with_other_is_whole_while_subjects_change_places(tmp_path: Path, token: Path) -> None:
    """Three places for eight subjects whose order turns round: promotions and demotions, and every sum stays exact."""
    clock = SimClock(START + 35 * DAY)
    now = int(clock())
    world = World.of(
        [
            Event("acme", "user", number, now - HOUR, requests=100 - number, name=f"user {number}")
            for number in range(1, 9)
        ]
    )
    github = SimulatedGitHub(world, clock)
    with simulated(github) as (url,):
        config = config_for(url, "acme", token_file=token)
        config["collectors"]["subject_stats"]["max_series"] = 3
        with Exporter(tmp_path, config) as exporter:
            exporter.start()
            with Prometheus(tmp_path / "prometheus", f"127.0.0.1:{exporter.port}") as prometheus:
                until(lambda: complete(exporter, "acme"), "the first complete reads")
                until(lambda: prometheus.query(SUBJECT), "Prometheus' first samples")
                added = 0
                for step in range(12):
                    count = runs(exporter, "subject_stats", "acme")
                    clock.jump(60)
                    for number in (5, 6, 7, 8):
                        world.add(Event("acme", "user", number, int(clock()) - 30, requests=number * 40))
                        added += number * 40
                    until(lambda count=count: runs(exporter, "subject_stats", "acme") >= count + 1, f"step {step}")
                quiet(exporter, prometheus, "acme")
                rises = prometheus.increases(SUBJECT, "subject_type", "subject_id")
                assert sum(rises.values()) == added
                assert ("other", "") in rises
                shown = {identity for kind, identity in _shown(exporter) if kind == "user"}
                assert shown == {"6", "7", "8"}
                assert prometheus.falls(SUBJECT) == []
                folded = 'github_exporter_collector_series_folded{collector="subject_stats",target="organization/acme"}'
                assert exporter.value(folded) == 5


def _shown(exporter: Exporter) -> set[tuple[str, str]]:
    pattern = re.compile(SUBJECT + r'\{organization="acme",subject_type="([^"]*)",subject_id="([^"]*)"')
    return set(pattern.findall(exporter.metrics()))


@pytest.mark.timeout(900)
def test_a_hundred_kills_lose_and_double_nothing(tmp_path: Path, token: Path) -> None:
    """kill -9 at random moments: the state opens, totals go on, and at the end every request was counted once."""
    clock = SimClock(START + 35 * DAY)
    now = int(clock())
    world = World.of([Event("acme", "user", number, now - HOUR, requests=10, name=f"u{number}") for number in range(5)])
    github = SimulatedGitHub(world, clock)
    random = Random(11)
    with simulated(github) as (url,), Exporter(tmp_path, config_for(url, "acme", token_file=token)) as exporter:
        exporter.start()
        until(lambda: complete(exporter, "acme"), "the first complete reads")
        added = last = 0
        for _ in range(100):
            clock.jump(1)
            world.add(Event("acme", "user", random.randrange(7), int(clock()), requests=3))
            added += 3
            pause = time.monotonic() + random.uniform(0, 0.25)
            until(lambda pause=pause: time.monotonic() > pause, "a random moment", every=0.01)
            exporter.kill()
            exporter.start()
            value = exporter.value(f'{REQUESTS}{{organization="acme"}}')
            assert value is not None
            assert value >= last
            last = int(value)
        until(lambda: exporter.value(f'{REQUESTS}{{organization="acme"}}') == added, "all of it was counted", 40)
        until(lambda: _sum(exporter.metrics(), SUBJECT) == added, "all of it was counted by subject", 40)
        assert "set aside" not in exporter.log.read_text()


def _sum(body: str, metric: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in body.splitlines() if line.startswith(metric + "{"))


@pytest.fixture
def acme(tmp_path: Path, token: Path) -> Iterator[Running]:
    """One organization with some traffic, and the exporter running."""
    clock = SimClock(time.time())
    clock.run(1.0)
    now = int(clock())
    world = World.of(
        [
            Event("acme", "user", number, now - 8 * HOUR, requests=10 * number, rate_limited=number)
            for number in range(1, 4)
        ]
    )
    github = SimulatedGitHub(world, clock)
    with simulated(github) as (url,), Exporter(tmp_path, config_for(url, "acme", token_file=token)) as exporter:
        yield github, exporter


def test_the_answer_is_clean_to_promtool_and_to_openmetrics(acme: Running) -> None:
    _github, exporter = acme
    exporter.start()
    until(lambda: complete(exporter, "acme"), "the first complete reads")
    linted = subprocess.run(
        ["promtool", "check", "metrics"], input=exporter.metrics(), capture_output=True, text=True, check=False
    )
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")
    families = list(parse_openmetrics(exporter.metrics(Accept="application/openmetrics-text; version=1.0.0")))
    served = {sample.name for family in families for sample in family.samples}
    everywhere = [one for one in INSIGHTS if not one.subject]
    declared = {family.name for one in everywhere for table in one.tables for family in table.families}
    assert declared <= served


def test_sigterm_ends_with_0_and_the_next_start_answers_at_once_while_github_is_silent(
    acme: Running,
) -> None:
    github, exporter = acme
    exporter.start()
    until(lambda: complete(exporter, "acme"), "the first complete reads")
    until(lambda: get(f"{exporter.url}/-/ready")[0] == 200, "every collector has tried")
    before = {line for line in exporter.metrics().splitlines() if line.startswith("github_api_insights_")}
    assert exporter.stop() == 0
    github.faults.add(Fault(kind="hang"))
    asked = len(github.log)
    exporter.start()
    assert {line for line in exporter.metrics().splitlines() if line.startswith("github_api_insights_")} == before
    assert get(f"{exporter.url}/-/ready")[0] == 200
    until(lambda: len(github.log) > asked, "a request that hangs")
    assert exporter.stop() == 0
    assert "Traceback" not in exporter.log.read_text()


def test_a_second_exporter_on_the_same_state_exits_1(acme: Running) -> None:
    _github, exporter = acme
    exporter.start()
    second = exporter.start_second()
    assert second.returncode == 1
    assert "another exporter" in second.stderr
    assert "Traceback" not in second.stderr


def test_metrics_go_on_when_the_state_folder_cannot_be_written(acme: Running) -> None:
    github, exporter = acme
    exporter.start()
    until(lambda: complete(exporter, "acme"), "the first complete reads")
    github.world.add(Event("acme", "user", 1, int(time.time()), requests=5))
    series = f'{REQUESTS}{{organization="acme"}}'
    until(lambda: exporter.value(series) == 5, "the counter moves")
    exporter.fill_disk()
    github.world.add(
        Event("acme", "user", 1, int(time.time()), requests=7), Event("acme", "user", 9, int(time.time()), requests=50)
    )
    until(lambda: (exporter.value("github_exporter_state_writes_failed_total") or 0) > 0, "failed writes are counted")
    until(lambda: exporter.value(series) == 62, "known counters go on")
    until(lambda: _by_id(exporter, "9") == 0, "a newborn is shown and waits")
    exporter.free_disk()
    until(lambda: _by_id(exporter, "9") == 50, "the newborn moves once state can be written")


def test_what_a_full_disk_kept_from_being_saved_is_saved_by_a_stop_as_soon_as_there_is_room(acme: Running) -> None:
    """GitHub hangs, so that no run's end saves it before."""
    github, exporter = acme
    exporter.start()
    until(lambda: complete(exporter, "acme"), "the first complete reads")
    github.world.add(Event("acme", "user", 1, int(time.time()), requests=5))
    series = f'{REQUESTS}{{organization="acme"}}'
    until(lambda: exporter.value(series) == 5, "the counter moves")
    exporter.fill_disk()
    github.world.add(Event("acme", "user", 1, int(time.time()), requests=7))
    until(lambda: exporter.value(series) == 12, "the counter goes on")
    github.faults.add(Fault(kind="hang"))
    asked = len(github.log)
    until(lambda: len(github.log) > asked, "a request hangs")
    exporter.free_disk()
    assert exporter.stop() == 0
    exporter.start()
    assert exporter.value(series) == 12


def test_a_target_that_comes_back_while_the_disk_is_full_goes_on_with_its_counters(acme: Running) -> None:
    github, exporter = acme
    exporter.start()
    until(lambda: complete(exporter, "acme"), "the first complete reads")
    github.world.add(Event("acme", "user", 1, int(time.time()), requests=5))
    github.world.add(Event("globex", "user", 2, int(time.time()), requests=5))
    series = f'{REQUESTS}{{organization="acme"}}'
    until(lambda: exporter.value(series) == 5 and _by_id(exporter, "1") == 5, "the counters move")
    config = yaml.safe_load(exporter.config.read_text())

    def reload(*organizations: str) -> None:
        chosen = [{"name": name, "credential": "github"} for name in organizations]
        exporter.config.write_text(yaml.safe_dump({**config, "organizations": chosen}))
        assert exporter.process
        exporter.process.send_signal(signal.SIGHUP)

    reload("globex")
    until(lambda: complete(exporter, "globex") and exporter.value(series) is None, "the target is removed")
    exporter.fill_disk()
    until(lambda: (exporter.value("github_exporter_state_writes_failed_total") or 0) > 0, "the disk is full")
    reload("acme", "globex")
    assert until(lambda: exporter.value(series), "it is back, where it was") == 5
    github.world.add(Event("acme", "user", 1, int(time.time()), requests=2))
    exporter.free_disk()
    until(lambda: exporter.value(series) == 7 and _by_id(exporter, "1") == 7, "its counters go on")
    assert exporter.stop() == 0
    exporter.start()
    assert exporter.value(series) == 7


def _by_id(exporter: Exporter, number: str) -> float | None:
    found = re.search(SUBJECT + rf'\{{[^}}]*subject_id="{number}"[^}}]*\}} (\S+)', exporter.metrics())
    return float(found[1]) if found else None


def test_a_rejected_token_causes_one_request_and_a_new_one_is_tried_at_once(acme: Running, token: Path) -> None:
    github, exporter = acme
    github.faults.add(Fault(lambda request: "good" not in str(request.url), status=401))
    exporter.start()
    until(lambda: 'reason="credential"} 1\n' in exporter.metrics(), "the 401 is counted")
    for _ in range(3):  # a crash loop does not hammer
        exporter.kill()
        exporter.start()
    pause = time.monotonic() + 2
    until(lambda: time.monotonic() > pause, "time for more requests")
    assert len(github.log) == 1
    github.faults.clear()
    token.write_text("another-token\n")
    until(lambda: complete(exporter, "acme"), "the new token is used")


def test_a_slow_or_broken_organization_on_another_credential_changes_nothing_for_the_first(
    tmp_path: Path, token: Path
) -> None:
    clock = SimClock(time.time())
    clock.run(1.0)
    now = int(clock())
    good = SimulatedGitHub(World.of([Event("acme", "user", 1, now - HOUR, requests=9)]), clock)
    bad = SimulatedGitHub(World.of([Event("globex", "user", 1, now - HOUR, requests=9)]), clock)
    bad.faults.add(Fault(r"summary-stats", kind="hang"))
    bad.faults.add(Fault(r"time-stats", kind="truncate"))
    bad.faults.add(Fault(r"subject-stats", status=502))
    with simulated(good, bad) as (good_url, bad_url):
        config = config_for(good_url, "acme", token_file=token)
        config["credentials"]["other"] = {"api_url": bad_url, "token_file": str(token)}
        config["organizations"].append({"name": "globex", "credential": "other"})
        with Exporter(tmp_path, config) as exporter:
            exporter.start()
            # One that waited for the other would wait for the end of its request: 30 s.
            until(lambda: complete(exporter, "acme"), "the first complete reads", 25)
            count = runs(exporter, "summary_stats", "acme")
            until(lambda: runs(exporter, "summary_stats", "acme") >= count + 4, "runs at the interval", 25)


CANARY = "ghp_CANARYcanaryCANARYcanary0123456789ab"


@pytest.mark.parametrize(
    "fault",
    [
        None,
        Fault(status=401),
        Fault(status=403, body=json.dumps({"message": f"no {CANARY}"}).encode()),
        Fault(status=500),
        Fault(kind="truncate"),
        Fault(kind="garbage"),
        Fault(kind="wrong_types"),
        Fault(kind="foreign_link"),
        Fault(status=302, headers={"location": f"https://elsewhere.invalid/x?sig={CANARY}"}),
        Fault(status=429, headers={"retry-after": "1"}),
    ],
    ids=lambda fault: "none" if fault is None else f"{fault.kind} {fault.status or ''}".strip(),
)
def test_a_secret_is_nowhere(fault: Fault | None, tmp_path: Path, acme: Running, token: Path) -> None:
    """Log at debug, metrics, status page, state: under each fault no token and no signature-like query."""
    github, exporter = acme
    token.write_text(CANARY)
    if fault:
        github.faults.add(fault)
    exporter.start()
    until(lambda: runs(exporter, "summary_stats", "acme") >= 1, "an attempt has ended")
    pages = exporter.metrics() + get(f"{exporter.url}/")[1]
    assert exporter.stop() == 0
    assert exporter.process
    kept = [file for file in (*tmp_path.glob("*.log"), *(tmp_path / "state").iterdir()) if file.is_file()]
    assert kept
    for text in (pages.encode(), *(file.read_bytes() for file in kept)):
        assert CANARY.encode() not in text
        assert b"sig=" not in text


IMPATIENT = """
import sys, uvloop
from exporter import daemon
from exporter.cli import logs
from exporter.collectors import COLLECTORS
from exporter.settings import parse
_, settings = parse(sys.argv[1:], collectors=COLLECTORS)
logs.configure(settings.log.level, settings.log.format)
uvloop.run(daemon.run(settings, lambda: settings, daemon.Timing(job_deadline=2.0)))
"""


def test_a_hung_job_times_out_and_the_others_of_its_pool_go_on(acme: Running) -> None:
    github, exporter = acme
    github.faults.add(Fault(r"time-stats", kind="drip", interval=0.5))
    exporter.script = IMPATIENT
    exporter.start()
    state = 'github_exporter_endpoint_state{collector="time_stats",target="organization/acme",state="unavailable"}'
    until(lambda: exporter.value(state) == 1, "the hung job is unavailable")
    until(lambda: runs(exporter, "subject_stats", "acme") >= 1, "another job of the pool ran")


def all_runs(exporter: Exporter) -> float:
    return _sum(exporter.metrics(), "github_exporter_collector_runs_total")


def test_a_wall_clock_that_jumps_back_an_hour_freezes_nothing(tmp_path: Path, token: Path) -> None:
    """libfaketime turns the clock of the process; APScheduler alone would sleep for an hour."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    turned = tmp_path / "clock"
    turned.write_text("+0")
    clock = SimClock(time.time())
    clock.run(1.0)
    github = SimulatedGitHub(World.of([Event("acme", "user", 1, int(clock()) - HOUR, requests=9)]), clock)
    with simulated(github) as (url,):
        faked = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(turned),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        with Exporter(tmp_path, config_for(url, "acme", token_file=token), **faked) as exporter:
            exporter.start()
            until(lambda: complete(exporter, "acme"), "the first complete reads")
            for turn, skew in (("-3600", 3600), ("+0", 0)):
                turned.write_text(turn)
                before = all_runs(exporter)
                until(lambda before=before: all_runs(exporter) >= before + 6, "runs go on after the jump")
                found = exporter.value("github_exporter_clock_skew_seconds")
                assert found is not None
                assert abs(found - skew) < 2


def test_after_a_long_absence_the_counters_go_on_and_the_gap_is_named(acme: Running) -> None:
    """40 days without the exporter: GitHub has forgotten the window, nothing falls, and the gap is told."""
    github, exporter = acme
    exporter.start()
    until(lambda: complete(exporter, "acme"), "the first complete reads")
    series = f'{REQUESTS}{{organization="acme"}}'
    github.world.add(Event("acme", "user", 1, int(time.time()), requests=5))
    until(lambda: exporter.value(series) == 5, "the counter moves")
    exporter.kill()
    clock = github._clock
    assert isinstance(clock, SimClock)
    clock.jump(40 * DAY)
    github.world.add(Event("acme", "user", 1, int(clock()) - HOUR, requests=70))
    exporter.start()
    until(lambda: exporter.value(series) == 75, "what GitHub still has is counted")
    gap = until(
        lambda: exporter.value('github_exporter_gap_seconds_total{collector="summary_stats"}'), "the gap is told"
    )
    assert abs(gap - (9 * DAY + 2 * HOUR)) <= HOUR + 60


def test_sighup_reloads_targets_and_keeps_their_counters(acme: Running) -> None:
    github, exporter = acme
    exporter.start()
    until(lambda: complete(exporter, "acme"), "the first complete reads")
    github.world.add(Event("acme", "user", 1, int(time.time()), requests=5))
    github.world.add(Event("globex", "user", 1, int(time.time()), requests=5))
    series = f'{REQUESTS}{{organization="acme"}}'
    until(lambda: exporter.value(series) == 5, "the counter moves")
    config = yaml.safe_load(exporter.config.read_text())
    acme_only = config["organizations"]

    def reload(organizations: object) -> None:
        exporter.config.write_text(yaml.safe_dump({**config, "organizations": organizations}))
        assert exporter.process
        exporter.process.send_signal(signal.SIGHUP)

    reload([{"name": "globex", "credential": "github"}])
    until(lambda: complete(exporter, "globex"), "the new target is collected")
    until(lambda: exporter.value(series) is None, "the old one is withdrawn")
    reload(acme_only)
    until(lambda: exporter.value(series) == 5, "it comes back with what it had")
    reload("nonsense")
    until(lambda: "not reloaded" in exporter.log.read_text(), "a wrong configuration is refused")
    github.world.add(Event("acme", "user", 1, int(time.time()), requests=2))
    until(lambda: exporter.value(series) == 7, "and the old one goes on")


def test_a_rate_limit_is_obeyed_over_restarts_and_then_asked_again(acme: Running) -> None:
    github, exporter = acme
    github.faults.add(Fault(status=429, headers={"retry-after": "6"}, times=1))
    exporter.start()
    state = 'github_exporter_endpoint_state{collector="summary_stats",target="organization/acme",state="rate_limited"}'
    until(lambda: exporter.value(state) == 1, "the limit is told")
    exporter.kill()
    exporter.start()
    until(lambda: complete(exporter, "acme"), "it is asked again after the wait")
    refused, *later = (record.at for record in github.log)
    assert min(later) - refused > 5.9


def test_an_error_keeps_the_last_good_values_until_max_age_and_counters_for_ever(tmp_path: Path, token: Path) -> None:
    clock = SimClock(time.time())
    clock.run(1.0)
    world = World.of([Event("acme", "user", 1, int(clock()) - 8 * HOUR, requests=9)])
    github = SimulatedGitHub(world, clock)
    newest = 'github_api_insights_newest_data_timestamp_seconds{organization="acme"}'
    counter = f'{REQUESTS}{{organization="acme"}}'
    with simulated(github) as (url,):
        config = config_for(url, "acme", token_file=token)
        for collector in config["collectors"].values():
            collector["max_age"] = "4s"
        with Exporter(tmp_path, config) as exporter:
            exporter.start()
            until(lambda: complete(exporter, "acme"), "the first complete reads")
            assert exporter.value(newest)
            github.faults.add(Fault(status=500))
            success = 'github_exporter_collector_success{collector="time_stats",target="organization/acme"}'
            until(lambda: exporter.value(success) == 0, "the failure is told")
            assert exporter.value(newest), "the last good value stays"
            until(lambda: exporter.value(newest) is None, "max_age withdraws the gauge")
            assert exporter.value(counter) == 0
            github.faults.clear()
            until(lambda: exporter.value(newest), "it is back")


OWN = (
    *("collector_success", "collector_last_success_timestamp_seconds", "collector_last_run_timestamp_seconds"),
    *("collector_next_run_timestamp_seconds", "collector_duration_seconds", "collector_series"),
    *("collector_series_folded", "collector_data_timestamp_seconds", "collector_runs_total", "collector_errors_total"),
    *("endpoint_state", "rate_limit_limit", "rate_limit_remaining", "rate_limit_reset_timestamp_seconds"),
    *("api_requests_total", "api_request_duration_seconds_bucket", "build_info", "downward_revisions_total"),
    *("gap_seconds_total", "unknown_values_total", "unreadable_values_total", "clock_skew_seconds"),
    "state_writes_failed_total",
    "scrapes_rejected_total",
)


def test_our_own_metrics_are_all_there(acme: Running) -> None:
    _github, exporter = acme
    exporter.start()
    until(lambda: complete(exporter, "acme"), "the first complete reads")
    body = exporter.metrics()
    missing = [name for name in OWN if not re.search(rf"^github_exporter_{name}[ {{]", body, re.MULTILINE)]
    assert missing == []
    assert re.search(r'^github_api_insights_counting_since_timestamp_seconds\{organization="acme",', body, re.MULTILINE)
    assert "process_resident_memory_bytes " in body
    assert "python_info{" in body
