"""The status page: what it says in each state, and what a browser makes of it."""

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from exporter.collectors import COLLECTORS, copilot_seats, route_stats, summary_stats
from exporter.errors import BY_REASON, Forbidden, Reason, Refused
from exporter.exposition.snapshot import Snapshot
from exporter.exposition.store import Entry
from exporter.github import refusals
from exporter.github.apps import NotInstalled
from exporter.github.budget import Budget
from exporter.github.dates import Closing
from exporter.github.hour import HOUR_WINDOW
from exporter.github.pacing import Pool
from exporter.serving.health import Health, Reload, Shard
from exporter.serving.page.page import status_page
from exporter.serving.page.quotas import Quota, quota_of
from exporter.state.health import StateHealth
from tests.support.page import FINE, NOW, WAITING, Parsed, entry, failed, page_of

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
HOSTILE = "\"><script>alert(1)</script>{needs}{0}&amp;'<b>"


def test_a_success_without_data_is_told_with_what_to_do() -> None:
    lacking = replace(FINE, note="no export covers 2026-11: make one")
    others = [entry(lacking, target=f"t{number:02}") for number in range(12)]
    text = Parsed(page_of(entry(FINE), entry(lacking, copilot_seats.COLLECTOR), *others)).text
    assert "! copilot_seats succeeds, but data are missing at organization/acme." in text
    assert "summary_stats succeeds, but data are missing at organization/t00, organization/t01, " in text
    assert "organization/t02 and 9 more." in text
    assert text.count("No export covers 2026-11: make one.") == 2
    assert "<script>alert" not in page_of(entry(replace(FINE, note=HOSTILE)))


def test_unknown_fields_are_named_by_collector_and_fail_nothing() -> None:
    new = replace(FINE, unknown=("new_count", "users_in_phase_28d"))
    page = page_of(
        entry(new), entry(replace(FINE, unknown=("new_count",)), target="globex"), entry(FINE, copilot_seats.COLLECTOR)
    )
    text = Parsed(page).text
    assert "✓ All is well." in text
    words = "GitHub sends fields that this version does not know: new_count, users_in_phase_28d."
    assert f"summary_stats (2 targets): {words}" in text
    assert text.count("GitHub sends fields") == 1
    many = [entry(replace(FINE, unknown=tuple(f"t{n}_f{m}" for m in range(20))), target=f"t{n}") for n in range(9)]
    (note,) = re.findall(r"summary_stats \(9 targets\)[^<]*", page_of(*many))
    assert note.count(",") == 20
    assert note.endswith(", ….")
    assert "<script>alert" not in page_of(entry(replace(FINE, unknown=(HOSTILE,))))


@pytest.mark.parametrize(
    ("entries", "verdict", "also"),
    [
        pytest.param((), "! Nothing is collected.", "No collector is enabled", id="nothing is configured"),
        pytest.param((entry(FINE),), "✓ All is well.", "Sources: 1 working. 1,234 series", id="all works"),
        pytest.param((entry(WAITING),), "! Waiting for the first run: 1 of 1 source.", "not run yet", id="at first"),
        pytest.param(
            (entry(FINE), entry(failed("forbidden"), copilot_seats.COLLECTOR)),
            "✗ 1 of 2 sources fails.",
            "Sources: 1 working, 1 failing.",
            id="one fails",
        ),
        pytest.param(
            (entry(failed("forbidden")), entry(failed("unavailable"), target="globex"), entry(WAITING, target="late")),
            "✗ 2 of 3 sources fail.",
            "Sources: 2 failing, 1 not run yet.",
            id="two fail, one waits",
        ),
        pytest.param(
            (entry(replace(FINE, last_success=NOW - 4_201)),),
            "! Nothing fails, but 1 source is late.",
            "Fix: There was no success for two intervals or more.",
            id="no success for two intervals and ten minutes",
        ),
        pytest.param(
            (entry(replace(FINE, last_success=NOW - 4_199)),), "✓ All is well.", "70 minutes ago", id="just in time"
        ),
        pytest.param(
            (entry(replace(FINE, closing=Closing(NOW, NOW + 86_400))),),
            "✓ All is well.",
            "GitHub announced the end of the endpoint for 2026-11-22T15:00:00Z, deprecated since 2026-11-21T15:00:00Z.",
            id="an end is announced",
        ),
        pytest.param(
            (entry(replace(FINE, left_out=7)),),
            "✓ All is well.",
            "summary_stats of organization/acme: 7 rows have no series of their own; raise max_series",
            id="rows without series",
        ),
    ],
)
def test_the_line_on_top_says_how_it_is(entries: tuple[Entry, ...], verdict: str, also: str) -> None:
    page = Parsed(page_of(*entries))
    assert page.text.count(verdict) == 2, "on the page and in its title"
    assert also in page.text


