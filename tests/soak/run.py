"""A soak from its start to its verdict."""

import gc
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.soak.github import CANARY, CREDENTIALS, DAY, FIRST, LATEST, ORGANIZATIONS, RATE, GitHub, Key
from tests.soak.lanes import phases, play
from tests.soak.scene import Scene
from tests.soak.scraper import EVERY as SCRAPE_EVERY
from tests.soak.scraper import Scraper
from tests.soak.totals import differences, shown
from tests.soak.usage import EVERY as LOOK_EVERY
from tests.soak.usage import Usage
from tests.support.harness import INSIGHTS, get, simulated, until
from tests.support.threads import repeating

RECOVERY = 240.0
"""Seconds until everything is counted after the last fault: a request that hangs takes 30, and a drill-down follows."""
LAST_SUCCESS = re.compile(r"^github_exporter_collector_last_success_timestamp_seconds(\{.*?\}) (\S+)$", re.MULTILINE)
BAD_WORDS = ("Traceback", "please report", "ASGI")


@dataclass(frozen=True)
class Result:
    """What a soak has shown."""

    seconds: float
    days: float
    lives: int
    survived: Counter[str]
    breaches: list[str]
    truth: Counter[Key]
    scrapes: list[float]
    usage: Usage
    log_bytes: int


def soak(
    folder: Path, minutes: float, seed: int, *, patience: float = 1.0, say: Callable[[str], None] = print
) -> Result:
    """Play all faults for so many minutes, then hold the counters against the truth."""
    began = time.monotonic()
    github = GitHub(seed, folder)
    gc.freeze()  # looking through that world for cycles would be long pauses for the scraper
    for credential in CREDENTIALS:
        github.renew(credential)
    with simulated(github.app) as (github.url,):
        scene = Scene(folder, github, patience, say)
        usage, scraper = Usage(scene), Scraper(scene)
        with scene.exporter, repeating(usage.add_sample, LOOK_EVERY), repeating(scraper.scrape, SCRAPE_EVERY):
            first = read_first(scene)
            github.clock.run(RATE)
            for phase in phases(minutes):
                scene.say(f"phase     {phase.name}, {phase.seconds / 60:.1f} minutes")
                play(scene, seed, phase)
                a_day_later(scene)
            truth = finish(scene, first)
        usage.judge()
    log_bytes = search_what_was_written(scene)
    days = (github.clock() - FIRST) / DAY
    return Result(
        time.monotonic() - began,
        days,
        scene.lives,
        scene.survived,
        scene.breaches,
        truth,
        scraper.seconds,
        usage,
        log_bytes,
    )


def read_first(scene: Scene) -> Counter[Key]:
    """Start while GitHub's clock stands still; gives what is visible before anything is counted."""
    first = scene.github.truth(FIRST)
    scene.start()
    until(lambda: get(f"{scene.exporter.url}/-/ready")[0] == 200, "all jobs have run", 120)
    until(lambda: all_succeed(scene), "all jobs have succeeded", 60)
    return first


def all_succeed(scene: Scene, since: float = 0.0) -> bool:
    """Whether the newest run of each collector succeeded, `since` then by the exporter's clock."""
    body = scene.exporter.metrics()
    labels = {
        f'{{collector="{collector}",target="organization/{name}"}}'
        for collector in {one.name for one in INSIGHTS}
        for name in ORGANIZATIONS
    }
    last = {name: float(at) for name, at in LAST_SUCCESS.findall(body)}
    return all(
        f"github_exporter_collector_success{label} 1\n" in body and last.get(label, 0.0) >= since for label in labels
    )


def a_day_later(scene: Scene) -> None:
    """All faults are over; a process whose clock is two days ahead waits for nothing, and is followed by another."""
    for credential in CREDENTIALS:
        scene.github.renew(credential)
    scene.write_settings()
    scene.stop()
    scene.github.clock.freeze()
    with scene.turned_clock(2 * DAY):
        started = time.time() + 2 * DAY + 1  # what it shows at its start may be no older than the start
        try:
            until(lambda: all_succeed(scene, started), "all jobs succeed two days later", RECOVERY)
        except AssertionError as late:
            scene.breach(str(late))
    scene.github.clock.run(RATE)
    scene.start()


def finish(scene: Scene, first: Counter[Key]) -> Counter[Key]:
    """Show all that was sent, and compare; gives what is true."""
    clock = scene.github.clock
    clock.freeze()
    clock.jump(LATEST)
    truth = scene.github.truth(clock())
    truth.subtract(first)
    scene.say("end       no faults any more; waiting until everything is counted")
    try:
        until(lambda: not differences(shown(scene.exporter.metrics()), truth), "all is counted", RECOVERY, every=0.5)
        until(lambda: all_succeed(scene), "all jobs succeed again", 60)
    except AssertionError as late:
        scene.breach(str(late))
    since = time.monotonic()
    until(lambda: time.monotonic() > since + 5, "a few more runs", every=0.5)
    for difference in differences(shown(scene.exporter.metrics()), truth):
        scene.breach(difference)
    scene.stop()
    return truth


def search_what_was_written(scene: Scene) -> int:
    """No secret in log and state, nothing unexpected in the log; gives the log's size."""
    with scene.exporter.log.open(errors="replace") as log:
        for line in log:
            for word in (CANARY, *BAD_WORDS):
                if word in line:
                    scene.breach(f"the log has {word!r}: {line[:1500].replace(CANARY, '...')}")
    for file in scene.folder.glob("state*/*"):
        if file.is_file() and CANARY.encode() in file.read_bytes():
            scene.breach(f"a token in {file.relative_to(scene.folder)}")
    return scene.exporter.log.stat().st_size
