"""`backfill` as a process: every sample is what the simulated GitHub's truth says, and nothing disturbs that."""

import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from exporter.collectors.reading.daily_reports import FIRST_DAY
from exporter.instants import DAY, HOUR, day_of, epoch
from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.copilot import record
from exporter.simulator.estate import Copilot, Enterprise, Estate
from exporter.simulator.facts import RETENTION, Switches
from exporter.simulator.faults import Fault
from exporter.simulator.population import Size
from exporter.simulator.traffic import seeded_world
from exporter.simulator.world import World
from tests.support.backfill import Backfill, History, backfill_of, expect, family, hours, only
from tests.support.harness import SimClock, until

STEP = HOUR
SHOWN_AFTER = 2 * DAY
SUBJECTS = "github_api_insights_subject_requests_total"
DAILY_USERS = "github_copilot_organization_daily_active_users"
INSIGHTS = ("summary_stats", "time_stats", "subject_stats")
MOST_SUBJECTS = 6
LOOPBACK = {"download_hosts": ["127.0.0.1"], "breakdowns": ["ide"]}


def github_of(now: float, **copilot: object) -> SimulatedGitHub:
    """An organization with a month of traffic and a year with Copilot. Its clock stands still."""
    world = seeded_world(7, ("acme",), Switches(), start=now - RETENTION, size=Size(apps=5, users=6))
    days = Copilot(**copilot)  # type: ignore[arg-type] # the fields of a dataclass
    estate = Estate((Enterprise("acme-corp", ("acme",)),), since=now - 365 * DAY, seed=7, copilot=days)
    return SimulatedGitHub(world, SimClock(now), estate=estate, limit=1_000_000)


@pytest.fixture
def now() -> int:
    return int(time.time())