@pytest.mark.parametrize("reason", get_args(Reason))
def test_each_failure_is_told_with_its_fix_and_a_runbook_that_exists(reason: Reason) -> None:
    text = page_of(entry(failed(reason, "GitHub says <why>"), copilot_seats.COLLECTOR, credential="robot"))
    page, kind = Parsed(text), BY_REASON[reason]
    assert "GitHub says <why>" in page.text
    assert f"copilot_seats of organization/acme: {kind.title}" in page.text
    assert "failed 3 times in a row" in page.text
    assert page.text.count("Fix: ") == 1
    fix = page.text.partition("Fix: ")[2]
    assert fix.startswith(kind.hint[0].upper() + kind.hint[1:])
    needs = f"Needed by credential “robot”: {copilot_seats.COLLECTOR.needs}."
    specific = {
        "credential": "its file is read again when it changes. Sources: 1 stopped.",
        "forbidden": needs,
        "not_found": needs,
        "retired": "collectors: copilot_seats: enabled: false",
    }
    assert specific.get(reason, "") in fix
    assert (needs in fix) == (reason in ("forbidden", "not_found"))
    assert ("Credential robot is rejected" in page.text) == (reason == "credential")
    assert f"/docs/runbooks/{kind.runbook}.md" in text
    assert (RUNBOOKS / f"{kind.runbook}.md").exists()


def hinted(reason: Reason, hint: str) -> Snapshot:
    snapshot = failed(reason)
    assert snapshot.outcome is not None
    return replace(snapshot, outcome=replace(snapshot.outcome, hint=hint))


@pytest.mark.parametrize("reason", get_args(Reason))
def test_a_failure_that_knows_its_own_fix_gives_that(reason: Reason) -> None:
    page = page_of(entry(hinted(reason, "allow <it>:\na:\n  b: [1]")))
    assert "Allow &lt;it&gt;:" in page
    assert "<pre>a:\n  b: [1]</pre>" in page
    assert "Fix: Allow <it>: a: b: [1]" in Parsed(page).text
    page = page_of(entry(hinted(reason, NotInstalled.hint)))
    assert f"<strong>Fix:</strong> I{NotInstalled.hint[1:]}.</p>" in page.replace(' class="f"', "")
    assert NotInstalled.hint not in page
    assert page_of(entry(hinted(reason, BY_REASON[reason].hint))) == page_of(entry(failed(reason)))
    page = page_of(entry(hinted(reason, Refused.hint)))
    assert f"Fix: S{Refused.hint[1:]}." in Parsed(page).text, "as log and doctor say it"


def test_different_fixes_are_told_apart() -> None:
    page = page_of(entry(hinted("unavailable", "this")), entry(hinted("unavailable", "that"), target="globex"))
    assert page.count("<article>") == 2


def test_a_known_cause_has_the_fix_that_log_and_doctor_say() -> None:
    def refused(hint: str) -> Snapshot:
        snapshot = failed("forbidden")
        assert snapshot.outcome
        return replace(snapshot, outcome=replace(snapshot.outcome, hint=hint))

    address = refused(refusals.ADDRESS.hint)
    page = Parsed(page_of(entry(address), entry(address, copilot_seats.COLLECTOR)))
    assert f"Fix: H{refusals.ADDRESS.hint[1:]}. " in page.text
    assert page.text.count("Fix: ") == 1, "whatever the endpoint needs, one address is to be allowed"
    needs = summary_stats.COLLECTOR.needs
    page = Parsed(page_of(entry(refused(refusals.APP_PERMISSION.hint), credential="robot")))
    hint = refusals.APP_PERMISSION.hint
    assert f"Fix: G{hint[1:]}. Needed by credential “robot”: {needs}." in page.text
    page = Parsed(page_of(entry(refused(Forbidden.hint), credential="robot")))
    hint = Forbidden.hint
    assert f"Fix: G{hint[1:]}. Needed by credential “robot”: {needs}." in page.text


