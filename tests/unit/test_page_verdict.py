"""The verdict of the status page: facts in, level and sentences out; and that alerts go by the same numbers."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.collectors import COLLECTORS, copilot_usage, server_statistics, summary_stats, time_stats, usage_reports
from exporter.discovery.memory import Failure
from exporter.discovery.status import DiscoveryStatus, Lacking
from exporter.github.dates import EXPIRES_SOON
from exporter.instants import DAY
from exporter.jobs import Target
from exporter.serving.health import Gap, Health, Reload, Shard
from exporter.serving.page.quotas import Quota, shares
from exporter.serving.page.sources import facts_of, sources_of
from exporter.serving.page.verdict import (
    GAP_SECONDS,
    REJECTION_SECONDS,
    SCARCE,
    SKEWED,
    SPENT,
    WRITE_FAILURE_SECONDS,
    Facts,
    Finding,
    LateData,
    Stopped,
    verdict,
)
from exporter.serving.status_json import status_json
from exporter.state.health import StateHealth
from tests.support.page import FINE, NOW, WAITING, Parsed, entry, failed, page_of

ALERTS = {
    rule["alert"]: rule["expr"]
    for group in yaml.safe_load(Path("deploy/prometheus/alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
}
FIVE = Facts(sources=5)
LATE_DATA = LateData("time_stats", 28_800.0, "Look.", ["organization/acme"])


@pytest.mark.parametrize(
    ("facts", "health", "level", "what", "fix"),
    [
        pytest.param(FIVE, Health(), "ok", "All is well.", "", id="well"),
        pytest.param(Facts(), Health(), "warn", "Nothing is collected.", "No collector is enabled", id="nothing"),
        pytest.param(
            FIVE,
            Health(state=StateHealth("/state: no space; free some", "", 5_227, NOW)),
            "bad",
            "State cannot be written. 5,227 writes failed since the start.",
            "/state: no space; free some. A restart now would lose counts.",
            id="state cannot be written",
        ),
        pytest.param(
            FIVE,
            Health(state=StateHealth("", "", 2, NOW - WRITE_FAILURE_SECONDS + 1)),
            "warn",
            "A write of the state failed 2026-11-21T14:00:01Z; it can be written again.",
            "Look in the log",
            id="state could not be written within the hour",
        ),
        pytest.param(
            FIVE,
            Health(state=StateHealth("", "", 2, NOW - WRITE_FAILURE_SECONDS)),
            "ok",
            "All is well.",
            "",
            id="long ago",
        ),
        pytest.param(
            FIVE,
            Health(rejected_at=NOW - REJECTION_SECONDS + 1),
            "warn",
            "Slow scrapes were cut: more than --web.max-requests ran at the same time.",
            "Find out who scrapes",
            id="scrapes were cut",
        ),
        pytest.param(
            FIVE,
            Health(state=StateHealth(incident="set aside as X")),
            "warn",
            "The saved state was damaged or changed.",
            "set aside as X.",
            id="state was set aside",
        ),
        pytest.param(
            FIVE,
            Health(credentials={"default": "token file T is empty"}),
            "warn",
            "Credential default cannot be read; the last one read stays in use.",
            "Put the file back, readable for the exporter's user",
            id="a token cannot be read any more",
        ),
        pytest.param(
            replace(FIVE, stopped={"default": Stopped(5, 5)}),
            Health(credentials={"default": "token file T is empty"}),
            "bad",
            "Credential default cannot be read: 5 of 5 sources stopped.",
            "Put the file back, readable for the exporter's user",
            id="there is no token",
        ),
        pytest.param(
            replace(FIVE, stopped={"default": Stopped(5, 5)}, not_run=0),
            Health(credentials={"default": ""}, expiries={"default": NOW - 1}),
            "bad",
            "Credential default is rejected: 5 of 5 sources stopped.",
            "Replace the token; its file is read again when it changes.",
            id="a rejected token, which has expired",
        ),
        pytest.param(
            FIVE,
            Health(reload=Reload(NOW - 60, "line 3: unknown key")),
            "warn",
            "The configuration was not reloaded: the one loaded 2026-11-21T14:59:00Z is still in use.",
            "Correct it",
            id="a reload was refused",
        ),
        pytest.param(
            replace(FIVE, late_data=[LATE_DATA]),
            Health(),
            "warn",
            "Data of time_stats are late: older than 8 h at organization/acme.",
            "Look.",
            id="late data",
        ),
        pytest.param(replace(FIVE, failing=1), Health(), "bad", "1 of 5 sources fails.", "", id="one fails"),
        pytest.param(replace(FIVE, failing=2, late=1), Health(), "bad", "2 of 5 sources fail.", "", id="two fail"),
        pytest.param(
            replace(FIVE, late=1),
            Health(),
            "warn",
            "Nothing fails, but 1 source is late.",
            "There was no success",
            id="late",
        ),
        pytest.param(
            replace(FIVE, not_run=4), Health(), "warn", "Waiting for the first run: 4 of 5 sources.", "", id="at first"
        ),
        pytest.param(
            replace(FIVE, warnings=[Finding("warn", "No export covers 2026-11.", "Make one.")]),
            Health(),
            "warn",
            "No export covers 2026-11.",
            "Make one.",
            id="a collector's warning",
        ),
        pytest.param(
            FIVE,
            Health(skew=31.0),
            "warn",
            "This machine's clock is 31 s behind GitHub's.",
            "Synchronise",
            id="a wrong clock",
        ),
        pytest.param(
            FIVE,
            Health(left={"token": SCARCE - 0.01}),
            "warn",
            "Only 9% of GitHub's hourly limit is left in quota pool token: other clients use it up.",
            "Give the exporter a GitHub App",
            id="others use up the limit",
        ),
        pytest.param(FIVE, Health(left={"token": SCARCE}), "ok", "All is well.", "", id="enough is left"),
        pytest.param(
            FIVE,
            Health(spent={"token": SPENT + 0.01}),
            "warn",
            "Quota pool token has used 91% of its budget within an hour.",
            "Runs are paused",
            id="the budget is used up",
        ),
        pytest.param(
            FIVE,
            Health(gaps={"summary_stats": Gap(3 * 3_600, NOW - GAP_SECONDS + 1)}),
            "warn",
            "summary_stats has a gap of 3 h, found 2026-11-21T09:00:01Z: requests in it are not counted.",
            "It cannot be filled",
            id="a gap",
        ),
        pytest.param(
            FIVE,
            Health(gaps={"summary_stats": Gap(60, NOW - GAP_SECONDS)}),
            "ok",
            "All is well.",
            "",
            id="an old gap",
        ),
        pytest.param(FIVE, Health(spent={"token": SPENT}), "ok", "All is well.", "", id="the budget suffices"),
        pytest.param(
            FIVE,
            Health(expiries={"default": NOW + EXPIRES_SOON - 1}),
            "warn",
            "The token of credential “default” expires 2026-12-05T14:59:59Z.",
            "Make a new token",
            id="a token expires soon",
        ),
    ],
)
def test_the_verdict_knows_whatever_is_not_well(facts: Facts, health: Health, level: str, what: str, fix: str) -> None:
    top = verdict(facts, health, NOW).top
    assert (top.level, top.what) == (level, what)
    assert top.fix.startswith(fix)
    assert bool(top.fix) == bool(fix)
    causes = [health.reload.problem, *(f"{one}." for one in health.credentials.values() if one)]
    assert top.cause == next(filter(None, causes), "")


def test_the_worst_is_on_top_and_the_rest_is_told_with_its_fix() -> None:
    health = Health(reload=Reload(NOW, "line 3"), credentials={"a": "token file T is empty"})
    found = verdict(replace(FIVE, failing=1, late_data=[LATE_DATA]), health, NOW)
    assert (found.top.level, found.top.what) == ("bad", "1 of 5 sources fails.")
    assert [one.what.split()[0] for one in found.more] == ["Credential", "The", "Data"]
    page = Parsed(page_of(entry(failed("unavailable")), health=health))
    what = "Credential a cannot be read; the last one read stays in use."
    assert f"Other problems {what} token file T is empty. Fix: " in page.text


def test_a_rejected_credential_lets_every_source_of_it_stand_still_once() -> None:
    collectors = [replace(summary_stats.COLLECTOR, name=f"c{number}") for number in range(5)]
    entries = [entry(failed("credential"), collectors[0]), *(entry(WAITING, one) for one in collectors[1:])]
    other = entry(FINE, target="globex", credential="other")
    facts = facts_of(sources_of([*entries, other], Health(), NOW))
    assert facts.stopped == {"token": Stopped(5, 5)}
    assert (facts.failing, facts.not_run, facts.late) == (0, 0, 0)
    page = Parsed(page_of(*entries, other))
    assert page.text.count("✗ Credential token is rejected: 5 of 5 sources stopped.") == 2, (
        "on the page and in its title"
    )
    assert "Sources: 1 working, 5 stopped." in page.text
    assert "not run yet" not in page.text
    assert page.text.count("✗ stopped") == 5
    assert "GitHub rejects the credential : 5 sources" in page.text
    assert "c0, c1, c2, c3, c4 of organization/acme" in page.text
    assert page.text.count("Fix: Replace the token") == 1


def test_programs_get_the_same_as_json() -> None:
    health = Health(reload=Reload(NOW, "line 3"))
    entries = [entry(failed("unavailable", "503"), target=f"org-{number:02}") for number in range(61)]
    status = json.loads(status_json(entries, version="1.2.3", now=NOW, health=health))
    assert (status["schema"], status["level"], status["verdict"]) == (1, "bad", "61 of 61 sources fail.")
    assert [one["level"] for one in status["findings"]] == ["bad", "warn"]
    assert status["findings"][1]["cause"] == "line 3"
    assert len(status["sources"]) == 61, "none is left out"
    (failure,) = status["sources"][0]["failures"]
    assert (failure["reason"], failure["message"]) == ("unavailable", "503")
    assert failure["fix"].startswith("nothing to do if it passes")
    well = json.loads(status_json([entry(FINE)], version="1.2.3", now=NOW, health=Health()))
    assert (well["level"], well["verdict"], well["findings"]) == ("ok", "All is well.", [])


def test_the_json_has_every_part_of_the_page_and_each_of_its_fields_is_documented() -> None:
    quota = Quota("app/acme", 15_000, 14_200, NOW + 720, 4_500, 800, NOW + 5)
    found = DiscoveryStatus("app", "acme-corp", "", True, NOW, NOW + 60, Failure("invalid", "odd", "look"))
    health = Health(
        web=Reload(NOW, "line 4"),
        has_web_config=True,
        expiries={"finance": NOW + 86_400},
        shard=Shard(0, 2, 1, {"organization": 2}),
        targets={("organization", "listed"): 1},
        discovery=[found._replace(lacking=[Lacking("x", ["time_stats"], ["organization/acme"])])],
    )
    entries = [entry(failed("invalid", "odd", unknown=("new_field",)))]
    status = json.loads(status_json(entries, [quota, quota], version="1.2.3", now=NOW, health=health))
    (pool,) = status["quota_pools"]
    assert (pool["pool"], pool["remaining"], pool["used"], pool["paused_until"]) == ("app/acme", 14_200, 800, NOW + 5)
    assert status["token_expiries"] == {"finance": NOW + 86_400}
    assert status["sources"][0]["interval_seconds"] == 1_800
    assert "new_field" in status["notes"][-1]
    assert status["exporter"]["state"]["is_written"] is True
    assert status["exporter"]["web_configuration"] == {"loaded": NOW, "problem": "line 4"}
    assert status["exporter"]["targets"] == [{"kind": "organization", "source": "listed", "count": 1}]
    documented = set(re.findall(r"`([a-z_]+)`", Path("docs/status.md").read_text()))
    names = {"finance", "organization"}  # of a credential and of a kind
    assert keys(status) - names <= documented


def keys(data: Any) -> set[str]:
    """Every name of a field in JSON data."""
    if isinstance(data, list):
        return set().union(*map(keys, data))
    return set(data).union(*map(keys, data.values())) if isinstance(data, dict) else set()


def test_a_limit_is_one_cause_for_which_all_wait() -> None:
    """Waiting is neither a failure nor the same as never asked; what fails otherwise there stays a failure."""
    target = Target("organization", "acme", "token")
    limited = failed("rate_limited", "the hourly limit is used up")
    entries = [entry(limited), entry(WAITING, time_stats.COLLECTOR), entry(FINE, copilot_usage.COLLECTOR)]
    health = Health(paused={target})

    def counts(health: Health) -> tuple[int, int, int]:
        facts = facts_of(sources_of(entries, health, NOW))
        return facts.paused, facts.failing, facts.not_run

    assert counts(health) == (2, 0, 0)
    assert "! 2 of 3 sources paused by a rate limit." in Parsed(page_of(*entries, health=health)).text
    assert counts(Health()) == (0, 1, 1)
    entries.append(entry(failed("forbidden"), server_statistics.COLLECTOR))
    assert counts(health) == (2, 1, 0)


def test_of_one_token_all_targets_stand_still_of_an_app_only_the_refused() -> None:
    def target(name: str) -> Target:
        return Target("organization", name, "token")

    entries = [entry(FINE), entry(FINE, target="globex")]
    facts = facts_of(sources_of(entries, Health(rejected={target("acme"): True, target("globex"): False}), NOW))
    assert facts.stopped == {"token": Stopped(1, 2)}
    facts = facts_of(sources_of(entries, Health(rejected={target("acme"): True, target("globex"): True}), NOW))
    assert facts.stopped == {"token": Stopped(2, 2)}


@pytest.mark.parametrize(
    ("collector", "age", "is_late"),
    [
        (time_stats.COLLECTOR, 10 * 3_600, True),
        (time_stats.COLLECTOR, 7 * 3_600, False),
        (copilot_usage.COLLECTOR, 5.6 * DAY, True),
        (copilot_usage.COLLECTOR, 5.4 * DAY, False),
        (copilot_usage.OF_ENTERPRISE, 5.6 * DAY, True),
        (server_statistics.COLLECTOR, 3.1 * DAY, True),
        (usage_reports.COLLECTOR, 3.9 * DAY, False),
        (usage_reports.COLLECTOR, 4.1 * DAY, True),
        (summary_stats.COLLECTOR, 10 * 3_600, False),
    ],
)
def test_data_are_late_by_their_own_age_though_runs_succeed(collector: Any, age: float, is_late: bool) -> None:
    page = Parsed(page_of(entry(replace(FINE, data_time=NOW - age), collector)))
    assert (f"! Data of {collector.name} are late: older than " in page.text) == is_late
    assert ("! data late" in page.text) == is_late
    assert ("✓ All is well." in page.text) != is_late


def test_quiet_users_whom_the_drill_down_follows_are_not_late_data() -> None:
    users = [one for one in COLLECTORS if one.name == "time_stats" and one.subject]
    assert users
    assert not any(one.late for one in users)


def test_alerts_of_lateness_and_the_page_go_by_the_same_numbers() -> None:
    declared = {one.name: one.late for one in COLLECTORS if one.late}
    daily = re.findall(r'collector="(\w+)"} > ([\d.]+) \* 86400', ALERTS["GithubDailyDataLate"])
    hours = re.findall(r"data_age:seconds > (\d+) \* 3600", ALERTS["GithubApiInsightsLate"])
    alerts = {name: (float(days) * DAY, "GithubDailyDataLate") for name, days in daily}
    alerts["time_stats"] = (float(hours[0]) * 3_600, "GithubApiInsightsLate")
    assert {name: (late.after, late.alert) for name, late in declared.items()} == alerts
    for name, late in declared.items():
        assert {one.late for one in COLLECTORS if one.name == name} - {None} == {late}, "the same in every scope"


def test_other_alerts_and_the_page_go_by_the_same_numbers() -> None:
    assert ALERTS["GithubExporterClockSkewed"].endswith(f"> {SKEWED:.0f}")
    assert f"[{WRITE_FAILURE_SECONDS / 3_600:.0f}h]" in ALERTS["GithubExporterStateNotPersisted"]
    assert f"[{REJECTION_SECONDS / 60:.0f}m]" in ALERTS["GithubExporterScrapesRejected"]
    assert f"< {EXPIRES_SOON / DAY:.0f} * 86400" in ALERTS["GithubCredentialExpiring"]
    assert f"[{GAP_SECONDS / 3_600:.0f}h]" in ALERTS["GithubCountsLost"]
    assert f"remaining:ratio < {SCARCE}\n" in ALERTS["GithubQuotaExhausted"]
    assert f"ratio_increase1h > {SPENT}\n" in ALERTS["GithubBudgetTooSmall"]


def test_what_fails_is_not_said_to_succeed_without_data() -> None:
    """As the alert GithubDataMissing: a failure has its own sentence; the note is of the run before."""
    noted = entry(failed("unavailable", note="nothing is there"), target="acme")
    assert facts_of(sources_of([noted], Health(), NOW)).warnings == []
    assert "succeeds, but data are missing" not in Parsed(page_of(noted)).text
    standing = entry(replace(FINE, note="nothing is there"), target="acme")
    refused = Health(rejected={Target("organization", "acme", "token"): True})
    assert facts_of(sources_of([standing], refused, NOW)).warnings == []
    (warning,) = facts_of(sources_of([standing], Health(), NOW)).warnings
    assert warning.what == "summary_stats succeeds, but data are missing at organization/acme."


def test_shares_are_of_an_hour_that_is_not_over_and_of_what_is_known() -> None:
    quotas = [
        Quota("others", 5_000, 250, NOW + 600, 1_500, 1_440),
        Quota("over", 5_000, 0, NOW - 1, 1_500, 0),
        Quota("new"),
        Quota("none", 0, 0, NOW + 600, 1, 0),
    ]
    assert shares(quotas, NOW) == ({"others": 0.05}, {"others": 0.96, "over": 0.0, "none": 0.0})