@dataclass
class Year:
    """A year of history, read once for several tests."""

    now: int
    backfill: Backfill
    history: History
    world: World
    estate: Estate
    missing: str
    text: str


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    now = int(time.time())
    missing = day_of(now - 100 * DAY)
    github = github_of(now, missing={("acme", missing)})
    users = [source.actor for source in github.world.organizations[0].sources]
    app = next(actor for actor in users if actor.subject_type == "installation")
    person = next(actor for actor in users if actor.subject_type == "user")
    collectors = only(
        *INSIGHTS,
        "copilot_usage",
        subject_stats={"max_series": MOST_SUBJECTS},
        time_stats={"increment": "1h"},
        copilot_usage=LOOPBACK,
    )
    watch = {
        "users": [{"organization": "acme", "id": person.subject_id}],
        "actors": [{"organization": "acme", "type": app.actor_type, "id": app.actor_id}],
    }
    with backfill_of(github, tmp_path_factory.mktemp("year"), collectors, watch=watch, enterprises=[]) as backfill:
        backfill.days = min(364, (now - int(epoch(FIRST_DAY["organization"]))) // DAY)
        done = backfill.run(now, "--label=job=github")
        assert done.returncode == 0, done.stdout + done.stderr
        yield Year(now, backfill, backfill.history(), github.world, github.estate, missing, done.stdout)


def counted(year: Year, **subject: object) -> dict[int, int]:
    """The requests of each hour, by its end, of the organization or of a user or actor."""
    start, end = span(year)
    sums = dict.fromkeys(range(start + HOUR, end + 1, HOUR), 0)
    for source in year.world.sources("acme", year.now, **subject):  # type: ignore[arg-type] # user or actor
        for hour in range(start, end, HOUR):
            sums[hour + HOUR] += sum(burst.requests for burst in source.bursts(hour) if burst.visible_at <= year.now)
    return sums


def span(year: Year) -> tuple[int, int]:
    """From when until when API Insights has a past: 31 days less two hours, up to six hours ago."""
    return -(-(year.now - RETENTION + 2 * HOUR) // HOUR) * HOUR, (year.now - 6 * HOUR) // HOUR * HOUR


def check_counter(samples: dict[int, float], by_hour: dict[int, int], born: int) -> None:
    end = max(by_hour)
    totals, total = {}, 0
    for hour, requests in by_hour.items():
        total += requests
        totals[hour] = total
    expect(samples, hours(born, end, STEP), lambda at: totals.get(at, 0))


def test_totals_rise_by_github_s_own_hours(year: Year) -> None:
    of_target = family(year.history, "github_api_insights_requests_total", "organization", "job")
    (labels, samples) = of_target.popitem()
    assert labels == ("acme", "github")
    by_hour = counted(year)
    check_counter(samples, by_hour, next(hour for hour in by_hour if by_hour[hour]) - HOUR)


@pytest.mark.parametrize(("kind", "name"), [("user", "user_id"), ("actor", "actor_id")])
def test_watched_users_and_actors_too(year: Year, kind: str, name: str) -> None:
    found = family(year.history, f"github_api_insights_{kind}_requests_total", name)
    ((number,), samples) = found.popitem()
    assert not found
    actors = [source.actor for source in year.world.sources("acme", year.now)]
    watched = {
        "user": int(number),
        "actor": next(((one.actor_type, one.actor_id) for one in actors if one.actor_id == int(number)), None),
    }
    by_hour = counted(year, **{kind: watched[kind]})
    check_counter(samples, by_hour, next(hour for hour in by_hour if by_hour[hour]) - HOUR)


def test_subjects_and_the_rest_add_up_to_the_total_in_every_hour(year: Year) -> None:
    found = family(year.history, SUBJECTS, "subject_type", "subject_id", "subject_name")
    assert len(found) == MOST_SUBJECTS + 1
    rest = found.pop(("other", "", "other"))
    start, end = span(year)
    by_subject: dict[tuple[str, str], dict[int, int]] = {}
    for source in year.world.sources("acme", year.now):
        key = (source.actor.subject_type, str(source.actor.subject_id))
        own = by_subject.setdefault(key, dict.fromkeys(hours(start + HOUR, end, HOUR), 0))
        for hour in own:
            own[hour] += sum(burst.requests for burst in source.bursts(hour - HOUR) if burst.visible_at <= year.now)
    busiest = sorted(by_subject, key=lambda key: -sum(by_subject[key].values()))[:MOST_SUBJECTS]
    assert {key[:2] for key in found} == set(busiest)
    for kind, number, name in found:
        by_hour = by_subject[kind, number]
        assert name
        check_counter(found[kind, number, name], by_hour, next(h for h in by_hour if by_hour[h]) - HOUR)
    total = family(year.history, "github_api_insights_requests_total", "organization")["acme",]
    for at, value in total.items():
        assert value == rest.get(at, 0) + sum(samples.get(at, 0) for samples in found.values())


def test_the_busiest_hour_is_that_of_the_24_settled_ones_before(year: Year) -> None:
    samples = family(year.history, "github_api_insights_busiest_hour_requests", "organization")["acme",]
    by_hour = counted(year)
    for at in list(samples)[-400::40]:
        last = (at - 6 * HOUR) // HOUR * HOUR
        assert samples[at] == max(by_hour[last - back * HOUR] for back in range(24)), at
    assert not family(year.history, "github_api_insights_newest_data_timestamp_seconds", "organization")


def test_copilot_s_days_are_shown_two_days_later_until_the_next(year: Year) -> None:
    samples = family(year.history, DAILY_USERS, "organization")["acme",]
    days = family(year.history, "github_copilot_organization_report_day_timestamp_seconds", "organization")["acme",]
    assert list(samples) == list(days)
    first = min(samples)
    assert first % DAY == 0
    assert list(samples) == list(range(first, year.now, STEP)), "every hour of the year"
    users_of = cache(lambda day: record(year.estate, "acme", day)["daily_active_users"])
    for at in samples:
        day = at // DAY * DAY - SHOWN_AFTER
        if day_of(day) == year.missing:
            day -= DAY  # nobody used Copilot: the day before goes on
        assert (days[at], samples[at]) == (day, users_of(day))


def test_it_says_what_has_no_past_and_what_to_do_next(year: Year) -> None:
    assert "summary_stats: GitHub has it since" in year.text
    assert "promtool tsdb create-blocks-from" in year.text
    assert "not read" not in year.text


def test_a_finished_backfill_asks_nothing_again(year: Year) -> None:
    before = year.backfill.files()
    again = year.backfill.run(year.now, "--label=job=github")
    assert (again.returncode, year.backfill.files()) == (0, before)
    assert not (year.backfill.output / "unfinished.db").exists()


def test_killed_at_any_moment_it_ends_with_the_same_files(tmp_path: Path, now: int) -> None:
    github = github_of(now)
    github.faults.add(Fault(delay=0.01))
    collectors = only("summary_stats", "subject_stats", "copilot_usage", copilot_usage=LOOPBACK)
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    with backfill_of(github, tmp_path / "whole", collectors, enterprises=[]) as whole:
        whole.days = 25
        assert whole.run(now).returncode == 0
    moments = random.Random(2026)
    with backfill_of(github, tmp_path / "killed", collectors, enterprises=[]) as killed:
        killed.days = 25
        for _ in range(10):
            process, asked = killed.start(now), len(github.log) + moments.randrange(1, 12)
            until(
                lambda process=process, asked=asked: len(github.log) >= asked or process.poll() is not None, "it asks"
            )
            process.kill()
            process.wait(10)
            for path in killed.output.glob("*.om"):
                assert path.read_bytes().endswith(b"# EOF\n")
        assert killed.run(now).returncode == 0
        assert killed.files() == whole.files()


def test_what_a_dry_run_says_is_what_is_sent(tmp_path: Path, now: int) -> None:
    github = github_of(now)
    collectors = only(*INSIGHTS, "copilot_usage", copilot_usage=LOOPBACK)
    with backfill_of(github, tmp_path, collectors) as backfill:
        said = backfill.run(now, "--dry-run")
        assert said.returncode == 0, said.stderr
        assert not backfill.output.exists()
        requests = int(re.search(r"^([\d,]+) requests", said.stdout, re.MULTILINE)[1].replace(",", ""))  # type: ignore[index] # it is there
        before = sum(record.counted for record in github.log)
        assert backfill.run(now).returncode == 0
        assert abs(sum(record.counted for record in github.log) - before - requests) <= 0.1 * requests


def test_a_day_that_cannot_be_read_is_a_gap_and_is_asked_for_again(tmp_path: Path, now: int) -> None:
    github = github_of(now)
    bad = day_of(now - 20 * DAY)
    github.faults.add(Fault(lambda request: request.query.get("day") == bad, kind="garbage"))
    collectors = only("copilot_usage", copilot_usage=LOOPBACK)
    with backfill_of(github, tmp_path, collectors) as backfill:
        backfill.config = {**backfill.config, "enterprises": []}
        first = backfill.run(now)
        assert first.returncode == 1
        assert f"copilot_usage organization/acme, {bad}T00:00:00Z to" in first.stdout
        days = family(backfill.history(), "github_copilot_organization_report_day_timestamp_seconds", "organization")
        shown = {day_of(day) for day in days["acme",].values()}
        assert bad not in shown
        assert 0.0 not in days["acme",].values()
        github.faults.clear()
        again = backfill.run(now)
        assert again.returncode == 0, again.stdout
        days = family(backfill.history(), "github_copilot_organization_report_day_timestamp_seconds", "organization")
        assert bad in {day_of(day) for day in days["acme",].values()}


def test_odd_days_are_as_github_has_them_now_and_a_day_without_report_is_no_zero(tmp_path: Path, now: int) -> None:
    """A day is revised, one has nobody's use, one is late for ever; files in parts, in many forms, with dead links."""
    revised, unused, absent = (day_of(now - back * DAY) for back in (10, 15, 20))
    github = github_of(
        now,
        revised={("acme", revised): 0.0},
        missing={("acme", unused), ("acme-corp", absent)},
        files={"acme": 3},
        forms={"acme": "lines", "acme-corp": "wrapped"},
        dead_links={"acme": 3},
    )
    with backfill_of(github, tmp_path, only("copilot_usage", copilot_usage=LOOPBACK)) as backfill:
        done = backfill.run(now)
        assert done.returncode == 0, done.stdout + done.stderr
        history = backfill.history()
    estate = github.estate
    of_acme = family(history, DAILY_USERS, "organization")["acme",]
    assert min(of_acme.values()) > 0
    users_of = cache(lambda day: record(estate, "acme", day)["daily_active_users"])
    for at, users in of_acme.items():
        day = at // DAY * DAY - SHOWN_AFTER
        day -= DAY if day_of(day) == unused else 0
        assert users == users_of(day) + (day_of(day) == revised)
    name = "github_copilot_enterprise_daily_active_users"
    of_enterprise = family(history, name, "enterprise")["acme-corp",]
    gap = int(epoch(absent))
    assert f"copilot_usage enterprise/acme-corp, {absent}T00:00:00Z to" in done.stdout
    assert "GitHub has no report of the day" in done.stdout
    shown = {at: users for at, users in of_enterprise.items() if gap + SHOWN_AFTER <= at < gap + SHOWN_AFTER + DAY}
    assert set(shown.values()) == {record(estate, "acme-corp", gap - DAY)["daily_active_users"]}, (
        "the day before goes on"
    )


def test_a_full_disk_costs_nothing_that_was_read(tmp_path: Path, now: int) -> None:
    github = github_of(now)
    collectors = only("summary_stats", "copilot_usage", copilot_usage=LOOPBACK)
    (tmp_path / "whole").mkdir()
    (tmp_path / "full").mkdir()
    with backfill_of(github, tmp_path / "whole", collectors) as whole:
        assert whole.run(now).returncode == 0
    with backfill_of(github, tmp_path / "full", collectors) as full:
        largest = max(map(len, whole.files().values())) // 2
        stopped = full.run(now, largest_file=largest)
        assert stopped.returncode == 1
        assert "run the same command again to go on" in stopped.stderr
        assert "Traceback" not in stopped.stderr
        asked = len(github.log)
        assert full.run(now).returncode == 0
        assert full.files() == whole.files()
        assert len(github.log) - asked < asked / 2, "what was read is not read again"


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--from=2026-02-02", "--to=2026-02-01"], "flag: --to: 2026-02-01 is before --from=2026-02-02"),
        (["--from=2001-01-01"], "flag: --from: GitHub has nothing of 2001-01-01: summary_stats since"),
        (["--collectors=copilot_usages"], "flag: --collectors: there is no collector copilot_usages; did you mean"),
        (["--targets=organization/none"], "flag: --targets: organization/none is not configured; there are"),
        (["--collectors=copilot_seats"], "nothing of this has a past: copilot_seats"),
        (["--from=yesterday"], "flag: --from: must be a day such as 2026-01-31"),
        (["--label=job"], "flag: --label: must be NAME=VALUE, such as job=github"),
        (["--step=5"], "flag: --step: must be a duration"),
    ],
)
def test_bad_input_is_one_clear_error_and_nothing_is_written(
    flags: list[str], told: str, tmp_path: Path, now: int
) -> None:
    with backfill_of(github_of(now), tmp_path, only("summary_stats", "copilot_seats")) as backfill:
        done = backfill.run(now, *flags)
        assert done.returncode == 1
        assert told in done.stderr
        assert len(done.stderr.strip().split("\n")) == 1
        assert not backfill.output.exists()


def test_a_folder_with_other_files_stays_as_it_is(tmp_path: Path, now: int) -> None:
    with backfill_of(github_of(now), tmp_path, only("summary_stats")) as backfill:
        backfill.output.mkdir()
        (backfill.output / "notes.txt").write_text("mine")
        done = backfill.run(now)
        assert (done.returncode, done.stderr) == (
            1,
            f"{backfill.output} has other files (notes.txt): name an empty folder with --output\n",
        )
        assert [path.name for path in backfill.output.iterdir()] == ["notes.txt"]


def test_another_backfill_in_the_same_folder_is_refused(tmp_path: Path, now: int) -> None:
    with backfill_of(github_of(now), tmp_path, only("summary_stats")) as backfill:
        backfill.days = 20
        assert backfill.run(now).returncode == 0
        done = backfill.run(now, "--step=2h")
        assert done.returncode == 1
        assert "has a backfill with other flags or settings (step)" in done.stderr
