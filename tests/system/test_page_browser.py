"""What Chromium makes of the status page, and axe-core of what it shows."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from exporter.collectors import copilot_seats, summary_stats
from exporter.discovery.status import STATES, DiscoveryStatus
from exporter.serving.health import Health, Reload
from exporter.serving.page.quotas import Quota
from exporter.state.health import StateHealth
from tests.support.browser import chromium, opened
from tests.support.harness import Prometheus
from tests.support.page import FINE, NOW, WAITING, entry, failed, page_of

COUNTS = dict.fromkeys(STATES, 0)

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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


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
    count = page.get_by_role("rowheader", name="subject_stats").count()
    assert count in (3, 4), (
        "cards are table rows all the same, of the organization too that is discovered a minute later"
    )
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
    assert len(page.content().encode()) < 50_000
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


def violations(page: Page) -> list[str]:
    """What axe-core finds, best practices too."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]


def everything() -> str:
    """A page with each of its parts, in each state."""
    collectors = [replace(summary_stats.COLLECTOR, name=f"collector_{number}") for number in range(12)]
    entries = [
        *(entry(FINE, one, target=f"org-{number:02}") for number in range(30) for one in collectors),
        *(entry(failed("forbidden"), one, target=f"bad-{number:02}") for number in range(12) for one in collectors),
        *(entry(failed("invalid", f"odd {number}"), target=f"odd-{number}") for number in range(120)),
        *(entry(replace(FINE, last_success=NOW - 86_400), target=f"late-{number}") for number in range(3)),
        entry(WAITING, copilot_seats.COLLECTOR, target="new"),
        entry(replace(FINE, unknown=("new_field",)), target="noted"),
    ]
    pools = [
        Quota(f"app/{number}", 15_000, 14_000 - number * 900, NOW + 60, 4_500, number * 300) for number in range(15)
    ]
    health = Health(
        state=StateHealth("no space", "moved aside", 1, NOW),
        reload=Reload(NOW - 60, "line 3: unknown key"),
        expiries={"token": NOW, "other": NOW + 86_400 * 60},
        discovery=[DiscoveryStatus("app", "", "where the GitHub App is installed", counts={**COUNTS, "refused": 1})],
    )
    return page_of(*entries, quotas=(*pools, Quota("ghes")), health=health)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing(demo: Prometheus, browser: Browser, width: int, scheme: str) -> None:
    page, complaints = opened(browser, demo.target_url, width, scheme)
    assert violations(page) == []
    page.get_by_label("not well").check()
    assert violations(page) == []
    page.set_content(everything())
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width, "no scrolling to the side"
    assert page.evaluate(LEAST_CONTRAST) >= 4.5
    assert not complaints


def visible(page: Page) -> list[str]:
    """The sources that are shown, with the target of each."""
    return [
        row.evaluate("row => row.closest('details').querySelector('h3').innerText + ' ' + row.cells[0].innerText")
        for row in page.locator(".s tbody tr:visible").all()
    ]


def test_the_filter_works_by_keyboard_and_without_a_script(browser: Browser) -> None:
    page = browser.new_page()
    late = replace(FINE, last_success=NOW - 86_400)
    other = replace(summary_stats.COLLECTOR, name="other")
    page.set_content(
        page_of(
            entry(FINE, target="a"),
            entry(late, other, target="a"),
            entry(failed("invalid"), target="b"),
            entry(FINE, other, target="b"),
            entry(FINE, target="c"),
        )
    )
    everything = ["✗ organization/b summary_stats", "✗ organization/b other", "! organization/a other"]
    everything += ["! organization/a summary_stats", "✓ organization/c summary_stats"]
    assert visible(page) == everything
    page.get_by_role("group", name="Show").get_by_role("radio", name="all 5").focus()
    page.keyboard.press("ArrowDown")
    assert page.get_by_role("radio", name="2 not well").is_checked()
    assert visible(page) == ["✗ organization/b summary_stats", "! organization/a other"]
    page.keyboard.press("ArrowDown")
    assert visible(page) == ["✗ organization/b summary_stats"]
    assert page.locator(".s").get_by_role("heading", name="organization/").count() == 1, (
        "the others are hidden from readers, too"
    )
    page.emulate_media(media="print")
    assert len(visible(page)) == 5, "paper has everything"
    assert page.locator("fieldset:visible").count() == 0


def test_of_many_targets_the_filter_leaves_those_of_the_level(browser: Browser) -> None:
    page = browser.new_page()
    bad = [entry(failed("invalid"), target=f"bad-{number:02}") for number in range(20)]
    page.set_content(page_of(*bad, *(entry(FINE, target=f"org-{number:02}") for number in range(30))))
    folds = page.locator(".s details:visible > summary")
    assert folds.count() == 14
    page.get_by_label("failing").check()
    assert folds.count() == 13
    assert folds.last.inner_text() == "and 8 more targets with a failing source"
    assert page.locator(".s h3:visible").count() == 12


def test_bars_are_as_long_as_their_share_and_have_a_name(browser: Browser) -> None:
    page = browser.new_page()
    quota = Quota("app/acme", 15_000, 7_500, NOW + 720, 4_500, 4_400)
    page.set_content(page_of(entry(replace(FINE, last_success=NOW - 450)), quotas=(quota,)))
    for name, value in (("25 % of the interval", 0.25), ("50 % of the limit", 0.5), ("98 % of the budget", 0.98)):
        bar = page.get_by_role("meter", name=name)
        assert bar.evaluate("bar => bar.value") == value
        assert bar.evaluate("bar => bar.offsetWidth") > 40
        as_it_is = bar.screenshot()
        bar.evaluate("bar => { bar.value = 0 }")
        assert bar.screenshot() != as_it_is, "the share is seen"
    assert page.get_by_role("meter").last.evaluate("bar => getComputedStyle(bar).color") == "rgb(138, 90, 0)", "amber"


def test_the_page_of_one_target_is_served(demo: Prometheus, browser: Browser) -> None:
    page, complaints = opened(browser, f"{demo.target_url}/?target=organization%2Facme", 1280)
    assert page.locator(".s h3").all_inner_texts() == ["✓ organization/acme"]
    page.get_by_role("link", name="All targets").click()
    assert page.locator(".s h3").count() > 5
    assert not complaints
