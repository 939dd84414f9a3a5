# ruff: noqa: INP001 - a script beside its pictures, no package
"""Make the status page's pictures in this folder: `python docs/images/make.py` starts the demo and looks at it."""

import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
PICTURES = {"light": (900, 900), "dark": (900, 900), "phone": (390, 900), "sources": (1100, 640)}
SETTLED = 30
"""Seconds until every collector of the demo has run."""


def main() -> None:
    """Start the demo, take the pictures, stop it."""
    with tempfile.TemporaryFile("w+") as output:
        command = [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0"]
        demo = subprocess.Popen(command, stdout=output, stderr=output)  # noqa: S603 - our own command
        try:
            time.sleep(SETTLED)
            output.seek(0)
            told = output.read()
            found = re.search(r"http://localhost:\d+/$", told, re.MULTILINE)
            if not found:
                raise SystemExit(f"the demo does not listen: {told}")
            take(found[0])
        finally:
            demo.send_signal(signal.SIGTERM)
            demo.wait(15)


def take(url: str) -> None:
    """Look at a page as light, dark and on a phone, and at its sources."""
    with sync_playwright() as playwright:
        flags = ["--headless", "--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        for name, (width, height) in PICTURES.items():
            scheme = "dark" if name == "dark" else "light"
            size = {"width": width, "height": height}
            page = browser.new_context(viewport=size, color_scheme=scheme).new_page()  # type: ignore[arg-type]
            page.goto(url)
            if name == "sources":
                page.locator("section").evaluate("section => section.scrollIntoView()")
            page.screenshot(path=HERE / f"status-{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