@pytest.mark.parametrize("reason", ["credential", "forbidden", "not_found", "unavailable"])
def test_what_is_mended_together_is_told_once_with_ten_targets_and_the_rest_counted(reason: Reason) -> None:
    entries = [
        entry(failed(reason), collector, target=f"org-{number:02}")
        for number in range(61)
        for collector in (summary_stats.COLLECTOR, replace(summary_stats.COLLECTOR, name="time_stats"))
    ]
    page = Parsed(page_of(*entries))
    assert [tag for tag, _ in page.tags].count("article") == 1
    assert page.text.count("Fix: ") == 1
    text = page.text.partition("Failures and fixes")[2].partition(" Sources ")[0]
    title = BY_REASON[reason].title
    assert f"{title[:1].upper()}{title[1:]} : 122 sources at 61 targets" in text
    assert text.index("summary_stats, time_stats of organization/org-00") < text.index("organization/org-09")
    assert text.index("organization/org-09") < text.index("and 51 more") < text.index("organization/org-10")


def test_different_permissions_are_told_apart() -> None:
    page = page_of(entry(failed("forbidden")), entry(failed("forbidden"), copilot_seats.COLLECTOR))
    assert page.count("<article>") == 2


def test_the_drill_down_is_one_line_of_which_the_worst_is_told() -> None:
    found = [FINE, failed("not_found"), FINE, FINE]
    entries = [
        entry(one, route_stats.COLLECTOR, subject=("installation", str(n)), order=3) for n, one in enumerate(found)
    ]
    page = Parsed(page_of(*entries))
    assert "route_stats \N{MULTIPLICATION SIGN}4 ✗ not_found (1 of 4)" in page.text
    assert "4,936" in page.text


def test_the_worst_targets_have_tables_and_the_others_a_line_by_level() -> None:
    collectors = (summary_stats.COLLECTOR, copilot_seats.COLLECTOR)
    entries = [entry(FINE, one, target=f"org-{number:02}") for number in range(20) for one in collectors]
    failing = [entry(failed("unavailable"), target=f"zeta-{number:02}") for number in range(15)]
    waiting = entry(WAITING, target="yes & no")
    page = Parsed(page_of(*entries, *failing, waiting))
    folds = [attrs for tag, attrs in page.tags if tag == "details"]
    assert not any("open" in attrs for attrs in folds)
    levels = [attrs["class"] for attrs in folds if "class" in attrs]
    assert levels == [*["bad"] * 12, "bad", "warn", "ok"], "tables, then lines"
    sources = page.text.partition(" Sources ")[2]
    assert sources.index("✗ organization/zeta-00 0 of 1 work") < sources.index("✗ organization/zeta-11 ")
    assert "and 3 more targets with a failing source organization/zeta-12 0 of 1 work , oldest success 60" in sources
    assert "and 1 more target with a source that is not well organization/yes & no 0 of 1 work" in sources
    assert "and 20 more targets where all works organization/org-00 2 of 2 work" in sources
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a" and "?target=" in str(attrs["href"])]
    assert links[3] == "/?target=organization/yes%20%26%20no"
    few = Parsed(page_of(*entries[:24]))
    assert [attrs for tag, attrs in few.tags if tag == "details"] == [{"class": "ok", "open": None}] * 12


def test_of_a_target_the_worst_sources_come_first() -> None:
    late = entry(replace(FINE, last_success=NOW - 86_400), replace(summary_stats.COLLECTOR, name="late"), order=1)
    bad = entry(failed("unavailable"), replace(summary_stats.COLLECTOR, name="bad"), order=2)
    text = Parsed(page_of(entry(FINE), late, bad)).text.partition(" Sources ")[2]
    assert text.index(" bad ✗") < text.index(" late ! late ") < text.index(" summary_stats ✓")


def test_one_target_can_be_asked_for() -> None:
    entries = [entry(FINE, target=f"org-{number:02}") for number in range(40)]
    page = Parsed(page_of(*entries, only="organization/org-30", link_prefix="/x"))
    sources = page.text.partition(" Sources ")[2]
    assert "✓ organization/org-30 1 of 1 work" in sources
    assert "org-29" not in sources
    assert ("a", {"href": "/x/"}) in page.tags
    assert ("details", {"class": "ok", "open": None}) in page.tags
    assert Parsed(page_of(*entries, only=HOSTILE)).text.count(f"Nothing is collected from {HOSTILE} here.") == 1
    assert "<script" not in page_of(*entries, only=HOSTILE)


