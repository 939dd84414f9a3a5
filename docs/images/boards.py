# ruff: noqa: INP001 - a script beside its pictures, no package
"""Make the dashboards' pictures in this folder: `.venv/bin/python docs/images/boards.py CACHE`, some 15 minutes.

board_figures.py starts the demo, asks its simulated GitHub for the past by `backfill`, and gives both to a Prometheus
with our rules. Then each file of `grafana/dashboards/` is drawn in Chromium by Grafana's own components, without a
Grafana server. npm installs them into the folder CACHE (650 MB, outside of the repository; keep it for the next time),
with the versions of `boards/package.json`, and what these need as of the day in `boards/.npmrc`. Further arguments are
names of dashboards: only these are drawn.

It needs npm, Prometheus, promtool and Chromium. Not Grafana's are the top of a page, rows, and the state timeline.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

from board_figures import DASHBOARDS, DAY, figures
from playwright.sync_api import Browser, Page, Route, sync_playwright

HERE = Path(__file__).parent
WIDTH, TALLEST = 1600, 2500
"""Pixels of a picture; a board that is taller is cut where a row begins."""
ORIGIN = "http://boards.localhost"
"""The page's address, whose files and figures this script gives to Chromium."""
RANGES = {"overview": "now-3d", "api-insights": "now-3d", "exporter": "now-10m"}
"""Where the board's own range would show little: the past of API Insights ends hours ago, the exporter has none."""


def main(cache: str, *names: str) -> None:
    """Make the figures, then draw the boards."""
    built = build(Path(cache))
    with tempfile.TemporaryDirectory(prefix="boards-") as folder, figures(Path(folder)) as prometheus:
        draw_all(built, prometheus, names or sorted(path.stem for path in DASHBOARDS.glob("*.json")))


def build(cache: Path) -> Path:
    """Install the packages and bundle the page; the folder with its files."""
    shutil.copytree(HERE / "boards", cache, dirs_exist_ok=True)
    for command in (["install"], ["run", "build"]):
        subprocess.run(["npm", *command], cwd=cache, check=True)  # noqa: S603, S607 - npm is wherever PATH has it
    return cache


def draw_all(built: Path, prometheus: str, names: list[str] | tuple[str, ...]) -> None:
    """Draw each board; the overview in light, too."""
    with sync_playwright() as playwright:
        flags = ["--headless", "--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        for name in names:
            for mode in ("dark", "light") if name == "overview" else ("dark",):
                draw(browser, built, prometheus, name, mode)
        browser.close()


def draw(browser: Browser, built: Path, prometheus: str, name: str, mode: str) -> None:
    """Draw a board, and write what failed to standard output."""
    page = browser.new_page(viewport={"width": WIDTH, "height": 1000})
    page.route(f"{ORIGIN}/**", lambda route: give(route, built, prometheus))
    page.goto(f"{ORIGIN}/index.html")
    dashboard = json.loads((DASHBOARDS / f"{name}.json").read_text())
    # On its first days the running month has little to show.
    month = time.strftime("%Y-%m", time.gmtime(time.time() - 5 * DAY))  # noqa: TID251 - no part of the exporter
    asked = {
        "dashboard": dashboard,
        "mode": mode,
        "from": RANGES.get(name, dashboard["time"]["from"]),
        "chosen": {"month": month},
    }
    failed = page.evaluate("asked => window.draw(asked)", asked)
    picture = HERE / f"board-{name}{'-light' if mode == 'light' else ''}.png"
    take(page, picture)
    lines = [
        f"{picture.name}: {picture.stat().st_size:,} bytes",
        *(f"  {title}: {why}" for title, why in failed.items()),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    page.close()


def give(route: Route, built: Path, prometheus: str) -> None:
    """Prometheus' answer, a file of the page, or an icon of @grafana/ui."""
    path = urllib.parse.urlsplit(route.request.url).path
    if path.startswith("/api/"):
        route.fulfill(response=route.fetch(url=f"{prometheus}{path}"))
        return
    icons = built / "node_modules" / "@grafana" / "ui" / "dist" / "public"
    file = icons / path.removeprefix("/public/build/") if path.startswith("/public/") else built / path[1:]
    if file.is_file():
        route.fulfill(path=file)
    else:
        route.fulfill(status=404)


def take(page: Page, picture: Path) -> None:
    """Take the picture when everything has its size."""
    height = page.evaluate("tallest => window.heightWithin(tallest)", TALLEST)
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.wait_for_timeout(2_000)  # components measure, and draw again
    page.screenshot(path=picture)


def output(text: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
