"""The status page: what it says in each state, and what a browser makes of it."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from exporter.collecting.plan import Target
from exporter.collectors import copilot_seats, route_stats, summary_stats
from exporter.github.budget import LONG, Budget
from exporter.github.dates import Closing
from exporter.github.errors import Reason
from exporter.github.pacing import Pool
from exporter.serving.page import status_page
from exporter.serving.page_failures import ADVICE
from exporter.serving.page_quotas import Quota, quota_of
from exporter.serving.render import Piece, chunk
from exporter.serving.snapshot import Outcome, Snapshot, at_rest
from exporter.serving.store import Entry
from tests.harness import Prometheus
from tests.test_golden import job_of

NOW = 1_795_273_200.0
RUNBOOKS = Path(__file__).parent.parent / "docs" / "runbooks"
HOSTILE = "\"><script>alert(1)</script>{needs}{0}&amp;'<b>"
FINE = Snapshot(outcome=Outcome(NOW - 60, 1.0), last_success=NOW - 60, data_time=NOW - 7_200, next_run=NOW + 1_740)
WAITING = Snapshot(next_run=NOW)
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


def failed(reason: Reason, message: str = "GitHub answers 503", **more: Any) -> Snapshot:
    state = "forbidden" if reason == "credential" else reason
    return replace(FINE, outcome=Outcome(NOW - 60, 1.0, state, reason, message), failures=3, **more)


def entry(snapshot: Snapshot, collector: Any = summary_stats.COLLECTOR, target: str = "acme", **job: Any) -> Entry:
    made = replace(job_of(collector), target=Target(collector.scope, target, job.pop("credential", "token")), **job)
    return Entry(made, at_rest(snapshot), {"a": Piece((chunk(b"a 1\n"),), 1_234, 1)})


def page_of(*entries: Entry, quotas: tuple[Quota, ...] = (), **more: Any) -> str:
    return status_page(entries, quotas, version="1.2.3", telemetry_path="/metrics", now=NOW, **more)


class Parsed(HTMLParser):
    """Tags in order, each closed where it must be, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.mark.parametrize(
    ("entries", "verdict", "also"),
    [
        pytest.param((), "! Nothing is collected.", "No collector is switched on", id="nothing is configured"),
        pytest.param((entry(FINE),), "✓ All is well.", "Sources: 1 fine. 1,234 series", id="all works"),
        pytest.param((entry(WAITING),), "! Waiting for first answers: 1 of 1 source.", "not asked yet", id="at first"),
        pytest.param(
            (entry(FINE), entry(failed("forbidden"), copilot_seats.COLLECTOR)),
            "✗ 1 of 2 sources fails.",
            "Sources: 1 fine, 1 failing.",
            id="one fails",
        ),
        pytest.param(
            (entry(failed("forbidden")), entry(failed("unavailable"), target="globex"), entry(WAITING, target="late")),
            "✗ 2 of 3 sources fail.",
            "Sources: 2 failing, 1 not asked yet.",
            id="two fail, one waits",
        ),
        pytest.param(
            (entry(replace(FINE, last_success=NOW - 4_201)),),
            "! Nothing fails, but 1 source is late.",
            "1 job had no success for two intervals or more",
            id="no success for two intervals and ten minutes",
        ),
        pytest.param(
            (entry(replace(FINE, last_success=NOW - 4_199)),), "✓ All is well.", "70 min ago", id="just in time"
        ),
        pytest.param(
            (entry(replace(FINE, closing=Closing(NOW, NOW + 86_400))),),
            "✓ All is well.",
            "GitHub gives 2026-11-22T15:00:00Z as its end, deprecated since 2026-11-21T15:00:00Z.",
            id="an end is announced",
        ),
        pytest.param(
            (entry(replace(FINE, left_out=7)),),
            "✓ All is well.",
            "summary_stats of organization/acme: 7 rows without series of their own; raise max_series",
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
    page = Parsed(text)
    assert "GitHub says <why>" in page.text
    assert f"copilot_seats of organization/acme: {ADVICE[reason].what}" in page.text
    assert "Fix: " in page.text
    assert "it failed 3 times in a row" in page.text
    fix = page.text.partition("Fix: ")[2]
    wanted = {
        "credential": "token of credential “robot”",
        "forbidden": f"credential “robot” what this needs: {copilot_seats.COLLECTOR.needs}",
        "not_found": "“acme”, that a GitHub App is installed there and that the plan has this feature",
        "retired": "collectors.copilot_seats.enabled: false",
    }
    assert fix.startswith(ADVICE[reason].fix.format(**FORMAT))
    assert wanted.get(reason, "") in fix
    assert f"/docs/runbooks/{ADVICE[reason].runbook}.md" in text
    assert (RUNBOOKS / f"{ADVICE[reason].runbook}.md").exists()


FORMAT = {
    "credential": "robot",
    "target": "acme",
    "collector": "copilot_seats",
    "needs": copilot_seats.COLLECTOR.needs,
}


def test_what_is_mended_together_is_told_once() -> None:
    entries = [entry(failed("credential"), target=f"org-{number:02}") for number in range(12)]
    page = Parsed(page_of(*entries))
    assert [tag for tag, _ in page.tags].count("article") == 1
    assert "summary_stats of organization/org-07 and 4 more: GitHub rejects the credential" in page.text


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


def test_targets_with_a_failure_come_first_and_of_many_only_these_are_open() -> None:
    entries = [entry(FINE, target=f"org-{number:02}") for number in range(20)]
    page = Parsed(page_of(*entries, entry(failed("unavailable"), target="zeta")))
    assert [("open" in attrs) for tag, attrs in page.tags if tag == "details"] == [True, *([False] * 20)]
    assert page.text.index("✗ organization/zeta") < page.text.index("✓ organization/org-00")


def test_whether_figures_are_still_shown_is_told() -> None:
    assert "The last good figures are shown; last success 60 s ago" in Parsed(page_of(entry(failed("invalid")))).text
    gone = replace(entry(failed("invalid", last_success=None, data_time=None)), pieces={})
    assert "No figures are shown; last success never" in Parsed(page_of(gone)).text


def test_writes_of_the_state_that_failed_are_told() -> None:
    assert "state folder" not in page_of(entry(FINE))
    assert "The state folder could not be written 2 times" in page_of(entry(FINE), failed_writes=2)


@pytest.mark.parametrize(
    ("quota", "told"),
    [
        pytest.param(
            Quota("app/acme", 15_000, 14_200, NOW + 720, 4_500, 800, NOW),
            "app/acme 15,000 14,200, whole in 12 min 4,500 3,700 free",
            id="a budget in use",
        ),
        pytest.param(Quota("ghes"), "ghes not told not told no bound no bound free", id="no limits"),
        pytest.param(
            Quota("old", 5_000, 3, NOW - 1, 1_500), "old 5,000 all 1,500 1,500 free", id="of an hour that is over"
        ),
        pytest.param(
            Quota("spent", 5_000, 4_000, NOW + 60, 1_500, 1_600, NOW + 300),
            "spent 5,000 4,000, whole in 60 s 1,500 0 waits, in 5 min again",
            id="spent",
        ),
        pytest.param(
            Quota("x", 1.0, 1.0, 999_999_999_999.0), "x 1 1, whole never no bound", id="a reset of no calendar"
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
    assert quota_of(pool, skew, NOW, 0.0).waits_until == NOW + 30
    pool.remaining = 499
    assert quota_of(pool, skew, NOW, 0.0).waits_until == NOW + 601
    pool.spending.add("job", 0.0, 1_500)
    assert quota_of(pool, skew, NOW, 0.0).sent == 1_500
    assert quota_of(pool, skew, NOW, 0.0).waits_until == NOW + LONG + 1


@pytest.mark.parametrize("reason", get_args(Reason))
def test_no_name_and_no_message_can_bring_its_own_markup(reason: Reason) -> None:
    def of(name: str) -> Parsed:
        made = entry(failed(reason, name), target=name, credential=name)
        return Parsed(page_of(made, quotas=(Quota(name),), failed_writes=1))

    tame, hostile = of("acme"), of(HOSTILE)
    assert hostile.tags == tame.tags
    assert HOSTILE in hostile.text


def test_the_path_of_the_metrics_is_escaped() -> None:
    page = Parsed(status_page([], version=HOSTILE, telemetry_path=HOSTILE, now=NOW))
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


def test_the_demos_page_tells_what_fails_and_how_to_mend_it(demo: Prometheus, browser: Browser) -> None:
    page, _complaints = opened(browser, demo.target_url, 360)
    assert page.title().startswith("✗ 1 of ")
    article = page.get_by_role("article")
    assert article.count() == 1
    told = article.inner_text()
    assert "billing_usage of organization/initech: forbidden" in told
    assert "organization_administration=read" in told
    assert "Give credential “finance” what this needs: organization permission “Administration” (read)" in told
    assert article.get_by_role("link", name="Runbook").get_attribute("href") is not None
    assert page.get_by_role("link", name="Metrics").is_visible()


def test_the_demos_page_is_small_and_has_the_bones_that_a_reader_needs(demo: Prometheus, browser: Browser) -> None:
    page, _complaints = opened(browser, demo.target_url, 1280)
    assert len(page.content().encode()) < 30_000
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
