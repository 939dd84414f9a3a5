"""Debian's Chromium, and what it complains of when it opens a page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

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


@contextmanager
def chromium() -> Iterator[Browser]:
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