def test_the_filter_counts_what_it_shows_and_is_there_if_something_is_not_well() -> None:
    fine, late = entry(FINE), entry(replace(FINE, last_success=NOW - 86_400), target="slow")
    bad = entry(failed("unavailable"), target="broken")
    assert "Show all 3 2 not well 1 failing" in Parsed(page_of(fine, late, bad)).text
    page = Parsed(page_of(fine, late))
    assert "Show all 2 1 not well ✗" not in page.text
    assert [attrs.get("id") for tag, attrs in page.tags if tag == "input"] == [None, "unwell"]
    assert "<fieldset" not in page_of(fine)


@pytest.mark.parametrize(
    ("seconds", "bar", "words"),
    [
        (60, ("0.03", "3 % of the interval"), "60 seconds ago, every 30 minutes"),
        (1_800, ("1.00", "100 % of the interval"), "30 minutes ago, every 30 minutes"),
        (90_000, ("1.00", "5000 % of the interval"), "25 hours ago, every 30 minutes"),
        (-5, ("0.00", "0 % of the interval"), "in 5 seconds, every 30 minutes"),
        (None, None, "never, every 30 minutes"),
    ],
)
def test_a_bar_shows_how_much_of_the_interval_is_over(
    seconds: float | None, bar: tuple[str, str] | None, words: str
) -> None:
    page = Parsed(page_of(entry(replace(FINE, last_success=None if seconds is None else NOW - seconds))))
    assert [(attrs["value"], attrs["title"]) for tag, attrs in page.tags if tag == "meter"] == ([bar] if bar else [])
    assert words in page.text.replace(" ,", ",")


@pytest.mark.parametrize(
    ("quota", "bars"),
    [
        (Quota("a", 1_000, 900, NOW + 60, 400, 100), [(None, "0.10", "10 % of the limit"), (None, "0.25", "25 % of")]),
        (Quota("a", 1_000, 99, NOW + 60, 400, 361), [("warn", "0.90", "90 % of the limit"), ("warn", "0.90", "90 %")]),
        (Quota("a", 1_000, None, None, 400, 900), [("warn", "1.00", "225 % of the budget")]),
        (Quota("a", 0, 0, NOW + 60, 0, 0), []),
        (Quota("a"), []),
    ],
)
def test_bars_show_what_is_used_of_limit_and_budget(quota: Quota, bars: list[tuple[str | None, str, str]]) -> None:
    tags = [attrs for tag, attrs in Parsed(page_of(quotas=(quota,))).tags if tag == "meter"]
    shown = [(attrs.get("class"), attrs["value"], str(attrs["title"])) for attrs in tags]
    assert len(shown) == len(bars)
    for (level, value, title), (wanted_level, wanted_value, beginning) in zip(shown, bars, strict=True):
        assert (level, value) == (wanted_level, wanted_value)
        assert title.startswith(beginning)


@pytest.mark.parametrize(
    ("health", "facts"),
    [
        pytest.param(
            Health(reload=Reload(NOW - 720)),
            "State ✓ written Configuration ✓ loaded 12 minutes ago Web configuration ✓ no file: no TLS, no login "
            "Shard ✓ none: all targets are read here Targets ✓ none Clock ✓ agrees with GitHub's",
            id="all is well",
        ),
        pytest.param(
            Health(
                state=StateHealth("no space", "", 3, NOW),
                reload=Reload(NOW - 7_200, "line 3"),
                web=Reload(NOW - 86_400 * 3, "line 4"),
                has_web_config=True,
                shard=Shard(2, 3, 334, {"organization": 1_000, "enterprise": 1}),
                targets={
                    ("organization", "listed"): 1,
                    ("organization", "discovered"): 332,
                    ("enterprise", "listed"): 1,
                },
                skew=40.0,
            ),
            "State ✗ cannot be written Configuration ! a newer one was refused; in use is that of 2 hours ago "
            "Web configuration ! a newer one was refused; in use is that of 3 days ago "
            "Shard ✓ 2 of 3 (from 0 on), with 334 of 1,001 targets "
            "Targets ✓ 333 organizations, 1 enterprise; 332 discovered Clock ! 40 s behind GitHub's",
            id="all is wrong",
        ),
        pytest.param(
            Health(state=StateHealth("", "", 1, NOW - 60)), "State ! written again; a write failed 60 sec", id="again"
        ),
        pytest.param(
            Health(state=StateHealth("", "moved aside")), "State ! written; the saved one was damaged", id="damaged"
        ),
        pytest.param(
            Health(web=Reload(NOW - 60), has_web_config=True),
            "Web configuration ✓ loaded 60 seconds ago",
            id="web file",
        ),
    ],
)
def test_the_exporter_itself_is_shown(health: Health, facts: str) -> None:
    assert facts in Parsed(page_of(entry(FINE), health=health)).text


