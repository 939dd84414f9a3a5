"""What was there a moment ago and is not in an answer: what stays, until when, and what is said. No port."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from exporter.catalogue import Collector
from exporter.collecting.doubts import earlier_reads, note_of
from exporter.collectors import (
    appliance_stats,
    billing_usage,
    copilot_metrics,
    copilot_seats,
    copilot_usage,
    licenses,
    server_statistics,
    subject_stats,
    time_stats,
)
from exporter.collectors.copilot_seats.summary import SEATS as SEATS_TABLE
from exporter.collectors.usage_reports.export_notes import doubts_of, notes_of
from exporter.collectors.usage_reports.exports import Choice, Export, periods
from exporter.exposition.columns import column
from exporter.exposition.snapshot import Snapshot
from exporter.fetching import Doubt, Fetched
from exporter.jobs import Job
from exporter.simulator.stored import ANSWERS
from exporter.state.snapshot_json import dump, load
from tests.support.attempts import conclusion_of
from tests.support.copilot import D2, D3, D4, Calendar, Cloud, attempt, files, record
from tests.support.jobs import NOW, client, job_of

DAY = 86_400.0
STORED: dict[str, Any] = {}
for file in ANSWERS.glob("*.json"):
    if isinstance(answers := json.loads(file.read_text()), dict):
        STORED |= answers


def run(job: Job, changed: Mapping[str, Any], before: Snapshot | None = None, now: float = NOW) -> Snapshot:
    """The snapshot after one attempt; `changed` are the answers (a status or JSON) that are not the stored ones."""

    def respond(request: httpx.Request) -> httpx.Response:
        answer = {**STORED, **changed}[request.url.path]
        return httpx.Response(answer, json={}) if isinstance(answer, int) else httpx.Response(200, json=answer)

    data_time = before.data_time if before else None
    after = conclusion_of(job, client(respond, now=now), before, data_time=data_time, now=now).snapshot
    assert after.outcome is not None
    assert after.outcome.state == "ok", after.outcome.message
    return load(json.loads(json.dumps(dump(after))))  # what holds must hold after a restart


def shown(job: Job, snapshot: Snapshot, now: float) -> dict[str, list[Any]]:
    return {name: list(samples) for name, samples in snapshot.gauges_at(now, job).items() if len(samples)}


SUMMARY = "/enterprises/acme-corp/settings/billing/usage/summary"
CREDITS = "/enterprises/acme-corp/settings/billing/ai_credit/usage"
STATISTICS = "/enterprise-installation/acme-corp/server-statistics"
SECURITY = "/enterprise/stats/security-products"
LICENSES = "/enterprises/acme-corp/consumed-licenses"
SYNC = "/enterprises/acme-corp/license-sync-status"
SEATS = "/orgs/acme/copilot/billing"
NO_ITEMS = {"timePeriod": {"year": 2026, "month": 11}, "usageItems": []}

DOUBTFUL: dict[str, tuple[Collector, dict[str, Any], str]] = {
    "no items": (billing_usage.COLLECTOR, {SUMMARY: NO_ITEMS, CREDITS: NO_ITEMS}, "has no usage of 2026-11"),
    "no usage": (billing_usage.COLLECTOR, {SUMMARY: NO_ITEMS}, "has no usage of 2026-11"),
    "no credits": (billing_usage.COLLECTOR, {CREDITS: NO_ITEMS}, "has no AI credits of 2026-11"),
    "credits that are not found": (billing_usage.COLLECTOR, {CREDITS: 404}, "has no AI credits of 2026-11"),
    "no list of items": (billing_usage.COLLECTOR, {SUMMARY: {}}, "has no usage of 2026-11"),
    "no appliance": (server_statistics.COLLECTOR, {STATISTICS: []}, "GitHub lists no appliance"),
    "no seats": (copilot_seats.COLLECTOR, {SEATS: {**STORED[SEATS], "seat_breakdown": {}}}, "empty seat_breakdown"),
    "no security": (appliance_stats.COLLECTOR, {SECURITY: {}}, "no figures of security products"),
    "security that is forbidden": (appliance_stats.COLLECTOR, {SECURITY: 403}, "no figures of security products"),
    "no totals of licences": (licenses.COLLECTOR, {LICENSES: {"users": []}}, "no totals of seats"),
    "licence sync that is forbidden": (licenses.COLLECTOR, {SYNC: 403}, "no longer shows the licence sync"),
    "no day": (copilot_metrics.COLLECTOR, {"/orgs/acme/copilot/metrics": []}, "has no day"),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_what_an_answer_suddenly_lacks_stays_until_max_age_and_is_named(case: str) -> None:
    collector, changed, sentence = DOUBTFUL[case]
    job = job_of(collector)
    first = run(job, {})
    assert first.note == ""
    after = run(job, changed, first, NOW + 60)
    assert shown(job, after, NOW + 60) == shown(job, first, NOW + 60)
    assert sentence in after.note
    assert after.data_time == first.data_time
    again = run(job, changed, after, NOW + 120)
    assert (again.note, again.data_time) == (after.note, first.data_time), "one line of the log, not one per run"
    assert shown(job, again, NOW + 120) == shown(job, first, NOW + 120)
    mended = run(job, {}, again, NOW + 180)
    assert (mended.note, mended.earlier_reads) == ("", {})


@pytest.mark.parametrize("case", sorted(DOUBTFUL.keys() - {"no appliance"}))
def test_after_max_age_the_answer_is_the_truth(case: str) -> None:
    collector, changed, _ = DOUBTFUL[case]
    job = job_of(collector)
    first = run(job, {})
    after = run(job, changed, first, NOW + 60)
    late = NOW + collector.max_age + 1
    gone = set(after.earlier_reads)
    assert gone
    assert not gone & shown(job, after, late).keys()
    accepted = run(job, changed, after, late)
    assert shown(job, accepted, late).keys() == shown(job, first, NOW).keys() - gone
    assert accepted.earlier_reads == {}
    assert "stay until" not in accepted.note


def test_each_appliance_that_is_listed_no_more_ages_by_its_own_date() -> None:
    job = job_of(server_statistics.COLLECTOR)
    first = run(job, {})
    after = run(job, {STATISTICS: []}, first, NOW + 60)
    for late in (NOW + 4 * DAY, NOW + 40 * DAY):
        assert shown(job, after, late) == shown(job, first, late)
        assert shown(job, run(job, {STATISTICS: []}, after, late), late) == shown(job, first, late)


def test_a_month_that_begins_has_no_usage_yet_and_that_is_the_truth() -> None:
    job, december = job_of(billing_usage.COLLECTOR), 1_796_083_200.0 + 3600  # 2026-12-01T01:00:00Z
    nothing: dict[str, Any] = {SUMMARY: {"usageItems": []}, CREDITS: {"usageItems": []}}
    before = run(job, {}, now=december - 2 * 3600)
    after = run(job, nothing, before, december)
    assert (shown(job, after, december), after.note, after.earlier_reads) == ({}, "", {})
    later = run(job, nothing, after, december + 4 * DAY)
    assert later.note.startswith("GitHub shows no usage of this month")


NOTHING: dict[str, tuple[Collector, dict[str, Any], str]] = {
    "billing_usage": (billing_usage.COLLECTOR, {SUMMARY: NO_ITEMS, CREDITS: NO_ITEMS}, "switch it off"),
    "server_statistics": (server_statistics.COLLECTOR, {STATISTICS: []}, "turn on GitHub Connect"),
    "copilot_metrics": (copilot_metrics.COLLECTOR, {"/orgs/acme/copilot/metrics": []}, "policy for Copilot metrics"),
    "copilot_seats": DOUBTFUL["no seats"],
}


@pytest.mark.parametrize("name", NOTHING)
def test_a_first_answer_with_nothing_says_what_to_do(name: str) -> None:
    collector, changed, sentence = NOTHING[name]
    after = run(job_of(collector), changed)
    assert sentence in after.note
    assert after.earlier_reads == {}
    assert "stay" not in after.note


def test_nothing_is_said_of_a_user_or_app_without_requests_and_of_an_organization_it_is() -> None:
    assert note_of(job_of(subject_stats.COLLECTOR), Fetched(()), {}, 0) == subject_stats.COLLECTOR.nothing
    assert note_of(job_of(time_stats.OF_USER), Fetched(()), {}, 0) == ""
    assert note_of(job_of(subject_stats.COLLECTOR), Fetched((), note=""), {}, 0) == ""
    assert note_of(job_of(subject_stats.COLLECTOR), Fetched(()), {}, 1) == ""


def test_what_was_never_shown_is_not_held() -> None:
    job = job_of(copilot_seats.COLLECTOR)
    doubt = Doubt(SEATS_TABLE, "No seats")
    empty = replace(Snapshot(), gauges={"github_copilot_seats": column([])}, last_success=NOW)
    assert earlier_reads(job, Snapshot(), [doubt], NOW) == earlier_reads(job, empty, [doubt], NOW) == {}
    full = replace(empty, gauges={"github_copilot_seats": column([((), 7.0)])})
    assert earlier_reads(job, full, [doubt], NOW + 60) == {"github_copilot_seats": NOW}
    assert earlier_reads(job, full, [doubt], NOW + job.max_age + 1) == {}


# Copilot: the day that is shown.


@pytest.mark.parametrize("gone", [{D2: 204}, {D2: files()}, {D2: files(b"")}, {}])
@pytest.mark.parametrize("older", [{D3: files(record(D3, 7))}, {D3: 204, D4: 204, "latest": 204}])
def test_an_older_day_never_replaces_a_newer_one_that_github_shows_no_more(
    gone: dict[str, Any], older: dict[str, Any]
) -> None:
    job = job_of(copilot_usage.COLLECTOR)
    before = attempt(Cloud({D2: files(record(D2))})).snapshot
    after = attempt(Cloud({**gone, **older}), before=before, now=NOW + 60).snapshot
    assert shown(job, after, NOW + 60) == shown(job, before, NOW + 60)
    assert after.data_time == before.data_time
    assert after.note.startswith(f"GitHub shows the report of {D2} no more; the last figures stay until")
    mended = attempt(Cloud({D2: files(record(D2, 121))}), before=after, now=NOW + 120).snapshot
    assert (mended.note, shown(job, mended, NOW + 120)["github_copilot_organization_daily_active_users"]) == (
        "",
        [((), 121.0)],
    )


def test_copilot_without_any_report_says_what_to_look_at() -> None:
    assert "Copilot usage metrics" in Calendar([]).at(NOW).note


# Exports.

RUNNING, BEFORE = periods(NOW)
EXPORT = Export("a", "summarized", RUNNING.first, RUNNING.last, "completed", NOW - 3600)
NONE, USE = Choice(None, None, None, missing=True), Choice(EXPORT, None, None, missing=False)
WAIT = Choice(None, replace(EXPORT, status="processing"), None, missing=False)
KNOWN = {"rows": 9, "created": NOW - 3600}
SAID: list[tuple[Choice, dict[str, Any], float, str]] = [
    (NONE, {}, NOW, "no summarized export covers 2026-11"),
    (WAIT, {}, NOW, ""),
    (USE, {RUNNING.month: KNOWN}, NOW, ""),
    (NONE, {RUNNING.month: KNOWN}, NOW, "lists no summarized export of 2026-11 any more"),
    (USE, {RUNNING.month: {**KNOWN, "rows": 0}}, NOW, "has no rows"),
    (USE, {}, NOW, ""),  # it could not be read: a fault
    (NONE, {RUNNING.month: {**KNOWN, "doubted": NOW}}, NOW, ""),  # that says more
]


@pytest.mark.parametrize(("choice", "figures", "now", "sentence"), SAID)
def test_what_is_said_of_exports(choice: Choice, figures: dict[str, Any], now: float, sentence: str) -> None:
    told = list(notes_of("summarized", (RUNNING, BEFORE), {RUNNING.month: choice}, figures, now))
    assert len(told) == bool(sentence)
    assert sentence in "".join(told)


def test_a_month_that_begins_needs_no_export_yet() -> None:
    begin = 1_796_083_200.0  # 2026-12-01
    for after, known, lines in ((DAY, True, 0), (DAY, False, 1), (4 * DAY, True, 1)):
        running, before = periods(begin + after)
        figures = {before.month: KNOWN} if known else {}
        told = list(notes_of("summarized", (running, before), {running.month: NONE}, figures, begin + after))
        assert len(told) == lines
        figures = {running.month: {**KNOWN, "rows": 0}}
        told = list(notes_of("summarized", (running, before), {running.month: USE}, figures, begin + after))
        assert len(told) == (after > 3 * DAY)


def test_what_is_said_of_exports_without_rows() -> None:
    figures = {" 2026-11": {**KNOWN, "doubted": NOW}, "ai_credit 2026-10": {**KNOWN, "doubted": NOW}, " 2026-10": KNOWN}
    told = list(doubts_of(figures, 3 * DAY))
    assert [text.partition(" has")[0] for text in told] == [
        "the newest export of 2026-11",
        "the newest ai_credit export of 2026-10",
    ]
    assert "stay until 2026-11-24T12:00:00Z" in told[0]
