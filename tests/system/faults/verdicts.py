"""The harness: runs faults at the same time, each at its own place, and judges what the exporter made of them."""

import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, TypeAlias

from exporter.instants import DAY, HOUR
from tests.support.harness import get, until
from tests.system.faults.row import COLUMNS, Act, Column, Row
from tests.system.faults.scene import CALM, CANARY, INTERVAL, MAX_AGE, READ, Place, Scene
from tests.system.faults.watch import COUNTER, GAUGE, Watch

Verdicts: TypeAlias = Mapping[Column, str]
"""By invariant what was wrong; empty if it held."""
LATE = 10.0
"""Seconds after `max_age` by which gauges must be gone, on a busy machine too."""
LONGEST = 90.0
"""Seconds until a fault must have been noticed, and until all must work again after it."""
SUCCEEDED = "last_success_timestamp_seconds"
ERRORS = re.compile(
    r'github_exporter_collector_errors_total\{collector="([^"]*)",target="organization/([^"]*)",reason="([^"]*)"\}'
)


def run(rows: Sequence[Row], folder: Path, longest: float = LONGEST) -> Mapping[str, Verdicts]:
    """Let all these faults happen, and end; the verdicts by the row's name. `longest` is as `LONGEST`."""
    with Scene(rows, folder).running() as scene:
        watch = Watch(scene.exporter.url)
        scene.watch = watch
        with watch.watching():
            story = _Story(scene, watch, longest)
            story.tell()
        story.end()
        return {place.row.name: dict(story.judge(place)) for place in scene.places if place.row}