def test_instants_in_a_finding_are_told_in_words() -> None:
    page = page_of(entry(FINE), health=Health(reload=Reload(NOW - 720, "line 3")))
    exact = "2026-11-21T14:48:00Z"
    time = f'<time datetime="{exact}" title="{exact}">12 minutes ago</time>'
    assert f"The configuration was not reloaded: the one loaded {time} is still in use." in page
    assert "<title>! The configuration was not reloaded: the one loaded 12 minutes ago is still" in page
    odd = page_of(entry(FINE), health=Health(credentials={"9999-99-99T99:99:99Z": "gone"}))
    assert "Credential 9999-99-99T99:99:99Z cannot be read" in odd


def test_whether_figures_are_still_shown_is_told() -> None:
    assert (
        "The last good values are served; last success 60 seconds ago" in Parsed(page_of(entry(failed("invalid")))).text
    )
    gone = replace(entry(failed("invalid", last_success=None, data_time=None)), pieces={})
    assert "No values are served; last success never" in Parsed(page_of(gone)).text


@pytest.mark.parametrize(
    ("quota", "told"),
    [
        pytest.param(
            Quota("app/acme", 15_000, 14_200, NOW + 720, 4_500, 800, NOW),
            "app/acme 800 of 15,000, resets in 12 minutes 800 of 4,500 free",
            id="a budget in use",
        ),
        pytest.param(Quota("ghes"), "ghes unknown 0, unlimited free", id="no limits"),
        pytest.param(
            Quota("old", 5_000, 3, NOW - 1, 1_500), "old 0 of 5,000 0 of 1,500 free", id="of an hour that is over"
        ),
        pytest.param(
            Quota("spent", 5_000, 4_000, NOW + 60, 1_500, 1_600, NOW + 300),
            "spent 1,000 of 5,000, resets in 60 seconds 1,600 of 1,500 paused, resumes in 5 minutes",
            id="spent",
        ),
        pytest.param(
            Quota("x", 1.0, 1.0, 999_999_999_999.0),
            "x 0 of 1, resets never 0, unlimited free",
            id="a reset of no calendar",
        ),
    ],
)
def test_quota_pools_tell_limit_budget_and_until_when_they_wait(quota: Quota, told: str) -> None:
    assert told in re.sub(r" (?=,)", "", Parsed(page_of(entry(FINE), quotas=(quota, quota))).text)


def test_a_pool_waits_until_the_later_of_githubs_and_our_own_limit_by_our_clock() -> None:
    skew = 100.0
    pool = Pool("token", Budget(0.3, 500), limit=5_000, remaining=4_000, reset=NOW + skew + 600)
    assert quota_of(pool, skew, NOW, 0.0) == Quota("token", 5_000, 4_000, NOW + 600, 1_500, 0, NOW)
    pool.blocked_until = NOW + skew + 30
    assert quota_of(pool, skew, NOW, 0.0).paused_until == NOW + 30
    pool.remaining = 499
    assert quota_of(pool, skew, NOW, 0.0).paused_until == NOW + 601
    pool.spending.add("job", 0.0, 1_500)
    assert quota_of(pool, skew, NOW, 0.0).sent == 1_500
    assert quota_of(pool, skew, NOW, 0.0).paused_until == NOW + HOUR_WINDOW + 1


def hostile_health(text: str) -> Health:
    return Health(
        state=StateHealth(text, text, 1, NOW),
        reload=Reload(NOW, text),
        credentials={text: text, f"{text}2": text},
        expiries={text: NOW},
    )


