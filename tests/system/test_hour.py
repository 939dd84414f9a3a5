"""An hour of a large enterprise, quickened: the budget holds to the last request, and the plan was right.

libfaketime quickens the exporter's clock and its sleeps; the simulated GitHub's clock runs at the same rate.
"""

import gc
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter.simulator.api import SimulatedGitHub
from exporter.simulator.insights import Query, rows
from exporter.simulator.population import Size
from exporter.simulator.records import RequestRecord, overlapping
from exporter.simulator.traffic import seeded_world
from tests.support.harness import INSIGHTS_ONLY, Exporter, SimClock, get, simulated, until

pytestmark = pytest.mark.alone

HOUR = 3600
START = 1_795_000_000
ORGANIZATIONS = ("acme", "globex", "initech", "umbrella", "hooli")


@dataclass(frozen=True)
class Scene:
    """How large each organization is, GitHub's limit, whether it is too low, and how much time is quickened."""

    size: Size
    limit: int
    scarce: bool
    rate: float


LARGE = Scene(Size(apps=100, users=2000), limit=5000, scarce=False, rate=40.0)
SCARCE = Scene(Size(apps=20, users=100), limit=800, scarce=True, rate=60.0)


def clock_of(now: float, rate: float) -> dict[str, str]:
    """An environment in which a process starts at GitHub's time, and its clock runs at that rate.

    With a clock of its own the first window would be as long as the clocks are apart, and GitHub's answer late.
    """
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    start = f"@{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S}"
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{start} x{rate:g}", "TZ": "UTC"}


def busiest(log: Sequence[RequestRecord], seconds: float) -> int:
    """The most requests that any stretch of so long holds."""
    sent = [record.at for record in log]
    return max(sum(at - seconds < other <= at for other in sent) for at in sent)


def planned(config: Path, now: float) -> float:
    """What `plan --live` says: requests per hour."""
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "plan", "--live", f"--config.file={config}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"], **clock_of(now, 1.0)},
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    found = re.search(r"^pool github: ([0-9,]+) of ([0-9,]+) requests per hour", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return float(found[1].replace(",", ""))


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "scene", [pytest.param(LARGE, id="10,000 users, it fits"), pytest.param(SCARCE, id="it does not fit")]
)
def test_an_hour_stays_inside_the_budget(scene: Scene, tmp_path: Path) -> None:
    clock = SimClock(START + 31 * 24 * HOUR)
    world = seeded_world(5, ORGANIZATIONS, start=START, size=scene.size)
    for name in ORGANIZATIONS:  # what GitHub has long computed: by the quick clock its answers are late after 0.75 s
        for kind in ("summary", "subject", "time"):
            rows(world, name, Query(kind, clock() - 32 * HOUR, clock()), clock())
    gc.freeze()  # looking through that world for cycles takes a fifth of a second
    github = SimulatedGitHub(world, clock, limit=scene.limit, keep=20_000)
    (tmp_path / "token").write_text("token")
    with simulated(github) as (url,):
        config = {
            "credentials": {"github": {"api_url": url, "token_file": str(tmp_path / "token")}},
            "organizations": list(ORGANIZATIONS),
            "collectors": INSIGHTS_ONLY,
        }
        with Exporter(tmp_path, config, **clock_of(clock(), scene.rate)) as exporter:
            predicted = None if scene.scarce else planned(exporter.config, clock())
            github.log.clear()
            clock.run(scene.rate)
            exporter.start()
            until(lambda: _all_totals(exporter), "the first totals", 120)
            began = clock()
            oldest = _age_of_totals_over(1.02 * HOUR, exporter, clock, scene.rate)
            log = [record for record in github.log if record.counted and record.at < began + 1.02 * HOUR]
            failed = sum(float(count) for count in ERRORS.findall(until(lambda: _page(exporter), "a page")))
    budget = int(0.3 * scene.limit)
    in_the_hour = [record for record in log if began <= record.at < began + HOUR]
    # By the exporter's clock: the first one's way may have taken a quarter of a real second, which is longer by ours.
    first_minutes = sum(record.at < log[0].at + 300 - scene.rate / 4 for record in log)
    print(
        f"\nlimit {scene.limit}: {len(in_the_hour)} requests in the hour, {busiest(log, HOUR)} in the busiest, "
        f"budget {budget}, predicted {predicted}; ",
        end="",
    )
    print(f"{first_minutes} in the first five minutes; totals at most {oldest:.0f} s old")
    print(Counter(record.path.split("/")[5] for record in in_the_hour))
    most = busiest(log, HOUR)
    assert scene.scarce or failed == 0, "each run had its answers in time, by the quick clock"
    assert most <= budget
    assert overlapping(log) == []
    assert oldest <= HOUR + 60
    assert first_minutes <= budget / 3 + 1
    if predicted is None:
        # Not of the hour after the first totals: what these cost is missing in it, and a slow machine sees them late.
        assert most > 0.9 * budget, "what there is of it is used"
    else:
        assert len(in_the_hour) == pytest.approx(predicted, rel=0.1)


SUCCEEDED = re.compile(
    r'^github_exporter_collector_last_success_timestamp_seconds\{collector="summary_stats",target="(.*?)"\} (\S+)$',
    re.MULTILINE,
)
SKEW = re.compile(r"^github_exporter_clock_skew_seconds (\S+)$", re.MULTILINE)
ERRORS = re.compile(r"^github_exporter_collector_errors_total\{.*\} (\S+)$", re.MULTILINE)
OK = 200


def _page(exporter: Exporter) -> str | None:
    """What `/metrics` says. None if a scrape was cut: by the quick clock the server's own deadlines are short."""
    status, body = get(f"{exporter.url}/metrics")
    return body if status == OK else None


def _all_totals(exporter: Exporter) -> bool:
    """Whether every total has been read once."""
    return len(SUCCEEDED.findall(_page(exporter) or "")) == len(ORGANIZATIONS)


def _age_of_totals_over(seconds: float, exporter: Exporter, clock: SimClock, rate: float) -> float:
    """Look for so long (of the quick clock) and give the greatest age of an organization's total."""
    end, oldest = clock() + seconds, 0.0

    def look() -> bool:
        nonlocal oldest
        if (page := _page(exporter)) is not None:
            found = SKEW.search(page)
            skew = float(found[1]) if found else 0.0
            oldest = max(oldest, *(clock() - skew - float(at) for _target, at in SUCCEEDED.findall(page)))
        return clock() >= end

    until(look, "the hour is over", seconds / rate + 60, every=0.5)
    assert oldest > 0
    return oldest