class _Story:
    """One run from the first fault to the verdicts."""

    def __init__(self, scene: Scene, watch: Watch, longest: float) -> None:
        self.scene, self.watch, self.longest = scene, watch, longest
        self.places = [place for place in scene.places if place.row]
        self.before: dict[str, Mapping[str, float | None]] = {}
        self.broken: dict[str, str] = {}
        self.unseen: dict[str, str] = {}
        self.stuck: dict[str, str] = {}
        self.leaks: list[str] = []
        self.jumped = float("inf")
        self.errors: Counter[tuple[str, str, str]] = Counter()
        self.log: Sequence[Mapping[str, Any]] = ()

    def tell(self) -> None:
        """Begin each fault, wait until it was noticed, end it, wait until all is well."""
        self._use()
        for place in self.places:
            assert place.row is not None
            self._act(place, place.row.begin)
            place.begun = time.monotonic()
        going, deadline = list(self.places), time.monotonic() + self.longest
        while going:
            self._use()
            look = time.monotonic() + 1
            until(lambda look=look: time.monotonic() > look, "a second of life")
            missing = {place.name: self._unseen(place) for place in going}
            over = [place for place in going if not missing[place.name] or time.monotonic() > deadline]
            if over:
                self._look_everywhere()
            for place in over:
                self.unseen[place.name] = missing[place.name]
                self._end(place)
                going.remove(place)
        self._use()
        self._wait([place for place in self.places if place.row and not place.row.back])
        self.errors, self.log = self._errors(), self.scene.log  # of before time passes at once
        for seconds in (HOUR, DAY):
            late = [place for place in self.places if place.row and place.row.back == seconds]
            if late:
                self._pass_time(seconds + 60.0)
                self._wait(late)
        self._look_everywhere()

    def end(self) -> None:
        """Stop the exporter."""
        try:
            self.code: int | str = self.scene.exporter.stop()
        except subprocess.TimeoutExpired:
            self.code = "SIGKILL: it did not end when it was asked to"
            self.scene.exporter.kill()

    def _use(self) -> None:
        for place in self.scene.places:
            place.use(3)

    def _end(self, place: Place) -> None:
        assert place.row is not None
        newest = self.watch.samples[-1].values
        self.before[place.name] = {name: newest.get(_of(place, SUCCEEDED, name)) for name in READ}
        self._act(place, place.row.end)
        place.ended = time.monotonic()

    def _act(self, place: Place, act: Act) -> None:
        """Do what a row says; what goes wrong then is part of its verdict."""
        assert place.row is not None
        with self.watch.looking_away() if place.row.stops else nullcontext():
            try:
                act(place)
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                self.broken.setdefault(place.name, f"{type(error).__name__}: {error}"[:2000])

    def _unseen(self, place: Place) -> str:
        """What has not been seen of a fault that lasts; empty if everything was."""
        row = place.row
        assert row is not None
        if time.monotonic() < place.begun + row.lasts:
            return f"it lasted less than {row.lasts:g} s"
        counted = {reason for _, name, reason in self._errors() if name == place.name}
        if row.reason and row.reason not in counted:
            return f"not counted as {row.reason}, but as {sorted(counted)}"
        if row.shows and not re.search(row.shows.replace("PLACE", place.name), self.watch.body, re.MULTILINE):
            return f"no line {row.shows} in /metrics"
        return ""

    def _errors(self) -> Counter[tuple[str, str, str]]:
        """How often each collector, organization and reason was counted, over all lives of the process."""
        found: Counter[tuple[str, str, str]] = Counter()
        for sample in self.watch.samples:
            for series, value in sample.values.items():
                if match := ERRORS.match(series):
                    key = (match[1], match[2], match[3])
                    found[key] = max(found[key], int(value))
        return +found

    def _wait(self, places: Sequence[Place]) -> None:
        deadline = time.monotonic() + self.longest
        for place in places:
            left = max(0.0, deadline - time.monotonic())
            try:
                until(lambda place=place: not self._amiss(place), "all is well", left, every=0.2)
            except AssertionError:
                self.stuck[place.name] = self._amiss(place)

    def _amiss(self, place: Place) -> str:
        """Why a place does not work yet; empty if its newest runs succeeded and every request was counted."""
        newest = self.watch.samples[-1].values
        for collector in READ:
            if newest.get(_of(place, "success", collector)) != 1:
                return f"{collector} does not succeed"
            if newest.get(_of(place, SUCCEEDED, collector)) == self.before[place.name][collector]:
                return f"{collector} has not run since the fault ended"
        value = newest.get(counter(place))
        return "" if value == place.requests else f"{value} requests are counted of {place.requests}"

    def _pass_time(self, seconds: float) -> None:
        with self.watch.looking_away():
            self.jumped = min(self.jumped, time.monotonic())
            self.scene.pass_time(seconds)
            self.watch.ahead += seconds
            read = time.monotonic() + 2  # libfaketime reads its file once a second
            until(lambda: time.monotonic() > read, "it has read the file")
            until(lambda: get(f"{self.scene.exporter.url}/metrics")[0] == 200, "it answers")

    def _look_everywhere(self) -> None:
        """Look for secrets on the pages that people see, in the environment of child processes, and in the state."""
        assert self.scene.exporter.process is not None
        for path in ("/", "/api/v1/status", "/metrics"):
            self._look(path, get(f"{self.scene.exporter.url}{path}", timeout=30)[1])
        for file in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has just ended
                if int(file.read_text().rpartition(")")[2].split()[1]) == self.scene.exporter.process.pid:
                    self._look("a child's environment", (file.parent / "environ").read_text(errors="replace"))
        for file in (self.scene.folder / "state").rglob("*"):
            with suppress(OSError):
                self._look(f"the state's {file.name}", file.read_bytes().decode(errors="replace"))

    def _look(self, where: str, text: str) -> None:
        if CANARY in text:
            self.leaks.append(f"{where}: {text[max(0, text.index(CANARY) - 200) :][:400]}")

    def judge(self, place: Place) -> Iterator[tuple[Column, str]]:
        """What was wrong, invariant by invariant."""
        for column, judge in _JUDGES.items():
            yield column, judge(self, place)

    def alive(self, _place: Place) -> str:
        text = self.scene.exporter.log.read_text(errors="replace")
        if "Traceback" in text:
            return text[text.index("Traceback") :].partition("\n")[0][-2000:]
        return f"it ended with {self.code}" if self.code else ""

    def answers(self, _place: Place) -> str:
        return self.watch.failed()

    def last_figures(self, place: Place) -> str:
        assert place.row is not None
        if place.row.stops or place.row.actor == "clock":
            return ""  # nobody was there to show them, or ages are those of another clock
        success = _of(place, SUCCEEDED, "subject_stats")
        of_calm = _of(self.scene.places[-1], SUCCEEDED, "subject_stats")
        counted, old = 0.0, 0
        for sample in self.watch.samples:
            if sample.at > self.jumped:
                break
            value = sample.values.get(counter(place))
            if value is None or value < counted:
                return f"the counter fell from {counted} to {value}"
            counted = value
            age, is_there = sample.wall - sample.values[success], gauge(place) in sample.values
            if not is_there and age < MAX_AGE - 1:
                return f"no gauges, though they are {age:.1f} s old"
            is_busy = sample.wall - sample.values[of_calm] > 2 * INTERVAL  # the machine: what works is late, too
            old = old + 1 if is_there and age > MAX_AGE + LATE and not is_busy else 0
            if old > 5:  # at their return the figures may be shown a second before the instant of the success
                return f"gauges of {age:.1f} s ago"
        return ""

    def others(self, place: Place) -> str:
        row = place.row
        assert row is not None
        hit = {place.name: set(READ) if row.everything else {row.collector}, CALM: set[str]()}
        wrong = [
            f"{collector} of {name}: {reason}"
            for collector, name, reason in self.errors
            if name in hit and collector not in hit[name]
        ]
        return ", ".join(wrong)

    def reason(self, place: Place) -> str:
        row = place.row
        assert row is not None
        if wrong := self.broken.get(place.name) or self.unseen[place.name]:
            return wrong
        counted = {reason for _, name, reason in self.errors if name == place.name}
        if counted - {row.also} != ({row.reason} if row.reason else set()):
            return f"counted as {sorted(counted)}"
        said = Counter(
            line["job"]
            for line in self.log
            if line.get("event") == "collector failed" and line["job"].endswith(f" organization/{place.name}")
        )
        often = {job: times for job, times in said.items() if times > 1}
        return f"the log says it again and again: {often}" if often else ""

    def secrets(self, _place: Place) -> str:
        if leaks := [*filter(None, [self.watch.secrets_in]), *self.leaks]:
            return leaks[0]
        if CANARY in (text := self.scene.exporter.log.read_text(errors="replace")):
            return f"the log: {text[max(0, text.index(CANARY) - 300) :][:600]}"
        return "a core file" if any(self.scene.folder.glob("core*")) else ""

    def recovers(self, place: Place) -> str:
        stuck = self.stuck.get(place.name, "")
        return "" if "are counted of" in stuck else stuck

    def exact(self, place: Place) -> str:
        stuck = self.stuck.get(place.name, "")
        return stuck if "are counted of" in stuck else ""


_JUDGES: Mapping[Column, Callable[[_Story, Place], str]] = {
    "alive": _Story.alive,
    "answers": _Story.answers,
    "last figures": _Story.last_figures,
    "others": _Story.others,
    "reason": _Story.reason,
    "secrets": _Story.secrets,
    "recovers": _Story.recovers,
    "exact": _Story.exact,
}
assert _JUDGES.keys() == COLUMNS.keys()


def _of(place: Place, what: str, collector: str) -> str:
    return f'github_exporter_collector_{what}{{collector="{collector}",target="organization/{place.name}"}}'


def counter(place: Place) -> str:
    """The series that counts a place's requests."""
    return f'{COUNTER}{{organization="{place.name}"}}'


def gauge(place: Place) -> str:
    """The beginning of a series that goes when it is older than `max_age`."""
    return f'{GAUGE}{{organization="{place.name}"'