@pytest.mark.parametrize("reason", get_args(Reason))
def test_no_name_and_no_message_can_bring_its_own_markup(reason: Reason) -> None:
    def of(name: str) -> Parsed:
        made = entry(failed(reason, name), target=name, credential=name)
        return Parsed(page_of(made, quotas=(Quota(name),), health=hostile_health(name)))

    tame, hostile = of("acme"), of(HOSTILE)
    assert hostile.tags == tame.tags
    assert HOSTILE in hostile.text


def test_every_link_to_the_documentation_can_lead_elsewhere() -> None:
    failing = entry(failed("forbidden"))
    usual, elsewhere = page_of(failing), page_of(failing, docs="https://wiki.example.com/exporter")
    own = re.findall(r'href="https://github.com/[^"]*/docs/([^"]+)"', usual)
    assert own == ["operations.md", "runbooks/README.md", "runbooks/GithubCollectorFailing.md"]
    assert re.findall(r'href="https://wiki.example.com/exporter/([^"]+)"', elsewhere) == own
    assert "//github.com" not in elsewhere


def test_the_path_of_the_metrics_is_escaped() -> None:
    page = Parsed(status_page([], version=HOSTILE, telemetry_path=HOSTILE, docs=HOSTILE, now=NOW))
    assert ("a", {"href": HOSTILE}) in page.tags
    assert not any(tag == "script" for tag, _ in page.tags)


def estate(*snapshots: Snapshot) -> list[Entry]:
    """Every collector of organizations at a thousand of them, in the state of these snapshots by turns."""
    collectors = [one for one in COLLECTORS if one.scope == "organization" and not one.subject]
    return [
        entry(snapshot, one, target=f"organization-{number:04}", order=order)
        for number in range(1_000)
        for order, one in enumerate(collectors)
        for snapshot in [snapshots[number % len(snapshots)]]
    ]


@pytest.mark.alone
@pytest.mark.parametrize("snapshots", [[FINE], [failed("forbidden"), FINE], [failed("invalid", HOSTILE)]])
def test_a_page_of_a_thousand_targets_is_small_and_soon_made(snapshots: list[Snapshot]) -> None:
    entries = estate(*snapshots)
    pools = tuple(Quota(f"app/{number}", 15_000, 14_000, NOW + 60, 4_500, 100) for number in range(1_000))
    started = time.process_time()
    page = page_of(*entries, quotas=pools)
    took = time.process_time() - started
    print(f"{len(entries)} sources: {len(page):,} bytes in {took:.2f} s")
    assert len(page.encode()) < 600_000
    assert took < 1


def test_however_many_different_failures_there_are_the_page_stays_small() -> None:
    entries = [entry(failed("invalid", f"odd {number}"), target=f"org-{number}") for number in range(1_000)]
    page = page_of(*entries)
    assert len(page.encode()) < 600_000
    assert '900 more are in the <a href="/api/v1/status">JSON</a>.' in page


def test_the_page_depends_on_nothing_but_its_arguments() -> None:
    entries = (entry(FINE), entry(failed("unavailable"), target="globex"))
    assert page_of(*entries) == page_of(*reversed(entries))
    assert "As of 2026-11-21T15:00:00Z" in page_of(*entries)


@pytest.mark.parametrize(
    ("days", "level", "note"),
    [
        (15, "ok", ""),
        (13, "warn", 'The token of credential “&lt;b&gt;” expires <time datetime="2026-12-04T15:00:00Z"'),
        (-1, "bad", 'The token of credential “&lt;b&gt;” expired <time datetime="2026-11-20T15:00:00Z"'),
    ],
)
def test_a_token_that_ends_is_told_and_soon_told_on_top(days: int, level: str, note: str) -> None:
    expiries = {"<b>": NOW + days * 86_400, "later": NOW + 300 * 86_400}
    page = page_of(entry(FINE), health=Health(expiries=expiries))
    assert f'<div class="v {level}">' in page
    parsed = Parsed(page)
    assert "Tokens that expire Credential Token expires" in parsed.text
    assert f'<th scope="row">&lt;b&gt;</th><td class="{level}">' in page
    assert page.index("&lt;b&gt;</th>") < page.index("later</th>"), "the first to end is on top"
    assert ("The token of credential" in page) == bool(note)
    assert note in page


def test_without_an_end_no_token_is_talked_of() -> None:
    text = Parsed(page_of(entry(FINE))).text
    assert "Tokens that expire" not in text
    assert "The token of credential" not in text
