"""The status page: what it says in each state, and what a browser makes of it."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from exporter.collectors import copilot_seats, route_stats, summary_stats
from exporter.errors import BY_REASON, Forbidden, Reason, Refused
from exporter.exposition.snapshot import Snapshot
from exporter.exposition.store import Entry
from exporter.github import refusals
from exporter.github.apps import NotInstalled
from exporter.github.budget import Budget
from exporter.github.dates import Closing
from exporter.github.hour import HOUR_WINDOW
from exporter.github.pacing import Pool
from exporter.serving.health import Health, Reload
from exporter.serving.page.page import status_page
from exporter.serving.page.quotas import Quota, quota_of
from exporter.state.health import StateHealth
from tests.support.harness import Prometheus
from tests.support.page import FINE, NOW, WAITING, Parsed, entry, failed, page_of

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
HOSTILE = "\"><script>alert(1)</script>{needs}{0}&amp;'<b>"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


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
            (entry(replace(FINE, last_success=NOW - 4_199)),), "✓ All is well.", "70 min ago", id="just in time"
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


def test_targets_with_a_failure_come_first_and_of_many_all_are_closed_and_ten_shown() -> None:
    entries = [entry(FINE, target=f"org-{number:02}") for number in range(20)]
    page = Parsed(page_of(*entries, entry(failed("unavailable"), target="zeta")))
    assert not any("open" in attrs for tag, attrs in page.tags if tag == "details")
    assert page.text.index("✗ organization/zeta") < page.text.index("✓ organization/org-00")
    assert page.text.index("✓ organization/org-08") < page.text.index("and 11 more")
    few = Parsed(page_of(*entries[:12]))
    assert [("open" in attrs) for tag, attrs in few.tags if tag == "details"] == [*([True] * 10), False, True, True]


def test_whether_figures_are_still_shown_is_told() -> None:
    assert "The last good values are served; last success 60 s ago" in Parsed(page_of(entry(failed("invalid")))).text
    gone = replace(entry(failed("invalid", last_success=None, data_time=None)), pieces={})
    assert "No values are served; last success never" in Parsed(page_of(gone)).text


@pytest.mark.parametrize(
    ("quota", "told"),
    [
        pytest.param(
            Quota("app/acme", 15_000, 14_200, NOW + 720, 4_500, 800, NOW),
            "app/acme 15,000 14,200, resets in 12 min 4,500 3,700 free",
            id="a budget in use",
        ),
        pytest.param(Quota("ghes"), "ghes unknown unknown unlimited unlimited free", id="no limits"),
        pytest.param(
            Quota("old", 5_000, 3, NOW - 1, 1_500), "old 5,000 all 1,500 1,500 free", id="of an hour that is over"
        ),
        pytest.param(
            Quota("spent", 5_000, 4_000, NOW + 60, 1_500, 1_600, NOW + 300),
            "spent 5,000 4,000, resets in 60 s 1,500 0 paused, resumes in 5 min",
            id="spent",
        ),
        pytest.param(
            Quota("x", 1.0, 1.0, 999_999_999_999.0), "x 1 1, resets never unlimited", id="a reset of no calendar"
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


def test_a_thousand_sources_are_some_hundred_bytes_each() -> None:
    entries = [entry(FINE, target=f"organization-{number}", order=order) for number in range(200) for order in range(5)]
    assert len(page_of(*entries).encode()) < 700 * 200 + 10_000


def test_the_page_depends_on_nothing_but_its_arguments() -> None:
    entries = (entry(FINE), entry(failed("unavailable"), target="globex"))
    assert page_of(*entries) == page_of(*reversed(entries))
    assert "As of 2026-11-21T15:00:00Z" in page_of(*entries)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium")
    assert found, "tests/install-tools.sh installs chromium"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield launched
        launched.close()


def opened(browser: Browser, url: str, width: int, scheme: Any = "light") -> tuple[Page, list[str]]:
    """The page, and what the browser complained of: errors, and violations of the content security policy."""
    page = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme).new_page()
    page.set_default_timeout(20_000)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.add_init_script("addEventListener('securitypolicyviolation', one => console.error(one.violatedDirective))")
    answer = page.goto(url)
    assert answer
    assert answer.status == 200
    return page, complaints


LEAST_CONTRAST = """() => {
  const parts = text => text.match(/[\\d.]+/g).map(Number)
  const light = colour => parts(colour).slice(0, 3).map(one => one / 255)
    .map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
    .reduce((sum, one, n) => sum + one * [0.2126, 0.7152, 0.0722][n], 0)
  const behind = element => {
    const colour = getComputedStyle(element).backgroundColor
    return parts(colour)[3] === 0 ? behind(element.parentElement) : colour
  }
  const shown = [...document.body.querySelectorAll('*')].filter(one => [...one.childNodes].some(
    child => child.nodeType === 3 && child.data.trim()))
  return Math.min(...shown.map(one => {
    const pair = [light(getComputedStyle(one).color), light(behind(one))].sort((a, b) => b - a)
    return (pair[0] + 0.05) / (pair[1] + 0.05)
  }))
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_a_browser_shows_the_demos_page_without_complaint(
    demo: Prometheus, browser: Browser, width: int, scheme: str
) -> None:
    page, complaints = opened(browser, demo.target_url, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == width, "no scrolling to the side"
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme], "the style is let in"
    assert page.evaluate(LEAST_CONTRAST) >= 4.5, "WCAG 2.2, 1.4.3"
    assert page.get_by_role("rowheader", name="subject_stats").count() == 3, "cards are table rows all the same"
    assert not complaints


def test_sixty_one_organizations_that_fail_alike_are_a_few_screens_of_a_phone(browser: Browser) -> None:
    collectors = [replace(summary_stats.COLLECTOR, name=f"collector_{number}") for number in range(8)]
    targets = [f"org-{number:02}" for number in range(61)]
    entries = [entry(failed("forbidden"), collector, target=target) for target in targets for collector in collectors]
    page = browser.new_context(viewport={"width": 390, "height": 800}).new_page()
    page.set_content(page_of(*entries, quotas=tuple(Quota(f"app/{target}", 15_000) for target in targets)))
    assert page.evaluate("document.documentElement.scrollHeight") < 6_000
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("document.body.innerText").count("Fix:") == 1


def test_the_demos_page_tells_what_fails_and_how_to_mend_it(demo: Prometheus, browser: Browser) -> None:
    page, _complaints = opened(browser, demo.target_url, 360)
    assert page.title().startswith("✗ 3 of ")
    articles = page.get_by_role("article").all()
    assert len(articles) == 2, "one for each permission, whose words for a classic token differ"
    told = "".join(article.inner_text() for article in articles)
    for collector in ("advanced_security", "billing_usage", "budgets"):
        assert collector in told
    assert "organization/initech" in told
    assert "forbidden" in told
    assert "organization_administration=read" in told
    assert "Needed by credential “finance”: organization permission “Administration” (read)" in told
    for article in articles:
        assert article.get_by_role("link", name="Runbook").get_attribute("href") is not None
    assert page.get_by_role("link", name="Metrics").is_visible()


def test_the_demos_page_is_small_and_has_the_bones_that_a_reader_needs(demo: Prometheus, browser: Browser) -> None:
    page, _complaints = opened(browser, demo.target_url, 1280)
    assert len(page.content().encode()) < 36_000
    assert page.locator("html[lang=en]").count() == 1
    assert page.locator("script").count() == 0
    assert page.locator("th:not([scope])").count() == 0
    levels = [
        int(one[1]) for one in page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(one => one.tagName)")
    ]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_a_browser_reads_compressed_metrics_as_text(demo: Prometheus, browser: Browser) -> None:
    page, _complaints = opened(browser, f"{demo.target_url}/metrics", 1280)
    with page.expect_response(lambda answer: answer.url.endswith("/metrics")) as answered:
        page.reload()
    assert answered.value.headers["content-encoding"] == "gzip"
    assert page.evaluate("document.contentType") == "text/plain"
    assert "# TYPE github_api_insights_requests_total counter" in page.inner_text("body")


def test_gzip_and_curl_read_compressed_metrics(demo: Prometheus, tmp_path: Path) -> None:
    packed = tmp_path / "metrics.gz"
    raw = ["curl", "-sf", "-H", "Accept-Encoding: gzip", "-o", str(packed), f"{demo.target_url}/metrics"]
    subprocess.run(raw, check=True, timeout=30)
    subprocess.run(["gzip", "-t", str(packed)], check=True, timeout=30)
    read = ["curl", "-sf", "--compressed", f"{demo.target_url}/metrics"]
    text = subprocess.run(read, check=True, timeout=30, capture_output=True).stdout
    assert b"# TYPE github_api_insights_requests_total counter" in text


@pytest.mark.parametrize(
    ("days", "level", "note"),
    [
        (15, "ok", ""),
        (13, "warn", "The token of credential “&lt;b&gt;” expires on "),
        (-1, "bad", "The token of credential “&lt;b&gt;” expired on "),
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
